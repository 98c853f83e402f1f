"""SARIF: where an alert stands, what it is known by, and what is suppressed."""

from __future__ import annotations

import json
import subprocess
import sys

import msgspec
import pytest

from gradcheck.reporters import sarif
from gradcheck.results import Source
from tests.reporters import samples


def run_of(*results, **facts):
    (run,) = json.loads(sarif.render(samples.report(*results, **facts)))["runs"]
    return run


def only(*results, **facts):
    (result,) = run_of(*results, **facts)["results"]
    return result


def fingerprint(*results):
    return only(*results)["partialFingerprints"]["primaryLocationLineHash"]


def place(*results):
    return only(*results)["locations"][0]["physicalLocation"]


def test_an_alert_stands_at_the_first_line_of_backward():
    found = place(samples.wrong())
    assert found["artifactLocation"]["uri"] == "gates.py"
    length = len("def affine_backward(dz, x):")
    assert found["region"] == {
        "startLine": 14, "startColumn": 1, "endLine": 14, "endColumn": length + 1,
    }  # fmt: skip


def test_a_wrong_node_is_shown_where_the_code_of_its_op_stands():
    node = samples.finding(code="wrong-node", source=Source(file="squash.py", line=3))
    found = place(samples.wrong(findings=[node]))
    assert found["artifactLocation"]["uri"] == "squash.py"
    assert found["region"]["startLine"] == 3


def test_paths_are_relative_to_the_repository(tmp_path, monkeypatch):
    (tmp_path / ".git").mkdir()
    (tmp_path / "a b").mkdir()
    monkeypatch.chdir(tmp_path / "a b")
    assert place(samples.wrong())["artifactLocation"]["uri"] == "a%20b/gates.py"


def test_a_file_outside_of_the_repository_has_an_absolute_address(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outside = samples.wrong(source=Source(file="/site packages/lib.py", line=1))
    assert place(outside)["artifactLocation"]["uri"] == "file:///site%20packages/lib.py"


def test_a_fingerprint_outlives_edits_of_lines_and_numbers():
    before = samples.wrong()
    moved = msgspec.structs.replace(
        before,
        source=Source(file="gates.py", line=99),
        findings=[samples.finding(message="other numbers", entry=(3, 3), cases=1)],
    )
    assert fingerprint(before) == fingerprint(moved)


@pytest.mark.parametrize(
    "other",
    [
        samples.wrong("another"),
        samples.wrong(findings=[samples.finding(input="W")]),
        samples.wrong(findings=[samples.finding(code="wrong-shape")]),
        samples.wrong(findings=[samples.finding(check="reference")]),
    ],
)
def test_a_fingerprint_tells_op_input_code_and_check_apart(other):
    assert fingerprint(samples.wrong()) != fingerprint(other)


def test_two_findings_of_one_kind_are_two_alerts():
    run = run_of(samples.wrong(findings=[samples.finding(), samples.finding(entry=(5, 5))]))
    first, second = (r["partialFingerprints"]["primaryLocationLineHash"] for r in run["results"])
    assert first.removesuffix(":1") == second.removesuffix(":2")


def test_levels_follow_severities_the_gravest_first():
    levels = [r["level"] for r in run_of(samples.warned(), samples.wrong())["results"]]
    assert levels == ["error", "warning", "note"]


def test_a_waived_failure_is_suppressed_with_its_reason():
    waived = only(samples.op(), samples.wrong(waived="until 2027-02-01: known, issue 12"))
    (suppression,) = waived["suppressions"]
    assert suppression["justification"] == "until 2027-02-01: known, issue 12"
    assert "suppressions" not in only(samples.wrong())


def test_of_two_failures_only_the_waived_one_is_suppressed():
    both = samples.wrong(findings=[samples.finding(), samples.finding(input="W")])
    run = run_of(both, waivers=[samples.waiver(input="x")])
    assert ["suppressions" in r for r in run["results"]] == [True, False]


def test_a_warning_of_a_waived_op_is_not_suppressed():
    lesser = samples.finding(severity="warning", code="shared-memory")
    found = samples.wrong(findings=[samples.finding(), lesser], waived="known")
    assert ["suppressions" in r for r in run_of(samples.op(), found)["results"]] == [True, False]


def test_a_waived_op_without_a_verdict_is_suppressed_too():
    assert only(samples.unjudged())["ruleId"] == "not-judged"
    assert only(samples.op(), samples.unjudged(waived="slow machine"))["suppressions"]


def test_a_target_that_could_not_be_loaded_is_an_alert_at_its_file():
    run = run_of(errors=("gates.py could not be imported: pkg/gates.py:3: NameError",))
    (result,) = run["results"]
    found = result["locations"][0]["physicalLocation"]
    assert found["artifactLocation"]["uri"] == "gates.py"
    assert result["ruleId"] == "not-loaded"
    (invocation,) = run["invocations"]
    assert not invocation["executionSuccessful"]
    (notice,) = invocation["toolExecutionNotifications"]
    assert "NameError" in notice["message"]["text"]


def test_rules_say_what_gradcheck_explain_says():
    from gradcheck.codes import CODES

    (rule,) = run_of(samples.wrong())["tool"]["driver"]["rules"]
    known = CODES["wrong-gradient"]
    assert rule["shortDescription"]["text"] == known.headline
    assert rule["fullDescription"]["text"] == known.what
    assert known.fix in rule["help"]["text"]


def test_a_message_holds_no_link_and_has_an_end():
    hostile = only(samples.wrong(findings=[samples.finding(message="[a](http://b) " * 900)]))
    assert "](" not in hostile["message"]["text"]
    assert len(hostile["message"]["text"]) < 5000


def test_github_takes_no_more_than_25000_results(monkeypatch):
    monkeypatch.setattr(sarif, "MOST_RESULTS", 2)
    run = run_of(samples.warned(), samples.wrong(), samples.wrong("second"))
    assert [r["level"] for r in run["results"]] == ["error", "error"]
    (notice,) = run["invocations"][0]["toolExecutionNotifications"]
    assert notice["message"]["text"] == "2 more results are left out"


def test_sarif_tools_reads_it(tmp_path):
    pytest.importorskip("sarif")
    path = tmp_path / "gradcheck.sarif"
    path.write_text(sarif.render(samples.report(samples.wrong(), samples.warned())))
    done = subprocess.run(
        [sys.executable, "-m", "sarif", "summary", str(path)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "error: 1" in done.stdout
    assert "warning: 1" in done.stdout


def test_a_waiver_that_does_not_hold_is_an_alert_at_its_file_and_keeps_its_fingerprint():
    def alert(cases):
        told = f"the op passes now, in {cases} cases: delete this entry from gradcheck-waivers.toml"
        return only(samples.op(), waivers=[samples.waiver("fixed", message=told)])

    uri = alert(1)["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "gradcheck-waivers.toml"
    assert alert(1)["partialFingerprints"] == alert(2)["partialFingerprints"]
