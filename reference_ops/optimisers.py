"""What the training example trains with: initialisation, optimisers, learning-rate schedules.

CS224N lecture 4, part 3 ("stuff you should know"). The optimisers are those of ``torch.optim``,
step by step, with its defaults.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from reference_ops._shapes import Array

Parameters = Mapping[str, Array]
Schedule = Callable[[int], float]


# -- initialisation ------------------------------------------------------------------------------
def uniform(random: np.random.Generator, shape: tuple[int, ...], r: float) -> Array:
    """Small random numbers from Uniform(-r, r): unlike each other, or all units learn the same."""
    return random.uniform(-r, r, shape)


def xavier(random: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Uniform with Var = 2 / (n_in + n_out) (Glorot and Bengio 2010, eq. 16), for W (out, in).

    Uniform(-r, r) has variance r^2 / 3.
    """
    n_out, n_in = shape
    return uniform(random, shape, math.sqrt(6 / (n_in + n_out)))


# -- optimisers ----------------------------------------------------------------------------------
class Optimiser:
    """Changes parameters in place, against their gradients.

    Parameters
    ----------
    parameters : mapping from str to ndarray
    lr : float
        The learning rate; may be set anew before each step.
    """

    eps = 1e-8

    def __init__(self, parameters: Parameters, lr: float) -> None:
        self.parameters, self.lr = parameters, lr
        self.steps = 0
        self.state = {name: self.start(theta) for name, theta in parameters.items()}

    def step(self, gradients: Mapping[str, Array], rows: Mapping[str, Array] | None = None) -> None:
        """One update of all parameters.

        ``rows`` names, for a parameter, the rows that took part in the loss. Only `SparseAdam`
        makes a difference of it.
        """
        self.steps += 1
        for name, theta in self.parameters.items():
            used = self.used((rows or {}).get(name))
            state = tuple(s[used] for s in self.state[name])
            theta[used] -= self.change(gradients[name][used], *state)
            for whole, part in zip(self.state[name], state, strict=True):
                whole[used] = part

    def start(self, theta: Array) -> tuple[Array, ...]:
        """What is remembered of a parameter, before the first step."""
        return ()

    def used(self, rows: Array | None) -> Any:
        """Which part of a parameter a step reads and writes: all of it."""
        return ...

    def change(self, gradient: Array, *state: Array) -> Array:
        """What is subtracted from a parameter; ``state`` is updated in place."""
        raise NotImplementedError


class SGD(Optimiser):
    """theta -= lr g."""

    def change(self, gradient: Array, *state: Array) -> Array:
        return self.lr * gradient


class Adagrad(Optimiser):
    """theta -= lr g / (sqrt(sum of g^2) + eps) (Duchi et al. 2011)."""

    eps = 1e-10

    def start(self, theta: Array) -> tuple[Array, ...]:
        return (np.zeros_like(theta),)

    def change(self, gradient: Array, *state: Array) -> Array:
        (total,) = state
        total += gradient**2
        return self.lr * gradient / (np.sqrt(total) + self.eps)


class RMSprop(Optimiser):
    """theta -= lr g / (sqrt(running mean of g^2) + eps) (Hinton, Coursera lecture 6e)."""

    alpha = 0.99

    def start(self, theta: Array) -> tuple[Array, ...]:
        return (np.zeros_like(theta),)

    def change(self, gradient: Array, *state: Array) -> Array:
        (square,) = state
        square += (1 - self.alpha) * (gradient**2 - square)
        return self.lr * gradient / (np.sqrt(square) + self.eps)


class Adam(Optimiser):
    """theta -= lr m / (sqrt(v) + eps), m and v running means of g and g^2 (Kingma and Ba 2015).

    Both start at zero and are divided by what they have seen so far, 1 - beta^t.
    """

    betas = (0.9, 0.999)

    def start(self, theta: Array) -> tuple[Array, ...]:
        return np.zeros_like(theta), np.zeros_like(theta)

    def change(self, gradient: Array, *state: Array) -> Array:
        self.average(gradient, *state)
        mean, square = state
        seen, seen_square = (1 - beta**self.steps for beta in self.betas)
        return self.lr * (mean / seen) / (np.sqrt(square / seen_square) + self.eps)

    def average(self, gradient: Array, mean: Array, square: Array) -> None:
        """Move both running means towards the new gradient."""
        mean += (1 - self.betas[0]) * (gradient - mean)
        square += (1 - self.betas[1]) * (gradient**2 - square)


class SparseAdam(Adam):
    """Adam that reads and writes only the rows that took part.

    `Adam` goes on moving a word that is not in the batch, by what it remembers of earlier ones.
    eps is added before the correction of the square, as in torch.optim.SparseAdam.
    """

    def used(self, rows: Array | None) -> Any:
        return ... if rows is None else np.unique(rows)

    def change(self, gradient: Array, *state: Array) -> Array:
        self.average(gradient, *state)
        mean, square = state
        seen, seen_square = (1 - beta**self.steps for beta in self.betas)
        rate = self.lr * math.sqrt(seen_square) / seen
        return np.asarray(rate * mean / (np.sqrt(square) + self.eps))


OPTIMISERS: dict[str, type[Optimiser]] = {
    "sgd": SGD,
    "adagrad": Adagrad,
    "rmsprop": RMSprop,
    "adam": Adam,
    "sparse-adam": SparseAdam,
}


# -- learning rates, by epoch --------------------------------------------------------------------
def constant(lr: float) -> Schedule:
    """The same in all epochs."""
    return lambda epoch: lr


def halving(lr: float, every: int) -> Schedule:
    """Halved every `every` epochs."""
    return lambda epoch: lr * 0.5 ** (epoch // every)


def exponential(lr: float, k: float) -> Schedule:
    """lr exp(-k t) in epoch t."""
    return lambda epoch: lr * math.exp(-k * epoch)


def cyclic(low: float, high: float, half: int) -> Schedule:
    """Up from `low` to `high` in `half` epochs, and down again (Smith 2017, triangular)."""
    return lambda epoch: high - (high - low) * abs(epoch % (2 * half) / half - 1)
