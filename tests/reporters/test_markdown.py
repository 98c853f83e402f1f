"""Markdown: the worst first, user text as text, within a limit."""

from __future__ import annotations

import pytest

from gradcheck.reporters import markdown
from tests.reporters import samples


def rows(text):
    return [line for line in text.splitlines() if line.startswith("| ") and "`" in line]


def test_the_table_has_the_worst_first():
    text = markdown.render(
        samples.report(
            samples.op("right"),
            samples.unjudged(),
            samples.wrong("slightly", worst=samples.worst(relative_error=1e-3)),
            samples.wrong("waived", waived="known"),
            samples.wrong("badly", worst=samples.worst(relative_error="nan")),
        )
    )
    names = [row.split("`")[1].removeprefix("gates::") for row in rows(text)]
    assert names == ["badly", "slightly", "unjudged", "waived", "right"]
    assert rows(text)[1] == (
        "| ❌ FAIL | `gates::slightly` | 0.001 | 1e-11 | 12 | wrong gradient: `x` |"
    )


def test_a_failure_is_shown_in_full_and_a_pass_is_not():
    text = markdown.render(samples.report(samples.wrong(), samples.op("right")))
    assert "  again               gradcheck replay affine-1a2b3c\n" in text
    assert text.count("```text") == 1


def test_a_run_that_passed_says_so():
    assert markdown.render(samples.RIGHT["passing"]).startswith("## gradcheck: passed\n")


@pytest.mark.parametrize("ticks", ["```", "``````", "`"])
def test_a_fence_is_longer_than_any_inside(ticks):
    block = markdown.fenced(f"a\n{ticks}\n<b>")
    fence = block.partition("text\n")[0]
    assert len(fence) >= 3
    assert fence not in block.removeprefix(fence).removesuffix(f"{fence}\n")


@pytest.mark.parametrize(
    "name", ["a|b", "a\\|b", "a\\\\|b", "|", "`", "a`|`b", "``|", "\n| x |", " "]
)
def test_user_text_stays_in_its_cell(name):
    markdown_it = pytest.importorskip("markdown_it")
    parser = markdown_it.MarkdownIt("commonmark").enable("table")
    tokens = parser.parse(markdown.render(samples.report(samples.wrong(name, op=name))))
    cells = [tokens[k + 1] for k, t in enumerate(tokens) if t.type == "td_open"]
    assert len(cells) == 6
    (code,) = cells[1].children
    assert code.type == "code_inline"


@pytest.mark.parametrize("limit", [500, 3000, 20_000, 200_000])
def test_what_is_too_long_ends_at_a_row_and_says_what_is_missing(limit):
    ops = [samples.wrong(f"op{k}") for k in range(1000)]
    text = markdown.render(samples.report(*ops), limit)
    assert len(text.encode()) <= limit
    if limit == 500:
        assert text == ""
        return
    shown = len(rows(text))
    if shown < 1000:
        assert f"_... and {1000 - shown} more rows: the result file has all_" in text
    blocks = text.count("```text")
    assert text.count("```") == 2 * blocks
    assert f"_... and {1000 - blocks} more failures in full: the result file has all_" in text


def test_a_big_report_stays_below_what_github_takes():
    ops = [samples.wrong(f"op{k}", findings=[samples.finding(case="é" * 9000)]) for k in range(300)]
    assert 800_000 < len(markdown.render(samples.report(*ops)).encode()) <= 900_000
