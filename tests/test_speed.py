"""The benchmarks of time and cost measure checks that check, count rightly, and say what they saw.

No test looks at a real clock: clocks are planted, and what is measured is small.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import cost_by_size
import frameworks
import loglog
import measuring
import one_case
import points
import speed
import speed_report
import where_time_goes
from gradcheck import trial
from gradcheck.checks import order
from gradcheck.evaluation import Evaluator
from gradcheck.model import Op
from gradcheck.runner import run_one
from gradcheck.settings import Settings
from measuring import Patience
from reference_ops.linear import affine
from reference_ops.nonlinear import tanh
from workloads import SMALL, Work, spoilt, works

SMALL_WORKS = works(SMALL)
by_name = pytest.mark.parametrize("work", SMALL_WORKS, ids=lambda w: w.name.replace(" ", "-"))


@pytest.fixture(autouse=True)
def silent():
    with measuring.quiet_machine():
        yield


class Clock:
    """Stands still but for what runs say they take."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def taking(self, seconds: float) -> Callable[[], None]:
        def run() -> None:
            self.now += seconds

        return run


# --- ours ---------------------------------------------------------------------------------------
@by_name
def test_both_modes_find_a_planted_entry_and_pass_the_right_gradient(work: Work) -> None:
    speed.demand_that_it_works(work)
    full = one_case.check_full(work.op(), work.inputs)
    projected = one_case.check_projected(work.op(), work.inputs)
    for count, along in ((full, False), (projected, True)):
        assert count.judged
        assert not count.failed
        assert count.entries == work.entries
        assert one_case.is_what_was_asked(count, along_directions=along)
        assert 0 < count.forward_calls <= count.forward_points


def test_what_does_not_find_the_planted_entry_is_not_timed() -> None:
    class Unspoilt(Work):
        def planted(self) -> Op:
            return self.op()

    work = SMALL_WORKS[0]
    with pytest.raises(RuntimeError, match="not found by ours, full"):
        speed.demand_that_it_works(Unspoilt(work.name, work.inputs, work.formula, work.backward))


def test_a_right_op_that_fails_is_not_timed() -> None:
    work = SMALL_WORKS[1]
    wrong = replace(work, backward=spoilt(work.backward, 0))
    with pytest.raises(RuntimeError, match="called wrong by ours, full"):
        speed.ours(wrong)


def test_another_mode_than_asked_for_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(speed.HOW, speed.FULL, one_case.PROJECTED)
    with pytest.raises(RuntimeError, match="ours, full compares"):
        speed.ours(SMALL_WORKS[0])


def test_a_check_begins_with_the_case_and_its_gradient() -> None:
    """They are in the time, as they are in the others'."""
    work = SMALL_WORKS[0]
    case = one_case.at(work.op(), work.inputs, one_case.FULL)
    seen: list[Any] = []
    vjp = case.bench.evaluator.op.vjp

    def watched(*primals: Any) -> Any:
        seen.append(primals[0].copy())
        return vjp(*primals)

    object.__setattr__(case.bench.evaluator.op, "vjp", watched)
    for _ in range(2):
        seen.clear()
        assert case.run().judged
        assert seen
        assert np.array_equal(seen[0], work.inputs[0])


# --- the others -----------------------------------------------------------------------------------
@by_name
def test_formulas_are_the_same_in_every_framework(work: Work) -> None:
    here = work.formula(np, *work.inputs)
    torch = pytest.importorskip("torch")
    there = work.formula(torch, *(torch.tensor(x) for x in work.inputs))
    np.testing.assert_allclose(there.numpy(), here, rtol=1e-12)
    anp = pytest.importorskip("autograd.numpy")
    np.testing.assert_allclose(work.formula(anp, *work.inputs), here, rtol=1e-12)


@by_name
def test_other_sides_pass_the_right_gradient(work: Work) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("autograd")
    assert frameworks.by_torch(work, fast=False)()
    assert frameworks.by_torch(work, fast=True)()
    assert frameworks.by_autograd(work, tuple(range(len(work.inputs))))()
    assert frameworks.by_autograd(work, 0)()


