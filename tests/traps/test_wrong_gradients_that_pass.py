"""Wrong gradients that shipping checkers pass, continued from ``tests/test_traps.py``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradcheck.claims import Claims
from gradcheck.compare import Rules
from gradcheck.evaluation import Evaluator
from gradcheck.guards import GlobalRandom
from gradcheck.judging import Judge
from gradcheck.model import Recipe
from gradcheck.point import Move, Point
from gradcheck.registry import make
from gradcheck.results import Finding, Worst
from gradcheck.runner import run_one
from gradcheck.settings import Settings
from tests.bugs.formulas import log_softmax, softmax
from tests.gates import Array, Function, fails, multiply, passes, refused, sine, sine_backward, x5

# -- T3: the tolerance grows with the size of the array -----------------------------------------


@pytest.mark.parametrize("factor", [1.5, 1.02])
@pytest.mark.parametrize("size", [300, 3_000, 20_000])
def test_t03_the_same_error_fails_at_every_size_in_float32(size: int, factor: float) -> None:
    def wrong(dz: Array, x: Array) -> Array:
        return dz * np.float32(factor) * np.cos(x)

    x = np.linspace(0.3, 1.2, size)
    options = {"dtypes": "float32", "budget": 32, "max_cases": 1, "vary_sizes": False}
    found = fails(sine, wrong, x, **options)
    assert (found.code, found.input) == ("wrong-gradient", "x")
    assert passes(sine, sine_backward, x, **options).modes["projected"] > 0


def test_t03_what_would_have_been_seen_does_not_grow_with_the_size() -> None:
    def limit(size: int, seed: int) -> float:
        """Relative to the derivative along one direction, which is small where terms cancel."""
        x = np.linspace(0.3, 1.2, size)
        result = passes(sine, sine_backward, x, budget=32, max_cases=1, seed=seed)
        assert result.worst is not None
        return float(result.worst.limit)

    small, large = (float(np.median([limit(n, s) for s in range(5)])) for n in (300, 20_000))
    assert large < 10 * small < 1e-6


# -- T9: inputs without a gradient, and empty ones -----------------------------------------------


@pytest.mark.parametrize("example", [(x5, x5 + 3), ("x[n], y[n]",)], ids=["example", "signature"])
def test_t09_an_input_said_to_have_no_gradient_is_not_compared_and_that_is_said(
    example: tuple[Any, ...],
) -> None:
    def backward(dz: Array, x: Array, y: Array) -> list[Array]:
        return [dz * y, 17 * dz]

    assert fails(multiply, backward, *example).input == "y"
    result = passes(multiply, backward, *example, nondiff="y")
    assert "y: not differentiated, as declared" in result.assumptions
    assert fails(multiply, lambda dz, x, y: [17 * dz, None], *example, nondiff="y").input == "x"


def joined_backward(dz: Array, x: Array, y: Array) -> list[Array]:
    return [dz[: len(x)].copy(), dz[len(x) :].copy()]


def test_t09_an_empty_input_hides_nothing_of_its_neighbour() -> None:
    def joined(x: Array, y: Array) -> Array:
        return np.concatenate([x, y])

    def wrong(dz: Array, x: Array, y: Array) -> list[Array]:
        return [2 * dz[: len(x)], dz[len(x) :].copy()]

    passes(joined, joined_backward, x5, np.zeros(0))
    assert fails(joined, wrong, x5, np.zeros(0)).input == "x"


def test_t09_a_wrong_shape_for_an_empty_input_fails() -> None:
    def backward(dz: Array, x: Array, y: Array) -> list[Array]:
        return [dz[: len(x)].copy(), np.ones(3)]

    found = fails(lambda x, y: np.concatenate([x, y]), backward, x5, np.zeros(0))
    assert (found.code, found.input) == ("wrong-shape", "y")


def test_t09_empty_inputs_alone_are_no_evidence() -> None:
    result = refused(sine, sine_backward, np.zeros((0, 3)), max_cases=20).result
    assert result.verdict == "inconclusive"
    refused(sine, lambda dz, x: 5 * dz, np.zeros((0, 3)), max_cases=20)


# -- T12: the reference is looked at where the gradient is not zero only --------------------------


def neighbours(x: Array) -> Array:
    return x[1:] * x[:-1]


def neighbours_backward(dz: Array, x: Array, parts: str = "both") -> Array:
    dx = np.zeros_like(x)
    if parts != "left":
        dx[1:] += dz * x[:-1]
    if parts != "right":
        dx[:-1] += dz * x[1:]
    return dx


def with_a_hole(dz: Array, x: Array) -> Array:
    dx = neighbours_backward(dz, x)
    dx[len(dx) // 2] = 0
    return dx


@pytest.mark.parametrize(
    "wrong",
    [
        with_a_hole,
        lambda dz, x: neighbours_backward(dz, x, "left"),
        lambda dz, x: neighbours_backward(dz, x, "right"),
        lambda dz, x: np.zeros_like(x),
    ],
    ids=["a hole", "lower half", "upper half", "nothing"],
)
@pytest.mark.parametrize(("size", "budget"), [(5, 20_000), (2_000, 200)])
def test_t12_entries_missing_from_a_sparse_gradient_fail(
    size: int, budget: int, wrong: Function
) -> None:
    x = np.linspace(0.3, 2, size)
    found = fails(neighbours, wrong, x, budget=budget, max_cases=4)
    assert found.code == "wrong-gradient"
    assert found.numbers is not None
    assert abs(float(found.numbers.finite_difference)) > 0.1
    passes(neighbours, lambda dz, x: neighbours_backward(dz, x), x, budget=budget, max_cases=4)


def test_t12_a_derivative_outside_the_gradient_s_own_pattern_fails() -> None:
    """The gradient of a diagonal is right on the diagonal; forward looks beside it too."""

    def forward(a: Array) -> Array:
        return np.diagonal(a) + 0.01 * np.diagonal(a, 1).sum()

    a = np.round(np.cos(np.arange(16.0)).reshape(4, 4) + 0.05, 2)
    found = fails(forward, lambda dz, a: np.diag(dz), a, vary_sizes=False)
    assert found.entry in {(0, 1), (1, 2), (2, 3)}
    passes(
        forward,
        lambda dz, a: np.diag(dz) + 0.01 * dz.sum() * np.eye(len(a), k=1),
        a,
        vary_sizes=False,
    )


# -- T14: the step is chosen by agreement with the gradient under test ----------------------------


def numbers_for(gradient: float) -> tuple[Worst, list[float]]:
    """What a check of one number says, and where it evaluated forward."""
    visited: list[float] = []

    def forward(x: Array) -> Array:
        visited.append(float(x))
        return np.sin(x)

    op = make([forward, lambda dz, x: dz * gradient, 0.7], {}, {})
    settings = Settings(checks=("values",), dtypes=("float64",))
    result = run_one(op, settings, only=[Recipe(regime="example")])
    assert result.worst is not None
    return result.worst, visited


def test_t14_the_finite_difference_is_the_same_whatever_backward_says() -> None:
    worsts, places = zip(*(numbers_for(g) for g in (-1.0, 0.0, 0.5, 1e6)), strict=True)
    said = {(w.finite_difference, w.truncation, w.roundoff, w.steps) for w in worsts}
    assert len(said) == 1
    assert len({tuple(p) for p in places}) == 1
    right, fewer = numbers_for(float(np.cos(0.7)))
    assert set(fewer) < set(places[0]), "a right gradient is settled by the first steps"
    (difference, *_), bound = said.pop(), float(right.bound) + float(worsts[0].bound)
    assert abs(float(right.finite_difference) - float(difference)) <= bound


def test_t14_an_estimate_is_bitwise_the_same_for_right_and_wrong() -> None:
    op = make([np.sin, lambda dz, x: dz * np.cos(x), x5], {}, {})
    here, cotangent = np.sin(x5), np.array([0.5, -1.25, 2.0, 0.75, -1.5])
    point = Point(Evaluator(op, GlobalRandom(0)), (x5,), {}, here, cotangent, "float64")
    estimates = []
    for factor in (1.0, 1.5, 0.0, -1.0, np.nan):
        claimed = factor * cotangent * np.cos(x5)
        rules, still = Rules.of("float64", None), (np.zeros(5),)
        judge = Judge(
            point,
            Claims([claimed], lambda k: 2.0**-52, lambda still=still: still, lambda _: []),
            rules,
        )
        estimates.append([judge.climb(Move.entry(0, i)).estimate for i in range(5)])
    assert all(made == estimates[0] for made in estimates)


# -- T16: structured inputs on which the wrong rule is right --------------------------------------


def normalised(x: Array, gamma: Array) -> Array:
    return (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5) * gamma


def normalised_backward(dz: Array, x: Array, gamma: Array, weight: Any) -> list[Array]:
    factor = 1 / np.sqrt(x.var(axis=0) + 1e-5)
    h, dh = (x - x.mean(axis=0)) * factor, dz * weight
    dx = factor * (dh - dh.mean(axis=0) - h * (dh * h).mean(axis=0))
    return [dx, (dz * h).sum(axis=0)]


def test_t16_gamma_of_ones_is_varied() -> None:
    x, ones = np.round(np.sin(np.arange(15.0)).reshape(5, 3), 2), np.ones(3)
    wrong = fails(normalised, lambda dz, x, g: normalised_backward(dz, x, g, 1.0), x, ones)
    assert (wrong.code, wrong.input) == ("wrong-gradient", "x")
    passes(normalised, lambda dz, x, g: normalised_backward(dz, x, g, g), x, ones)


def elu(x: Array, alpha: float = 1.0) -> Array:
    return np.where(x > 0, x, alpha * np.expm1(x))


def test_t16_defaults_are_varied() -> None:
    def wrong(dz: Array, x: Array, alpha: float = 1.0) -> Array:
        return dz * np.where(x > 0, 1, np.exp(x))

    assert fails(elu, wrong, x5, max_cases=50).regime.startswith("alpha=")
    passes(elu, lambda dz, x, alpha=1.0: dz * np.where(x > 0, 1, alpha * np.exp(x)), x5)


def test_t16_sizes_that_happen_to_be_equal_are_varied_together_and_that_is_said() -> None:
    """Equal sizes are one dimension; a signature, or another example, tells them apart."""

    def wrong(dz: Array, x: Array) -> Array:
        return np.broadcast_to(dz / x.shape[1], x.shape)

    def mean(x: Array) -> Array:
        return x.mean(axis=0)

    square = np.round(np.sin(np.arange(9.0)).reshape(3, 3), 2)
    assert "x[n n]: real" in passes(mean, wrong, square).assumptions
    for told_apart in (square[:, :2].copy(), "x[n m]"):
        assert fails(mean, wrong, told_apart).code == "wrong-gradient"
        passes(mean, lambda dz, x: np.broadcast_to(dz / x.shape[0], x.shape), told_apart)


def loss(z: Array, t: Array) -> Array:
    return np.asarray(-(t * log_softmax(z)).sum())


def for_labels_that_sum_to_one(dz: Array, z: Array, t: Array) -> list[Array | None]:
    return [dz * (softmax(z) - t), None]


z34 = np.round(np.cos(np.arange(12.0)).reshape(3, 4), 2)


@pytest.mark.parametrize(
    ("t", "said"),
    [
        (np.array([[0.2, 0.3, 0.5, 0], [0.1, 0.2, 0.3, 0.4], [0.7, 0.1, 0.1, 0.1]]), "sum to one"),
        (np.eye(4)[[2, 0, 1]], "one-hot rows"),
    ],
)
def test_t16_labels_that_sum_to_one_are_a_domain_that_is_said(t: Array, said: str) -> None:
    """There the wrong rule is right; with other weights in the example it fails."""
    result = passes(loss, for_labels_that_sum_to_one, z34, t)
    assert any(a.startswith("t[") and said in a for a in result.assumptions)
    assert fails(loss, for_labels_that_sum_to_one, z34, t + 0.5).input == "z"


def test_t16_a_symmetric_example_is_a_domain_that_is_said() -> None:
    def without_transpose(dz: Array, a: Array, b: Array) -> list[Array]:
        return [dz @ b, a.T @ dz]

    a, b = z34[:, :3].copy(), np.array([[2.0, 0.3, 0.1], [0.3, 1.5, -0.2], [0.1, -0.2, 3.0]])
    result = passes(np.matmul, without_transpose, a, b)
    assert any(s.endswith("symmetric") for s in result.assumptions)
    found: Finding = fails(np.matmul, without_transpose, a, b + np.eye(3, k=1))
    assert found.code == "wrong-gradient"
