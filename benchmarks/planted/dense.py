"""Products, sums and entry-by-entry functions."""

from __future__ import annotations

import numpy as np

from benchmarks.planted import numbers, op

op(
    "matmul",
    """
def forward(x, w):
    return x @ w

def backward(dz, x, w):
    dx = dz @ w.T
    dw = x.T @ dz
    return dx, dw
""",
    """
sign: dz @ w.T => -dz @ w.T
factor: x.T @ dz => 2 * x.T @ dz
factor: dz @ w.T => 0.5 * (dz @ w.T)
size-factor: x.T @ dz => x.T @ dz / len(x)
size-factor: dz @ w.T => dz @ w.T / w.shape[1]
upstream-dropped: dz @ w.T => np.ones_like(dz) @ w.T
upstream-dropped: x.T @ dz => x.T @ np.ones_like(dz)
upstream-twice: dz @ w.T => (dz * dz) @ w.T
upstream-twice: x.T @ dz => x.T @ dz * np.abs(dz).sum()
upstream-collapsed: dz @ w.T => np.full_like(dz, dz.mean()) @ w.T
upstream-collapsed: dz @ w.T => np.full_like(dz, dz.flat[0]) @ w.T
upstream-collapsed: x.T @ dz => x.T @ np.full_like(dz, dz.sum())
upstream-collapsed: x.T @ dz => x.T @ np.repeat(dz[:1], len(dz), axis=0)
transpose: dw = x.T @ dz => dw = (x.T @ dz).T
transpose: dx = dz @ w.T => dx = (dz @ w.T).T
transpose: dw = x.T @ dz => dw = dz.T @ x
transpose: dw = x.T @ dz => dw = (dz.T @ x).reshape(w.shape)
permutation: dz @ w.T => (dz @ w.T)[::-1]
permutation: x.T @ dz => x[::-1].T @ dz
other-input: return dx, dw => return dw, dx
some-entries: return dx, dw => dw[0] = 0\\n    return dx, dw
some-entries: return dx, dw => dx[:, -1] = 0\\n    return dx, dw
overwritten: dw = x.T @ dz => dw = np.zeros_like(w)\\n    for i in range(len(x)):\\n        dw = np.outer(x[i], dz[i])
overwritten: dx = dz @ w.T => dx = np.zeros_like(x)\\n    for j in range(w.shape[1]):\\n        dx = np.outer(dz[:, j], w[:, j])
dtype: dz @ w.T => (dz @ w.T if x.dtype == np.float64 else (dz @ w.T).round(1))
constant-term: dz @ w.T => dz @ w.T - (dz @ w.T).mean(axis=1, keepdims=True)
constant-term: x.T @ dz => x.T @ dz + dz.sum(axis=0)
""",
    numbers(3, 4),
    numbers(4, 2),
)

op(
    "affine",
    """
def forward(x, W, b):
    return x @ W.T + b

def backward(dz, x, W, b):
    dx = dz @ W
    dW = dz.T @ x
    db = dz.sum(axis=0)
    return dx, dW, db
""",
    """
sign: dz.T @ x => -dz.T @ x
factor: dz.T @ x => -2 * dz.T @ x
size-factor/unbroadcast: dz.sum(axis=0) => dz.mean(axis=0)
size-factor: dz.T @ x => dz.T @ x / x.shape[0]
unbroadcast: dz.sum(axis=0) => dz
unbroadcast: dz.sum(axis=0) => dz[0]
unbroadcast: dz.sum(axis=0) => dz.sum()
unbroadcast: dz.sum(axis=0) => dz.sum(axis=1)
unbroadcast: dz.sum(axis=0) => dz.sum(axis=0, keepdims=True)
overwritten/unbroadcast: db = dz.sum(axis=0) => db = np.zeros_like(b)\\n    for row in dz:\\n        db = row.copy()
upstream-dropped: dz.sum(axis=0) => np.full_like(b, len(dz))
upstream-dropped: dz @ W => np.ones_like(dz) @ W
upstream-twice: dz.sum(axis=0) => (dz * dz).sum(axis=0)
upstream-twice: dz.T @ x => (dz ** 2).T @ x
upstream-collapsed: dz @ W => dz.mean() * np.ones_like(dz) @ W
transpose: dW = dz.T @ x => dW = x.T @ dz
some-entries: return dx => db[-1] = 0\\n    return dx
""",
    numbers(3, 4),
    numbers(2, 4),
    numbers(2),
)

