"""tinygrad's operations: ``gradcheck run`` takes this file.

On its PYTHON device, which needs no compiler and computes in float64, too. Shapes, domains and
attributes are declared as its documentation has them; NumPy's own function of the same name is the
reference, where there is one. The gradients are the same on every device.
"""

from __future__ import annotations

import os

os.environ.setdefault("DEV", "PYTHON")  # before it is imported; the default needs clang
import numpy as np
from tinygrad import Tensor, nn

import gradcheck


def leaf(array: np.ndarray) -> Tensor:
    """From numbers, on the device itself: a NumPy array would be copied by a graph of its own.

    A number of its own would be a constant, which has no gradient.
    """
    if array.ndim and array.size:
        return Tensor(array.tolist(), dtype=str(array.dtype))
    return Tensor(array.ravel().tolist(), dtype=str(array.dtype)).reshape(array.shape)


lib = gradcheck.tape(
    leaf=leaf,
    value=lambda t: t.numpy(),
    backward=lambda t, cotangent: t.backward(leaf(cotangent)),
    grad=lambda t: None if t.grad is None else t.grad.numpy(),
)
lib.engine(nodes=100)

# -- one input -----------------------------------------------------------------------------------

lib.ops(
    "neg reciprocal square sqrt rsqrt exp exp2 log log2 log10 sin cos tan asin acos atan sinh cosh "
    "tanh asinh acosh atanh erf abs sign trunc ceil floor round",
    positive="log log2 log10 sqrt rsqrt",
    nonzero="reciprocal",
    domain={
        "asin": "-1..1",
        "acos": "-1..1",
        "atanh": "-1..1",
        "acosh": "1..",
        "tan": "-1.5..1.5",
    },
)
lib.ops(
    "relu relu6 sigmoid logsigmoid hardsigmoid hardswish hardtanh leaky_relu elu celu selu softplus "
    "softsign mish swish gelu quick_gelu"
)
lib.op(lambda x: x.gelu("none"), "x[...]", name="gelu_none")
lib.op(lambda x: x.clip(-1.0, 1.0), "x[...]", name="clip")
lib.ops("contiguous clone")
for _power in (0, 2, 3):
    lib.op(lambda x, p=_power: x**p, "x[...]", name=f"pow{_power}")
lib.op(lambda x: x**-1, "x:nonzero[...]", name="pow_1")
lib.op(lambda x: x**0.5, "x:positive[...]", name="pow_half")
lib.op(lambda x: 2.0**x, "x[...]", name="rpow")

# -- two inputs and more -------------------------------------------------------------------------

lib.binary("add sub mul div maximum minimum logaddexp copysign", nonzero="div[b] copysign")
lib.binary("pow", positive="pow[a]")
lib.binary("mod fmod", nonzero="mod[b] fmod[b]")
lib.op(lambda a, b, w: a.lerp(b, w), "a[...], b[...], w[...]", name="lerp")
lib.op(lambda c, a, b: Tensor(c).where(a, b), "c:bool[n m], a[n m], b[n m]", name="where")
lib.op(lambda c, a, b: Tensor(c).where(a, b), "c:bool[n 1], a[m], b[n m]", name="where_stretched")
lib.op(lambda x, c: x.masked_fill(Tensor(c), 2.5), "x[n m], c:bool[n m]", name="masked_fill")

# -- reductions ----------------------------------------------------------------------------------

lib.reductions("sum prod max min mean")
lib.ops("var std", "x[3 m], axis=None|0, keepdim=False|True", reference=None)
lib.ops("logsumexp", "x[n m], axis=None|0|-1, keepdim=False|True")
lib.ops("sum3:sum mean3:mean", "x[n m k], axis=(0, 2)|(1, -1)", reference=None)
lib.ops("softmax log_softmax", "x[n m], axis=-1|0")
lib.ops("normalize", "x[n m], p=2.0|1.0|3.0, dim=1|0")
lib.ops("cumsum cumprod", "x[n m], axis=0|1|-1")
lib.ops("logcumsumexp", "x[n m], axis=0|1")
lib.op(lambda x: x.cummax(1)[0], "x[n m]", name="cummax")
lib.op(lambda x: x.sort(-1)[0], "x[n 4]", name="sort")

# -- shapes --------------------------------------------------------------------------------------

