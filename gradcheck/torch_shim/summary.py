"""What is said at the end: how often both agree, each call on which they do not, and the time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from gradcheck.plain import SENTENCE, clean
from gradcheck.torch_shim.record import KINDS, Record

TITLE = "gradcheck beside torch.autograd.gradcheck"
WRONG = "wrong gradient that passed"
MOST = 50
"""Lines of one kind."""
TITLES = {
    "wrong gradient": (WRONG, "wrong gradients that passed"),
    "other fault": ("other fault that passed", "other faults that passed"),
    "false alarm": ("false alarm", "false alarms"),
    "not judged": ("not judged", "not judged"),
    "not run": ("not run", "not run"),
    "agreement": ("agreement", "agreements"),
}
"""One and several of a kind; the alarms are PyTorch's."""


def lines(records: Sequence[Record], *, every: bool = False) -> Iterator[str]:
    """The summary; ``every`` also lists the calls on which both agree, with the time of each."""
    if not records:
        yield "no call of torch.autograd.gradcheck or gradgradcheck"
        return
    yield from _totals(records)
    for kind in KINDS:
        found = [record for record in records if record.kind == kind]
        if kind == "agreement" and not every:
            continue
        for record in found[:MOST]:
            yield f"{TITLES[kind][0]}: {_line(record, timed=every)}"
        if len(found) > MOST:
            yield f"and {len(found) - MOST} more {TITLES[kind][1]}"


def _totals(records: Sequence[Record]) -> Iterator[str]:
    kinds = Counter(record.kind for record in records)
    order = (*KINDS[-1:], *KINDS[:-1])
    counts = [f"{kinds[k]} {TITLES[k][kinds[k] != 1]}" for k in order if k in kinds or k in _ALWAYS]
    tests = len({record.test for record in records})
    yield f"{_many(len(records), 'call')} in {_many(tests, 'test')}: {', '.join(counts)}"
    theirs = sum(record.theirs.seconds for record in records)
    ours = sum(record.ours.seconds for record in records)
    yield f"time: torch.autograd.gradcheck {theirs:.2f} s, gradcheck {ours:.2f} s"


_ALWAYS = ("agreement", "wrong gradient", "false alarm")


def _many(count: int, word: str) -> str:
    return f"{count} {word}{'s' * (count != 1)}"


def _line(record: Record, *, timed: bool) -> str:
    name = f"{record.name}, second order" if record.order == 2 else record.name
    said = f"{clean(record.test, SENTENCE)}: {name}: "
    ours = record.ours.sentence
    if record.kind == "false alarm":
        said += f'"{record.theirs.sentence}"; gradcheck passes it: {ours}'
    elif record.kind == "agreement":
        said += "wrong to both" if record.ours.verdict == "fail" else "right to both"
        said += f" ({ours})"
    elif record.kind == "not judged" and record.theirs.verdict == "fail":
        said += f'{ours}; PyTorch: "{record.theirs.sentence}"'
    else:
        said += ours
    if timed:
        said += f" [{record.theirs.seconds:.3f} s, gradcheck {record.ours.seconds:.3f} s]"
    return clean(said, 2 * SENTENCE)
