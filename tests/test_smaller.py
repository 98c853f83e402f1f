"""The smallest failing case is small, still fails in the same way, and no smaller than it shows."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import gradcheck
from gradcheck import GradientError
from gradcheck.corners import Plan
from gradcheck.model import Recipe
from gradcheck.registry import make
from gradcheck.results import Finding
from gradcheck.smaller import entries, fewer, plainest


def smallest(forward: Any, backward: Any, *example: Any, **options: Any) -> tuple[Finding, Recipe]:
    """The first failing finding of a wrong op, and the case that it is shown at."""
    with pytest.raises(GradientError) as caught:
        gradcheck.check(forward, backward, *example, **options)
    found = next(f for f in caught.value.result.findings if f.severity == "fail")
    recipe = json.loads(found.recipe)
    shapes = recipe.get("shapes", [])
    return found, Recipe(regime=recipe["regime"], shapes=shapes, note=found.regime)


def square(x: Any) -> Any:
    return x * x


X = np.linspace(-3.1, 4.7, 20).reshape(4, 5)


def test_a_mistake_that_shows_anywhere_is_shown_at_two_by_two():
    found, recipe = smallest(square, lambda dz, x: 3 * x * dz, X)
    assert (found.code, recipe.note) == ("wrong-gradient", "plain")
    assert recipe.shapes == [[2, 2]]
    assert "x = np.array([[1.9353, 3.5941], [0.8294, 2.4882]])" in found.case


def test_values_are_not_plain_where_the_mistake_needs_others():
    """Below zero only: plain values are above."""
    found, recipe = smallest(square, lambda dz, x: 2 * abs(x) * dz, X)
    assert found.code == "wrong-gradient"
    assert entries_of(recipe) == 4


def test_a_mistake_of_the_third_row_needs_three():
    def backward(dz: Any, x: Any) -> Any:
        dx = 2 * x * dz
        dx[2:3] *= 1.5
        return dx

    _, recipe = smallest(square, backward, X)
    assert recipe.shapes == [[3, 2]]


def test_sizes_that_hang_together_stay_so():
    """Rows are twice as many as the second input's."""

    def forward(x: Any, y: Any) -> Any:
        return x.reshape(len(y), 2, -1).sum(axis=1) * y

    def backward(dz: Any, x: Any, y: Any) -> Any:
        return np.repeat(dz * y, 2, axis=0), 1.01 * dz * forward(x, np.ones_like(y))

    found, recipe = smallest(forward, backward, "x[2*h d], y[h d]")
    assert found.input == "y"
    assert recipe.shapes == [[4, 2], [2, 2]]


def test_a_case_beyond_the_declaration_keeps_what_is_stretched():
    def add(x: Any, y: Any) -> Any:
        return x + y

    def backward(dz: Any, x: Any, y: Any) -> Any:
        return dz.copy(), dz.copy()

    found, recipe = smallest(add, backward, "x[n d], y[n d]", scope="forward")
    assert found.code == "wrong-shape"
    assert max(max(shape, default=1) for shape in recipe.shapes) == 2
    assert recipe.shapes[0] != recipe.shapes[1]


def test_sizes_that_the_user_fixed_stay():
    _, recipe = smallest(square, lambda dz, x: 3 * x * dz, X, vary_sizes=False)
    assert recipe.regime == "example"


def entries_of(recipe: Recipe) -> int:
    return sum(int(np.prod(shape)) for shape in recipe.shapes)


def test_it_says_which_attributes_it_needs():
    def scaled(x: Any, k: int = 1) -> Any:
        return k * x

    def backward(dz: Any, x: Any, k: int = 1) -> Any:
        return (4 if k == 3 else k) * dz

    found, recipe = smallest(scaled, backward, "x[n d], k=1|3")
    assert (recipe.shapes, recipe.note) == ([[2, 2]], "k=3")
    assert "k = 3" in found.case


# -- the candidates themselves ---------------------------------------------------------------------

SIZES = (2, 3, 1, 4, 5)


def plan(signature: str, **sizes: tuple[int, ...]) -> Plan:
    op = make((square, square, signature), {}, {})
    from gradcheck.probe import untaught
    from gradcheck.templates import plan as planned

    made = planned(untaught(op), ("float64",))
    return Plan(op, made.templates, sizes or made.sizes, made.batches, ("float64",), made.regimes)


def test_each_step_is_one_dimension_smaller_with_plain_values_or_the_cases_own():
    made = plan("x[n d]")
    numbers = np.arange(12).astype(">u2").reshape(4, 3)
    start = Recipe(regime="ties", shapes=((4, 3),), grids=(numbers.tobytes().hex(),), note="ties")
    found = list(fewer(made, start))
    assert [r.shapes for r in found[::2]] == [((2, 3),), ((3, 3),), ((4, 2),)]
    assert all(set(r.grids[0]) == {"0"} for r in found[::2])
    kept = np.frombuffer(bytes.fromhex(found[-1].grids[0]), ">u2").reshape(4, 2)
    assert kept.tolist() == numbers[:, :2].tolist()
    assert {(r.regime, r.note) for r in found} == {("ties", "ties")}
    assert all(entries(r) < entries(start) for r in found)


def test_sizes_end_at_two_and_are_those_that_forward_takes():
    assert list(fewer(plan("x[n d]"), Recipe(regime="generic", shapes=((2, 1),)))) == []
    odd = plan("x[n]", n=(3, 5, 7))
    assert next(plainest(odd, Recipe(regime="zeros", shapes=((7,),)))).shapes == ((3,),)
    steps = {r.shapes for r in fewer(odd, Recipe(regime="zeros", shapes=((7,),)))}
    assert steps == {((3,),), ((5,),)}
    one = plan("x[n]", n=(1,))
    assert next(plainest(one, Recipe(regime="zeros", shapes=((1,),)))).shapes == ((1,),)


def test_shapes_that_the_signature_does_not_make_are_left_alone():
    assert list(fewer(plan("x[n n]"), Recipe(regime="generic", shapes=((4, 3),)))) == []
    assert list(fewer(plan("x[3*n]"), Recipe(regime="generic", shapes=((4,),)))) == []
    assert len(list(fewer(plan("x[3*n]"), Recipe(regime="generic", shapes=((9,),))))) == 2


def test_a_batch_becomes_one_axis():
    made = plan("x[... d]")
    shapes = [r.shapes for r in fewer(made, Recipe(regime="generic", shapes=((2, 3, 4),)))]
    assert ((2, 4),) in shapes
    assert ((2, 2, 4),) in shapes
    assert ((2, 3, 2),) in shapes


def test_values_of_the_users_own_strategies_are_left_alone():
    by_value = Recipe(regime="generic", shapes=((4,),), values=(["float64", [4], [1.0] * 4],))
    made = plan("x[n]")
    assert list(fewer(made, by_value)) == list(plainest(made, by_value)) == []
