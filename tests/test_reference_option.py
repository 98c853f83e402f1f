"""``reference=`` and ``differentiates=``: another function beside forward."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import gradcheck
from gradcheck.errors import UsageError
from tests.gates import Array, Function, fails, passes, refused, x5, x34
from tests.test_precisions import OPS, narrow, number

HALF = ("float16", "bfloat16")


def tanh_backward(d: Array, x: Array) -> Array:
    return d * (number(x, 1) - np.tanh(x) ** 2)


# -- reference ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("name", ["tanh", "product", "matmul", "softmax", "layer norm", "relu"])
def test_right_ops_agree_with_their_reference(name: str, dtype: str) -> None:
    forward, backward, example = OPS[name]
    options = {"reference": forward, "dtypes": dtype}
    result = passes(forward, backward, *narrow(example, dtype), **options)
    assert result.checks["reference"].comparisons > 0
    assert result.checks["reference"].inconclusive == 0


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_wrong_forward_with_a_matching_backward_fails(dtype: str) -> None:
    (x,) = narrow((x34,), dtype)

    def forward(x: Array) -> Array:
        return np.tanh(x) * number(x, 1.2)

    def backward(d: Array, x: Array) -> Array:
        return tanh_backward(d, x) * number(x, 1.2)

    passes(forward, backward, x, dtypes=dtype)
    result = refused(forward, backward, x, dtypes=dtype, reference=np.tanh).result
    assert {f.code for f in result.findings if f.severity == "fail"} == {
        "wrong-forward",
        "wrong-gradient",
    }
    found = next(f for f in result.findings if f.code == "wrong-forward")
    assert found.check == "reference"
    assert found.entry is not None
    case: dict[str, Any] = {"np": np, "ml_dtypes": ml_dtypes}
    exec(found.case, case)
    shown = f"{float(forward(case['x'])[found.entry]):.6g}"
    assert f"forward gives {shown} at entry {found.entry} of the output, the ref" in found.message
    assert "rounding explains" in found.message


@pytest.mark.parametrize("dtype", HALF)
def test_gradients_are_compared_with_the_reference(dtype: str) -> None:
    (x,) = narrow((x34,), dtype)
    wrong = lambda d, x: tanh_backward(d, x) * number(x, 1.1)  # noqa: E731
    assert fails(np.tanh, wrong, x, reference=np.tanh).code == "wrong-gradient"


def test_the_reference_gets_the_quantised_inputs_in_float64_and_all_arguments() -> None:
    seen: list[tuple[Any, ...]] = []

    def forward(parts: list[Array], mode: str, axis: int = -1) -> Array:
        return (parts[0] * parts[1]).sum(axis=axis)

    def backward(d: Array, parts: list[Array], mode: str, axis: int = -1) -> list[Array]:
        wide = np.broadcast_to(np.expand_dims(d, axis), parts[0].shape)
        return [wide * parts[1], wide * parts[0]]

    def reference(parts: list[Array], mode: str, axis: int) -> Array:
        seen.append(
            (parts[0].dtype, mode, axis, np.array_equal(parts[0], parts[0].astype(np.float16)))
        )
        return (parts[0] * parts[1]).sum(axis=axis)

    example = [x34.astype(np.float16), (x34 + 1).astype(np.float16)]
    passes(forward, backward, example, "plain", axis=-1, reference=reference, max_cases=6)
    assert seen[0][:2] == (np.dtype(np.float64), "plain")
    wider = {np.dtype(np.longdouble), np.dtype(np.complex128)}  # second opinions
    assert {d for d, *_ in seen} <= {np.dtype(np.float64), *wider}
    assert any(quantised for *_, quantised in seen)


class Affine:
    def __init__(self, dtype: Any = np.float32) -> None:
        self.w = x34[:, :2].astype(dtype)

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.w

    def backward(self, d: Array) -> Array:
        self.dw = self.x.T @ d
        return d @ self.w.T


class Tanh:
    def forward(self, x: Array) -> Array:
        self.y = np.tanh(x)
        return self.y

    def backward(self, d: Array) -> Array:
        return d * (number(self.y, 1) - self.y**2)


def test_reference_at_every_door() -> None:
    x = x34[:, :3].astype(np.float32)
    passes_class = gradcheck.check(Tanh, x, reference=np.tanh, max_cases=12)
    assert passes_class.checks["reference"].comparisons > 0
    layer = gradcheck.check(Affine(), x, reference=lambda x, w: x @ w, max_cases=12)
    assert layer.checks["reference"].comparisons > 0
    with pytest.raises(gradcheck.GradientError, match="the reference"):
        gradcheck.check(Affine(), x, reference=lambda x, w: 2 * x @ w, max_cases=12)

    @gradcheck.register("x[n d]", reference=np.tanh)
    class Registered(Tanh):
        pass

    assert gradcheck.check(Registered, max_cases=12).checks["reference"].comparisons > 0
    known = gradcheck.op(np.tanh, tanh_backward, "x[n]")
    with pytest.raises(gradcheck.GradientError, match="the reference"):
        gradcheck.check(known, reference=np.sin, max_cases=12)


def _raises(x: Array) -> Array:
    raise ValueError("eager only")


def test_reference_that_cannot_be_compared_is_no_evidence() -> None:
    for reference, says in (
        (_raises, "the reference raises ValueError: eager only"),
        (lambda x: x * np.nan, "the reference is NaN or infinite"),
        (lambda x: x.sum(), "the reference returns shape () where forward returns shape ("),
        (lambda x: (x, x), "2 outputs"),
        (lambda x: None, "the reference returns no array"),
    ):
        result = refused(np.tanh, tanh_backward, x5, reference=reference).result
        assert result.verdict == "inconclusive"
        assert says in result.reason


def test_cases_that_the_reference_refuses_are_counted_and_judged_without_it() -> None:
    def picky(x: Array) -> Array:
        if (x == 0).any():
            raise ValueError("not at zero")
        return np.tanh(x)

    result = passes(np.tanh, tanh_backward, x5, reference=picky, max_cases=30)
    counted = result.checks["reference"]
    assert 0 < counted.inconclusive < counted.comparisons
    wrong = lambda d, x: np.where(x == 0, 2 * d, tanh_backward(d, x))  # noqa: E731
    assert fails(np.tanh, wrong, x5, reference=picky, max_cases=30).code == "wrong-gradient"


@pytest.mark.parametrize("option", ["reference", "differentiates"])
def test_a_function_that_is_none_is_a_usage_error(option: str) -> None:
    with pytest.raises(UsageError, match=f"{option} must be a function"):
        passes(np.tanh, tanh_backward, x5, **{option: "numpy.tanh"})
    with pytest.raises(UsageError, match="tails="):
        passes(np.tanh, tanh_backward, x5, tails="right")


# -- differentiates -----------------------------------------------------------------------------


def rounded(x: Array) -> Array:
    return np.asarray(np.round(x * 4) / 4)


def clipped(x: Array) -> Array:
    return np.clip(x, -1, 1)


SURROGATES: dict[str, tuple[Function, Function, Function, Function]] = {
    "straight-through round": (rounded, lambda x: x, lambda d, x: d * 1, lambda d, x: 2 * d),
    "sign with hard tanh": (
        np.sign,
        clipped,
        lambda d, x: d * (np.abs(x) <= 1),
        lambda d, x: d * (np.abs(x) <= 2),
    ),
}


@pytest.mark.parametrize("dtype", ["float64, float32", "float16"])
@pytest.mark.parametrize("name", SURROGATES)
def test_surrogate_gradients(name: str, dtype: str) -> None:
    forward, surrogate, right, wrong = SURROGATES[name]
    options = {"differentiates": surrogate, "dtypes": dtype}
    passes(forward, right, x5, **options)
    assert fails(forward, wrong, x5, **options).code == "wrong-gradient"


@pytest.mark.parametrize("name", SURROGATES)
def test_a_surrogate_gradient_that_is_not_declared_fails_with_a_hint(name: str) -> None:
    forward, _, right, _ = SURROGATES[name]
    found = fails(forward, right, x5)
    assert found.code == "wrong-gradient"
    assert "forward is flat" in found.diagnosis
    assert "differentiates=" in found.diagnosis


def test_a_zero_gradient_of_a_flat_forward_is_right_and_gets_no_hint() -> None:
    passes(rounded, lambda d, x: 0 * d, x5)


def test_surrogate_of_another_shape_is_not_judged() -> None:
    result = refused(rounded, lambda d, x: d * 1, x5, differentiates=lambda x: x.sum()).result
    assert result.verdict == "inconclusive"
    assert "differentiates= returns shape () where forward returns shape (" in result.reason
    result = refused(rounded, lambda d, x: d * 1, x5, differentiates=_raises).result
    assert result.verdict == "inconclusive"
    assert "differentiates= raises ValueError: eager only" in result.reason
