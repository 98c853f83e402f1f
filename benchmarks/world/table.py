"""Gradients that ship today, checked by the harness, in one table: reports/world.md.

    pip install -e '.[bench,tapes]'
    python benchmarks/world/table.py --keep FOLDER torch     # one library, its JSON kept
    python benchmarks/world/table.py --keep FOLDER --reuse   # the page, from what is kept
    python benchmarks/world/table.py --reproduce             # do the bugs still show?

Each list of functions runs in a process of its own, at the profile `ci`. What was found in a
function is looked into by hand: `judged.toml` says of each whether it is a bug, with a reproduction
that needs the library alone, a choice at a singular point, or our false alarm; what it does not
name stands in the table as *not looked into*.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

HERE = Path(__file__).resolve().parent
REPORT = HERE.parent.parent / "reports" / "world.md"
LISTS = {
    "autograd": "autograd_functions.py",
    "mygrad": "mygrad_functions.py",
    "torch": "torch_functions.py",
    "jax": "jax_functions.py",
    "tinygrad": "tinygrad_functions.py",
}
"""By distribution, the module of its functions."""
CASES = {"tinygrad": 16}
"""Of lists that are too slow for the profile's 100."""
KINDS = {
    "bug": "a wrong gradient of the library's",
    "precision": "digits that the library loses",
    "convention": "a choice at a point where there is no gradient",
    "domain": "beyond what the function is meant for",
    "false alarm": "the harness's own",
}
UNSEEN = "not looked into"
ORDINARY = {"mostly-zero", "unmoved", "shared-memory", "backward-raised"}
"""Warnings left out: what any rounding function does; a gradient that is a view; an error, no
number, at shapes that nobody declared."""
HEAD = """# Gradients that ship today

Every function of the lists in `benchmarks/world/` by `gradcheck run` at the profile `ci` ({cases}
cases each; {fewer}), {where}. Nobody here wrote these functions.
Written by `python benchmarks/world/table.py`.

A *fail* is the harness's verdict, and so is *not judged*, which is no pass. A function *passes with
a warning* where something is off that is not the gradient at the declared points: lost digits, the
gradient of the gradient, sizes of zero, inputs beyond the declared range. (Left out: a backward
pass that raises at shapes which nobody declared.) Each of all these was looked into by hand, with
the library alone (`benchmarks/world/judged.toml`; `table.py --reproduce` runs what is shown here
and compares what it prints), and is one of:

{kinds}
"""


