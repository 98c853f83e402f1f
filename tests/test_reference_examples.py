"""Each reference op's docstring has an example call, and it is true."""

from __future__ import annotations

import doctest
import importlib
import re
from typing import Any

import numpy as np
import pytest

from gradcheck.model import Op
from gradcheck.targets import load

OPS = {op.id: op for op in load("reference_ops")}
PARSER = doctest.DocTestParser()


def docstring_of(op_id: str) -> str:
    module, _, name = op_id.partition("::")
    thing: Any = getattr(importlib.import_module(module), name, None)
    return (getattr(thing, "__doc__", None) or "") if thing is not None else ""


def own(op_id: str) -> bool:
    """It has a docstring of its own: an `Op` object, as of another shape, has none."""
    module, _, name = op_id.partition("::")
    return not isinstance(getattr(importlib.import_module(module), name, None), Op)


@pytest.mark.parametrize("op_id", [o for o in OPS if own(o)])
def test_the_example_is_true(op_id: str) -> None:
    module = importlib.import_module(op_id.partition("::")[0])
    text = docstring_of(op_id)
    test = PARSER.get_doctest(text, {**vars(module), "np": np}, op_id, None, None)
    assert test.examples, f"{op_id} has no example call"
    runner = doctest.DocTestRunner(verbose=False)
    said: list[str] = []
    runner.run(test, out=said.append)
    assert not runner.failures, "".join(said)


@pytest.mark.parametrize("op_id", [o for o in OPS if own(o)])
def test_the_docstring_says_what_is_computed_and_its_gradient(op_id: str) -> None:
    said = docstring_of(op_id).partition(">>>")[0]
    assert re.search(r"=|\bgradient\b", said), f"{op_id}: no formula: {said!r}"
