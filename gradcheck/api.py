"""`check` and `check_params`: for ordinary tests, scripts and notebooks."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from gradcheck import fatal
from gradcheck.adapters.binding import keywords_of
from gradcheck.adapters.live import adapt_live
from gradcheck.errors import GradientError, UsageError, did_you_mean
from gradcheck.model import Op
from gradcheck.options import OPTION_NAMES, SETTING_NAMES, split_options, words
from gradcheck.plugin.session import current, over
from gradcheck.registry import make
from gradcheck.results import OpResult
from gradcheck.runner import run_one
from gradcheck.settings import Settings, load

LIVE_OPTIONS = ("scope", "strict", "signif", "dtypes", "checks")
_OURS = str(Path(__file__).parent) + os.sep


def check(*target: Any, **attributes: Any) -> OpResult:
    """Check one op; raise unless it passes, or fails as a waiver of the pytest session says.

    Parameters
    ----------
    *target
        ``forward, backward, *example``, a gate class or layer with an example call, a function
        that returns ``(value, gradient)``, or anything registered. A string after the functions is
        a signature.
    **attributes
        Keyword attributes of the example call, which are varied too. The options of `op` and the
        settings ``seed``, ``profile``, ``max_cases``, ``method``, ``step``, ``time_limit`` and
        ``budget`` are taken out of them. In a test they go over its markers, and these over
        pytest's options.

    Returns
    -------
    OpResult
        What was found, warnings included.

    Raises
    ------
    GradientError
        A wrong gradient or a broken contract, or not enough evidence to judge; an AssertionError
        that carries ``.result``.
    UsageError
        The call itself is wrong.
    """
    __tracebackhide__ = True
    try:
        found = _judge(*_understood(target, attributes))
    except UsageError as error:
        raise _plain(error) from error.__cause__
    if isinstance(found, GradientError):
        raise found
    return found


def _understood(
    target: tuple[Any, ...], attributes: Mapping[str, Any]
) -> tuple[Op, dict[str, Any]]:
    """The op of a call, and the settings among its keywords."""
    own = keywords_of(target[0]) if target and callable(target[0]) else frozenset()
    free = {k: v for k, v in attributes.items() if k not in (own or ())}  # forward's own names win
    given = {k: v for k, v in free.items() if k in OPTION_NAMES}
    chosen = {k: v for k, v in free.items() if k in SETTING_NAMES}
    rest = {k: v for k, v in attributes.items() if k not in given and k not in chosen}
    return make(target, rest, given), _asked(given, chosen)


def check_params(
    closure: Callable[[], Any], params: Any, *, gradients: Any = None, **options: Any
) -> OpResult:
    """Check a whole model: perturb its live parameters, call ``closure()``, restore them.

    Parameters
    ----------
    closure : callable
        Without arguments; returns ``(loss, gradients)`` with gradients by parameter name, or just
        the loss where ``gradients`` is given.
    params : dict or list of ndarray
        The live arrays that the closure reads.
    gradients : dict or list, optional
        The live gradients that calling the closure fills.
    **options
        ``scope``, ``strict``, ``signif``, ``dtypes``, ``checks``, and the settings that `check`
        takes.

    Returns
    -------
    OpResult

    Raises
    ------
    GradientError
        As `check`.
    UsageError
        The parameters are not arrays, or the closure returns no gradients.
    """
    __tracebackhide__ = True
    chosen = {k: v for k, v in options.items() if k in SETTING_NAMES}
    given = {k: v for k, v in options.items() if k not in SETTING_NAMES}
    for name in given:
        if name not in LIVE_OPTIONS:
            known = (*LIVE_OPTIONS, *SETTING_NAMES)
            raise UsageError(f"check_params: unknown option {name!r}.{did_you_mean(name, known)}")
    try:
        facts, _ = split_options(given)
        found = _judge(adapt_live(closure, params, gradients, facts), _asked(given, chosen))
    except UsageError as error:
        raise _plain(error) from error.__cause__
    if isinstance(found, GradientError):
        raise found
    return found


def _plain(error: UsageError) -> UsageError:
    """The error without our frames; what the user's code raised is kept, from its own frame on."""
    cause = error.__cause__
    if cause is not None:
        theirs = cause.__traceback__
        while theirs is not None and theirs.tb_frame.f_code.co_filename.startswith(_OURS):
            theirs = theirs.tb_next
        error.__cause__ = cause.with_traceback(theirs) if theirs is not None else None
    return error.with_traceback(None)


def _asked(options: Mapping[str, Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a call; checks that it names are asked for, not a fact about an op."""
    checks = words("checks", options.get("checks"))
    return {**chosen, "checks": list(checks)} if checks else dict(chosen)


def _judge(op: Op, chosen: Mapping[str, Any]) -> OpResult | GradientError:
    """Run; a failure is handed back, for the caller's traceback to end where it was called."""
    session = current()
    given = over(session.given, {k.replace("_", "-"): v for k, v in chosen.items()})
    settings = load(Path.cwd(), profile="dev", command_line=given)
    inside = _inside_hypothesis()
    if inside:
        settings = _one_case(settings, op)
        given["max-cases"] = settings.cases
    illustrated, brief = session.illustrated, inside and not _final_replay()
    name = op.id.rpartition("::")[2]
    known = session.known(name, inside) if session.known is not None else ()
    check = partial(run_one, fixed=given, illustrated=illustrated, brief=brief, known=known)
    result = fatal.survived(op, lambda: check(op, settings))
    if session.keep is not None:
        kept = session.keep(result, inside)
        result = msgspec.structs.replace(result, waived=kept.waived)
    if result.verdict == "pass" or result.waived:
        return result
    if result.verdict == "inconclusive" and inside:
        from hypothesis import reject

        reject()
    from gradcheck.reporters.text import failure

    return GradientError(failure(result, stored=False), result)


def _inside_hypothesis() -> bool:
    """Called from a test under ``@given``: that test makes the cases, and the first is judged."""
    hypothesis = sys.modules.get("hypothesis")
    return bool(hypothesis and hypothesis.currently_in_test_context())


def _final_replay() -> bool:
    """Hypothesis shows this example: those that it tries while it shrinks need no explanation."""
    from hypothesis import control

    context = getattr(control, "_current_build_context", None)  # not public: without it, explain
    return bool(getattr(getattr(context, "value", None), "is_final", True))


def _one_case(settings: Settings, op: Op) -> Settings:
    return msgspec.structs.replace(settings, max_cases=1 if op.example is not None else 3)
