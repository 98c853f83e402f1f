"""How often forward runs at a case: once where only values are asked for, and all is well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

import gradcheck
from gradcheck import answer as answers
from gradcheck.answer import Answer
from gradcheck.checks import suspects
from gradcheck.evaluation import Evaluator
from gradcheck.graphs import reverse
from gradcheck.guards import GlobalRandom
from gradcheck.model import Op, Recipe
from gradcheck.registry import make
from gradcheck.settings import Settings
from gradcheck.trial import Bench, Trial
from tests.gates import Array

X = np.array([[0.3, -1.2, 2.0], [0.7, 0.1, -0.4]])
EXAMPLE = Recipe(regime="example")
SMALL = 200
"""Entries that the tests take for many."""


def bench(op: Op) -> Bench:
    evaluator = Evaluator(op, GlobalRandom(0))
    return Bench(op, evaluator, Settings(time_limit=0), {"float64": "float64"})


def codes(trial: Trial) -> set[str]:
    return {f.code for f in trial.findings}


def square(off: float = 1.0) -> tuple[Op, list[Array]]:
    """x^2, and the inputs that forward has met."""
    met: list[Array] = []

    def forward(x: Array) -> Array:
        met.append(x.copy())
        return np.asarray(x * x)

    op = gradcheck.op(forward, lambda dz, x: off * 2 * x * dz, X, name="square")
    met.clear()
    return op, met


def times_at(met: list[Array]) -> int:
    return sum(np.array_equal(x, X) for x in met)


@pytest.mark.parametrize(("checks", "times"), [(("values",), 1), (("contract", "values"), 2)])
def test_forward_runs_once_at_the_case_or_twice_where_its_contract_is_checked(
    checks: tuple[str, ...], times: int
) -> None:
    op, met = square()
    trial = bench(op).run(EXAMPLE, checks)
    assert trial.judged
    assert not trial.findings
    assert times_at(met) == times


def test_once_something_was_to_be_said_forward_runs_twice_at_every_case() -> None:
    op, met = square(off=1.5)
    own = bench(op)
    assert "wrong-gradient" in codes(own.run(EXAMPLE, ("values",)))
    assert own.doubted
    met.clear()
    own.run(EXAMPLE, ("values",))
    assert times_at(met) >= 2


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e-6])
def test_a_random_forward_is_no_wrong_gradient_where_only_values_are_asked_for(
    scale: float,
) -> None:
    generator = np.random.default_rng(0)
    op = gradcheck.op(
        lambda x: x * (1 + scale * generator.random(x.shape)), lambda dz, x: dz, X, name="noisy"
    )
    trial = bench(op).run(EXAMPLE, ("values",))
    assert codes(trial) == {"random-forward"}
    assert not trial.judged


def reusing(factor: float) -> Callable[..., Any]:
    """A graph of an op that hands out one buffer for each shape."""
    buffers: dict[tuple[int, ...], Array] = {}

    def forward(x: Array) -> Array:
        return np.tanh(x, out=buffers.setdefault(x.shape, np.empty(x.shape)))

    own = gradcheck.op(
        forward, lambda dy, x: factor * dy / np.cosh(x) ** 2, "x[...]", name="reusing"
    )

    @gradcheck.graph
    def net(x: Any, z: Any) -> Any:
        first = own(x) * 1.0
        return first * own(z)

    return net


@pytest.mark.parametrize("factor", [1.0, 1.1])
def test_a_graph_with_an_op_that_hands_out_one_buffer_is_judged_rightly(factor: float) -> None:
    op = make([reusing(factor), X, X + 1], {}, {})
    trial = bench(op).run(EXAMPLE, ("values",))
    assert trial.judged
    assert trial.failed == (factor != 1)


@pytest.mark.parametrize("checks", [("values",), ("nodes", "values"), ("contract", "values")])
def test_a_backward_that_writes_into_what_a_graph_keeps_spoils_no_evaluation_beside_it(
    checks: tuple[str, ...],
) -> None:
    class Exp:
        def forward(self, x: Array) -> Array:
            self.out = np.exp(x)
            return self.out

        def backward(self, dout: Array) -> Array:
            self.out *= dout
            return self.out

    exp = gradcheck.op(Exp, "x[...]", name="exp")
    other = gradcheck.op(np.sin, lambda dy, x: dy * np.cos(x), "x[...]", name="other")

    @gradcheck.graph
    def net(x: Any, z: Any) -> Any:
        return other(exp(x)) * z

    op = make([net, X, X + 1], {}, {})
    trial = bench(op).run(EXAMPLE, checks)
    assert trial.judged
    assert not trial.failed


def test_large_gradients_are_held_once_but_where_they_lie_in_the_memory_of_an_input(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(answers, "LARGE", X.size)
    gradient, copy = X * 2, X * 2
    answer = Answer((X,), (gradient,), (gradient,), (X,), (X + 1,), ())
    held = answer.holding([copy]).gradients
    assert held is not None
    assert held[0] is copy
    inside = msgspec.structs.replace(answer, gradients=(X[:],)).holding([X.copy()]).gradients
    assert inside is not None
    assert inside[0].base is X
    narrow = msgspec.structs.replace(answer, gradients=(gradient.astype("f4"), None))
    kept = narrow.holding([copy, None]).gradients
    assert kept is not None
    assert kept[0].dtype == np.float32
    assert kept[1] is None


@pytest.mark.parametrize("factor", [1.0, 1.01])
def test_a_large_value_that_a_node_takes_twice_is_moved_in_one_place_at_a_time(
    factor: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suspects, "LARGE", SMALL)
    monkeypatch.setattr(reverse, "LARGE", SMALL)

    def backward(dz: Array, x: Array, y: Array) -> tuple[Array, Array]:
        return dz * y, factor * dz * x

    product = gradcheck.op(np.multiply, backward, "x[n], y[n]", name="product")

    @gradcheck.graph
    def net(x: Any) -> Any:
        h = np.sin(x)
        return product(h, h)

    large = np.linspace(-1, 1, SMALL)
    trial = bench(make([net, large], {}, {})).run(EXAMPLE, ("nodes", "values"))
    assert trial.judged
    assert trial.failed == (factor != 1)
    if factor != 1:
        assert {f.input for f in trial.findings if f.code == "wrong-node"} == {"product.y"}


def test_a_large_gradient_that_a_node_overwrites_later_is_not_taken_for_what_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(suspects, "LARGE", SMALL)
    monkeypatch.setattr(reverse, "LARGE", SMALL)
    buffers: dict[int, Array] = {}

    def backward(dz: Array, x: Array) -> Array:
        out = buffers.setdefault(x.size, np.empty(x.size))
        return np.multiply(dz, 2 * x, out=out)

    square_ = gradcheck.op(lambda x: x * x, backward, "x[n]", name="square_")

    @gradcheck.graph
    def net(x: Any, z: Any) -> Any:
        return square_(x) * square_(z)

    large = np.linspace(0.5, 1, SMALL)
    trial = bench(make([net, large, large + 1], {}, {})).run(EXAMPLE, ("nodes", "values"))
    assert trial.failed