lib.op(lambda x: x.reshape(3, 4), "x[2 6]", name="reshape")
lib.op(lambda x: x.flatten(1), "x[n m k]", name="flatten")
lib.op(lambda x: x.unflatten(1, (2, -1)), "x[n 6]", name="unflatten")
lib.op(lambda x: x.permute(2, 0, 1), "x[n m k]", name="permute")
lib.op(lambda x: x.T, "x[n m]", name="T")
lib.op(lambda x: x.rearrange("n (a b) -> b (n a)", a=2), "x[n 4]", name="rearrange")
lib.op(lambda x: x.flip(0), "x[n m]", name="flip")
lib.op(lambda x: x.expand(2, 4, 3), "x[1 3]", name="expand")
lib.op(lambda x: x.squeeze(1), "x[n 1 m]", name="squeeze")
lib.op(lambda x: x.unsqueeze(-1), "x[n m]", name="unsqueeze")
lib.op(lambda x: x.shrink(((1, 3), None)), "x[4 m]", name="shrink")
lib.op(lambda x: x.shrink_to(2, None), "x[4 m]", name="shrink_to")
lib.op(lambda x: x.pad((1, 2, 0, 1)), "x[n m]", name="pad")
lib.op(lambda x: x.pad((1, 2), value=3.0), "x[n m]", name="pad_value")
lib.op(lambda x: x.pad((-1, 2, 1, -1)), "x[3 3]", name="pad_negative")
lib.op(lambda x: x.pad((2, 1, 1, 2), mode="circular"), "x[n 3 3]", name="pad_circular")
lib.op(lambda x: x.pad((2, 1, 1, 2), mode="reflect"), "x[n 3 3]", name="pad_reflect")
lib.op(lambda x: x.pad((2, 1, 1, 2), mode="replicate"), "x[n 2 2]", name="pad_replicate")
lib.op(lambda x: x.pad_to(None, 5), "x[n 3]", name="pad_to")
lib.op(lambda x: x.repeat(2, 3), "x[n m]", name="repeat")
lib.op(lambda x: x.repeat_interleave(2, 1), "x[n m]", name="repeat_interleave")
lib.op(lambda x: x.roll(1, 0), "x[n m]", name="roll")
lib.op(lambda x: x.roll((1, -2), (0, 1)), "x[n m]", name="roll_both")
lib.op(lambda x: x.roll(2), "x[n m]", name="roll_flat")
lib.op(lambda x: x.unfold(1, 2, 1), "x[n 4]", name="unfold")
lib.op(lambda x: x.unfold(0, 2, 3), "x[6 m]", name="unfold_apart")
lib.op(lambda x: x.diag(), "x[n]", name="diag")
lib.op(lambda x: x.diagonal(), "x[n n]", name="diagonal")
lib.op(lambda x: x.diagonal(offset=1), "x[3 4]", name="diagonal_offset")
lib.op(lambda x: x.triu(1), "x[n m]", name="triu")
lib.op(lambda x: x.tril(), "x[n m]", name="tril")
lib.op(lambda a, b: a.cat(b, a, dim=0), "a[n d], b[m d]", name="cat")
lib.op(lambda a, b: a.cat(b, dim=-1), "a[n d], b[n e]", name="cat_last")
lib.op(lambda a, b: a.stack(b, a, dim=1), "a[n d], b[n d]", name="stack")
lib.op(lambda x: x.split((1, 2), 1), "x[n 3]", name="split")
lib.op(lambda x: tuple(x.chunk(2, 0)), "x[5 m]", name="chunk")
lib.op(lambda a, b: a.meshgrid(b), "a[n], b[m]", name="meshgrid")

# -- indices -------------------------------------------------------------------------------------

