"""Each reference op beside PyTorch, on the harness's own cases: its values and its gradients."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import gradcheck
from gradcheck.targets import load
from tests import oracles

pytest.importorskip("torch")

ORACLES = oracles.known()
OPS = {oracles.place(op): op for op in load("reference_ops")}
MAX_CASES = 25


@pytest.mark.parametrize(("family", "name"), sorted(ORACLES), ids=lambda word: word)
def test_agrees_with_pytorch(family: str, name: str) -> None:
    from tests.oracles.record import beside

    oracle = ORACLES[family, name]
    op, seen = beside(OPS[family, name], oracle)
    result = gradcheck.check(op, max_cases=MAX_CASES)
    assert result.verdict == "pass"
    assert not seen.differ, f"{len(seen.differ)} differ; the first: {seen.differ[0]}"
    assert seen.gradients > 2 * sum(seen.refused.values()), seen.refused
    assert result.checks["reference"].comparisons > 2 * result.checks["reference"].inconclusive
    assert seen.conventions == 0 or oracle.why


def test_every_op_has_an_oracle() -> None:
    assert set(OPS) == set(ORACLES)


@pytest.mark.parametrize("spoilt", ["forward", "backward"])
def test_an_op_that_differs_from_pytorch_is_found(spoilt: str) -> None:
    """A wrong forward with the backward that belongs to it passes all else."""
    from tests.oracles.record import Oracle, beside

    square = OPS["elementwise", "square"]

    def vjp(*primals: Any) -> Any:
        outputs, pullback = square.vjp(*primals)
        return outputs, lambda cotangents: tuple(1.001 * g for g in pullback(cotangents))

    if spoilt == "forward":
        op, _ = beside(square, Oracle(lambda x: 1.001 * x * x))
        with pytest.raises(gradcheck.GradientError, match="the reference"):
            gradcheck.check(op, max_cases=20)
    else:
        op, seen = beside(replace(square, vjp=vjp), ORACLES["elementwise", "square"])
        with pytest.raises(gradcheck.GradientError):
            gradcheck.check(op, max_cases=20)
        assert seen.differ
