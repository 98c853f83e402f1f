"""What tests use: the fixture ``gradcheck``, and `parametrize`, which makes a test of each op."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import pytest

from gradcheck import targets
from gradcheck.api import check, check_params
from gradcheck.errors import UsageError
from gradcheck.model import Op
from gradcheck.plugin.marking import MARKER
from gradcheck.plugin.session import current
from gradcheck.registry import op_known
from gradcheck.results import OpResult
from gradcheck.settings import Settings, convert
from gradcheck.tapes import Tape


class Checker:
    """The fixture ``gradcheck``: `gradcheck.check`, and what this test's checks are made with."""

    def __init__(self, settings: Settings) -> None:
        self._base = settings

    def __call__(self, *target: Any, **attributes: Any) -> OpResult:
        """As `gradcheck.check`."""
        __tracebackhide__ = True
        return check(*target, **attributes)

    def params(self, closure: Callable[[], Any], params: Any, **options: Any) -> OpResult:
        """As `gradcheck.check_params`."""
        __tracebackhide__ = True
        return check_params(closure, params, **options)

    @property
    def settings(self) -> Settings:
        """The settings of this test: pyproject, environment, options, markers."""
        return convert(current().given, "options", self._base)


def checker(settings: Settings) -> Checker:
    """The fixture of a test whose markers are right; else a failure, in a sentence."""
    try:
        _ = current().given
    except UsageError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    return Checker(settings)


def parametrize(ops: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Run a test once for each op, which it takes as the argument ``op``.

    The tests are marked ``gradcheck``, and their ids are the names of the ops.

    Parameters
    ----------
    ops : str, module, op or list
        A target as `gradcheck run` takes it ("my_package.gates", "entry:my_package"), a module, a
        registered thing or an op, or a list of these.

    Returns
    -------
    callable
        A decorator for a test function, method or class.

    Raises
    ------
    UsageError
        It holds no op, or cannot be loaded.

    Examples
    --------
    >>> @gradcheck.parametrize("my_package.gates")      # doctest: +SKIP
    ... def test_gates_under_load(op):
    ...     gradcheck.check(op, max_cases=500)
    """
    several = isinstance(ops, list | tuple | set | frozenset)
    found: dict[object, Op] = {}
    for thing in ops if several else [ops]:
        for op in _ops_of(thing):
            found.setdefault(op.target or id(op), op)
    every = list(found.values())
    if isinstance(ops, set | frozenset):  # of texts or classes: their order is another in each run
        every.sort(key=lambda op: (op.id, str(op.source)))
    if not every:
        raise UsageError(f"gradcheck.parametrize({ops!r}): there is no op in it")
    cases = [pytest.param(op, id=name) for op, name in zip(every, _names(every), strict=True)]

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        marked = pytest.mark.parametrize("op", cases)(function)
        made: Callable[..., Any] = getattr(pytest.mark, MARKER)(marked)
        return made

    return decorate


def _ops_of(thing: Any) -> Sequence[Op]:
    if isinstance(thing, str):
        return targets.load(thing)
    if isinstance(thing, ModuleType):
        return targets.ops_in(thing, thing.__name__)
    if isinstance(thing, Tape):
        return thing.values()
    op = op_known(thing)
    if op is None:
        raise UsageError(
            f"gradcheck.parametrize: {thing!r} is no op: pass a target such as 'my_package.gates', "
            "a module, a registered gate, what gradcheck.op returns, or a list of these"
        )
    return [_named(thing, op)]


def _named(thing: Any, op: Op) -> Op:
    """The op under the name that it has in its module, where that is read already."""
    module = sys.modules.get(op.module)
    if module is None:
        return op
    try:
        known = targets.named_ops(module, op.module)
    except UsageError:  # more of it comes below
        return op
    return next((o for name, o in known.items() if vars(module).get(name) is thing), op)


def _names(ops: Sequence[Op]) -> list[str]:
    """Ids that tell the ops apart: their names, with their modules and numbers where need be."""
    for names in ([op.name for op in ops], [op.id for op in ops]):
        if len(set(names)) == len(names):
            return names
    return [f"{op.id}-{number}" for number, op in enumerate(ops, 1)]
