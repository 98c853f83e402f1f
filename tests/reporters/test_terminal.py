"""What a run looks like on terminals: narrow and wide, without colours, and with hostile text."""

from __future__ import annotations

import io
import re
from typing import Any
from unicodedata import category

import pytest
from rich.cells import cell_len
from rich.console import Console

from gradcheck.cli.screen import Screen
from gradcheck.plain import ascii_only, clean, visible
from gradcheck.reporters import terminal, text
from gradcheck.results import Finding, Report
from tests.reporters import samples

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
NAMES = ("affine", "layer_norm_with_a_name_that_is_longer_than_most", "x")


def some() -> Report:
    slow = samples.op(NAMES[1], forward_points=1_234_567, seconds=123.0)
    return samples.report(samples.op(NAMES[0]), slow, samples.wrong(NAMES[2]), samples.unjudged())


def printed(report: Report, width: int, verbosity: int = 0, **options: Any) -> str:
    stream = io.StringIO()
    options = {"force_terminal": True, "color_system": None, **options}
    console = Console(file=stream, width=width, highlight=False, **options)
    terminal.print_report(console, report, verbosity=verbosity)
    return stream.getvalue()


def rows(report: Report, width: int) -> list[str]:
    stream = io.StringIO()
    Console(file=stream, width=width).print(terminal.table(report, width))
    return stream.getvalue().splitlines()


# --- width ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("width", [30, 40, 50, 60, 72, 80, 100, 160, 400])
def test_the_table_keeps_names_verdicts_and_errors_at_every_width(width):
    table = rows(some(), width)
    assert max(map(cell_len, table)) <= width
    for number in ("1e-12", "1.5"):
        assert any(number in row for row in table), number
    assert any("FAIL" in row for row in table)
    first = "".join(row.split("  ")[0].strip() for row in table)
    for name in NAMES:
        assert name in first  # long ones go on in the next row
    assert "…" not in "".join(table)


def test_columns_go_one_by_one_as_it_gets_narrow():
    heads = [" ".join(" ".join(rows(some(), w)[:2]).split()) for w in (140, 120, 90, 80, 58, 40)]
    counts = [sum(c in h for c in ("forwards", "time", "cases", "seen from")) for h in heads]
    assert counts == sorted(counts, reverse=True)
    assert (counts[0], counts[-1]) == (4, 0)
    assert len(set(counts)) >= 4
    assert all("verdict" in h and "worst rel." in h for h in heads)


@pytest.mark.parametrize("width", [40, 50, 60, 80, 98])
def test_a_failure_is_wrapped_to_the_terminal_but_its_code_is_not(width):
    long = "x = np.array([" + "1.25, " * 40 + "])"
    found = samples.finding(case=long, diagnosis="many words " * 20, path="a -> " * 30 + "b")
    whole = printed(samples.report(samples.wrong(findings=[found])), width)
    said, _, rest = whole.partition("  smallest case found")
    assert max(map(cell_len, said.splitlines())) <= width
    assert long in rest
    assert "gradcheck replay affine-1a2b3c" in rest
    words = " ".join(said.split())
    for part in ("FAIL", "3 of 4 entries of x", "-2", "± 1e-12", "round-off 1e-12", "likely"):
        assert part in words


def test_a_wide_page_is_not_wrapped_wider_than_can_be_read():
    report = samples.report(samples.wrong(findings=[samples.finding(diagnosis="word " * 100)]))
    details = printed(report, 300).partition("smallest case")[0]
    assert max(map(len, details.splitlines())) <= text.WIDTH


def test_a_file_gets_the_same_whatever_the_terminal_is():
    failing = samples.report(samples.wrong())
    stream = io.StringIO()
    terminal.print_report(Console(file=stream, width=50), failing, verbosity=-1)
    assert text.failure(failing.results[0]) in stream.getvalue()


# --- -q, -v, colours ------------------------------------------------------------------------------
def test_quiet_is_failures_and_one_line():
    quiet = printed(samples.report(samples.op(), samples.warned(), samples.wrong()), 120, -1)
    assert quiet.startswith("wrong: values: wrong gradient")
    assert len([line for line in quiet.splitlines() if "ops, " in line]) == 1
    assert "seen from" not in quiet
    assert "returns dz" not in quiet
    assert printed(samples.report(samples.op()), 120, -1).count("\n") == 1


