"""The work of ``gradcheck explain`` for words: codes, likely mistakes, checks. Needs no NumPy."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence

from gradcheck.cli.screen import screen
from gradcheck.codes import CODES, GROUPS, LIKELY, Code, Likely
from gradcheck.errors import UsageError

WIDEST = 88
"""Columns: longer lines of prose are not read."""
NARROWEST = 40
LABEL = 9
"""Columns of the labels at the left."""
NAME = 23
"""Columns of names in lists."""
MISTAKES = "likely: the mistake behind a wrong gradient, where the numbers single one out"
GRAVE = {
    "fail": "FAIL",
    "not judged": "NOT JUDGED",
    "warning": "WARNING",
    "note": "NOTE",
}
"""As a report marks a finding."""


def explain(name: str | None, values: Sequence[float], svg: str | None) -> int:
    """Print what a word means, or a graph; without a name, all words.

    Codes come first: a graph of the same name is reached as ``file.py::name``.
    """
    console = screen()
    width = max(min(console.width, WIDEST), NARROWEST)
    said = listing(width) if name is None else words(name, width)
    if said and svg is not None and not values and name in CODES:
        raise UsageError(f"{name} is a code, not a graph: it has no picture")
    if said and not values and svg is None:
        console.print(said, markup=False, soft_wrap=True)
        return 0
    from gradcheck.cli.inspect import explain as explain_graph

    return explain_graph(name or "", values, svg)


def words(name: str, width: int = 80) -> str:
    """What a code, a likely mistake or a check means; empty where it is none of them."""
    parts = []
    if name in CODES:
        parts.append(_code(CODES[name], width))
    mistakes = name.split("/")
    if all(m in LIKELY for m in mistakes):
        parts += [_likely(LIKELY[m], width) for m in mistakes]
    if name in GROUPS:
        parts.append("\n".join(_group(name, width)))
    return "\n\n".join(parts)


def listing(width: int = 80) -> str:
    """All words by the check that finds them."""
    lines = ["Codes of findings, by the check that finds them", ""]
    for check in GROUPS:
        lines += [*_group(check, width), ""]
    lines += textwrap.wrap(MISTAKES, width)
    lines += textwrap.wrap(
        ", ".join(LIKELY), width - 2, initial_indent="  ", subsequent_indent="  "
    )
    return "\n".join([*lines, "", "gradcheck explain NAME says more of each."])


def _group(check: str, width: int) -> Iterator[str]:
    """The codes of a check; those that do not fail an op say so."""
    yield from textwrap.wrap(f"{check}: {GROUPS[check]}", width)
    for code in CODES.values():
        if code.check == check:
            mild = f" ({code.severity})" if code.severity in ("warning", "note") else ""
            yield f"  {code.name:<{NAME}s} {code.headline}{mild}"


def _code(code: Code, width: int) -> str:
    lines = [f"{code.name}: {code.headline}", ""]
    for label, text in (
        ("usually", f"{GRAVE[code.severity]}, found by: {code.check}"),
        ("what", code.what),
        ("why", code.why),
        ("fix", code.fix),
    ):
        lines += _labelled(label, text, width)
    options = f" {code.options}" if code.options else ""
    lines += ["", f"  example  gradcheck run example.py{options}", ""]
    shown = re.sub(r"\n\n\n", "\n\n", code.example)
    lines += [f"    {line}".rstrip() for line in shown.splitlines()]
    return "\n".join([*lines, "", *_labelled("more", f"docs/codes.md#{code.name}", width)])


def _likely(likely: Likely, width: int) -> str:
    lines = [f"likely: {likely.name}", ""]
    lines += [*_labelled("what", likely.what, width), *_labelled("fix", likely.fix, width)]
    return "\n".join(lines)


def _labelled(label: str, text: str, width: int) -> list[str]:
    return _wrapped(text, width, f"  {label:<{LABEL}s}")


def _wrapped(text: str, width: int, label: str) -> list[str]:
    """Lines of a paragraph, indented as its label is long."""
    return textwrap.wrap(
        text,
        width,
        initial_indent=label,
        subsequent_indent=" " * len(label),
        break_on_hyphens=False,
    )
