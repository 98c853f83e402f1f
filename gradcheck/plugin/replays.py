"""Cases that failed in an earlier run, from Hypothesis' database, tried again where an op passes.

A failure found with one seed is not lost at the next: the op fails until the case passes, and is
forgotten only then. Where the project's Hypothesis settings have no database, as on CI, nothing
is written or read, and a verdict depends on the seed alone.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import hypothesis
import msgspec

from gradcheck.errors import UsageError
from gradcheck.model import Op
from gradcheck.plugin.session import Session
from gradcheck.recalling import demand_judged, recalled
from gradcheck.results import OpResult
from gradcheck.runner import run_one
from gradcheck.settings import Settings, for_op

if TYPE_CHECKING:
    from hypothesis.database import ExampleDatabase

NOTE = (
    "the case failed in an earlier run, and is from Hypothesis' database: this run's seed does not "
    "make it"
)
LONGEST = 100_000
"""Bytes of a case that is worth a file."""


def tried_again(op: Op, result: OpResult, settings: Settings, session: Session) -> OpResult:
    """The result, or where it passes that of an earlier run's cases, should one still fail."""
    with warnings.catch_warnings():  # a folder that cannot be written is Hypothesis' to tell
        warnings.simplefilter("ignore")
        database = hypothesis.settings().database
        if database is None:
            return result
        key = _key(op)
        if result.verdict == "fail":
            _save(database, key, result)
        if result.verdict != "pass":
            return result
        return _failing_again(op, settings, session, (database, key)) or result


def waiting(ops: Sequence[Op]) -> int:
    """How many cases of earlier runs there are to try again."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        database = hypothesis.settings().database
        return sum(len(set(database.fetch(_key(op)))) for op in ops) if database else 0


def _failing_again(
    op: Op, settings: Settings, session: Session, place: tuple[ExampleDatabase, bytes]
) -> OpResult | None:
    database, key = place
    for saved in sorted(database.fetch(key)):
        result = _tried(op, saved, settings, session)
        if result is not None and result.verdict == "fail":
            return msgspec.structs.replace(result, assumptions=[*result.assumptions, NOTE])
        if result is not None and result.verdict == "pass":
            database.delete(key, saved)
    return None


def _tried(op: Op, saved: bytes, settings: Settings, session: Session) -> OpResult | None:
    try:
        recipe = recalled(saved.decode("utf-8", "replace"), op, "a saved case")
        demand_judged(recipe, op, for_op(settings, op.options, session.given).dtypes)
        return run_one(
            op,
            settings,
            fixed=session.given,
            only=[recipe],
            illustrated=session.illustrated,
        )
    except UsageError:
        return None


def _save(database: ExampleDatabase, key: bytes, result: OpResult) -> None:
    for finding in result.findings:
        if finding.severity == "fail" and finding.recipe and len(finding.recipe) < LONGEST:
            database.save(key, finding.recipe.encode())


def _key(op: Op) -> bytes:
    """Of the op and its inputs: a case for other inputs is none of it."""
    inputs = [(i.name, i.dims, str(i.domain), i.strategy is None) for i in op.inputs]
    attributes = [(a.name, len(a.all_values)) for a in op.attributes]
    text = repr((op.id, inputs, attributes)).encode("utf-8", "backslashreplace")
    return b"gradcheck:" + hashlib.sha256(text).hexdigest().encode()
