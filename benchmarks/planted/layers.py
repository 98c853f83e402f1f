"""Normalisation, attention and recurrent cells."""

from __future__ import annotations

from benchmarks.planted import numbers, op

op(
    "softmax",
    """
def forward(x, axis=-1):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)

def backward(dz, x, axis=-1):
    y = forward(x, axis)
    inner = (dz * y).sum(axis=axis, keepdims=True)
    return y * (dz - inner)
""",
    """
constant-term: y * (dz - inner) => y * dz
constant-term: y * (dz - inner) => y * dz - inner
constant-term: y * (dz - inner) => y * (dz + inner)
constant-term: (dz * y).sum(axis=axis => dz.sum(axis=axis
constant-term: (dz * y).sum(axis=axis => (dz * y).mean(axis=axis
constant-term: y * (dz - inner) => y * dz * (1 - y)
attribute: (dz * y).sum(axis=axis => (dz * y).sum(axis=-1
attribute: y = forward(x, axis) => y = forward(x)
attribute: y = forward(x, axis) => y = forward(x, max(axis, -1))
missing-factor: y * (dz - inner) => dz - inner
missing-factor: y * (dz - inner) => y * y * (dz - inner)
sign: y * (dz - inner) => y * (inner - dz)
upstream-dropped: y * (dz - inner) => y * (1 - inner)
upstream-dropped: y * (dz - inner) => y * (dz - y)
factor: y * (dz - inner) => 2 * y * (dz - inner)
dtype: y * (dz - inner) => (y * (dz - inner)).astype(np.float16 if x.dtype == np.float32 else x.dtype).astype(x.dtype)
""",
    numbers(3, 4),
    axis=-1,
)

op(
    "log softmax",
    """
def forward(x):
    z = x - x.max(axis=1, keepdims=True)
    y = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return y, y

def backward(dz, cache):
    y = cache
    total = dz.sum(axis=1, keepdims=True)
    return dz - np.exp(y) * total
""",
    """
constant-term: dz - np.exp(y) * total => dz - total
constant-term: dz - np.exp(y) * total => dz - (dz * y).sum(axis=1, keepdims=True)
constant-term: dz - np.exp(y) * total => dz.copy()
constant-term: dz - np.exp(y) * total => dz + np.exp(y) * total
constant-term: dz.sum(axis=1, keepdims=True) => dz.mean(axis=1, keepdims=True)
constant-term: dz - np.exp(y) * total => dz - y * total
sign: dz - np.exp(y) * total => np.exp(y) * total - dz
upstream-dropped: dz - np.exp(y) * total => 1 - y.shape[1] * np.exp(y)
upstream-dropped: dz - np.exp(y) * total => dz - np.exp(y)
permutation: dz - np.exp(y) * total => (dz - np.exp(y) * total)[:, ::-1]
size-factor: dz - np.exp(y) * total => (dz - np.exp(y) * total) / len(dz)
""",
    numbers(3, 4),
)

op(
    "layer norm",
    """
def forward(x, gamma, beta):
    mean = x.mean(axis=1, keepdims=True)
    std = np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
    h = (x - mean) / std
    return h * gamma + beta, (h, std, gamma)

def backward(dz, cache):
    h, std, gamma = cache
    dh = dz * gamma
    dx = (dh - dh.mean(axis=1, keepdims=True) - h * (dh * h).mean(axis=1, keepdims=True)) / std
    dgamma = (dz * h).sum(axis=0)
    dbeta = dz.sum(axis=0)
    return dx, dgamma, dbeta
""",
    """
constant-term: dh - dh.mean(axis=1, keepdims=True) - h => dh - h
constant-term: - h * (dh * h).mean(axis=1, keepdims=True)) / std => ) / std
constant-term: dh.mean(axis=1, keepdims=True) - h => dh.sum(axis=1, keepdims=True) - h
constant-term: - h * (dh * h).mean => + h * (dh * h).mean
constant-term: dx = (dh - dh.mean(axis=1, keepdims=True) - h * (dh * h).mean(axis=1, keepdims=True)) / std => dx = dh / std
missing-factor: dh = dz * gamma => dh = dz
missing-factor: dh = dz * gamma => dh = dz / gamma
missing-factor: keepdims=True)) / std => keepdims=True))
missing-factor: keepdims=True)) / std => keepdims=True)) / std ** 2
missing-factor: dgamma = (dz * h).sum(axis=0) => dgamma = (dz * h * gamma).sum(axis=0)
missing-factor: dbeta = dz.sum(axis=0) => dbeta = (dz * gamma).sum(axis=0)
sign: dx = (dh - => dx = -(dh -
unbroadcast: dbeta = dz.sum(axis=0) => dbeta = dz
unbroadcast: dbeta = dz.sum(axis=0) => dbeta = dz[0]
size-factor/unbroadcast: dgamma = (dz * h).sum(axis=0) => dgamma = (dz * h).mean(axis=0)
other-input: return dx, dgamma, dbeta => return dx, dbeta, dgamma
upstream-dropped: dgamma = (dz * h).sum(axis=0) => dgamma = h.sum(axis=0)
upstream-twice: dbeta = dz.sum(axis=0) => dbeta = (dz * dz).sum(axis=0)
size-factor: keepdims=True)) / std => keepdims=True)) / std / x_size\\n
""".replace(" / x_size\\n", " / h.shape[1]"),
    numbers(3, 5),
    numbers(5, seed=1),
    numbers(5, seed=2),
)

