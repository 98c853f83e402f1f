"""Every check catches its planted bugs and passes the right op beside them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradcheck
from gradcheck.errors import UsageError
from gradcheck.registry import make
from gradcheck.results import OpResult
from gradcheck.runner import run_one
from gradcheck.settings import Settings

X = np.array([[0.5, -1.25, 2.0], [1.5, 0.75, -0.5]])
W = np.array([[0.25, -1.0], [1.5, 0.5], [-0.75, 2.0]])


def result(*target: Any, settings: Settings | None = None, **options: Any) -> OpResult:
    chosen = {k: options.pop(k) for k in ("strict", "scope", "overwrites") if k in options}
    op = make(target, options, chosen)
    return run_one(op, settings or Settings(max_cases=25))


def codes(found: OpResult, severity: str = "fail") -> set[str]:
    return {f.code for f in found.findings if f.severity == severity}


def product(x, w):
    return x @ w


def right(dout, x, w):
    return dout @ w.T, x.T @ dout


def test_a_right_product_passes_every_check():
    found = result(product, right, X, W)
    assert found.verdict == "pass"
    assert set(found.checks) == {"contract", "values", "purity", "linearity", "layout"}
    assert all(c.comparisons > 0 for n, c in found.checks.items() if n != "contract")


# --- contract ---------------------------------------------------------------------------------
CONTRACT: dict[str, tuple[Callable[..., Any], str]] = {
    "one gradient too few": (lambda d, x, w: (d @ w.T,), "gradient-count"),
    "transposed": (lambda d, x, w: ((d @ w.T).T, x.T @ d), "wrong-shape"),
    "a leading axis kept": (lambda d, x, w: ((d @ w.T)[None], x.T @ d), "wrong-shape"),
    "a string": (lambda d, x, w: ("no", x.T @ d), "not-a-gradient"),
}


@pytest.mark.parametrize("name", CONTRACT)
def test_contract_catches(name):
    backward, code = CONTRACT[name]
    found = result(product, backward, X, W)
    assert found.verdict == "fail"
    assert code in codes(found)


def test_contract_names_both_shapes_and_the_convention():
    found = result(product, CONTRACT["transposed"][0], X, W)
    shown = next(f for f in found.findings if f.code == "wrong-shape")
    assert "x has" in shown.message
    assert "shape convention" in shown.message
    assert (shown.likely, shown.diagnosis) == ("transpose", "it is transposed")


def test_none_for_an_input_that_a_signature_declares_is_a_fail():
    backward = lambda d, x, w: (d @ w.T, None)  # noqa: E731
    assert "no-gradient" in codes(result(product, backward, "x[n d], w[d k]"))
    assert "no-gradient" in codes(result(product, backward, X, W), "warning")
    assert result(product, right, "x[n d], w[d k]").verdict == "pass"


def test_a_gradient_wider_than_its_input_is_a_warning():
    wide = lambda d, x: (np.float64(2) * x.astype(np.float64) * d,)  # noqa: E731
    found = result(lambda x: x * x, wide, X)
    assert found.verdict == "pass"
    assert "wrong-dtype" in codes(found, "warning")


# --- values -----------------------------------------------------------------------------------
VALUES: dict[str, Callable[..., Any]] = {
    "sign": lambda d, x, w: (-(d @ w.T), x.T @ d),
    "factor 2": lambda d, x, w: (d @ w.T, 2 * (x.T @ d)),
    "0.1 per cent": lambda d, x, w: (1.001 * (d @ w.T), x.T @ d),
    "zeros": lambda d, x, w: (np.zeros_like(x), x.T @ d),
    "one entry": lambda d, x, w: (_dropped(d @ w.T), x.T @ d),
    "upstream dropped": lambda d, x, w: (np.ones_like(d) @ w.T, x.T @ d),
    "NaN": lambda d, x, w: (d @ w.T * np.nan, x.T @ d),
}


def _dropped(gradient):
    gradient = gradient.copy()
    gradient.reshape(-1)[-1:] = 0
    return gradient


@pytest.mark.parametrize("name", VALUES)
def test_values_catches(name):
    found = result(product, VALUES[name], X, W)
    assert found.verdict == "fail"
    assert "wrong-gradient" in codes(found)


def test_values_names_the_input_that_is_wrong():
    found = result(product, VALUES["factor 2"], X, W)
    wrong = [f.input for f in found.findings if f.code == "wrong-gradient"]
    assert wrong == ["w"]


def test_a_tiny_provable_difference_is_a_warning_and_a_fail_when_strict():
    slightly = lambda d, x: (2 * x * d * (1 + 3e-6),)  # noqa: E731
    square = lambda x: x * x  # noqa: E731
    assert "slightly-off" in codes(result(square, slightly, X), "warning")
    strict = result(square, slightly, X, settings=Settings(max_cases=25, signif=0.0))
    assert "wrong-gradient" in codes(strict)
    exact = lambda d, x: (2 * x * d,)  # noqa: E731
    assert result(square, exact, X, settings=Settings(signif=0.0)).verdict == "pass"


# --- purity -----------------------------------------------------------------------------------
WORKSPACE = np.zeros(64)


def _in_workspace(d, x):
    view = WORKSPACE[: x.size].reshape(x.shape)
    view[...] = 2 * x * d
    return (view,)


CALLS = {"count": 0}


def _accumulates(d, x):
    CALLS["count"] += 1
    return (2 * x * d * CALLS["count"],)


def _writes_cotangent(d, x):
    d *= 2
    return (d * x,)


def _writes_input(d, x):
    gradient = 2 * x * d
    x *= 0
    return (gradient,)


PURITY: dict[str, tuple[Callable[..., Any], str]] = {
    "writes into its cotangent": (_writes_cotangent, "overwritten"),
    "writes into its input": (_writes_input, "overwritten"),
    "returns its workspace": (_in_workspace, "workspace-returned"),
    "another answer each time": (_accumulates, "not-deterministic"),
}


@pytest.mark.parametrize("name", PURITY)
def test_purity_catches(name):
    backward, code = PURITY[name]
    CALLS["count"] = 0
    found = result(lambda x: x * x, backward, X)
    assert found.verdict == "fail"
    assert code in codes(found)


def test_a_forward_that_overwrites_its_input_fails_unless_it_says_so():
    def forward(x):
        x *= 2.0
        return x * 1.0

    backward = lambda d, x: (2.0 * d,)  # noqa: E731
    assert "overwritten" in codes(result(forward, backward, X))
    assert result(forward, backward, X, overwrites="x").verdict == "pass"


def test_shared_memory_is_a_warning_and_a_fail_when_strict():
    add = lambda x, y: x + y  # noqa: E731
    same = lambda d, x, y: [d, d]  # noqa: E731
    assert "shared-memory" in codes(result(add, same, X, X + 1), "warning")
    assert "shared-memory" in codes(result(add, same, X, X + 1, strict=True))
    copies = lambda d, x, y: [d.copy(), d.copy()]  # noqa: E731
    assert not codes(result(add, copies, X, X + 1, strict=True))


class SharedCache:
    """What forward keeps is kept on the class."""

    kept: Any = None

    def forward(self, x):
        SharedCache.kept = x
        return x * x

    def backward(self, d):
        return [2 * SharedCache.kept * d]


class OwnCache:
    def forward(self, x):
        self.kept = x
        return x * x

    def backward(self, d):
        return [2 * self.kept * d]


class OwnWorkspace(OwnCache):
    """The gradient's array is made once per instance."""

    buffer: Any = None

    def backward(self, d):
        if self.buffer is None or self.buffer.shape != d.shape:
            self.buffer = np.empty_like(d)
        np.multiply(2 * self.kept, d, out=self.buffer)
        return [self.buffer]