def test_jax_passes_the_right_gradient() -> None:
    pytest.importorskip("jax")
    assert frameworks.by_jax(SMALL_WORKS[3])()  # the formula that asks most of a namespace


def test_sides_are_those_that_are_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("autograd")
    have = {"autograd"}
    monkeypatch.setattr(frameworks, "find_spec", lambda name: name in have or None)
    one, several = SMALL_WORKS[0], SMALL_WORKS[1]
    assert list(frameworks.sides(one)) == [frameworks.NAIVE, frameworks.HIPS]
    assert list(frameworks.sides(several)) == [frameworks.NAIVE, frameworks.HIPS, frameworks.FIRST]


def test_autograd_without_argnum_looks_at_the_first_input_alone() -> None:
    """Why the benchmark names all inputs: a formula with a wrong gradient of B alone."""
    pytest.importorskip("autograd")
    from autograd.extend import defvjp, primitive

    wrong = primitive(lambda A, B: A * B)
    defvjp(wrong, lambda ans, A, B: lambda g: g * B, lambda ans, A, B: lambda g: 2 * g * A)
    work = replace(SMALL_WORKS[1], formula=lambda xp, A, B: wrong(A, B))
    assert frameworks.by_autograd(work, 0)()
    assert not frameworks.by_autograd(work, (0, 1))()


@by_name
def test_the_naive_loop_finds_the_planted_entry(work: Work) -> None:
    place = len(work.inputs) - 1
    assert frameworks.naive(work)()
    assert not frameworks.naive(work, spoilt(work.backward, place))()


def test_large_work_is_spared_the_slow_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frameworks, "TOO_MANY", 10)
    assert frameworks.SLOW not in frameworks.sides(SMALL_WORKS[-1])


# --- time -----------------------------------------------------------------------------------------
def test_sides_take_turns_and_each_begins_one() -> None:
    clock, order = Clock(), []
    sides = {n: (lambda n=n: (order.append(n), clock.taking(1.0)())) for n in "abc"}
    taken = measuring.interleaved(sides, Patience(turns=3, seconds=100), clock)
    assert order == list("abcbcacab")
    assert taken == {n: [1.0] * 3 for n in "abc"}


def test_slow_sides_run_less_often_but_thrice_and_very_slow_ones_once() -> None:
    clock = Clock()
    sides = {"fast": clock.taking(1e-3), "slow": clock.taking(3.0), "very": clock.taking(60.0)}
    taken = measuring.interleaved(sides, Patience(turns=10, seconds=2.0), clock)
    assert {n: len(t) for n, t in taken.items()} == {"fast": 50, "slow": 3, "very": 1}


def test_peak_memory_is_what_a_run_holds_at_once() -> None:
    array = np.zeros(100_000)
    peak = measuring.peak_bytes(lambda: (array + 1, array + 2))
    assert 2 * array.nbytes <= peak < 2.1 * array.nbytes
    assert measuring.peak_bytes(lambda: None) < 0.1 * array.nbytes


def measured(side: str, seconds: float, work: str = "tanh 64×64", **more: Any) -> dict[str, Any]:
    first = {"work": work, "entries": 4096, "side": side, "seconds": seconds, "runs": 9}
    return {**first, "passes": True, "count": None, **more}


def test_a_ratio_is_of_ours_that_does_as_much_and_bold_where_it_is_reached() -> None:
    rows = [measured(speed.FULL, 0.1), measured(speed.PROJECTED, 0.001)]
    rows += [measured(frameworks.NAIVE, 3.0), measured(frameworks.FAST, 0.002)]
    text = speed_report.ratios(rows)
    assert "**30×** (≥ 20)" in text
    assert "| 2× (≥ 3)" in text
    assert text.count(" - ") == 4  # what was not measured


def test_few_runs_and_a_wrong_verdict_are_marked() -> None:
    rows = [measured(speed.FULL, 0.1, runs=3), measured(frameworks.JAX, 2e-3, passes=False)]
    assert "| 100 ms (3) |" in speed_report.seconds(rows)
    assert "| 2 ms* |" in speed_report.seconds(rows)