op(
    "batch norm",
    """
def forward(x, gamma, beta):
    mean = x.mean(axis=0)
    var = x.var(axis=0)
    h = (x - mean) / np.sqrt(var + 1e-5)
    return gamma * h + beta

def backward(dz, x, gamma, beta):
    n = len(x)
    mean, std = x.mean(axis=0), np.sqrt(x.var(axis=0) + 1e-5)
    h = (x - mean) / std
    dh = dz * gamma
    dx = (n * dh - dh.sum(axis=0) - h * (dh * h).sum(axis=0)) / (n * std)
    dgamma = (dz * h).sum(axis=0)
    dbeta = dz.sum(axis=0)
    return dx, dgamma, dbeta
""",
    """
constant-term: n * dh - dh.sum(axis=0) - h => n * dh - h
constant-term: - h * (dh * h).sum(axis=0)) / (n * std) => ) / (n * std)
constant-term: (n * dh - dh.sum(axis=0) - h * (dh * h).sum(axis=0)) / (n * std) => dh / std
constant-term: n * dh - dh.sum(axis=0) - h => n * dh + dh.sum(axis=0) - h
missing-factor: dh = dz * gamma => dh = dz
missing-factor: / (n * std) => / n
missing-factor: / (n * std) => / (n * std ** 2)
size-factor: / (n * std) => / std
size-factor/unbroadcast: dgamma = (dz * h).sum(axis=0) => dgamma = (dz * h).mean(axis=0)
other-input: return dx, dgamma, dbeta => return dx, dbeta, dgamma
other-input/missing-factor: dgamma = (dz * h).sum(axis=0) => dgamma = dz.sum(axis=0)
upstream-dropped: dbeta = dz.sum(axis=0) => dbeta = np.full_like(beta, n)
sign: return dx, => return -dx,
unbroadcast: dbeta = dz.sum(axis=0) => dbeta = dz.sum(axis=0, keepdims=True)
""",
    numbers(5, 3),
    numbers(3, seed=1),
    numbers(3, seed=2),
)

op(
    "rms norm",
    """
def forward(x, g):
    r = np.sqrt((x * x).mean(axis=1, keepdims=True) + 1e-6)
    return x / r * g

def backward(dz, x, g):
    r = np.sqrt((x * x).mean(axis=1, keepdims=True) + 1e-6)
    dh = dz * g
    dx = dh / r - x * (dh * x).mean(axis=1, keepdims=True) / r ** 3
    dg = (dz * x / r).sum(axis=0)
    return dx, dg
""",
    """
constant-term: dh / r - x * (dh * x).mean(axis=1, keepdims=True) / r ** 3 => dh / r
constant-term: (dh * x).mean(axis=1 => (dh * x).sum(axis=1
constant-term: dh / r - x => dh / r + x
missing-factor: dh = dz * g => dh = dz
missing-factor: (dz * x / r).sum(axis=0) => (dz * x / r * g).sum(axis=0)
unbroadcast: (dz * x / r).sum(axis=0) => dz * x / r
size-factor/unbroadcast: (dz * x / r).sum(axis=0) => (dz * x / r).mean(axis=0)
sign: dx = dh / r - x * (dh * x).mean(axis=1, keepdims=True) / r ** 3 => dx = x * (dh * x).mean(axis=1, keepdims=True) / r ** 3 - dh / r
upstream-twice: dh = dz * g => dh = dz * dz * g
""",
    numbers(3, 4),
    numbers(4, seed=1),
)

