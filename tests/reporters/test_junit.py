"""JUnit: what is a failure, an error, a skip, and what stands where."""

from __future__ import annotations

from xml.etree.ElementTree import fromstring

import pytest

from gradcheck.reporters import junit
from tests.reporters import samples


def case_of(*results, **facts):
    """The last test case; there is another for each op before."""
    *others, case = fromstring(junit.render(samples.report(*results, **facts))).iter("testcase")
    assert len(others) == max(len(results) - 1, 0)
    return case


def test_an_op_is_a_test_case_of_its_module():
    case = case_of(samples.op())
    assert case.attrib == {"classname": "gates", "name": "affine", "time": "0.250"}
    assert len(case) == 0


def test_a_wrong_gradient_is_a_failure_with_everything_that_was_found():
    (failure,) = case_of(samples.wrong())
    assert failure.tag == "failure"
    assert failure.get("type") == "wrong-gradient"
    assert failure.get("message", "").startswith("wrong gradient: gradient of x, entry (0, 1)")
    for told in ("finite difference", "sign and factor", "np.array([[1.0, 2.0]])", "gates.py:14"):
        assert told in (failure.text or "")


def test_an_op_that_could_not_be_judged_is_an_error():
    (error,) = case_of(samples.unjudged())
    assert (error.tag, error.get("type")) == ("error", "not-judged")
    assert "drowned in noise" in error.get("message", "")


def test_a_waived_op_is_skipped_with_the_reason():
    (skipped,) = case_of(samples.op(), samples.wrong(waived="until 2027-02-01: known, issue 12"))
    assert skipped.tag == "skipped"
    assert skipped.get("message") == "waived: until 2027-02-01: known, issue 12"
    assert "finite difference" in (skipped.text or "")


def test_warnings_of_an_op_that_passed_are_its_output():
    (output,) = case_of(samples.warned())
    assert output.tag == "system-out"
    assert "returns dz" in (output.text or "")


def test_a_target_that_could_not_be_loaded_is_a_case_by_itself():
    (error,) = case_of(errors=("broken.py: SyntaxError\nat line 3",))
    assert error.tag == "error"
    assert error.text == "broken.py: SyntaxError\nat line 3"


def test_properties_say_what_the_results_depend_on():
    root = fromstring(junit.render(samples.report(samples.op())))
    properties = {p.get("name"): p.get("value") for p in root.iter("property")}
    assert properties["seed"] == "7"
    assert properties["setting strict"] == "True"
    assert properties["python"] == "3.11.7"


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\x0b", "\x7f", "\ud800", "\ufffe"])
def test_what_xml_cannot_hold_is_written_out(character):
    case = case_of(samples.wrong(f"a{character}b"))
    assert (
        case.get("name") == "a" + character.encode("unicode_escape", "surrogatepass").decode() + "b"
    )
