"""Where the time of one case of a small op goes: the user's code, Hypothesis, each stage of ours.

    python benchmarks/where_time_goes.py
    python benchmarks/where_time_goes.py --json then.json      # keep the figures
    python benchmarks/where_time_goes.py --before then.json    # now beside those

Functions of gradcheck are wrapped for the measurement (`STAGES`): each call is timed with
`time.perf_counter`, and what it spends in another wrapped function counts there, not here. The runs
are those of `gradcheck run` at the profile `ci`; a run without the wrappers says what they cost.
Functions that another version does not have are left out, and named: their time is that of whoever
called them. Writes reports/where_time_goes.md, unless --quick.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib
import json
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import gradcheck
from gradcheck.arrays import Array
from gradcheck.checks import order
from gradcheck.model import Op
from gradcheck.runner import run_one
from gradcheck.settings import Settings
from measuring import REPORTS, bullets, machine, quiet_machine, table

FORWARD, BACKWARD, DRAW = "the user's forward", "the user's backward", "Hypothesis draws the case"
USERS = (FORWARD, BACKWARD, DRAW)
"""Not the harness's own time."""
ONCE = "once an op"
REST = "the rest: between the stages, and the result"
LIMIT = 1.0
"""Milliseconds a case that the harness's own time shall stay below."""
REPEAT = 5
CHECK = "check: "
STAGES = {  # module:attribute -> stage
    "gradcheck.engine:generate": DRAW,
    "gradcheck.runner:prepare": "once an op: its domain, corner cases, precision",
    "gradcheck.trial:build": "the case's arrays",
    "gradcheck.trial:make": "the upstream gradient",
    "gradcheck.trial:Bench._evaluate": "evaluating the case: copies, what was overwritten",
    "gradcheck.evaluation:Evaluator.call_forward": "around forward: counting, pinned random state",
    "gradcheck.evaluation:Evaluator.pull": "around backward: the same",
    "gradcheck.guards:_Watchdog.arm": "the time limit",
    "gradcheck.guards:_Watchdog.disarm": "the time limit",
    "gradcheck.tally:Tally.add": "counting what was found",
    "gradcheck.history:History.add": "keeping the evidence",
    "gradcheck.runner:illustrate": "once an op: figures for a report",
}


class Meter:
    """Time by stage, without what was spent in stages within."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self.spent: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)
        self._inner = [0.0]
        """Seconds of the stages within each stage that is running."""

    def wrap(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            self._inner.append(0.0)
            started = self.clock()
            try:
                return function(*args, **kwargs)
            finally:
                taken = self.clock() - started
                self.spent[stage] += taken - self._inner.pop()
                self.calls[stage] += 1
                self._inner[-1] += taken

        return timed


@contextlib.contextmanager
def watched(meter: Meter, stages: Mapping[str, str]) -> Iterator[list[str]]:
    """Wrap what the stages name; gives those that this version does not have."""
    undo: list[tuple[Any, str, Any]] = []
    missing: list[str] = []
    checks = dict(order.IN_ORDER)
    try:
        for place, stage in stages.items():
            owner, name = _place(place)
            if owner is None or name not in vars(owner):
                missing.append(place)
                continue
            plain = vars(owner)[name]
            undo.append((owner, name, plain))
            setattr(owner, name, meter.wrap(stage, plain))
        for name, check in checks.items():
            order.IN_ORDER[name] = meter.wrap(CHECK + name, check)
        yield missing
    finally:
        order.IN_ORDER.update(checks)
        for owner, name, plain in reversed(undo):
            setattr(owner, name, plain)


def _place(place: str) -> tuple[Any, str]:
    """The module or class that holds a function, or None, and the function's name there."""
    module, _, path = place.partition(":")
    *classes, name = path.split(".")
    try:
        owner: Any = importlib.import_module(module)
    except ModuleNotFoundError:
        return None, name
    for own in classes:
        owner = getattr(owner, own, None)
    return owner, name


Backward = Callable[..., tuple[Array, ...]]


def tanh_backward(dz: Array, z: Array) -> tuple[Array, ...]:
    return (dz * (1 - np.tanh(z) ** 2),)


def affine_backward(dz: Array, x: Array, W: Array, b: Array) -> tuple[Array, ...]:
    return dz @ W, dz.T @ x, dz.sum(axis=0)


OPS: dict[str, tuple[Callable[..., Any], Backward, str]] = {
    "tanh": (lambda z: np.tanh(z), tanh_backward, "z[...]"),
    "affine": (lambda x, W, b: x @ W.T + b, affine_backward, "x[n d], W[k d], b[k]"),
}


def op_of(name: str, meter: Meter | None = None) -> Op:
    """A small op; its two functions are timed where there is a meter."""
    forward, backward, signature = OPS[name]
    if meter is not None:
        forward, backward = meter.wrap(FORWARD, forward), meter.wrap(BACKWARD, backward)
    return gradcheck.op(forward, backward, signature, name=name)


@dataclass(frozen=True)
class Profile:
    """One op's run: milliseconds a case."""

    op: str
    cases: int
    plain: float
    """Without the wrappers."""
    watched: float
    stages: dict[str, float]
    calls: dict[str, float]
    """Of each stage's functions, a case."""
    missing: tuple[str, ...]