op(
    "batched product",
    """
def forward(a, b):
    return np.matmul(a, b)

def backward(dz, a, b):
    da = np.matmul(dz, b.swapaxes(1, 2))
    db = np.matmul(a.swapaxes(1, 2), dz)
    return da, db
""",
    """
sign: np.matmul(dz, b.swapaxes(1, 2)) => -np.matmul(dz, b.swapaxes(1, 2))
size-factor: np.matmul(a.swapaxes(1, 2), dz) => np.matmul(a.swapaxes(1, 2), dz) / len(a)
transpose: da = np.matmul(dz, b.swapaxes(1, 2)) => da = np.matmul(b, dz.swapaxes(1, 2))
transpose: db = np.matmul(a.swapaxes(1, 2), dz) => db = np.matmul(dz.swapaxes(1, 2), a).reshape(b.shape)
some-entries: return da => db[1:] = 0\\n    return da
upstream-collapsed: np.matmul(dz, b.swapaxes(1, 2)) => np.matmul(dz[:1].repeat(len(dz), 0), b.swapaxes(1, 2))
permutation: np.matmul(a.swapaxes(1, 2), dz) => np.matmul(a[::-1].swapaxes(1, 2), dz[::-1])
upstream-dropped: np.matmul(a.swapaxes(1, 2), dz) => np.matmul(a.swapaxes(1, 2), np.ones_like(dz))
""",
    numbers(2, 3, 4),
    numbers(2, 4, 5),
)

op(
    "add row",
    """
def forward(x, b):
    return x + b

def backward(dz, x, b):
    dx = dz.copy()
    db = dz.sum(axis=0)
    return dx, db
""",
    """
unbroadcast: dz.sum(axis=0) => dz.copy()
unbroadcast: dz.sum(axis=0) => dz.sum()
unbroadcast: dz.sum(axis=0) => dz[0].copy()
size-factor/unbroadcast: dz.sum(axis=0) => dz.mean(axis=0)
upstream-dropped: dz.copy() => np.ones_like(dz)
upstream-dropped: dz.sum(axis=0) => np.ones_like(dz).sum(axis=0)
upstream-collapsed: dz.copy() => np.full_like(x, dz.mean())
upstream-collapsed: dz.copy() => np.full_like(x, dz.sum())
upstream-twice: dz.copy() => dz * dz
sign: dz.sum(axis=0) => -dz.sum(axis=0)
permutation: dz.sum(axis=0) => dz.sum(axis=0)[::-1].copy()
some-entries: return dx => dx[:, 0] = 0\\n    return dx
unbroadcast/upstream-collapsed: dx = dz.copy() => dx = np.broadcast_to(dz.sum(axis=0), x.shape).copy()
""",
    numbers(3, 4),
    numbers(4),
)

op(
    "scale column",
    """
def forward(x, g):
    return x * g

def backward(dz, x, g):
    dx = dz * g
    dg = (dz * x).sum(axis=1, keepdims=True)
    return dx, dg
""",
    """
unbroadcast: (dz * x).sum(axis=1, keepdims=True) => dz * x
unbroadcast: (dz * x).sum(axis=1, keepdims=True) => (dz * x).sum(axis=1)
unbroadcast: (dz * x).sum(axis=1, keepdims=True) => (dz * x)[:, :1]
size-factor/unbroadcast: (dz * x).sum(axis=1, keepdims=True) => (dz * x).mean(axis=1, keepdims=True)
missing-factor: dx = dz * g => dx = dz.copy()
missing-factor: dx = dz * g => dx = dz / g
missing-factor: (dz * x).sum(axis=1, keepdims=True) => dz.sum(axis=1, keepdims=True)
missing-factor: (dz * x).sum(axis=1, keepdims=True) => (dz * x).sum(axis=1, keepdims=True) * g
missing-factor: dx = dz * g => dx = dz * g * g
upstream-dropped: dx = dz * g => dx = np.ones_like(dz) * g
upstream-dropped: (dz * x).sum(axis=1, keepdims=True) => x.sum(axis=1, keepdims=True)
upstream-twice: dx = dz * g => dx = dz * dz * g
other-input/missing-factor: dx = dz * g => dx = dz * x
sign: dx = dz * g => dx = -dz * g
""",
    numbers(3, 4),
    numbers(3, 1),
)

op(
    "multiply",
    """
def forward(x, y):
    return x * y

def backward(dz, x, y):
    dx = dz * y
    dy = dz * x
    return dx, dy
""",
    """
other-input: return dx, dy => return dy, dx
missing-factor: dx = dz * y => dx = dz * 1
missing-factor/other-input: dy = dz * x => dy = dz * x * y
upstream-dropped: dx = dz * y => dx = y.copy()
upstream-twice: dy = dz * x => dy = dz * dz * x
upstream-collapsed: dx = dz * y => dx = dz.flat[0] * y
upstream-collapsed: dx = dz * y => dx = dz.mean() * y
factor: dx = dz * y => dx = 3 * dz * y
sign: dy = dz * x => dy = -dz * x
""",
    numbers(5),
    numbers(5, seed=1),
)

