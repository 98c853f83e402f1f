"""Ours on a call: its own point and a few near it, under one limit of time."""

from __future__ import annotations

import time
from typing import Any

from gradcheck.api import check
from gradcheck.errors import GradientError
from gradcheck.plain import clean
from gradcheck.plugin.session import Session, running
from gradcheck.records import unnum
from gradcheck.reporters.text import headline
from gradcheck.results import OpResult
from gradcheck.torch_shim.call import Call, NotTaken, Point, points
from gradcheck.torch_shim.record import Said

CHECKS = ("contract", "values", "purity", "linearity", "layout")
MORE = ("check_batched_grad", "check_forward_ad", "check_batched_forward_grad")
"""What a call may ask for that the check "framework" looks at."""
FEW = 400
"""Evaluations, where every entry takes too long."""


def judged(call: Call, cases: int, seconds: float) -> Said:
    """What ours says of a call; never raises for what the user's code does."""
    started = time.perf_counter()
    results = list[OpResult]()
    try:
        for point in points(call, cases):
            left = seconds - (time.perf_counter() - started)
            if results and left <= results[-1].seconds:
                break
            results.append(_at(call, point, len(results), max(left, 0.1)))
            if results[-1].verdict == "fail":
                break
    except NotTaken as why:
        return Said(verdict="not run", sentence=str(why), seconds=time.perf_counter() - started)
    return _together(results, time.perf_counter() - started)


def _at(call: Call, point: Point, number: int, seconds: float) -> OpResult:
    """Every entry in half of the time; where that was too little, blocks and directions."""
    started = time.perf_counter()
    result = _checked(call, point, number, (seconds / 2, None))
    left = seconds - (time.perf_counter() - started)
    if result.verdict != "inconclusive" or left > seconds / 2:
        return result
    return _checked(call, point, number, (max(left, 0.1), FEW))


def _checked(call: Call, point: Point, number: int, effort: tuple[float, int | None]) -> OpResult:
    seconds, budget = effort
    dtypes = {str(t.dtype).removeprefix("torch.") for t in point.tensors}
    real = {{"complex64": "float32", "complex128": "float64"}.get(d, d) for d in dtypes}
    framework = call.order == 2 or any(call.options.get(key) for key in MORE)
    options: dict[str, Any] = {
        "name": call.name,
        "seed": number,
        "vary_sizes": False,
        "dtypes": tuple(real) if len(real) == 1 else ("mixed",),
        "checks": (*CHECKS, "framework") if framework else CHECKS,
    }
    if budget is not None:
        options["budget"] = budget
    if call.order == 2:
        options["order"] = 2
    if call.signif is not None:
        options["signif"] = call.signif
    limits = {"op-time-limit": seconds, "time-limit": seconds}
    with running(Session(limits)):
        try:
            return check(point.function, *point.tensors, **options)
        except GradientError as error:
            return error.result


def _together(results: list[OpResult], seconds: float) -> Said:
    for result in results:
        if result.verdict == "fail":
            first = next(f for f in result.findings if f.severity == "fail")
            return Said(
                verdict="fail", sentence=headline(result), check=first.check, seconds=seconds
            )
    if results[0].verdict != "pass":
        return Said(verdict="not judged", sentence=clean(results[0].reason), seconds=seconds)
    errors = [unnum(r.worst.relative_error) for r in results if r.worst is not None]
    compared = sum(r.comparisons for r in results)
    said = f"{compared} comparisons at {len(results)} point{'s' * (len(results) != 1)}"
    if errors:
        said += f", relative error at most {max(errors):.2g}"
    return Said(verdict="pass", sentence=said, seconds=seconds)
