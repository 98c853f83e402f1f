"""The differentiable NumPy functions of HIPS autograd: ``gradcheck run`` takes this file.

Shapes, domains and attributes are declared as NumPy documents them; NumPy's own function of the
same name is the reference.
"""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
from autograd import make_vjp

import gradcheck


def _fused(function, *arrays):
    pullback, output = make_vjp(function, tuple(range(len(arrays))))(*arrays)
    return output, pullback


lib = gradcheck.tape(vjp=_fused, functions=anp)
lib.engine()

# -- one input -----------------------------------------------------------------------------------

lib.ops(
    "abs absolute fabs negative reciprocal exp exp2 expm1 log log2 log10 log1p sqrt square sin cos "
    "tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh sinc deg2rad rad2deg degrees "
    "radians sign floor ceil trunc rint fix real conj conjugate nan_to_num",
    positive="log log2 log10 sqrt",
    nonzero="reciprocal",
    domain={
        "log1p": "-1..",
        "arcsin": "-1..1",
        "arccos": "-1..1",
        "arctanh": "-1..1",
        "arccosh": "1..",
        "tan": "-1.5..1.5",
    },
)
lib.ops("ravel real_if_close")
lib.op(lambda x: anp.clip(x, -1.0, 1.0), "x[...]", name="clip")
lib.op(lambda x: anp.imag(1j * x), "x[...]", name="imag")
lib.op(lambda x: anp.angle(x), "x[...]", name="angle")

# -- two inputs ----------------------------------------------------------------------------------

lib.binary(
    "add subtract multiply divide true_divide power maximum minimum fmax fmin logaddexp logaddexp2 "
    "arctan2 hypot mod remainder",
    positive="power[a]",
    nonzero="divide[b] true_divide[b] mod[b] remainder[b]",
)
lib.ops("where", "c:bool[...], a[...], b[...]")
lib.op(anp.where, "c:bool[n m], a[n 1], b[n m]", name="where_stretched")

# -- reductions ----------------------------------------------------------------------------------

lib.ops(
    "sum mean prod max min amax amin std var",
    "x[n m], axis=None|0|1|-1, keepdims=False|True",
)
lib.ops(
    "sum:sum mean:mean std:std var:var max:max prod:prod".replace(":", "3:"),
    "x[n m k], axis=(0, 2)|(1, -1)|2|-2, keepdims=False|True",
    reference=None,
)
lib.ops("std1:std var1:var", "x[3 m], axis=0, ddof=1", reference=None)
lib.ops("cumsum", "x[n m], axis=None|0|1|-1")
lib.ops("diff", "x[5 m], axis=0, n=1|2")
lib.ops("gradient", "x[5]")
lib.op(lambda x: anp.gradient(x, axis=0), "x[4 m]", name="gradient0")
lib.ops("trace", "x[n m], offset=0|1|-1")
lib.ops("sort", "x[n]")
lib.op(lambda x: anp.partition(x, 2), "x[5]", name="partition")

# -- shapes --------------------------------------------------------------------------------------

