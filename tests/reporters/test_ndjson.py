"""The stream of a run: whole, cut off anywhere, killed, on a disk that fills up."""

from __future__ import annotations

import os
import signal
import time

import msgspec
import pytest

from gradcheck.errors import UsageError
from gradcheck.reporters import json, ndjson
from gradcheck.results import OpResult, Report
from gradcheck.stream import Stream
from tests.reporters import samples

WHOLE = samples.report(
    samples.op(),
    samples.wrong(),
    samples.unjudged(),
    errors=("broken.py: SyntaxError",),
    planned=9,
    interrupted=True,
    cut_short="out of time",
    waivers=[samples.waiver(), samples.waiver("unmet")],
)


@pytest.mark.parametrize("name", samples.EVERY)
def test_a_report_comes_back_as_it_was(name):
    report = samples.EVERY[name]
    if name == "hostile":  # halves of surrogate pairs have become text
        report = json.parse(json.render(report), "here")
    assert ndjson.parse(ndjson.render(report), "here") == report


def test_every_part_of_a_report_is_in_one_of_the_records():
    carried = {*ndjson.Start.__struct_fields__, *ndjson.End.__struct_fields__, "results"}
    assert carried == set(Report.__struct_fields__)


def test_a_stream_written_bit_by_bit_is_the_whole_report(tmp_path):
    path = tmp_path / "results.ndjson"
    path.write_text("of an earlier run\n")
    stream = Stream(path, ndjson.start(WHOLE))
    for result in WHOLE.results:
        stream.add(result)
        assert path.read_text().endswith("\n")  # it is there before the next is checked
    stream.end(WHOLE)
    assert stream.trouble == ""
    assert path.read_text() == ndjson.render(WHOLE)


def test_what_changes_at_the_end_is_written_again_and_wins(tmp_path):
    path = tmp_path / "results.ndjson"
    stream = Stream(path, ndjson.start(WHOLE))
    for result in WHOLE.results[:2]:
        stream.add(result)
    waived = [msgspec.structs.replace(r, waived="known") for r in WHOLE.results]
    report = msgspec.structs.replace(WHOLE, results=waived)
    stream.end(report)
    assert ndjson.parse(path.read_text(), "here") == report


def test_a_stream_that_ends_anywhere_is_an_interrupted_run_with_what_there_is():
    text = ndjson.render(WHOLE)
    first, *ends = (k for k, character in enumerate(text) if character == "\n")
    for cut in [*range(first + 1, ends[-1], 97), ends[0] - 1, ends[0], ends[-1] - 1]:
        report = ndjson.parse(text[:cut], "here")
        assert report.interrupted
        assert report.results == WHOLE.results[: sum(cut >= end for end in ends)]
        assert report.summary.ops == len(report.results)
        assert (report.planned, report.errors) == (9, WHOLE.errors)


def test_a_last_line_that_only_lacks_its_newline_counts():
    assert ndjson.parse(ndjson.render(WHOLE).removesuffix("\n"), "here") == WHOLE


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda lines: [], "here is not a gradcheck report"),
        (lambda lines: lines[1:], "here is not a gradcheck report"),
        (lambda lines: [lines[0][:40]], "here is not a gradcheck report"),
        (lambda lines: [lines[0].replace('n":1', 'n":2'), *lines[1:]], "has schema version 2"),
        (lambda lines: [lines[0], lines[1][:50], *lines[2:]], "here, line 2 is damaged"),
        (lambda lines: [*lines[:2], "", *lines[2:]], "here, line 3 is damaged"),
        (lambda lines: [lines[0], lines[0], *lines[1:]], "line 2: a stream has one start"),
        (lambda lines: [*lines, lines[1]], "line 6: a stream has one start, one end"),
        (lambda lines: [lines[0], '{"record":"x"}', *lines[1:]], "here, line 2 is damaged"),
    ],
)
def test_what_is_no_stream_is_refused_and_says_where(spoil, says):
    lines = ndjson.render(WHOLE).splitlines()
    with pytest.raises(UsageError, match=says):
        ndjson.parse("".join(line + "\n" for line in spoil(lines)), "here")


def test_a_stream_and_a_result_file_are_told_apart():
    assert ndjson.is_stream(ndjson.render(WHOLE))
    assert not ndjson.is_stream(json.render(WHOLE))
    assert not ndjson.is_stream(msgspec.json.encode(WHOLE).decode())


def test_a_disk_that_fills_up_ends_the_stream_and_not_the_run(tmp_path):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    path = tmp_path / "results.ndjson"
    stream = Stream(path, ndjson.start(WHOLE))
    path.unlink()
    path.symlink_to("/dev/full")
    stream.add(WHOLE.results[0])
    stream.add(WHOLE.results[1])
    stream.end(WHOLE)
    assert stream.trouble == f"{path} ends early: No space left on device"


def test_a_stream_that_cannot_begin_is_said_before_the_work(project):
    project.write("gates.py")
    (project.folder / ".gradcheck" / "results.ndjson").mkdir(parents=True)
    ran = project.run("run", "gates.py")
    assert ran.code == 2
    assert "results.ndjson: " in ran.err
    assert "is a folder" in ran.err


SLOW = """
import time
import gradcheck

quick = gradcheck.op(lambda x: x * x, lambda dz, x: -2 * x * dz, "x[n]", name="quick")


def forward(x):
    time.sleep(60)
    return x


endless = gradcheck.op(forward, lambda dz, x: dz, "x[n]", name="endless")
"""


def test_a_run_that_is_killed_keeps_its_results(project):
    project.write("slow.py", SLOW)
    path = project.folder / ".gradcheck" / "results.ndjson"
    running = project.start("run", "slow.py", "--max-cases", "12", "--time-limit", "0")
    try:
        while running.poll() is None and (not path.exists() or path.read_text().count("\n") < 2):
            time.sleep(0.05)
        running.send_signal(signal.SIGKILL)
    finally:
        running.kill()
        running.communicate()
    assert not (project.folder / ".gradcheck" / "results.json").exists()
    ran = project.run("report", str(path), "--report", "junit=junit.xml")
    assert ran.code == 130
    assert "1 of 2 ops were checked" in (project.folder / "junit.xml").read_text()
    assert "quick: values: wrong gradient" in project.run("report", str(path)).out


def test_the_stream_of_a_run_is_its_report(project):
    project.write("gates.py")
    assert project.run("run", "gates.py", "--max-cases", "12", "--report", "ndjson=o.ndjson").code
    text = (project.folder / ".gradcheck" / "results.ndjson").read_text()
    whole = json.parse((project.folder / ".gradcheck" / "results.json").read_text(), "here")
    assert ndjson.parse(text, "here") == whole
    assert (project.folder / "o.ndjson").read_text() == ndjson.render(whole)
    results: list[OpResult] = whole.results
    assert len(results) == 3