def test_purity_catches_state_on_the_class_and_workspaces_of_an_instance():
    assert "instances-share-state" in codes(result(SharedCache, X))
    assert "workspace-returned" in codes(result(OwnWorkspace, X))
    assert not result(OwnCache, X).findings


def test_a_random_forward_is_said_before_anything_is_differentiated():
    generator = np.random.default_rng()
    found = result(lambda x: x * generator.random(x.shape), lambda d, x: (d,), X)
    assert found.verdict == "inconclusive"
    assert codes(found, "not judged") == {"random-forward"}
    pinned = lambda x: x * (np.random.random(x.shape) > 0.5)  # noqa: E731
    mask = lambda d, x: (d * (np.random.random(x.shape) > 0.5),)  # noqa: E731
    assert result(pinned, mask, X).verdict == "pass"


# --- linearity --------------------------------------------------------------------------------
LINEARITY: dict[str, Callable[..., Any]] = {
    "clips": lambda d, x: (np.clip(2 * x * d, -3, 3),),
    "adds a constant": lambda d, x: (2 * x * d + 1,),
    "squares the upstream": lambda d, x: (2 * x * d * np.abs(d),),
}


@pytest.mark.parametrize("name", LINEARITY)
def test_linearity_catches_on_its_own(name):
    alone = Settings(max_cases=10, checks=("linearity",))
    assert "not-linear" in codes(result(lambda x: x * x, LINEARITY[name], X, settings=alone))
    exact = result(lambda x: x * x, lambda d, x: (2 * x * d,), X, settings=alone)
    assert exact.verdict == "pass"


def residual(x, V, W):
    """Its gradient is 0, whatever the block is; backward cancels large terms to see it."""
    y = x + np.maximum(x @ V, 0) @ W
    return (y - y.mean()).sum()


