"""MyGrad's operations: ``gradcheck run`` takes this file.

Shapes, domains and attributes are declared as its documentation has them; NumPy's own function of
the same name is the reference.
"""

from __future__ import annotations

import mygrad as mg
import mygrad.nnet as nnet
from mygrad.nnet.activations import glu
from mygrad.nnet.layers import batchnorm, conv_nd, max_pool

import gradcheck

lib = gradcheck.tape(
    leaf=mg.tensor,
    value=lambda t: t.data,
    backward=lambda t, cotangent: t.backward(cotangent),
    grad=lambda t: t.grad,
    constant=lambda a: mg.tensor(a, constant=True),
    detach=lambda t: mg.tensor(t.data.copy(), constant=True),
    functions=(mg, nnet.activations, nnet.losses),
)
lib.engine()

# -- one input -----------------------------------------------------------------------------------

lib.ops(
    "abs absolute negative positive reciprocal square sqrt cbrt exp exp2 expm1 log log2 log10 "
    "log1p sin cos tan csc sec cot sinc arcsin arccos arctan arccsc arcsec arccot sinh cosh tanh "
    "csch sech coth arcsinh arccosh arctanh arccsch arccoth",
    positive="log log2 log10 sqrt cbrt",
    nonzero="reciprocal csch coth arccsch",
    domain={
        "log1p": "-1..",
        "arcsin": "-1..1",
        "arccos": "-1..1",
        "arctanh": "-1..1",
        "arccosh": "1..",
        "arccoth": "1..",
        "arccsc": "1..",
        "arcsec": "1..",
        "tan": "-1.5..1.5",
        "sec": "-1.5..1.5",
        "csc": "0.1..3",
        "cot": "0.1..3",
        "arccot": "0..",
    },
)
lib.ops("cbrt_real:cbrt", nonzero="cbrt_real")
lib.op(lambda x: mg.clip(x, -1.0, 1.0), "x[...]", name="clip")
lib.op(lambda x, lo, hi: mg.clip(x, lo, hi + 4.0), "x[...], lo[...], hi[...]", name="clip3")

# -- two inputs ----------------------------------------------------------------------------------

lib.binary(
    "add subtract multiply divide true_divide power maximum minimum logaddexp logaddexp2 arctan2",
    positive="power[a]",
    nonzero="divide[b] true_divide[b]",
)
lib.op(lambda x: x**2, "x[...]", name="pow2")
lib.op(lambda x: x**3, "x[...]", name="pow3")
lib.op(lambda x: x**1, "x[...]", name="pow1")
lib.op(lambda x: x**-1, "x:nonzero[...]", name="pow_1")
lib.op(lambda x: 2.0**x, "x[...]", name="rpow", dtypes="float64")
lib.op(lambda a, b: mg.add_sequence(a, b, a), "a[n m], b[n m]", name="add_sequence")
lib.op(lambda a, b, c: mg.multiply_sequence(a, b, c), "a[n m], b[n m], c[n m]", name="mul_sequence")
lib.op(lambda c, a, b: mg.where(c, a, b), "c:bool[...], a[...], b[...]", name="where")

# -- reductions ----------------------------------------------------------------------------------

lib.ops("sum mean prod max min amax amin std var", "x[n m], axis=None|0|1|-1, keepdims=False|True")
lib.ops(
    "sum3:sum mean3:mean std3:std var3:var max3:max min3:min prod3:prod",
    "x[n m k], axis=(0, 2)|(1, -1)|2|-2, keepdims=False|True",
    reference=None,
)
lib.ops("std1:std var1:var", "x[3 m], axis=0, ddof=1", reference=None)
lib.ops("cumsum cumprod", "x[n m], axis=None|0|1|-1")

# -- shapes --------------------------------------------------------------------------------------

lib.op(lambda x: mg.transpose(x), "x[n m]", name="transpose")
lib.op(lambda x: mg.transpose(x, (2, 0, 1)), "x[n m k]", name="transpose3")
lib.op(lambda x: mg.transpose(x, -1, 0, 1), "x[n m k]", name="transpose_negative")
lib.ops("swapaxes", "x[n m k], axis1=0|1, axis2=2|-1")
lib.ops("moveaxis", "x[n m k], source=0|2, destination=1|-1")
lib.ops("roll", "x[n m], shift=1|-2, axis=None|0|1")
lib.ops("expand_dims", "x[n m], axis=0|1|-1")
lib.ops("squeeze", "x[n 1 m], axis=None|1")
lib.ops("ravel", "x[...]")
lib.ops("repeat", "x[n m], repeats=2|1|3, axis=None|0|1")
lib.op(lambda x: mg.repeat(x, [1, 0, 2], axis=0), "x[3 m]", name="repeat_list")
lib.op(lambda x: mg.reshape(x, (3, 4)), "x[2 6]", name="reshape")
lib.op(lambda x: x.reshape(-1), "x[n m]", name="reshape_flat")
lib.op(lambda x: mg.broadcast_to(x, (2, 4, 3)), "x[1 3]", name="broadcast_to")
lib.ops("atleast_1d atleast_2d atleast_3d", "x[n]")
lib.op(lambda x: x[1:, ::-1], "x[3 m]", name="getitem_slice")
lib.op(lambda x, i: x[i], "x[v d], i:int[n]<v", name="getitem_gather")
lib.op(lambda x: x[x > 0], "x:nonzero[n m]", name="getitem_mask")
lib.op(lambda x: x[:, None, ..., -1], "x[n m]", name="getitem_mixed")
lib.op(lambda a, b: mg.concatenate([a, b], axis=0), "a[n d], b[m d]", name="concatenate")
lib.op(lambda a, b: mg.concatenate([a, b], axis=-1), "a[n d], b[n e]", name="concatenate1")
lib.op(lambda a, b: mg.concatenate([a, b, a], axis=None), "a[n d], b[m e]", name="concatenate_flat")
lib.op(lambda a, b: mg.stack([a, b], axis=1), "a[n d], b[n d]", name="stack")


