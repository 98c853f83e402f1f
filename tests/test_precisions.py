"""Ops that compute in float16 and bfloat16 are judged in that precision, and never cast up."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import gradcheck
from gradcheck import fit
from gradcheck.errors import UsageError
from gradcheck.estimate import Estimate, Samples
from gradcheck.evaluation import Evaluator
from gradcheck.floats import FORMATS, dtype_of
from gradcheck.guards import GlobalRandom
from gradcheck.model import Case, Recipe
from gradcheck.precision import working_precision
from gradcheck.registry import make
from tests.gates import Array, Function, fails, passes, refused, x5, x34

HALF = ("float16", "bfloat16")
y34 = np.round(1.5 * np.cos(1.3 * np.arange(12.0)).reshape(3, 4) + 0.1, 2)
w45 = np.round(np.cos(0.7 * np.arange(20.0)).reshape(4, 5), 2)


def number(x: Array, value: float) -> Any:
    """A constant of the array's own dtype: a Python float would do, a NumPy float64 would not."""
    return x.dtype.type(value)


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def softmax_backward(d: Array, x: Array) -> Array:
    p = softmax(x)
    return p * (d - (d * p).sum(axis=-1, keepdims=True))


def _normalised(x: Array) -> tuple[Array, Array]:
    c = x - x.mean(axis=-1, keepdims=True)
    s = number(x, 1) / np.sqrt((c * c).mean(axis=-1, keepdims=True) + number(x, 1e-3))
    return c * s, s


def layer_norm(x: Array) -> Array:
    return _normalised(x)[0]


def layer_norm_backward(d: Array, x: Array) -> Array:
    h, s = _normalised(x)
    return s * (d - d.mean(axis=-1, keepdims=True) - h * (d * h).mean(axis=-1, keepdims=True))


OPS: dict[str, tuple[Function, Function, tuple[Array, ...]]] = {
    "tanh": (np.tanh, lambda d, x: d * (number(x, 1) - np.tanh(x) ** 2), (x34,)),
    "product": (lambda x, y: x * y, lambda d, x, y: [d * y, d * x], (x34, y34)),
    "matmul": (lambda x, w: x @ w, lambda d, x, w: [d @ w.T, x.T @ d], (x34, w45)),
    "softmax": (softmax, softmax_backward, (x34,)),
    "layer norm": (layer_norm, layer_norm_backward, (x34,)),
    "relu": (lambda x: np.maximum(x, 0), lambda d, x: d * (x > 0), (x34,)),
    "exp": (lambda x: np.exp(x), lambda d, x: d * np.exp(x), (x34,)),
}
GROSS: dict[str, Function] = {
    "sign": lambda g, d: -g,
    "factor 2": lambda g, d: g * number(g, 2),
    "20 % off": lambda g, d: g * number(g, 1.2),
}


def first_changed(backward: Function, change: Function) -> Function:
    """Backward with its first gradient changed."""

    def changed(d: Array, *primals: Array) -> Any:
        made = backward(d, *primals)
        if isinstance(made, list):
            return [change(made[0], d), *made[1:]]
        return change(made, d)

    return changed


def narrow(example: tuple[Array, ...], dtype: str) -> tuple[Array, ...]:
    return tuple(e.astype(dtype_of(dtype)) for e in example)


@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize("name", OPS)
def test_right_ops_pass_in_half_precision(name: str, dtype: str) -> None:
    forward, backward, example = OPS[name]
    result = passes(forward, backward, *narrow(example, dtype))
    assert result.dtypes == [dtype]
    assert result.modes["fit"] > 0


@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize("mistake", GROSS)
@pytest.mark.parametrize("name", OPS)
def test_gross_errors_fail_in_half_precision(name: str, mistake: str, dtype: str) -> None:
    forward, backward, example = OPS[name]
    wrong = first_changed(backward, GROSS[mistake])
    found = fails(forward, wrong, *narrow(example, dtype))
    assert found.code == "wrong-gradient"