lib.ops("transpose", "x[n m], axes=None|(1, 0)|(0, 1)")
lib.op(lambda x: anp.transpose(x, (2, 0, 1)), "x[n m k]", name="transpose3")
lib.ops("swapaxes", "x[n m k], axis1=0|1, axis2=2|-1")
lib.ops("moveaxis", "x[n m k], source=0|2, destination=1|-1")
lib.ops("rollaxis", "x[n m k], axis=1|2, start=0|1")
lib.ops("roll", "x[n m], shift=1|-2, axis=None|0|1")
lib.ops("expand_dims", "x[n m], axis=0|1|-1")
lib.ops("squeeze", "x[n 1 m], axis=None|1")
lib.ops("flipud fliplr", "x[n m]")
lib.ops("rot90", "x[n m], k=1|2|3|-1")
lib.ops("tril triu", "x[n m], k=0|1|-1")
lib.ops("diag", "x[n], k=0|1|-1")
lib.op(lambda x: anp.diag(x), "x[n n]", name="diag2")
lib.op(lambda x: anp.diagonal(x, axis1=-1, axis2=-2), "x[n m m]", name="diagonal")
lib.op(lambda x: anp.make_diagonal(x, axis1=-1, axis2=-2), "x[n m]", name="make_diagonal")
lib.ops("repeat", "x[n m], repeats=2|1|3, axis=None|0|1")
lib.ops("tile", "x[n m], reps=2|(2, 1)|(1, 2, 3)")
lib.ops("reshape", "x[2 6], shape=(3, 4)|(12,)|-1|(2, 3, 2)", reference=None)
lib.op(lambda x: anp.reshape(x, (-1,), order="F"), "x[n m]", name="reshapeF")
lib.op(lambda x: anp.broadcast_to(x, (4, 3)), "x[1 3]", name="broadcast_to")
lib.ops("atleast_1d atleast_2d atleast_3d", "x[n]")
lib.ops("pad", "x[n m], pad_width=1|(0, 2)|((1, 0), (2, 3)), mode='constant'")
lib.op(lambda x: anp.array_split(x, 2)[1], "x[n m]", name="array_split")
lib.op(lambda x: anp.split(x, 2, axis=1)[0], "x[n 4]", name="split")
lib.op(lambda x: anp.vsplit(x, 2)[1], "x[4 m]", name="vsplit")
lib.op(lambda x: anp.hsplit(x, 2)[1], "x[n 4]", name="hsplit")
lib.op(lambda x: anp.dsplit(x, 2)[1], "x[n m 4]", name="dsplit")
lib.op(lambda x: x[1:, ::-1], "x[3 m]", name="getitem_slice")
lib.op(lambda x, i: x[i], "x[v d], i:int[n]<v", name="getitem_gather")
lib.op(lambda x: x[x > 0], "x:nonzero[n m]", name="getitem_mask")
lib.op(lambda x: x[:, None, ..., -1], "x[n m]", name="getitem_mixed")
lib.op(lambda a, b: anp.concatenate([a, b], axis=0), "a[n d], b[m d]", name="concatenate")
lib.op(lambda a, b: anp.concatenate([a, b], axis=-1), "a[n d], b[n e]", name="concatenate1")
lib.op(lambda a, b: anp.stack([a, b], axis=1), "a[n d], b[n d]", name="stack")
lib.op(lambda a, b: anp.vstack([a, b]), "a[n d], b[m d]", name="vstack")
lib.op(lambda a, b: anp.hstack([a, b]), "a[n d], b[n e]", name="hstack")
lib.op(lambda a, b: anp.column_stack([a, b]), "a[n], b[n]", name="column_stack")
lib.op(lambda a, b: anp.append(a, b), "a[n], b[m]", name="append")
lib.op(lambda a, b: anp.array([a[0], b[1], a[1]]), "a[2], b[2]", name="array")
lib.op(lambda c, a, b: anp.select([c], [a], b), "c:bool[n], a[n], b[n]", name="select")
lib.op(lambda x: anp.full((2, 3), x), "x[]", name="full")
lib.op(lambda a, b: anp.linspace(a, b, 5), "a[], b[]", name="linspace")

# -- products ------------------------------------------------------------------------------------

