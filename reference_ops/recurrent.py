"""One step of a recurrent net: plain, LSTM and GRU, with PyTorch's parameters and gate order."""

from __future__ import annotations

from typing import Any

import numpy as np

import gradcheck
from reference_ops._shapes import Array, require
from reference_ops.linear import affine
from reference_ops.nonlinear import logistic, logistic_slope, tanh_slope


@gradcheck.register("x[n d], h[n k], W_ih[k d], W_hh[k k], b_ih[k], b_hh[k]", scope="forward")
def rnn_cell(x: Array, h: Array, W_ih: Array, W_hh: Array, b_ih: Array, b_hh: Array) -> Any:
    """h' = tanh(a), a = x W_ih' + b_ih + h W_hh' + b_hh; da = tanh'(a) dh', dW_ih = da' x,
    dW_hh = da' h, dx = da W_ih, dh = da W_hh, both biases get the sum of da (torch.nn.RNNCell).

    Refused are other shapes, such as one example without its batch axis.

    >>> one, zero = np.ones((1, 1)), np.zeros(1)
    >>> rnn_cell(one, one, one, one, zero, zero)
    array([[0.96402758]])
    """
    _require_cell(1, (x, h), (W_ih, W_hh), (b_ih, b_hh))
    return np.tanh(affine(x, W_ih, b_ih) + affine(h, W_hh, b_hh))


@rnn_cell.def_vjp
def _(
    dy: Array, x: Array, h: Array, W_ih: Array, W_hh: Array, b_ih: Array, b_hh: Array
) -> tuple[Any, ...]:
    da = dy * tanh_slope(affine(x, W_ih, b_ih) + affine(h, W_hh, b_hh))
    (dx, dW_ih, db_ih), (dh, dW_hh, db_hh) = _linear_vjp(da, x, W_ih), _linear_vjp(da, h, W_hh)
    return dx, dh, dW_ih, dW_hh, db_ih, db_hh


@gradcheck.register(
    "x[n d], h[n k], c[n k], W_ih[4*k d], W_hh[4*k k], b_ih[4*k], b_hh[4*k]", scope="forward"
)
def lstm_cell(
    x: Array, h: Array, c: Array, W_ih: Array, W_hh: Array, b_ih: Array, b_hh: Array
) -> Any:
    """c' = s(f) c + s(i) tanh(g), h' = s(o) tanh(c'), where i, f, g, o are the four parts of
    x W_ih' + b_ih + h W_hh' + b_hh and s is logistic. With e = dc' + s(o) tanh'(c') dh':
    dc = s(f) e, di = s'(i) tanh(g) e, df = s'(f) c e, dg = s(i) tanh'(g) e and
    do = s'(o) tanh(c') dh' (Hochreiter and Schmidhuber 1997; torch.nn.LSTMCell).

    Both h' and c' are returned. Refused are other shapes than those of the signature.

    >>> one, W, b = np.ones((1, 1)), np.zeros((4, 1)), np.zeros(4)
    >>> lstm_cell(one, one, one, W, W, b, b)
    (array([[0.23105858]]), array([[0.5]]))
    """
    _require_cell(4, (x, h, c), (W_ih, W_hh), (b_ih, b_hh))
    a = affine(x, W_ih, b_ih) + affine(h, W_hh, b_hh)
    g, (s_i, s_f, _, s_o) = _parts(a, 4)[2], _parts(logistic(a), 4)
    new = s_f * c + s_i * np.tanh(g)
    return s_o * np.tanh(new), new


@lstm_cell.def_vjp
def _(
    dy: tuple[Array, Array],
    x: Array,
    h: Array,
    c: Array,
    W_ih: Array,
    W_hh: Array,
    b_ih: Array,
    b_hh: Array,
) -> tuple[Any, ...]:
    a = affine(x, W_ih, b_ih) + affine(h, W_hh, b_hh)
    g, (s_i, s_f, _, s_o) = _parts(a, 4)[2], _parts(logistic(a), 4)
    new = s_f * c + s_i * np.tanh(g)
    e = dy[1] + dy[0] * s_o * tanh_slope(new)
    da = np.concatenate([e * np.tanh(g), e * c, e * s_i, dy[0] * np.tanh(new)], axis=1)
    slope = logistic_slope(a)
    _parts(slope, 4)[2][...] = tanh_slope(g)
    da *= slope
    (dx, dW_ih, db_ih), (dh, dW_hh, db_hh) = _linear_vjp(da, x, W_ih), _linear_vjp(da, h, W_hh)
    return dx, dh, e * s_f, dW_ih, dW_hh, db_ih, db_hh


