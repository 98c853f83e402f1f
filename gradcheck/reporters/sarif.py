"""A report as SARIF 2.1.0, for GitHub code scanning and editors.

One result for each finding, at the first line of the backward pass. Fingerprints are made of op,
code, check and input, never of a line, so that an alert survives edits above it. What GitHub
demands beyond the standard is here: help texts of rules, start and end of regions, paths relative
to the repository.
"""

from __future__ import annotations

import hashlib
import json
import os
import urllib.parse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gradcheck.codes import CODES, NOT_JUDGED, headline
from gradcheck.plain import cut, one_line, visible
from gradcheck.reporters import places
from gradcheck.reporters.places import Place
from gradcheck.reporters.standing import PROBLEMS, is_right, problems, waiver_of
from gradcheck.results import Finding, OpResult, Report

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
LEVELS = {"fail": "error", "not judged": "warning", "warning": "warning", "note": "note"}
MOST_RESULTS = 25_000
"""GitHub refuses a run with more."""
LONGEST = 4000
"""Characters of a message."""

Json = dict[str, Any]


def render(report: Report) -> str:
    """The report as a log with one run."""
    root = places.repository()
    found = sorted(_results(report, root), key=lambda r: list(LEVELS.values()).index(r["level"]))
    left_out = len(found) - MOST_RESULTS
    found = _fingerprinted(found[:MOST_RESULTS])
    notices = [_notification(p.code, f"{p.title}: {p.message}") for p in problems(report)]
    if left_out > 0:
        notices.append(_notification("left-out", f"{left_out} more results are left out"))
    rules = sorted({result["ruleId"] for result in found})
    for result in found:
        result["ruleIndex"] = rules.index(result["ruleId"])
    driver = {
        "name": "gradcheck",
        "version": report.environment.get("gradcheck", "0"),
        "rules": [_rule(code) for code in rules],
    }
    invocation = {
        "executionSuccessful": not problems(report),
        "exitCode": 0 if is_right(report) else 1,
        "toolExecutionNotifications": notices,
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [invocation],
        "columnKind": "unicodeCodePoints",
        "results": found,
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=1, ensure_ascii=False) + "\n"


def _results(report: Report, root: Path) -> Iterator[Json]:
    for problem in problems(report):
        text = f"{problem.title}: {problem.message}"
        where = places.of_problem(problem, root)
        yield _result(problem.code, "error", text, where, identity=(problem.about,))
    for result in report.results:
        if result.verdict == "inconclusive":
            yield _waived(_unjudged(result, root), result.waived)
        for found in result.findings:
            yield _waived(_finding(result, found, root), waiver_of(report, result, found))


def _unjudged(result: OpResult, root: Path) -> Json:
    text = f"{result.name}: not judged: {result.reason}"
    where = places.of_finding(result, None, root)
    return _result(NOT_JUDGED, "error", text, where, identity=(result.op,))


def _finding(result: OpResult, found: Finding, root: Path) -> Json:
    parts = [f"{result.name}: {headline(found.code)}: {found.message}"]
    if found.diagnosis:
        parts.append(f"Likely: {found.diagnosis}")
    if found.replay:
        parts.append(f"Again: {found.replay}")
    where = places.of_finding(result, found, root)
    identity = (result.op, found.check, found.input)
    return _result(found.code, LEVELS[found.severity], "\n".join(parts), where, identity=identity)


def _result(code: str, level: str, text: str, where: Place, *, identity: tuple[str, ...]) -> Json:
    region = {
        "startLine": where.line,
        "startColumn": where.column,
        "endLine": where.line,
        "endColumn": where.end_column,
    }
    physical = {"artifactLocation": {"uri": _uri(where)}, "region": region}
    return {
        "ruleId": one_line(code),
        "level": level,
        "message": {"text": _plain(text)},
        "locations": [{"physicalLocation": physical}],
        "partialFingerprints": {"primaryLocationLineHash": _hash(code, *identity)},
    }


def _waived(result: Json, reason: str) -> Json:
    """The result, suppressed where there is a reason."""
    if reason:
        suppression = {"kind": "external", "status": "accepted", "justification": _plain(reason)}
        result["suppressions"] = [suppression]
    return result


def _fingerprinted(results: list[Json]) -> list[Json]:
    """Alike results are told apart by a number behind the hash, as GitHub's own are."""
    seen: Counter[str] = Counter()
    for result in results:
        prints = result["partialFingerprints"]
        for name, value in prints.items():
            seen[value] += 1
            prints[name] = f"{value}:{seen[value]}"
    return results


def _hash(*parts: str) -> str:
    joined = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.sha256(joined).hexdigest()[:16]


def _plain(text: str) -> str:
    """Text that no viewer takes for a link: ``[this](there)`` is one in SARIF."""
    return cut(visible(text), LONGEST).replace("](", "] (")


def _uri(where: Place) -> str:
    path = urllib.parse.quote_from_bytes(os.fsencode(where.file))
    return path if where.is_inside else f"file://{'' if path.startswith('/') else '/'}{path}"


def _notification(code: str, text: str) -> Json:
    return {"descriptor": {"id": code}, "level": "error", "message": {"text": _plain(text)}}


def _rule(code: str) -> Json:
    """What a finding of this code means, for the alert's page."""
    known = CODES.get(code)
    title = {"text": visible(PROBLEMS.get(code) or headline(code))}
    if known is None:
        return {"id": code, "shortDescription": title, "fullDescription": title, "help": title}
    return {
        "id": code,
        "shortDescription": title,
        "fullDescription": {"text": known.what},
        "help": {"text": f"{known.why}\n\n{known.fix}"},
    }