lib.op(lambda x: x[1:, ::-1], "x[3 m]", name="getitem_slice")
lib.op(lambda x: x[:, None, ..., -1], "x[n m]", name="getitem_mixed")
lib.op(lambda x: x[[0, 2, 0]], "x[3 m]", name="getitem_list")
lib.op(lambda x, i: x[Tensor(i)], "x[v d], i:int[n]<v", name="getitem_gather")
lib.op(lambda x, i: x[Tensor(i), Tensor(i)], "x[v v d], i:int[n]<v", name="getitem_two")
lib.op(lambda x, i: x[Tensor(i), :, Tensor(i)], "x[v d v], i:int[n]<v", name="getitem_apart")
lib.op(lambda x, i: x.gather(0, Tensor(i)), "x[v d], i:int[n d]<v", name="gather")
lib.op(lambda x, i: x.gather(1, Tensor(i)), "x[n v], i:int[n k]<v", name="gather1")
lib.op(lambda x, i, y: x.scatter(0, Tensor(i), y), "x[v d], i:int[n d]<v, y[n d]", name="scatter")
for _reduce, _self in (("sum", True), ("prod", False), ("mean", False), ("amax", True)):
    lib.op(
        lambda x, i, y, r=_reduce, s=_self: x.scatter_reduce(0, Tensor(i), y, r, s),
        "x[3 d], i:int[n d]<3, y[n d]",
        name=f"scatter_{_reduce}",
    )
lib.op(
    lambda x: x.masked_select(x > 0, size=4, fill_value=0), "x:nonzero[2 2]", name="masked_select"
)


def _set(index):
    def written(x, y):
        made = x + 0
        made[index] = y
        return made * made

    return written


lib.op(_set(slice(1, None)), "x[3 m], y[2 m]", name="setitem_slice")
lib.op(_set([0, 0]), "x[3 m], y[2 m]", name="setitem_repeated")
lib.op(lambda x, y: (x + 0).assign(y * 2) * x, "x[n m], y[n m]", name="assign", vary_sizes=False)

# -- products ------------------------------------------------------------------------------------

lib.ops("matmul", "a[n k], b[k m]")
lib.op(Tensor.matmul, "a[n k], b[k]", name="matmul_mv")
lib.op(Tensor.matmul, "a[k], b[k m]", name="matmul_vm")
lib.op(Tensor.matmul, "a[b n k], w[b k m]", name="matmul_batch")
lib.op(Tensor.matmul, "a[b n k], w[k m]", name="matmul_stretched")
lib.op(lambda x, w, b: x.linear(w, b), "x[n k], w[k m], b[m]", name="linear")
lib.op(lambda a, b: Tensor.einsum("ij,jk->ik", a, b), "a[n k], b[k m]", name="einsum_matmul")
lib.op(lambda a, b: Tensor.einsum("bij,bjk->bik", a, b), "a[b n k], b[b k m]", name="einsum_batch")
lib.op(lambda a: Tensor.einsum("ii->i", a), "a[n n]", name="einsum_diagonal")
lib.op(lambda a: a.qr()[1], "a[2 2]", name="qr_r")

# -- neural networks -----------------------------------------------------------------------------

lib.op(lambda x, w: x.conv2d(w), "x[n c 4], w[o c 2]", name="conv1d")
lib.op(lambda x, w, b: x.conv2d(w, b), "x[n c 3 3], w[o c 2 2], b[o]", name="conv2d")
lib.op(
    lambda x, w: x.conv2d(w, stride=2, padding=1), "x[n c 4 4], w[o c 3 3]", name="conv2d_padded"
)
lib.op(lambda x, w: x.conv2d(w, dilation=2), "x[n c 4 4], w[o c 2 2]", name="conv2d_dilated")
lib.op(lambda x, w: x.conv2d(w, groups=2), "x[n 2 3 3], w[4 1 2 2]", name="conv2d_groups")
lib.op(
    lambda x, w, b: x.conv_transpose2d(w, b), "x[n c 2 2], w[c o 2 2], b[o]", name="conv_transpose"
)
lib.op(
    lambda x, w: x.conv_transpose2d(w, stride=2, padding=1, output_padding=1),
    "x[n c 2 2], w[c o 3 3]",
    name="conv_transpose_strided",
)
lib.op(lambda x: x.avg_pool2d(), "x[n c 4 4]", name="avg_pool")
lib.op(
    lambda x: x.avg_pool2d(2, padding=1, count_include_pad=False), "x[n c 4 4]", name="avg_pool_pad"
)
lib.op(lambda x: x.avg_pool2d(2, stride=2, ceil_mode=True), "x[n c 3 3]", name="avg_pool_ceil")
lib.op(lambda x: x.max_pool2d(), "x[n c 4 4]", name="max_pool")
lib.op(lambda x: x.max_pool2d(2, stride=1), "x[n c 3 3]", name="max_pool_overlapping")
lib.op(lambda x: x.max_unpool2d(Tensor([[[[0, 3], [10, 13]]]])), "x[1 1 2 2]", name="max_unpool")
for _mode in ("linear", "nearest", "nearest-exact"):
    lib.op(lambda x, m=_mode: x.interpolate((5,), m), "x[n 3]", name=f"interpolate_{_mode}")