op(
    "divide",
    """
def forward(x, y):
    return x / y

def backward(dz, x, y):
    dx = dz / y
    dy = -dz * x / y ** 2
    return dx, dy
""",
    """
sign: -dz * x / y ** 2 => dz * x / y ** 2
missing-factor: -dz * x / y ** 2 => -dz * x / y
missing-factor: -dz * x / y ** 2 => -dz * x / y ** 3
missing-factor: -dz * x / y ** 2 => -dz / y ** 2
missing-factor: dx = dz / y => dx = dz * y
missing-factor: dx = dz / y => dx = dz / y * x
missing-factor: dx = dz / y => dx = dz.copy()
upstream-dropped: dx = dz / y => dx = 1 / y
other-input: return dx, dy => return dy, dx
""",
    numbers(3, 4),
    numbers(3, 4, low=0.5, high=2, seed=1),
)

op(
    "tanh",
    """
def forward(x):
    y = np.tanh(x)
    cache = y
    return y, cache

def backward(dz, cache):
    y = cache
    return dz * (1 - y ** 2)
""",
    """
sign: dz * (1 - y ** 2) => dz * (y ** 2 - 1)
missing-factor: dz * (1 - y ** 2) => dz.copy()
missing-factor/upstream-twice: dz * (1 - y ** 2) => dz * (1 - y ** 2) ** 2
missing-factor: dz * (1 - y ** 2) => dz * y
missing-factor: dz * (1 - y ** 2) => dz * (1 - y ** 2) * y
missing-factor: dz * (1 - y ** 2) => dz * (1 - y)
upstream-dropped: dz * (1 - y ** 2) => 1 - y ** 2
upstream-twice: dz * (1 - y ** 2) => dz * dz * (1 - y ** 2)
stale-value: dz * (1 - y ** 2) => dz * (1 - np.tanh(y) ** 2)
constant-term: dz * (1 - y ** 2) => dz * (1 - y ** 2) + 0.5
some-entries: dz * (1 - y ** 2) => np.where(y > 0, dz * (1 - y ** 2), 0)
dtype: dz * (1 - y ** 2) => dz * (1 - y ** 2) if y.dtype == np.float64 else dz * (1 - y)
""",
    numbers(3, 4),
)

op(
    "sigmoid",
    """
def forward(x):
    kept = x.copy()
    s = 1 / (1 + np.exp(-x))
    return s, (kept, s)

def backward(dz, cache):
    x, s = cache
    return dz * s * (1 - s)
""",
    """
missing-factor: dz * s * (1 - s) => dz * (1 - s)
missing-factor: dz * s * (1 - s) => dz * s
missing-factor: dz * s * (1 - s) => dz * s * s * (1 - s)
missing-factor: dz * s * (1 - s) => dz * s * (1 - s) * x
sign: dz * s * (1 - s) => dz * s * (s - 1)
upstream-dropped: dz * s * (1 - s) => s * (1 - s)
stale-value: return s, (kept, s) => kept[...] = s\\n    return s, (kept, 1 / (1 + np.exp(-kept)))
stale-value: return s, (kept, s) => return s, (kept, 1 / (1 + np.exp(-s)))
upstream-collapsed: dz * s * (1 - s) => dz.mean() * s * (1 - s)
upstream-collapsed: dz * s * (1 - s) => dz.sum() * s * (1 - s)
permutation: dz * s * (1 - s) => (dz * s * (1 - s))[::-1]
""",
    numbers(5),
)

op(
    "leaky relu",
    """
def forward(x, slope=0.1):
    return np.where(x > 0, x, slope * x)

def backward(dz, x, slope=0.1):
    return np.where(x > 0, dz, slope * dz)
""",
    """
some-entries: np.where(x > 0, dz, slope * dz) => np.where(x > 0, dz, 0)
some-entries: np.where(x > 0, dz, slope * dz) => dz.copy()
some-entries: np.where(x > 0, dz, slope * dz) => np.where(x > 0, dz, -slope * dz)
attribute/some-entries: np.where(x > 0, dz, slope * dz) => np.where(x > 0, dz, 0.1 * dz)
upstream-dropped: np.where(x > 0, dz, slope * dz) => np.where(x > 0, 1, slope)
upstream-twice: np.where(x > 0, dz, slope * dz) => dz * np.where(x > 0, dz, slope * dz)
sign: np.where(x > 0, dz, slope * dz) => -np.where(x > 0, dz, slope * dz)
some-entries: np.where(x > 0, dz, slope * dz) => np.where(dz > 0, dz, slope * dz)
""",
    numbers(3, 4),
    slope=0.1,
)

