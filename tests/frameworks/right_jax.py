"""Right JAX code of many styles: each passes, and nothing is said against it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

_random = np.random.default_rng(0)
RIGHT: dict[str, tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = {}


def array(*shape: int, dtype: Any = jnp.float32) -> jax.Array:
    return jnp.array(_random.normal(size=shape), dtype)


def right(*example: Any, name: str = "", **options: Any) -> Callable[[Any], Any]:
    def keep(function: Any) -> Any:
        RIGHT[name or function.__name__] = (function, example, options)
        return function

    return keep


def ruled(function: Any, fwd: Any, bwd: Any, **options: Any) -> Any:
    made = jax.custom_vjp(function)
    made.defvjp(fwd, bwd, **options)
    return made


@right(array(3, 4))
@jax.custom_vjp
def relu(x):
    return jnp.maximum(x, 0)


relu.defvjp(lambda x: (relu(x), x > 0), lambda mask, g: (g * mask,))


@right(array(3, 4), -1.0, 1.0, differentiates=lambda x, low, high: x)
@partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def clip_straight_through(x, low, high):
    return jnp.clip(x, low, high)


clip_straight_through.defvjp(
    lambda x, low, high: (jnp.clip(x, low, high), None), lambda low, high, _, g: (g,)
)


@right(array(3, 4), 0.5)
@partial(jax.custom_vjp, nondiff_argnums=(1,))
def leaky(x, slope):
    return jnp.where(x > 0, x, slope * x)


leaky.defvjp(
    lambda x, slope: (jnp.where(x > 0, x, slope * x), x),
    lambda slope, x, g: (jnp.where(x > 0, g, slope * g),),
)


@right(array(3, 4))
@jax.custom_vjp
def logsumexp(x):
    top = x.max(-1, keepdims=True)
    return jnp.log(jnp.exp(x - top).sum(-1)) + top[..., 0]


def _logsumexp_fwd(x):
    y = logsumexp(x)
    return y, (x, y)


logsumexp.defvjp(
    _logsumexp_fwd, lambda kept, g: (g[..., None] * jnp.exp(kept[0] - kept[1][..., None]),)
)


@right(array(3, 4), jnp.array([0, 2, 1]))
@jax.custom_vjp
def cross_entropy(x, labels):
    return -jnp.take_along_axis(jax.nn.log_softmax(x), labels[:, None], 1)[:, 0]


def _cross_entropy_bwd(kept, g):
    x, labels = kept
    hot = jax.nn.one_hot(labels, x.shape[1], dtype=x.dtype)
    return g[:, None] * (jax.nn.softmax(x) - hot), None


cross_entropy.defvjp(lambda x, labels: (cross_entropy(x, labels), (x, labels)), _cross_entropy_bwd)


@right(array(3, 5), array(5), array(5))
@jax.custom_vjp
def layer_norm(x, gain, bias):
    return _normal(x)[0] * gain + bias


def _normal(x):
    centred = x - x.mean(-1, keepdims=True)
    rate = 1 / jnp.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    return centred * rate, rate


def _layer_norm_fwd(x, gain, bias):
    normal, rate = _normal(x)
    return normal * gain + bias, (normal, rate, gain)


def _layer_norm_bwd(kept, g):
    normal, rate, gain = kept
    along = g * gain
    mean = along.mean(-1, keepdims=True)
    dx = rate * (along - mean - normal * (along * normal).mean(-1, keepdims=True))
    return dx, (g * normal).sum(0), g.sum(0)


layer_norm.defvjp(_layer_norm_fwd, _layer_norm_bwd)


@right(array(3, 4), array(5, 4), array(5, 2))
@jax.jit
def attention(q, k, v):
    return jax.nn.softmax(q @ k.T / jnp.sqrt(q.shape[-1])) @ v


_SQUARE = array(3, 3) + 3 * jnp.eye(3)
right(_SQUARE, array(3, 2), name="solve")(jnp.linalg.solve)
right(array(3, 4), name="jax.nn.relu")(jax.nn.relu)


@right({"wx": array(3, 4), "wh": array(4, 4), "b": array(4)}, array(5, 3))
def rnn(params, xs):
    def step(h, x):
        h = jnp.tanh(x @ params["wx"] + h @ params["wh"] + params["b"])
        return h, h

    return jax.lax.scan(step, jnp.zeros(4, xs.dtype), xs)[1]


class Layer(NamedTuple):
    w: jax.Array
    b: jax.Array


@right([Layer(array(4, 5), array(5)), Layer(array(5, 2), array(2))], array(3, 4))
def mlp(params, x):
    for layer in params[:-1]:
        x = jnp.tanh(x @ layer.w + layer.b)
    return {"out": x @ params[-1].w + params[-1].b, "hidden": x}


@jax.tree_util.register_dataclass
@dataclass
class Dense:
    w: jax.Array
    s: jax.Array


@right(Dense(array(4, 2), array(2)), array(3, 4))
@jax.custom_vjp
def dense(p, x):
    return x @ p.w * p.s


def _dense_bwd(kept, g):
    p, x = kept
    scaled = g * p.s
    return Dense(x.T @ scaled, (g * (x @ p.w)).sum(0)), scaled @ p.w.T


dense.defvjp(lambda p, x: (dense(p, x), (p, x)), _dense_bwd)


@right(array(3, 4))
@jax.custom_jvp
def softplus(x):
    return jnp.logaddexp(x, 0.0)


@softplus.defjvp
def _softplus_jvp(primals, tangents):
    return softplus(*primals), jax.nn.sigmoid(primals[0]) * tangents[0]


@right(array(3) + 1j * array(3))
@jax.custom_vjp
def squared_size(z):
    return z.real**2 + z.imag**2


squared_size.defvjp(lambda z: (squared_size(z), z), lambda z, g: (2 * g * jnp.conj(z),))


@right(array(3, 4), jax.random.key(0), jax.random.PRNGKey(0))
def dropout(x, key, old_key):
    kept = jax.random.bernoulli(key, 0.5, x.shape[:1]), jax.random.bernoulli(old_key, 0.5)
    return jnp.where(kept[0][:, None] | kept[1], 2 * x, 0)


right(array(3, 4, dtype=jnp.bfloat16), name="bfloat16")(
    ruled(lambda x: x * x, lambda x: (x * x, x), lambda x, g: (2 * x * g,))
)
right(array(3, 4), name="float32_rule")(
    ruled(
        lambda x: x * x,
        lambda x: (x * x, x),
        lambda x, g: (jax.lax.mul(g, 2 * x.astype(jnp.float32)),),
    )
)


@right(array(3, 4), 2)
@partial(jax.jit, static_argnums=1)
def power(x, n):
    return x**n


@right(array(3, 4), array(4))
def two_outputs(x, w):
    return x * w, (x**2).sum()


def _symbolic_bwd(kept, g):
    if isinstance(g, jax.custom_derivatives.SymbolicZero):
        return jnp.zeros_like(kept[0]), jnp.zeros_like(kept[1])
    return g * kept[1], g * kept[0]


right(array(3), array(3), name="symbolic_zeros")(
    ruled(
        lambda x, w: x * w,
        lambda x, w: (x.value * w.value, (x.value, w.value)),
        _symbolic_bwd,
        symbolic_zeros=True,
    )
)


@right(array(3, 4))
def branches_on_its_numbers(x):
    return x * 2 if x.sum() > 1e9 else x * 3


@right(array(3, 4), name="host_callback")
@jax.custom_vjp
def on_the_host(x):
    return _host(np.sin, x)


def _host(function, x):
    def call(v):
        return function(np.asarray(v)).astype(v.dtype)

    shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
    return jax.pure_callback(call, shape, x, vmap_method="expand_dims")


on_the_host.defvjp(lambda x: (on_the_host(x), x), lambda x, g: (g * _host(np.cos, x),))