@gradcheck.register(
    "x[n d], h[n k], W_ih[3*k d], W_hh[3*k k], b_ih[3*k], b_hh[3*k]", scope="forward"
)
def gru_cell(x: Array, h: Array, W_ih: Array, W_hh: Array, b_ih: Array, b_hh: Array) -> Any:
    """h' = (1 - s(z)) m + s(z) h, m = tanh(m_x + s(r) m_h), where r, z are the first two parts of
    x W_ih' + b_ih + h W_hh' + b_hh, and m_x, m_h the third of either, s logistic. dm_x =
    (1 - s(z)) tanh' dh', dm_h = s(r) dm_x, dr = s'(r) m_h dm_x, dz = s'(z) (h - m) dh' and s(z) dh'
    goes to h at once (Cho et al. 2014, with the reset of torch.nn.GRUCell after the product).

    1 - s(z) is s(-z), which keeps its digits. Refused are other shapes.

    >>> one, W, b = np.ones((1, 1)), np.zeros((3, 1)), np.zeros(3)
    >>> gru_cell(one, one, W, W, b, b)
    array([[0.5]])
    """
    _require_cell(3, (x, h), (W_ih, W_hh), (b_ih, b_hh))
    (r, z, m_x), (r_h, z_h, m_h) = (
        _parts(affine(x, W_ih, b_ih), 3),
        _parts(affine(h, W_hh, b_hh), 3),
    )
    z = z + z_h
    return logistic(np.negative(z)) * np.tanh(m_x + logistic(r + r_h) * m_h) + logistic(z) * h


@gru_cell.def_vjp
def _(
    dy: Array, x: Array, h: Array, W_ih: Array, W_hh: Array, b_ih: Array, b_hh: Array
) -> tuple[Any, ...]:
    (r, z, m_x), (r_h, z_h, m_h) = (
        _parts(affine(x, W_ih, b_ih), 3),
        _parts(affine(h, W_hh, b_hh), 3),
    )
    r, z = r + r_h, z + z_h
    inner = m_x + logistic(r) * m_h
    dm_x = dy * logistic(np.negative(z)) * tanh_slope(inner)
    dr = dm_x * m_h * logistic_slope(r)
    dz = dy * (h - np.tanh(inner)) * logistic_slope(z)
    dx, dW_ih, db_ih = _linear_vjp(np.concatenate([dr, dz, dm_x], axis=1), x, W_ih)
    dm_h = dm_x * logistic(r)
    dh, dW_hh, db_hh = _linear_vjp(np.concatenate([dr, dz, dm_h], axis=1), h, W_hh)
    return dx, dh + dy * logistic(z), dW_ih, dW_hh, db_ih, db_hh


def _parts(a: Array, count: int) -> list[Array]:
    """So many equal parts of each row, as views."""
    k = a.shape[1] // count
    return [a[:, j * k : (j + 1) * k] for j in range(count)]


def _require_cell(
    gates: int, states: tuple[Array, ...], W: tuple[Array, Array], b: tuple[Array, Array]
) -> None:
    x, h, *c = map(np.shape, states)
    fits = len(x) == len(h) == 2 and x[0] == h[0] and c in ([], [h])
    if fits:
        rows = gates * h[1]
        wanted = [(rows, x[1]), (rows, h[1]), (rows,), (rows,)]
        fits = [np.shape(parameter) for parameter in (*W, *b)] == wanted
    got = ", ".join(str(np.shape(given)) for given in (*states, *W, *b))
    rows_of = f"{gates}k" if gates > 1 else "k"
    shapes = f"({rows_of}, d), W_hh ({rows_of}, k), b_ih ({rows_of},), b_hh ({rows_of},)"
    require(fits, f"shapes must be x (n, d), states (n, k), W_ih {shapes}, got {got}")


def _linear_vjp(da: Array, x: Array, W: Array) -> tuple[Array, Array, Array]:
    return da @ W, da.T @ x, np.sum(da, axis=0)
