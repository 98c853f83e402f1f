"""Second opinions where finite differences cannot judge, and tolerances wider than needed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradcheck import opinions
from gradcheck.records import unnum
from gradcheck.reporters import json, text
from gradcheck.results import OpResult
from gradcheck.runner import environment, summarise
from tests.gates import Array, Function, fails, passes, refused, sine, sine_backward, x5

WIDE = np.finfo(np.longdouble).eps < np.finfo(np.float64).eps
F64 = {"dtypes": "float64"}


def drowned(x: Array) -> Array:
    return np.sin(x) + 1e12


def lifted(x: Array) -> Array:
    """|x| is not holomorphic: a complex step sees x |x| as if |x| were constant."""
    return x * np.abs(x) + 1e12


INCONCLUSIVE: dict[str, tuple[Function, Function]] = {
    "sin + 1e12": (drowned, sine_backward),
    "x + 1e13": (lambda x: x + 1e13, lambda d, x: d * np.ones_like(x)),
}


@pytest.mark.skipif(not WIDE, reason="long double is double here")
@pytest.mark.parametrize("name", INCONCLUSIVE)
def test_second_opinions_judge_what_was_inconclusive(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward, right = INCONCLUSIVE[name]
    assert passes(forward, right, x5, **F64).modes[opinions.LONGDOUBLE] > 0
    for factor in (0.0, 1.01, 1.3, -1.0):
        fails(forward, lambda d, x, f=factor: f * right(d, x), x5, **F64)
    monkeypatch.setattr(opinions, "_wide", lambda point, move: None)
    monkeypatch.setattr(opinions, "_complex_step", lambda point, move: float("nan"))
    assert refused(forward, right, x5, **F64).result.verdict == "inconclusive"


@pytest.fixture
def no_longdouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opinions, "_wide", lambda point, move: None)


@pytest.mark.usefixtures("no_longdouble")
def test_the_complex_step_agrees_and_never_fails() -> None:
    some = lambda x: np.sin(x) + 1e11  # noqa: E731
    result = passes(some, sine_backward, x5, **F64)
    assert result.modes[opinions.COMPLEX_STEP] > 0
    for factor in (0.0, 1.02, 2.0):
        result = refused(some, lambda d, x, f=factor: f * sine_backward(d, x), x5, **F64).result
        assert opinions.COMPLEX_STEP not in result.modes


@pytest.mark.usefixtures("no_longdouble")
def test_the_complex_step_is_not_asked_about_absolute_values() -> None:
    """x |x|: its derivative is 2|x|, a complex step says |x|, and so might a wrong backward."""
    for backward in (lambda d, x: d * np.abs(x), lambda d, x: d * 2 * np.abs(x)):
        found = refused(lifted, backward, x5, **F64).result
        assert opinions.COMPLEX_STEP not in found.modes


def test_a_forward_that_leaves_complex_numbers_is_not_asked() -> None:
    z = np.array([1.0 + 1j]).view(opinions._Holomorphic)
    for change in (np.abs, np.conj, np.sign, lambda v: v.real, lambda v: v.conj(), np.angle):
        with pytest.raises(TypeError):
            change(z)
    for keeps in (np.exp, np.sin, lambda v: v @ v, lambda v: np.where(v > 0, v, 0 * v)):
        assert isinstance(keeps(z), opinions._Holomorphic)


def test_another_function_in_long_double_is_not_believed() -> None:
    """Forward that differs by dtype: its long double says nothing of its float64."""

    def other(x: Array) -> Array:
        return drowned(x) if x.dtype == np.float64 else x * x

    result = refused(other, lambda d, x: d * 2 * x, x5, **F64).result
    assert opinions.LONGDOUBLE not in result.modes


def test_an_output_that_never_moves_is_no_evidence_of_a_zero_slope(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(opinions, "_wide", lambda point, move: None)
    refused(lambda x: x + 1e13, lambda d, x: 0 * d, x5, **F64)
    passes(lambda x: np.sign(x), lambda d, x: 0 * d, x5)


# -- tolerances ---------------------------------------------------------------------------------


def off_by(error: float) -> Function:
    return lambda d, x: (1 + error) * sine_backward(d, x)


@pytest.mark.parametrize(
    ("error", "signif", "loose"),
    [
        (5e-4, 1e-3, ""),
        (5e-4, 8e-3, "more than 10 times"),
        (2e-2, 3e-2, "wide enough to hide an error of 1 %"),
        (0.0, 1e-3, "more than 10 times"),
        (0.0, 1e-9, ""),
        (0.0, 0.0, ""),
    ],
)
def test_how_much_of_a_tolerance_was_used(error: float, signif: float, loose: str) -> None:
    result = passes(sine, off_by(error), x5, signif=signif, **F64)
    found = result.tolerance
    assert found is not None
    assert found.signif == signif
    assert unnum(found.tightest) == pytest.approx(error, rel=0.05)
    assert unnum(found.used) == pytest.approx(error / signif if signif else 0, rel=0.05)
    assert loose in found.loose
    assert bool(found.loose) == bool(loose)
    warned = [f for f in result.findings if f.code == "loose-tolerance"]
    assert [f.severity for f in warned] == ["warning"] * bool(loose)


def test_the_tightest_tolerance_really_passes_and_a_tighter_one_fails() -> None:
    tightest = unnum(passes(sine, off_by(5e-4), x5, signif=1e-3, **F64).tolerance.tightest)
    passes(sine, off_by(5e-4), x5, signif=tightest, **F64)
    fails(sine, off_by(5e-4), x5, signif=0.9 * tightest, **F64)


def test_the_audit_is_in_the_text_and_in_json() -> None:
    result = passes(sine, off_by(5e-4), x5, signif=8e-3, **F64)
    assert text.tolerance(result.tolerance) == (
        "signif=0.008: 6% of it used, signif=0.0005 would still pass"
    )
    report = _report(result)
    assert json.parse(json.render(report), "here").results[0].tolerance == result.tolerance
    assert passes(sine, sine_backward, x5).tolerance is None


def _report(result: OpResult):
    from gradcheck.results import Report

    made = {"seed": 0, "profile": "dev", "environment": environment()}
    return Report(**made, summary=summarise([result], 0, 0.0), results=[result])


# --- a fail in float32 that float64 does not confirm ---------------------------------------------
def wave(w: float) -> Any:
    return lambda x: np.sin(x * x.dtype.type(w))


def wave_backward(w: float, factor: float = 1.0) -> Any:
    return lambda dz, x: dz * x.dtype.type(factor * w) * np.cos(x * x.dtype.type(w))


def shifted(x: Array) -> Array:
    return (x + x.dtype.type(1e6)) - x.dtype.type(1e6)


@pytest.mark.parametrize("w", [1e5, 1e6])
def test_many_periods_between_two_steps_are_no_derivative(w: float) -> None:
    """Differences settle at 0 there, in float32 alone."""
    for seed in (0, 1, 2):
        options: dict[str, Any] = {"max_cases": 60, "seed": seed}
        passes(wave(w), wave_backward(w), "x[n]", **options)
        fails(wave(w), wave_backward(w, -1.0), "x[n]", **options)
        fails(wave(w), wave_backward(w, 1.01), "x[n]", **options)


def test_forward_that_rounds_to_steps_of_its_own_is_not_wrong_in_float32() -> None:
    passes(shifted, lambda dz, x: dz, "x[n]", max_cases=60)
    fails(shifted, lambda dz, x: 2 * dz, "x[n]", max_cases=60)
    fails(shifted, lambda dz, x: dz * 0, "x[n]", max_cases=60)
