"""Reductions, scans, and everything that only moves numbers."""

from __future__ import annotations

import numpy as np

from benchmarks.planted import numbers, op

op(
    "sum",
    """
def forward(x, axis=0):
    return x.sum(axis=axis)

def backward(dz, x, axis=0):
    return np.broadcast_to(np.expand_dims(dz, axis), x.shape).copy()
""",
    """
upstream-dropped: np.broadcast_to(np.expand_dims(dz, axis), x.shape).copy() => np.ones_like(x)
upstream-collapsed: np.expand_dims(dz, axis), x.shape => dz.mean(), x.shape
upstream-collapsed: np.expand_dims(dz, axis), x.shape => dz.sum(), x.shape
upstream-collapsed: np.expand_dims(dz, axis), x.shape => dz.flat[0], x.shape
size-factor: x.shape).copy() => x.shape) / x.shape[axis]
some-entries: return np.broadcast_to => dx = np.zeros_like(x)\\n    dx[:1] = dz.flat[0] * 0\\n    np.moveaxis(dx, axis, 0)[0] = dz\\n    return dx\\n    return np.broadcast_to
upstream-twice: np.expand_dims(dz, axis), x.shape => np.expand_dims(dz * dz, axis), x.shape
permutation: np.expand_dims(dz, axis), x.shape => np.expand_dims(dz[::-1], axis), x.shape
attribute: x.shape).copy() => x.shape) * (1 if axis in (0, 1) else 2)
unbroadcast: np.broadcast_to(np.expand_dims(dz, axis), x.shape).copy() => np.expand_dims(dz, axis).copy()
""",
    numbers(3, 4),
    axis=0,
)

op(
    "mean",
    """
def forward(x, axis=1):
    return x.mean(axis=axis, keepdims=True)

def backward(dz, x, axis=1):
    return np.broadcast_to(dz, x.shape) / x.shape[axis]
""",
    """
size-factor: np.broadcast_to(dz, x.shape) / x.shape[axis] => np.broadcast_to(dz, x.shape).copy()
size-factor: / x.shape[axis] => / x.size
size-factor/attribute: / x.shape[axis] => / x.shape[0]
size-factor/attribute: / x.shape[axis] => / x.shape[1]
size-factor: / x.shape[axis] => / x.shape[axis] ** 2
unbroadcast: np.broadcast_to(dz, x.shape) / x.shape[axis] => dz / x.shape[axis]
upstream-dropped: np.broadcast_to(dz, x.shape) / x.shape[axis] => np.ones_like(x) / x.shape[axis]
upstream-collapsed: np.broadcast_to(dz, x.shape) / => np.full_like(x, dz.mean()) /
sign: return np.broadcast_to => return -np.broadcast_to
""",
    numbers(3, 4),
    axis=1,
)

op(
    "variance",
    """
def forward(x):
    return x.var(axis=0)

def backward(dz, x):
    return dz * 2 * (x - x.mean(axis=0)) / len(x)
""",
    """
factor: dz * 2 * (x - x.mean(axis=0)) / len(x) => dz * (x - x.mean(axis=0)) / len(x)
constant-term: dz * 2 * (x - x.mean(axis=0)) / len(x) => dz * 2 * x / len(x)
size-factor: dz * 2 * (x - x.mean(axis=0)) / len(x) => dz * 2 * (x - x.mean(axis=0))
size-factor: / len(x) => / (len(x) - 1)
upstream-dropped: dz * 2 * (x => 2 * (x
upstream-collapsed: dz * 2 * (x => dz.mean() * 2 * (x
upstream-twice: dz * 2 * (x => dz * dz * 2 * (x
sign: dz * 2 * (x => -dz * 2 * (x
some-entries: return dz * 2 * (x - x.mean(axis=0)) / len(x) => dx = dz * 2 * (x - x.mean(axis=0)) / len(x)\\n    dx[-1] = 0\\n    return dx
""",
    numbers(4, 3),
)

op(
    "cumulative sum",
    """
def forward(x):
    return np.cumsum(x, axis=0)

def backward(dz, x):
    return np.cumsum(dz[::-1], axis=0)[::-1].copy()
""",
    """
transpose: np.cumsum(dz[::-1], axis=0)[::-1].copy() => np.cumsum(dz, axis=0)
permutation: np.cumsum(dz[::-1], axis=0)[::-1].copy() => np.cumsum(dz[::-1], axis=0)
upstream-dropped: np.cumsum(dz[::-1], axis=0)[::-1].copy() => np.cumsum(np.ones_like(dz), axis=0)[::-1].copy()
upstream-collapsed: np.cumsum(dz[::-1], axis=0)[::-1].copy() => np.cumsum(np.full_like(dz, dz.mean()), axis=0)[::-1].copy()
upstream-twice: np.cumsum(dz[::-1], axis=0) => np.cumsum((dz * dz)[::-1], axis=0)
sign: return np.cumsum(dz => return -np.cumsum(dz
some-entries: return np.cumsum(dz[::-1], axis=0)[::-1].copy() => dx = np.cumsum(dz[::-1], axis=0)[::-1].copy()\\n    dx[0] = 0\\n    return dx
permutation: np.cumsum(dz[::-1], axis=0)[::-1].copy() => np.roll(np.cumsum(dz[::-1], axis=0)[::-1], 1, axis=0)
""",
    numbers(4, 3),
)

