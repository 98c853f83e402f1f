"""The kinds of report by name: functions from a `Report` to a text, imported when they are used.

To add one: a module here with ``render(report) -> str``, which writes nothing, and a row in
`KINDS`. Every door (``--report KIND=PATH``, ``gradcheck report``, pytest) takes it from there.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from gradcheck.errors import UsageError, did_you_mean
from gradcheck.results import Report

KINDS = {
    "json": "gradcheck.reporters.json",
    "ndjson": "gradcheck.reporters.ndjson",
    "html": "gradcheck.reporters.html",
    "junit": "gradcheck.reporters.junit",
    "sarif": "gradcheck.reporters.sarif",
    "github": "gradcheck.reporters.github",
    "markdown": "gradcheck.reporters.markdown",
}
"""The module that renders each kind."""


def renderer(kind: str) -> Callable[[Report], str]:
    """The function that renders a kind.

    Raises
    ------
    UsageError
        There is no such kind; names the nearest.
    """
    if kind not in KINDS:
        known = did_you_mean(kind, KINDS) or f" There are {', '.join(KINDS)}."
        raise UsageError(f"no kind of report is named {kind!r}.{known}")
    render: Callable[[Report], str] = import_module(KINDS[kind]).render
    return render