@pytest.mark.parametrize("name", OPS)
def test_an_error_of_10_per_cent_is_found_in_float16(name: str) -> None:
    forward, backward, example = OPS[name]
    wrong = first_changed(backward, lambda g, d: g * number(g, 1.1))
    assert fails(forward, wrong, *narrow(example, "float16")).code == "wrong-gradient"


@pytest.mark.parametrize("dtype", HALF)
def test_dropped_upstream_and_transposed_fail_in_half_precision(dtype: str) -> None:
    (x,) = narrow((x34,), dtype)
    dropped = lambda d, x: number(x, 1) - np.tanh(x) ** 2  # noqa: E731
    assert fails(np.tanh, dropped, x).code == "wrong-gradient"
    a, b = narrow((x34[:, :3], y34[:, :3]), dtype)
    transposed = lambda d, a, b: [(d @ b.T).T, a.T @ d]  # noqa: E731
    assert fails(lambda a, b: a @ b, transposed, a, b, max_cases=30).input == "a"


def test_a_kink_in_half_precision_is_a_convention() -> None:
    for dtype in HALF:
        (x,) = narrow((np.array([0.0, 0.75, -1.5, 0.5, 0.0]),), dtype)
        result = passes(lambda x: abs(x), lambda d, x: d * np.sign(x), x)
        assert ("x", 0.0) in [(c.input, c.yours) for c in result.conventions]
        wrong = lambda d, x: d * np.where(x == 0, number(x, 2), np.sign(x))  # noqa: E731
        assert fails(lambda x: abs(x), wrong, x).code == "wrong-gradient"


def test_noise_that_drowns_the_slope_is_not_judged() -> None:
    """Unless forward takes long double too, which is then named as a second opinion."""

    def kernel(x: Array) -> Array:
        if x.dtype != np.float16:
            raise TypeError("float16 only")
        return x + number(x, 2000)

    x = x5.astype(np.float16)
    result = refused(kernel, lambda d, x: d.copy(), x).result
    assert result.verdict == "inconclusive"
    assert "noise" in result.reason
    refused(kernel, lambda d, x: -d, x)
    refused(lambda x: x + number(x, 2000), lambda d, x: -d, x)


def test_an_ill_conditioned_row_in_bfloat16_is_no_wrong_gradient() -> None:
    """Two nearly equal numbers normalised: the gradient has no digits left, in bfloat16."""
    (x,) = narrow((np.array([[-0.882812, -0.769531], [-0.554688, 0.160156]]),), "bfloat16")
    passes(layer_norm, layer_norm_backward, x, max_cases=30)


def test_every_other_check_sees_half_precision_too() -> None:
    (x,) = narrow((x34,), "float16")
    square = lambda x: x * x  # noqa: E731
    right = lambda d, x: number(x, 2) * x * d  # noqa: E731
    for wrong, code in (
        (lambda d, x: right(d, x) + number(x, 1), "not-linear"),
        (lambda d, x: right(d, x).astype(np.float64), "wrong-dtype"),
    ):
        alone = {"checks": "linearity" if code == "not-linear" else "contract"}
        result = gradcheck.check(square, right, x, max_cases=12, **alone)
        assert code not in {f.code for f in result.findings}
        if code == "wrong-dtype":
            result = gradcheck.check(square, wrong, x, max_cases=12, **alone)
            assert code in {f.code for f in result.findings}
        else:
            assert fails(square, wrong, x, **alone).code == code


def test_a_named_dtype_is_added_and_the_command_line_form_is_the_same() -> None:
    result = passes(np.tanh, OPS["tanh"][1], x34, dtypes="float64, float16")
    assert result.dtypes == ["float64", "float16"]
    assert passes(np.tanh, OPS["tanh"][1], "x[n d]", dtypes="bfloat16").dtypes == ["bfloat16"]


def test_what_runs_in_float16_is_the_kernel_itself() -> None:
    """A kernel that refuses any other dtype, and one that is wrong in float16 only."""

    def only_half(x: Array) -> Array:
        if x.dtype != np.float16:
            raise TypeError("float16 only")
        return x * x

    right = lambda d, x: number(x, 2) * x * d  # noqa: E731
    assert passes(only_half, right, x5.astype(np.float16)).cases_rejected == 0
    wrong = lambda d, x: right(d, x) * number(x, 1.5 if x.dtype == np.float16 else 1)  # noqa: E731
    fails(only_half, wrong, x5.astype(np.float16))