lib.ops("matmul", "(n,k),(k,m)->(n,m)")
lib.ops("matmul_mv:matmul dot_mv:dot", "(n,k),(k)->(n)", reference=None)
lib.ops("matmul_vm:matmul", "(k),(k,m)->(m)", reference=None)
lib.ops("matmul_vv:matmul dot_vv:dot", "(k),(k)->()", reference=None)
lib.op(anp.matmul, "a[b n k], w[b k m]", name="matmul_batch")
lib.op(anp.matmul, "a[b n k], w[k m]", name="matmul_stretched")
lib.op(anp.matmul, "a[b n k], w[k]", name="matmul_batch_mv")
lib.op(anp.matmul, "a[k], w[b k m]", name="matmul_batch_vm")
lib.op(anp.matmul, "a[1 n k], w[b k m]", name="matmul_one")
lib.ops("dot", "(n,k),(k,m)->(n,m)")
lib.op(anp.dot, "a[b n k], w[k m]", name="dot3")
lib.op(anp.dot, "a[b n k], w[c k m]", name="dot33")
lib.op(anp.dot, "a[], w[n m]", name="dot_scalar")
lib.ops("inner", "(n,k),(m,k)->(n,m)")
lib.ops("inner_vv:inner", "(k),(k)->()", reference=None)
lib.ops("outer", "(n),(m)->(n,m)")
lib.ops("kron", "(n,k),(m,l)->(p,q)")
lib.op(anp.kron, "a[n k l], b[m p q]", name="kron3", reference=np.kron)
lib.op(anp.outer, "a[n m], b[k]", name="outer_matrix")
lib.ops("cross", "(n,3),(n,3)->(n,3)")
lib.op(anp.cross, "a[3], b[n 3]", name="cross_stretched")
lib.op(lambda a, b: anp.tensordot(a, b, 1), "a[n k], b[k m]", name="tensordot1")
lib.op(lambda a, b: anp.tensordot(a, b, 2), "a[n k l], b[k l m]", name="tensordot2")
lib.op(lambda a, b: anp.tensordot(a, b, 0), "a[n], b[m]", name="tensordot0")
lib.op(
    lambda a, b: anp.tensordot(a, b, ((0, 2), (1, 0))), "a[k n l], b[l k m]", name="tensordot_axes"
)
lib.op(lambda a, b: anp.einsum("ij,jk->ik", a, b), "a[n k], b[k m]", name="einsum_matmul")
lib.op(lambda a, b: anp.einsum("bij,bjk->bik", a, b), "a[b n k], b[b k m]", name="einsum_batch")
lib.op(lambda a: anp.einsum("ij->j", a), "a[n m]", name="einsum_sum")
lib.op(lambda a: anp.einsum("ij->ji", a), "a[n m]", name="einsum_transpose")
lib.op(lambda a, b: anp.einsum("i,j->ij", a, b), "a[n], b[m]", name="einsum_outer")
lib.op(lambda a, b: anp.einsum("...ij,jk->...ik", a, b), "a[b n k], b[k m]", name="einsum_dots")

# -- linear algebra ------------------------------------------------------------------------------


def _parts(z):
    return anp.stack([anp.real(z), anp.imag(z)])


def _regular(a):
    """Well away from singular: what is added to the diagonal is larger than each row."""
    return a + 8.0 * anp.eye(a.shape[-1])


def _definite(a):
    return anp.matmul(a, anp.swapaxes(a, -1, -2)) + anp.eye(a.shape[-1])


def _apart(a):
    """Symmetric, with eigenvalues that lie apart."""
    return 0.1 * (a + anp.swapaxes(a, -1, -2)) + anp.diag(4.0 * anp.arange(a.shape[-1]))


