"""``KIND=PATH``: what is asked for, where it goes, and what happens where it cannot."""

from __future__ import annotations

import errno
import os

import pytest

from gradcheck import files, outputs
from gradcheck.errors import UsageError
from gradcheck.outputs import parse
from gradcheck.reporters import markdown
from tests.reporters import samples

REPORT = samples.WRONG["failing"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("wish", ["json", "json=", "=x.json", "", "json=a\0b", "xml=x", "JSON=x"])
def test_another_form_says_what_it_should_be(wish):
    with pytest.raises(UsageError, match=r"KIND is one of json|no kind of report is named"):
        parse([wish])


def test_a_path_may_hold_an_equals_sign():
    assert str(parse(["json=a=b.json"])[0].path) == "a=b.json"


def test_paths_of_the_settings_are_relative_to_their_file(tmp_path):
    (output,) = parse(["json=out/x.json"], tmp_path)
    assert output.path == tmp_path / "out" / "x.json"


def test_two_kinds_for_one_file_are_refused(here):
    with pytest.raises(UsageError, match="two reports are to be written to x: json and junit"):
        parse(["json=x", "junit=x"])
    (here / "link").symlink_to("x")
    with pytest.raises(UsageError, match="two reports"):
        parse(["json=x", "junit=link"])
    with pytest.raises(UsageError, match="standard output: json and junit"):
        parse(["json=-", "junit=-"])
    with pytest.raises(UsageError, match="two reports"):
        outputs.claim([*parse(["json=x"]), *parse(["junit=./x"])])
    assert len(parse(["json=x", "json=./x", "junit=y"])) == 3


def test_a_report_over_the_result_file_is_refused(project):
    project.write("gates.py")
    ran = project.run("run", "gates.py", "--report", "junit=.gradcheck/results.json")
    assert ran.code == 2
    assert "two reports" in ran.err


def test_all_are_written_whole(here):
    outputs.write(REPORT, parse(["json=a.json", "markdown=deep/er/b.md"]))
    assert (here / "deep/er/b.md").read_text() == markdown.render(REPORT)
    assert sorted(p.name for p in here.iterdir()) == ["a.json", "deep"]


def test_none_is_written_where_one_cannot_be_made(here, monkeypatch):
    def broken(report):
        raise ValueError(report.seed)

    (here / "a.json").write_text("old")
    wishes = parse(["json=a.json", "markdown=b.md"])
    monkeypatch.setattr(markdown, "render", broken)
    with pytest.raises(ValueError, match="7"):
        outputs.write(REPORT, wishes)
    assert (here / "a.json").read_text() == "old"
    assert not (here / "b.md").exists()


def full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_disk_that_fills_up_at_the_second_report_says_what_is_there(here, monkeypatch):
    (here / "b.md").write_text("old")
    real, count = os.replace, iter(range(9))
    monkeypatch.setattr(files.os, "replace", lambda a, b: full() if next(count) else real(a, b))
    says = "cannot write b.md: No space left on device; the old file, if any, is intact; written"
    with pytest.raises(UsageError, match=f"{says} before that: a.json"):
        outputs.write(REPORT, parse(["json=a.json", "markdown=b.md"]))
    assert (here / "b.md").read_text() == "old"
    assert sorted(p.name for p in here.iterdir()) == ["a.json", "b.md"]


def test_a_disk_that_fills_up_while_text_is_written_leaves_the_old_file(here, monkeypatch):
    (here / "a.json").write_text("old")
    monkeypatch.setattr(files.Path, "write_text", full)
    with pytest.raises(UsageError, match="No space left on device; the old file, if any, is intac"):
        outputs.write(REPORT, parse(["json=a.json"]))
    assert (here / "a.json").read_bytes() == b"old"
    assert [p.name for p in here.iterdir()] == ["a.json"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_full_device_is_an_error(here):
    wishes = parse(["json=/dev/full"])
    outputs.claim(wishes)
    with pytest.raises(UsageError, match="cannot write /dev/full: No space left on device"):
        outputs.write(REPORT, wishes)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
def test_a_folder_that_is_read_only_is_said_before_the_work(here, monkeypatch, code):
    """Simulated: root may write anywhere."""
    (here / "a.json").write_text("old")

    def refuse(*_, **__):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(files.Path, "touch", refuse)
    with pytest.raises(UsageError, match=f"cannot write a.json: {os.strerror(code)}"):
        outputs.claim(parse(["json=a.json"]))
    assert (here / "a.json").read_text() == "old"


def test_a_path_that_is_a_folder_or_below_a_file_is_said_before_the_work(here):
    (here / "folder").mkdir()
    (here / "file").write_text("old")
    for path, says in [("folder", "is a folder"), ("file/x", "a folder of its path is a file")]:
        with pytest.raises(UsageError, match=says):
            outputs.claim(parse([f"junit={path}"]))
    assert (here / "file").read_text() == "old"


def test_claiming_leaves_nothing_behind(here):
    outputs.claim(parse(["json=a.json", "markdown=-"]))
    assert list(here.iterdir()) == []


# -- standard output -------------------------------------------------------------------------------


def test_a_dash_is_standard_output_and_what_is_for_people_goes_aside(project):
    project.write("gates.py")
    ran = project.run("run", "gates.py", "--max-cases", "12", "--report", "markdown=-")
    assert ran.code == 1
    assert ran.out.startswith("## gradcheck: failed\n")
    assert "next: mend it" in ran.err
    ran = project.run("report", ".gradcheck/results.json", "--report", "markdown=-")
    assert ran.out.startswith("## gradcheck: failed\n")
    assert ran.err == ""


def test_a_file_named_dash_can_be_written(here):
    outputs.write(REPORT, parse(["markdown=./-"]))
    assert (here / "-").read_text() == markdown.render(REPORT)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_reader_that_goes_away_is_no_fault_and_a_full_disk_is_said(project):
    import shlex
    import subprocess

    from tests.project import COMMAND, clean_environment

    project.write("results.json", renderer_text())
    command = shlex.join([*COMMAND, "report", "results.json", "--report", "json=-"])
    shell = {"shell": True, "capture_output": True, "text": True, "env": clean_environment()}
    done = subprocess.run(f"{command} >/dev/full", **shell, check=False)
    assert done.returncode == 2
    assert "cannot write standard output: No space left on device" in done.stderr
    done = subprocess.run(f"{command} | true", **shell, check=False)
    assert "Traceback" not in done.stderr


def renderer_text():
    from gradcheck.reporters.json import render

    many = samples.report(*(samples.wrong(f"op{k}") for k in range(300)))
    return render(many)
