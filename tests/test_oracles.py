"""Each reference op beside PyTorch, on the harness's own cases: its values and its gradients."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import pytest

import gradcheck
from gradcheck.targets import load, op_of

pytest.importorskip("torch")

from tests import oracles
from tests.oracles.record import Oracle, beside, reference

FAMILIES = {
    m.name: importlib.import_module(f"tests.oracles.{m.name}")
    for m in pkgutil.iter_modules(oracles.__path__)
    if m.name != "record"
}
CASES = [(family, name) for family, m in sorted(FAMILIES.items()) for name in sorted(m.ORACLES)]
MAX_CASES = 60


def found(family: str, name: str) -> Any:
    op = op_of(getattr(importlib.import_module(f"reference_ops.{family}"), name))
    assert op is not None
    return op


@pytest.mark.parametrize(("family", "name"), CASES, ids=lambda word: word)
def test_agrees_with_pytorch(family: str, name: str) -> None:
    oracle: Oracle = FAMILIES[family].ORACLES[name]
    op, seen = beside(found(family, name), oracle)
    result = gradcheck.check(op, reference=reference(oracle), max_cases=MAX_CASES)
    assert result.verdict == "pass"
    assert not seen.differ, f"{len(seen.differ)} differ; the first: {seen.differ[0]}"
    assert seen.gradients > 2 * sum(seen.refused.values()), seen.refused
    assert result.checks["reference"].comparisons > 2 * result.checks["reference"].inconclusive
    assert seen.conventions == 0 or oracle.why


def test_every_op_has_an_oracle() -> None:
    ops = {(op.module.rpartition(".")[2], op.name) for op in load("reference_ops")}
    assert ops == set(CASES)
