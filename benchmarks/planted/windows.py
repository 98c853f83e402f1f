"""Convolution, pooling and other windows."""

from __future__ import annotations

from benchmarks.planted import numbers, op

op(
    "conv1d",
    """
def forward(x, w, stride=1, pad=0):
    k = w.shape[2]
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad)))
    starts = range(0, xp.shape[2] - k + 1, stride)
    return np.stack([np.einsum("nck,ock->no", xp[:, :, s:s + k], w) for s in starts], axis=2)

def backward(dz, x, w, stride=1, pad=0):
    k = w.shape[2]
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad)))
    dxp, dw = np.zeros_like(xp), np.zeros_like(w)
    for t in range(dz.shape[2]):
        s = t * stride
        dxp[:, :, s:s + k] += np.einsum("no,ock->nck", dz[:, :, t], w)
        dw += np.einsum("no,nck->ock", dz[:, :, t], xp[:, :, s:s + k])
    dx = dxp[:, :, pad:pad + x.shape[2]]
    return dx, dw
""",
    """
overwritten: dxp[:, :, s:s + k] += np => dxp[:, :, s:s + k] = np
overwritten: dw += np => dw = np
permutation/transpose: dz[:, :, t], w) => dz[:, :, t], w[:, :, ::-1])
permutation: xp[:, :, s:s + k])\\n => xp[:, :, s:s + k])[:, :, ::-1]\\n
sign: dw += np => dw -= np
size-factor: return dx, dw => return dx, dw / len(x)
factor: return dx, dw => return dx, dw / 2
some-entries: return dx, dw => dx = dx.copy()\\n    dx[:, :, -1] = 0\\n    return dx, dw
some-entries/overwritten: range(dz.shape[2]): => range(dz.shape[2] - 1):
some-entries: return dx, dw => dw[1:] = 0\\n    return dx, dw
attribute: s = t * stride => s = t
attribute: dxp[:, :, pad:pad + x.shape[2]] => dxp[:, :, :x.shape[2]]
attribute: dxp[:, :, pad:pad + x.shape[2]] => dxp[:, :, pad:pad + x.shape[2]] / (1 + pad)
upstream-dropped: "no,ock->nck", dz[:, :, t], w) => "no,ock->nck", np.ones_like(dz[:, :, t]), w)
upstream-twice: "no,nck->ock", dz[:, :, t], => "no,nck->ock", dz[:, :, t] ** 2,
upstream-collapsed: "no,ock->nck", dz[:, :, t], w) => "no,ock->nck", np.full_like(dz[:, :, t], dz.mean()), w)
upstream-collapsed: "no,ock->nck", dz[:, :, t], w) => "no,ock->nck", dz[:, :, 0], w)
unbroadcast: dw += np.einsum("no,nck->ock", dz[:, :, t], xp[:, :, s:s + k]) => dw += np.einsum("o,ck->ock", dz[0, :, t], xp[0, :, s:s + k])
""".replace("])\\n => xp[:, :, s:s + k])[:, :, ::-1]\\n", "]) => xp[:, :, s:s + k])[:, :, ::-1]"),
    numbers(2, 3, 6),
    numbers(4, 3, 2, seed=1),
    stride=1,
    pad=0,
)

op(
    "max pool",
    """
def forward(x, size=2, stride=1):
    starts = range(0, x.shape[1] - size + 1, stride)
    return np.stack([x[:, s:s + size].max(axis=1) for s in starts], axis=1)

def backward(dz, x, size=2, stride=1):
    dx, rows = np.zeros_like(x), np.arange(len(x))
    for t in range(dz.shape[1]):
        s = t * stride
        at = s + x[:, s:s + size].argmax(axis=1)
        dx[rows, at] += dz[:, t]
    return dx
""",
    """
overwritten: dx[rows, at] += dz[:, t] => dx[rows, at] = dz[:, t]
attribute: s = t * stride => s = t
upstream-dropped: += dz[:, t] => += 1
upstream-collapsed: += dz[:, t] => += dz[:, 0]
upstream-collapsed: += dz[:, t] => += dz.mean()
upstream-twice: += dz[:, t] => += dz[:, t] ** 2
sign: += dz[:, t] => -= dz[:, t]
some-entries/overwritten: range(dz.shape[1]) => range(dz.shape[1] - 1)
permutation: return dx => return dx[:, ::-1].copy()
permutation: += dz[:, t] => += dz[:, -1 - t]
""",
    numbers(3, 6),
    size=2,
    stride=1,
)

