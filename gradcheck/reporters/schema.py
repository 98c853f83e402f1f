"""JSON Schemas of the result file and of the lines of a stream, made from the records themselves.

``python -m gradcheck.reporters.schema results`` prints one; ``docs/schema/`` holds the published
copies, which a test compares with these. A field's description is the docstring under it.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
import textwrap
from typing import Any

import msgspec

from gradcheck.records import Record
from gradcheck.reporters import ndjson
from gradcheck.results import SCHEMA_VERSION, Report

SCHEMAS: dict[str, tuple[Any, str]] = {
    "results": (Report, "A gradcheck result file"),
    "stream": (ndjson.Line, "One line of gradcheck's results.ndjson"),
}
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema(name: str) -> dict[str, Any]:
    """The schema of "results" or "stream", in draft 2020-12."""
    kind, title = SCHEMAS[name]
    (made,), definitions = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    for record in Record.__subclasses__():
        if record.__name__ in definitions:
            _describe(definitions[record.__name__], record)
    head = {
        "$schema": DIALECT,
        "$id": f"urn:gradcheck:{name}:{SCHEMA_VERSION}",
        "title": f"{title}, schema version {SCHEMA_VERSION}",
    }
    return {**head, **made, "$defs": dict(sorted(definitions.items()))}


def text(name: str) -> str:
    """The schema as indented JSON."""
    return json.dumps(schema(name), indent=1, ensure_ascii=False) + "\n"


def _describe(definition: dict[str, Any], record: type) -> None:
    """Put the docstrings of a record and of its fields into its definition."""
    definition["description"] = inspect.cleandoc(record.__doc__ or "")
    for field, words in _docstrings(record).items():
        if field in definition.get("properties", {}):
            definition["properties"][field]["description"] = words
    if "schema_version" in definition.get("properties", {}):
        definition["properties"]["schema_version"] = {"const": SCHEMA_VERSION}


def _docstrings(record: type) -> dict[str, str]:
    """The strings that stand below the fields in the source."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(record))).body
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, below in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
            and isinstance(below.value.value, str)
        ):
            found[field.target.id] = inspect.cleandoc(below.value.value)
    return found


if __name__ == "__main__":
    sys.stdout.write(text(*sys.argv[1:]))