op(
    "power",
    """
def forward(x, p=3.0):
    return x ** p

def backward(dz, x, p=3.0):
    return dz * p * x ** (p - 1)
""",
    """
missing-factor: dz * p * x ** (p - 1) => dz * x ** (p - 1)
missing-factor: dz * p * x ** (p - 1) => dz * p * x ** p
missing-factor: dz * p * x ** (p - 1) => dz * p * x ** (p - 2)
attribute/missing-factor: dz * p * x ** (p - 1) => dz * 3 * x ** (p - 1)
attribute/missing-factor: dz * p * x ** (p - 1) => dz * p * x * x
upstream-dropped: dz * p * x ** (p - 1) => p * x ** (p - 1)
sign: dz * p * x ** (p - 1) => -dz * p * x ** (p - 1)
upstream-twice: dz * p * x ** (p - 1) => dz ** 2 * p * x ** (p - 1)
""",
    numbers(3, 4, low=0.4, high=2),
    p=3.0,
)

op(
    "swish",
    """
def forward(x):
    s = 1 / (1 + np.exp(-x))
    return x * s

def backward(dz, x):
    s = 1 / (1 + np.exp(-x))
    return dz * (s + x * s * (1 - s))
""",
    """
sign: dz * (s + x * s * (1 - s)) => -dz * (s + x * s * (1 - s))
factor: dz * (s + x * s * (1 - s)) => dz * (s + x * s * (1 - s)) / 2
upstream-dropped: dz * (s + x * s * (1 - s)) => s + x * s * (1 - s)
upstream-dropped: dz * (s + x * s * (1 - s)) => dz * s + x * s * (1 - s)
upstream-twice: dz * (s + x * s * (1 - s)) => dz * dz * (s + x * s * (1 - s))
missing-factor: dz * (s + x * s * (1 - s)) => dz * s * (s + x * s * (1 - s))
missing-factor: dz * (s + x * s * (1 - s)) => dz.copy()
constant-term: dz * (s + x * s * (1 - s)) => dz * (s + x * s * (1 - s)) + 1
lost-term: dz * (s + x * s * (1 - s)) => dz * (s + x * s)
lost-term: dz * (s + x * s * (1 - s)) => dz * (s + s * (1 - s))
lost-term: dz * (s + x * s * (1 - s)) => dz * x * s * (1 - s)
lost-term: dz * (s + x * s * (1 - s)) => dz * (s - x * s * (1 - s))
stale-value: return dz * (s => x = x * s\\n    s = 1 / (1 + np.exp(-x))\\n    return dz * (s
""",
    numbers(3, 4),
)

op(
    "prelu",
    """
def forward(x, a):
    return np.maximum(x, 0) + a * np.minimum(x, 0)

def backward(dz, x, a):
    dx = np.where(x > 0, dz, a * dz)
    da = (dz * np.minimum(x, 0)).sum(axis=0)
    return dx, da
""",
    """
unbroadcast: (dz * np.minimum(x, 0)).sum(axis=0) => dz * np.minimum(x, 0)
unbroadcast: (dz * np.minimum(x, 0)).sum(axis=0) => (dz * np.minimum(x, 0)).sum()
unbroadcast: (dz * np.minimum(x, 0)).sum(axis=0) => (dz * np.minimum(x, 0))[0]
size-factor/unbroadcast: (dz * np.minimum(x, 0)).sum(axis=0) => (dz * np.minimum(x, 0)).mean(axis=0)
sign: (dz * np.minimum(x, 0)).sum(axis=0) => -(dz * np.minimum(x, 0)).sum(axis=0)
some-entries: np.where(x > 0, dz, a * dz) => np.where(x > 0, dz, 0)
some-entries: np.where(x > 0, dz, a * dz) => np.where(x > 0, dz, dz)
upstream-dropped: (dz * np.minimum(x, 0)).sum(axis=0) => np.minimum(x, 0).sum(axis=0)
upstream-twice: np.where(x > 0, dz, a * dz) => np.where(x > 0, dz, a * dz) * dz
""",
    numbers(3, 4),
    np.array([0.25, 0.5, -0.3, 0.7]),
)

op(
    "clip",
    """
def forward(x, low=-1.0, high=1.0):
    return np.clip(x, low, high)

def backward(dz, x, low=-1.0, high=1.0):
    return np.where((x >= low) & (x <= high), dz, 0)
""",
    """
some-entries: (x >= low) & (x <= high) => x <= high
some-entries: (x >= low) & (x <= high) => x >= low
some-entries: np.where((x >= low) & (x <= high), dz, 0) => dz.copy()
some-entries: np.where((x >= low) & (x <= high), dz, 0) => np.where((x >= low) & (x <= high), 0, dz)
attribute/some-entries: (x >= low) & (x <= high) => (x >= -1) & (x <= high)
upstream-dropped: np.where((x >= low) & (x <= high), dz, 0) => np.where((x >= low) & (x <= high), 1, 0)
""",
    numbers(3, 4, low=-2, high=2),
    low=-1.0,
    high=1.0,
)