def test_mixed_half_precision_is_refused_with_what_to_say() -> None:
    with pytest.raises(UsageError, match=r"x is float16 and y is float64.*dtypes="):
        passes(lambda x, y: x * y, lambda d, x, y: [d * y, d * x], x5.astype(np.float16), x5)
    half = x5.astype(np.float16)
    passes(lambda x, y: x * y, lambda d, x, y: [d * y, d * x], half, x5, dtypes="float16")


class Scale:
    def __init__(self, dtype: Any) -> None:
        self.w = np.array([0.5, -1.5, 2.0, 1.25, -0.75], dtype)

    def forward(self, x: Array) -> Array:
        self.x = x
        return x * self.w

    def backward(self, d: Array) -> Array:
        self.dw = (d * self.x).reshape(-1, 5).sum(axis=0)
        return d * self.w


def test_layers_and_models_in_half_precision_are_judged_in_it() -> None:
    assert gradcheck.check(Scale(np.float16), x5.astype(np.float16)).dtypes == ["float16"]
    with pytest.raises(UsageError, match="one precision"):
        gradcheck.check(Scale(np.float64), x5.astype(np.float16))
    params = {"w": x5.astype(ml_dtypes.bfloat16)}

    def closure(factor: float = 2.0) -> tuple[Any, Any]:
        w = params["w"].astype(np.float32)
        return (w * w).sum(), {"w": factor * w}

    assert gradcheck.check_params(closure, params).dtypes == ["bfloat16"]
    with pytest.raises(gradcheck.GradientError, match="gradient of w"):
        gradcheck.check_params(lambda: closure(3.0), params)


def test_other_formats_are_refused_in_words() -> None:
    for dtype, says in (("flaot16", "Did you mean .*'float16'"), ("float8", "is not supported")):
        with pytest.raises(UsageError, match=says):
            passes(np.tanh, OPS["tanh"][1], x5, dtypes=dtype)
    with pytest.raises(UsageError, match="x is float8_e4m3fn: ops are judged in float64"):
        passes(np.tanh, OPS["tanh"][1], x5.astype(ml_dtypes.float8_e4m3fn))


def test_a_failing_case_in_bfloat16_can_be_pasted() -> None:
    found = fails(np.tanh, lambda d, x: -d, x5.astype(ml_dtypes.bfloat16))
    scope: dict[str, Any] = {"np": np, "ml_dtypes": ml_dtypes}
    exec(found.case, scope)
    assert scope["x"].dtype == ml_dtypes.bfloat16


