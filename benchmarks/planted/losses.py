"""Losses and reductions to a scalar."""

from __future__ import annotations

import numpy as np

from benchmarks.planted import numbers, op

LABELS = np.array([0, 3, 1])

op(
    "cross entropy",
    """
def forward(x, t):
    z = x - x.max(axis=1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return -logp[np.arange(len(x)), t].mean()

def backward(dz, x, t):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    p[np.arange(len(x)), t] -= 1
    return dz * p / len(x)
""",
    """
size-factor: dz * p / len(x) => dz * p
size-factor: dz * p / len(x) => dz * p / x.size
size-factor: dz * p / len(x) => dz * p / len(x) ** 2
size-factor: dz * p / len(x) => dz * p / x.shape[1]
sign: dz * p / len(x) => -dz * p / len(x)
upstream-dropped: dz * p / len(x) => p / len(x)
upstream-twice: dz * p / len(x) => dz * dz * p / len(x)
some-entries: p[np.arange(len(x)), t] -= 1 => p[0, t[0]] -= 1
some-entries/constant-term: p[np.arange(len(x)), t] -= 1 => pass
factor: dz * p / len(x) => dz * p / (2 * len(x))
some-entries: return dz * p / len(x) => p[-1] = 0\\n    return dz * p / len(x)
permutation: dz * p / len(x) => (dz * p / len(x))[::-1]
permutation: dz * p / len(x) => (dz * p / len(x))[:, ::-1]
""",
    numbers(3, 4),
    LABELS,
)

op(
    "squared error",
    """
def forward(x, y):
    return ((x - y) ** 2).mean()

def backward(dz, x, y):
    d = dz * 2 * (x - y) / x.size
    return d, -d
""",
    """
factor: dz * 2 * (x - y) / x.size => dz * (x - y) / x.size
size-factor: dz * 2 * (x - y) / x.size => dz * 2 * (x - y)
size-factor: dz * 2 * (x - y) / x.size => dz * 2 * (x - y) / len(x)
sign: return d, -d => return -d, d
sign: return d, -d => return d, d.copy()
upstream-dropped: dz * 2 * (x - y) / x.size => 2 * (x - y) / x.size
upstream-twice: dz * 2 * (x - y) / x.size => dz ** 2 * 2 * (x - y) / x.size
constant-term/size-factor: dz * 2 * (x - y) / x.size => dz * 2 * (x - y - (x - y).mean(axis=0)) / x.size
some-entries: return d, -d => d[0] = 0\\n    return d, -d
permutation: return d, -d => return d[::-1], -d
""",
    numbers(3, 4),
    numbers(3, 4, seed=1),
)

op(
    "binary cross entropy",
    """
def forward(p, t):
    return -(t * np.log(p) + (1 - t) * np.log(1 - p)).sum()

def backward(dz, p, t):
    return dz * (p - t) / (p * (1 - p)), None
""",
    """
sign: dz * (p - t) / (p * (1 - p)) => dz * (t - p) / (p * (1 - p))
missing-factor: dz * (p - t) / (p * (1 - p)) => dz * (p - t) / p
missing-factor: dz * (p - t) / (p * (1 - p)) => dz * (p - t) / (1 - p)
missing-factor: dz * (p - t) / (p * (1 - p)) => dz * (p - t)
size-factor: dz * (p - t) / (p * (1 - p)) => dz * (p - t) / (p * (1 - p)) / len(p)
upstream-dropped: dz * (p - t) / (p * (1 - p)) => (p - t) / (p * (1 - p))
some-entries: dz * (p - t) / (p * (1 - p)) => np.where(t > 0, -dz / p, 0)
""",
    np.array([0.3, 0.6, 0.85, 0.2, 0.45]),
    np.array([1.0, 0.0, 1.0, 1.0, 0.0]),
)

op(
    "huber",
    """
def forward(x, y, delta=1.0):
    d = x - y
    return np.where(np.abs(d) <= delta, 0.5 * d * d, delta * (np.abs(d) - 0.5 * delta)).sum()

def backward(dz, x, y, delta=1.0):
    d = x - y
    g = dz * np.where(np.abs(d) <= delta, d, delta * np.sign(d))
    return g, -g
""",
    """
some-entries: delta * np.sign(d)) => delta)
some-entries: delta * np.sign(d)) => 0)
attribute/some-entries: delta * np.sign(d)) => np.sign(d))
sign: return g, -g => return g, g.copy()
upstream-dropped: g = dz * np.where => g = np.where
factor: g = dz * np.where => g = 2 * dz * np.where
size-factor: return g, -g => return g / g.size, -g
""",
    numbers(5, low=-2, high=2),
    numbers(5, low=-2, high=2, seed=1),
    delta=1.0,
)

