"""The blocks of a Markdown page: written or run in order, and compared with what the page shows.

* A block with a caption (``{code-block} python`` and ``:caption: my_gates.py``) is a file.
* ``python`` without one is a script; it has to end without an error.
* ``console`` holds commands after ``$`` and what they print. ``...`` stands for any text, alone on
  a line for any lines; times and noise are not compared. Where nothing is shown, the exit code has
  to be 0.
* ``yaml`` and ``toml`` are files; what a workflow runs with gradcheck or pytest is run too.

``python -m tests.blocks PAGE ...`` puts into the pages what their commands print now, but for those
that were shortened with ``...``.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.project import clean_environment

PLACE = "/home/you/project"
"""Stands in the pages for the scratch folder."""
FILES = ("python", "toml", "yaml", "json", "ini")
_FENCE = re.compile(r"(?P<indent> *)(?P<marks>`{3,})(?P<info>.*)")
_MASKS = (
    (r"\b\d+(\.\d+)?( ?m?s\b)", r"#\2"),
    (r"± *\S+", "± #"),
    (r"\b(truncation|round-off|would have seen) [^\s,)]+", r"\1 #"),
    (r"[\d,]+ forward evaluations", "# forward evaluations"),
    (r"\b\d(\.\d+)?e-\d+", "#"),
    (r"[▁▂▃▄▅▆▇█]+", "▁"),
    (r"(?m)^ *▲+", "▲"),
    (r"(?<=\S) {2,}", "  "),
)
"""What differs between machines: times, rounding errors, and the last digits of bounds."""
_CI = ("CI", "GITHUB_", "BUILD_NUMBER", "TERM", "LINES")
"""With these in the environment some tools print otherwise."""
_SHIMS = {
    "gradcheck": '-c "from gradcheck.cli import main; main()"',
    "python": "",
    "pytest": "-m pytest",
}


class Wrong(AssertionError):
    """A page shows what does not happen."""


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    language: str
    text: str
    line: int
    """Of its first line of text, from 1."""
    file: str = ""


@dataclass(frozen=True)
class Command:
    """One command of a console block with what the page shows of it."""

    typed: str
    shown: str
    line: int


@dataclass
class Scratch:
    """The folder that the blocks of one page share."""

    folder: Path
    code: int = 0
    """Exit code of the last command, for ``echo $?``."""
    environment: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        shims = self.folder.parent / f"{self.folder.name}-bin"
        shims.mkdir(exist_ok=True)
        for name, how in _SHIMS.items():
            (shims / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {how} "$@"\n')
            (shims / name).chmod(0o755)
        own = {k: v for k, v in clean_environment().items() if not k.startswith(_CI)}
        path = f"{shims}:{own.get('PATH', '')}"
        self.environment = own | {"PATH": path, "PYTHONIOENCODING": "utf-8"}
        self.environment["OPENBLAS_CORETYPE"] = "Nehalem"  # the last bits of W @ x, on any x86
        self.environment["PYTEST_ADDOPTS"] = "-p no:randomly -p no:rerunfailures"
        self.environment["PYTHONDONTWRITEBYTECODE"] = "1"  # a file may change twice in a second

    def run(self, typed: str, given: str = "") -> str:
        """What a command prints to both streams."""
        done = subprocess.run(
            ["bash", "-c", f"(exit {self.code})\n{typed}"],
            cwd=self.folder,
            env=self.environment,
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        self.code = done.returncode
        lines = done.stdout.replace(str(self.folder), PLACE).splitlines()
        return "\n".join(line.rstrip() for line in lines)


def blocks(page: str) -> Iterator[Block]:
    """The code blocks of a page; other directives are passed over.

    Raises
    ------
    Wrong
        A block in a language that nothing here can check.
    """
    lines = page.splitlines()
    number = 0
    while number < len(lines):
        opened = _FENCE.fullmatch(lines[number])
        number += 1
        if opened is None:
            continue
        first, inside = number, list[str]()
        while number < len(lines) and lines[number].strip() != opened["marks"]:
            inside.append(lines[number].removeprefix(opened["indent"]))
            number += 1
        number += 1
        if (made := _block(opened["info"].strip(), inside, first + 1)) is not None:
            yield made


def _block(info: str, inside: list[str], line: int) -> Block | None:
    directive = info.startswith("{")
    name = info.removeprefix("{code-block}").strip()
    if directive and name.startswith("{"):
        return None
    file = ""
    while directive and inside and (option := re.fullmatch(r":(\w+): *(.*)", inside[0])):
        file = option[2] if option[1] == "caption" else file
        inside, line = inside[1:], line + 1
    while directive and inside and not inside[0]:
        inside, line = inside[1:], line + 1
    if name not in ("console", *FILES) or (name not in ("console", "python") and not file):
        raise Wrong(f"line {line}: nothing checks a block of {name or 'no language'} like this")
    return Block(name, "\n".join(inside) + "\n", line, file)


def commands(block: Block) -> Iterator[Command]:
    """The commands of a console block."""
    lines = block.text.splitlines()
    if not lines or not lines[0].startswith("$ "):
        raise Wrong(f"line {block.line}: a console block begins with a command after $")
    starts = [k for k, line in enumerate(lines) if line.startswith("$ ")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        typed, after = lines[start][2:], start + 1
        while typed.endswith("\\"):
            typed, after = f"{typed}\n{lines[after]}", after + 1
        yield Command(typed, "\n".join(lines[after:end]).rstrip(), block.line + start)


def run(page: str, folder: Path) -> None:
    """Do what a page says, in its order.

    Raises
    ------
    Wrong
        A block fails, or prints something else than the page shows.
    """
    scratch = Scratch(folder)
    for block, *others in _together(blocks(page)):
        if block.file:
            write(block, scratch)
        elif block.language == "python":
            run_scripts([block, *others], scratch)
        else:
            for command in commands(block):
                printed = scratch.run(command.typed)
                compare(command, printed, scratch.code)


def _together(found: Iterable[Block]) -> Iterator[list[Block]]:
    """Each block alone, but scripts that follow each other: one process runs them all."""
    scripts: list[Block] = []
    for block in found:
        if block.language == "python" and not block.file:
            scripts.append(block)
            continue
        if scripts:
            yield scripts
        scripts = []
        yield [block]
    if scripts:
        yield scripts


_SCRIPTS = """
for line, text in {scripts!r}:
    try:
        exec(compile(text, f"line {{line}}", "exec"), {{"__name__": f"line_{{line}}"}})
    except BaseException as error:
        raise SystemExit(f"line {{line}}: the script fails: {{type(error).__name__}}: {{error}}")
