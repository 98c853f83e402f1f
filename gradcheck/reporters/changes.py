"""What changed between two runs, as plain text or as Markdown: the worst first."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from gradcheck.changes import BETTER, OTHER, WORSE, Change, Changes
from gradcheck.plain import NAME, SENTENCE, clean
from gradcheck.reporters.markdown import Page, cell, span

WIDTH = 100
NAMED = 4
"""Ops that are named where many changed in one way."""
COMMENT = 60_000
"""Bytes of Markdown: GitHub takes comments of 65,536 characters."""
_HEADINGS = (("WORSE", WORSE), ("better", BETTER), ("neither", OTHER))
_ROOM_FOR_REMARKS = 500


def text(changes: Changes, old: str, new: str) -> str:
    """The whole comparison; ``old`` and ``new`` name the files."""
    blocks = ["\n".join(_head(changes, old, new))]
    for heading, kinds in _HEADINGS:
        if found := changes.of(kinds):
            lines = [line for group in _grouped(found) for line in _lines(group)]
            blocks.append("\n".join([f"{heading}: {len(found)}", *lines]))
    return "\n\n".join([*blocks, last(changes)])


def last(changes: Changes) -> str:
    """The last line: what it comes to."""
    ops = f"{changes.compared} op{'s' * (changes.compared != 1)} compared"
    if not changes.changes:
        return f"{ops}: nothing changed"
    worse, better = len(changes.worse), len(changes.of(BETTER))
    return f"{ops}: {worse or 'nothing'} worse, {better or 'nothing'} better"


def _head(changes: Changes, old: str, new: str) -> Iterator[str]:
    yield f"from {clean(old, SENTENCE)} to {clean(new, SENTENCE)}"
    for line in changes.differs:
        yield f"not the same: {clean(line, SENTENCE)}"


def _grouped(found: Sequence[Change]) -> list[list[Change]]:
    """Ops that changed in the same way, together."""
    groups: dict[tuple[str, ...], list[Change]] = {}
    for change in found:
        key = (change.kind, change.was, change.now, change.what)
        groups.setdefault(key, []).append(change)
    return list(groups.values())


def _lines(group: Sequence[Change]) -> list[str]:
    """One way to change: the kind, what, and the ops."""
    change = group[0]
    names = [clean(c.op, NAME) for c in group if c.op]
    who = ", ".join(names[:NAMED])
    if len(names) > NAMED:
        who = f"{len(names)} ops ({who}, and {len(names) - NAMED} more)"
    verdicts = f"from {change.was} to {change.now}" if change.now else ""
    said = ": ".join(part for part in (who, verdicts, clean(change.what, SENTENCE)) if part)
    return textwrap.wrap(
        said,
        WIDTH,
        initial_indent=f"  {change.kind.replace('-', ' '):<17s} ",
        subsequent_indent=" " * 20,
        break_long_words=False,
        break_on_hyphens=False,
    )


def markdown(changes: Changes, old: str, new: str, limit: int = COMMENT) -> str:
    """The comparison as a comment on a pull request: what it comes to, then a table of each kind.

    What comes from the user stands in code spans. Rows beyond ``limit`` bytes are counted.
    """
    page = Page(limit - _ROOM_FOR_REMARKS, "gradcheck diff prints all")
    state = "worse" if changes.worse else "nothing worse"
    page.add(f"## gradcheck diff: {state}\n\n{last(changes)}\n")
    page.add(f"\nfrom {span(old)} to {span(new)}\n")
    differing = [f"- not the same: {span(line, SENTENCE)}\n" for line in changes.differs]
    page.add_all("\n", differing, "differences")
    for heading, kinds in _HEADINGS:
        found = changes.of(kinds)
        head = f"\n### {heading}: {len(found)}\n\n| change | op | before | now | what |\n"
        rows = [_row(group) for group in _grouped(found)]
        page.add_all(f"{head}|---|---|---|---|---|\n", rows, "rows")
    return page.text()


def _row(group: Sequence[Change]) -> str:
    """One way to change; the kind and the verdicts are our words."""
    change = group[0]
    names = [cell(c.op) for c in group if c.op]
    who = ", ".join(names[:NAMED])
    if len(names) > NAMED:
        who += f" and {len(names) - NAMED} more"
    what = cell(change.what, SENTENCE) if change.what else ""
    return f"| {change.kind.replace('-', ' ')} | {who} | {change.was} | {change.now} | {what} |\n"
