"""How small an error is found without a false alarm: the limits that the report publishes.

A change of constants that dulls the checks shows here, and so does one that sharpens them until
right gradients are called wrong.
"""

from __future__ import annotations

import numpy as np
import pytest

import sensitivity
from gradcheck.guards import GlobalRandom
from schemes import OURS, LadderForAll, Recalling, Subject, read
from suite import KINKED, NEAR, ON, SMOOTH, SUITE, SuiteOp, recipes

SEED = 2026
ORDINARY = "quick, then ladder"
SHARP = {  # dtype: eta95 of the ordinary way, of the ladder for all, evaluations a derivative
    "float64": (1.3e-8, 8e-12, 4.5),
    "float32": (1.05e-3, 1.3e-4, 8.0),
}
"""The ladder in float32 is one step of the report's grid above it: these are fewer points."""
SMOOTH_OPS = [op for op in SUITE if op.kind == SMOOTH]


@pytest.fixture(autouse=True)
def silent():
    with np.errstate(all="ignore"), GlobalRandom(0).restored():
        yield


def subjects(ops: list[SuiteOp], dtype: str, points: int) -> list[Subject]:
    return [Subject.of(op, r) for op in ops for r in recipes(op, dtype, SEED, points)]


@pytest.mark.parametrize("dtype", SHARP)
def test_smooth_ops_are_judged_as_sharply_as_published(dtype: str) -> None:
    ordinary, ladder, most = SHARP[dtype]
    cases = subjects(SMOOTH_OPS, dtype, points=4)
    for way, eta in ((Recalling, ordinary), (LadderForAll, ladder)):
        readings = [read(way, case) for case in cases]
        assert not any(r.false_alarms or r.inconclusive for r in readings)
        found = sum(r.flags(eta) and r.flags(10 * eta) for r in readings)
        assert found >= 0.95 * len(cases)
        if way is Recalling:
            evaluations = sum(r.evaluations for r in readings)
            assert evaluations <= most * sum(r.derivatives for r in readings)


@pytest.mark.parametrize("dtype", SHARP)
def test_no_right_gradient_of_any_kind_is_called_wrong(dtype: str) -> None:
    for case in subjects(list(SUITE), dtype, points=3):
        for way in (Recalling, LadderForAll):
            assert read(way, case).false_alarms == 0, case.facts.op.name


@pytest.mark.parametrize("name", OURS)
def test_a_wrong_entry_of_a_tenth_is_flagged_and_the_right_one_is_not(name: str) -> None:
    for case in subjects(SMOOTH_OPS[::4], "float32", points=2):
        reading = read(OURS[name], case)
        assert reading.flags(0.1)
        assert not reading.flags(0.0)


def test_the_suite_has_the_kinds_and_the_points_that_the_report_names() -> None:
    kinds = [op.kind for op in SUITE]
    assert [kinds.count(k) for k in dict.fromkeys(kinds)] == [20, 10, 15]
    for op in SUITE:
        regimes = {r.regime for r in recipes(op, "float64", SEED, 3)}
        assert ({ON, NEAR} <= regimes) == (op.kind == KINKED)
        assert recipes(op, "float64", SEED, 3) == recipes(op, "float64", SEED, 3)


def row(found: int, **more: object) -> sensitivity.Row:
    first = {"dtype": "float64", "group": SMOOTH, "scheme": "some", "kind": "ours"}
    return sensitivity.Row(**{**first, "derivatives": 2, "evaluations": 8, "found": found, **more})


def test_a_curve_says_how_many_checks_find_an_error() -> None:
    made = sensitivity.curve([row(20), row(10), row(30, false_alarms=1), row(0, inconclusive=2)])
    assert made["detection"][0] == 0.75
    assert made["detection"][10] == 0.5
    assert made["eta50"] == pytest.approx(1e-1 * 10 ** (-19 / 10))
    assert made["eta95"] is None
    assert made["evaluations_per_derivative"] == 4
    assert (made["false_alarm_checks"], made["inconclusive_derivatives"]) == (1, 2)


def test_the_best_threshold_is_the_largest_error_of_a_right_gradient() -> None:
    def seen(right: float, factor: float) -> sensitivity.Row:
        distances = (right, *(factor * eta for eta in sensitivity.ETAS))
        return row(0, kind="best case", distances=distances)

    made = sensitivity.curve([seen(1e-6, 1.0), seen(1e-5, 0.1)])
    assert made["threshold"] == 1e-5
    assert made["eta50"] == pytest.approx(10**-4.9)
    assert made["eta95"] == pytest.approx(10**-3.9)


@pytest.mark.parametrize(("limit", "found"), [(0.2, 0), (0.1, 1), (3e-5, 36), (0.0, 111)])
def test_the_smallest_error_is_found_without_trying_all(limit: float, found: int) -> None:
    tried = []

    def flags(eta: float) -> bool:
        tried.append(eta)
        return eta >= limit

    assert sensitivity.found_by(flags) == found
    assert len(tried) <= 21
