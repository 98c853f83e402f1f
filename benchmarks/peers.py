"""What other gradient checkers say of a case of the suite: their published rules, and their best.

*Published*: the released package's own function with the constants it ships, called on the very
NumPy functions of the suite, so that nothing but the checker differs. A package that is not
installed is left out. PyTorch gets them as an `autograd.Function`, HIPS autograd as a primitive;
`jax.test_util.check_vjp` takes a forward and a vjp as they are. All three choose cotangents
themselves; an entry of the gradient is wrong for each of them.

*Best case*: the same steps and directions, contracted in float64 with the case's cotangent, and
compared by relative error. The threshold is chosen afterwards, on the same data, as the smallest
one without a false alarm.

The lecture's rule is the plain centered difference at h = 1e-4, with the relative errors that the
CS231n notes name: above 1e-2 is probably wrong, 1e-4 is fine only at kinks, 1e-7 is happiness.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from gradcheck.arrays import Array, Float
from gradcheck.point import Move
from gradcheck.teaching import central
from schemes import Reading, Subject, point_of

Forward = Callable[..., Array]
Backward = Callable[..., tuple[Array, ...]]
SMALL = 1e-2
"""Relative errors are of at least this share of the largest entry, for all best cases alike."""


def torch_passes(forward: Forward, backward: Backward, primals: list[Array]) -> bool:
    """`torch.autograd.gradcheck` with its defaults: eps=1e-6, atol=1e-5, rtol=1e-3."""
    import torch

    evaluate, pull = forward, backward

    class Gate(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *tensors: Any) -> Any:
            ctx.save_for_backward(*tensors)
            return torch.tensor(evaluate(*(t.detach().numpy() for t in tensors)))

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            gradients = pull(dy.numpy(), *(t.detach().numpy() for t in ctx.saved_tensors))
            return tuple(torch.tensor(g) for g in gradients)

    inputs = [torch.tensor(p, requires_grad=True) for p in primals]
    return bool(torch.autograd.gradcheck(Gate.apply, inputs, raise_exception=False))


def jax_passes(forward: Forward, backward: Backward, primals: list[Array]) -> bool:
    """`jax.test_util.check_vjp`, which is all of `check_grads` in reverse mode, as released."""
    import jax
    from jax.test_util import check_vjp

    jax.config.update("jax_enable_x64", True)

    def vjp(*x: Array) -> tuple[Array, Backward]:
        return forward(*x), lambda dy: backward(dy, *x)

    return _passes(lambda: check_vjp(forward, vjp, tuple(primals)))


def autograd_passes(forward: Forward, backward: Backward, primals: list[Array]) -> bool:
    """`autograd.test_util.check_grads` in reverse mode: one random direction, 1e-6 and 1e-6."""
    from autograd.extend import defvjp_argnums, primitive
    from autograd.test_util import check_grads

    def vjps(argnums: Sequence[int], _: Array, x: tuple[Array, ...], __: object) -> Backward:
        return lambda dy: tuple(backward(dy, *x)[k] for k in argnums)

    gate = primitive(forward)
    defvjp_argnums(gate, vjps)
    np.random.seed(0)
    every = tuple(range(len(primals)))  # without it only the first input is looked at
    return _passes(lambda: check_grads(gate, argnum=every, modes=["rev"], order=1)(*primals))


def _passes(check: Callable[[], object]) -> bool:
    try:
        check()
    except AssertionError:
        return False
    return True


def by_package(
    passes: Callable[[Forward, Backward, list[Array]], bool],
) -> Callable[[Subject], Reading]:
    """A package's verdict is on the whole gradient: none of it is flagged, or (as one) all."""

    def read(subject: Subject) -> Reading:
        op, primals = subject.facts.op, [np.array(p) for p in subject.facts.case.primals]
        calls = 0

        def forward(*x: Array) -> Array:
            nonlocal calls
            calls += 1
            return np.asarray(op.forward(*x))

        def flags(eta: float) -> bool:
            return not passes(forward, _backward(subject, eta), primals)

        alarm = flags(0.0)
        return Reading(subject.size, int(alarm), 0, calls, flags)

    return read


def _backward(subject: Subject, eta: float) -> Backward:
    """The op's backward pass with one entry of one gradient times 1 +- eta."""
    k, flat = subject.wrong
    extra = subject.sign * eta if subject.gradients[k].reshape(-1)[flat] == 0 else 0.0

    def backward(dy: Array, *primals: Array) -> tuple[Array, ...]:
        _, pullback = subject.facts.op.vjp(*primals)
        gradients = [np.array(g) for g in pullback((np.asarray(dy),))]
        entries = gradients[k].reshape(-1)
        entries[flat] = entries[flat] * (1 + subject.sign * eta) + extra
        return tuple(gradients)

    return backward


