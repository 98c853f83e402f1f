"""Normalisation: mean 0 and variance 1 over a batch, a row or a group, then a learned line.

All of them are x^ = (x - mean) / std with std = sqrt(var + eps) over some axes, var with 1 / m and
not 1 / (m - 1), and y = gamma x^ + beta. The backward of x^ is written once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

import gradcheck
from reference_ops._shapes import Array, require, unbroadcast

Axes = tuple[int, ...]


def _require_numbers(x: Array, axes: Axes, eps: float) -> None:
    require(eps > 0, f"eps must be positive, got {eps}")
    empty = any(np.shape(x)[axis] == 0 for axis in axes)
    require(not empty, f"no numbers to normalise over axes {axes} of shape {np.shape(x)}")


def _centred(x: Array, axes: Axes) -> Any:
    """x - mean, by way of x - (first entry): exactly 0 for a constant, at any offset."""
    first = tuple(slice(1) if axis in axes else slice(None) for axis in range(np.ndim(x)))
    x = x - x[first]
    return x - np.mean(x, axis=axes, keepdims=True)


class _Scaled(NamedTuple):
    """x / sqrt(mean x^2 + eps), all in units of the largest |x|, so that no square overflows."""

    x: Array
    unit: Array
    square: Array
    """mean x^2."""
    eps: Array

    @classmethod
    def of(cls, x: Array, axes: Axes, eps: float) -> _Scaled:
        _require_numbers(x, axes, eps)
        unit = np.maximum(np.max(np.abs(x), axis=axes, keepdims=True), eps**0.5)
        x = x / unit
        return cls(x, unit, np.mean(np.square(x), axis=axes, keepdims=True), eps / unit / unit)

    @property
    def value(self) -> Any:
        return self.x / np.sqrt(self.square + self.eps)

    def pulled(self, dy: Array, axes: Axes) -> Any:
        """dx = (dy - value mean(dy value)) / std = (eps dy + mean x^2 dy - x mean(dy x)) / std^3.

        The second form: where dy is along x, as with one number, eps dy is all that is left.
        """
        across = self.square * dy - self.x * np.mean(dy * self.x, axis=axes, keepdims=True)
        variance = self.square + self.eps
        return (self.eps * dy + across) / (variance * np.sqrt(variance) * self.unit)


def _normalised(x: Array, axes: Axes, eps: float) -> _Scaled:
    _require_numbers(x, axes, eps)
    return _Scaled.of(_centred(x, axes), axes, eps)


def _normalised_vjp(dnormal: Array, normal: _Scaled, axes: Axes) -> Any:
    """dx = (dx^ - mean dx^ - x^ mean(dx^ x^)) / std, the means over the same axes."""
    return normal.pulled(_centred(dnormal, axes), axes)


def _require_channels(x: Array, *learned: Array) -> None:
    fits = np.ndim(x) >= 2 and all(np.shape(p) == np.shape(x)[1:2] for p in learned)
    shapes = f"got {', '.join(str(np.shape(a)) for a in (x, *learned))}"
    require(fits, f"x must be (n, c, ...) and what is learned by channel (c,), {shapes}")


def _by_channel(learned: Array, x: Array) -> Array:
    """One value per channel, to broadcast against x (n, c, ...)."""
    return np.reshape(learned, (-1,) + (1,) * (np.ndim(x) - 2))


def _over_channel(gradient: Array) -> Any:
    """The sum of all entries of each channel."""
    return np.sum(gradient, axis=_but_channels(gradient))


def _but_channels(x: Array) -> Axes:
    return (0, *range(2, np.ndim(x)))


@gradcheck.register("x[n c ...], gamma[c], beta[c], eps=1e-5|0.1", scope="forward")
def batch_norm(x: Array, gamma: Array, beta: Array, eps: float = 1e-5) -> Any:
    """y = gamma x^ + beta, mean and variance of each channel over the batch and all positions.

    dx = gamma / std (dy - mean dy - x^ mean(dy x^)), dgamma = sum dy x^, dbeta = sum dy (Ioffe and
    Szegedy 2015, section 3). The statistics are of this batch, as in training, and depend on x. Of
    one number: y = beta, dx = 0. Other shapes, an empty batch and eps <= 0 are refused.

    >>> batch_norm(np.array([[1.0, 2.0], [3.0, 2.0]]), np.ones(2), np.array([0.0, 5.0])).round(4)
    array([[-1.,  5.],
           [ 1.,  5.]])
    """
    _require_channels(x, gamma, beta)
    normal = _normalised(x, _but_channels(x), eps).value
    return _by_channel(gamma, x) * normal + _by_channel(beta, x)


@batch_norm.def_vjp
def _(dy: Array, x: Array, gamma: Array, beta: Array, eps: float = 1e-5) -> tuple[Any, ...]:
    normal = _normalised(x, _but_channels(x), eps)
    dx = _normalised_vjp(dy * _by_channel(gamma, x), normal, _but_channels(x))
    return dx, _over_channel(dy * normal.value), _over_channel(dy)


@gradcheck.register(
    "x[n c ...], mean[c], var:nonnegative[c], gamma[c], beta[c], eps=1e-5|0.1", scope="forward"
)
def batch_norm_inference(
    x: Array, mean: Array, var: Array, gamma: Array, beta: Array, eps: float = 1e-5
) -> Any:
    """y = gamma (x - mean) / std + beta, std = sqrt(var + eps), mean and var given.

    dx = gamma dy / std, dmean = -sum dx, dvar = -1/2 gamma sum(dy x^) / std^2 (Ioffe and Szegedy
    2015, algorithm 2). mean and var are inputs like the others, so they have gradients. eps <= 0,
    var + eps <= 0 and other shapes are refused.

    >>> one = np.ones(1)
    >>> batch_norm_inference(np.array([[5.0]]), one, 4 * one, one, one).round(4)
    array([[3.]])
    """
    _require_channels(x, mean, var, gamma, beta)
    require(eps > 0, f"eps must be positive, got {eps}")
    require(bool(np.all(np.greater(var + eps, 0))), "var + eps must be positive")
    normal = (x - _by_channel(mean, x)) / _by_channel(np.sqrt(var + eps), x)
    return _by_channel(gamma, x) * normal + _by_channel(beta, x)


@batch_norm_inference.def_vjp
def _(
    dy: Array, x: Array, mean: Array, var: Array, gamma: Array, beta: Array, eps: float = 1e-5
) -> tuple[Any, ...]:
    std = np.sqrt(var + eps)
    normal = (x - _by_channel(mean, x)) / _by_channel(std, x)
    slope, dgamma, dbeta = gamma / std, _over_channel(dy * normal), _over_channel(dy)
    dvar = -slope * dgamma / std / 2
    return dy * _by_channel(slope, x), -slope * dbeta, dvar, dgamma, dbeta


def _trailing(x: Array, *learned: Array) -> Axes:
    """The last axes of x, those that what is learned has."""
    rank = np.ndim(learned[0])
    fits = 0 < rank <= np.ndim(x)
    fits = fits and all(np.shape(p) == np.shape(x)[-rank:] for p in learned)
    shapes = f"got {', '.join(str(np.shape(a)) for a in (x, *learned))}"
    require(fits, f"what is learned must have the shape of the last axes of x, {shapes}")
    return tuple(range(np.ndim(x) - rank, np.ndim(x)))


@gradcheck.register("x[... d], gamma[d], beta[d], eps=1e-5|0.1", scope="forward")
def layer_norm(x: Array, gamma: Array, beta: Array, eps: float = 1e-5) -> Any:
    """y = gamma x^ + beta, mean and variance over the last axes: as many as gamma and beta have.

    dx = (g - mean g - x^ mean(g x^)) / std with g = gamma dy (Ba, Kiros and Hinton 2016, eq. 4).
    A row of one number gives beta, and dx = 0. Rows of no numbers, eps <= 0 and a gamma or beta of
    another shape than the last axes of x are refused.

    >>> layer_norm(np.array([[1.0, 3.0], [7.0, 7.0]]), np.array([2.0, 1.0]), np.zeros(2)).round(4)
    array([[-2.,  1.],
           [ 0.,  0.]])
    """
    return gamma * _normalised(x, _trailing(x, gamma, beta), eps).value + beta


@layer_norm.def_vjp
def _(dy: Array, x: Array, gamma: Array, beta: Array, eps: float = 1e-5) -> tuple[Any, ...]:
    axes = _trailing(x, gamma, beta)
    normal = _normalised(x, axes, eps)
    dx = _normalised_vjp(gamma * dy, normal, axes)
    return dx, unbroadcast(dy * normal.value, np.shape(gamma)), unbroadcast(dy, np.shape(beta))


@gradcheck.register("x[... d], gamma[d], eps=1e-5|0.1", scope="forward")
def rms_norm(x: Array, gamma: Array, eps: float = 1e-5) -> Any:
    """y = gamma x / rms, rms = sqrt(mean x^2 + eps) over the last axes: as many as gamma has.

    dx = (g - y^ mean(g y^)) / rms with g = gamma dy and y^ = x / rms (Zhang and Sennrich 2019,
    eq. 4). Rows of no numbers, eps <= 0 and a gamma of another shape than the last axes of x are
    refused.

    >>> rms_norm(np.array([3.0, -3.0]), np.array([1.0, 2.0])).round(4)
    array([ 1., -2.])
    """
    return gamma * _Scaled.of(x, _trailing(x, gamma), eps).value


@rms_norm.def_vjp
def _(dy: Array, x: Array, gamma: Array, eps: float = 1e-5) -> tuple[Any, ...]:
    axes = _trailing(x, gamma)
    scaled = _Scaled.of(x, axes, eps)
    return scaled.pulled(gamma * dy, axes), unbroadcast(dy * scaled.value, np.shape(gamma))


def _grouped(x: Array, groups: int) -> Array:
    """x (n, c, ...) as (n, groups, entries of a group)."""
    n, c = np.shape(x)[:2]
    divides = groups > 0 and c % groups == 0
    require(divides, f"groups must be a divisor of the {c} channels, got {groups}")
    return np.reshape(x, (n, groups, c // groups * int(np.prod(np.shape(x)[2:]))))


@gradcheck.register(
    "x[n 2*g ...], gamma[2*g], beta[2*g], groups=1|2, eps=1e-5|0.1", scope="forward"
)
def group_norm(x: Array, gamma: Array, beta: Array, groups: int = 1, eps: float = 1e-5) -> Any:
    """y = gamma x^ + beta, mean and variance over each example's groups of successive channels.

    dx = (g - mean g - x^ mean(g x^)) / std with g = gamma dy (Wu and He 2018, eq. 7). Groups that
    do not divide the channels, are of no numbers, other shapes and eps <= 0 are refused.

    >>> group_norm(np.array([[1.0, 3.0, 7.0, 7.0]]), np.ones(4), np.zeros(4), groups=2).round(4)
    array([[-1.,  1.,  0.,  0.]])
    """
    _require_channels(x, gamma, beta)
    normal = _normalised(_grouped(x, groups), (2,), eps).value
    return _by_channel(gamma, x) * np.reshape(normal, np.shape(x)) + _by_channel(beta, x)


@group_norm.def_vjp
def _(
    dy: Array, x: Array, gamma: Array, beta: Array, groups: int = 1, eps: float = 1e-5
) -> tuple[Any, ...]:
    normal = _normalised(_grouped(x, groups), (2,), eps)
    dnormal = _grouped(dy * _by_channel(gamma, x), groups)
    dx = np.reshape(_normalised_vjp(dnormal, normal, (2,)), np.shape(x))
    return dx, _over_channel(dy * np.reshape(normal.value, np.shape(x))), _over_channel(dy)


@gradcheck.register("x[n c ...], gamma[c], beta[c], eps=1e-5|0.1", scope="forward")
def instance_norm(x: Array, gamma: Array, beta: Array, eps: float = 1e-5) -> Any:
    """y = gamma x^ + beta, mean and variance of each example's channels: groups of one channel.

    Gradients as in `group_norm` (Ulyanov, Vedaldi and Lempitsky 2016, eq. 6). With no positions,
    x (n, c): y = beta, dx = 0. Refused: as `group_norm`, and no channels.

    >>> instance_norm(np.array([[[1.0, 3.0], [7.0, 7.0]]]), np.ones(2), np.zeros(2)).round(4)
    array([[[-1.,  1.],
            [ 0.,  0.]]])
    """
    _require_channels(x, gamma, beta)
    return group_norm(x, gamma, beta, np.shape(x)[1], eps)


@instance_norm.def_vjp
def _(dy: Array, x: Array, gamma: Array, beta: Array, eps: float = 1e-5) -> tuple[Any, ...]:
    return tuple(group_norm.vjp(x, gamma, beta, groups=np.shape(x)[1], eps=eps)[1](dy))
