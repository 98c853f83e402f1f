"""Ops that take any number of inputs, ``forward(*xs)``, in formulas and in graphs built by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import gradcheck
from gradcheck import Graph, UsageError
from gradcheck.model import Op
from tests.gates import Array
from tests.judged import fails, guilty, passes

x = np.array([[0.5, -1.5], [1.0, 0.75]])
y = np.array([[2.0, 0.25], [-1.25, 1.5]])


def joined(*xs: Array, axis: int = 0) -> Array:
    return np.concatenate(xs, axis=axis)


def split(dz: Array, *xs: Array, axis: int = 0) -> list[Array]:
    cuts = np.cumsum([x.shape[axis] for x in xs])[:-1]
    return [part.copy() for part in np.split(dz, cuts, axis=axis)]


def reversed_(dz: Array, *xs: Array, axis: int = 0) -> list[Array]:
    return split(dz, *xs, axis=axis)[::-1]


def contract(*xs: Array, subscripts: str = "ij,ij->i") -> Array:
    return np.asarray(np.einsum(subscripts, *xs))


def contract_back(dz: Array, x: Array, y: Array, subscripts: str = "ij,ij->i") -> tuple[Any, ...]:
    return np.einsum("i,ij->ij", dz, y), np.einsum("i,ij->ij", dz, x)


def of(backward: Any) -> Op:
    return gradcheck.op(joined, backward, "x[n d], y[n d], axis=0|1", name="concatenate")


concatenate = of(split)
einsum = gradcheck.op(
    contract,
    lambda dz, *xs, subscripts: contract_back(dz, *xs),
    "x[n d], y[n d], subscripts='ij,ij->i'",
    name="einsum",
)

FORMULAS = {
    "one": lambda a, b: np.concatenate([a]),
    "two by name": lambda a, b: np.concatenate([a, b], axis=1),
    "three": lambda a, b: np.concatenate([a, b, a * 2.0]),
    "rows": lambda a, b: np.concatenate([a[0], b[1], a[0], b[0]]),
    "a tuple": lambda a, b: np.concatenate((a, b, b), axis=1),
    "an array among nodes": lambda a, b: np.concatenate([a, y, b]),
    "words first": lambda a, b: np.einsum("ij,ij->i", a, b),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_numpys_own_call_is_recorded(name: str) -> None:
    formula = FORMULAS[name]
    assert_allclose(gradcheck.graph(formula)(x, y), formula(x, y))
    passes(gradcheck.graph(formula), x, y)


def test_a_wrong_one_is_blamed_whatever_the_number_of_its_inputs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(globals(), "concatenate", of(reversed_))

    def three(a: Any, b: Any) -> Any:
        rows = np.concatenate([a, b, a * b])
        return rows * rows

    assert guilty(fails(gradcheck.graph(three), x, y)) == {"rows"}


def test_a_graph_built_by_hand_takes_them_too() -> None:
    graph = Graph("piled")
    a, b = graph.input("a"), graph.input("b")
    graph.output(graph.apply(concatenate, a, b, a, axis=1))
    assert graph.op("a[n d], b[n d]").forward(x, y).shape == (2, 6)
    passes(graph.op("a[n d], b[n d]"))


def test_the_op_itself_is_checked_as_declared() -> None:
    passes(concatenate)
    assert {f.code for f in fails(of(reversed_)).findings} == {"wrong-gradient"}


def taken(dy: Array, x: Array, indices: Array) -> tuple[Any, ...]:
    dx = np.zeros_like(x)
    np.add.at(dx, indices, dy)
    return dx, None


def test_a_list_is_a_list_of_inputs_only_where_it_holds_some() -> None:
    take = gradcheck.op(lambda x, indices: x[indices], taken, "x[n d], indices:int[k]<n")
    assert gradcheck.graph(lambda a: take(a, [1]))(x).shape == (1, 2)


def test_an_op_with_a_fixed_number_of_inputs_says_how_many() -> None:
    fixed = gradcheck.op(np.add, lambda d, x, y: (d * 1, d * 1), "x[n], y[n]", name="plus")
    with pytest.raises(UsageError, match=r"plus takes 2 inputs \(x, y\), not 3"):
        gradcheck.check(gradcheck.graph(lambda a: fixed(a, a, a)), np.ones(3))


def test_the_vjp_of_a_registered_function_takes_any_number_too() -> None:
    @gradcheck.register("x[n d], y[n d]", name="piled")
    def piled(*xs: Array) -> Array:
        return np.concatenate(xs)

    piled.def_vjp(split)
    out, pullback = piled.vjp(x, y, x)
    assert out.shape == (6, 2)
    assert_allclose(np.concatenate(pullback(out)), out)


def test_attributes_by_place_come_after_the_list_of_inputs() -> None:
    def beside(a: Any, b: Any) -> Any:
        return np.concatenate([a, b, a], 1)

    assert_allclose(gradcheck.graph(beside)(x, y), beside(x, y))
    passes(gradcheck.graph(beside), x, y)
    with pytest.raises(UsageError, match="takes a list of inputs and then axis"):
        gradcheck.check(gradcheck.graph(lambda a: np.concatenate([a, a], 0, a)), x)


def test_a_vjp_takes_attributes_by_place() -> None:
    from reference_ops.arithmetic import power

    out, pullback = power.vjp(np.array([4.0]), 0.5)
    assert (out, *pullback(np.ones(1))) == (2, 0.25)


def test_one_list_is_all_the_inputs_of_a_graph() -> None:
    made = gradcheck.graph("a[], b[]")(lambda a, b: a * b)
    assert made([3.0, 4.0]) == 12
    assert made(3.0, 4.0) == 12


def test_names_of_further_inputs_are_new() -> None:
    made = gradcheck.op(joined, split, "x_2[n d], x[n d]", name="odd")
    assert [i.name for i in made.of(4).inputs] == ["x_2", "x", "x_3", "x_4"]
