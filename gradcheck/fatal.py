"""What would end the whole process is done in a forked child of it, where forks are safe.

A framework's compiled ops divide by a number of entries that is 0, or read beyond an array that
they take for a longer one. No exception comes of that, but a signal, or other numbers elsewhere.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from functools import partial

import msgspec
import numpy as np

from gradcheck.errors import UsageError
from gradcheck.evaluation import Evaluator
from gradcheck.execution.data import Answer, Death, packed, unpacked
from gradcheck.execution.death import described, judged
from gradcheck.forking import ChildDied, in_a_child
from gradcheck.guards import alone
from gradcheck.model import Case, Op
from gradcheck.results import Finding, OpResult

PATIENCE = 2.0
"""Seconds after which nothing is known of a child that is still at two passes."""


def survived(op: Op, check: Callable[[], OpResult]) -> OpResult:
    """The result of a check: of one in a child, for an op that no line of Python stands before.

    Raises
    ------
    UsageError
        As the check does.
    """
    foreign = op.foreign
    if foreign is None or not foreign.compiled or not (alone() and foreign.can_fork()):
        return check()

    def answer() -> str:
        try:
            made = Answer(number=0, result=check())
        except UsageError as error:
            made = Answer(number=0, problem=str(error))
        except Exception:
            made = Answer(number=0, fault=traceback.format_exc())
        return packed(made).decode("ascii")

    try:
        found = unpacked(in_a_child(answer).encode("ascii"), Answer)
    except ChildDied as error:
        found = Answer(number=0, death=Death(how=described(error.code)))
    return judged(op, found)


def finding(evaluator: Evaluator, case: Case) -> Finding | None:
    """That the two passes end their process at a case without entries; None where they do not."""
    foreign = evaluator.op.foreign
    if foreign is None or all(p.size for p in case.primals) or not foreign.can_fork():
        return None

    try:
        in_a_child(partial(_passes, evaluator, case), PATIENCE)
    except ChildDied as error:
        if _dies_anyway(evaluator, case):
            return None
        odd = f" ({case.recipe.note})" if case.recipe.note else ""
        message = (
            f"forward or backward ends its process at an input without entries{odd}: a child that "
            f"tried it {described(error.code)}. Raise an exception there, before compiled code is "
            "called"
        )
        return Finding(code="process-died", check="contract", severity="fail", message=message)
    except TimeoutError:
        return None
    return None


def _passes(evaluator: Evaluator, case: Case) -> str:
    try:
        outputs = evaluator.forward(case.primals, case.attributes)
        evaluator.answer(case, tuple(np.ones_like(o) for o in outputs))
    except BaseException:  # it is raised again where it can be told
        return "raised"
    return "done"


def _dies_anyway(evaluator: Evaluator, case: Case) -> bool:
    """A child dies of the op's example too: a library in it works in no forked child."""
    example = evaluator.op.example
    if example is None or not all(np.size(p) for p in example):
        return False
    try:
        inside = msgspec.structs.replace(case, primals=tuple(example))
        in_a_child(partial(_passes, evaluator, inside), PATIENCE)
    except (ChildDied, TimeoutError):
        return True
    return False