def test_every_side_has_a_wish_for_each_piece_of_work_and_says_what_it_verifies() -> None:
    for work in works():
        wishes = {side for side in speed_report.BESIDE if speed_report.wanted(work.name, side)}
        missing = set(speed_report.BESIDE) - wishes - {frameworks.FIRST}
        assert missing == ({frameworks.SLOW} if work.entries == 29_200 else set())
    assert set(frameworks.VERIFIES) == set(speed_report.BESIDE)


def test_the_page_of_a_run_has_all_of_it() -> None:
    pytest.importorskip("autograd")
    work = SMALL_WORKS[1]
    run = speed.one_run([work], Patience(turns=1, seconds=0.0))
    text = speed_report.page({"command": "python benchmarks/speed.py", "runs": [run, run]})
    assert "run 2 of 2" in text
    assert f"| {work.name} | full | {2 * work.entries} |" in text
    assert "load average" in text


# --- cost by size, and points -----------------------------------------------------------------
@pytest.mark.parametrize("kind", cost_by_size.KINDS, ids=lambda k: k.name.partition(" ")[0])
def test_an_op_of_each_kind_is_measured(kind: cost_by_size.Kind) -> None:
    found = cost_by_size.row(kind, 30, Patience(turns=1, seconds=0.0))
    assert found.points >= found.calls > 0
    assert found.comparisons > 0
    assert found.memory > 1
    for count in (100, 10_000):
        inputs = kind.inputs(count, np.random.default_rng(0))
        assert 0.9 * count <= sum(x.size for x in inputs) <= 1.4 * count


def cost_row(kind: str, inputs: int, memory: float) -> dict[str, Any]:
    return {"kind": kind, "inputs": inputs, "seconds": 1e-9 * inputs, "forward_seconds": 1e-9,
            "calls": 4, "points": 4 * inputs, "memory": memory, "modes": {"quick": 3}}  # fmt: skip


def test_too_much_memory_at_a_million_inputs_is_said_and_named() -> None:
    small = [cost_row("a", 1000, 500.0), cost_row("b", 1000, 5.0)]
    right = [*small, cost_row("a", 10**6, 9.9), cost_row("b", 999_698, 2.0)]
    wrong = [*small, cost_row("a", 10**6, 9.9), cost_row("b", 999_698, 10.0)]
    assert cost_by_size.over(right) == []
    assert cost_by_size.over(wrong) == ["b"]
    assert "holds at most 9.9 times" in cost_by_size.verdict(right)
    assert "**Too much memory at a million inputs**: b" in cost_by_size.verdict(wrong)
    assert cost_by_size.verdict(small) == "No check of a million inputs was made."


def test_the_picture_of_costs_is_a_document_with_every_curve_and_the_lines_beside_them() -> None:
    rows = [cost_row(k, n, 5.0) for k in ("a", "<b>") for n in (100, 10_000)]
    root = ET.fromstring(cost_by_size.picture(rows))
    said = ["".join(t.itertext()) for t in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"a", "<b>", "2N: central differences", "10 times the input"} <= set(said)


def test_decades_are_evenly_spaced() -> None:
    scale = loglog.Scale.over([3, 200, 9e4], 400.0)
    places = [scale.at(10.0**d) for d in scale.decades]
    assert places == pytest.approx([0, 80, 160, 240, 320, 400])
    assert loglog.Scale.over([10, 10], 5.0).decades == range(1, 3)  # never empty


def test_points_are_counted_at_a_large_case_and_what_saves_nothing_is_marked() -> None:
    found = points.row(tanh.__gradcheck_op__)
    assert found is not None
    assert found.entries == 24 * 16
    plain = points.Row("plain", ((4, 3),), 12, 60, 60, 1, {"quick": 12})
    saving = points.Row("saving", ((4, 3),), 12, 3, 12, 1, {"x": 12})
    text = points.page([plain, saving], "command")
    assert text.index("| saving |") < text.index("| plain |")
    assert "| 0.5 | yes | x 12 |" in text
    assert "| 2.5 | **no** | quick 12 |" in text
    assert "1 of 2 ops take fewer points than 2N" in text


