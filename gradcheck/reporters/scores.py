"""The scores of a selftest for the terminal: survivors, a table, totals; and as Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gradcheck.plain import NAME, SENTENCE, clean
from gradcheck.scores import NOT_JUDGED, ONES, STRUCTURED, Planted, Score, Scores
from gradcheck.settings import CHECKS

ORDER = (*CHECKS, NOT_JUDGED)


def print_scores(console: Console, scores: Scores, *, verbosity: int) -> None:
    """Survivors in full, the table, what caught how many; below 0 no table, above 0 all mutants."""
    for score in scores.scores:
        if verbosity > 0 and not score.reason:
            console.print(Text(every(score)), soft_wrap=True)
            console.print()
        for part in _problems(score):
            console.print(part, soft_wrap=True)
            console.print()
    for error in scores.errors:
        console.print(
            Text(f"could not be tested: {clean(error, SENTENCE)}", style="bold red"), soft_wrap=True
        )
    if verbosity >= 0 and scores.scores:
        console.print(table(scores.scores))
        console.print()
        console.print(Text(caught(scores.scores)), soft_wrap=not console.is_terminal)
        for line in traps(scores):
            console.print(Text(line), soft_wrap=not console.is_terminal)
    console.print(Text(totals(scores)), soft_wrap=not console.is_terminal)


def table(scores: Sequence[Score]) -> Table:
    """Op, killed of how many, survived, equivalent, time."""
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    drawn.add_column("op", overflow="fold", min_width=20)
    for column in ("killed", "survived", "equivalent", "time"):
        drawn.add_column(column, justify="right")
    for score in scores:
        drawn.add_row(*_row(score))
    return drawn


def _row(score: Score) -> tuple[Text, ...]:
    if score.reason:
        return (
            Text(clean(score.op, NAME)),
            Text("no score", style="bold red"),
            Text(),
            Text(),
            _time(score),
        )
    style = "bold red" if score.survived else "green"
    return (
        Text(clean(score.op, NAME)),
        Text(f"{score.killed} of {score.telling}", style=style),
        Text(str(score.survived or ""), style=style),
        Text(str(score.equivalent or "")),
        _time(score),
    )


def _time(score: Score) -> Text:
    return Text(f"{score.seconds:.1f} s")


def caught(scores: Sequence[Score]) -> str:
    """Which check caught how many."""
    counts: Counter[str] = sum((s.by_check() for s in scores), Counter())
    return "caught by " + (
        ", ".join(f"{n} {counts[n]:,}" for n in ORDER if counts[n]) or "no check"
    )


def traps(scores: Scores) -> Iterator[str]:
    """How the two well-known weaknesses of tests fared."""
    for trap in (ONES, STRUCTURED):
        killed, telling = scores.trapped(trap)
        if telling:
            yield f"mistakes that {trap} hide{'s' * trap.startswith('an ')}: {killed} of {telling}"


def totals(scores: Scores) -> str:
    """The last line."""
    killed, telling = (sum(getattr(s, n) for s in scores.scores) for n in ("killed", "telling"))
    without = sum(bool(s.reason) for s in scores.scores)
    count = len(scores.scores)
    parts = [
        f"{count} op{'s' * (count != 1)}",
        f"{killed:,} of {telling:,} planted mistakes caught",
    ]
    equivalent = sum(s.equivalent for s in scores.scores)
    parts += [f"{equivalent:,} more are none (equivalent)"] if equivalent else []
    parts += [f"{without} without a score"] if without else []
    parts += [f"{len(scores.errors)} could not be tested"] if scores.errors else []
    parts.append(f"{scores.seconds:.1f} s")
    return ("interrupted: " if scores.interrupted else "") + ", ".join(parts)


def _problems(score: Score) -> Iterator[Text]:
    if score.reason:
        yield Text(
            f"{clean(score.name, NAME)}: no score: {clean(score.reason, SENTENCE)}",
            style="bold red",
        )
    elif score.survived:
        shown = Text(survivors(score))
        shown.highlight_regex(r"^.*SURVIVED", "bold red")
        yield shown


def survivors(score: Score) -> str:
    """What was planted and not caught, by the inputs that would have shown it."""
    lines = [
        f"{clean(score.name, NAME)}: {score.survived} of {score.telling} planted mistakes SURVIVED"
    ]
    groups: dict[str, list[Planted]] = {}
    for planted in score.survivors():
        groups.setdefault(where(planted), []).append(planted)
    for beyond, members in groups.items():
        lines += ["", f"  shown by {beyond}:"]
        for p in members:
            lines += [f"    {p.mutant}", f"      ({p.imitates}) needs {p.needs}"]
    return "\n".join(lines)


def where(planted: Planted) -> str:
    """Which inputs show a survivor."""
    if planted.unseen:
        own = planted.shown_with or "the run's own cases"
        return f"{own}, though no check sees it: a weakness of gradcheck's, please report it"
    return planted.shown_with or "the run's own cases, which were not all run in time"


def every(score: Score) -> str:
    """Each mutant of an op on its line."""
    name = clean(score.op, NAME)
    lines = [f"{name}: this gate catches {score.killed} of {score.telling} planted mistakes"]
    for planted in score.planted:
        if planted.state == "killed":
            what = f"{planted.check}, case {planted.cases}"
        elif planted.state == "equivalent":
            what = f"equivalent: {planted.reason}"
        else:
            what = "SURVIVED"
        lines.append(f"  {planted.mutant:<54s}  {what}")
    return "\n".join(lines)


def markdown(title: str, scores: Sequence[Score]) -> str:
    """A table of scores, and one of survivors where there are any."""
    lines = [
        f"## {title}",
        "",
        "| op | killed | survived | equivalent | caught by |",
        "|---|---|---|---|---|",
    ]
    for s in scores:
        own = ", ".join(f"{n} {s.by_check()[n]}" for n in ORDER if s.by_check()[n])
        killed = s.reason or f"{s.killed} of {s.telling}"
        lines.append(f"| {s.name} | {killed} | {s.survived} | {s.equivalent} | {own} |")
    if any(s.survived for s in scores):
        lines += ["", "| op | survivor | needs | shown by |", "|---|---|---|---|"]
        lines += [
            f"| {s.name} | {p.mutant} | {p.needs} | {where(p)} |"
            for s in scores
            for p in s.survivors()
        ]
    return "\n".join(lines) + "\n"
