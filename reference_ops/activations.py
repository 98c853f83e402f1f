"""Activations of today's networks, entry by entry, for arrays of any shape.

Slopes are chosen with `where`, not multiplied with a mask: an infinite cotangent times 0 is NaN.
Sigmoids are never written 1 - something: that is 0 or noise in the tail where it is small.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import gradcheck
from reference_ops._shapes import Array
from reference_ops.nonlinear import logistic, tanh_slope


@gradcheck.register("z[...]", scope="forward")
def softplus(z: Array) -> Any:
    """y = log(1 + e^z); dz = logistic(z) dy (Dugas et al. 2001).

    >>> softplus(np.array([0.0, 1000.0]))
    array([6.93147181e-01, 1.00000000e+03])
    """
    return np.logaddexp(0, z)


@softplus.def_vjp
def _(dy: Array, z: Array) -> tuple[Any, ...]:
    return (logistic(z) * dy,)


@gradcheck.register("z[...]", scope="forward")
def log_sigmoid(z: Array) -> Any:
    """y = log logistic(z) = -log(1 + e^-z); dz = logistic(-z) dy (PyTorch, `logsigmoid`).

    >>> log_sigmoid(np.array([0.0, -1000.0]))
    array([-6.93147181e-01, -1.00000000e+03])
    """
    return -np.logaddexp(0, np.negative(z))


@log_sigmoid.def_vjp
def _(dy: Array, z: Array) -> tuple[Any, ...]:
    return (logistic(np.negative(z)) * dy,)


@gradcheck.register("z[...]", scope="forward")
def silu(z: Array) -> Any:
    """y = z s, s = logistic(z); dz = s (1 + z logistic(-z)) dy (Ramachandran et al. 2017, Swish).

    >>> silu(np.array([0.0, 1.0]))
    array([0.        , 0.73105858])
    """
    return z * logistic(z)


@silu.def_vjp
def _(dy: Array, z: Array) -> tuple[Any, ...]:
    return (logistic(z) * (1 + z * logistic(np.negative(z))) * dy,)


_NORMAL = np.vectorize(lambda z: math.erfc(-z * math.sqrt(0.5)) / 2, otypes=[float])


def _normal(z: Array) -> Any:
    """The normal distribution function, with its digits in the left tail, in z's precision."""
    return _NORMAL(z).astype(np.result_type(z, 0.0))


@gradcheck.register("z[...]", scope="forward")
def gelu(z: Array) -> Any:
    """y = z Phi(z), Phi the normal distribution function; dz = (Phi(z) + z phi(z)) dy.

    Hendrycks and Gimpel 2016. phi(z) = exp(-z^2 / 2) / sqrt(2 pi). Phi by erfc: 1 + erf is 0 from
    z = -9 on.

    >>> gelu(np.array([0.0, 1.0]))
    array([0.        , 0.84134475])
    """
    return z * _normal(z)


@gelu.def_vjp
def _(dy: Array, z: Array) -> tuple[Any, ...]:
    density = np.exp(-np.square(z) / 2) / math.sqrt(2 * math.pi)
    return ((_normal(z) + z * density) * dy,)


_ROOT, _CUBIC = math.sqrt(2 / math.pi), 0.044715


@gradcheck.register("z[...]", scope="forward")
def gelu_tanh(z: Array) -> Any:
    """y = z (1 + tanh u) / 2, u = sqrt(2 / pi) (z + 0.044715 z^3) (Hendrycks and Gimpel 2016).

    1 + tanh u = 2 logistic(2u), hence dz = s (1 + 2 z u' logistic(-2u)) dy with s = logistic(2u).
    Beyond 30, s is exactly 0 or 1: z is clipped there in u, so that z^3 cannot overflow.

    >>> gelu_tanh(np.array([0.0, 1.0]))
    array([0.        , 0.84119199])
    """
    near = np.clip(z, -30, 30)
    return z * logistic(2 * _ROOT * near * (1 + _CUBIC * near * near))


@gelu_tanh.def_vjp
def _(dy: Array, z: Array) -> tuple[Any, ...]:
    near = np.clip(z, -30, 30)
    u = _ROOT * near * (1 + _CUBIC * near * near)
    slope = _ROOT * (1 + 3 * _CUBIC * near * near)
    return (logistic(2 * u) * (1 + 2 * near * slope * logistic(-2 * u)) * dy,)


@gradcheck.register("z[...], alpha=1.0|0.5", scope="forward")
def elu(z: Array, alpha: float = 1.0) -> Any:
    """y = z where z > 0, else alpha (e^z - 1); dz = dy, else alpha e^z dy (Clevert et al. 2015).

    At 0: slope alpha, as in PyTorch.

    >>> elu(np.array([-1000.0, 2.0]))
    array([-1.,  2.])
    """
    return np.where(np.greater(z, 0), z, alpha * np.expm1(np.minimum(z, 0)))


