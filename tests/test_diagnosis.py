"""The report names the planted mistake, and is silent where the numbers single none out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from benchmarks.diagnosis import Named, name_of, sentence, totals
from benchmarks.planted import bugs, right_ops
from gradcheck.codes import LIKELY
from gradcheck.diagnosis import Evidence, Table, Tried, View, at_tie, explain, wrong_shape
from gradcheck.diagnosis.shapes import Misshapen
from gradcheck.reporters.text import failure
from gradcheck.results import Finding
from tests.judged import fails, passes

X = np.array([[0.5, -1.25, 2.0, 0.75], [1.5, 0.8, -0.5, -1.0], [-0.25, 1.0, 0.6, -2.0]])
Y = np.array([[1.5, 0.7, -0.9, 1.1], [-1.2, 0.45, 1.3, -0.65], [0.35, -1.7, 0.95, 1.25]])
W = np.array([[0.25, -1.0], [1.5, 0.5], [-0.75, 2.0], [1.25, -0.5]])
V = np.array([0.5, -1.25, 2.0, 0.75, -0.4])
IDX = np.array([1, 4, 1, 0])
TABLE = np.round(np.sin(np.arange(18.0)).reshape(6, 3) + 0.05, 2)

Function = Callable[..., Any]


# --- the whole: planted bugs through the ordinary door -------------------------------------------
EVERY = 10
SAMPLE = [*bugs()[::EVERY], *{b.kinds[0]: b for b in bugs()}.values()]
"""Every tenth, and one of each kind."""


def test_the_sample_is_of_every_kind():
    assert len(SAMPLE) >= 50
    assert len({b.op for b in SAMPLE}) >= 25
    assert {b.kinds[0] for b in SAMPLE} >= {
        *("sign", "factor", "size-factor", "transpose", "permutation", "unbroadcast"),
        *("upstream-dropped", "upstream-twice", "upstream-collapsed", "overwritten"),
        *("some-entries", "constant-term", "lost-term", "missing-factor", "attribute"),
    }


def test_nine_of_ten_planted_mistakes_are_named_and_hardly_one_wrongly():
    named: list[Named] = [name_of(b) for b in SAMPLE]
    count = totals(named)
    told = [f"{n.outcome}: {n.bug.id}: {n.name}" for n in named if n.outcome != "right"]
    assert count["right"] >= 0.9 * len(named), [sentence(named), *told]
    assert count["wrong"] <= 0.02 * len(named), [sentence(named), *told]
    for bug in named:
        findings = bug.result.findings if bug.result else []
        assert all(bool(f.likely) == bool(f.diagnosis) for f in findings)


@pytest.mark.parametrize("planted", right_ops()[::8], ids=lambda p: p.op)
def test_the_ops_are_right_without_the_bugs(planted):
    passes(*planted.functions(), *planted.example, **planted.attributes)


# --- rule by rule --------------------------------------------------------------------------------
def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def row_norm(x):
    return x / np.sqrt((x * x).sum(axis=1, keepdims=True))


def row_norm_backward(d, x):
    n = np.sqrt((x * x).sum(axis=1, keepdims=True))
    return d - (d * x).sum(axis=1, keepdims=True) * x / n**2  # divided by n once more


def logistic(x):
    return 1 / (1 + np.exp(-x))


def take(table, idx):
    return table[idx]


def take_assigned(d, table, idx):
    out = np.zeros_like(table)
    out[idx] = d
    return out, None


def last_row_zero(d):
    d = d.copy()
    d[-1] = 0
    return d


def scaled(x, k=2.0):
    return k * x


RULES: dict[str, tuple[str, str, Function, Function, tuple[Any, ...]]] = {
    "sign": ("sign", "-1 x", np.sin, lambda d, x: -d * np.cos(x), (X,)),
    "factor": ("factor", "3 x", np.sin, lambda d, x: 3 * d * np.cos(x), (X,)),
    "sign and factor": ("factor", "-2 x", np.sin, lambda d, x: -2 * d * np.cos(x), (X,)),
    "size": (
        *("size-factor", "1/n with n = size of axis 0 of x"),
        *(np.sin, lambda d, x: d * np.cos(x) / len(x), (X,)),
    ),
    "transpose": (
        *("transpose", "axes swapped"),
        *(lambda x: x.T, lambda d, x: d.reshape(x.shape), (X,)),
    ),
    "Jacobian for its transpose": (
        *("transpose", "not by its transpose"),
        *(lambda x: np.cumsum(x**2, axis=0) / 2, lambda d, x: np.cumsum(d * x, axis=0), (V,)),
    ),
    "transposed shape": (
        *("transpose", "transposed"),
        *(lambda x, w: x @ w, lambda d, x, w: (d @ w.T, d.T @ x), (X, W)),
    ),
    "reversed": ("permutation", "reversed", np.sin, lambda d, x: (d * np.cos(x))[::-1], (X,)),
    "shuffled": (
        *("permutation", "another order"),
        *(np.sin, lambda d, x: np.sort(d * np.cos(x), axis=0), (X,)),
    ),
    "not summed": (
        *("unbroadcast", "sum over it"),
        *(lambda x, b: x + b, lambda d, x, b: (d.copy(), d.copy()), (X, Y[0])),
    ),
    "first row for the sum": (
        *("unbroadcast", "first index along axis 0"),
        *(lambda x, b: x + b, lambda d, x, b: (d.copy(), d[0].copy()), (X, Y[0])),
    ),
    "dropped": ("upstream-dropped", "dropped", np.sin, lambda d, x: np.cos(x), (X,)),
    "dropped in one term": (
        *("upstream-dropped", "a term lacks"),
        *(lambda x: x * np.sin(x), lambda d, x: d * np.sin(x) + x * np.cos(x), (X,)),
    ),
    "twice": ("upstream-twice", "by 4", np.sin, lambda d, x: d * d * np.cos(x), (X,)),
    "mean for all": (
        *("upstream-collapsed", "its mean"),
        *(np.sin, lambda d, x: d.mean() * np.cos(x), (X,)),
    ),
    "overwritten": ("overwritten", "np.add.at", take, take_assigned, (TABLE, IDX)),
    "a row": (
        *("some-entries", "last index of axis 0"),
        *(np.sin, lambda d, x: last_row_zero(d * np.cos(x)), (X,)),
    ),
    "a sign of x": (
        *("some-entries", "x < 0"),
        *(lambda x: np.where(x > 0, x, 0.1 * x), lambda d, x: np.where(x > 0, d, 0), (X,)),
    ),
    "mean not subtracted": (
        *("constant-term", "constant along axis 0"),
        *(lambda x: x.var(axis=0), lambda d, x: d * 2 * x / len(x), (X,)),
    ),
    "inner product not subtracted": (
        *("constant-term", "times something constant along axis 1"),
        *(softmax, lambda d, x: softmax(x) * d, (X,)),
    ),
    "another's": (
        *("other-input", "gradient of y"),
        *(lambda x, y: np.sin(x) * y, lambda d, x, y: (d * np.sin(x),) * 2, (X, Y)),
    ),
    "output in the input's place": (
        *("stale-value", "the output in its place"),
        *(np.tanh, lambda d, x: d / np.cosh(np.tanh(x)) ** 2, (X,)),
    ),
    "a factor": (
        *("missing-factor", "y is missing"),
        *(lambda x, y: x * y, lambda d, x, y: (d.copy(), d * x), (X, Y)),
    ),
    "a factor per row": (
        *("missing-factor", "along axis 1"),
        *(row_norm, row_norm_backward, (X,)),
    ),
    "a factor in one of two terms": (
        *("lost-term", "= -upstream gradient * logistic(x) * (the output)"),
        *(lambda x: x * logistic(x), lambda d, x: d * logistic(x) * (1 + x), (X,)),
    ),
    "a product rule half applied": (
        *("lost-term", "= -2 * upstream gradient * x * (the output)"),
        *(lambda x: np.sin(x) * np.exp(-x * x), lambda d, x: d * np.cos(x) * np.exp(-x * x)),
        (X,),
    ),
    "a term with the wrong sign": (
        *("lost-term", "= 2 * upstream gradient * x * logistic(x)(1 - logistic(x))"),
        *(lambda x: x * logistic(x), lambda d, x: d * logistic(x) * (1 - x * logistic(-x)), (X,)),
    ),
    "another derivative": (
        *("missing-factor", "replaced by 1 - (x)^2"),
        *(np.tanh, lambda d, x: d * (1 - x**2), (X,)),
    ),
    "no derivative": ("missing-factor", "upstream gradient", np.sin, lambda d, x: d.copy(), (X,)),
    "dtype": (
        *("dtype", "float32"),
        np.sin,
        lambda d, x: d * np.cos(x * (1 if x.dtype == np.float64 else x.dtype.type(1.25))),
        (X,),
    ),
    "inputs with zeros": (
        *("values", "only for inputs with zeros in them"),
        *(np.sin, lambda d, x: d * np.cos(x + ((x == 0).any() * x) ** 2), (X,)),
    ),
    "one row": (
        *("sizes", "only for size of axis 0 of x=1"),
        *(np.sin, lambda d, x: d * np.cos(x + ((len(x) == 1) * x) ** 2), (X,)),
    ),
    "nan": (
        *("not-finite", "NaN or infinite"),
        *(np.sin, lambda d, x: d * np.cos(x) * np.where(x == x[0], np.nan, 1), (X,)),
    ),
    "zeros": ("zero", "zeros everywhere", np.sin, lambda d, x: np.zeros_like(x), (X,)),
    "nearly": (
        *("nearly", "nearly right"),
        *(np.sin, lambda d, x: d * np.cos(x) * (1 + 2e-3 * np.sin(9 * x)), (X,)),
    ),
}


def diagnosed(forward: Function, backward: Function, *example: Any, **options: Any) -> Finding:
    result = fails(forward, backward, *example, profile="dev", max_cases=50, **options)
    gravest = [f for f in result.findings if f.code in ("wrong-gradient", "wrong-shape")]
    return next((f for f in gravest if f.likely), gravest[0])


@pytest.mark.parametrize("rule", RULES)
def test_rule_names_its_bug(rule):
    name, words, forward, backward, example = RULES[rule]
    found = diagnosed(forward, backward, *example)
    assert (found.likely, words in found.diagnosis) == (name, True), found.diagnosis


def test_attribute_is_named_with_its_counts():
    def backward(d, x, k=2.0):
        return (k if k == 2.0 else k * k) * d

    found = diagnosed(scaled, backward, X, k=2.0)
    assert found.likely == "attribute/factor"
    assert "only for k=" in found.diagnosis
    assert "attribute k" in found.diagnosis  # by which it is off there


def test_the_complement_of_an_attribute_is_a_factor():
    """Inverted dropout, whose backward forgets to divide by the share that is kept."""

    def forward(x, p=0.5):
        kept = np.cos(7 * np.arange(x.size)).reshape(x.shape) < 0.5
        return x * kept / (1 - p)

    def backward(d, x, p=0.5):
        return (1 - p) * d * forward(np.ones_like(x), p)

    found = fails(forward, backward, "x[n d], p=0.3|0.5").findings[0]
    assert found.likely == "missing-factor"
    assert "factor n = 1 - attribute p: backward = 0.7, 0.5 x" in found.diagnosis


def test_an_axis_that_backward_gets_wrong():
    def forward(x, axis=-1):
        return np.cumsum(x, axis=axis)

    def backward(d, x, axis=-1):
        right = np.flip(np.cumsum(np.flip(d, axis), axis=axis), axis)
        return right if axis in (-1, 1) else np.sin(right)

    found = diagnosed(forward, backward, X, axis=-1)
    assert found.likely == "attribute"
    assert "only for axis=" in found.diagnosis
    assert "passes in" in found.diagnosis


SILENT: dict[str, tuple[Function, Function, tuple[Any, ...]]] = {
    "nonsense": (np.sin, lambda d, x: d * np.cos(x**2 + 3 * x), (X,)),
    "nonsense in the upstream": (np.sin, lambda d, x: np.cos(x) * np.abs(d) ** 1.5, (X,)),
    "a lost term of too many factors": (
        *(lambda x: np.sin(x) * np.exp(-(x**4)), lambda d, x: d * np.cos(x) * np.exp(-(x**4))),
        (X,),
    ),
    "nearly one factor": (
        *(np.sin, lambda d, x: d * np.cos(x) * np.where(np.cos(5 * x) > 0, 2, 2.1)),
        (X,),
    ),
    "another order and another size": (
        *(np.sin, lambda d, x: np.sort(d * np.cos(x), axis=0) * np.exp(np.cos(7 * x))),
        (X,),
    ),
}


@pytest.mark.parametrize("case", SILENT)
def test_silent_where_nothing_is_singled_out(case):
    forward, backward, example = SILENT[case]
    found = diagnosed(forward, backward, *example)
    assert (found.likely, found.diagnosis) == ("", "")


# --- each name, where something close to it must not be called by it -----------------------------
NEAR_MISSES: dict[str, tuple[Function, Function, tuple[Any, ...]]] = {
    "sign": (np.sin, lambda d, x: -1.001 * d * np.cos(x), (X,)),
    "factor": (np.sin, lambda d, x: d * np.cos(x) * (2 + 0.01 * np.sin(40 * x)), (X,)),
    "size-factor": (np.sin, lambda d, x: d * np.cos(x) / 3, (X,)),
    "transpose": (lambda x: x.T, lambda d, x: -d.T, (X,)),
    "permutation": (np.sin, lambda d, x: (d * np.cos(x))[::-1] * 1.01, (X,)),
    "unbroadcast": (lambda x, b: x + b, lambda d, x, b: (d.copy(), d.sum(0) * 1.5), (X, Y[0])),
    "upstream-dropped": (np.sin, lambda d, x: np.sign(d) * np.abs(d) ** 0.5 * np.cos(x), (X,)),
    "upstream-twice": (np.sin, lambda d, x: d * np.cos(x) ** 2, (X,)),
    "upstream-collapsed": (np.sin, lambda d, x: (d + d.mean()) * np.cos(x), (X,)),
    "overwritten": (take, lambda d, t, i: (take_assigned(d, t, i)[0] * 1.5, None), (TABLE, IDX)),
    "some-entries": (np.sin, lambda d, x: d * np.cos(x) * (1.1 + 0.1 * np.sin(9 * x)), (X,)),
    "constant-term": (
        *(lambda x: x.var(axis=0), lambda d, x: d * 2 * (x - x.mean(0)) / len(x) + np.sin(9 * x)),
        (X,),
    ),
    "other-input": (
        *(lambda x, y: np.sin(x) * y, lambda d, x, y: (1.5 * d * np.sin(x), d * np.sin(x))),
        (X, Y),
    ),
    "stale-value": (np.tanh, lambda d, x: d / np.cosh(np.tanh(1.01 * x)) ** 2, (X,)),
    "missing-factor": (lambda x, y: x * y, lambda d, x, y: (d * np.sin(9 * y), d * x), (X, Y)),
    "lost-term": (lambda x: x**3, lambda d, x: d * (3 * x**2 + np.sin(9 * x)), (X,)),
    "zero": (np.sin, lambda d, x: 1e-3 * np.cos(x) * np.sin(9 * x) * d, (X,)),
    "nearly": (np.sin, lambda d, x: d * np.cos(x) * (1.2 + 0.3 * np.sin(9 * x)), (X,)),
    "dtype": (np.sin, lambda d, x: 1.25 * d * np.cos(x), (X,)),
    "attribute": (scaled, lambda d, x, k=2.0: 1.5 * k * d, (X,)),
    "not-finite": (np.sin, lambda d, x: d * np.cos(x) * 1e9, (X,)),
    "values": (np.sin, lambda d, x: d * np.cos(x + x**2), (X,)),
    "sizes": (np.sin, lambda d, x: d * np.cos(x + x**2), (X,)),
}


@pytest.mark.parametrize("name", NEAR_MISSES)
def test_a_near_miss_is_not_called_by_that_name(name):
    forward, backward, example = NEAR_MISSES[name]
    assert diagnosed(forward, backward, *example).likely != name


def test_every_name_has_a_bug_a_near_miss_and_an_explanation():
    assert {r[0] for r in RULES.values()} | {"attribute"} == set(NEAR_MISSES)
    assert {*NEAR_MISSES, "ties"} <= set(LIKELY)


# --- evidence that is too thin -------------------------------------------------------------------
def view(backward: list[float], difference: list[float], **primals: list[float]) -> View:
    yours, true = np.array(backward), np.array(difference)
    arrays = {n: np.array(v) for n, v in primals.items()} or {"x": np.arange(true.size) + 0.5}
    table = Table(yours, true, np.full(true.shape, 1e-12))
    return View("x", {"x": table}, arrays, (np.sum(true),), (np.ones(()),), {}, "float64")


def test_two_entries_are_not_enough_for_anything():
    assert explain(Evidence("x", (view([2.0, 4.0], [1.0, 2.0]),), None, ())) is None


def test_the_same_factor_in_three_cases_of_one_entry_is_enough():
    views = tuple(view([-a], [a]) for a in (1.5, -0.25, 3.0))
    found = explain(Evidence("x", views, None, ()))
    assert found is not None
    assert found.name == "sign"
    assert "on all 3 entries of 3 failing cases" in found.text


def test_one_size_cannot_tell_a_third_from_one_over_n():
    only = view([0.5, 1.0, 1.5], [1.5, 3.0, 4.5])
    found = explain(Evidence("x", (only,), None, ()))
    assert found is not None
    assert found.name == "factor"
    assert "also 1/n with n = size of axis 0 of x" in found.text


def tried(count: int, *, wrong: bool, **facts: str) -> tuple[Tried, ...]:
    named = {f"attribute:{k}" if k != "dtype" else "dtype:dtype": v for k, v in facts.items()}
    return (Tried(named, wrong),) * count


def test_counts_stand_behind_a_scope():
    cases = tried(6, wrong=True, axis="0") + tried(31, wrong=False, axis="1")
    found = explain(Evidence("x", (), None, cases))
    assert found is not None
    assert found.name == "attribute"
    assert found.text == ("only for axis=0: fails in 6 of 6 such cases, passes in 31 of 31 others")


def test_two_properties_that_separate_alike_say_nothing():
    cases = tried(2, wrong=True, axis="0", keep="True") + tried(9, wrong=False, axis="1", keep="no")
    assert explain(Evidence("x", (), None, cases)) is None


def test_a_mistake_that_vanishes_at_size_1_is_not_one_of_sizes():
    name = "sizes:size of axis 0 of x"
    cases = (Tried({name: "more than 1"}, True),) * 9 + (Tried({name: "1"}, False),) * 4
    assert explain(Evidence("x", (), None, cases)) is None


AXIS = "sizes:size of axis 1 of x"


def of_sizes(sizes: dict[str, bool]) -> tuple[Tried, ...]:
    """Four cases of each size, wrong or right; the size "" is that of no such axis."""
    found = [({AXIS: size} if size else {"dtype:dtype": "float64"}) for size in sizes]
    return tuple(Tried(f, w) for f, w in zip(found, sizes.values(), strict=True) for _ in range(4))


@pytest.mark.parametrize(
    ("sizes", "says"),
    [
        ({"1": True, "more than 1": True, "": False}, "only where x has an axis 1: fails in 8 of"),
        ({"1": True, "": True, "more than 1": False}, "axis 1 of x=1 or where x has no axis 1: "),
        ({"1": True, "": False, "more than 1": False}, "only for size of axis 1 of x=1: fails in"),
    ],
)
def test_a_case_without_the_axis_is_said_to_have_none(sizes, says):
    found = explain(Evidence("x", (), None, of_sizes(sizes)))
    assert found is not None
    assert found.name == "sizes"
    assert says in found.text


def test_a_gradient_that_is_wrong_only_with_a_second_axis_is_said_to_be():
    def wrong(dz: Any, x: Any) -> Any:
        spoilt = 1 + 0.5 * np.sin(1 + np.cumsum(np.abs(x)).reshape(x.shape))
        return dz * (1 - np.tanh(x) ** 2) * (spoilt if x.ndim > 1 else 1)

    found = fails(np.tanh, wrong, "x[...]", max_cases=60).findings[0]
    assert found.likely == "sizes"
    assert found.diagnosis.startswith("only where x has an axis 1: fails in ")


def test_two_right_cases_are_no_evidence_of_a_scope():
    cases = tried(6, wrong=True, axis="0") + tried(2, wrong=False, axis="1")
    assert explain(Evidence("x", (), None, cases)) is None


# --- shapes --------------------------------------------------------------------------------------
SHAPES: dict[str, tuple[tuple[int, ...], tuple[int, ...], str, str]] = {
    "transposed": ((3, 4), (4, 3), "transpose", "transposed"),
    "axes in another order": ((2, 3, 4), (2, 4, 3), "transpose", "another order"),
    "a leading axis": ((4,), (3, 4), "unbroadcast", "sum over it"),
    "a size-1 axis spread": ((3, 1), (3, 4), "unbroadcast", "sum over it"),
    "a size-1 axis spread in backward": ((3, 1), (3, 3), "unbroadcast", "keepdims=True missing"),
    "a size-1 axis lost": ((3, 1), (3,), "unbroadcast", "keepdims"),
    "a size-1 axis too many": ((3,), (1, 3), "unbroadcast", "reshape"),
    "summed too much": ((4,), (), "unbroadcast", "more axes"),
    "another's": ((3, 4), (5, 2), "other-input", "shape of w"),
    "nothing known": ((3, 4), (7, 7), "", ""),
}


@pytest.mark.parametrize("case", SHAPES)
def test_wrong_shapes_are_explained(case):
    own, gradient, name, words = SHAPES[case]
    around = {"x": own, "w": (5, 2)}
    found = wrong_shape("x", [Misshapen(own, gradient, around, ((3, 4),))])
    assert (found.name if found else "") == name
    assert words in (found.text if found else "")


def test_a_shape_has_to_be_explained_in_every_case():
    cases = [
        Misshapen((3, 4), (4, 3), {"x": (3, 4)}, ((3, 3),)),
        Misshapen((2, 5), (4, 3), {"x": (2, 5)}, ((3, 3),)),
    ]
    assert wrong_shape("x", cases) is None


def test_a_gradient_that_every_tied_entry_gets_is_counted():
    def backward(d, x):
        return d * (x == x.max())

    result = fails(lambda x: x.max(), backward, V, profile="dev")
    found = next(f for f in result.findings if f.code == "wrong-at-tie")
    assert found.likely == "ties"
    assert "times: each tied entry gets all of it" in found.diagnosis


def test_a_gradient_that_is_wrong_at_a_tie_in_no_simple_way_is_not_explained():
    assert at_tie(1.37, 1.0) is None
    assert at_tie(float("nan"), 1.0) is None


# --- what is printed -----------------------------------------------------------------------------
def test_the_report_prints_the_mistake_of_a_rich_case_beside_the_smallest_one():
    result = fails(np.sin, lambda d, x: d.mean() * np.cos(x), X)
    text = failure(result)
    assert "likely              backward is right for an upstream gradient that is its mean" in text
    assert "smallest case found" in text


def test_diagnosing_adds_a_handful_of_backward_calls():
    calls = []

    def backward(d, x):
        calls.append(x.shape)
        return -d * np.cos(x)

    result = fails(np.sin, backward, X)
    assert result.backward_calls == len(calls)
    assert result.backward_calls < 1000


def test_nan_where_forward_is_flat_is_no_surrogate():
    """At size 1 a standard deviation does not move, and its backward is 0 / 0."""

    def backward(dz, x):
        return dz * (x - x.mean()) / (x.size * x.std())

    with np.errstate(all="ignore"):
        found = fails(lambda x: x.std(), backward, V).findings[0]
    assert found.likely == "not-finite"


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_an_error_below_the_slack_of_its_dtype_fits_no_mistake():
    """What changes nothing would fit as well: another order of one row, a sum of one term."""
    x = np.random.default_rng(4).normal(size=(3, 4)).astype(np.float32)
    x[0, 3] = 12.096

    def backward(d, x):
        s = sigmoid(x)
        return d * s * (1 - s)

    found = diagnosed(sigmoid, backward, x, tails="exact")
    assert found.likely in ("nearly", "some-entries"), found.diagnosis


def test_the_mistake_is_sought_beside_the_reference_where_there_is_one():
    x = np.random.default_rng(5).normal(size=(3, 4))

    def steep(x):
        return sigmoid(1.01 * x)

    def backward(d, x):
        return 1.01 * d * steep(x) * (1 - steep(x))

    found = diagnosed(steep, backward, x, reference=sigmoid)
    assert found.likely == "nearly", found.diagnosis