op(
    "average pool",
    """
def forward(x, size=2):
    n = x.shape[1] - size + 1
    return sum(x[:, i:i + n] for i in range(size)) / size

def backward(dz, x, size=2):
    dx = np.zeros_like(x)
    n = dz.shape[1]
    for i in range(size):
        dx[:, i:i + n] += dz / size
    return dx
""",
    """
overwritten: dx[:, i:i + n] += dz / size => dx[:, i:i + n] = dz / size
missing-factor/factor: dx[:, i:i + n] += dz / size => dx[:, i:i + n] += dz
attribute/factor/missing-factor: dx[:, i:i + n] += dz / size => dx[:, i:i + n] += dz / 2
missing-factor/factor: dx[:, i:i + n] += dz / size => dx[:, i:i + n] += dz / size ** 2
upstream-dropped: += dz / size => += 1 / size
upstream-collapsed: += dz / size => += dz.mean() / size
upstream-twice: += dz / size => += dz * dz / size
some-entries: return dx => dx[:, -1] = 0\\n    return dx
some-entries: return dx => dx[:, 0] = 0\\n    dx[:, -1] = 0\\n    return dx
sign: += dz / size => -= dz / size
permutation: += dz / size => += dz[:, ::-1] / size
""",
    numbers(3, 5),
    size=2,
)

op(
    "upsample",
    """
def forward(x):
    return np.repeat(x, 2, axis=1)

def backward(dz, x):
    return dz[:, ::2] + dz[:, 1::2]
""",
    """
overwritten/some-entries/unbroadcast: dz[:, ::2] + dz[:, 1::2] => dz[:, ::2].copy()
overwritten/some-entries/unbroadcast: dz[:, ::2] + dz[:, 1::2] => dz[:, 1::2].copy()
factor: dz[:, ::2] + dz[:, 1::2] => (dz[:, ::2] + dz[:, 1::2]) / 2
permutation: dz[:, ::2] + dz[:, 1::2] => dz[:, :x.shape[1]] + dz[:, x.shape[1]:]
upstream-dropped: dz[:, ::2] + dz[:, 1::2] => np.full_like(x, 2)
upstream-collapsed: dz[:, ::2] + dz[:, 1::2] => np.full_like(x, 2 * dz.mean())
sign: dz[:, ::2] + dz[:, 1::2] => dz[:, ::2] - dz[:, 1::2]
unbroadcast: dz[:, ::2] + dz[:, 1::2] => dz.copy()
""",
    numbers(3, 4),
)

op(
    "local response",
    """
def forward(x):
    s = np.pad(x * x, ((0, 0), (1, 1)))
    return x / (1 + s[:, :-2] + s[:, 1:-1] + s[:, 2:])

def backward(dz, x):
    s = np.pad(x * x, ((0, 0), (1, 1)))
    d = 1 + s[:, :-2] + s[:, 1:-1] + s[:, 2:]
    r = np.pad(dz * x / d ** 2, ((0, 0), (1, 1)))
    return dz / d - 2 * x * (r[:, :-2] + r[:, 1:-1] + r[:, 2:])
""",
    """
sign: return dz / d - 2 * x * (r[:, :-2] + r[:, 1:-1] + r[:, 2:]) => return -dz / d + 2 * x * (r[:, :-2] + r[:, 1:-1] + r[:, 2:])
factor: return dz / d - 2 * x * (r[:, :-2] + r[:, 1:-1] + r[:, 2:]) => return 2 * (dz / d - 2 * x * (r[:, :-2] + r[:, 1:-1] + r[:, 2:]))
upstream-dropped: dz * x / d ** 2 => x / d ** 2
upstream-dropped: return dz / d => dz = np.ones_like(dz)\\n    r = np.pad(dz * x / d ** 2, ((0, 0), (1, 1)))\\n    return dz / d
some-entries: return dz / d - 2 * x * (r[:, :-2] + r[:, 1:-1] + r[:, 2:]) => dx = dz / d - 2 * x * (r[:, :-2] + r[:, 1:-1] + r[:, 2:])\\n    dx[:, 0] = 0\\n    return dx
permutation: return dz / d - 2 * x * (r[:, :-2] + r[:, 1:-1] + r[:, 2:]) => return (dz / d - 2 * x * (r[:, :-2] + r[:, 1:-1] + r[:, 2:]))[:, ::-1]
""",
    numbers(3, 4),
)