def residual_backward(dz, x, V, W):
    hidden = x @ V
    active = np.maximum(hidden, 0)
    whole = np.full(x.shape, dz, x.dtype)
    centred = whole - whole.sum() / np.asarray(x.size, x.dtype)
    inner = centred @ W.T * (hidden > 0)
    return centred + inner @ V.T, x.T @ inner, active.T @ centred


def squares_besides(dz, x, V, W):
    dx, *others = residual_backward(dz, x, V, W)
    return dx + x.dtype.type(0.01) * dz * np.abs(dz), *others


@pytest.mark.parametrize("seed", [1, 2])
def test_rounding_of_what_cancels_is_no_nonlinearity(seed):
    settings = Settings(max_cases=100, seed=seed, dtypes=("float32",), checks=("linearity",))

    def found(backward):
        op = gradcheck.op(residual, backward, "x[n d], V[d k], W[k d]", name="residual")
        return codes(run_one(op, settings, brief=True))

    assert found(residual_backward) == set()
    assert found(squares_besides) == {"not-linear"}


def test_a_sign_error_is_not_also_reported_as_something_else():
    found = result(product, VALUES["sign"], X, W)
    assert codes(found) == {"wrong-gradient"}


# --- layout -----------------------------------------------------------------------------------
def _by_memory(array):
    """The numbers as they lie in memory, as a kernel without strides reads them."""
    start = array
    while isinstance(start.base, np.ndarray):
        start = start.base
    flat = start.reshape(-1) if start.flags.c_contiguous else start.T.reshape(-1)
    return np.resize(flat, array.size).reshape(array.shape)


def test_layout_catches_a_kernel_that_ignores_strides():
    ignores = lambda d, x: (2 * x * _by_memory(d),)  # noqa: E731
    found = result(lambda x: x * x, ignores, X)
    assert codes(found) == {"layout-dependent"}
    assert result(lambda x: x * x, lambda d, x: (2 * x * d,), X).verdict == "pass"


def test_layout_catches_not_a_number():
    def past_the_end(d, x):
        return (2 * x * d * (1 if d.flags.c_contiguous else np.nan),)

    assert codes(result(lambda x: x * x, past_the_end, X)) == {"layout-dependent"}


def test_a_layout_that_is_refused_is_not_red():
    def strict_about_memory(d, x):
        if not d.flags.c_contiguous or not d.flags.writeable:
            raise ValueError("contiguous memory please")
        return (2 * x * d,)

    assert result(lambda x: x * x, strict_about_memory, X).verdict == "pass"


# --- what is declared, and what forward decides --------------------------------------------------
def test_made_up_inputs_that_forward_refuses_are_counted_not_red():
    def log(x):
        if x.ndim != 2 or 0 in x.shape:
            raise ValueError("two dimensions, not empty")
        return np.log(x)

    found = result(log, lambda d, x: (d / x,), np.abs(X) + 0.1)
    assert found.verdict == "pass"
    assert found.cases_rejected > 0
    assert any("two dimensions" in reason for reason in found.rejected)


def test_a_made_up_input_of_which_forward_returns_no_array_is_counted_not_red():
    def doubled(x):
        return None if x.ndim == 0 else 2 * x

    def settled(x):
        return None if x.size < 3 else 2 * x

    found = result(doubled, lambda d, x: (2 * d,), "x[n]")
    assert found.verdict == "pass"
    assert [why for why in found.rejected if why.startswith("0-d: forward must return an array")]
    assert "wrong-gradient" in codes(result(doubled, lambda d, x: (3 * d,), "x[n]"))
    assert result(settled, lambda d, x: (2 * d,), X).verdict == "pass"
    for target in ((settled, "x[n]"), (lambda x: None, X)):  # declared: nothing can be judged
        with pytest.raises(UsageError, match=r"forward must return an array"):
            result(target[0], lambda d, x: (2 * d,), target[1])


def test_wrong_for_broadcast_operands_is_a_warning_and_a_fail_under_scope_forward():
    forward, backward = (lambda x, y: x * y), (lambda d, x, y: (d * y, d * x))
    found = result(forward, backward, X, X + 1)
    assert found.verdict == "pass"
    assert "wrong-shape" in codes(found, "warning")
    assert result(forward, backward, X, X + 1, scope="forward").verdict == "fail"


def test_an_attribute_that_backward_ignores_is_found_without_being_named():
    forward = lambda x, axis=-1: np.cumsum(x, axis=axis)  # noqa: E731
    ignores = lambda d, x: (np.cumsum(d[..., ::-1], axis=-1)[..., ::-1],)  # noqa: E731
    found = result(forward, ignores, X)
    assert found.verdict == "fail"
    assert "axis" in found.findings[0].case
    honours = lambda d, x, axis=-1: (np.flip(np.cumsum(np.flip(d, axis), axis=axis), axis),)  # noqa: E731
    assert result(forward, honours, X).verdict == "pass"