op(
    "maximum along an axis",
    """
def forward(x, axis=1):
    return x.max(axis=axis)

def backward(dz, x, axis=1):
    at = np.expand_dims(x.argmax(axis=axis), axis)
    dx = np.zeros_like(x)
    np.put_along_axis(dx, at, np.expand_dims(dz, axis), axis)
    return dx
""",
    """
upstream-dropped: np.expand_dims(dz, axis), axis) => 1, axis)
upstream-collapsed: np.expand_dims(dz, axis), axis) => dz.mean(), axis)
upstream-collapsed: np.expand_dims(dz, axis), axis) => dz.flat[0], axis)
upstream-twice: np.expand_dims(dz, axis), axis) => np.expand_dims(dz * dz, axis), axis)
sign: np.expand_dims(dz, axis), axis) => -np.expand_dims(dz, axis), axis)
some-entries/permutation: x.argmax(axis=axis) => x.argmin(axis=axis)
permutation: np.expand_dims(dz, axis), axis) => np.expand_dims(dz[::-1], axis), axis)
size-factor: np.expand_dims(dz, axis), axis) => np.expand_dims(dz, axis) / x.shape[axis], axis)
some-entries: return dx => dx = np.expand_dims(dz, axis) + 0 * x\\n    return dx
""",
    numbers(3, 4),
    axis=1,
)

op(
    "embedding",
    """
def forward(table, idx):
    return table[idx]

def backward(dz, table, idx):
    d = np.zeros_like(table)
    np.add.at(d, idx, dz)
    return d, None
""",
    """
overwritten: np.add.at(d, idx, dz) => d[idx] = dz
overwritten: np.add.at(d, idx, dz) => d[idx] += dz
upstream-dropped: np.add.at(d, idx, dz) => np.add.at(d, idx, 1)
upstream-collapsed: np.add.at(d, idx, dz) => np.add.at(d, idx, dz.mean())
upstream-collapsed: np.add.at(d, idx, dz) => np.add.at(d, idx, dz[0])
size-factor: np.add.at(d, idx, dz) => np.add.at(d, idx, dz / len(idx))
sign: np.add.at(d, idx, dz) => np.subtract.at(d, idx, dz)
some-entries: return d, None => d[0] = 0\\n    return d, None
some-entries: np.add.at(d, idx, dz) => np.add.at(d, idx[1:], dz[1:])
permutation: np.add.at(d, idx, dz) => np.add.at(d, idx[::-1], dz)
upstream-twice: np.add.at(d, idx, dz) => np.add.at(d, idx, dz * dz)
""",
    numbers(6, 3),
    np.array([1, 4, 1, 0]),
)

op(
    "scatter",
    """
def forward(x, v, idx):
    y = x.copy()
    np.add.at(y, idx, v)
    return y

def backward(dz, x, v, idx):
    return dz.copy(), dz[idx], None
""",
    """
some-entries: return dz.copy(), dz[idx], None => dx = dz.copy()\\n    dx[idx] = 0\\n    return dx, dz[idx], None
upstream-collapsed: dz.copy(), dz[idx], None => dz.copy(), np.full_like(v, dz[0]), None
upstream-collapsed: dz.copy(), dz[idx], None => dz.copy(), np.full_like(v, dz.mean()), None
upstream-dropped: dz.copy(), dz[idx], None => np.ones_like(dz), dz[idx], None
permutation: dz.copy(), dz[idx], None => dz.copy(), dz[idx][::-1], None
permutation: dz.copy(), dz[idx], None => dz.copy(), dz[:len(idx)].copy(), None
sign: dz.copy(), dz[idx], None => dz.copy(), -dz[idx], None
""",
    numbers(6),
    numbers(4, seed=1),
    np.array([2, 5, 0, 3]),
)

