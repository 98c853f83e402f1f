"""A report as JUnit XML, for Jenkins, GitLab, Azure and whatever else reads it.

One test case for each op, its module as class. A wrong gradient is a failure; an op that could not
be judged, and whatever else fails a run (`standing.problems`), is an error; a waived op is skipped,
with the reason. Only elements and attributes that Jenkins' strict reader knows are used.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from gradcheck.codes import NOT_JUDGED
from gradcheck.plain import one_line, visible
from gradcheck.reporters.standing import Problem, problems, standing
from gradcheck.reporters.text import failure, headline
from gradcheck.results import OpResult, Report

TOOL = "gradcheck"
DECLARATION = '<?xml version="1.0" encoding="utf-8"?>\n'


def render(report: Report) -> str:
    """The report as one test suite."""
    suites = Element("testsuites", name=TOOL)
    suite = SubElement(suites, "testsuite", name=TOOL)
    _properties(suite, report)
    for result in report.results:
        _op(suite, result)
    for problem in problems(report):
        _problem(suite, problem)
    totals = {
        "tests": len(suite.findall("testcase")),
        "failures": len(suite.findall("testcase/failure")),
        "errors": len(suite.findall("testcase/error")),
    }
    for element in (suites, suite):
        element.attrib.update({name: str(count) for name, count in totals.items()})
        element.set("time", f"{report.summary.seconds:.3f}")
    suite.set("skipped", str(len(suite.findall("testcase/skipped"))))
    indent(suites, " ")
    return DECLARATION + tostring(suites, encoding="unicode") + "\n"


def _properties(suite: Element, report: Report) -> None:
    """What the results depend on."""
    known = {"seed": report.seed, "profile": report.profile, **report.environment}
    known |= {f"setting {key}": value for key, value in report.settings.items()}
    properties = SubElement(suite, "properties")
    for name, value in known.items():
        SubElement(properties, "property", name=one_line(name), value=one_line(str(value)))


def _op(suite: Element, result: OpResult) -> None:
    module = result.op.rpartition("::")[0] or TOOL
    case = _case(suite, module, result.name, result.seconds)
    text = visible(failure(result, verbose=True))
    match standing(result):
        case "failed":
            _outcome(case, "failure", headline(result), text, code=_code(result))
        case "not judged":
            _outcome(case, "error", headline(result), text, code=NOT_JUDGED)
        case "waived":
            _outcome(case, "skipped", f"waived: {result.waived}", text, code=_code(result))
        case "passed":
            if text:
                SubElement(case, "system-out").text = text


def _problem(suite: Element, problem: Problem) -> None:
    case = _case(suite, TOOL, f"{problem.title}: {problem.message}", 0.0)
    _outcome(case, "error", problem.title, visible(problem.message), code=problem.code)


def _case(suite: Element, module: str, name: str, seconds: float) -> Element:
    attributes = {"classname": one_line(module), "name": one_line(name), "time": f"{seconds:.3f}"}
    return SubElement(suite, "testcase", attributes)


def _outcome(case: Element, tag: str, message: str, text: str, *, code: str) -> None:
    SubElement(case, tag, message=one_line(message), type=one_line(code)).text = text


def _code(result: OpResult) -> str:
    """Of the gravest finding."""
    return next((f.code for f in result.findings if f.severity == "fail"), NOT_JUDGED)