def test_random_directions_also_meet_empty_inputs():
    """A budget so small that every case is projected, zero-size ones too."""
    few = Settings(max_cases=40, budget=4)
    found = result(product, right, X, W, settings=few)
    assert found.verdict == "pass"
    assert found.modes["projected"] > found.modes.get("quick", 0)
    assert found.coverage.get("zero-size")
    assert "wrong-gradient" in codes(result(product, VALUES["one entry"], X, W, settings=few))


# --- ops in place, on purpose --------------------------------------------------------------------
def _tanh_in_place(x):
    np.tanh(x, out=x)
    return x


def _from_output(d, x):
    return d * (1 - x * x)


def _into_cotangent(d, x):
    d *= np.cos(x)
    return d


class TanhInPlace:
    def forward(self, x):
        self.y = _tanh_in_place(x)
        return self.y

    def backward(self, d):
        return d * (1 - self.y**2)


def test_an_op_in_place_is_judged_by_every_check():
    found = result(_tanh_in_place, _from_output, X, overwrites="x")
    assert found.verdict == "pass"
    assert all(found.checks[n].comparisons for n in ("values", "purity", "linearity", "layout"))
    assert "wrong-gradient" in codes(
        result(_tanh_in_place, lambda d, x: d * (1 - x), X, overwrites="x")
    )
    assert "not-linear" in codes(
        result(
            _tanh_in_place,
            lambda d, x: _from_output(d, x) + 1,
            X,
            overwrites="x",
            settings=Settings(max_cases=10, checks=("linearity",)),
        )
    )
    assert codes(result(_tanh_in_place, _from_output, X)) == {"overwritten"}


def test_a_cotangent_that_may_be_overwritten_may_be_returned():
    found = result(lambda x: np.sin(x), _into_cotangent, X, overwrites="cotangent", strict=True)
    assert found.verdict == "pass"
    assert codes(result(lambda x: np.sin(x), _into_cotangent, X)) == {"overwritten"}


def test_overwrites_at_every_door():
    assert result(TanhInPlace, X, overwrites="x").verdict == "pass"
    assert codes(result(TanhInPlace, X)) == {"overwritten"}
    known = make([_tanh_in_place, _from_output, "x[n d]"], {}, {})
    assert result(known, overwrites="x").verdict == "pass"
    for target in ([known], [TanhInPlace, X], [_tanh_in_place, _from_output, X]):
        with pytest.raises(gradcheck.UsageError, match="overwrites: there is no input 'z'"):
            make(target, {}, {"overwrites": "z"})
    register = gradcheck.register("x[n d]", overwrites="z")
    with pytest.raises(gradcheck.UsageError, match="overwrites: there is no input 'z'"):
        register(TanhInPlace)
    with pytest.raises(gradcheck.UsageError, match="overwrites: there is no input 'z'"):
        register(_tanh_in_place).def_vjp(_from_output)


def test_a_node_in_place_leaves_its_siblings_inputs_alone():
    tanh = make([_tanh_in_place, _from_output, "x[n d]"], {}, {"overwrites": "x"})
    add = make([lambda a, b: a + b, lambda d, a, b: [d.copy(), d.copy()], "a[n d], b[n d]"], {}, {})
    graph = gradcheck.Graph("branches")
    x = graph.input("x")
    graph.output(graph.apply(add, graph.apply(tanh, x), x))
    np.testing.assert_array_equal(graph.forward(X), np.tanh(X) + X)
    assert run_one(graph.op("x[n d]"), Settings(max_cases=15)).verdict == "pass"


# -- precision of the output --------------------------------------------------------------------
def test_a_forward_that_widens_is_a_note_and_no_more():
    def widening(x):
        return np.sum(x, axis=-1) / np.int64(3)

    def back(dy, x):
        return np.broadcast_to(np.expand_dims(dy / 3, -1), x.shape).copy()

    result = gradcheck.check(widening, back, "x[n d]", max_cases=20)
    (note,) = [f for f in result.findings if f.code == "widened-output"]
    assert note.severity == "note"
    assert "float64 for float32 inputs" in note.message
    kept = gradcheck.check(lambda x: np.sum(x, axis=-1) / 3, back, "x[n d]", max_cases=20)
    assert not [f for f in kept.findings if f.code == "widened-output"]


def test_refusals_that_differ_in_their_numbers_alone_are_one_line():
    def picky(x, y):
        if x.shape != y.shape:
            raise ValueError(f"shapes {x.shape} and {y.shape} differ")
        return x * y

    result = gradcheck.check(picky, lambda d, x, y: (d * y, d * x), "x[n d], y[n d]")
    refused = [what for what in result.rejected if what.startswith("broadcast: size-1 axis: ")]
    assert len(refused) == 1
    assert result.rejected[refused[0]] > 1