op(
    "log sum exp",
    """
def forward(x, axis=-1):
    m = x.max(axis=axis, keepdims=True)
    return (m + np.log(np.exp(x - m).sum(axis=axis, keepdims=True))).squeeze(axis)

def backward(dz, x, axis=-1):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    p = e / e.sum(axis=axis, keepdims=True)
    return np.expand_dims(dz, axis) * p
""",
    """
sign: np.expand_dims(dz, axis) * p => -np.expand_dims(dz, axis) * p
upstream-dropped: np.expand_dims(dz, axis) * p => p
upstream-collapsed: np.expand_dims(dz, axis) * p => dz.mean() * p
upstream-collapsed: np.expand_dims(dz, axis) * p => dz.flat[0] * p
upstream-collapsed: np.expand_dims(dz, axis) * p => dz.sum() * p
size-factor: np.expand_dims(dz, axis) * p => np.expand_dims(dz, axis) * p / x.shape[axis]
missing-factor: e / e.sum(axis=axis, keepdims=True) => e
attribute: e / e.sum(axis=axis, keepdims=True) => e / e.sum(axis=-1, keepdims=True)
attribute: np.expand_dims(dz, axis) * p => np.expand_dims(dz, axis) * p * (1 if axis == -1 else -1)
permutation: np.expand_dims(dz, axis) * p => np.expand_dims(dz[::-1], axis) * p
upstream-twice: np.expand_dims(dz, axis) * p => np.expand_dims(dz * dz, axis) * p
""",
    numbers(3, 4),
    axis=-1,
)

op(
    "norm",
    """
def forward(x):
    return np.sqrt((x * x).sum(axis=1) + 1e-3)

def backward(dz, x):
    n = np.sqrt((x * x).sum(axis=1) + 1e-3)
    return (dz / n)[:, None] * x
""",
    """
missing-factor: (dz / n)[:, None] * x => dz[:, None] * x
missing-factor: (dz / n)[:, None] * x => (dz / n ** 2)[:, None] * x
missing-factor: (dz / n)[:, None] * x => (dz / n)[:, None] * np.ones_like(x)
missing-factor: (dz / n)[:, None] * x => (dz / n)[:, None] * x * x
factor: (dz / n)[:, None] * x => (2 * dz / n)[:, None] * x
upstream-dropped: (dz / n)[:, None] * x => (1 / n)[:, None] * x
upstream-collapsed: (dz / n)[:, None] * x => (dz[0] / n)[:, None] * x
upstream-collapsed: (dz / n)[:, None] * x => (dz.mean() / n)[:, None] * x
some-entries: (dz / n)[:, None] * x => (dz / n)[:, None] * np.maximum(x, 0)
sign: (dz / n)[:, None] * x => -(dz / n)[:, None] * x
""",
    numbers(3, 4),
)

op(
    "hinge",
    """
def forward(x, t):
    margins = np.maximum(0, x - x[np.arange(len(x)), t][:, None] + 1)
    margins[np.arange(len(x)), t] = 0
    return margins.sum() / len(x)

def backward(dz, x, t):
    rows = np.arange(len(x))
    m = (x - x[rows, t][:, None] + 1 > 0).astype(x.dtype)
    m[rows, t] = 0
    m[rows, t] = -m.sum(axis=1)
    return dz * m / len(x)
""",
    """
some-entries: m[rows, t] = -m.sum(axis=1) => pass
some-entries: m[rows, t] = -m.sum(axis=1) => m[rows, t] = -1
some-entries: m[rows, t] = -m.sum(axis=1) => m[rows, t] = m.sum(axis=1)
size-factor: dz * m / len(x) => dz * m
upstream-dropped: dz * m / len(x) => m / len(x)
sign: dz * m / len(x) => -dz * m / len(x)
""",
    numbers(3, 4),
    LABELS,
)
