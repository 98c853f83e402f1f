"""JAX through its door: right code of many styles passes in silence, planted mistakes are named."""

from __future__ import annotations

import weakref
from typing import Any

import msgspec
import numpy as np
import pytest

jax = pytest.importorskip("jax")

import jax.numpy as jnp  # noqa: E402
from jax.custom_derivatives import linear_call  # noqa: E402

import gradcheck  # noqa: E402
from gradcheck.errors import UsageError  # noqa: E402
from gradcheck.frameworks.jax import programs  # noqa: E402
from gradcheck.registry import make  # noqa: E402
from gradcheck.results import OpResult  # noqa: E402
from gradcheck.runner import run_one  # noqa: E402
from gradcheck.settings import Settings  # noqa: E402
from tests.frameworks.right_jax import RIGHT, array, ruled  # noqa: E402

X, W = array(3, 4), array(3, 4)
FREE = "relu"
"""With this one the sizes vary, too."""
BOTH = {"relu", "power", "dense", "squared_size"}
"""Judged in float64 and float32."""
OWN = {"bfloat16", "float32_rule"}
"""Judged in the dtype of their example, which they show by themselves."""


def result(*target: Any, **options: Any) -> OpResult:
    """In float64, where nothing else is said: a dtype more is a program more to compile."""
    return run_one(make(target, {}, {"dtypes": "float64", **options}), Settings(max_cases=3))


def codes(found: OpResult, *severities: str) -> set[str]:
    wanted = severities or ("fail", "not judged")
    return {f.code for f in found.findings if f.severity in wanted}


def mul(x, w):
    return x * w


def mul_fwd(x, w):
    return x * w, (x, w)


# -- right ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RIGHT)
def test_right_code_passes_in_silence(name):
    function, example, options = RIGHT[name]
    if name not in BOTH | OWN:
        options = {**options, "dtypes": "float64"}
    op = make((function, *example), {}, {**options, "vary_sizes": name == FREE})
    found = run_one(op, Settings(max_cases=6))
    assert found.verdict == "pass"
    said = [f.message for f in found.findings if "nobody declared it" not in f.message]
    if name != "host_callback":  # JAX has no second derivative of it, and says so
        assert said == []
    assert "framework" in found.checks


# -- wrong ---------------------------------------------------------------------------------------


@jax.custom_jvp
def _two_modes(x):
    return jnp.sin(x)


@_two_modes.defjvp
def _two_modes_jvp(primals, tangents):
    (x,), (t,) = primals, tangents
    pushed = linear_call(
        lambda x, t: 2 * jnp.cos(x) * t, lambda x, g: jnp.cos(x) * g, x, t
    )  # forward mode twice as large as it is, backward right
    return jnp.sin(x), pushed


@jax.custom_jvp
def _other_primal(x):
    return jnp.sin(x)


@_other_primal.defjvp
def _other_primal_jvp(primals, tangents):
    return jnp.sin(primals[0]) + 0.5, jnp.cos(primals[0]) * tangents[0]


def _by_rank(x):
    def call(v):
        return (np.asarray(v) * (2 if np.ndim(v) == 2 else 3)).astype(v.dtype)

    shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
    return jax.pure_callback(call, shape, x, vmap_method="expand_dims")


class _Kept:
    """Where a forward rule leaves what it should hand over."""


def _keeping(x, w):
    _Kept.x = x
    return x * w, w


def _layers(p, x):
    return x @ p["w"] + p["b"]


def _layers_fwd(p, x):
    return _layers(p, x), (p, x)


