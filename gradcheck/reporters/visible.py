"""Text of a user's made harmless for any format: what a reader cannot see is written out.

Op names, messages, paths and docstrings may hold anything: terminal control characters, characters
that turn the writing direction, halves of surrogate pairs. Each becomes the escape that Python
would print for it. Every machine format sends what it shows through here, and then through its own
escaping.
"""

from __future__ import annotations

CUT = " ... (cut)"


def visible(text: str) -> str:
    """The text with what is not printable written out, as ``repr`` does; newlines and tabs stay."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else _written(c) for c in text)


def one_line(text: str, limit: int = 200) -> str:
    """The text on one line of at most ``limit`` characters, what is not printable written out."""
    return cut(" ".join(visible(text[: 4 * limit]).split()), limit)


def cut(text: str, limit: int) -> str:
    """The text, its end replaced by a remark where it is longer than ``limit`` characters."""
    return text if len(text) <= limit else text[: limit - len(CUT)] + CUT


def _written(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
