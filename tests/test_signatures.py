"""One-line signatures and shape annotations: what they mean, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from jaxtyping import Bool, Float, Float32, Int

import gradcheck
from gradcheck.cases import build, recipes
from gradcheck.domains import decode
from gradcheck.engine import generate
from gradcheck.model import BOOLEAN, INDEX, REAL, REAL_DOMAINS, Attribute, Domain, Input
from gradcheck.probe import Learnt, untaught
from gradcheck.registry import make
from gradcheck.signatures import from_annotations, parse
from gradcheck.templates import plan
from tests.judged import fails, passes, wrong


def inputs(text: str, *names: str) -> tuple[Input, ...]:
    return parse(text, list(names))[0]


def attributes(text: str, *names: str) -> tuple[Attribute, ...]:
    return parse(text, list(names))[1]


def refusal(text: str, *names: str) -> str:
    with pytest.raises(gradcheck.UsageError) as caught:
        parse(text, list(names))
    return str(caught.value)


def test_the_plain_case_has_no_size_of_one_however_many_dimensions_there_are():
    six = make([lambda x, y: x, lambda d, x, y: (d, None), "x[a b c], y[d e f]"], {}, {})
    plain = next(t for t in plan(untaught(six), ("float64",)).templates if t.sizes)
    assert plain.note == "plain"
    assert sorted(plain.sizes.values()) == [2, 3, 3, 3, 4, 5]
    assert set(plain.sizes) == set("abcdef")


# -- dimensions ---------------------------------------------------------------------------------


def test_names_numbers_and_any_rank():
    x, w, b, s = inputs("x[n d], w[d 3], b[... d], s[]")
    assert (x.name, x.dims) == ("x", ("n", "d"))
    assert (w.name, w.dims) == ("w", ("d", 3))
    assert (b.name, b.dims) == ("b", ("...", "d"))
    assert (s.name, s.dims, s.scalar) == ("s", (), True)
    assert not x.scalar
    assert all(i.differentiable and i.domain == Domain(REAL) for i in (x, w, b, s))


def test_blanks_do_not_matter():
    assert inputs("x[n d],w[d k]") == inputs("  x[ n  d ] ,  w[d k] , ")


def test_equal_names_are_equal_sizes():
    """And different names are different sizes: a transposed gradient has another shape."""
    seen = set()

    def product(x, w):
        seen.add((x.shape, w.shape))
        return x @ w

    passes(product, lambda dz, x, w: (dz @ w.T, x.T @ dz), "x[n d], w[d k]")
    plain = [s for s in seen if len(s[0]) == len(s[1]) == 2 and s[0][1] == s[1][0]]
    assert any(len({x[0], x[1], w[1]}) == 3 for x, w in plain)


def test_numbers_are_fixed_sizes():
    seen = set()

    def cross(x, y):
        if x.ndim == y.ndim == 2:  # and no stack of cases of fewer axes
            seen.add((x.shape, y.shape))
        return np.cross(x, y)

    def backward(dz, x, y):
        return np.cross(y, dz), np.cross(dz, x)

    passes(cross, backward, "x[n 3], y[n 3]")
    assert {s[-1] for pair in seen for s in pair if len(s) == 2} <= {3, 1}
    assert len({x[0] for x, _ in seen if len(x) == 2}) > 2

    def backward_wrong(dz, x, y):
        return np.cross(dz, y), np.cross(dz, x)

    assert wrong(fails(cross, backward_wrong, "x[n 3], y[n 3]")) == {"x"}


def test_multiples_of_a_size():
    x, _ = inputs("x[n 4*h], h[n h]")
    assert x.dims == ("n", "4*h")
    seen = set()

    def gates(x, h):
        seen.add((x.shape[-1], h.shape[-1]))
        return x.reshape(len(x), 4, -1).sum(axis=1) * h

    def backward(dz, x, h):
        return np.tile(h * dz, (1, 4)), x.reshape(len(x), 4, -1).sum(axis=1) * dz

    passes(gates, backward, "x[n 4*h], h[n h]")
    assert {(4 * k, k) for k in (2, 3)} <= seen


def test_three_dots_vary_the_rank():
    seen = set()

    def square(x):
        seen.add(np.ndim(x))
        return x * x

    passes(square, lambda dz, x: 2 * x * dz, "x[...]")
    assert {0, 1, 2, 3} <= seen


def test_three_dots_before_a_dimension():
    def norm(x):
        return np.sqrt(np.sum(x * x, axis=-1) + 1)

    def backward(dz, x):
        return (dz / norm(x))[..., None] * x

    def backward_first_axis(dz, x):
        return (dz / norm(x))[:, None] * x

    passes(norm, backward, "x[... d]")
    result = fails(norm, backward_first_axis, "x[... d]")
    assert "backward-raised" in {f.code for f in result.findings if f.severity == "fail"}


def test_zero_dimensional_inputs_are_numbers():
    seen = set()

    def product(x, y):
        seen.add(type(x))
        return x * y

    passes(product, lambda dz, x, y: (y * dz, x * dz), "x[], y[]")
    assert np.ndarray not in seen


# -- kinds of values ----------------------------------------------------------------------------


def test_integers():
    table, words = inputs("table[v d], words:int[t]<v")
    assert table.differentiable
    assert not words.differentiable
    assert words.domain.kind == INDEX
    assert words.domain.below == "v"
    assert inputs("x[n], k:int[]<7")[1].domain.below == 7
    assert inputs("x[n], k:int[] < 7")[1].domain.below == 7
    assert inputs("x[n], k:int[]")[1].domain.below is not None


def test_index_bound_is_kept_and_reached():
    """All indices below the size of the dimension, the last one among them."""
    gaps = set()

    def lookup(table, words):
        if len(table):
            gaps.add(len(table) - 1 - int(words.max(initial=-1)))
        return table[words]

    def backward(dout, table, words):
        d = np.zeros_like(table)
        np.add.at(d, words, dout)
        return d, None

    passes(lookup, backward, "table[v d], words:int[t]<v")
    assert min(gaps) == 0

    def no_repeats(dout, table, words):
        d = np.zeros_like(table)
        d[words] = dout
        return d, None

    assert wrong(fails(lookup, no_repeats, "table[v d], words:int[t]<v")) == {"table"}


def test_index_bound_by_a_number():
    seen = set()

    def power(x, k):
        seen.add(int(k))
        return x ** (k + 1)

    passes(power, lambda dz, x, k: ((k + 1) * x**k * dz, None), "x[n], k:int[]<3")
    assert seen == {0, 1, 2}


def test_booleans():
    mask = inputs("x[n], mask:bool[n]")[1]
    assert mask.domain.kind == BOOLEAN
    assert not mask.differentiable
    seen = set()

    def masked(x, mask):
        seen.add(mask.dtype.kind)
        return np.where(mask, x, 0.0)

    passes(masked, lambda dz, x, mask: np.where(mask, dz, 0.0), "x[n], mask:bool[n]")
    assert seen == {"b"}


DOMAINS = {
    "real": lambda x: (x < 0).any() and (x > 0).any(),
    "positive": lambda x: (x > 0).all(),
    "nonnegative": lambda x: (x >= 0).all(),
    "negative": lambda x: (x < 0).all(),
    "nonzero": lambda x: (x != 0).all(),
    "unit": lambda x: ((x > 0) & (x < 1)).all(),
    "simplex": lambda x: (x >= 0).all() and np.allclose(x.sum(axis=-1), 1, atol=1e-6),
    "symmetric": lambda x: np.array_equal(x, x.T),
    "definite": lambda x: np.array_equal(x, x.T) and np.linalg.eigvalsh(x).min() > 0,
    "one-hot": lambda x: (np.sort(x, axis=-1)[:, -1] == 1).all() and (x.sum(axis=-1) == 1).all(),
    "binary": lambda x: np.isin(x, (0, 1)).all(),
}


def test_every_domain_word_is_tried_here():
    assert set(REAL_DOMAINS) <= set(DOMAINS)


@pytest.mark.parametrize("word", DOMAINS)
def test_domain_word(word):
    """All values that are drawn are in the domain."""
    shape = "n n" if word in ("symmetric", "definite") else "n d"
    op = make([lambda x: x, lambda dz, x: dz, f"x:{word}[{shape}]"], {}, {})
    assert op.inputs[0].domain.kind == word
    sizes = {"n": (2, 3, 4), "d": (2, 3, 5)}
    made = plan(Learnt(op, {k: v for k, v in sizes.items() if k in shape.split()}), ("float64",))
    drawn = generate(recipes(made), seed="0", count=30, first=made.schedule(30))
    values = [build(op, c.value).primals[0] for c in drawn if not c.value.beyond]
    inside = [bool(DOMAINS[word](x)) for x in values if x.size > 1]
    assert len(inside) >= 10
    assert all(inside) if word != "real" else sum(inside) > len(inside) / 2


def test_domain_words_are_no_blindfold():
    """Real values of both signs are met, and an exact zero."""
    sign = set()

    def forward(x):
        sign.update(np.sign(x).ravel().tolist())
        return x * x

    passes(forward, lambda dz, x: 2 * x * dz, "x[n]")
    assert sign == {-1.0, 0.0, 1.0}
    assert wrong(fails(forward, lambda dz, x: 2 * np.abs(x) * dz, "x[n]")) == {"x"}
    passes(forward, lambda dz, x: 2 * np.abs(x) * dz, "x:positive[n]")


# -- attributes ---------------------------------------------------------------------------------


def test_attributes_and_their_values():
    found = attributes("x[n], stride=1|2, pad = 'same' | 'valid', axis=(0, 1)|None, mode=mean")
    assert [(a.name, a.values) for a in found] == [
        ("stride", (1, 2)),
        ("pad", ("same", "valid")),
        ("axis", ((0, 1), None)),
        ("mode", ("mean",)),
    ]
    assert attributes("x[n], eps=1e-5|0.1, flag=True|False")[0].values == (1e-5, 0.1)
    assert attributes("x[n], eps=1e-5|0.1, flag=True|False")[1].values == (True, False)


def test_strings_may_hold_commas_and_bars():
    assert attributes("x[n], spec='ij,jk->ik'")[0].values == ("ij,jk->ik",)
    assert attributes("x[n], sep='|'")[0].values == ("|",)


def test_listed_values_are_declared():
    def scaled(x, k=1):
        return k * x

    result = passes(scaled, lambda dz, x, k=1: k * dz, "x[n], k=1|3")
    assert "k=3" in result.coverage
    assert wrong(fails(scaled, lambda dz, x, k=1: 1.0 * dz, "x[n], k=1|3")) == {"x"}
    passes(scaled, lambda dz, x, k=1: 1.0 * dz, "x[n], k=1")


def test_listed_value_that_forward_refuses():
    def strided(x, step=1):
        if step > 2:
            raise ValueError("step is 1 or 2")
        return x[::step] * 1.0

    def backward(dz, x, step=1):
        gradient = np.zeros_like(x)
        gradient[::step] = dz
        return gradient

    passes(strided, backward, "x[n], step=1|2")
    result = fails(strided, backward, "x[n], step=1|2|3")
    assert [f.code for f in result.findings] == ["forward-raised"]


def test_gufunc_form():
    x, w = inputs("(n,d),(k,d)->(n,k)", "x", "w")
    assert (x.name, x.dims) == ("x", ("n", "d"))
    assert (w.name, w.dims) == ("w", ("k", "d"))
    assert [i.dims for i in inputs("(),(n)->(n)", "a", "x")] == [(), ("n",)]
    assert [i.name for i in inputs("(n),(n)->()")] == ["x0", "x1"]
    assert inputs("(n,3),(3)->(n)", "a", "b")[0].dims == ("n", 3)


def test_gufunc_form_is_checked():
    def matvec(a, x):
        return a @ x

    passes(matvec, lambda dz, a, x: (np.outer(dz, x), a.T @ dz), "(m,n),(n)->(m)")
    result = fails(matvec, lambda dz, a, x: (np.outer(dz, x), 2 * a.T @ dz), "(m,n),(n)->(m)")
    assert wrong(result) == {"x"}


def test_gufunc_form_with_another_number_of_inputs():
    """A third input that forward does not have, or one that it needs."""
    assert "forward" in refusal("(n),(n),(n)->(n)", "a", "b")


# -- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no input"),
        ("stride=1", "no input"),
        ("x", "cannot read 'x'"),
        ("x[n", "cannot read"),
        ("x[n] y[n]", "cannot read 'x[n] y[n]'"),
        ("x[n, d]", "separated by blanks"),
        ("x[n-1]", "'n-1' is no dimension"),
        ("x[... n ...]", "'...' may stand once"),
        ("x:positve[n]", "'positive'"),
        ("x:integer[n]", "'int'"),
        ("x[n]<3", "only an integer input has a bound"),
        ("x[n], y:int[n]<k", "'k', which is no dimension"),
        ("words[n], y:int[n]<word", "no dimension"),
        ("x[n], x[n]", "x is named twice"),
        ("x[n], k=a b", "'a b' is no Python literal"),
        ("x[n], k=", "cannot read 'k='"),
        ("(n,d", "not closed"),
        ("x[n], y:int[n]<0", "0"),
    ],
)
def test_refused(text, says):
    assert says in refusal(text)


def test_an_input_that_forward_does_not_have():
    message = refusal("x[n d], weight[d k]", "x", "weights")
    assert "forward has no parameter 'weight'" in message
    assert "'weights'" in message


def test_an_attribute_that_forward_does_not_have():
    assert "'stride'" in refusal("x[n], strid=1", "x", "stride")


def test_messages_quote_the_signature():
    for text in ("x[n-1]", "x:positve[n]", "x[n], y:int[n]<k"):
        assert repr(text) in refusal(text)


def test_what_is_refused_is_refused_at_every_door():
    def forward(x):
        return x

    for door in (
        lambda: gradcheck.check(forward, forward, "y[n]"),
        lambda: gradcheck.op(forward, forward, "y[n]"),
        lambda: gradcheck.register("y[n]")(forward).def_vjp(forward),
    ):
        with pytest.raises(gradcheck.UsageError, match="forward has no parameter 'y'"):
            door()


# -- annotations --------------------------------------------------------------------------------


Matrix = Float[np.ndarray, "n d"]
Weights = Float[np.ndarray, "k d"]
Vector = Float[np.ndarray, "k"]


def annotated(function: Any, **annotations: Any) -> Any:
    """This file has its annotations as strings; these are the objects that others have."""
    function.__annotations__ = annotations
    return function


def test_dims_of_annotations():
    found = from_annotations({"x": Matrix, "w": Weights, "s": float}, ["x", "w", "s"])
    assert [i.dims for i in found] == [("n", "d"), ("k", "d"), ()]
    assert all(i.differentiable for i in found)
    assert found[2].scalar
    assert from_annotations({"x": Float[np.ndarray, ""]}, ["x"])[0].dims == ()
    assert from_annotations({"x": Float[np.ndarray, "n 3"]}, ["x"])[0].dims == ("n", 3)


@pytest.mark.parametrize("dims", ["...", "*batch"])
def test_any_rank_in_annotations(dims):
    found = from_annotations({"x": Float[np.ndarray, f"{dims} d"]}, ["x"])
    assert found[0].dims == ("...", "d")


def test_named_sizes_and_broadcasting_marks_in_annotations():
    assert from_annotations({"x": Float[np.ndarray, "#n d=4"]}, ["x"])[0].dims == ("n", 4)


def test_anonymous_dimensions_in_annotations():
    """``_`` is a size of its own, wherever it stands."""
    x, y = from_annotations(
        {"x": Float[np.ndarray, "_ d"], "y": Float[np.ndarray, "_ d"]}, ["x", "y"]
    )
    assert x.dims[1] == y.dims[1] == "d"
    assert x.dims[0] != y.dims[0]


def test_integer_annotations():
    found = from_annotations({"y": Int[np.ndarray, "n"]}, ["y"])[0]
    assert found.domain.kind == INDEX
    assert not found.differentiable


def test_boolean_annotations():
    found = from_annotations({"m": Bool[np.ndarray, "n"]}, ["m"])[0]
    assert found.domain.kind == BOOLEAN
    assert not found.differentiable


def test_annotated_pair():
    def affine(x, w, b):
        return x @ w.T + b

    affine = annotated(affine, x=Matrix, w=Weights, b=Vector)

    def backward(dz, x, w, b):
        return dz @ w, dz.T @ x, dz.sum(axis=0)

    def backward_wrong(dz, x, w, b):
        return dz @ w, dz.T @ x, dz.mean(axis=0)

    passes(affine, backward)
    assert wrong(fails(affine, backward_wrong)) == {"b"}


def test_annotated_with_a_keyword_attribute():
    def scaled(x, factor=2.0):
        return factor * x

    scaled = annotated(scaled, x=Matrix, factor=float)
    passes(scaled, lambda dz, x, factor=2.0: factor * dz)
    assert wrong(fails(scaled, lambda dz, x: 1.0 * dz)) == {"x"}


def test_annotated_gate_class():
    class Affine:
        def forward(self, x, w):
            self.x, self.w = x, w
            return x @ w.T

        def backward(self, dz):
            return dz @ self.w, dz.T @ self.x

    class Wrong(Affine):
        def backward(self, dz):
            return dz @ self.w, dz.T @ self.x * 2

    annotated(Affine.forward, x=Matrix, w=Weights)
    passes(Affine)
    assert wrong(fails(Wrong)) == {"w"}


def test_registered_with_annotations():
    def square(x):
        return x * x

    registered = gradcheck.register(annotated(square, x=Float[np.ndarray, "..."]))

    @registered.def_vjp
    def _(dz, x):
        return (2 * x * dz,)

    assert passes(registered).kind == "function with vjp"


def test_postponed_annotations():
    """``from __future__ import annotations`` turns them into strings, as in this very file."""

    def scaled(x: Matrix, w: Vector) -> Any:
        return x * np.sum(w)

    passes(scaled, lambda dz, x, w: (np.sum(w) * dz, np.full_like(w, np.sum(dz * x))), max_cases=15)


def test_precision_named_by_an_annotation():
    def square(x):
        return x * x

    result = passes(annotated(square, x=Float32[np.ndarray, "n"]), lambda dz, x: 2 * x * dz)
    assert result.dtypes == ["float32"]


def test_parameter_without_annotation():
    with pytest.raises(gradcheck.UsageError) as caught:
        from_annotations({"x": Matrix, "w": np.ndarray}, ["x", "w"])
    assert "parameter 'w' has no shape" in str(caught.value)
    assert "'w[n d]'" in str(caught.value)
    assert "example" in str(caught.value)


def test_arithmetic_in_an_annotation():
    with pytest.raises(gradcheck.UsageError) as caught:
        from_annotations({"x": Float[np.ndarray, "n-1"]}, ["x"])
    assert "'n-1'" in str(caught.value)


def test_a_signature_goes_before_annotations():
    def square(x):
        return x * x

    op = make([annotated(square, x=Matrix), lambda dz, x: 2 * x * dz, "x[a b c]"], {}, {})
    assert op.inputs[0].dims == ("a", "b", "c")


def test_an_example_goes_before_annotations():
    def square(x):
        return x * x

    op = make([annotated(square, x=Matrix), lambda dz, x: 2 * x * dz, np.ones(3)], {}, {})
    assert len(op.inputs[0].dims) == 1


# -- ranges ---------------------------------------------------------------------------------------


def test_a_range_is_a_domain_with_its_ends_left_out():
    x, y, z, w = inputs("x:-1..1[n], y:-1..[n], z:..2.5[n], w:1e-3..1e3[n]")
    assert [(i.domain.low, i.domain.high) for i in (x, y, z, w)] == [
        (-1, 1),
        (-1, None),
        (None, 2.5),
        (0.001, 1000),
    ]
    assert [str(i.domain) for i in (x, y, z)] == ["-1 to 1", "above -1", "below 2.5"]
    for wrong_range in ("1..-1", "..", "1..1", "a..b", "-1...1", "1-2"):
        assert "a range such as -1..1" in refusal(f"x:{wrong_range}[n]")


@pytest.mark.parametrize("regime", ["generic", "ties", "equal", "zeros", "all zero", "large"])
@pytest.mark.parametrize("limits", [(-1.0, 1.0), (-1.0, None), (None, -3.0), (2.0, 2.5)])
def test_values_lie_inside_their_range_in_every_regime(limits, regime):
    domain = Domain(REAL, *limits)
    drawn = decode(np.arange(0, 65536, 37), (1772,), domain, regime)
    low, high = (-np.inf, np.inf)[0] if limits[0] is None else limits[0], limits[1]
    assert (drawn > low).all()
    assert (drawn < (np.inf if high is None else high)).all()
    kinds = {"equal": 1, "ties": 3, "all zero": 1 if limits[0] == -1.0 else 1000}
    assert np.unique(drawn).size >= kinds.get(regime, 100)
    assert np.unique(drawn).size <= kinds.get(regime, 2000) or regime == "all zero"
    if regime in ("zeros", "all zero") and limits[0] == -1.0:
        assert (drawn == 0).any()


def test_an_op_on_a_range_is_checked_on_it():
    def back(dy, x):
        return dy / (1 + x)

    def lost(dy, x):
        return np.where(x < 0, dy, dy / (1 + x))

    passes(np.log1p, back, "x:-1..[...]")
    assert wrong(fails(np.log1p, lost, "x:-1..[...]")) == {"x"}
    passes(np.log1p, back, "x[n]", domain={"x": "-1.."})
    with pytest.raises(gradcheck.UsageError, match=r"nor a range such as -1..1"):
        passes(np.log1p, back, "x[n]", domain={"x": "1..-1"})


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_a_coarse_dtype_leaves_the_ends_of_a_range_out_too(dtype):
    ends = []

    def forward(x):
        ends.extend(v for v in np.ravel(x) if v in (100, 101))
        return x * x.dtype.type(2)

    plain = make([forward, lambda dy, x: dy * dy.dtype.type(2), "x:100..101[n]"], {}, {})
    for case in generate(recipes(plan(untaught(plain), (dtype,))), seed="ends", count=30):
        forward(build(plain, case.value).primals[0])
    assert not ends
