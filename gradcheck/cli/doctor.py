"""The work of ``gradcheck doctor``: what gradcheck runs on, and what is broken there."""

from __future__ import annotations

import os
import platform
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from gradcheck.cli.screen import screen
from gradcheck.errors import UsageError
from gradcheck.plain import SENTENCE, clean

OWN = ("numpy", "hypothesis", "pytest", "msgspec", "rich", "cyclopts", "jinja2", "threadpoolctl")
OTHERS = ("torch", "jax", "autograd", "ml_dtypes", "jaxtyping", "pytest-xdist")
LABEL = 16
"""Columns of the labels at the left."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at."""

    label: str
    text: str
    problem: str = ""
    """What is broken and what to do; empty where nothing is."""


def doctor() -> int:
    """Print everything that a bug report needs; 1 where something is broken."""
    problems: list[str] = []
    console = screen()
    for title, section in SECTIONS:
        console.print(f"{title}:" if title else "", markup=False)
        for line in _guarded(section):
            console.print(_in_columns(line, console.width), markup=False, soft_wrap=True)
            if line.problem:
                problems.append(f"{line.label}: {line.problem}")
    if not problems:
        console.print("\nnothing is broken", markup=False)
        return 0
    console.print(f"\nbroken ({len(problems)}):", markup=False)
    for problem in problems:
        console.print(f"  {clean(problem, SENTENCE)}", markup=False, soft_wrap=True)
    return 1


def _in_columns(line: Line, width: int) -> str:
    label = f"  {clean(line.label, SENTENCE):<{LABEL}s}  "
    return textwrap.fill(
        clean(line.text, SENTENCE),
        max(width, 2 * LABEL),
        initial_indent=label,
        subsequent_indent=" " * (LABEL + 4),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _guarded(section: Callable[[], Iterator[Line]]) -> Iterator[Line]:
    """The lines of a section; what it raises is what is broken."""
    try:
        yield from section()
    except UsageError as error:
        yield Line("cannot be told", "see below", str(error))
    except (SystemExit, Exception) as error:
        said = f"{type(error).__name__}: {error}"
        yield Line("cannot be told", said, f"{said}; reinstall what it names, or report this page")


def _versions() -> Iterator[Line]:
    folder = Path(__file__).resolve().parent.parent
    yield Line("gradcheck", f"{_version('gradcheck') or 'not installed'} in {folder}")
    kind = "virtual environment" if sys.prefix != sys.base_prefix else "no virtual environment"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    yield Line("python", f"{python}, {sys.executable} ({kind})")
    yield Line("platform", f"{platform.platform()}, {_cpus()}")
    for name in OWN:
        found = _version(name)
        missing = "" if found else f"it is not installed: python -m pip install {name}"
        yield Line(name, found or "missing", missing)
    others = [f"{n} {found}" for n in OTHERS if (found := _version(n))]
    yield Line("also there", ", ".join(others) or "none of " + ", ".join(OTHERS))
    yield _plugin()


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _cpus() -> str:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{usable} of {os.cpu_count()} CPUs usable"


def _plugin() -> Line:
    """Whether pytest finds the plugin by its entry point."""
    found = [e for e in metadata.entry_points(group="pytest11") if e.name == "gradcheck"]
    off = "" if "PYTEST_DISABLE_PLUGIN_AUTOLOAD" not in os.environ else ", but autoload is off"
    if found:
        wrong = "unset PYTEST_DISABLE_PLUGIN_AUTOLOAD, or run pytest -p gradcheck.pytest_plugin"
        return Line("pytest plugin", f"registered{off}", wrong if off else "")
    return Line(
        "pytest plugin",
        "not registered",
        "pytest does not know of it: install gradcheck into this environment (pip install)",
    )


def _numbers() -> Iterator[Line]:
    import numpy as np
    from threadpoolctl import threadpool_info  # type: ignore[import-untyped]  # it has no types

    pools = [
        f"{p['internal_api']} {p.get('version') or ''} ({p['num_threads']} threads)"
        for p in threadpool_info()
    ]
    yield Line("BLAS", (", ".join(pools) or "none found") + "; one thread while checking")
    formats = [f"{n} {np.finfo(n).eps:.3g}" for n in ("float64", "float32", "float16")]
    yield Line("eps", ", ".join(formats))
    wide = np.finfo(np.longdouble)
    more = "" if wide.eps < np.finfo(np.float64).eps else ": no second opinion in it"
    yield Line("longdouble", f"eps {wide.eps:.3g}{more}")
    half = _version("ml_dtypes")
    yield Line("bfloat16", f"ml_dtypes {half}" if half else "not there: pip install ml_dtypes")


def _terminal() -> Iterator[Line]:
    console = screen()
    kind = "a terminal" if console.is_terminal else "no terminal (a pipe or a file)"
    yield Line("output", f"{kind}, {console.width} columns, {sys.stdout.encoding}")
    yield Line("colour", f"{console.color_system or 'none'}{', NO_COLOR' * console.no_color}")


def _settings() -> Iterator[Line]:
    from gradcheck.cli.origins import DEFAULT, settings_with_origin

    defaults = []
    for key, value, origin in settings_with_origin(Path.cwd()):
        if origin == DEFAULT:
            defaults.append(f"{key} = {value}")
        else:
            yield Line(key, f"{value}  ({origin})")
    yield Line(DEFAULT, "; ".join(defaults))


def _targets() -> Iterator[Line]:
    from gradcheck.cli.origins import output_place, target_lines
    from gradcheck.settings import load

    try:
        settings = load(Path.cwd(), profile="ci")
    except UsageError:
        yield Line("not looked at", "the settings are wrong")
        return
    looked = (*target_lines(settings), output_place(settings))
    yield from (Line(name, said, problem) for name, said, problem in looked)


def _self_check() -> Iterator[Line]:
    """One right and one wrong gate get the right verdicts here."""
    from gradcheck.registry import make
    from gradcheck.runner import run_one
    from gradcheck.settings import Settings

    for name, factor, wanted in (("right gate", 2.0, "pass"), ("wrong gate", -2.0, "fail")):
        gate = make((lambda x: x * x, lambda dz, x, f=factor: f * x * dz, "x[n]"), {}, {})
        got = run_one(gate, Settings(max_cases=25)).verdict
        wrong = "" if got == wanted else f"the verdict is {got}, not {wanted}: report this page"
        yield Line(name, got, wrong)


SECTIONS: tuple[tuple[str, Callable[[], Iterator[Line]]], ...] = (
    ("versions", _versions),
    ("numbers", _numbers),
    ("terminal", _terminal),
    ("settings, and where each came from", _settings),
    ("targets", _targets),
    ("self-check", _self_check),
)