_PARAMS = {"w": array(4, 2), "b": array(2)}
_SIN = (jnp.sin, lambda x: (jnp.sin(x), x))
WRONG: dict[str, tuple[Any, str, tuple[Any, ...], str]] = {
    "a factor": (
        ruled(mul, mul_fwd, lambda r, g: (g * r[1], 2 * g * r[0])),
        "wrong-gradient",
        (X, W),
        "gradient of w",
    ),
    "None, which is zero to JAX": (
        ruled(mul, mul_fwd, lambda r, g: (g * r[1], None)),
        "wrong-gradient",
        (X, W),
        "gradient of w",
    ),
    "a complex convention that is not JAX's": (
        ruled(lambda z: z * z, lambda z: (z * z, z), lambda z, g: (2 * jnp.conj(z) * g,)),
        "wrong-gradient",
        (X + 1j * W,),
        "gradient of z",
    ),
    "one leaf of a tree": (
        ruled(
            _layers,
            _layers_fwd,
            lambda r, g: ({"w": r[1].T @ g, "b": g.mean(0)}, g @ r[0]["w"].T),
        ),
        "wrong-gradient",
        (_PARAMS, X),
        "gradient of p.b",
    ),
    "a gradient too few": (
        ruled(mul, mul_fwd, lambda r, g: (g * r[1],)),
        "backward-raised",
        (X, W),
        "one gradient for each argument (x, w), and returns 1",
    ),
    "no tuple": (
        ruled(mul, mul_fwd, lambda r, g: g * r[1]),
        "backward-raised",
        (X, W),
        "returns no tuple",
    ),
    "another shape": (
        ruled(mul, mul_fwd, lambda r, g: ((g * r[1]).T, g * r[0])),
        "backward-raised",
        (X, W),
        "bwd's gradient of x has shape (4, 3), x has (3, 4)",
    ),
    "another tree": (
        ruled(_layers, _layers_fwd, lambda r, g: ({"w": r[1].T @ g}, g @ r[0]["w"].T)),
        "backward-raised",
        (_PARAMS, X),
        "bwd's gradient of p has the structure",
    ),
    "no residuals": (
        ruled(mul, mul, lambda r, g: (g, g)),
        "backward-raised",
        (X, W),
        "fwd must return (output, residuals)",
    ),
    "fwd with another output": (
        ruled(mul, lambda x, w: (x * w + 1, (x, w)), lambda r, g: (g * r[1], g * r[0])),
        "forward-rule-differs",
        (X, W),
        "does not return what the function returns",
    ),
    "a custom jvp with another output": (_other_primal, "forward-rule-differs", (X,), "jvp"),
    "two modes that differ": (_two_modes, "forward-mode", (X,), "no adjoints"),
    "a global instead of a residual": (
        ruled(mul, _keeping, lambda w, g: (g * w, g * _Kept.x)),
        "under-jit",
        (X, W),
        "return it as a residual",
    ),
    "NumPy in the rule": (
        ruled(*_SIN, lambda x, g: (g * np.cos(np.asarray(x)),)),
        "under-jit",
        (X,),
        "TracerArrayConversionError",
    ),
    "a callback that is wrong for a batch": (
        ruled(lambda x: x * 2.0, lambda x: (x * 2.0, x), lambda x, g: (_by_rank(g),)),
        "under-vmap",
        (X,),
        "gradient of x",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_planted_mistakes_are_named(name):
    function, code, example, words = WRONG[name]
    found = result(function, *example, vary_sizes=False)
    assert found.verdict == "fail"
    assert code in codes(found)
    assert any(words in f.message for f in found.findings if f.code == code)


def test_state_between_calls_is_seen():
    found = result(ruled(mul, _keeping, lambda w, g: (g * w, g * _Kept.x)), X, W, vary_sizes=False)
    assert "shared-state" in codes(found)


def test_a_narrower_gradient_is_a_warning():
    function = ruled(mul, mul_fwd, lambda r, g: ((g * r[1]).astype(jnp.float16), g * r[0]))
    found = result(function, X, W, vary_sizes=False, dtypes="float64 float32")
    assert (found.verdict, codes(found, "warning")) == ("pass", {"wrong-dtype"})


def test_a_function_that_changes_from_call_to_call_is_not_judged():
    drawn = np.random.default_rng(0)
    found = result(lambda x: x * drawn.normal(), X, vary_sizes=False)
    assert codes(found) == {"random-forward"}


@pytest.mark.parametrize(("order", "severity"), [(None, "warning"), (2, "fail")])
def test_second_order_through_a_stopped_gradient(order, severity):
    stopped = ruled(*_SIN, lambda x, g: (g * jax.lax.stop_gradient(jnp.cos(x)),))
    found = result(stopped, X, order=order, vary_sizes=False)
    assert codes(found, severity) == {"second-order"}


@pytest.mark.parametrize(("order", "severity"), [(None, "note"), (2, "fail")])
def test_second_order_that_jax_refuses(order, severity):
    function, example, _ = RIGHT["host_callback"]
    found = result(function, *example, order=order, vary_sizes=False)
    said = [f for f in found.findings if "gradient of the gradient" in f.message]
    assert [f.severity for f in said] == [severity]


# -- the call ------------------------------------------------------------------------------------


def test_the_users_setting_of_x64_stays_and_the_switch_is_said():
    before = jax.config.jax_enable_x64
    found = result(lambda x: x * 2.0, X, vary_sizes=False, dtypes=None)
    assert jax.config.jax_enable_x64 == before
    assert found.dtypes == ["float64", "float32"]
    assert any("x64 is off" in a for a in found.assumptions) == (not before)


def test_float32_runs_as_the_user_runs_it():
    seen = set()

    def forward(x):
        seen.add((str(x.dtype), str(jnp.zeros(()).dtype)))
        return x * 2.0

    result(forward, X, vary_sizes=False, dtypes=None)
    own = "float64" if jax.config.jax_enable_x64 else "float32"
    assert seen == {("float64", "float64"), ("float32", own)}


def test_a_signature_by_the_name_of_the_framework():
    right = gradcheck.op(lambda x, w: jnp.dot(x, w), "x[n d], w[d]", framework="jax")
    found = run_one(right, Settings(max_cases=3))
    assert (found.verdict, found.kind) == ("pass", "JAX function")


def test_leaves_have_readable_names():
    params = [{"w": array(4, 4)}, {"w": array(4, 4)}]
    op = make((lambda ps, x: x @ ps[0]["w"] @ ps[1]["w"], params, X), {}, {"vary_sizes": False})
    assert [i.name for i in op.inputs] == ["ps.0.w", "ps.1.w", "x"]
    assert {type(i.name) for i in op.inputs} == {str}
    assert msgspec.json.encode(run_one(op, Settings(max_cases=1)))


def test_hostile_keys_are_names_still():
    params = {"a, b": array(4), "\x1b[31m": array(4), "a,_b": array(4)}
    found = result(lambda p, x: x * sum(p.values()), params, X, vary_sizes=False)
    assert found.verdict == "pass"
    op = make((lambda p, x: x * sum(p.values()), params, X), {}, {})
    assert len({i.name for i in op.inputs}) == 4
    assert all("," not in i.name and i.name.isprintable() for i in op.inputs)


def test_a_reference_takes_the_nested_arguments():
    def other(p, x):
        return np.asarray(x) @ np.asarray(p["w"]) + 0.5 + np.asarray(p["b"])

    found = result(_layers, _PARAMS, X, reference=other, vary_sizes=False)
    assert "wrong-forward" in codes(found)
    assert result(_layers, _PARAMS, X, reference=_layers, vary_sizes=False).verdict == "pass"


def test_a_hand_written_pair_on_jax_arrays():
    right = result(mul, lambda g, x, w: (g * w, g * x), X, W, vary_sizes=False)
    wrong = result(mul, lambda g, x, w: (g * w, g), X, W, vary_sizes=False)
    assert (right.verdict, right.findings) == ("pass", [])
    assert codes(wrong) == {"wrong-gradient"}


def test_the_source_is_bwds_own_line():
    function = ruled(mul, mul_fwd, lambda r, g: (g * r[1], 2 * g * r[0]))
    op = make((function, X, W), {}, {})
    assert op.source.file.endswith("test_jax.py")
    assert op.source.line == function.bwd.__code__.co_firstlineno


def test_a_traceback_has_the_users_frames_only():
    found = result(ruled(mul, mul_fwd, lambda r, g: (g @ r[1], g)), X, W, vary_sizes=False)
    raised = next(f for f in found.findings if f.code == "backward-raised")
    assert raised.traceback.count("File ") == 1
    assert "test_jax.py" in raised.traceback
    assert len(raised.message) < 400


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (jax.custom_vjp(lambda x: x), "has no rule yet"),
        (lambda x: "text", "forward returns str"),
        (lambda x: None, "forward returns None"),
    ],
)
def test_bad_targets_are_refused_in_a_sentence(function, words):
    with pytest.raises(UsageError, match=words):
        gradcheck.check(function, X, vary_sizes=False)


