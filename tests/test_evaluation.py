"""What is evaluated again at one case: gradients alone, and when two sets of them agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradcheck
from gradcheck.arrays import as_outputs
from gradcheck.checks import agreement
from gradcheck.checks.facts import Facts, usable_gradients
from gradcheck.evaluation import Evaluator, UserCodeRaised
from gradcheck.guards import GlobalRandom
from gradcheck.model import Case, Op, Recipe
from gradcheck.settings import Settings
from tests.judged import fails, passes

X = np.array([1.0, -2.0, 0.5])
DZ = np.array([0.25, 1.5, -1.0])


def rule(backward: Any) -> Op:
    return gradcheck.op(np.square, backward, "x[n]", name="square")


def at(op: Op) -> tuple[Evaluator, Case]:
    return Evaluator(op, GlobalRandom(0)), Case(Recipe(regime="generic"), (X.copy(),))


def test_calls_near_a_case_are_counted_also_where_forward_raises() -> None:
    def forward(x: Any) -> Any:
        if x[0] < 0:
            raise ArithmeticError("below zero")
        return np.square(x)

    evaluator, _ = at(gradcheck.op(forward, lambda dz, x: 2 * x * dz, "x[n]"))
    for observed in (False, True):  # before and after it is known that nothing is random
        if observed:
            evaluator.random.observe()
        before = evaluator.counters.forward_calls
        call = evaluator.caller({})
        assert call((X,))[0].tolist() == [1.0, 4.0, 0.25]
        with pytest.raises(UserCodeRaised, match="below zero"):
            call((-X,))
        assert evaluator.counters.forward_calls == before + 2


def test_forward_may_protect_an_array_that_is_not_contiguous() -> None:
    """What it gets is a view of what is perturbed, which stays writable."""

    def forward(x: Any) -> Any:
        x.flags.writeable = False
        return np.tanh(x)

    x = np.asfortranarray(np.linspace(-2.0, 2.0, 12).reshape(3, 4))
    passes(forward, lambda dz, x: dz / np.cosh(x) ** 2, x, max_cases=4)
    fails(forward, lambda dz, x: -dz / np.cosh(x) ** 2, x, max_cases=4)


def test_forward_is_called_as_it_was_written_where_its_arguments_are_the_inputs() -> None:
    def forward(x: Any, factor: float = 2.0) -> Any:
        return factor * x, x

    def plain(x: Any) -> Any:
        return 2 * x

    cached = gradcheck.op(forward, lambda dz, cache: 2 * dz, "x[n]")
    assert cached.forward is not forward
    assert cached.forward(X).tolist() == (2 * X).tolist()
    assert gradcheck.op(plain, lambda dz, x: 2 * dz, "x[n]").forward is plain


def test_gradients_alone_are_those_of_an_answer() -> None:
    evaluator, case = at(rule(lambda dz, x: 2 * x * dz))
    alone = evaluator.gradients(case, (DZ,))
    answer = evaluator.answer(case, (DZ,))
    assert alone is not None
    assert answer.gradients is not None
    assert np.array_equal(alone[0], 2 * X * DZ)
    assert np.array_equal(answer.gradients[0], alone[0])
    assert (evaluator.counters.forward_calls, evaluator.counters.backward_calls) == (2, 2)


def test_what_backward_writes_into_stays_as_it_was() -> None:
    def backward(dz: Any, x: Any) -> Any:
        dz *= 2 * x
        x[:] = 0
        return dz

    evaluator, case = at(rule(backward))
    for _ in range(2):
        made = evaluator.gradients(case, (DZ,))
        assert made is not None
        assert np.array_equal(made[0], 2 * X * DZ)
    assert evaluator.answer(case, (DZ,)).overwritten == (
        "x (by backward)",
        "cotangent (by backward)",
    )


def test_an_input_that_both_passes_write_into_is_told_of_twice() -> None:
    def forward(x: Any) -> Any:
        x += 1
        return x * 1.0

    def backward(dz: Any, x: Any) -> Any:
        x += 1
        return dz * 1.0

    evaluator, case = at(gradcheck.op(forward, backward, "x[n]", name="shift"))
    assert evaluator.answer(case, (DZ,)).overwritten == ("x (by forward)", "x (by backward)")


def test_a_backward_that_raises_is_said_to() -> None:
    evaluator, case = at(rule(lambda dz, x: dz[9]))
    with pytest.raises(UserCodeRaised) as caught:
        evaluator.gradients(case, (DZ,))
    assert caught.value.where == "backward"


@pytest.mark.parametrize("value", [1.5, np.float32(2), X, [X, 3], (X, np.eye(2))])
def test_outputs_are_arrays_however_forward_returns_them(value: Any) -> None:
    parts = value if isinstance(value, (tuple, list)) else [value]
    made = as_outputs(value)
    assert [type(o) for o in made] == [np.ndarray] * len(parts)
    assert all(np.array_equal(o, p) for o, p in zip(made, parts, strict=True))


@pytest.mark.parametrize(
    ("change", "found"),
    [(0.0, ""), (1e-300, ""), (1e-3, "gradient of x, entry (1,)"), (np.nan, "gradient of x")],
)
def test_gradients_are_apart_where_an_entry_is(change: float, found: str) -> None:
    op = rule(lambda dz, x: 2 * x * dz)
    evaluator, case = at(op)
    answer = evaluator.answer(case, (DZ,))
    base = usable_gradients(op, case, answer.gradients)
    facts = Facts(op, Settings(), evaluator, case, (DZ,), answer, "float64", base)
    assert base[0] is not None
    other = base[0].copy()
    other[1] += change
    said = agreement.apart(facts, (other,), base)
    assert said.startswith(found)
    assert bool(said) == bool(found)


@pytest.mark.parametrize("more", [True, False])
@pytest.mark.parametrize("turn", range(1, 39))
def test_another_number_of_outputs_at_any_call_is_no_fault_of_ours(turn: int, more: bool) -> None:
    calls = [0]

    class Moody:
        def forward(self, x: Any) -> Any:
            self.x = x
            calls[0] += 1
            outputs = np.sin(x), 2 * x, np.cos(x)
            return outputs if (calls[0] == turn) == more else outputs[:2]

        def backward(self, g: Any) -> Any:
            return g[0] * np.cos(self.x) + 2 * g[1]

    try:
        found = gradcheck.check(Moody, X, max_cases=1, checks="contract purity").findings
    except gradcheck.GradientError as error:
        found = error.result.findings
    codes = {f.code for f in found}
    assert codes <= {"output-count", "wrong-gradient", "forward-raised", "random-forward"}
    assert codes or calls[0] >= turn


def test_another_number_of_outputs_for_backward_is_a_finding() -> None:
    class OneLess:
        calls = 0

        def forward(self, x: Any) -> Any:
            OneLess.calls += 1
            return (np.sin(x), np.cos(x))[: 1 + OneLess.calls % 2]

        def backward(self, g: Any) -> Any:
            return g

    with pytest.raises(gradcheck.GradientError) as caught:
        gradcheck.check(OneLess, X, max_cases=4)
    first = caught.value.result.findings[0]
    assert (first.code, first.check, first.severity) == ("output-count", "contract", "fail")
    assert "returned 2 outputs, and 1 output when" in first.message