def _set(x, y):
    made = +x
    made[1:] = y
    return made * made


lib.op(_set, "x[3 m], y[2 m]", name="setitem_slice")
lib.op(_set, "x[3 m], y[m]", name="setitem_broadcast")


def _set_twice(x, y):
    made = +x
    made[[0, 0]] = y
    return made * made


lib.op(_set_twice, "x[3 m], y[2 m]", name="setitem_repeated")


def _inplace(x, y):
    made = +x
    made *= y
    made += x
    return made


lib.op(_inplace, "x[...], y[...]", name="inplace")

# -- products ------------------------------------------------------------------------------------

lib.ops("matmul", "(n,k),(k,m)->(n,m)")
lib.op(mg.matmul, "a[n k], b[k]", name="matmul_mv")
lib.op(mg.matmul, "a[k], b[k m]", name="matmul_vm")
lib.op(mg.matmul, "a[k], b[k]", name="matmul_vv")
lib.op(mg.matmul, "a[b n k], w[b k m]", name="matmul_batch")
lib.op(mg.matmul, "a[b n k], w[k m]", name="matmul_stretched")
lib.op(mg.matmul, "a[b n k], w[k]", name="matmul_batch_mv")
lib.op(mg.matmul, "a[k], w[b k m]", name="matmul_batch_vm")
lib.op(mg.matmul, "a[1 n k], w[b k m]", name="matmul_one")
lib.op(lambda a, b, c: mg.multi_matmul([a, b, c]), "a[n k], b[k m], c[m l]", name="multi_matmul")
lib.op(lambda a, b: mg.einsum("ij,jk->ik", a, b), "a[n k], b[k m]", name="einsum_matmul")
lib.op(lambda a, b: mg.einsum("bij,bjk->bik", a, b), "a[b n k], b[b k m]", name="einsum_batch")
lib.op(lambda a: mg.einsum("ij->j", a), "a[n m]", name="einsum_sum")
lib.op(lambda a: mg.einsum("ij->ji", a), "a[n m]", name="einsum_transpose")
lib.op(lambda a: mg.einsum("ii->i", a), "a[n n]", name="einsum_diagonal")
lib.op(lambda a: mg.einsum("ii", a), "a[n n]", name="einsum_trace")
lib.op(lambda a, b: mg.einsum("i,j->ij", a, b), "a[n], b[m]", name="einsum_outer")
lib.op(lambda a: mg.einsum("ij,ij->i", a, a), "a[n m]", name="einsum_twice")
lib.op(lambda a, b: mg.einsum("...ij,jk->...ik", a, b), "a[b n k], b[k m]", name="einsum_dots")
for _order in (None, 1, 2, 3):
    lib.op(
        lambda x, o=_order: mg.linalg.norm(x, ord=o, axis=-1),
        "x[n m]",
        name=f"linalg.norm_{_order}",
    )

# -- neural networks -----------------------------------------------------------------------------

lib.ops("relu sigmoid hard_tanh selu soft_sign", reference=None)
lib.op(lambda x: nnet.activations.elu(x, 0.5), "x[...]", name="elu")
lib.op(lambda x: nnet.activations.leaky_relu(x, 0.1), "x[...]", name="leaky_relu")
lib.op(lambda x: glu(x, axis=-1), "x[n 4]", name="glu")
lib.ops("softmax logsoftmax", "x[n m], axis=-1|0", reference=None)
lib.ops("softmax_crossentropy multiclass_hinge", "x[n k], y_true:int[n]<k")
lib.ops("focal_loss", "class_probs:unit[n k], targets:int[n]<k, alpha=1|0.25, gamma=0|2.0")
lib.ops("softmax_focal_loss", "scores[n k], targets:int[n]<k, alpha=1|0.25, gamma=0|2.0")
lib.ops("negative_log_likelihood", "x[n k], y_true:int[n]<k")
lib.op(
    lambda a, b: nnet.losses.margin_ranking_loss(a, b, 1, margin=0.5),
    "a[n d], b[n d]",
    name="margin_ranking_loss",
)
lib.op(
    lambda x, g, b: batchnorm(x, gamma=g, beta=b, eps=1e-3),
    "x[n d], g[d], b[d]",
    name="batchnorm",
    valid=lambda x, g, b: len(x) > 1,
)
lib.op(
    lambda x, g, b: batchnorm(x, gamma=g, beta=b, eps=1e-3),
    "x[n c h w], g[c], b[c]",
    name="batchnorm_images",
    valid=lambda x, g, b: len(x) > 1,
)
lib.op(lambda x, k: conv_nd(x, k, stride=1), "x[n c 4], k[o c 2]", name="conv1")
lib.op(lambda x, k: conv_nd(x, k, stride=1), "x[n c 4 3], k[o c 2 2]", name="conv2")
lib.op(
    lambda x, k: conv_nd(x, k, stride=2, padding=1), "x[n c 4 4], k[o c 2 2]", name="conv2_padded"
)
lib.op(
    lambda x, k: conv_nd(x, k, stride=1, dilation=2), "x[n c 5 5], k[o c 2 2]", name="conv2_dilated"
)
lib.op(lambda x: max_pool(x, (2, 2), 2), "x[n c 4 4]", name="max_pool")
lib.op(lambda x: max_pool(x, (2, 2), 1), "x[n c 3 3]", name="max_pool_overlapping")