def test_an_example_without_numbers_is_refused_in_a_sentence():
    with pytest.raises(UsageError, match="is traced: check outside"):
        jax.jit(lambda x: gradcheck.check(jnp.sin, x).cases)(X)
    gone = jnp.ones(3)
    gone.delete()
    with pytest.raises(UsageError, match="deleted or donated"):
        gradcheck.check(jnp.sin, gone)


def test_a_model_that_can_be_called_is_an_input_and_no_backward():
    @jax.tree_util.register_pytree_node_class
    class Gain:
        def __init__(self, weight):
            self.weight = weight

        def tree_flatten(self):
            return (self.weight,), None

        @classmethod
        def tree_unflatten(cls, _, children):
            return cls(*children)

        def __call__(self, x):
            return self.weight * x

    def stopped(model, x):
        return jax.lax.stop_gradient(model.weight) * x

    assert result(lambda model, x: model(x), Gain(X), W).verdict == "pass"
    assert "wrong-gradient" in codes(result(stopped, Gain(X), W))


def test_a_device_that_is_not_there():
    with pytest.raises(UsageError, match="no such device"):
        gradcheck.check(mul, X, W, device="abacus")


# -- stacked -------------------------------------------------------------------------------------


def test_stacked_gives_the_rows_of_single_calls():
    op = make((lambda x, w: (x @ w, x.sum()), array(3, 4), array(4, 2)), {}, {})
    primals = tuple(np.asarray(e, np.float64) for e in op.example)
    values = np.random.default_rng(0).normal(size=(5, 4, 2))
    stacked = op.foreign.stacked(primals, 1, values, {})
    assert [s.shape for s in stacked] == [(5, 3, 2), (5,)]
    for row, value in enumerate(values):
        alone = op.forward(primals[0], value)
        for together, one in zip(stacked, alone, strict=True):
            np.testing.assert_allclose(together[row], one, rtol=1e-14)


