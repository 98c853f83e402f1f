"""Random numbers without a generator: windows of a stream, that nobody can write into."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import gradcheck
from gradcheck import cotangents
from gradcheck.draws import Table
from gradcheck.model import Recipe
from gradcheck.moves import LEVELS, Speeds
from gradcheck.runner import run_one
from gradcheck.settings import Settings
from tests.gates import Array

FEW, MANY = 50, 100_000
"""So many are a window, and so many are made afresh."""


@pytest.mark.parametrize("count", [FEW, MANY])
def test_one_seed_gives_the_same_numbers_and_another_gives_others(count: int) -> None:
    table = Table(np.arange(256.0))
    first = table.draw((3, 1), count)
    assert first.tolist() == Table(np.arange(256.0)).draw((3, 1), count).tolist()
    for other in ((3, 2), (1, 3), (3,), (3, 1, 0)):
        assert np.mean(first == table.draw(other, count)) < 0.1


def test_numbers_come_from_all_of_the_table() -> None:
    table = Table(np.arange(256.0))
    drawn = np.concatenate([table.draw((s,), FEW) for s in range(500)])
    counts = np.bincount(drawn.astype(int), minlength=256)
    assert counts.min() > 0.5 * counts.mean()
    assert counts.max() < 1.6 * counts.mean()


def test_what_others_may_have_been_given_cannot_be_written_into() -> None:
    with pytest.raises(ValueError, match="read-only"):
        Table(np.arange(256.0)).draw((1,), FEW)[0] = 1


@pytest.mark.parametrize("precision", ["float64", "float16"])
def test_speeds_are_signed_and_uneven(precision: str) -> None:
    drawn = np.concatenate([Speeds((s,), precision).draw(FEW) for s in range(100)])
    levels = 8 if precision == "float16" else LEVELS
    assert set(np.unique(np.abs(drawn))) == set(1 + np.arange(levels) / levels)
    assert abs(np.sign(drawn).mean()) < 0.05


def test_each_of_several_directions_has_speeds_of_its_own() -> None:
    speeds = Speeds((7,), "float64")
    assert speeds.draw(FEW).tolist() != speeds.draw(FEW).tolist()


def made(output: Array, seed: int = 0) -> Array:
    (cotangent,) = cotangents.make(Recipe(regime="plain", cotangent_seed=seed), (output,))
    return cotangent


def test_an_upstream_gradient_can_be_written_into_and_is_nobody_elses() -> None:
    first, second = made(np.zeros((4, 5))), made(np.zeros((4, 5)))
    first[:] = np.nan
    assert np.isfinite(second).all()
    assert np.isfinite(made(np.zeros((4, 5)))).all()


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_two_upstream_gradients_of_one_entry_have_both_signs(shape: tuple[int, ...]) -> None:
    """What backward makes of the sign alone shows in two of one case, and in those of many."""
    signs = []
    for seed in range(50):
        output = np.zeros(shape)
        one, (other,) = made(output, seed), cotangents.random_like((output,), seed)
        assert one.shape == other.shape == shape
        assert 1 < abs(one.item()) < 2
        assert one.item() * other.item() < 0
        signs.append(np.sign(one.item()))
    assert 10 < signs.count(1) < 40


@pytest.mark.parametrize("name", ["-abs", "min 0", "min 1", "other slope"])
def test_a_loss_whose_backward_looks_at_the_sign_is_found_in_few_cases(name: str) -> None:
    backward: dict[str, Callable[[Array, Array], Array]] = {
        "-abs": lambda dz, x: -np.abs(dz) * 2 * x,
        "min 0": lambda dz, x: np.minimum(dz, 0) * 2 * x,
        "min 1": lambda dz, x: np.minimum(dz, 1) * 2 * x,
        "other slope": lambda dz, x: np.where(dz > 0, 3, 2) * x * dz,
    }
    op = gradcheck.op(lambda x: np.square(x).sum(), backward[name], "x[n m]")
    assert run_one(op, Settings(max_cases=3)).verdict == "fail"


def test_the_loss_with_the_right_backward_passes_in_few_cases() -> None:
    op = gradcheck.op(lambda x: np.square(x).sum(), lambda dz, x: 2 * dz * x, "x[n m]")
    assert run_one(op, Settings(max_cases=3)).verdict == "pass"


def test_upstream_gradients_of_several_entries_have_both_signs() -> None:
    drawn = np.concatenate([made(np.zeros(4), seed) for seed in range(200)])
    assert 0.45 < (drawn > 0).mean() < 0.55
    assert (np.abs(drawn) > 1).all()
