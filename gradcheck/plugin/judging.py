"""Checking an op of an item, and what the waivers say of a result while the tests run."""

from __future__ import annotations

import datetime

import pytest
from msgspec.structs import replace

from gradcheck import policy
from gradcheck.model import Op
from gradcheck.plugin import carrying, options, replays
from gradcheck.plugin.session import Session
from gradcheck.results import OpResult, Report, Summary
from gradcheck.runner import run_one
from gradcheck.settings import Settings, convert
from gradcheck.waivers import applied


def checked(op: Op, settings: Settings, session: Session) -> OpResult:
    """An op's result with the session's settings; what failed in an earlier run is tried again."""
    chosen = convert(session.given, "options", settings) if session.given else settings
    result = run_one(op, chosen, fixed=session.given, illustrated=session.illustrated)
    return replays.tried_again(op, result, chosen, session)


def waived(result: OpResult, config: pytest.Config) -> tuple[OpResult, list[str]]:
    """The result as the waivers let it through, and what is wrong with those that name its op."""
    known = options.waivers(config)
    if not known:
        return result, []
    alone = Report(seed=0, profile="", environment={}, summary=Summary(), results=[result])
    report = applied(alone, known, datetime.date.today())
    broken = [w for w in report.waivers if w.state != "met"]
    return report.results[0], [f"waiver {w.state}: {w.code}: {w.message}" for w in broken]


def keep(item: pytest.Item, result: OpResult, repeated: bool) -> None:
    """Keep the result of a call in a test, and end the test where its failure is known."""
    result = carrying.named(item, result, repeated=repeated)
    result, _ = waived(result, item.config)
    if repeated:
        carrying.keep_repeated(item, result)
    else:
        carrying.keep(item, result)
    if result.waived:
        pytest.xfail(result.waived)


def expected(result: OpResult, outcome: str, settings: Settings) -> OpResult:
    """A failure that its test expects, as the test passes or is marked xfail, is let through."""
    if outcome == "failed" or not policy.fails(result, settings):
        return result
    return replace(result, waived=outcome)