@dataclass(frozen=True)
class Library:
    """One list's results, as `gradcheck run` wrote them."""

    name: str
    version: str
    report: Mapping[str, Any]

    @property
    def results(self) -> list[Mapping[str, Any]]:
        return list(self.report["results"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("libraries", nargs="*", default=[], choices=[[], *LISTS], metavar="LIBRARY")
    parser.add_argument("--keep", type=Path, help="folder for each library's JSON")
    parser.add_argument("--reuse", action="store_true", help="of --keep's folder, what is there")
    parser.add_argument("--jobs", default="2")
    parser.add_argument("--reproduce", action="store_true", help="run judged.toml's reproductions")
    given = parser.parse_args()
    judged = tomllib.loads((HERE / "judged.toml").read_text())
    if given.reproduce:
        sys.exit(_reproduced(judged))
    chosen = given.libraries or list(LISTS)
    with tempfile.TemporaryDirectory() as made:
        folder = given.keep or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        libraries = [_checked(name, folder, given) for name in chosen]
    REPORT.write_text("\n".join(_page(libraries, judged)) + "\n")
    print(f"wrote {REPORT}")


def _checked(name: str, folder: Path, given: argparse.Namespace) -> Library:
    """Run one list, or read what was kept of its last run.

    Raises
    ------
    SystemExit
        The run did not come to an end, or a function could not be checked.
    """
    path = folder / f"{name}.json"
    if not (given.reuse and path.is_file()):
        command = [sys.executable, "-m", "gradcheck", "run", LISTS[name], "-q", "-j", given.jobs]
        command += ["--profile", "ci", "--json", str(path)]
        command += ["--max-cases", str(CASES[name])] if name in CASES else []
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
        if done.returncode not in (0, 1) or not path.is_file():
            sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    report = msgspec.json.decode(path.read_bytes())
    if report["errors"]:
        sys.exit(f"{path}: could not be checked: {report['errors']}")
    return Library(name, version(name), report)


def _reproduced(judged: Mapping[str, Any]) -> int:
    """Run every reproduction; the number of those that do not print what they say."""
    wrong = 0
    for library, functions in judged.items():
        for name, by_hand in functions.items():
            code = by_hand.get("reproduction", "")
            command = [sys.executable, "-W", "ignore", "-c", code]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            said = [line[3:] for line in code.splitlines() if line.startswith("#> ")]
            if done.stdout.splitlines() != said:
                wrong += 1
                print(f"{library}.{name} prints\n{done.stdout}{done.stderr}")
    return wrong


def _page(libraries: list[Library], judged: Mapping[str, Any]) -> Iterator[str]:
    where = f"{platform.machine()}, Python {platform.python_version()}"
    kinds = "\n".join(f"- **{kind}**: {what}" for kind, what in KINDS.items())
    fewer = ", ".join(f"{number} of {name}, which is slow" for name, number in CASES.items())
    yield HEAD.format(cases=100, fewer=fewer, where=where, kinds=kinds)
    yield (
        "| library | functions | pass | fail | of the fails | not judged | pass with a warning "
        "| of the warned | forward evaluations |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for library in libraries:
        yield _row(library, judged.get(library.name, {}))
    yield f"\n{_total(libraries, judged)}"
    for library in libraries:
        yield from _section(library, judged.get(library.name, {}))


def _total(libraries: list[Library], judged: Mapping[str, Any]) -> str:
    kinds = {"fail": Counter[str](), "pass": Counter[str]()}
    for library in libraries:
        for result in library.results:
            if result["verdict"] in kinds and _worth(result):
                kind = _kind(judged.get(library.name, {}), _name(result))
                kinds[result["verdict"]][kind] += 1
    fails, warned = kinds["fail"], kinds["pass"]
    functions = sum(len(library.results) for library in libraries)
    return (
        f"Together: {functions:,} functions, {fails.total()} fails, of which {fails['bug']} bugs, "
        f"{fails['precision']} lost digits and {fails['false alarm']} false alarms; of "
        f"{warned.total()} warned, {warned['bug']} bugs, {warned['precision']} lost digits and "
        f"{warned['false alarm']} false alarms."
    )


def _row(library: Library, judged: Mapping[str, Any]) -> str:
    verdicts = Counter(r["verdict"] for r in library.results)
    fails = [r for r in library.results if r["verdict"] == "fail"]
    warned = [r for r in library.results if r["verdict"] == "pass" and _worth(r)]
    cells = (
        f"{library.name} {library.version}",
        len(library.results),
        verdicts["pass"],
        verdicts["fail"],
        _kinds(fails, judged),
        verdicts["inconclusive"],
        len(warned),
        _kinds(warned, judged),
        f"{sum(r['forward_points'] for r in library.results):,}",
    )
    return "| " + " | ".join(map(str, cells)) + " |"


def _kinds(results: list[Mapping[str, Any]], judged: Mapping[str, Any]) -> str:
    kinds = Counter(_kind(judged, _name(r)) for r in results)
    return ", ".join(f"{kinds[kind]} {kind}" for kind in (*KINDS, UNSEEN) if kinds[kind])


def _section(library: Library, judged: Mapping[str, Any]) -> Iterator[str]:
    told = sorted((r for r in library.results if _worth(r)), key=lambda r: r["verdict"])
    if not told:
        return
    yield f"\n## {library.name}\n"
    yield "| function | verdict | what was found | by hand |"
    yield "|---|---|---|---|"
    for result in told:
        name = _name(result)
        first = _worth(result)[0]["message"].splitlines()[0]
        verdict = "not judged" if result["verdict"] == "inconclusive" else result["verdict"]
        why = _linked(judged.get(name, {}))
        by_hand = f"**{_kind(judged, name)}**" + (f": {why}" if why else "")
        yield "| " + " | ".join((f"`{name}`", verdict, _cell(first), _cell(by_hand))) + " |"
    for name, by_hand in judged.items():
        if "reproduction" in by_hand:
            yield f"\n`{name}`\n\n```python\n{by_hand['reproduction'].strip()}\n```"


def _worth(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What was found that someone has to look into, the worst first."""
    rank = {"fail": 0, "not judged": 1, "warning": 2}
    told = [
        f
        for f in result["findings"]
        if f["severity"] in rank and (f["severity"] != "warning" or f["code"] not in ORDINARY)
    ]
    return sorted(told, key=lambda f: rank[f["severity"]])


def _linked(by_hand: Mapping[str, Any]) -> str:
    link = by_hand.get("upstream", "")
    return str(by_hand.get("why", "")) + (f" [upstream]({link})" if link else "")


def _name(result: Mapping[str, Any]) -> str:
    return str(result["op"]).rpartition("::")[2]


def _kind(judged: Mapping[str, Any], name: str) -> str:
    kind = judged.get(name, {}).get("kind", UNSEEN)
    assert kind in KINDS or kind == UNSEEN, f"{name}: {kind!r} is none of {[*KINDS]}"
    return str(kind)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    main()
