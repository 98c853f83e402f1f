"""The published schemas: true to the code, to real reports, and refusing what is none."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from gradcheck.reporters import json as reporter
from gradcheck.reporters import ndjson
from gradcheck.reporters.schema import SCHEMAS, schema, text
from gradcheck.results import SCHEMA_VERSION, Report
from tests.reporters import samples

jsonschema = pytest.importorskip("jsonschema")
DOCS = Path(__file__).parents[2] / "docs" / "schema"


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_published_copy_is_that_of_the_code(name):
    """Where a field was renamed or removed, the schema version goes up, and the file is another."""
    published = DOCS / f"{name}-{SCHEMA_VERSION}.json"
    assert published.read_text(encoding="utf-8") == text(name), (
        f"python -m gradcheck.reporters.schema {name} > {published}"
    )


@pytest.mark.parametrize("name", SCHEMAS)
def test_is_a_schema(name):
    jsonschema.Draft202012Validator.check_schema(schema(name))
    assert schema(name)["$id"] == f"urn:gradcheck:{name}:{SCHEMA_VERSION}"


def test_fields_are_described():
    definitions = schema("results")["$defs"]
    assert definitions["Finding"]["description"] == "Something to tell the author of an op."
    of_code = definitions["Finding"]["properties"]["code"]["description"]
    assert of_code == "Stable name of the kind of finding, for instance ``wrong-gradient``."
    assert all("description" in record for record in definitions.values())


def test_a_real_report_follows_it(project):
    project.write("gates.py")
    project.run("run", "gates.py", "--max-cases", "12")
    jsonschema.validate(project.results(), schema("results"))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda r: r.pop("seed"),
        lambda r: r.update(schema_version=2),
        lambda r: r["results"][1].update(verdict="maybe"),
        lambda r: r["results"][1]["worst"].update(bound=None),
        lambda r: r["results"][1]["worst"].update(bound="NaN"),
        lambda r: r["results"][1]["findings"][0].update(severity="grave"),
        lambda r: r["summary"].update(ops="4"),
    ],
)
def test_refuses_what_is_no_report(spoil):
    report = json.loads(reporter.render(samples.WRONG["failing"]))
    jsonschema.validate(report, schema("results"))
    spoil(report)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(report, schema("results"))


def test_nan_and_infinity_are_strings_and_never_null():
    report = json.loads(reporter.render(samples.not_finite()))
    worst = report["results"][0]["worst"]
    assert (worst["backward"], worst["finite_difference"], worst["bound"]) == ("nan", "inf", "-inf")


def test_a_file_of_the_first_release_is_read():
    """Fields that came later have defaults."""
    first = {
        "schema_version": 1,
        "seed": 0,
        "profile": "ci",
        "environment": {},
        "summary": {},
        "results": [{"op": "m::f", "kind": "function pair", "verdict": "pass"}],
    }
    assert reporter.parse(json.dumps(first), "here").results[0].name == "f"
    jsonschema.validate(first, schema("results"))


def test_what_a_later_release_adds_is_left_aside():
    later = json.loads(reporter.render(samples.WRONG["failing"])) | {"new": [1]}
    assert reporter.parse(json.dumps(later), "here") == samples.WRONG["failing"]


def test_ascii_is_enough_for_what_cannot_be_seen():
    hostile = samples.report(samples.op("a\u202e\x9b\x7f\U000e0041b"))
    written = reporter.render(hostile)
    assert "a\\u202e\\u009b\\u007f\\udb40\\udc41b" in written
    assert reporter.parse(written, "here") == hostile


def test_a_half_of_a_surrogate_pair_becomes_text():
    read = reporter.parse(reporter.render(samples.report(samples.op("a\ud800b"))), "here")
    assert read.results[0].name == "a\\ud800b"


def test_the_records_of_a_stream_are_the_schemas():
    kinds = {line["properties"]["record"]["const"] if "const" in line["properties"]["record"]
             else line["properties"]["record"]["enum"][0]
             for name, line in schema("stream")["$defs"].items()
             if name in ("Start", "Done", "End")}  # fmt: skip
    assert kinds == {"start", "op", "end"}
    assert msgspec.json.decode(ndjson.line(ndjson.start(Report(
        seed=0, profile="ci", environment={}, summary=samples.report().summary, results=[]
    ))))["record"] == "start"  # fmt: skip
