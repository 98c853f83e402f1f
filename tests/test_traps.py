"""Faults of shipping gradient checkers; a test or more for each, by its number in the list of them.

In each the wrong gradient must fail, the right one must pass, and the message must be true.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import gradcheck
from gradcheck import GradientError
from gradcheck.errors import UsageError
from gradcheck.records import unnum
from gradcheck.settings import load
from reference_ops.lecture_max import MaxGate
from tests.gates import (
    Array,
    Function,
    at,
    dropout,
    fails,
    multiply,
    near_zero,
    passes,
    passes_but_not_1_percent_off,
    refused,
    relu,
    sine,
    sine_backward,
    with_unit_strides,
    x5,
    x34,
)

# -- wrong gradients that checkers pass ---------------------------------------------------------


@pytest.mark.parametrize(("c", "dtype"), [(1e-6, "float64"), (1e-7, "float64"), (1e-4, "float32")])
def test_t01_zero_or_sign_flipped_tiny_gradient_fails(c: float, dtype: str) -> None:
    gate, x = (lambda x: c * x**2), x5.astype(dtype)
    for wrong in (0.0, -2 * c):
        assert fails(gate, lambda dz, x, w=wrong: dz * w * x, x, dtypes=dtype).input == "x"
    passes(gate, lambda dz, x: dz * 2 * c * x, x, dtypes=dtype)


@pytest.mark.parametrize("factor", [0.0, -50.0])
@pytest.mark.parametrize("size", [100, 2_000, 20_000])
def test_t02_one_wrong_element_of_many_is_found_and_named(size: int, factor: float) -> None:
    x, place = np.random.default_rng(0).normal(size=size), size // 3

    def wrong(dz: Array, x: Array) -> Array:
        dx = sine_backward(dz, x)
        dx[place : place + 1] *= factor
        return dx

    found = fails(sine, wrong, x, budget=32, max_cases=4)
    assert (found.code, found.input, found.entry) == ("wrong-gradient", "x", (place,))
    assert found.numbers is not None
    right = unnum(found.numbers.finite_difference)
    assert_allclose(unnum(found.numbers.backward), factor * right, atol=1e-9)
    result = passes(sine, sine_backward, x, budget=32, max_cases=4)
    assert size == 100 or result.modes["projected"] > 0


@pytest.mark.parametrize("size", [2, 100])
def test_t04_error_orthogonal_to_the_all_ones_direction_fails(size: int) -> None:
    pattern, x = np.resize([1.0, -1.0], size), np.linspace(-1, 2, size)
    options = {"valid": lambda x: x.shape == (size,), "budget": 4, "max_cases": 1}
    swapped = np.concatenate([pattern[1::-1], pattern[2:]])
    for wrong in (50 * pattern, swapped):
        assert wrong.sum() == pattern.sum()
        fails(lambda x: (pattern * x).sum(), lambda dz, x, w=wrong: dz * w, x, **options)
    passes(lambda x: (pattern * x).sum(), lambda dz, x: dz * pattern, x, **options)


@pytest.mark.parametrize("x", [x5, x34], ids=["vector", "matrix"])
def test_t05_backward_that_ignores_strides_fails(x: Array) -> None:
    found = fails(sine, lambda dz, x: with_unit_strides(dz) * np.cos(x), x)
    assert (found.check, found.code) == ("layout", "layout-dependent")
    assert "cotangent" in found.message
    assert "strides" in found.message
    passes(sine, sine_backward, x)


def test_t05_backward_that_is_wrong_for_transposed_upstream_only() -> None:
    found = fails(sine, lambda dz, x: dz.ravel(order="K").reshape(x.shape) * np.cos(x), x34)
    assert "column-major cotangent" in found.message


def test_t06_forward_that_overwrites_its_input_fails() -> None:
    def in_place(x: Array) -> Array:
        x -= x.mean()
        return x.copy()

    found = fails(in_place, lambda dz, x: dz - dz.mean(), x5)
    assert found.code == "overwritten"
    assert "forward writes into its input x" in found.message
    passes(lambda x: x - x.mean(), lambda dz, x: dz - dz.mean(), x5)


def test_t06_declared_in_place_op_is_judged_on_its_values() -> None:
    def doubled_in_place(x: Array) -> Array:
        x *= 2
        return x * x

    passes(doubled_in_place, lambda dz, x: 4 * x * dz, x5, overwrites="x")
    found = fails(doubled_in_place, lambda dz, x: 2 * x * dz, x5, overwrites="x")
    assert found.code == "wrong-gradient"


def test_t06_backward_that_overwrites_its_cotangent_or_an_input_fails() -> None:
    def into_cotangent(dz: Array, x: Array) -> Array:
        dz *= 2
        return dz * x

    def into_input(dz: Array, x: Array) -> Array:
        x *= 2
        return dz * x

    for backward, what in ((into_cotangent, "its cotangent"), (into_input, "its input x")):
        found = fails(lambda x: x * x, backward, x5)
        assert (found.code, found.check) == ("overwritten", "purity")
        assert f"backward writes into {what}" in found.message
    passes(lambda x: x * x, lambda dz, x: 2 * dz * x, x5)


@pytest.mark.parametrize("what", ["the cotangent itself", "the gradient of x"])
def test_t07_shared_memory_is_a_warning_and_a_fail_where_strict(what: str) -> None:
    def shares(dz: Array, x: Array, y: Array) -> list[Array]:
        return [dz, dz.copy()] if "cotangent" in what else [fresh := dz.copy(), fresh]

    gate, example = (lambda x, y: x + y), (x5, x5[::-1].copy())
    result = passes(gate, shares, *example)
    assert ("shared-memory", "warning") in [(f.code, f.severity) for f in result.findings]
    found = fails(gate, shares, *example, strict=True)
    assert found.code == "shared-memory"
    assert f"is {what}" in found.message
    clean = passes(gate, lambda dz, x, y: [dz.copy(), dz.copy()], *example, strict=True)
    assert "shared-memory" not in [f.code for f in clean.findings]


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize(
    "stated", [{"tails": "exact"}, {"reference": sigmoid}], ids=["tails", "reference"]
)
def test_t08_sigmoid_whose_gradient_is_0_in_the_far_tail(stated: dict[str, Any]) -> None:
    """s(1 - s) is exactly 0 at x = 40, where the truth is 4e-18, and forward is flat."""

    def wrong(dz: Array, x: Array) -> Array:
        return dz * sigmoid(x) * (1 - sigmoid(x))

    def right(dz: Array, x: Array) -> Array:
        return dz * sigmoid(x) * sigmoid(-x)

    x = np.array([40.0, -40.0, 0.5, 38.0, -36.0])
    assert wrong(np.ones(5), x)[0] == 0 < right(np.ones(5), x)[0] < 5e-18
    found = fails(sigmoid, wrong, x, dtypes="float64", **stated)
    assert (found.code, found.input) == ("wrong-gradient", "x")
    passes(sigmoid, right, x, dtypes="float64", **stated)
    for backward in (wrong, right):
        result = passes(sigmoid, backward, x, dtypes="float64")
        assert {f.severity for f in result.findings} <= {"note"}


def test_t08_visible_tail_that_is_cut_off_is_a_note_and_a_fail_where_exact() -> None:
    def cut(dz: Array, x: Array) -> Array:
        return dz * np.where(x < -30, 0, np.exp(x))

    x = np.array([-40.0, 0.5, 1.0, -0.5, -35.0])
    result = passes(lambda x: np.exp(x), cut, x, max_cases=4)
    note = next(f for f in result.findings if f.code == "lost-tail")
    assert (note.severity, note.input) == ("note", "x")
    assert note.entry is not None
    assert "backward gives exactly 0" in note.message
    assert fails(lambda x: np.exp(x), cut, x, max_cases=4, tails="exact").code == "wrong-gradient"
    passes(lambda x: np.exp(x), lambda dz, x: dz * np.exp(x), x, tails="exact")


def test_t10_backward_that_returns_none_only_is_never_a_pass() -> None:
    def nothing(dz: Array, *primals: Array) -> list[None]:
        return [None] * len(primals)

    for forward, example in ((sine, (x5,)), (multiply, (x5, x5))):
        error = refused(forward, nothing, *example)
        assert error.result.verdict == "inconclusive"
        assert "no gradient" in str(error), "the message says why nothing was judged"
    assert fails(sine, nothing, "x[n]").code == "no-gradient"


def test_t10_nothing_to_compare_is_never_a_pass() -> None:
    found = fails(lambda x: np.floor(x).astype(int), lambda dz, x: 0 * x, x5)
    assert found.code == "no-real-output"
    for example, options in ((np.zeros(0), {}), (x5, {"valid": lambda x: False})):
        error = refused(sine, sine_backward, example, **options)
        assert error.result.verdict == "inconclusive"
        assert "could be judged" in str(error)
    with pytest.raises(UsageError, match="no real input"):
        passes(sine, sine_backward, np.array([True, False]))


def test_t10_one_input_without_a_gradient_is_said() -> None:
    result = passes(multiply, lambda dz, x, y: [dz * y, None], x5, x5 + 3)
    missing = [f for f in result.findings if f.code == "no-gradient"]
    assert [(f.input, f.severity) for f in missing] == [("y", "warning")]
    assert fails(multiply, lambda dz, x, y: [dz * y, None], "x[n], y[n]").code == "no-gradient"


def test_t11_nan_gradient_of_a_finite_derivative_fails() -> None:
    def wrong(dz: Array, x: Array) -> Array:
        return dz * x * x * 3 / (x * x) * x * x  # 0 / 0 at 0, where the derivative is 0

    found = fails(lambda x: x**3, wrong, at(x5, 2, 0.0))
    assert found.numbers is not None
    assert (found.numbers.backward, found.code) == ("nan", "wrong-gradient")
    passes(lambda x: x**3, lambda dz, x: dz * 3 * x * x, at(x5, 2, 0.0))


def test_t11_nan_on_both_sides_is_not_equal() -> None:
    def backward(dz: Array, x: Array) -> Array:
        return dz / (2 * np.sqrt(x))

    found = fails(lambda x: np.sqrt(x), backward, "x[n]")
    assert found.code == "forward-not-finite"
    assert "x:positive[n]" in found.message
    passes(lambda x: np.sqrt(x), backward, "x:positive[n]")


@pytest.mark.parametrize("wrong", [lambda dz, x: 2 * x, lambda dz, x: 2 * x * dz.mean()])
def test_t15_upstream_dropped_or_one_for_all_rows_fails(wrong: Function) -> None:
    def right(dz: Array, x: Array) -> Array:
        return 2 * x * dz[:, None]

    assert_array_equal(wrong(np.ones(3), x34), right(np.ones(3), x34))  # sum() as loss is blind
    assert fails(lambda x: (x**2).sum(axis=1), wrong, x34).code == "wrong-gradient"
    passes(lambda x: (x**2).sum(axis=1), right, x34)


def test_t15_inverse_permutation_fails() -> None:
    def wrong(dz: Array, x: Array) -> Array:
        return dz[x.argsort()]

    def right(dz: Array, x: Array) -> Array:
        return dz[x.argsort().argsort()]

    assert fails(lambda x: np.sort(x), wrong, x5).code == "wrong-gradient"
    passes(lambda x: np.sort(x), right, x5)


# -- right gradients that checkers fail ---------------------------------------------------------


@pytest.mark.parametrize(
    ("forward", "slope", "x"),
    [
        (lambda x: x + 1e10, np.ones_like, x5),
        (lambda x: x**2, lambda x: 2 * x, 1e5 * x5),
        (lambda x: 3 * x**2 - 2 * x + 1, lambda x: 6 * x - 2, 1e6 * x5),
    ],
    ids=["x + 1e10", "x**2 at 1e5", "quadratic at 1e6"],
)
def test_t20_large_values(forward: Function, slope: Function, x: Array) -> None:
    passes_but_not_1_percent_off(forward, lambda dz, x: dz * slope(x), x, dtypes="float64")


def test_t21_op_that_computes_in_float32() -> None:
    def kernel(x: Array) -> Array:
        return np.tanh(x.astype(np.float32))

    passes_but_not_1_percent_off(kernel, lambda dz, x: dz * (1 - kernel(x) ** 2), x5)


@pytest.mark.parametrize("yours", [0.0, 0.5, 1.0])
def test_t22_relu_at_zero_is_a_convention(yours: float) -> None:
    result = passes(relu, lambda dz, x: dz * np.where(x == 0, yours, x > 0), near_zero)
    assert (0.0, 1.0, yours) in [(c.left, c.right, c.yours) for c in result.conventions]


@pytest.mark.parametrize("yours", [2.0, 1.005, -0.005])
def test_t22_slope_of_relu_outside_0_to_1_fails(yours: float) -> None:
    found = fails(relu, lambda dz, x: dz * np.where(x == 0, yours, x > 0), near_zero)
    assert found.code == "wrong-gradient"


@pytest.mark.parametrize("edge", [1e-6, -1e-6])
def test_t22_relu_is_no_convention_beside_zero(edge: float) -> None:
    """In float64 a slope of relu at 1e-7 or -1e-7 is known: it is no kink."""
    result = passes(relu, lambda dz, x: dz * (x > 0), near_zero, dtypes="float64")
    assert {c.where for c in result.conventions} == {"0"}
    fails(relu, lambda dz, x: dz * (x > edge), near_zero, dtypes="float64")


def test_t22_abs_at_zero_is_a_convention_that_is_listed() -> None:
    result = passes(lambda x: abs(x), lambda dz, x: dz * np.sign(x), at(x5, 1, 0.0))
    (kept,) = result.conventions
    assert (kept.input, kept.where, kept.left, kept.right, kept.yours) == ("x", "0", -1, 1, 0)
    fails(lambda x: abs(x), lambda dz, x: dz * np.where(x == 0, 2, np.sign(x)), at(x5, 1, 0.0))


def test_t23_steep_but_smooth_is_no_kink() -> None:
    def backward(dz: Array, x: Array) -> Array:
        return dz * 2000 / np.cosh(2000 * x) ** 2

    result = passes_but_not_1_percent_off(lambda x: np.tanh(2000 * x), backward, 4e-4 * x5)
    assert not result.conventions


@pytest.mark.parametrize(("yours", "right"), [(1.0, True), (1.001, True), (1.01, False)])
def test_t24_weak_kink_is_no_wrong_gradient(yours: float, right: bool) -> None:
    def bent(x: Array) -> Array:
        return np.where(x > 0, 1.001 * x, x).astype(x.dtype)

    def backward(dz: Array, x: Array) -> Array:
        return dz * np.where(x == 0, yours, 1 + 0.001 * (x > 0))

    (passes if right else fails)(bent, backward, near_zero)


@pytest.mark.parametrize("x", [[1e-6, 3e-6, 2e-5], [1e-6, 0.5, 2.0]])
def test_t25_log_near_zero_that_refuses_what_is_beyond(x: list[float]) -> None:
    def log(x: Array) -> Array:
        if (x <= 0).any():
            raise ValueError("math domain error")
        return np.log(x)

    passes_but_not_1_percent_off(log, lambda dz, x: dz / x, np.array(x))


def test_t25_rows_that_must_sum_to_one() -> None:
    def entropy(p: Array) -> Any:
        if not np.allclose(p.sum(axis=-1), 1, rtol=0, atol=1e-6):
            raise ValueError("rows must sum to one")
        return -(p * np.log(p)).sum(axis=-1)

    p = np.array([[0.2, 0.3, 0.5], [0.1, 0.8, 0.1]])
    passes_but_not_1_percent_off(entropy, lambda dz, p: -dz[..., None] * (np.log(p) + 1), p)


def test_t25_matrix_that_must_be_symmetric() -> None:
    def cube(a: Array) -> Any:
        if not np.array_equal(a, a.T):
            raise ValueError("a must be symmetric")
        return np.trace(a @ a @ a)

    a = np.array([[2.0, 0.3, 0.1], [0.3, 1.5, -0.2], [0.1, -0.2, 3.0]])
    passes_but_not_1_percent_off(cube, lambda dz, a: dz * 3 * a @ a, a)


def test_t25_values_that_must_increase() -> None:
    def gaps(x: Array) -> Array:
        if (np.diff(x) <= 0).any():
            raise ValueError("x must increase")
        return np.diff(x) ** 2

    def backward(dz: Array, x: Array) -> Array:
        return -np.diff(2 * dz * np.diff(x), prepend=0, append=0)

    some = st.lists(st.integers(1, 20), min_size=2, max_size=5).map(lambda n: np.cumsum(n) / 8)
    passes_but_not_1_percent_off(gaps, backward, np.array([0.1, 0.4, 2.5]), domain={"x": some})


def test_t26_random_forward_is_not_judged_and_called_so() -> None:
    own = dropout(np.random.default_rng().random)
    error = refused(own, lambda dz, cache: dz * cache, np.ones((8, 8)))
    assert error.result.verdict == "inconclusive"
    assert {f.code for f in error.result.findings} == {"random-forward"}
    assert "not a function of its inputs" in " ".join(str(error).split())
    assert "wrong gradient" not in str(error)


def test_t26_dropout_from_the_global_state_is_a_function() -> None:
    state = np.random.get_state()[1].copy()
    passes(dropout(np.random.random), lambda dz, cache: dz * cache, x34)
    fails(dropout(np.random.random), lambda dz, cache: dz * ~cache, x34)
    assert_array_equal(np.random.get_state()[1], state)


def float32_kernel(x: Array) -> Array:
    if x.dtype != np.float32:
        raise TypeError("float32 only")
    return np.tanh(x)


@pytest.mark.parametrize("kernel", [np.tanh, float32_kernel], ids=["any dtype", "float32 only"])
def test_t27_the_float32_kernel_itself_is_run(kernel: Function) -> None:
    """A bug that only float32 shows is invisible once the inputs are cast to float64."""

    def right(dz: Array, x: Array) -> Array:
        return dz * (x.dtype.type(1) - np.tanh(x) ** 2)

    def wrong(dz: Array, x: Array) -> Array:
        return right(dz, x) * x.dtype.type(1.5 if x.dtype == np.float32 else 1)

    x = x5.astype(np.float32)
    found = fails(kernel, wrong, x)
    assert found.code == "wrong-gradient"
    assert "np.float32" in found.case
    result = passes(kernel, right, x)
    assert result.dtypes == (["float32"] if kernel is float32_kernel else ["float64", "float32"])
    passes(np.tanh, wrong, x, dtypes="float64")


# -- messages and plumbing ----------------------------------------------------------------------


def test_t30_message_has_the_index_and_both_numbers_labelled_and_true() -> None:
    error = refused(sine, lambda dz, x: at(sine_backward(dz, x), 4, 7.0), x34)
    found, lines = error.result.findings[0], str(error).splitlines()
    case: dict[str, Any] = {"np": np}
    exec(found.case, case)
    assert found.entry == np.unravel_index(4, case["x"].shape)
    right = sine_backward(case["cotangent"], case["x"])[found.entry]
    assert f"  where               gradient of x, entry {found.entry}" in lines
    assert "  backward pass        7" in lines
    (shown,) = (line.split() for line in lines if "finite difference" in line)
    assert float(shown[2]) == pytest.approx(right, rel=1e-5)


def test_t30_no_matrix_is_printed_for_a_large_input() -> None:
    x = np.linspace(0.1, 3, 600).reshape(20, 30)
    error = refused(sine, lambda dz, x: at(sine_backward(dz, x), 431, 7.0), x, max_cases=1)
    assert "gradient of x, entry (14, 11)" in str(error)
    assert "[[" not in str(error)
    assert len(str(error)) < 2_000


@pytest.mark.parametrize(("factors", "name"), [((1.5, 1.0), "x"), ((1.0, 1.5), "y")])
def test_t31_message_names_the_input_that_is_wrong(factors: tuple[float, ...], name: str) -> None:
    def backward(dz: Array, x: Array, y: Array) -> list[Array]:
        return [factors[0] * dz * y, factors[1] * dz * x]

    error = refused(multiply, backward, x5, x5 + 3)
    assert {f.input for f in error.result.findings if f.severity == "fail"} == {name}
    assert f"gradient of {name}" in str(error)
    assert f"gradient of {'yx'['xy'.index(name)]}" not in str(error)


@pytest.mark.parametrize("size", [1.0, 1e-9])
def test_t33_tiny_errors_are_printed_with_their_exponent(size: float) -> None:
    def backward(dz: Array, x: Array) -> Array:
        return dz * size * (1 + 3e-7) * np.cos(x)

    error = refused(lambda x: size * np.sin(x), backward, x5, signif=0, dtypes="float64")
    assert "relative error      3e-07" in str(error)
    assert "0.000000" not in str(error)


def test_t34_explicit_zero_is_respected() -> None:
    def slightly_off(dz: Array, x: Array) -> Array:
        return dz * (1 + 1e-7) * np.cos(x)

    assert fails(sine, slightly_off, x5, signif=0, dtypes="float64").code == "wrong-gradient"
    result = passes(sine, slightly_off, x5, dtypes="float64")
    assert {(f.code, f.severity) for f in result.findings} == {("slightly-off", "warning")}
    passes(sine, sine_backward, x5, signif=0)


@pytest.mark.parametrize("asked", [0, 1e-9, 1e-2])
def test_t34_command_line_wins_tighter_and_looser(asked: float, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.gradcheck]\nsignif = 1e-4\nmax-cases = 40\n")
    assert load(tmp_path, profile="dev").signif == 1e-4
    assert load(tmp_path, profile="dev", command_line={"signif": asked}).signif == asked
    for cases in (1, 100):
        assert load(tmp_path, profile="dev", command_line={"max-cases": cases}).cases == cases


def test_t36_dict_inputs_get_the_right_diagnosis() -> None:
    def backward(dz: Array, x: Array, params: dict[str, Array]) -> list[Array]:
        return [dz * params["w"]]

    result = passes(lambda x, params: x * params["w"], backward, x5, {"w": x5 + 3})
    assert any("params" in a and "dict" in a for a in result.assumptions)


def test_t36_a_dict_alone_is_differentiated_or_refused_as_what_it_is() -> None:
    def squares(params: dict[str, Array]) -> Any:
        return params["w"] ** 2

    passes(squares, lambda dz, params: {"w": 2 * params["w"] * dz}, {"w": x5})
    wrong = fails(squares, lambda dz, params: {"w": params["w"] * dz}, {"w": x5})
    assert wrong.input == "params_w"
    with pytest.raises(UsageError, match="params is a dict, and holds more than arrays by name"):
        passes(squares, lambda dz, params: {"w": dz}, {"w": x5, "mode": "sum"})


def test_t37_rejected_cases_are_bounded_and_counted() -> None:
    tried: list[Array] = []

    def valid(x: Array) -> bool:
        tried.append(x)
        return x.size == 5 and bool(x[0] > 1.9)

    error = refused(sine, sine_backward, at(x5, 0, 2.0), valid=valid, max_cases=30)
    assert error.result.verdict == "inconclusive"
    assert error.result.cases == len(tried) == 30
    assert error.result.cases_rejected == sum(error.result.rejected.values()) > 20
    assert "valid() refuses it" in str(error)


def test_t37_strategy_that_filters_nearly_everything_ends() -> None:
    """And one case of the twenty asked for is no evidence."""
    rare = st.integers(0, 10**6).filter(lambda v: v % 9973 == 7).map(lambda v: np.array([v / 1e6]))
    with pytest.raises((UsageError, GradientError)):
        passes(sine, sine_backward, np.array([0.5]), domain={"x": rare}, max_cases=20)


class Model:
    """Live arrays, and a closure that raises from a certain call on."""

    def __init__(self, last: float = np.inf, error: type[BaseException] = ValueError) -> None:
        self.params = {"W": x34.copy(), "b": np.array([0.3, -0.2, 0.7])}
        self.calls, self.last, self.error, self.factor = 0, last, error, 1.0

    def __call__(self) -> tuple[Any, dict[str, Array]]:
        self.calls += 1
        if self.calls > self.last:
            raise self.error("out of memory")
        y = np.tanh(self.params["W"].sum(axis=1) + self.params["b"])
        slope = 2 * y * (1 - y**2)
        return (y**2).sum(), {"W": np.tile(slope[:, None], 4), "b": self.factor * slope}

    def assert_unchanged(self) -> None:
        assert_array_equal(self.params["W"], x34)
        assert_array_equal(self.params["b"], [0.3, -0.2, 0.7])


def test_t40_live_arrays_are_restored() -> None:
    model = Model()
    gradcheck.check_params(model, model.params)
    model.assert_unchanged()
    model.factor = 1.01
    with pytest.raises(GradientError, match="gradient of b"):
        gradcheck.check_params(model, model.params)
    model.assert_unchanged()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("last", [0, 1, 2, 5, 20])
def test_t40_live_arrays_are_restored_when_the_closure_raises(
    last: int, error: type[BaseException]
) -> None:
    model = Model(last, error)
    with pytest.raises(GradientError if error is ValueError else error):
        gradcheck.check_params(model, model.params)
    model.assert_unchanged()


# -- and the lecture's own ----------------------------------------------------------------------


def test_the_lecture_s_rule_for_max_fails_at_the_tie() -> None:
    """dy = 1(y > z), dz = 1(z > y): between the one-sided slopes at y = z, but nothing is left."""
    with pytest.raises(GradientError) as caught:
        gradcheck.check(MaxGate)
    (found,) = caught.value.result.findings
    assert found.code == "wrong-at-tie"
    assert "tied entries of y + z" in found.message


def test_t13_a_subclass_is_checked_and_not_the_registered_class_above_it() -> None:
    class FirstWins(MaxGate):
        def backward(self, db: float) -> list[float]:
            return [(self.y >= self.z) * db, (self.z > self.y) * db]

    gradcheck.check(FirstWins, "y[], z[]")