lib.op(lambda x: x.interpolate((3, 2), align_corners=True), "x[n 2 4]", name="interpolate_corners")
lib.ops("layernorm", "x[n 3], axis=-1|(0, 1)")
lib.op(
    lambda x, w, b: x.batchnorm(
        w, b, x.mean((0, 2)), x.var((0, 2), correction=0).add(1e-3).rsqrt()
    ),
    "x[3 c 2], w[c], b[c]",
    name="batchnorm",
)


def _layer(made, *weights):
    for name, value in zip(("weight", "bias"), weights, strict=False):
        setattr(made, name, value)
    return made


lib.op(
    lambda x, w, b: _layer(nn.GroupNorm(2, 4, eps=1e-3), w, b)(x),
    "x[n 4 3], w[4], b[4]",
    name="nn.GroupNorm",
)
lib.op(
    lambda x, w, b: _layer(nn.LayerNorm(3, eps=1e-3), w, b)(x),
    "x[n 3], w[3], b[3]",
    name="nn.LayerNorm",
)
lib.op(lambda x, w: _layer(nn.RMSNorm(3, eps=1e-3), w)(x), "x[n 3], w[3]", name="nn.RMSNorm")
lib.op(
    lambda w, i: _layer(nn.Embedding(4, 2), w)(Tensor(i)), "w[4 2], i:int[n]<4", name="nn.Embedding"
)
lib.op(
    lambda q, k, v: q.scaled_dot_product_attention(k, v),
    "q[2 3 2], k[2 2 2], v[2 2 3]",
    name="attention",
)
lib.op(
    lambda q, k, v, m: q.scaled_dot_product_attention(k, v, m),
    "q[1 3 2], k[1 2 2], v[1 2 3], m[3 2]",
    name="attention_mask",
)

# -- losses --------------------------------------------------------------------------------------

lib.op(
    lambda x, y: x.binary_crossentropy(y), "x:0.01..0.99[n], y:unit[n]", name="binary_crossentropy"
)
lib.op(
    lambda x, y: x.binary_crossentropy_logits(y, reduction="sum"),
    "x[n], y:unit[n]",
    name="binary_crossentropy_logits",
)
lib.op(
    lambda x, y, p: x.binary_crossentropy_logits(y, reduction="none", pos_weight=p),
    "x[n d], y:unit[n d], p:positive[d]",
    name="binary_crossentropy_logits_weighted",
)
lib.op(
    lambda x, y: x.sparse_categorical_crossentropy(Tensor(y), label_smoothing=0.1),
    "x[n k], y:int[n]<k",
    name="sparse_categorical_crossentropy",
)
lib.op(lambda x, y: x.cross_entropy(Tensor(y)), "x[n k], y:int[n]<k", name="cross_entropy")
lib.op(
    lambda x, y: x.cross_entropy(y, reduction="none", label_smoothing=0.2),
    "x[n 3], y:unit[n 3]",
    name="cross_entropy_probabilities",
)
lib.op(
    lambda x, y, w: x.log_softmax().nll_loss(Tensor(y), w),
    "x[n k], y:int[n]<k, w:positive[k]",
    name="nll_loss",
)

# -- what is a buffer once it was read -----------------------------------------------------------


def _unread(function, *arrays):
    """Output and pullback, each from a graph of its own: backward's output was never computed."""

    def pullback(cotangent):
        leaves = [leaf(a) for a in arrays]
        function(*leaves).backward(leaf(cotangent))
        return [None if t.grad is None else t.grad.numpy() for t in leaves]

    return function(*map(leaf, arrays)).numpy(), pullback


def _lifted(function):
    """Of arrays, too."""
    return lambda x: function(x if isinstance(x, Tensor) else leaf(x))


unread = gradcheck.tape(
    vjp=_unread, value=lambda t: t.numpy() if isinstance(t, Tensor) else t, name="unread"
)
unread.op(_lifted(Tensor.clone), "x[...]", name="clone")
unread.op(_lifted(lambda x: x.sort(-1)[0]), "x[n 4]", name="sort")
