"""Reports of every sort: what every kind of report must be able to show."""

from __future__ import annotations

from typing import Any

from gradcheck.figures import Curve, Figures
from gradcheck.records import num
from gradcheck.results import (
    CheckSummary,
    Convention,
    Finding,
    OpResult,
    Report,
    Source,
    Waived,
    Worst,
    summarise,
)

NAN, INF = float("nan"), float("inf")
HOSTILE = (
    "<script>alert(1)</script><!-- ",
    "quotes \" ' & ]]> &lt;",
    "two\nlines\r\n::error::planted\n##[error]planted",
    "turned \u202e round \u2066 and \u200f back",
    "long " * 2000,
    "half a pair \ud800",
    "colour \x1b[31m, bell \x07, \x9b31m, \x00, \x7f, \x85, \u2028",
    "| bar \\| ` tick ``` fence\n```\n# heading [link](javascript:alert(1)) @someone {0}",
)
"""Texts that some format takes for something else."""


def worst(**facts: Any) -> Worst:
    """Of a wrong gradient."""
    usual = {
        "input": "x",
        "entry": (0, 1),
        "backward": -2.0,
        "finite_difference": 1.0,
        "bound": 1e-12,
        "relative_error": 1.5,
        "limit": 1e-11,
        "steps": (2.0**-14, 2.0**-13),
        "truncation": 1e-13,
        "roundoff": 1e-12,
        "wrong": 3,
        "entries": 4,
    }
    return Worst(**{**usual, **facts})


def finding(**facts: Any) -> Finding:
    """A wrong gradient."""
    usual = {
        "code": "wrong-gradient",
        "check": "values",
        "severity": "fail",
        "message": "gradient of x, entry (0, 1): backward gives -2, finite difference 1 ± 1e-12",
        "input": "x",
        "entry": (0, 1),
        "diagnosis": "sign and factor: backward = -2 x finite difference",
        "numbers": worst(),
        "case": "x = np.array([[1.0, 2.0]])",
        "regime": "plain",
        "recipe": '{"regime":"generic"}',
        "replay": "gradcheck replay affine-1a2b3c",
        "cases": 4,
    }
    return Finding(**{**usual, **facts})


def op(name: str = "affine", verdict: str = "pass", **facts: Any) -> OpResult:
    """One op; by itself it passed."""
    code = "def affine_backward(dz, x):\n    return -2 * dz"
    usual = {
        "op": f"gates::{name}",
        "target": f"gates.py::{name}",
        "kind": "function pair",
        "verdict": verdict,
        "source": Source(file="gates.py", line=14, forward_line=10),
        "checks": {"values": CheckSummary(verdict=verdict, comparisons=40)},
        "worst": worst(relative_error=1e-12, wrong=0),
        "figures": Figures(code=code, code_line=14),
        "coverage": {"plain": 12},
        "conventions": [
            Convention(input="x", count=2, left=0.0, right=1.0, yours=0.0, where="0.0")
        ],
        "dtypes": ["float64"],
        "cases": 12,
        "comparisons": 40,
        "seconds": 0.25,
    }
    return OpResult(**{**usual, **facts})


def wrong(name: str = "wrong", **facts: Any) -> OpResult:
    """An op that failed."""
    usual = {"findings": [finding()], "worst": worst()}
    return op(name, "fail", **{**usual, **facts})


def unjudged(name: str = "unjudged", **facts: Any) -> OpResult:
    """An op without a verdict."""
    usual = {"reason": "7 of 12 comparisons were drowned in noise", "worst": None}
    return op(name, "inconclusive", **{**usual, **facts})


def warned() -> OpResult:
    """An op that passed, with a warning and a note."""
    lesser = [
        finding(code="shared-memory", check="purity", severity="warning", message="returns dz"),
        finding(code="lost-tail", severity="note", message="0 where the truth is 1e-18"),
    ]
    return op("warned", findings=lesser)