def by_entry(step: float, threshold: float) -> Callable[[Subject], Reading]:
    """The lecture's rule at a constant threshold on |a - n| / max(|a|, |n|)."""

    def read(subject: Subject) -> Reading:
        numeric = _entries(subject, step)

        def wrong(eta: float) -> Array:
            analytic = _flat(subject.off_by(eta))
            with np.errstate(all="ignore"):
                size = np.maximum(np.abs(analytic), np.abs(numeric))
                return np.asarray(~(np.abs(analytic - numeric) <= threshold * size))

        place = _place(subject)
        alarms = int(wrong(0.0).sum())
        return Reading(
            subject.size, alarms, 0, 2 * subject.size, lambda eta: bool(wrong(eta)[place])
        )

    return read


PUBLISHED: dict[str, Callable[[Subject], Reading]] = {
    "torch.autograd.gradcheck": by_package(torch_passes),
    "jax.test_util.check_grads": by_package(jax_passes),
    "autograd.test_util.check_grads": by_package(autograd_passes),
    "lecture: h = 1e-4, error > 1e-2": by_entry(1e-4, 1e-2),
    "lecture: h = 1e-4, error > 1e-4": by_entry(1e-4, 1e-4),
    "lecture: h = 1e-4, error > 1e-7": by_entry(1e-4, 1e-7),
}
PACKAGES = {name: name.partition(".")[0] for name in PUBLISHED if not name.startswith("lecture")}


def installed() -> dict[str, Callable[[Subject], Reading]]:
    """The published rules that can be run here."""
    return {n: r for n, r in PUBLISHED.items() if n not in PACKAGES or find_spec(PACKAGES[n])}


Distance = Callable[[float], float]
"""From the error of the chosen entry (0: none) to the relative error that the scheme sees."""


def entry_by_entry(step: float) -> Callable[[Subject], Distance]:
    """Every entry by itself; for the right gradient the largest of all relative errors."""

    def prepare(subject: Subject) -> Distance:
        numeric, place = _entries(subject, step), _place(subject)
        largest = float(np.abs(_flat(subject.gradients)).max())

        def distance(eta: float) -> float:
            analytic = _flat(subject.off_by(eta))
            errors = relative(analytic, numeric, SMALL * largest)
            return float(errors[place] if eta else errors.max())

        return distance

    return prepare


def one_direction(step: float) -> Callable[[Subject], Distance]:
    """One random direction of normal numbers, the same in every run, as JAX draws it."""

    def prepare(subject: Subject) -> Distance:
        rng = np.random.RandomState(0)
        speeds = [rng.standard_normal(g.size) for g in subject.gradients]
        along = Move(tuple((k, np.arange(len(s)), s) for k, s in enumerate(speeds)))
        numeric = central(point_of(subject), [along], step)[0]

        def distance(eta: float) -> float:
            terms = _flat(subject.off_by(eta)) * np.concatenate(speeds)
            size = SMALL * float(np.linalg.norm(terms))
            return float(relative(terms.sum(keepdims=True), numeric, size)[0])

        return distance

    return prepare


BEST: dict[str, Callable[[Subject], Distance]] = {
    "PyTorch's steps (h = 1e-6)": entry_by_entry(1e-6),
    "JAX's steps (one direction, h = 1e-4)": one_direction(1e-4),
    "autograd's steps (one direction, h = 5e-7)": one_direction(5e-7),
    "the lecture's steps (h = 1e-4)": entry_by_entry(1e-4),
}


def relative(analytic: Float, numeric: Float, least: float) -> Float:
    """|a - n| / max(|a|, |n|, least); infinite where it is no number."""
    with np.errstate(all="ignore"):
        size = np.maximum(np.maximum(np.abs(analytic), np.abs(numeric)), least)
        errors = np.where(analytic == numeric, 0.0, np.abs(analytic - numeric) / size)
    return np.asarray(np.where(np.isfinite(errors), errors, np.inf))


def _entries(subject: Subject, step: float) -> Float:
    """Plain centered differences, perturbed in the case's dtype and contracted in float64."""
    every = [Move.entry(k, i) for k, g in enumerate(subject.gradients) for i in range(g.size)]
    return central(point_of(subject), every, step)[0]


def _flat(gradients: Sequence[Float]) -> Float:
    return np.concatenate([g.reshape(-1) for g in gradients])


def _place(subject: Subject) -> int:
    k, flat = subject.wrong
    return sum(g.size for g in subject.gradients[:k]) + flat
