"""Text that hides something is shown with what it hides."""

from __future__ import annotations

import pytest

from gradcheck.plain import CUT, one_line, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é ± 中 😀", "plain é ± 中 😀"),
        ("a\tb\nc", "a\tb\nc"),
        ("a\rb", "a\\rb"),
        ("\x1b[31m\x07\x00\x7f\x9b", "\\x1b[31m\\x07\\x00\\x7f\\x9b"),
        ("\u202e\u2066\u200b\u2028\ufeff", "\\u202e\\u2066\\u200b\\u2028\\ufeff"),
        ("\ud800\udfff", "\\ud800\\udfff"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_what_cannot_be_seen_is_written_out(text, shown):
    assert visible(text) == shown
    assert visible(shown) == shown


def test_one_line_is_one_line_and_has_an_end():
    assert one_line(" a\n b\r\n\tc ") == "a b\\r c"
    assert len(one_line("x" * 10_000)) == 200
    assert one_line("x" * 10_000).endswith(CUT)
    assert one_line("x" * 200) == "x" * 200