def test_stacked_says_where_it_cannot():
    function, example, _ = RIGHT["branches_on_its_numbers"]
    op = make((function, *example), {}, {})
    primals = tuple(np.asarray(e, np.float64) for e in op.example)
    from gradcheck.foreign import Unavailable

    with pytest.raises(Unavailable):
        op.foreign.stacked(primals, 0, np.zeros((3, 3, 4)), {})


# -- what is compiled ----------------------------------------------------------------------------


def test_programs_are_let_go_when_an_op_was_checked(monkeypatch):
    """A hundred ops in one process took gigabytes."""
    made, own = [], programs.quick

    def quick(function, size):
        compiled = own(function, size)
        made.append(weakref.ref(compiled))
        return compiled

    monkeypatch.setattr(programs, "quick", quick)
    assert result(jax.jit(jnp.tanh), X).verdict == "pass"
    assert len(made) > 1
    assert not [one for one in made if one() is not None]


def test_what_the_user_compiled_stays_but_in_a_process_of_our_own():
    traced = []

    @jax.jit
    def users(x):
        traced.append(x)
        return x + 1

    op = make((jnp.tanh, X), {}, {"dtypes": "float64", "framework": "jax"})
    for own, times in ((False, 1), (True, 2)):
        users(X)
        run_one(op, Settings(max_cases=1), own=own)
        users(X)
        assert len(traced) == times


def test_options_that_this_xla_does_not_know_are_left_out(monkeypatch):
    first = programs._QUICK[0]
    monkeypatch.setattr(programs, "_QUICK", (first, ("xla_no_such_option", 1)))
    programs._options.cache_clear()
    try:
        assert programs._options() == {"compiler_options": dict([first])}
    finally:
        programs._options.cache_clear()


def test_a_list_of_no_arrays_at_a_made_up_size_is_a_refusal():
    """As `jnp.gradient` returns of a number, which nobody declared."""
    op = make((lambda x: jnp.gradient(x), "x[5]"), {}, {"framework": "jax", "dtypes": "float64"})
    found = run_one(op, Settings(max_cases=20))
    assert found.verdict == "pass"
    assert [why for why in found.rejected if why.startswith("0-d: forward returns []")]
