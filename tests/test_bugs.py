"""Wrong gradients that public projects shipped: found from one plain call, and no false alarms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradcheck
from gradcheck import GradientError
from gradcheck.results import OpResult
from tests.bugs import ALL, BUGS
from tests.bugs.record import Bug, Call, Function

TOLERANCE = 1e-4


def each(bugs: tuple[Bug, ...]) -> Any:
    return pytest.mark.parametrize("bug", bugs, ids=lambda bug: bug.name)


def checked(bug: Bug, backward: Function, example: Call, **options: Any) -> OpResult:
    """The result of a check as a user has it, where backward must handle what forward accepts."""
    if bug.reset is not None:
        bug.reset()
    options = {"scope": "forward", "profile": "dev", **example.attributes, **options}
    try:
        return gradcheck.check(bug.forward, backward, *example.primals, **options)
    except GradientError as error:
        return error.result


@each(BUGS)
def test_wrong_backward_fails_from_one_plain_call(bug: Bug) -> None:
    assert checked(bug, bug.wrong, bug.example("plain")).verdict == "fail"


@each(ALL)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_right_backward_passes_from_the_plain_call(bug: Bug, dtype: str) -> None:
    result = checked(bug, bug.right, bug.example("plain", dtype), dtypes=dtype)
    assert alarms(result) == []
    assert result.verdict == "pass", result.reason


@each(ALL)
@pytest.mark.parametrize("which", ["generic", "trigger"])
def test_right_backward_raises_no_alarm_elsewhere(bug: Bug, which: str) -> None:
    assert alarms(checked(bug, bug.right, bug.example(which))) == []


def alarms(result: OpResult) -> list[str]:
    return [f.message for f in result.findings if f.severity == "fail"]


# -- the records themselves, without the harness --------------------------------------------------


def upstream(bug: Bug, example: Call) -> Any:
    rng = np.random.default_rng(7)
    output = np.asarray(bug.forward(*example.primals, **example.attributes))
    return np.asarray(rng.choice([-1.5, 0.5, 1.25, 2.0], output.shape))


def gradients(bug: Bug, backward: Function, dz: Any, example: Call) -> tuple[Any, ...]:
    """Of the primals, as backward returns them; None where it raises."""
    try:
        returned = backward(dz, *(np.array(p) for p in example.primals), **example.attributes)
    except Exception:
        return (None,) * len(example.primals)
    return returned if isinstance(returned, tuple) else (returned,)


def one_sided_slopes(bug: Bug, dz: Any, example: Call, k: int) -> tuple[Any, Any]:
    """Of sum(dz * forward) along each entry of primal ``k``, from above and from below."""
    primals = [np.array(p) for p in example.primals]
    here = np.asarray(bug.forward(*primals, **example.attributes))
    slopes = np.zeros((2, *primals[k].shape))
    for side, step in enumerate((1e-6, -1e-6)):
        for place in np.ndindex(primals[k].shape):
            moved = [p.copy() for p in primals]
            moved[k][place] += step
            there = np.asarray(bug.forward(*moved, **example.attributes))
            slopes[side, *place] = ((there - here) * dz).sum() / step
    return slopes[0], slopes[1]


@each(ALL)
@pytest.mark.parametrize("which", ["plain", "generic", "trigger"])
def test_right_backward_is_right(bug: Bug, which: str) -> None:
    example = bug.example(which)
    dz = upstream(bug, example)
    found = gradients(bug, bug.right, dz, example)
    assert len(found) == len(example.primals)
    for k, (gradient, primal) in enumerate(zip(found, example.primals, strict=True)):
        if np.asarray(primal).dtype.kind != "f" or gradient is None:
            continue
        assert gradient.shape == np.shape(primal)
        one, other = one_sided_slopes(bug, dz, example, k)
        assert (gradient >= np.minimum(one, other) - TOLERANCE).all()
        assert (gradient <= np.maximum(one, other) + TOLERANCE).all()


@each(ALL)
def test_wrong_backward_is_wrong_at_its_trigger(bug: Bug) -> None:
    """With a zero in the upstream gradient, an expanded one, or in the second call at least."""
    example = bug.example("trigger")
    random = upstream(bug, example)
    with_zero = np.where(np.arange(random.size).reshape(random.shape) == 0, 0, random)
    expanded = np.broadcast_to(np.array(1.5), random.shape)
    if bug.reset is not None:
        bug.reset()
    assert any(deviates(bug, dz, example) for dz in (random, with_zero, expanded))


def deviates(bug: Bug, dz: Any, example: Call) -> bool:
    right = gradients(bug, bug.right, dz.copy(), example)
    for _ in range(2):
        given = dz if 0 in dz.strides else dz.copy()
        wrong = gradients(bug, bug.wrong, given, example)
        if not np.array_equal(given, dz):
            return True
        for a, b in zip(wrong, right, strict=True):
            if b is not None and (a is None or a.shape != b.shape or not np.allclose(a, b)):
                return True
    return False
