"""GitHub's annotations and the page of a run, within their limits."""

from __future__ import annotations

import re

import pytest

from gradcheck import outputs
from gradcheck.reporters import github, markdown
from gradcheck.results import Source
from tests.reporters import samples


def lines(*results, **facts):
    return github.render(samples.report(*results, **facts)).splitlines()


def test_a_failure_is_an_error_at_the_line_of_backward():
    (line,) = lines(samples.op(), samples.wrong())
    assert line == (
        "::error file=gates.py,line=14,endLine=14,title=wrong%3A wrong gradient::gradient of x, "
        "entry (0, 1): backward gives -2, finite difference 1 ± 1e-12%0Asign and factor: backward "
        "= -2 x finite difference%0Agradcheck replay affine-1a2b3c"
    )


def test_nothing_is_said_of_a_run_that_passed():
    assert lines(samples.op(), samples.op("second")) == []


@pytest.mark.parametrize("count", [10, 11, 47])
def test_of_many_the_worst_nine_are_shown_and_the_rest_is_counted(count):
    def failing(k):
        worst = samples.worst(relative_error=k / count)
        return samples.wrong(f"op{k}", findings=[samples.finding(numbers=worst)])

    shown = lines(*map(failing, range(count)))
    assert len(shown) == 10
    names = [re.findall(r"title=op(\d+)", line) for line in shown]
    assert names[:9] == [[str(k)] for k in range(count - 1, count - 10, -1)]
    if count > 10:
        assert f"title=gradcheck%3A ... and {count - 9} more::" in shown[-1]


def test_each_ops_gravest_comes_before_any_ops_second():
    many = samples.wrong("many", findings=[samples.finding(input=f"x{k}") for k in range(30)])
    shown = lines(many, samples.wrong("single"))
    assert "title=single" in "".join(shown[:2])


def test_what_could_not_be_loaded_comes_first():
    failing = [samples.wrong(f"op{k}") for k in range(30)]
    first, *_ = lines(*failing, errors=("broken.py:7: SyntaxError",))
    assert first == (
        "::error file=broken.py,line=7,endLine=7,title=gradcheck%3A could not be checked::"
        "broken.py:7: SyntaxError"
    )


def test_errors_warnings_and_notices_are_counted_apart():
    shown = lines(*(samples.wrong(f"op{k}") for k in range(30)), *[samples.warned()] * 30)
    assert [line.split(" ")[0] for line in shown] == ["::error"] * 10 + ["::warning"] * 10


def test_a_waived_op_is_a_notice_at_most():
    (line,) = lines(samples.op(), samples.wrong(waived="until 2027-02-01: known"))
    assert line.startswith("::notice file=gates.py,line=14,endLine=14,title=wrong%3A waived::until")


def test_of_two_failures_only_the_waived_one_is_a_notice():
    both = samples.wrong(findings=[samples.finding(), samples.finding(input="W")])
    shown = lines(both, waivers=[samples.waiver(input="x")])
    assert [line.split(" ")[0] for line in shown] == ["::error", "::notice"]


def test_a_file_outside_of_the_repository_is_not_named():
    (line,) = lines(samples.wrong(source=Source(file="/usr/lib/ops.py", line=3)))
    assert line.startswith("::error title=")


def test_properties_and_messages_are_escaped_as_the_runner_unescapes_them():
    found = samples.finding(message="100%\r\n::error::no")
    (line,) = lines(samples.wrong("a:b,c%d", findings=[found]))
    assert "title=a%3Ab%2Cc%25d%3A wrong gradient::100%25\\r%0A::error::no%0A" in line


# -- on GitHub itself ------------------------------------------------------------------------------


@pytest.fixture
def said():
    return []


def announced(report, said, **environ):
    outputs.announce(report, said.append, ON_GITHUB | environ)
    return said


ON_GITHUB = {"GITHUB_ACTIONS": "true"}
FAILING = samples.report(samples.wrong())


def test_elsewhere_nothing_is_said(said, tmp_path):
    page = tmp_path / "page.md"
    announced(FAILING, said, GITHUB_ACTIONS="false", GITHUB_STEP_SUMMARY=str(page))
    assert said == []
    assert not page.exists()


def test_annotations_are_printed_and_the_page_is_added_to(said, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# of another step\n")
    announced(FAILING, said, GITHUB_STEP_SUMMARY=str(page))
    assert said == [github.render(FAILING).removesuffix("\n")]
    assert page.read_text() == "# of another step\n" + markdown.render(FAILING)


def test_the_page_stays_within_its_limit_with_what_is_there_already(said, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("x" * 700_000)
    big = samples.report(*(samples.wrong(f"op{k}") for k in range(3000)))
    announced(big, said, GITHUB_STEP_SUMMARY=str(page))
    assert 850_000 < page.stat().st_size <= markdown.LIMIT
    page.write_text("x" * 2_000_000)
    announced(big, said, GITHUB_STEP_SUMMARY=str(page))
    assert page.read_text() == "x" * 2_000_000


def test_what_the_user_wrote_is_no_command(said):
    with outputs.no_commands(said.append, ON_GITHUB):
        said.append("::error::planted")
    stop, planted, start = said
    word = stop.removeprefix("::stop-commands::")
    assert (planted, start) == ("::error::planted", f"::{word}::")
    assert len(word) == 32
    with outputs.no_commands(said.append, ON_GITHUB):
        assert word not in said[-1]  # nobody can know it before


def test_commands_are_taken_again_where_printing_fails(said):
    with pytest.raises(ZeroDivisionError), outputs.no_commands(said.append, ON_GITHUB):
        raise ZeroDivisionError
    stop, start = said
    assert start == f"::{stop.removeprefix('::stop-commands::')}::"


def test_elsewhere_nothing_is_stopped(said):
    with outputs.no_commands(said.append, {}):
        assert said == []
    assert said == []


@pytest.mark.parametrize("page", ["", "."])
def test_a_page_that_cannot_be_written_does_not_change_the_verdict(said, page):
    announced(samples.report(samples.op()), said, GITHUB_STEP_SUMMARY=page)
    assert said == (
        ["::warning title=gradcheck::the summary of this step is missing: Is a directory"]
        if page
        else []
    )


def test_a_run_there_annotates_and_sums_up(project, monkeypatch):
    project.write("gates.py")
    page = project.folder / "page.md"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    ran = project.run("run", "gates.py", "--max-cases", "12", "-q")
    assert ran.code == 1
    assert "\n::error file=gates.py,line=17,endLine=17,title=Wrong%3A wrong gradient::" in ran.out
    stop, *_ = ran.out.splitlines()
    word = stop.removeprefix("::stop-commands::")
    report, _, annotations = ran.out.partition(f"\n::{word}::\n")
    assert "::error" not in report
    assert "::error" in annotations
    assert page.read_text().startswith("## gradcheck: failed\n\n3 ops, 2 passed, 1 failed")