@elu.def_vjp
def _(dy: Array, z: Array, alpha: float = 1.0) -> tuple[Any, ...]:
    return (np.where(np.greater(z, 0), dy, alpha * np.exp(np.minimum(z, 0)) * dy),)


_ALPHA, _SCALE = 1.6732632423543772, 1.0507009873554805


@gradcheck.register("z[...]", scope="forward", conventions={"z": {0: 1}})
def selu(z: Array) -> Any:
    """y = scale elu(z, alpha), both constants; dz = scale dy where z > 0, else scale alpha e^z dy.

    Klambauer et al. 2017, with their constants: alpha = 1.6733, scale = 1.0507. At 0: slope
    scale alpha, the larger one, as in PyTorch.

    >>> selu(np.array([-1000.0, 2.0]))
    array([-1.75809934,  2.10140197])
    """
    return _SCALE * elu(z, _ALPHA)


@selu.def_vjp
def _(dy: Array, z: Array) -> tuple[Any, ...]:
    return (_SCALE * np.where(np.greater(z, 0), dy, _ALPHA * np.exp(np.minimum(z, 0)) * dy),)


@gradcheck.register("z[...]", scope="forward")
def mish(z: Array) -> Any:
    """y = z tanh(p), p = softplus(z); dz = (tanh(p) + z tanh'(p) logistic(z)) dy (Misra 2019).

    tanh'(p) = 4 logistic(2p) logistic(-2p), which keeps its digits where tanh(p) is close to 1.

    >>> mish(np.array([0.0, 1.0]))
    array([0.        , 0.86509839])
    """
    return z * np.tanh(np.logaddexp(0, z))


@mish.def_vjp
def _(dy: Array, z: Array) -> tuple[Any, ...]:
    p = np.logaddexp(0, z)
    return ((np.tanh(p) + z * (tanh_slope(p) * logistic(z))) * dy,)


@gradcheck.register("z[...]", scope="forward")
def softsign(z: Array) -> Any:
    """y = z / (1 + |z|); dz = dy / (1 + |z|)^2 (Bergstra et al. 2009; PyTorch, `softsign`).

    Divided twice: the square itself would overflow.

    >>> softsign(np.array([-1.0, 3.0]))
    array([-0.5 ,  0.75])
    """
    return z / (1 + np.abs(z))


@softsign.def_vjp
def _(dy: Array, z: Array) -> tuple[Any, ...]:
    d = 1 + np.abs(z)
    return (dy / d / d,)


@gradcheck.register("z[...]", scope="forward", conventions={"z": {0: 0, 6: 0}})
def relu6(z: Array) -> Any:
    """y = min(max(z, 0), 6); dz = 1(0 < z < 6) dy (Krizhevsky 2010). At 0 and 6: slope 0.

    >>> relu6(np.array([-1.0, 3.0, 7.0]))
    array([0., 3., 6.])
    """
    return np.clip(z, 0, 6)


@relu6.def_vjp
def _(dy: Array, z: Array) -> tuple[Any, ...]:
    return (np.where(np.greater(z, 0) & np.less(z, 6), dy, 0),)


@gradcheck.register("z[...]", scope="forward", conventions={"z": {-3: 0, 3: 0}})
def hard_sigmoid(z: Array) -> Any:
    """y = relu6(z + 3) / 6; dz = dy / 6 where -3 < z < 3, else 0 (PyTorch, `hardsigmoid`).

    At -3 and 3: slope 0, as in PyTorch.

    >>> hard_sigmoid(np.array([-4.0, 0.0, 1.5]))
    array([0.  , 0.5 , 0.75])
    """
    return relu6(z + 3) / 6


@hard_sigmoid.def_vjp
def _(dy: Array, z: Array) -> tuple[Any, ...]:
    return (np.where(np.less(np.abs(z), 3), dy / 6, 0),)


@gradcheck.register("z[...]", scope="forward", conventions={"z": {-3: 0, 3: 2 / 3}})
def hard_swish(z: Array) -> Any:
    """y = z hard_sigmoid(z); dz = 0 up to -3, dy from 3 on, (z / 3 + 1/2) dy between.

    Howard et al. 2019, MobileNetV3. At -3: slope 0, at 3: slope 1, as in PyTorch.

    >>> hard_swish(np.array([-4.0, 1.5, 4.0]))
    array([-0.   ,  1.125,  4.   ])
    """
    return z * hard_sigmoid(z)


@hard_swish.def_vjp
def _(dy: Array, z: Array) -> tuple[Any, ...]:
    inner = (z / 3 + 0.5) * dy
    return (np.where(np.greater_equal(z, 3), dy, np.where(np.greater(z, -3), inner, 0)),)
