"""A result in a notebook: a fragment of HTML without scripts, readable on light and dark pages.

Colours of text are the page's own, so that a dark notebook stays one; the curve has paper of its
own. All text of a user's is made visible (`plain`) and escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from gradcheck import codes
from gradcheck.plain import NAME, SENTENCE, clean, visible
from gradcheck.records import unnum
from gradcheck.reporters.text import curve_of, error_and_limit, place, totals
from gradcheck.results import Finding, OpResult, Report

FINDINGS = 5
"""Findings of an op that are shown in full."""
OPS = 200
"""Ops of a report that have a row."""
_WORDS = {"pass": "pass", "fail": "FAIL", "inconclusive": "not judged"}
_PAPER = {"pass": "#1a7f4e", "fail": "#b42318", "inconclusive": "#7a5200"}
"""Behind white words: a contrast of 5 to 1 or better."""
_MONO = "font-family:ui-monospace,Menlo,Consolas,monospace;font-size:0.92em"
_TABLE = "border-collapse:collapse;border:0;margin:0.3em 0"
_FAINT = "font-weight:400;opacity:0.75;white-space:nowrap"
_CELL = "padding:0.1em 0.8em 0.1em 0;text-align:left;vertical-align:top;border:0"


def of_result(result: OpResult) -> str:
    """Verdict, numbers, the likely mistake and the case of each finding, and the curve."""
    shown = [f for f in result.findings if f.severity in ("fail", "not judged")]
    parts = [_heading(result)]
    if result.verdict == "inconclusive" and result.reason:
        parts.append(_block(clean(result.reason, SENTENCE)))
    parts += [_finding(result, found) for found in shown[:FINDINGS]]
    more = len(result.findings) - len(shown[:FINDINGS])
    if more:
        parts.append(_block(f"{more} more finding{'s' * (more != 1)}: see .findings"))
    return _wrapped(parts)


def of_report(report: Report) -> str:
    """The totals, a row for each op, and in full what did not pass."""
    failed = [r for r in report.results if r.verdict != "pass"]
    parts = [_block(f"<strong>{escape(totals(report))}</strong>", raw=True)]
    parts += [_block(f"could not be checked: {clean(e, SENTENCE)}") for e in report.errors]
    parts.append(_table(report.results[:OPS]))
    if len(report.results) > OPS:
        parts.append(_block(f"{len(report.results) - OPS} more ops: see .results"))
    parts += [of_result(r) for r in failed[:FINDINGS]]
    if len(failed) > FINDINGS:
        parts.append(_block(f"{len(failed) - FINDINGS} more did not pass: see .results"))
    return _wrapped(parts)


def _wrapped(parts: Sequence[str]) -> str:
    return f'<div style="margin:0.4em 0;max-width:60em">{"".join(parts)}</div>'


def _block(text: str, *, raw: bool = False) -> str:
    return f'<div style="margin:0.3em 0">{text if raw else escape(text)}</div>'


def _badge(result: OpResult) -> str:
    word = _WORDS[result.verdict] + (", waived" if result.waived else "")
    style = f"background:{_PAPER[result.verdict]};color:#fff;padding:0 0.5em;border-radius:3px"
    return f'<span style="{style}">{word}</span>'


def _heading(result: OpResult) -> str:
    error, limit = error_and_limit(result.worst)
    counted = f"{result.cases} case{'s' * (result.cases != 1)}, {result.comparisons:,} comparisons"
    if result.verdict == "pass" and result.worst is not None:
        counted += f", largest relative error {error} (would have seen {limit})"
    name = escape(clean(result.op, NAME))
    return _block(f"<strong>{name}</strong> {_badge(result)} {escape(counted)}", raw=True)


def _finding(result: OpResult, found: Finding) -> str:
    """What, the two numbers, the guess, the case as code, and where."""
    rows = [("found", f"{found.check}: {codes.headline(found.code)}")]
    if found.numbers is not None:
        n, (error, limit) = found.numbers, error_and_limit(found.numbers)
        difference = f"{unnum(n.finite_difference):.6g} ± {unnum(n.bound):.1g}"
        rows += [
            ("where", f"gradient of {found.input}, entry {place(n.entry)}"),
            ("backward pass", f"{unnum(n.backward):.6g}"),
            ("finite difference", difference),
            ("relative error", f"{error}, would have seen {limit}"),
        ]
    else:
        rows.append(("what", found.message))
    rows += [("likely", found.diagnosis)] if found.diagnosis else []
    rows.append(("backward", str(found.source or result.source)))
    cells = "".join(
        f'<tr style="background:none"><th style="{_CELL};{_FAINT}">{label}</th>'
        f'<td style="{_CELL}">{escape(clean(text, SENTENCE))}</td></tr>'
        for label, text in rows
    )
    made = f'<table style="{_TABLE}">{cells}</table>'
    if curve_of(result, found) is not None:
        made += _curve(result)
    if not found.case:
        return made
    style = f"{_MONO};white-space:pre-wrap;overflow-wrap:anywhere;margin:0.3em 0 1em 1em"
    return (
        made
        + f'<div>smallest case found</div><pre style="{style}">{escape(visible(found.case))}</pre>'
    )


def _table(results: Sequence[OpResult]) -> str:
    head = "".join(
        f'<th scope="col" style="{_CELL};{_FAINT}">{label}</th>'
        for label in ("op", "verdict", "worst rel. error", "seen from", "cases")
    )
    rows = []
    for r in results:
        cells = [escape(clean(r.op, NAME)), _badge(r), *error_and_limit(r.worst), str(r.cases)]
        row = "".join(f'<td style="{_CELL}">{cell}</td>' for cell in cells)
        rows.append(f'<tr style="background:none">{row}</tr>')
    body = f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody>"
    return f'<table style="{_TABLE}">{body}</table>'


def _curve(result: OpResult) -> str:
    """The picture of the HTML report, on white paper."""
    from gradcheck.reporters.html import packing, plots  # jinja2 comes with it

    drawn = plots.curve(packing.packed(result.figures, exact=False)["curve"])
    style = "background:#fff;display:inline-block;padding:0.4em;border-radius:3px;max-width:100%"
    return f'<div style="{style};overflow-x:auto">{drawn}</div>'
