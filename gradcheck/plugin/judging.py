"""Checking an op of an item, and what the waivers say of a result while the tests run."""

from __future__ import annotations

import datetime

import pytest
from msgspec.structs import replace

from gradcheck import policy
from gradcheck.folding import Known
from gradcheck.model import Op
from gradcheck.plugin import carrying, ending, examples, options, replays
from gradcheck.plugin.ending import Ending
from gradcheck.plugin.session import Session
from gradcheck.reporters.text import failure
from gradcheck.results import OpResult, Report, Summary
from gradcheck.runner import run_one
from gradcheck.settings import Settings, convert
from gradcheck.waivers import applied, by_op, within


def checked(op: Op, config: pytest.Config, session: Session, until: float) -> OpResult:
    """An op's result with the session's settings; what failed in an earlier run is tried again.

    ``until``: when the session is out of time.
    """
    settings, given = options.settings(config), session.given
    named = by_op(options.waivers(config)).get(op.id, ())
    chosen = convert(given, "options", settings) if given else settings
    drawn = session.illustrated
    result = run_one(op, chosen, fixed=given, illustrated=drawn, known=named, until=until)
    return replays.tried_again(op, result, chosen, session)


def waived(result: OpResult, config: pytest.Config) -> tuple[OpResult, list[str]]:
    """The result as the waivers let it through, and what is wrong with those that name its op."""
    waivers = options.waivers(config)
    if not waivers:
        return result, []
    alone = Report(seed=0, profile="", environment={}, summary=Summary(), results=[result])
    reach = within(options.settings(config))
    report = applied(alone, waivers, datetime.date.today(), reach)
    broken = [w for w in report.waivers if w.state != "met"]
    return report.results[0], [f"waiver {w.state}: {w.code}: {w.message}" for w in broken]


def keep(item: pytest.Item, result: OpResult, repeated: bool) -> OpResult:
    """Keep the result of a call in a test, and note how it is to end the test.

    Hands it back as the waivers let it through; under ``--runxfail`` they let nothing through.
    """
    result = carrying.named(item, result, repeated=repeated)
    kept, _ = waived(examples.added(item, result) if repeated else result, item.config)
    if repeated:
        carrying.keep_again(item, kept)
    else:
        carrying.keep(item, kept)
    if item.config.getoption("--runxfail", False):
        return result
    ending.note(item, kept.op, Ending(kept.waived, _undecided(kept, item) if repeated else ""))
    return waived(result, item.config)[0]


def known(item: pytest.Item, name: str, repeated: bool) -> Known:
    """What waivers name in the next call of a test that checks an op of this name."""
    op = carrying.next_id(item, name, repeated=repeated)
    return by_op(options.waivers(item.config)).get(op, ())


def _undecided(result: OpResult, item: pytest.Item) -> str:
    """The failure of a test of which Hypothesis saw only the examples that could be judged."""
    lenient = options.settings(item.config).inconclusive != "fail"
    if result.verdict != "inconclusive" or result.waived or lenient:
        return ""
    return failure(result, stored=False)


def expected(result: OpResult, outcome: str, settings: Settings) -> OpResult:
    """A failure that its test expects, as the test passes or is marked xfail, is let through."""
    if outcome == "failed" or not policy.fails(result, settings):
        return result
    return replace(result, waived=outcome)