def report(*results: OpResult, errors: tuple[str, ...] = (), **facts: Any) -> Report:
    """A run over these ops."""
    usual = {
        "seed": 7,
        "profile": "fast",
        "settings": {"strict": True},
        "environment": {"gradcheck": "0.1.0", "python": "3.11.7"},
        "summary": summarise(list(results), len(errors), 1.5),
        "results": list(results),
        "errors": list(errors),
        "planned": len(results),
    }
    return Report(**{**usual, **facts})


def waiver(state: str = "met", **facts: Any) -> Waived:
    """An entry of the waiver file."""
    usual = {
        "op": "gates::wrong",
        "code": "wrong-gradient",
        "reason": "known, issue 12",
        "expires": "2027-02-01",
        "state": state,
        "message": "" if state == "met" else f"it is {state}: take it out of the file",
    }
    return Waived(**{**usual, **facts})


def hostile() -> Report:
    """Every text that a user can put into a report, in every hostile way."""
    results = [_hostile(k, text) for k, text in enumerate(HOSTILE)]
    results.append(unjudged(HOSTILE[0], reason="".join(HOSTILE)))
    results.append(wrong(HOSTILE[7], waived=HOSTILE[2]))
    texts = dict(enumerate(HOSTILE))
    return report(
        *results,
        errors=HOSTILE,
        settings={texts[2]: texts[0], "seed": texts[3]},
        environment={texts[1]: texts[6]},
        waivers=[waiver("expired", op=text, message=text) for text in HOSTILE],
    )


def _hostile(number: int, text: str) -> OpResult:
    found = finding(
        message=text,
        input=text,
        diagnosis=text,
        case=text,
        regime=text,
        replay=text,
        traceback=text,
        path=text,
        code=text if number % 2 else "wrong-gradient",
    )
    return wrong(
        text,
        op=f"{text}::{text}",
        target=text,
        source=Source(file=text, line=number),
        findings=[found, finding(severity="warning", message=text, source=Source(file=text))],
        assumptions=[text],
        rejected={text: 1},
        figures=Figures(code=text, code_line=number),
    )


def not_finite() -> Report:
    """NaN and infinities where numbers are."""
    numbers = worst(
        backward=num(NAN), finite_difference=num(INF), relative_error=num(NAN), bound=num(-INF)
    )
    curve = Curve(
        input="x",
        entry=(0,),
        steps=(0.5, 0.25),
        slopes=(num(NAN), num(INF)),
        truncation=(0.0, 0.0),
        roundoff=(0.0, num(INF)),
        value=num(NAN),
        bound=num(INF),
        backward=num(-INF),
    )
    return report(
        wrong(worst=numbers, findings=[finding(numbers=numbers)], figures=Figures(curve=curve)),
        op("fine"),
    )


RIGHT = {
    "passing": report(op(), op("second"), warned()),
    "waived": report(op(), wrong(waived="until 2027-02-01: known"), waivers=[waiver()]),
}
"""Reports of runs that are right, by name."""
WRONG = {
    "failing": report(op(), wrong(), warned()),
    "not judged": report(op(), unjudged()),
    "errors only": report(errors=("gates.py could not be imported: gates.py:3: NameError: x",)),
    "errors besides": report(op(), errors=("broken.py: SyntaxError",)),
    "interrupted": report(op(), interrupted=True, planned=3),
    "interrupted at once": report(interrupted=True, planned=3),
    "cut short": report(op(), planned=3, cut_short="out of time (--max-time 1)"),
    "empty": report(),
    "all waived": report(wrong(waived="until 2027-02-01: known"), waivers=[waiver()]),
    "fixed waiver": report(op(), waivers=[waiver("fixed")]),
    "expired waiver": report(op(), waivers=[waiver("expired")]),
    "unmet waiver": report(op(), waivers=[waiver("unmet")]),
    "not finite": not_finite(),
    "hostile": hostile(),
}
"""Reports of runs that fail, by name."""
EVERY = {**RIGHT, **WRONG}
