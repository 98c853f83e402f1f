"""A real reader for each kind of report: it refuses what is not well-formed, and says if it is red.

Where there is no reader to be had (GitHub's runner), the published rules are written down here.
"""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import jsonschema
from junitparser import JUnitXml
from markdown_it import MarkdownIt
from markdown_it.token import Token
from sarif_kit.validate import validation_errors

from gradcheck import policy
from gradcheck.reporters import json as json_reporter
from gradcheck.reporters import ndjson
from gradcheck.reporters.schema import schema
from gradcheck.settings import Settings

COMMAND = re.compile(r"::(error|warning|notice) ([^:\n]*)::([^\n]*)")


def read_json(text: str) -> bool:
    """As the published schema has it, and as gradcheck reads it again."""
    jsonschema.validate(json.loads(text), schema("results"))
    return policy.decide(json_reporter.parse(text, "here"), Settings()) != 0


def read_ndjson(text: str) -> bool:
    """Line by line as the schema has it, and whole as gradcheck reads it again."""
    assert text.endswith("\n")
    for line in text.removesuffix("\n").split("\n"):
        jsonschema.validate(json.loads(line), schema("stream"))
    return policy.decide(ndjson.parse(text, "here"), Settings()) != 0


def read_junit(text: str) -> bool:
    """As junitparser reads it; counts agree with what is there."""
    (suite,) = JUnitXml.fromstring(text.encode())
    outcomes = [outcome for case in suite for outcome in case.result]
    kinds = [type(outcome).__name__ for outcome in outcomes]
    assert suite.tests == len(list(suite))
    counted = (suite.failures, suite.errors, suite.skipped)
    assert counted == tuple(map(kinds.count, ("Failure", "Error", "Skipped")))
    assert all(outcome.message and outcome.type for outcome in outcomes)
    assert {e.tag for e in ElementTree.fromstring(text).iter()} <= {
        "testsuites", "testsuite", "properties", "property", "testcase",
        "failure", "error", "skipped", "system-out",
    }  # fmt: skip
    return bool(suite.failures + suite.errors)


def read_sarif(text: str) -> bool:
    """As the schema of OASIS has it, with what GitHub demands beyond it."""
    log = json.loads(text)
    assert validation_errors(log) == []
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    for rule in rules:
        assert rule["shortDescription"]["text"]
        assert rule["fullDescription"]["text"]
        assert rule["help"]["text"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["message"]["text"]
        (location,) = result["locations"]
        assert location["physicalLocation"]["artifactLocation"]["uri"]
        region = location["physicalLocation"]["region"]
        assert set(region) == {"startLine", "startColumn", "endLine", "endColumn"}
        assert region["endColumn"] > region["startColumn"]
        assert result["partialFingerprints"]["primaryLocationLineHash"]
    prints = [r["partialFingerprints"]["primaryLocationLineHash"] for r in run["results"]]
    assert len(set(prints)) == len(prints)
    return any(r["level"] == "error" and "suppressions" not in r for r in run["results"])


def read_github(text: str) -> bool:
    """As the runner takes it: whole lines, each one command, at most ten of a kind."""
    kinds = []
    for line in text.splitlines():
        command = COMMAND.fullmatch(line)
        assert command, line
        kinds.append(command[1])
        for pair in command[2].split(","):
            name, sign, value = pair.partition("=")
            assert sign
            assert value
            assert name in ("file", "line", "endLine", "title")
    assert max(map(kinds.count, ("error", "warning", "notice"))) <= 10
    return "error" in kinds


def tokens(text: str) -> list[Token]:
    """All tokens of a Markdown text, those inside of lines too."""
    found = MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)
    return [t for token in found for t in (token, *(token.children or ()))]


def read_markdown(text: str) -> bool:
    """As a Markdown parser takes it: nothing of it is markup but what the page is made of."""
    seen = {token.type for token in tokens(text)}
    assert not seen & {"html_block", "html_inline", "link_open", "image", "hr", "bullet_list_open"}
    assert [t.tag for t in tokens(text) if t.type == "heading_open"] == ["h2"]
    (heading, *_) = (t for t in tokens(text) if t.type == "inline")
    return heading.content != "gradcheck: passed"


READERS = {
    "json": read_json,
    "ndjson": read_ndjson,
    "junit": read_junit,
    "sarif": read_sarif,
    "github": read_github,
    "markdown": read_markdown,
}