op(
    "permute axes",
    """
def forward(x):
    return x.transpose(1, 2, 0)

def backward(dz, x):
    return dz.transpose(2, 0, 1).copy()
""",
    """
transpose: dz.transpose(2, 0, 1).copy() => dz.transpose(1, 2, 0).copy()
transpose: dz.transpose(2, 0, 1).copy() => dz.reshape(x.shape).copy()
transpose: dz.transpose(2, 0, 1).copy() => dz.transpose(2, 1, 0).copy()
upstream-dropped: dz.transpose(2, 0, 1).copy() => np.ones_like(x)
permutation: dz.transpose(2, 0, 1).copy() => dz.transpose(2, 0, 1)[::-1].copy()
sign: dz.transpose(2, 0, 1).copy() => -dz.transpose(2, 0, 1)
""",
    numbers(2, 3, 4),
)

op(
    "reorder rows",
    """
def forward(x):
    order = np.argsort((np.arange(len(x)) * 5 + 2) % 7, kind="stable")
    return x[order]

def backward(dz, x):
    order = np.argsort((np.arange(len(x)) * 5 + 2) % 7, kind="stable")
    dx = np.empty_like(x)
    dx[order] = dz
    return dx
""",
    """
permutation/transpose: dx[order] = dz => dx = dz[order]
permutation: dx[order] = dz => dx = dz.copy()
permutation: dx[order] = dz => dx[order[::-1]] = dz
upstream-dropped: dx[order] = dz => dx[order] = 1
upstream-collapsed: dx[order] = dz => dx[order] = dz[0]
""",
    numbers(5, 3),
)

op(
    "roll",
    """
def forward(x, shift=1):
    return np.roll(x, shift, axis=0)

def backward(dz, x, shift=1):
    return np.roll(dz, -shift, axis=0)
""",
    """
permutation/transpose: np.roll(dz, -shift, axis=0) => np.roll(dz, shift, axis=0)
permutation: np.roll(dz, -shift, axis=0) => dz.copy()
attribute/permutation: np.roll(dz, -shift, axis=0) => np.roll(dz, -1, axis=0)
sign: np.roll(dz, -shift, axis=0) => -np.roll(dz, -shift, axis=0)
""",
    numbers(5, 2),
    shift=1,
)

op(
    "pad",
    """
def forward(x, width=1):
    return np.pad(x, ((0, 0), (width, width)))

def backward(dz, x, width=1):
    return dz[:, width:width + x.shape[1]].copy()
""",
    """
permutation/some-entries: dz[:, width:width + x.shape[1]].copy() => dz[:, :x.shape[1]].copy()
attribute/permutation/some-entries: dz[:, width:width + x.shape[1]].copy() => dz[:, 1:1 + x.shape[1]].copy()
unbroadcast/some-entries: dz[:, width:width + x.shape[1]].copy() => dz.copy()
upstream-dropped: dz[:, width:width + x.shape[1]].copy() => np.ones_like(x)
some-entries: return dz[:, width:width + x.shape[1]].copy() => dx = np.zeros_like(x)\\n    dx[:, 1:-1] = dz[:, width + 1:width + x.shape[1] - 1]\\n    return dx
sign: return dz[:, => return -dz[:,
""",
    numbers(2, 4),
    width=1,
)

op(
    "concatenate",
    """
def forward(x, y):
    return np.concatenate([x, y], axis=1)

def backward(dz, x, y):
    n = x.shape[1]
    return dz[:, :n].copy(), dz[:, n:].copy()
""",
    """
upstream-dropped: dz[:, :n].copy() => np.ones_like(x)
permutation/some-entries: dz[:, :n].copy() => dz[:, 1:n + 1].copy()
sign: dz[:, n:].copy() => -dz[:, n:]
some-entries: return dz[:, :n].copy(), dz[:, n:].copy() => dy = np.zeros_like(y)\\n    dy[0] = dz[0, n:]\\n    return dz[:, :n].copy(), dy
upstream-collapsed: dz[:, n:].copy() => np.full_like(y, dz.mean())
factor: dz[:, n:].copy() => 2 * dz[:, n:]
""",
    numbers(3, 2),
    numbers(3, 4),
)

op(
    "outer product",
    """
def forward(a, b):
    return np.outer(a, b)

def backward(dz, a, b):
    return dz @ b, a @ dz
""",
    """
sign: dz @ b, a @ dz => -dz @ b, a @ dz
size-factor: dz @ b, a @ dz => dz @ b / len(b), a @ dz
upstream-dropped: dz @ b, a @ dz => np.ones_like(dz) @ b, a @ dz
missing-factor: dz @ b, a @ dz => dz.sum(axis=1), a @ dz
unbroadcast: dz @ b, a @ dz => dz[:, 0] * b[0], a @ dz
overwritten/unbroadcast: dz @ b, a @ dz => dz @ b, a[-1] * dz[-1]
upstream-twice: dz @ b, a @ dz => dz @ b, a @ (dz * dz)
missing-factor: dz @ b, a @ dz => dz @ (b * b), a @ dz
permutation: dz @ b, a @ dz => dz @ b, a[::-1] @ dz
""",
    numbers(3),
    numbers(4),
)
