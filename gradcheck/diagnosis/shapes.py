"""Which mistake gives a gradient of the wrong shape."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gradcheck.diagnosis.evidence import Diagnosis

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Misshapen:
    """The shapes of one case: of the input, of its gradient, of everything else around."""

    own: Shape
    gradient: Shape
    inputs: Mapping[str, Shape]
    outputs: tuple[Shape, ...]


def wrong_shape(name: str, cases: Sequence[Misshapen]) -> Diagnosis | None:
    """The first mistake that explains the shapes of every case."""
    for rule in _RULES:
        texts = [rule(name, case) for case in cases]
        if cases and all(texts):
            return texts[0]
    return None


def _axes(axes: Sequence[int]) -> str:
    return f"ax{'e' if len(axes) > 1 else 'i'}s {', '.join(map(str, axes))}"


def _not_summed(name: str, case: Misshapen) -> Diagnosis | None:
    """Larger than the input by axes along which it was spread."""
    extra = len(case.gradient) - len(case.own)
    padded = (1,) * extra + case.own
    if extra < 0 or any(s not in (1, g) for s, g in zip(padded, case.gradient, strict=True)):
        return None
    axes = [a for a, s in enumerate(padded) if a < extra or s != case.gradient[a]]
    if not any(case.gradient[a] > 1 for a in axes) and extra:
        return Diagnosis(
            "unbroadcast",
            f"an axis of size 1 is kept that {name} has not: sum without keepdims, or reshape",
        )
    if case.gradient not in _spread(name, case):
        text = (
            f"it is larger than {name} along {_axes(axes)}: is a keepdims=True missing in backward?"
        )
        return Diagnosis("unbroadcast", text)
    return Diagnosis(
        "unbroadcast",
        f"missing un-broadcast: {name} was spread along {_axes(axes)} of its gradient; sum over "
        + ("it" if len(axes) == 1 else "them"),
    )


def _spread(name: str, case: Misshapen) -> set[Shape]:
    """Shapes that the input may have been spread to by forward."""
    found = set(case.outputs)
    for other, shape in case.inputs.items():
        if other != name:
            with contextlib.suppress(ValueError):
                found.add(np.broadcast_shapes(case.own, shape))
    return found


def _summed_too_much(name: str, case: Misshapen) -> Diagnosis | None:
    """Smaller than the input: an axis was summed away, or its size 1 dropped."""
    if np.prod(case.gradient) == np.prod(case.own):
        small = [s for s in case.own if s != 1]
        if [s for s in case.gradient if s != 1] == small and case.gradient != case.own:
            return Diagnosis(
                "unbroadcast",
                f"an axis of size 1 of {name} is lost: sum with keepdims=True, or reshape",
            )
        return None
    left = list(case.own)
    for size in (s for s in case.gradient if s != 1):
        if size not in left:
            return None
        left.remove(size)
    if len(case.gradient) <= len(case.own) and np.prod(case.gradient) < np.prod(case.own):
        text = f"wrong un-broadcast: summed over more axes than {name} was spread along"
        return Diagnosis("unbroadcast", text)
    return None


def _summed_wrongly(name: str, case: Misshapen) -> Diagnosis | None:
    """What is left of an output's axes, but not those that the input has."""
    for output in case.outputs:
        for axis in range(len(output)):
            rest = output[:axis] + output[axis + 1 :]
            if case.gradient == rest and len(case.own) == len(rest):
                text = (
                    f"wrong un-broadcast: summed over axis {axis} of the output, not over the one"
                )
                return Diagnosis("unbroadcast", f"{text} along which {name} was spread")
    return None


def _transposed(_: str, case: Misshapen) -> Diagnosis | None:
    if case.gradient == case.own[::-1] and case.gradient != case.own:
        return Diagnosis("transpose", "it is transposed")
    if sorted(case.gradient) == sorted(case.own) and case.gradient != case.own:
        return Diagnosis("transpose", "its axes are in another order")
    return None


def _of_another(name: str, case: Misshapen) -> Diagnosis | None:
    others = [n for n, s in case.inputs.items() if n != name and s == case.gradient]
    if len(others) == 1 and case.gradient not in case.outputs:
        text = f"it has the shape of {others[0]}: gradients in another order than the inputs?"
        return Diagnosis("other-input", text)
    return None


def _of_output(name: str, case: Misshapen) -> Diagnosis | None:
    if case.gradient in case.outputs and np.prod(case.gradient) > np.prod(case.own):
        text = (
            f"it has the shape of the output: sum it over the axes along which {name} was spread, "
            "or take the part that comes from it"
        )
        return Diagnosis("unbroadcast", text)
    return None


_RULES: tuple[Callable[[str, Misshapen], Diagnosis | None], ...] = (
    _transposed,
    _not_summed,
    _of_output,
    _summed_too_much,
    _summed_wrongly,
    _of_another,
)