"""


def run_scripts(scripts: Sequence[Block], scratch: Scratch) -> None:
    """Run scripts one after the other, each with names of its own."""
    printed = scratch.run("python -", _SCRIPTS.format(scripts=[(b.line, b.text) for b in scripts]))
    demand(scratch.code == 0, printed)


def write(block: Block, scratch: Scratch) -> None:
    """Write a file; what a workflow runs is run at once."""
    path = scratch.folder / block.file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.text, encoding="utf-8")
    if block.language != "yaml":
        return
    for typed in re.findall(r"^ *(?:- )?run: ((?:gradcheck|pytest)\b.*)", block.text, re.MULTILINE):
        printed = scratch.run(typed)
        demand(scratch.code == 0, f"line {block.line}: {typed}\n{printed}")


def demand(condition: bool, what: str) -> None:
    """Raise `Wrong` where a page does not hold."""
    if not condition:
        raise Wrong(what)


def compare(command: Command, printed: str, code: int) -> None:
    """One command's output with what the page shows of it."""
    where = f"line {command.line}: $ {command.typed}"
    if not command.shown:
        demand(code == 0, f"{where}\nexit code {code}:\n{printed}")
    else:
        demand(
            agrees(command.shown, printed),
            f"{where}\nprints\n{printed}\n-- the page shows\n{command.shown}",
        )


def agrees(shown: str, printed: str) -> bool:
    """The page shows what is printed."""
    parts = []
    for line in _masked(shown).splitlines():
        if line.strip() == "...":
            parts.append(r"(?:[^\n]*\n)*?")
        else:
            parts.append(re.escape(line).replace(r"\.\.\.", r"[^\n]*") + r"[ ]*\n")
    return re.fullmatch("".join(parts), _masked(printed.strip("\n")) + "\n") is not None


def _masked(text: str) -> str:
    for pattern, instead in _MASKS:
        text = re.sub(pattern, instead, text)
    return text


def updated(page: str, folder: Path) -> str:
    """The page with what its commands print now, where they differ."""
    scratch, lines = Scratch(folder), page.splitlines()
    changes: list[tuple[Command, list[str]]] = []
    for block in blocks(page):
        if block.file:
            write(block, scratch)
        elif block.language == "console":
            for command in commands(block):
                printed = scratch.run(command.typed).strip("\n")
                if not command.shown or agrees(command.shown, printed):
                    continue
                if "\n...\n" in f"\n{command.shown}\n":
                    print(f"line {command.line}: to be shortened by hand:\n{printed}")
                else:
                    changes.append((command, printed.splitlines()))
    for command, printed in reversed(changes):
        first = command.line + command.typed.count("\n")  # the index of the line after it
        indent = re.match(" *", lines[first - 1])[0]  # type: ignore[index]  # matches anything
        last = first + len(command.shown.splitlines())
        lines[first:last] = [f"{indent}{line}".rstrip() for line in printed]
    return "\n".join(lines) + "\n"


def main(pages: list[str]) -> None:
    """Bring pages up to date."""
    for name in pages:
        path = Path(name)
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "project"
            folder.mkdir()
            path.write_text(updated(path.read_text(encoding="utf-8"), folder), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
