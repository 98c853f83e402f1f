"""The bugs of tests/bugs as torch.autograd.Function: found by ours and by torch.autograd.gradcheck.

    python benchmarks/bugs_as_functions.py [--seed 0] [--output reports/bugs_as_functions.md]

Each wrong backward, and the mended one beside it, becomes a Function that calls the NumPy code on
the tensors' own memory. All checkers get the plain call, at their defaults; PyTorch's in its slow
and its fast mode, on double precision as its documentation advises, and once more on single
precision. A checker that flags the mended one raises a false alarm. For PyTorch's there is also the
call that is known to show the bug: no author would know it, but then the rule alone is measured,
not the inputs.
"""

from __future__ import annotations

import argparse
import inspect
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import torch  # noqa: E402

import gradcheck  # noqa: E402
from gradcheck import GradientError  # noqa: E402
from gradcheck.results import OpResult  # noqa: E402
from measuring import table  # noqa: E402
from tests.bugs import BUGS, FURTHER  # noqa: E402
from tests.bugs.record import Bug, Call  # noqa: E402

REPORT = ROOT / "reports" / "bugs_as_functions.md"
OURS, FORWARD = "gradcheck", 'gradcheck, scope="forward"'
SLOW, FAST = "torch slow", "torch fast"
SLOW_SHOWN, FAST_SHOWN = "torch slow, where it shows", "torch fast, where it shows"
SINGLE = "torch slow, float32"
SINGLE_FAST = "torch fast, float32"
Function = type[torch.autograd.Function]
INTRODUCTION = """\
# The bugs of public projects as torch.autograd.Function

Written by `python benchmarks/bugs_as_functions.py`. Each wrong backward of `tests/bugs/` and the
mended one are wrapped as a `torch.autograd.Function` around the NumPy code. Every checker has its
defaults and gets the same plain call, in float64 but for the columns that say float32; "where it
shows" is the call that is known to show the bug. `+` found, `-` passed, `?` not judged, `!` the
mended one is flagged too. "raises": backward itself does, or PyTorch refuses what it
returns; of a wrong one that counts as found.
"""

MASKED = """\
Two are no bugs as Functions: "multiply by a 0-d operand" and "add an axis of size 1 to one of size
0" return a gradient that is larger than its input, and autograd's engine sums it to the right one.
The mended "maximum along an axis" shares the gradient among ties, where PyTorch's two-sided
difference is half of the slope: a convention, and a false alarm where the call has ties.
"""


def as_function(bug: Bug, which: str, example: Call) -> Function:
    """The bug's forward with its ``right`` or ``wrong`` backward; attributes are arguments."""
    backward = getattr(bug, which)
    parameters = _parameters(bug, example)
    count = len(example.primals)
    attributes = [p.name for p in parameters[count:]]

    class Gate(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *given: Any) -> Any:
            ctx.kept = given
            return _as_tensors(bug.forward(*_as_arrays(given, count), **_rest(ctx)))

        @staticmethod
        def backward(ctx: Any, *upstream: Any) -> Any:
            dz = tuple(map(_as_view, upstream))
            primals = _as_arrays(ctx.kept, count)
            found = backward(dz if len(dz) > 1 else dz[0], *primals, **_rest(ctx))
            found = found if isinstance(found, tuple) else (found,)
            gradients = [None if g is None else _as_tensors(g) for g in found]
            return tuple(gradients + [None] * (len(ctx.kept) - len(gradients)))

    def _rest(ctx: Any) -> dict[str, Any]:
        return dict(zip(attributes, ctx.kept[count:], strict=False))

    own = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    Gate.forward.__signature__ = inspect.Signature([own, *parameters])  # type: ignore[attr-defined]
    Gate.__name__ = Gate.__qualname__ = "".join(w.capitalize() for w in bug.name.split())
    return Gate


def _parameters(bug: Bug, example: Call) -> list[inspect.Parameter]:
    """Forward's primals, and its attributes with their defaults, which `apply` takes by place."""
    kind, count = inspect.Parameter.POSITIONAL_OR_KEYWORD, len(example.primals)
    own = [] if isinstance(bug.forward, np.ufunc) else [*_own(bug.forward)]
    names = [p.name for p in own[:count]] if len(own) >= count else [f"x{k}" for k in range(count)]
    return [inspect.Parameter(n, kind) for n in names] + own[count:]


def _own(forward: Callable[..., Any]) -> Iterator[inspect.Parameter]:
    for parameter in inspect.signature(forward).parameters.values():
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            yield parameter.replace(kind=parameter.POSITIONAL_OR_KEYWORD)


def _as_arrays(given: Iterable[Any], count: int) -> list[Any]:
    found = list(given)[:count]
    return [v.detach().numpy() if isinstance(v, torch.Tensor) else v for v in found]


def _as_view(tensor: torch.Tensor) -> Any:
    """The tensor's memory with its strides, as a view of an array of all its storage."""
    whole = torch.empty(0, dtype=tensor.dtype).set_(tensor.untyped_storage()).numpy()
    size = tensor.element_size()
    strides = tuple(size * n for n in tensor.stride())
    offset = size * tensor.storage_offset()
    return np.ndarray(tuple(tensor.shape), whole.dtype, whole, offset, strides)


def _as_tensors(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_as_tensors, value))
    return torch.from_numpy(np.asarray(value))


