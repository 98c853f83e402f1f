"""How a process ended, in words, and the result of the op that it was checking."""

from __future__ import annotations

import os
import re
import signal

import msgspec

from gradcheck.errors import OwnFault, UsageError
from gradcheck.execution.data import Answer, Death
from gradcheck.model import Op
from gradcheck.plain import SENTENCE, cut, visible
from gradcheck.results import CheckSummary, Finding, OpResult, Severity
from gradcheck.series import LATE

_FRAME = re.compile(r'^  File "(.*)", line (\d+) in (.*)$')
_OURS = os.path.dirname(os.path.dirname(__file__)) + os.sep
NO_ANSWER = "nothing came back of it from where it was to be checked"
LINES = 12
"""Of the frames of a process that died."""


def described(code: int) -> str:
    """How a process with this exit code ended; negative codes are signals."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        return f"was killed by signal {-code}"
    why = ", as by the system when memory is full" if name == "SIGKILL" else ""
    return f"was killed by signal {-code} ({name}){why}"


def last_words(text: str) -> tuple[str, str]:
    """The last line that a process printed, and the user's frames as a traceback prints them.

    Parameters
    ----------
    text : str
        Its standard error, with what `faulthandler` wrote at a crash.
    """
    spoken, _, trace = text.partition("Fatal Python error:")
    lines = [line.strip() for line in spoken.splitlines() if line.strip()]
    frames = [m.groups() for line in trace.splitlines() if (m := _FRAME.match(line))]
    theirs: list[str] = []
    for file, line, name in frames:  # the innermost first
        if file.startswith(_OURS):
            break
        theirs.append(f'  File "{file}", line {line}, in {name}')
    shown = "\n".join(reversed(theirs[:LINES]))
    return cut(visible(lines[-1]), SENTENCE) if lines else "", visible(shown)


def of_fault(trace: str, limits: str) -> Death:
    """Of a process that was short of memory where our own code needed some.

    Parameters
    ----------
    trace : str
        The traceback.
    limits : str
        What it had: `` with 64 MiB of memory``.
    """
    last = trace.strip().rpartition("\n")[2]
    how = f"could not go on{limits} (--memory-limit)"
    return Death(how=how, said=cut(visible(last), SENTENCE))


def sentence(death: Death) -> str:
    """What there is to say of it."""
    said = f"; its last words: {death.said}" if death.said else ""
    return f"the process that ran it {death.how}{said}"


def judged(op: Op, answer: Answer) -> OpResult:
    """The result of an answer: a fail where the process died.

    Raises
    ------
    UsageError
        The op could not be checked; `OwnFault` where that is ours.
    """
    if answer.fault:
        raise OwnFault(answer.fault)
    if answer.problem:
        raise UsageError(answer.problem)
    if answer.late:
        return _left_out(op)
    if answer.result is None:
        if answer.death is None:
            raise UsageError(NO_ANSWER)
        return _died(op, answer.death)
    if answer.death is None:
        return answer.result
    findings = [*answer.result.findings, _finding(answer.death, "warning")]
    return msgspec.structs.replace(answer.result, findings=findings)


def _left_out(op: Op) -> OpResult:
    return OpResult(
        op=op.id,
        target=op.target,
        kind=op.kind,
        verdict="inconclusive",
        source=op.source,
        reason=f"no case was run: {LATE}",
    )


def _died(op: Op, death: Death) -> OpResult:
    return OpResult(
        op=op.id,
        target=op.target,
        kind=op.kind,
        verdict="fail",
        source=op.source,
        checks={"contract": CheckSummary(verdict="fail")},
        findings=[_finding(death, "fail")],
        cases=1,
    )


def _finding(death: Death, severity: Severity) -> Finding:
    if death.limit:
        message = (
            f"stopped after {death.limit:g} s in compiled code (--time-limit), which no exception "
            "reaches"
        )
    else:
        message = sentence(death)
        if severity == "warning":
            message += ". Alone in a process of its own it was judged"
    return Finding(
        code="never-ends" if death.limit else "process-died",
        check="contract",
        severity=severity,
        message=message,
        traceback=death.traceback,
    )