def test_verbose_has_warnings_and_notes_too():
    report = samples.report(samples.warned())
    usual, verbose = printed(report, 120), printed(report, 120, 1)
    assert "returns dz" not in usual
    assert "1 warning" in usual
    for part in ("returns dz", "WARNING", "NOTE", "met: plain (12)", "convention: at x"):
        assert part in verbose


def test_notes_are_not_counted_as_warnings():
    note = samples.finding(code="lost-tail", severity="note")
    warning = samples.finding(code="shared-memory", severity="warning")

    def last(*lesser: Finding, **how: bool) -> str:
        return text.failure(samples.wrong(findings=[samples.finding(), *lesser]), **how)[-60:]

    assert last(note, note).endswith("\n\n2 notes besides (-v shows them)")
    assert last(note, warning, note).endswith("\n\n1 warning, 2 notes besides (-v shows them)")
    assert last(warning, warning, stored=False).endswith("\n\n2 warnings besides")
    assert "besides" not in last()


def test_verdicts_are_words_and_colours_only_repeat_them():
    coloured = printed(some(), 120, color_system="standard")
    assert "\x1b[1;31m" in coloured
    assert COLOUR.sub("", coloured) == printed(some(), 120)
    without = printed(some(), 120, color_system="standard", no_color=True)
    assert not re.search(r"\x1b\[[0-9;]*[34][0-7]m", without)


# --- hostile text ---------------------------------------------------------------------------------
def steering(shown: str) -> set[str]:
    """Characters that are no text."""
    return {c for c in shown if category(c)[0] == "C" or c in "\u2028\u2029"} - {"\n"}


@pytest.mark.parametrize("verbosity", [-1, 0, 1])
@pytest.mark.parametrize("width", [50, 120])
def test_nothing_of_a_users_steers_the_terminal(width, verbosity):
    assert steering(printed(samples.hostile(), width, verbosity)) == set()
    coloured = printed(samples.hostile(), width, verbosity, color_system="truecolor")
    assert steering(COLOUR.sub("", coloured)) == set()


def test_the_rule_catches_what_steers():
    assert steering("a\x1b[2Jb\u202e\x9b\ud800\n") == {"\x1b", "\u202e", "\x9b", "\ud800"}


def test_names_cannot_forge_a_line_or_fill_a_screen():
    forged = "f\n\nall: pass                      PASS"
    report = samples.report(samples.wrong(forged, op=f"m::{forged}"), samples.wrong("n" * 10_000))
    shown = printed(report, 120)
    assert not any(line.startswith("all: pass") for line in shown.splitlines())
    assert "f  all: pass" in shown
    assert "n" * 50 in shown
    assert shown.count("n") < 1000
    assert "…" in shown


def test_the_case_stays_code_that_can_be_pasted():
    case = "x = np.array([1.0])\nmode = 'a\\x1b[2J\\u202e'\n" + f"name = '{'k' * 5000}'"
    shown = text.failure(samples.wrong(findings=[samples.finding(case=case)]))
    code = shown.partition("smallest case found")[2].partition("\n\n")[0].split("\n    ", 1)[1]
    scope: dict[str, Any] = {}
    exec(code.replace("\n    ", "\n").replace("np.array", "list"), scope)
    assert scope["mode"] == "a\x1b[2J\u202e"
    assert len(scope["name"]) == 5000


def test_the_screen_itself_lets_nothing_through():
    """What is printed beside reports: paths, commands, errors."""
    stream = io.StringIO()
    console = Screen(file=stream, force_terminal=True, color_system="standard", highlight=False)
    console.print("next: \x1b]0;title\x07 \u202e\ud800 [bold]x[/]", markup=False)
    console.print("[red]own[/]")
    assert "\\x1b]0;title" in stream.getvalue()
    assert "\x1b[31mown\x1b[0m" in stream.getvalue()
    assert steering(COLOUR.sub("", stream.getvalue())) == set()


@pytest.mark.parametrize("hostile", samples.HOSTILE)
def test_cleaning_leaves_text_alone_and_writes_out_the_rest(hostile):
    assert clean("naïve 漢字 עברית <b> é") == "naïve 漢字 עברית <b> é"
    assert steering(clean(hostile)) == steering(visible(hostile)) - {"\t"} == set()
    assert len(clean(hostile, 40)) <= 40
    assert "\n" not in clean(hostile)
    assert ascii_only(visible(hostile)).isascii()
