"""What backward would return had it been handed, or had it used, another upstream gradient.

With the whole Jacobian J of a case, a mistake R in the use of the cotangent c predicts J R(c).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from gradcheck.arrays import Float
from gradcheck.diagnosis.evidence import Diagnosis, Probe
from gradcheck.diagnosis.mistakes import moved
from gradcheck.diagnosis.quantities import bracketed, factors

Change = Callable[[Float], Float]
Changed = tuple[Diagnosis, Float]
Parts = list[Float]


def predictions(probe: Probe) -> Iterator[tuple[Diagnosis, tuple[Float, ...]]]:
    """For each mistake, the gradient that it predicts for each of the probe's pulls."""
    with np.errstate(all="ignore"):
        yield from _predicted(probe, _contributions(probe, "last"))
        yield from _changed_cotangents(probe)
        yield from _predicted(probe, _one_output(probe))
        yield from _predicted(probe, _with_jacobian(probe))
        yield from _predicted(probe, _contributions(probe, "first"))


def _predicted(
    probe: Probe, mistakes: Iterator[tuple[Diagnosis, Change]]
) -> Iterator[tuple[Diagnosis, tuple[Float, ...]]]:
    for diagnosis, predict in mistakes:
        yield diagnosis, tuple(predict(p.cotangent) for p in probe.pulls)


def _split(probe: Probe, flat: Float) -> Parts:
    """The flat cotangent by output."""
    parts, start = [], 0
    for output in probe.view.outputs:
        if output.dtype.kind == "f":
            parts.append(flat[start : start + output.size].reshape(output.shape))
            start += output.size
    return parts


def _joined(parts: Parts) -> Float:
    return np.concatenate([p.reshape(-1) for p in parts])


def _changed_cotangents(probe: Probe) -> Iterator[tuple[Diagnosis, tuple[Float, ...]]]:
    """The same change of every output's cotangent."""
    pulls = [_split(probe, p.cotangent) for p in probe.pulls]
    if sum(p.size for p in pulls[0]) < 2:
        return
    changes = _changes if len(pulls[0]) == 1 else _changes_of_all
    for kinds in zip(*[_per_output(probe, parts, changes) for parts in pulls], strict=True):
        diagnosis = kinds[0][0]
        if not np.allclose(kinds[0][1], probe.pulls[0].cotangent):
            yield diagnosis, tuple(probe.jacobian @ changed for _, changed in kinds)


def _per_output(
    probe: Probe, parts: Parts, changes: Callable[[Probe, Float], Iterator[Changed]]
) -> Iterator[Changed]:
    """Each change made to all outputs at once, flat."""
    for same in zip(*[changes(probe, p) for p in parts], strict=False):
        yield same[0][0], _joined([changed for _, changed in same])


def _changes_of_all(_: Probe, c: Float) -> Iterator[Changed]:
    """Those that make sense for outputs of different shapes."""
    yield from _simple(c)
    yield from _collapsed(c.reshape(-1))


def _changes(probe: Probe, c: Float) -> Iterator[Changed]:
    """One output's cotangent, misused; always the same ones in the same order for a shape."""
    for source in (_simple, _collapsed, _one_slice):
        yield from source(c)
    for name, how, changed in moved(c):
        text = f"{name}: backward is right for the upstream gradient with {how}"
        yield Diagnosis(name, text), changed
    for what, u in factors(probe.view, c.shape).items():
        for power in (1, 2):
            shown = what if power == 1 else f"({what})^2"
            factor = bracketed(shown)
            text = f"a factor {shown} is missing: backward is right for the upstream gradient / "
            yield Diagnosis("missing-factor", text + factor), c / u**power
            text = f"a factor {shown} too much: backward is right for the upstream gradient * "
            yield Diagnosis("missing-factor", text + factor), c * u**power


def _simple(c: Float) -> Iterator[Changed]:
    text = "the upstream gradient is dropped: backward is right for an upstream of ones"
    yield Diagnosis("upstream-dropped", text + ", whatever it is given"), np.ones_like(c)
    text = "the upstream gradient is applied twice: backward is right for its square"
    yield Diagnosis("upstream-twice", text), c * c


