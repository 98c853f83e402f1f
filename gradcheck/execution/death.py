"""How a process ended, in words, and the result of the op that it was checking."""

from __future__ import annotations

import os
import re
import signal

import msgspec

from gradcheck.errors import UsageError
from gradcheck.execution.data import Answer, Death
from gradcheck.model import Op
from gradcheck.plain import SENTENCE, cut, visible
from gradcheck.results import CheckSummary, Finding, OpResult, Severity

_FRAME = re.compile(r'^  File "(.*)", line (\d+) in (.*)$')
_OURS = os.path.dirname(os.path.dirname(__file__)) + os.sep
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


class Fault(Exception):
    """A fault of ours, in another process: its traceback is a note of it."""


def told(death: Death) -> str:
    """What there is to say of it, in a sentence."""
    said = f"; its last words: {death.said}" if death.said else ""
    return f"the process that ran it {death.how}{said}"


def judged(op: Op, answer: Answer) -> OpResult:
    """The result of an answer: a fail where the process died.

    Raises
    ------
    UsageError
        The op could not be checked.
    Fault
        There was a fault of ours.
    """
    if answer.fault:
        fault = Fault(answer.fault.strip().rpartition("\n")[2])
        fault.add_note(answer.fault)
        raise fault
    if answer.result is None:
        if answer.death is None:
            raise UsageError(answer.problem)
        return _died(op, answer.death)
    if answer.death is None:
        return answer.result
    findings = [*answer.result.findings, _finding(answer.death, "warning")]
    return msgspec.structs.replace(answer.result, findings=findings)


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
        message = told(death)
        if severity == "warning":
            message += ". Alone in a process of its own it was judged"
    return Finding(
        code="never-ends" if death.limit else "process-died",
        check="contract",
        severity=severity,
        message=message,
        traceback=death.traceback,
    )
