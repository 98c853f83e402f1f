"""Writes codes.md from what the package says of its codes: ``python docs/codes_page.py``.

The page is kept in the repository, so that it can be read there; a test says if it is out of date.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

from gradcheck import codes

PAGE = Path(__file__).parent / "codes.md"
INTRODUCTION = """
# Codes

Every finding has a code. In the title of a report it is a few words; by its name it stands in
[result files](results.md), in [waivers](howto/ci.md#known-failures), and in what CI shows. Names
are stable: renaming one is a breaking change. `gradcheck explain CODE` prints the same.

The severity is the usual one. A *fail* makes an op red, and so does *not judged*; a *warning* or a
*note* does not. Beyond what you declared a wrong gradient is a warning, and a fail under
[`scope = "forward"`](settings.md).

In each example `wrong` is found with the code and `right` passes. The headings are the checks, in
the order in which they run.

<!-- fmt: off -->
"""
MISTAKES = """
## Mistakes that are named

Where the numbers single one mistake out, a wrong gradient is explained. The sentence is the
finding's `diagnosis`, and this short name its `likely`. `attribute/sign` says: only for one value
of an attribute, and there the sign.
"""


def page() -> str:
    """The whole page."""
    return "\n".join(line for line in _lines()).strip() + "\n"


def _lines() -> Iterator[str]:
    yield from INTRODUCTION.strip().splitlines()
    for check, what in codes.GROUPS.items():
        yield from ("", f"## {check}", "", f"{what}.", "")
        for code in codes.CODES.values():
            if code.check == check:
                yield from _code(code)
    yield from MISTAKES.splitlines()
    for likely in codes.LIKELY.values():
        yield ""
        yield f"`{likely.name}`"
        yield from _wrapped(_plain(f"{likely.what} {likely.fix}"), ": ", "  ")


def _code(code: codes.Code) -> Iterator[str]:
    option = f" Looked for under `{code.options}`." if code.options else ""
    yield from (f"### {code.name}", "")
    yield from _wrapped(f"**{code.headline}**, {code.severity}.{option} {_plain(code.what)}")
    yield ""
    yield from _wrapped(_plain(code.why))
    yield ""
    yield from _wrapped(f"*What to do.* {_plain(code.fix)}")
    yield from ("", "```python", code.example.rstrip(), "```", "")


def _plain(text: str) -> str:
    """Text in which nothing is markup."""
    for sign in "\\`*_<[":
        text = text.replace(sign, f"\\{sign}")
    return text


def _wrapped(text: str, first: str = "", rest: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        100,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