def profile(name: str, settings: Settings, repeat: int) -> Profile:
    """Medians of some runs, after one that warms up."""
    run_one(op_of(name), settings, illustrated=True)
    plain, watching, missing, cases = list[float](), list[float](), list[str](), 1
    stages: dict[str, list[float]] = defaultdict(list)
    calls: dict[str, list[float]] = defaultdict(list)
    for _ in range(repeat):
        op, started = op_of(name), time.perf_counter()
        run_one(op, settings, illustrated=True)
        plain.append(time.perf_counter() - started)
        meter = Meter()
        op = op_of(name, meter)
        with watched(meter, STAGES) as left_out:
            started = time.perf_counter()
            result = run_one(op, settings, illustrated=True)
            taken = time.perf_counter() - started
        missing, cases = left_out, max(1, result.cases + result.cases_rejected)
        watching.append(taken)
        for stage, seconds in meter.spent.items():
            stages[stage].append(seconds)
            calls[stage].append(meter.calls[stage])
        stages[REST].append(taken - sum(meter.spent.values()))

    def a_case(values: Sequence[float], unit: float = 1e3) -> float:
        return unit * statistics.median(values) / cases

    return Profile(
        name,
        cases,
        a_case(plain),
        a_case(watching),
        {stage: a_case(values) for stage, values in stages.items()},
        {stage: a_case(values, 1.0) for stage, values in calls.items()},
        tuple(missing),
    )


HEAD = """# Where one case's time goes

Written by `{command}`: two small ops, run as `gradcheck run` runs them at the profile `{profile}`,
both dtypes, in one thread; milliseconds a case, medians of {repeat} runs. The functions of each
stage are wrapped with `time.perf_counter`; time within another stage counts there alone. The
wrappers themselves are in these figures: the last line is the run without them. The *harness's own*
time is all but the user's forward and backward and Hypothesis' draw; it shall stay below {limit:g}
ms for a small op.

"""


def page(now: Mapping[str, Any], before: Mapping[str, Any] | None) -> str:
    """The report; ``before`` is what `--json` kept of another version."""
    parts = [HEAD.format(limit=LIMIT, **{k: now[k] for k in ("command", "profile", "repeat")})]
    for found in now["ops"]:
        then = next((o for o in (before or {}).get("ops", ()) if o["op"] == found["op"]), None)
        parts.append(f"## {found['op']}, {found['cases']} cases\n")
        parts.append(of_op(found, then))
        if found["missing"]:
            parts.append(f"Not in this version: {', '.join(found['missing'])}.\n")
    parts.append(f"Measured on:\n\n{bullets(now['environment'])}")
    if before is not None:
        parts.append(f"Before was measured on:\n\n{bullets(before['environment'])}")
    return "\n".join(parts)


def of_op(now: Mapping[str, Any], then: Mapping[str, Any] | None) -> str:
    """The table of one op, the largest stage first, and the sums."""
    stages = sorted(
        {**(then["stages"] if then else {}), **now["stages"]},
        key=lambda s: (s not in USERS, s.startswith(ONCE), -now["stages"].get(s, 0.0)),
    )
    rows: list[tuple[str, Callable[[Mapping[str, Any]], float | None]]] = [
        *((stage, partial(_of_stage, stage)) for stage in stages),
        ("**the harness's own, all together**", own_time),
        ("everything, with the wrappers", lambda o: float(o["watched"])),
        ("everything, without them", lambda o: float(o["plain"])),
    ]
    head = ("ms a case", "calls a case", "now")
    lines = [[said, _number(now["calls"].get(said)), _number(value(now))] for said, value in rows]
    if then is None:
        return table(head, lines)
    for line, (_, value) in zip(lines, rows, strict=True):
        old, new = value(then), value(now)
        change = "-" if not old or new is None else f"{new / old:.2f}×"
        line[2:] = [_number(old), _number(new), change]
    return table((*head[:2], "before", "now", "now / before"), lines)


def _of_stage(stage: str, found: Mapping[str, Any]) -> float | None:
    ms: float | None = found["stages"].get(stage)
    return ms


def own_time(found: Mapping[str, Any]) -> float:
    """The harness's own milliseconds a case."""
    return float(sum(ms for stage, ms in found["stages"].items() if stage not in USERS))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}" if value < 10 else f"{value:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, metavar="PATH", help="keep the figures there")
    parser.add_argument("--before", type=Path, metavar="PATH", help="show those beside them")
    parser.add_argument("--quick", action="store_true", help="one run at `fast`; only printed")
    options = parser.parse_args()
    before = json.loads(options.before.read_text(encoding="utf-8")) if options.before else None
    settings = Settings(profile="fast" if options.quick else "ci")
    repeat = 1 if options.quick else REPEAT
    busy = machine()
    with quiet_machine():
        found = [profile(name, settings, repeat) for name in OPS]
    now = {
        "command": "python benchmarks/" + Path(sys.argv[0]).name,
        "profile": settings.profile,
        "repeat": repeat,
        "environment": busy,
        "ops": [asdict(p) for p in found],
    }
    text = page(now, before)
    print(text)
    if options.json:
        options.json.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")
    if not options.quick:
        (REPORTS / "where_time_goes.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