def test_ml_dtypes_is_imported_only_where_asked_for() -> None:
    code = (
        "import sys, numpy as np, gradcheck\n"
        "gradcheck.check(np.sin, lambda d, x: d * np.cos(x), np.array([0.5, 1.0]), max_cases=5)\n"
        "gradcheck.check(np.tanh, lambda d, x: d * (np.float16(1) - np.tanh(x) ** 2),\n"
        "    np.array([0.5, 1.0], np.float16), max_cases=5)\n"
        "print('ml_dtypes' in sys.modules)\n"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


def test_the_formats_are_those_of_numpy_and_ml_dtypes() -> None:
    for name, known in FORMATS.items():
        info = ml_dtypes.finfo(dtype_of(name))
        assert (known.eps, known.tiny) == (float(info.eps), float(info.smallest_normal))


# -- half precision behind wider arrays ---------------------------------------------------------


def computed_in(forward: Function, x: Array) -> str:
    """The precision that forward is found to compute in, at a case of x's dtype."""
    op = make([forward, lambda d, x: d, x], {}, {})
    case = Case(Recipe(regime="example", dtype=str(x.dtype)), (x,))
    with np.errstate(all="ignore"):
        return working_precision(Evaluator(op, GlobalRandom(0)), case)


@pytest.mark.parametrize("wide", ["float64", "float32"])
@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize("name", ["tanh", "softmax", "layer norm", "relu", "exp"])
def test_half_precision_behind_wider_arrays_is_found(name: str, dtype: str, wide: str) -> None:
    forward, x, half = OPS[name][0], x34.astype(wide), dtype_of(dtype)
    assert computed_in(forward, x) == wide
    assert computed_in(lambda x: forward(x.astype(half)).astype(x.dtype), x) == dtype


@pytest.mark.parametrize("dtype", HALF)
def test_half_precision_of_the_input_alone_is_found(dtype: str) -> None:
    half = dtype_of(dtype)
    assert computed_in(lambda x: np.sin(x.astype(half).astype(x.dtype)), x34) == dtype


@pytest.mark.parametrize("grid", [1, 16, 128, 1024])
def test_a_rounding_to_a_grid_is_no_half_precision(grid: int) -> None:
    """Else a straight-through gradient would be right: steps of a half hide the stairs."""
    assert computed_in(lambda x: np.round(x * grid) / grid, x34) == "float64"
    assert computed_in(lambda x: np.tanh(np.round(x * grid) / grid), x34) == "float64"
    fails(lambda x: np.round(x * grid) / grid, lambda d, x: d * 1, x34, dtypes="float64")


@pytest.mark.parametrize("dtype", HALF)
def test_half_precision_behind_wider_arrays_is_judged_as_such(dtype: str) -> None:
    half = dtype_of(dtype)

    def kernel(x: Array) -> Array:
        return np.tanh(x.astype(half)).astype(x.dtype)

    right = lambda d, x: d * (1 - kernel(x) ** 2)  # noqa: E731
    assert passes(kernel, right, x34).modes["fit"] > 0
    assert fails(kernel, lambda d, x: right(d, x) * 1.2, x34).code == "wrong-gradient"


# -- float32 behind float64 arrays, on the way of some inputs only -------------------------------


def weights(q: Array, k: Array) -> Array:
    """Attention's, which common kernels take in float32 whatever comes in."""
    return softmax((q @ k.T).astype(np.float32)).astype(q.dtype)


def attention(q: Array, k: Array, v: Array) -> Array:
    return weights(q, k) @ v


def attention_backward(d: Array, q: Array, k: Array, v: Array) -> list[Array]:
    p, up = weights(q, k), d @ v.T
    logits = p * (up - (up * p).sum(axis=-1, keepdims=True))
    return [logits @ k, logits.T @ q, p.T @ d]


ATTENTION = "q[n d], k[m d], v[m c]"


def test_float32_on_the_way_of_one_input_is_found() -> None:
    """Forward hears a faint change of all inputs, by v; of q alone it does not."""

    def computed(forward: Function) -> str:
        op = make([forward, attention_backward, ATTENTION], {}, {})
        case = Case(Recipe(regime="example"), (x34, y34[:2], y34[1:]))
        return working_precision(Evaluator(op, GlobalRandom(0)), case)

    assert computed(attention) == "float32"
    assert computed(lambda q, k, v: softmax(q @ k.T) @ v) == "float64"
    assert computed(lambda q, k, v: softmax(np.round(q @ k.T)) @ v) == "float64"


def test_a_softmax_in_float32_behind_float64_is_judged_as_such() -> None:
    op = gradcheck.op(attention, attention_backward, ATTENTION, dtypes="float64")
    assert gradcheck.check(op, max_cases=25).verdict == "pass"


@pytest.mark.parametrize(("k", "mistake"), [(0, -1), (0, 2), (1, 1.01), (2, 1.002)])
def test_errors_that_float32_can_show_are_found_behind_float64(k: int, mistake: float) -> None:
    def wrong(d: Array, q: Array, key: Array, v: Array) -> list[Array]:
        made = attention_backward(d, q, key, v)
        return [g * mistake if place == k else g for place, g in enumerate(made)]

    op = gradcheck.op(attention, wrong, ATTENTION, dtypes="float64", name="wrong")
    with pytest.raises(gradcheck.GradientError) as caught:
        gradcheck.check(op, max_cases=25)
    assert {f.input for f in caught.value.result.findings if f.severity == "fail"} == {"qkv"[k]}


NARROW = "x[n d], w[n d]"


@pytest.mark.parametrize("nondiff", [(), ("w",)])
@pytest.mark.parametrize("factor", [1.0, 1.0008])
def test_float32_on_the_way_of_one_input_does_not_dull_the_others(
    factor: float, nondiff: tuple[str, ...]
) -> None:
    def forward(x: Array, w: Array) -> Array:
        return np.asarray(np.sin(x) * w.astype(np.float32).astype(np.float64))

    def backward(d: Array, x: Array, w: Array) -> list[Array | None]:
        dw = None if nondiff else np.asarray(d * np.sin(x))
        return [factor * d * np.cos(x) * w.astype(np.float32), dw]

    op = gradcheck.op(forward, backward, NARROW, dtypes="float64", nondiff=nondiff, name="narrow")
    try:
        result = gradcheck.check(op, max_cases=25)
    except gradcheck.GradientError as error:
        result = error.result
    assert result.verdict == ("pass" if factor == 1 else "fail")
    assert {f.input for f in result.findings if f.severity == "fail"} == (
        set() if factor == 1 else {"x"}
    )


# -- the fit itself -----------------------------------------------------------------------------


class Curve:
    """A line whose outputs are computed in half precision."""

    def __init__(self, function: Function, x: float, dtype: str) -> None:
        self.function, self.dtype = function, dtype_of(dtype)
        self.x = float(np.array(x, self.dtype))
        self.here, self.cotangent = self.at(np.zeros(1))[0], np.ones(1)
        self.eps, self.tiny = FORMATS[dtype].eps, FORMATS[dtype].tiny
        self.size = self.typical = abs(self.x)

    def at(self, steps: Array) -> Array:
        moved = (self.x + steps).astype(self.dtype)
        return np.asarray(self.function(moved)).astype(np.float64)[:, None]

    def sample(self, steps: Array) -> Samples:
        up = (self.x + steps).astype(self.dtype).astype(np.float64) - self.x
        down = self.x - (self.x - steps).astype(self.dtype).astype(np.float64)
        return Samples(up, down, self.at(up), self.at(-down))


def estimated(function: Function, x: float, dtype: str) -> Estimate:
    with np.errstate(all="ignore"):
        return fit.estimate(Curve(function, x, dtype))


@pytest.mark.parametrize(("dtype", "sharp"), [("float16", 0.02), ("bfloat16", 0.15)])
@pytest.mark.parametrize(
    ("function", "slope"),
    [
        (np.exp, np.exp),
        (np.sin, np.cos),
        (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
        (lambda x: x * x, lambda x: 2 * x),
        (lambda x: x, lambda x: 1.0),
    ],
    ids=["exp", "sin", "tanh", "square", "identity"],
)
def test_fit_holds_its_bound_and_is_sharp(
    function: Function, slope: Function, dtype: str, sharp: float
) -> None:
    for x in np.linspace(-1.4, 1.6, 16):
        found = estimated(function, x, dtype)
        exact = slope(float(np.array(x, dtype_of(dtype))))
        assert abs(found.value - exact) <= found.bound
        assert found.bound <= sharp * max(found.scale, 0.2)


@pytest.mark.parametrize("dtype", HALF)
def test_fit_sees_a_kink_at_the_point_and_none_beside_it(dtype: str) -> None:
    at = estimated(np.abs, 0.0, dtype)
    assert at.kink
    assert at.low <= -1 <= 1 <= at.high
    beside = estimated(np.abs, 0.75, dtype)
    assert not beside.kink
    assert abs(beside.value - 1) <= beside.bound < 0.2


def test_fit_stays_inside_the_domain_and_says_where_there_is_none() -> None:
    inside = estimated(np.log, 0.3, "float16")
    assert abs(inside.value - 1 / 0.3) <= inside.bound < 0.5
    edge = estimated(np.sqrt, 0.0, "float16")
    assert edge.reason == "domain edge"
    assert not np.isfinite(edge.bound)
