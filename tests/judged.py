"""A check in a test: it passes, or it fails and names the wrong inputs."""

from __future__ import annotations

from typing import Any

import pytest

import gradcheck
from gradcheck.results import OpResult


def passes(*target: Any, **options: Any) -> OpResult:
    result = gradcheck.check(*target, **{"max_cases": 20, **options})
    assert result.verdict == "pass"
    return result


def fails(*target: Any, **options: Any) -> OpResult:
    with pytest.raises(gradcheck.GradientError) as caught:
        gradcheck.check(*target, **{"max_cases": 20, **options})
    assert caught.value.result.verdict == "fail"
    return caught.value.result


def wrong(result: OpResult) -> set[str]:
    return {f.input for f in result.findings if f.severity == "fail" and f.code == "wrong-gradient"}


def guilty(result: OpResult) -> set[str]:
    """The nodes of a graph that are named as wrong."""
    return {n for f in result.findings if f.severity == "fail" for n in f.nodes}