def test_points_of_an_op_with_dimensions_that_go_together() -> None:
    found = points.row(affine.__gradcheck_op__)
    assert found is not None
    (n, d), (k, same), (bias,) = found.shapes
    assert (same, bias) == (d, k)
    assert len({n, d, k}) == 3


# --- where the time goes --------------------------------------------------------------------------
def test_time_within_another_stage_counts_there_alone() -> None:
    clock = Clock()
    meter = where_time_goes.Meter(clock)
    inner = meter.wrap("inner", clock.taking(2.0))

    def work() -> None:
        clock.taking(3.0)()
        inner()
        inner()

    meter.wrap("outer", work)()
    assert dict(meter.spent) == {"outer": 3.0, "inner": 4.0}
    assert dict(meter.calls) == {"outer": 1, "inner": 2}


def test_a_stage_that_raises_is_timed_too() -> None:
    clock = Clock()
    meter = where_time_goes.Meter(clock)

    def work() -> None:
        clock.taking(1.0)()
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        meter.wrap("raises", work)()
    meter.wrap("after", clock.taking(1.0))()
    assert dict(meter.spent) == {"raises": 1.0, "after": 1.0}


def test_every_stage_is_met_by_a_run_and_what_was_wrapped_is_put_back() -> None:
    before = (Evaluator.call_forward, trial.build, dict(order.IN_ORDER))
    meter = where_time_goes.Meter()
    stages = {**where_time_goes.STAGES, "gradcheck.trial:no_such": "a", "gradcheck.nope:x": "b"}
    with where_time_goes.watched(meter, stages) as missing:
        op = where_time_goes.op_of("affine", meter)
        result = run_one(op, Settings(profile="fast"), illustrated=True)
    assert result.verdict == "pass"
    assert missing == ["gradcheck.trial:no_such", "gradcheck.nope:x"]
    met = set(meter.spent)
    assert set(where_time_goes.STAGES.values()) <= met
    assert set(where_time_goes.USERS) <= met
    assert where_time_goes.CHECK + "values" in met
    assert meter.calls[where_time_goes.FORWARD] >= result.forward_calls / 2
    assert (Evaluator.call_forward, trial.build, dict(order.IN_ORDER)) == before


def kept(stages: dict[str, float], **more: Any) -> dict[str, Any]:
    op = {"op": "tanh", "cases": 9, "plain": 3.0, "watched": 4.0, "stages": stages,
          "calls": dict.fromkeys(stages, 1.0), "missing": []}  # fmt: skip
    page = {"command": "c", "profile": "ci", "repeat": 5, "environment": {"python": "3"}}
    return {**page, "ops": [{**op, **more}]}


def test_before_and_after_stand_beside_each_other() -> None:
    then = kept({where_time_goes.FORWARD: 1.0, "check: values": 4.0, "gone": 1.0})
    now = kept({where_time_goes.FORWARD: 1.0, "check: values": 1.0, "new": 0.25})
    text = where_time_goes.page(now, then)
    assert "| check: values | 1.000 | 4.000 | 1.000 | 0.25× |" in text
    assert "| gone | - | 1.000 | - | - |" in text
    assert "| new | 1.000 | - | 0.250 | - |" in text
    assert "| **the harness's own, all together** | - | 5.000 | 1.250 | 0.25× |" in text
    assert "before" not in where_time_goes.of_op(now["ops"][0], None)


def test_durations_and_numbers_have_three_digits() -> None:
    said = [measuring.duration(s) for s in (12.345, 1.0, 0.0123, 4.5e-5, 0.0)]
    assert said == ["12.3 s", "1 s", "12.3 ms", "45 µs", "0 µs"]
    assert [measuring.rounded(v) for v in (0.667, 99.94, 99.96, 12345.6)] == [
        "0.667", "99.9", "100", "12,346"]  # fmt: skip


def test_works_are_at_the_same_places_in_every_run() -> None:
    for a, b in zip(works(), works(), strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a.inputs, b.inputs, strict=True))
    assert [w.entries for w in works()] == [4096, 2048, 2176, 1280, 2880, 29_200]