def arguments(bug: Bug, example: Call) -> tuple[Any, ...]:
    """The call's tensors and its attributes; what the mended one has a gradient of requires it."""
    upstream = np.ones_like(bug.forward(*example.primals, **example.attributes))
    gradients = bug.right(upstream, *example.primals, **example.attributes)
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    given = []
    for k, value in enumerate(example.primals):
        value = np.asarray(value) if isinstance(value, float) else value
        if isinstance(value, np.ndarray):
            wanted = k < len(gradients) and gradients[k] is not None
            value = torch.tensor(value, requires_grad=wanted and value.dtype.kind == "f")
        given.append(value)
    attributes = [p for p in _parameters(bug, example)[len(given) :] if example.attributes]
    return (*given, *(example.attributes.get(p.name, p.default) for p in attributes))


def by_ours(bug: Bug, which: str, **options: Any) -> str:
    example = bug.example("plain")
    try:
        result: OpResult = gradcheck.check(
            as_function(bug, which, example), *arguments(bug, example), **options
        )
    except GradientError as error:
        result = error.result
    return {"pass": "passed", "fail": "flagged"}.get(result.verdict, "not judged")


def by_torch(bug: Bug, which: str, *, call: str = "plain", **options: Any) -> str:
    dtype = options.pop("dtype", "float64")
    example = bug.example(call, dtype)
    function = as_function(bug, which, example)
    try:
        right = torch.autograd.gradcheck(
            function.apply, arguments(bug, example), raise_exception=False, **options
        )
    except Exception as error:
        return f"raises {type(error).__name__}"
    return "passed" if right else "flagged"


SIDES: dict[str, Callable[[Bug, str], str]] = {
    OURS: by_ours,
    FORWARD: lambda bug, which: by_ours(bug, which, scope="forward"),
    SLOW: by_torch,
    FAST: lambda bug, which: by_torch(bug, which, fast_mode=True),
    SLOW_SHOWN: lambda bug, which: by_torch(bug, which, call="trigger"),
    FAST_SHOWN: lambda bug, which: by_torch(bug, which, call="trigger", fast_mode=True),
    SINGLE: lambda bug, which: by_torch(bug, which, dtype="float32"),
    SINGLE_FAST: lambda bug, which: by_torch(bug, which, dtype="float32", fast_mode=True),
}
"""What each says of the ``right`` or ``wrong`` one: flagged, passed, not judged, or an error."""


def verdicts(bug: Bug, seed: int) -> dict[str, tuple[str, str]]:
    """By checker, of the wrong and of the mended backward."""
    found = {}
    for name, side in SIDES.items():
        said = []
        for which in ("wrong", "right"):
            if bug.reset is not None:
                bug.reset()
            torch.manual_seed(seed)
            np.random.seed(seed)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                said.append(side(bug, which))
        found[name] = (said[0], said[1])
    return found


def _found(said: str) -> bool:
    return said == "flagged" or said.startswith("raises")


def _mark(said: tuple[str, str]) -> str:
    wrong, right = said
    mark = {"flagged": "+", "passed": "-", "not judged": "?"}.get(wrong, wrong)
    return mark + " !" * (right == "flagged") + (f" ({right})" * (right not in _PLAIN))


_PLAIN = ("flagged", "passed")


def section(title: str, bugs: tuple[Bug, ...], seed: int) -> str:
    """The counts, and a row for each bug."""
    said = {bug.name: verdicts(bug, seed) for bug in bugs}
    counts = [
        (
            name,
            f"{sum(map(_found, (v[name][0] for v in said.values())))} of {len(bugs)}",
            f"{sum(map(_found, (v[name][1] for v in said.values())))} of {len(bugs)}",
        )
        for name in SIDES
    ]
    head = ("checker", "wrong ones found", "false alarms")
    rows = [(bug.name, bug.source, *map(_mark, said[bug.name].values())) for bug in bugs]
    return (
        f"## {title}\n\n{table(head, counts)}\n"
        + table(("bug", "source", *SIDES), rows, left=2)
        + "\n"
        + _lists(bugs, said)
    )


def _lists(bugs: tuple[Bug, ...], said: dict[str, dict[str, tuple[str, str]]]) -> str:
    """What one found and the other did not, with the mistake."""
    lines = []
    for title, finder, other in (
        ("Found by gradcheck, passed by PyTorch's slow mode", OURS, SLOW),
        ("Found by PyTorch's slow mode, not by gradcheck", SLOW, OURS),
    ):
        names = [
            bug
            for bug in bugs
            if _found(said[bug.name][finder][0]) and not _found(said[bug.name][other][0])
        ]
        lines.append(f"{title}: {len(names)}.\n")
        lines.append("".join(f"- {b.name}: {' '.join(b.mistake.split())}\n" for b in names))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=REPORT)
    given = parser.parse_args()
    torch.set_num_threads(1)
    started = time.perf_counter()
    parts = [
        INTRODUCTION,
        section("Known while the harness was written", BUGS, given.seed),
        MASKED,
        section("Looked up afterwards; nothing was tuned to them", FURTHER, given.seed),
    ]
    seconds = time.perf_counter() - started
    end = f"Seed {given.seed}, torch {torch.__version__}, {seconds:.0f} s.\n"
    text = "\n".join([*parts, end])
    print(text)
    given.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