op(
    "attention",
    """
def forward(q, k, v):
    s = q @ k.T / np.sqrt(q.shape[1])
    e = np.exp(s - s.max(axis=1, keepdims=True))
    return (e / e.sum(axis=1, keepdims=True)) @ v

def backward(dz, q, k, v):
    scale = 1 / np.sqrt(q.shape[1])
    s = q @ k.T * scale
    e = np.exp(s - s.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    dv = p.T @ dz
    dp = dz @ v.T
    ds = p * (dp - (dp * p).sum(axis=1, keepdims=True))
    dq = ds @ k * scale
    dk = ds.T @ q * scale
    return dq, dk, dv
""",
    """
size-factor/factor: dq = ds @ k * scale => dq = ds @ k
size-factor/factor: dk = ds.T @ q * scale => dk = ds.T @ q
sign: dk = ds.T @ q * scale => dk = -ds.T @ q * scale
upstream-dropped: dv = p.T @ dz => dv = p.T @ np.ones_like(dz)
upstream-twice: dv = p.T @ dz => dv = p.T @ (dz * dz)
upstream-collapsed: dv = p.T @ dz => dv = p.T @ np.full_like(dz, dz.mean())
permutation: dv = p.T @ dz => dv = (p.T @ dz)[::-1]
permutation: dv = p.T @ dz => dv = p.T @ dz[::-1]
some-entries: return dq => dv[0] = 0\\n    return dq
some-entries: return dq => dq[:, 1:] = 0\\n    return dq
overwritten: dv = p.T @ dz => dv = np.zeros_like(v)\\n    for i in range(len(p)):\\n        dv = np.outer(p[i], dz[i])
constant-term: dv = p.T @ dz => dv = p.T @ dz - dz.mean(axis=0)
""",
    numbers(3, 4),
    numbers(5, 4, seed=1),
    numbers(5, 2, seed=2),
)

op(
    "lstm cell",
    """
def forward(x, h, c, W, U):
    a = x @ W + h @ U
    n = h.shape[1]
    i, f, o = (1 / (1 + np.exp(-a[:, k * n:(k + 1) * n])) for k in range(3))
    g = np.tanh(a[:, 3 * n:])
    new = f * c + i * g
    return o * np.tanh(new), new

def backward(upstream, x, h, c, W, U):
    dh, dc = upstream
    a = x @ W + h @ U
    n = h.shape[1]
    i, f, o = (1 / (1 + np.exp(-a[:, k * n:(k + 1) * n])) for k in range(3))
    g = np.tanh(a[:, 3 * n:])
    new = f * c + i * g
    t = np.tanh(new)
    dnew = dc + dh * o * (1 - t ** 2)
    da = np.concatenate([
        dnew * g * i * (1 - i),
        dnew * c * f * (1 - f),
        dh * t * o * (1 - o),
        dnew * i * (1 - g ** 2),
    ], axis=1)
    return da @ W.T, da @ U.T, dnew * f, x.T @ da, h.T @ da
""",
    """
upstream-dropped: dnew = dc + dh * o * (1 - t ** 2) => dnew = dh * o * (1 - t ** 2)
upstream-dropped: dnew = dc + dh * o * (1 - t ** 2) => dnew = dc
sign: return da @ W.T => return -da @ W.T
sign: x.T @ da, h.T @ da => -x.T @ da, h.T @ da
missing-factor: dnew * f, x.T => dnew, x.T
factor: x.T @ da, h.T @ da => x.T @ da / 2, h.T @ da
size-factor: x.T @ da, h.T @ da => x.T @ da / len(x), h.T @ da
upstream-collapsed: dh, dc = upstream => dh, dc = (np.full_like(u, u.mean()) for u in upstream)
some-entries: dnew * c * f * (1 - f), => 0 * dnew,
some-entries: dh * t * o * (1 - o), => 0 * dh,
upstream-dropped: dh, dc = upstream => dh, dc = (np.ones_like(u) for u in upstream)
""",
    numbers(2, 3),
    numbers(2, 4),
    numbers(2, 4, seed=1),
    numbers(3, 16),
    numbers(4, 16),
)

op(
    "recurrent",
    """
def forward(x, w):
    h = np.zeros_like(x[0])
    for t in range(len(x)):
        h = np.tanh(x[t] + h * w)
    return h

def backward(dz, x, w):
    hs = [np.zeros_like(x[0])]
    for t in range(len(x)):
        hs.append(np.tanh(x[t] + hs[-1] * w))
    dx, dw, dh = np.zeros_like(x), np.zeros_like(w), dz
    for t in reversed(range(len(x))):
        da = dh * (1 - hs[t + 1] ** 2)
        dx[t] = da
        dw += (da * hs[t]).sum(axis=0)
        dh = da * w
    return dx, dw
""",
    """
some-entries: dx[t] = da => dx[t] = da if t else 0
permutation: dx[t] = da => dx[len(x) - 1 - t] = da
unbroadcast: dw += (da * hs[t]).sum(axis=0) => dw += (da * hs[t])[0]
size-factor/unbroadcast: dw += (da * hs[t]).sum(axis=0) => dw += (da * hs[t]).mean(axis=0)
sign: dw += => dw -=
upstream-dropped: np.zeros_like(w), dz => np.zeros_like(w), np.ones_like(dz)
upstream-twice: np.zeros_like(w), dz => np.zeros_like(w), dz * dz
some-entries: reversed(range(len(x))) => reversed(range(1, len(x)))
""",
    numbers(3, 2, 4),
    numbers(4, seed=1),
)
