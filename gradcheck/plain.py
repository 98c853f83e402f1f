"""Text of a user's made harmless: what a reader cannot see, or what steers a terminal, is written.

Op names, messages, paths and docstrings may hold anything: terminal control characters, marks that
turn the writing direction, halves of surrogate pairs, ten thousand characters. Each character that
is not printable becomes the escape that Python would print for it.
"""

from __future__ import annotations

CUT = " ... (cut)"
NAME = 100
"""Characters of a name in a table or a headline."""
SENTENCE = 1000
"""Characters of a message, a path, a line of a traceback."""
_BREAKS = dict.fromkeys(map(ord, "\n\t\u2028\u2029"), " ")
_ASCII = str.maketrans(
    {"±": "+/-", "×": "x", "…": "...", "—": "-", "–": "-", "’": "'", "→": "->", "≤": "<=", "−": "-"}
    | dict(zip("▁▂▃▄▅▆▇█▲", "_.-~=+*#^", strict=True))
)


def visible(text: str) -> str:
    """The text with what is not printable written out, as ``repr`` does; newlines and tabs stay."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else _written(c) for c in text)


def clean(text: object, limit: int = 0) -> str:
    """The text on one line, visible; with a limit, no longer than so many characters.

    Line breaks and tabs become spaces.
    """
    whole = str(text)
    short = whole[: limit + 1] if limit else whole  # what is cut off is not looked at
    shown = visible(short.translate(_BREAKS))
    return shown[: limit - 1] + "…" if limit and len(shown) > limit else shown


def told(error: BaseException) -> str:
    """What an exception says of itself; one whose own text cannot be made says that."""
    try:
        return str(error)
    except Exception as broken:
        return f"(its text cannot be made: {type(broken).__name__})"


def one_line(text: str, limit: int = 200) -> str:
    """The text on one line, runs of blanks as one, its end cut off with a remark: for formats."""
    return cut(" ".join(visible(text[: 4 * limit]).split()), limit)


def cut(text: str, limit: int) -> str:
    """The text, its end replaced by a remark where it is longer than ``limit`` characters."""
    return text if len(text) <= limit else text[: limit - len(CUT)] + CUT


def ascii_only(text: str) -> str:
    """The text in ASCII: signs and bars by others that look like them, letters as escapes."""
    return "".join(c if c.isascii() else _written(c) for c in text.translate(_ASCII))


def _written(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