lib.op(lambda a: anp.linalg.inv(_regular(a)), "a[n n]", name="linalg.inv")
lib.op(lambda a: anp.linalg.inv(_regular(a)), "a[b n n]", name="linalg.inv_batch")
lib.op(lambda a: anp.linalg.pinv(a), "a[2 3]", name="linalg.pinv", reference=None)
lib.op(lambda a: anp.linalg.det(_regular(a)), "a[n n]", name="linalg.det")
lib.op(lambda a: anp.linalg.det(_regular(a)), "a[b n n]", name="linalg.det_batch")
lib.op(lambda a: anp.linalg.slogdet(_regular(a))[1], "a[n n]", name="linalg.slogdet")
lib.op(lambda a, b: anp.linalg.solve(_regular(a), b), "a[n n], b[n m]", name="linalg.solve")
lib.op(lambda a, b: anp.linalg.solve(_regular(a), b), "a[n n], b[n]", name="linalg.solve_vector")
lib.op(
    lambda a, b: anp.linalg.solve(_regular(a), b), "a[b n n], b[b n m]", name="linalg.solve_batch"
)
lib.op(lambda a: anp.linalg.cholesky(_definite(a)), "a[n n]", name="linalg.cholesky")
lib.op(lambda a: anp.linalg.eigh(_apart(a))[0], "a[n n]", name="linalg.eigh_values")
lib.op(lambda a: anp.abs(anp.linalg.eigh(_apart(a))[1]) ** 2, "a[n n]", name="linalg.eigh_vectors")
lib.op(
    lambda a: anp.linalg.svd(_apart(a) + 2.0 * anp.eye(a.shape[-1]), full_matrices=False)[1],
    "a[n n]",
    name="linalg.svd",
)
lib.op(lambda a: anp.linalg.svd(a, compute_uv=False), "a[2 3]", name="linalg.svd_values")
lib.op(lambda x: anp.linalg.norm(x), "x[n]", name="linalg.norm")
lib.op(lambda x: anp.linalg.norm(x), "x[n m]", name="linalg.norm_matrix")
lib.op(lambda x: anp.linalg.norm(x, axis=1), "x[n m]", name="linalg.norm_axis")
lib.op(lambda x: anp.linalg.norm(x, ord=3), "x[n]", name="linalg.norm_3")
lib.op(lambda z, w: _parts((z + 1j * w) ** 2), "z[n], w[n]", name="complex_square")
lib.op(lambda z, w: _parts(anp.exp(z + 1j * w)), "z[n], w[n]", name="complex_exp")
lib.op(lambda z, w: _parts(anp.sqrt(z + 1j * w)), "z:positive[n], w[n]", name="complex_sqrt")
lib.op(lambda z, w: anp.abs(z + 1j * w), "z:positive[n], w[n]", name="complex_abs")
lib.op(lambda x: anp.linalg.norm(x, ord="nuc"), "x[2 3]", name="linalg.norm_nuclear")

# -- Fourier transforms: real and imaginary part -------------------------------------------------

for _name in ("fft", "ifft"):
    _f = getattr(anp.fft, _name)
    lib.op(lambda x, f=_f: _parts(f(x)), "x[n]", name=f"fft.{_name}")
    lib.op(lambda x, f=_f: _parts(f(x, axis=0)), "x[n m]", name=f"fft.{_name}_axis")
    lib.op(lambda x, f=_f: _parts(f(x, n=4)), "x[n]", name=f"fft.{_name}_n")
lib.op(lambda x: _parts(anp.fft.rfft(x)), "x[2*n]", name="fft.rfft")  # odd lengths are refused
lib.op(lambda x: _parts(anp.fft.rfft(x, axis=0)), "x[2*n m]", name="fft.rfft_axis")
lib.op(lambda a, b: anp.fft.irfft(a + 1j * b), "a[3], b[3]", name="fft.irfft")
lib.op(lambda a, b: anp.fft.irfft2(a + 1j * b), "a[n 3], b[n 3]", name="fft.irfft2")
lib.op(lambda a, b: _parts(anp.fft.fft(a + 1j * b)), "a[n], b[n]", name="fft.fft_complex")
for _name in ("fft2", "ifft2", "fftn", "ifftn", "rfft2", "rfftn"):
    _f = getattr(anp.fft, _name)
    lib.op(lambda x, f=_f: _parts(f(x)), "x[n 4]", name=f"fft.{_name}")
lib.op(lambda x: anp.fft.fftshift(x), "x[n]", name="fft.fftshift")
lib.op(lambda x: anp.fft.ifftshift(x), "x[n]", name="fft.ifftshift")