def _collapsed(c: Float) -> Iterator[Changed]:
    start = "backward is right for an upstream gradient that is "
    for what, value in (
        ("its first entry", c.reshape(-1)[0]),
        ("its last entry", c.reshape(-1)[-1]),
        ("its mean", c.mean()),
        ("its sum", c.sum()),
    ):
        text = f"{start}{what} everywhere: the other entries have to be used"
        yield Diagnosis("upstream-collapsed", text), np.full_like(c, value)
    for axis in range(c.ndim) if c.ndim > 1 else ():
        for what, level in (
            ("first index", np.take(c, [0], axis)),
            ("last index", np.take(c, [-1], axis)),
            ("mean", c.mean(axis=axis, keepdims=True)),
            ("sum", c.sum(axis=axis, keepdims=True)),
        ):
            text = f"{start}its {what} along axis {axis}, used for all of that axis"
            yield Diagnosis("upstream-collapsed", text), np.broadcast_to(level, c.shape)


def _one_slice(c: Float) -> Iterator[Changed]:
    for axis in range(c.ndim):
        for place, word in ((0, "first"), (-1, "last")):
            kept = np.zeros_like(c)
            where = (slice(None),) * axis + (place,)
            kept[where] = c[where]
            name = "unbroadcast" if place == 0 else "overwritten"
            text = (
                f"only the {word} index along axis {axis} of the upstream gradient is used, the "
                "others are as if zero: "
            )
            text += (
                "a sum over that axis is missing"
                if place == 0
                else "overwritten where the contributions have to be added up?"
            )
            yield Diagnosis(name, text), kept
    for axis in range(c.ndim):
        for place, word in ((0, "first"), (-1, "last")):
            rest = c.copy()
            rest[(slice(None),) * axis + (place,)] = 0
            text = (
                f"the {word} index along axis {axis} of the upstream gradient is left out: "
                "backward is right as if it were zero; a range that is one too short?"
            )
            yield Diagnosis("some-entries", text), rest


def _one_output(probe: Probe) -> Iterator[tuple[Diagnosis, Change]]:
    """Several outputs: the upstream of one of them is left out, or taken for another's."""
    sizes = [p.size for p in _split(probe, probe.pulls[0].cotangent)]
    for k in range(len(sizes)) if len(sizes) > 1 else ():

        def predict(flat: Float, k: int = k) -> Float:
            parts = _split(probe, flat)
            parts[k] = np.zeros_like(parts[k])
            return np.asarray(probe.jacobian @ _joined(parts))

        text = f"the upstream gradient of output {k} is dropped: backward is right as if it were 0"
        yield Diagnosis("upstream-dropped", text), predict


def _with_jacobian(probe: Probe) -> Iterator[tuple[Diagnosis, Change]]:
    """The Jacobian itself misused."""
    jacobian = probe.jacobian
    n, m = jacobian.shape
    shape, outputs = probe.view.table.backward.shape, probe.view.outputs
    if n == m and n > 2:
        text = "transpose: backward multiplies by the Jacobian, not by its transpose"
        yield Diagnosis("transpose", text), lambda flat: np.asarray(jacobian.T @ flat)
        text = (
            "backward = upstream gradient x the diagonal of the Jacobian: how the other entries "
            "come in (through a sum, mean or maximum) is missing"
        )
        yield Diagnosis("constant-term", text), lambda flat: np.diag(jacobian) * flat
    if len(outputs) != 1:
        return
    for a in range(len(shape)):
        for b in range(outputs[0].ndim):
            if shape[a] < 2 or outputs[0].shape[b] < 2:
                continue

            def reversed_both(flat: Float, a: int = a, b: int = b) -> Float:
                turned = np.flip(flat.reshape(outputs[0].shape), b).reshape(-1)
                return np.flip((jacobian @ turned).reshape(shape), a)

            text = (
                f"permutation: backward is right with axis {a} of the gradient and axis {b} of "
                "the upstream gradient reversed: a kernel or an order of summation is reversed"
            )
            yield Diagnosis("permutation", text), reversed_both


def _contributions(probe: Probe, word: str) -> Iterator[tuple[Diagnosis, Change]]:
    """Each entry gets one of the contributions that reach it, not their sum."""
    outputs = probe.view.outputs
    if len(outputs) != 1 or outputs[0].size < 2:
        return
    jacobian, shape = probe.jacobian, outputs[0].shape
    reached = np.abs(jacobian) > 1e-7 * np.abs(jacobian).max(initial=0.0)
    for axis in range(len(shape)):
        place = np.indices(shape)[axis].reshape(-1)
        if word == "last":
            chosen = np.max(np.where(reached, place, -1), axis=1)
        else:
            chosen = np.min(np.where(reached, place, len(place)), axis=1)
        used = np.where(place == chosen[:, None], jacobian, 0.0)
        text = (
            f"overwritten: each entry has only the {word} contribution along axis {axis} of the "
            "output, not the sum of those that reach it; add them up (+=, np.add.at)"
        )
        yield Diagnosis("overwritten", text), partial(np.matmul, used)
