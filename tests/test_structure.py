"""Entries that no output follows together move at once, and say what they say one by one."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import gradcheck
from gradcheck import batching, compressed, moves
from gradcheck.checks import effort
from gradcheck.differences import quick
from gradcheck.evaluation import Evaluator
from gradcheck.guards import GlobalRandom
from gradcheck.model import Recipe
from gradcheck.point import Entries, Point
from gradcheck.quotients import QuickEstimates
from gradcheck.registry import make
from gradcheck.results import OpResult
from gradcheck.runner import run_one
from gradcheck.settings import Settings
from reference_ops.linear import affine
from reference_ops.nonlinear import tanh
from reference_ops.reductions import mean
from tests.gates import Array, fails, passes

rng = np.random.default_rng(3)


def at(function: Callable[..., Any], *primals: Array, dtype: str = "float64") -> Point:
    """The point of a function at some primals."""
    op = make([function, lambda dz, *x: x, *primals], {}, {})
    with np.errstate(all="ignore"):
        here = np.asarray(function(*primals), np.float64).reshape(-1).copy()
    cotangent = rng.choice([-1, 1], here.size) * (1 + rng.random(here.size))
    return Point(Evaluator(op, GlobalRandom(0)), primals, {}, here, cotangent, dtype)


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def layer_norm(x: Array, gain: Array, bias: Array) -> Array:
    off = x - x.mean(axis=-1, keepdims=True)
    return np.asarray(off / np.sqrt((off**2).mean(axis=-1, keepdims=True) + 1e-5) * gain + bias)


def convolution(x: Array, w: Array) -> Array:
    windows = np.lib.stride_tricks.sliding_window_view(x, w.size, axis=-1)
    return np.asarray(windows @ w)


def pooled(x: Array) -> Array:
    return x.reshape(*x.shape[:-1], -1, 2).max(axis=-1)


def rotated(x: Array) -> Array:
    half = x.shape[-1] // 2
    return np.concatenate([x[..., :half] - x[..., half:], x[..., half:] * x[..., :half]], axis=-1)


def normal(*shape: int) -> Array:
    return rng.standard_normal(shape)


ORDER = rng.permutation(40)
SHAPED: dict[str, tuple[Callable[..., Any], tuple[Array, ...], tuple[int, ...]]] = {
    "elementwise": (np.tanh, (normal(8, 16),), (1,)),
    "transposed": (lambda x: 2 * x.T, (normal(8, 16),), (1,)),
    "rows": (softmax, (normal(16, 6),), (6,)),
    "a sum over rows": (lambda x: np.square(x).sum(axis=0), (normal(24, 5),), (24,)),
    "a product": (np.matmul, (normal(9, 5), normal(5, 8)), (5, 5)),
    "a stack of products": (np.matmul, (normal(4, 3, 5), normal(4, 5, 2)), (5, 5)),
    "layer norm": (layer_norm, (normal(16, 8), normal(8), normal(8)), (8, 1, 1)),
    "broadcast": (lambda x, y: x * y, (normal(30, 1), normal(1, 32)), (1, 1)),
    "windows": (convolution, (normal(3, 60), normal(3)), (4, 3)),
    "pooling": (pooled, (normal(4, 16),), (1,)),
    "halves": (rotated, (normal(5, 32),), (2,)),
    "gathered": (lambda x: np.sin(x[ORDER]), (normal(40, 3),), (1,)),
    "cumulative": (lambda x: np.cumsum(x, axis=1), (normal(40, 3),), (3,)),
    "two outputs of one": (lambda x: (np.sin(x), x.sum(axis=1)), (normal(8, 6),), (6,)),
}
"""What it is: forward, primals, and how many groups there are for each input, at the least."""


def flat(function: Callable[..., Any]) -> Callable[..., Array]:
    def forward(*x: Array) -> Array:
        made = function(*x)
        return np.concatenate([m.reshape(-1) for m in made]) if type(made) is tuple else made

    return forward


def same(one: QuickEstimates[Any], other: QuickEstimates[Any], scale: float) -> None:
    for name in QuickEstimates._fields:
        a, b = getattr(one, name), getattr(other, name)
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-9 * scale, err_msg=name)


@pytest.mark.parametrize("name", SHAPED)
def test_groups_say_what_entries_say(name: str) -> None:
    function, primals, groups = SHAPED[name]
    for k, least in enumerate(groups):
        point = at(flat(function), *primals)
        count = primals[k].size
        if count < compressed.FEWEST:
            assert compressed.find(point, k) is None
            continue
        found = compressed.find(point, k)
        assert found is not None
        assert least <= found.groups <= 4 * least
        counters = point.evaluator.counters
        before = counters.forward_points
        made = compressed.quick(point, k, found)
        assert made is not None
        assert counters.forward_points - before <= 3 * found.groups + 3 + 4
        one_by_one = quick(point, Entries(k, np.arange(count)))
        same(made, one_by_one, float(np.abs(one_by_one.value).max()))


@pytest.mark.parametrize(
    ("name", "k", "layout"),
    [
        ("elementwise", 0, (1, 1, 128)),
        ("rows", 0, (16, 6, 1)),
        ("a sum over rows", 0, (1, 1, 5)),
        ("a product", 0, (9, 8, 1)),
        ("a product", 1, (1, 9, 8)),
        ("a stack of products", 0, (12, 2, 1)),
        ("a stack of products", 1, (4, 3, 2)),
        ("broadcast", 0, (30, 32, 1)),
        ("broadcast", 1, (1, 30, 32)),
        ("windows", 0, (87, 2, 1)),
        ("two outputs of one", 0, (1, 1, 56)),
    ],
)
def test_outputs_that_follow_the_same_entries_are_found_where_they_stand_regularly(
    name: str, k: int, layout: tuple[int, int, int]
) -> None:
    function, primals, _ = SHAPED[name]
    found = compressed.find(at(flat(function), *primals), k)
    assert found is not None
    assert found.layout() == layout
    blocks, alike, apart = layout
    places = np.arange(blocks * alike * apart).reshape(layout)
    owners = found.owners(np.arange(found.groups)).reshape(found.groups, *layout)
    assert (owners == owners[:, :, :1]).all()
    first = found.at(places[:, 0].reshape(-1)).owners(np.arange(found.groups))
    assert np.array_equal(first, owners[:, :, 0].reshape(found.groups, -1))


@pytest.mark.parametrize(
    "function", [lambda x: np.exp(x).mean(), lambda x: (x @ x.T).sum() * x[:2]]
)
def test_nothing_is_grouped_where_all_outputs_follow_all_entries(function: Any) -> None:
    assert compressed.find(at(function, normal(9, 7)), 0) is None


def leaking(x: Array) -> Array:
    """Rows are independent, except for one value."""
    y = softmax(x)
    y[..., 5, 2] += 1e-3 * x[..., 17, 3]
    return y


def test_one_value_that_leaks_into_another_row_is_found() -> None:
    x = normal(32, 6)
    point = at(leaking, x)
    found = compressed.find(point, 0)
    assert found is not None
    made = compressed.quick(point, 0, found)
    assert made is not None
    same(made, quick(point, Entries(0, np.arange(x.size))), 1.0)

    def backward(dy: Array, x: Array) -> Array:
        y = softmax(x)
        return np.asarray(y * (dy - (dy * y).sum(axis=-1, keepdims=True)))

    def right(dy: Array, x: Array) -> Array:
        dx = backward(dy, x)
        dx[17, 3] += 1e-3 * dy[5, 2]
        return dx

    options: dict[str, Any] = {"vary_sizes": False, "dtypes": "float64", "max_cases": 3}
    passes(leaking, right, x, **options)
    assert fails(leaking, backward, x, **options).entry == (17, 3)


def hidden(at_zero: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """Elementwise, but the first output also follows the sixth entry, in a way of its own."""

    def forward(x: Array) -> Array:
        y = np.sin(x)
        y[0] += at_zero(x[5] - 0.25)
        return y

    return forward


def test_what_only_one_side_shows_is_looked_at_from_both() -> None:
    x = normal(64)
    x[5] = 0.25
    point = at(hidden(lambda t: np.minimum(t, 0)), x)
    found = compressed.find(point, 0)
    assert found is not None
    assert found.groups == 1  # moved upwards, nothing shows
    made = compressed.quick(point, 0, found)
    assert made is not None
    same(made, quick(point, Entries(0, np.arange(64))), 1.0)
    assert made.truncation[5] > 0.03


def test_what_shows_only_when_two_move_together_is_not_counted_for_either() -> None:
    def product(x: Array) -> Array:
        return np.append(np.sin(x), x[3] * x[40])

    x = normal(64)
    x[3] = x[40] = 0.0
    point = at(product, x)
    found = compressed.find(point, 0)
    assert found is not None
    made = compressed.quick(point, 0, found)
    assert made is not None
    same(made, quick(point, Entries(0, np.arange(64))), 1.0)


def test_a_structure_that_does_not_hold_is_dropped() -> None:
    calls = 0

    def drifting(x: Array) -> Array:
        nonlocal calls
        calls += 1
        return np.append(np.sin(x), x[5] if calls > 26 else 1.0)

    point = at(drifting, normal(64))
    found = compressed.find(point, 0)
    assert found is not None
    calls = 24
    assert compressed.quick(point, 0, found) is None


def test_a_group_that_forward_refuses_is_halved_until_one_entry_is_left() -> None:
    def forward(x: Array) -> Array:
        if (x < 0).any():
            raise ValueError("x must not be negative")
        return np.sqrt(x)

    x = np.abs(normal(16, 8)) + 0.1
    x[3, 4] = x[11, 0] = 0.0
    point = at(forward, x)
    found = compressed.find(point, 0)
    assert found is not None
    before = point.evaluator.counters.forward_points
    made = compressed.quick(point, 0, found)
    assert made is not None
    assert list(np.flatnonzero(~np.isfinite(made.value))) == [3 * 8 + 4, 11 * 8]
    assert point.evaluator.counters.forward_points - before < 4 * 4 * 8
    inside = x.reshape(-1) > 0
    expected = point.cotangent[inside] / 2 / np.sqrt(x.reshape(-1)[inside])
    np.testing.assert_allclose(made.value[inside], expected, rtol=1e-8)


@pytest.mark.parametrize(
    ("function", "primals", "stacked"),
    [
        (np.tanh, (normal(2, 3),), True),
        (lambda x, y: layer_norm(x, y, 0 * y), (normal(2, 3), normal(1, 3)), True),
        (lambda x: x - x.mean(), (normal(2, 3),), False),
        (lambda x: x[1] * x[0], (normal(2, 3),), False),
        (lambda x: x / np.sqrt(np.square(x).sum()), (normal(2, 3),), False),
        (lambda x: np.stack([float(r.sum()) for r in x]), (normal(2, 3),), False),
    ],
)
def test_only_what_is_vectorised_is_stacked(
    function: Any, primals: tuple[Array, ...], stacked: bool
) -> None:
    for k in range(len(primals)):
        point = at(function, *primals)
        made = quick(point, Entries(k, np.arange(primals[k].size)))
        # two stacks, three points of them alone, and another way that was tried first
        assert (point.evaluator.counters.forward_calls <= 6) is stacked
        alone = [quick(point, [move]) for move in Entries(k, np.arange(primals[k].size))]
        for name in ("value", "bound"):
            expected = np.concatenate([getattr(a, name) for a in alone])
            np.testing.assert_allclose(getattr(made, name), expected, rtol=1e-4)


def test_what_cannot_be_stacked_is_not_tried_for_ever() -> None:
    tried = 0

    def forward(x: Array) -> Array:
        nonlocal tried
        tried += x.ndim == 3
        return x - x.mean()

    point = at(forward, normal(2, 3))
    for _ in range(10):
        quick(point, Entries(0, np.arange(6)))
    assert tried == batching.PATIENCE


def checked(function: Any, backward: Any, *primals: Array, budget: int = 20_000) -> OpResult:
    """The check of values at these very primals."""
    op = make([function, backward, *primals], {}, {})
    settings = Settings(budget=budget, dtypes=("float64",), checks=("values",))
    return run_one(op, settings, only=[Recipe(regime="example")])


def mean_loss(z: Array) -> Any:
    return np.log(np.exp(z).sum(axis=1)).mean()


def mean_loss_backward(dz: Any, z: Array) -> Array:
    return np.asarray(dz * softmax(z) / len(z))


def one_wrong(backward: Any, entry: tuple[int, ...], factor: float) -> Any:
    def wrong(dz: Any, x: Array) -> Array:
        dx = backward(dz, x)
        dx[entry] *= factor
        return np.asarray(dx)

    return wrong


WORK: dict[str, tuple[Any, Any, Array, dict[str, int]]] = {
    "grouped": (np.tanh, lambda dz, x: dz / np.cosh(x) ** 2, normal(40, 40), {"grouped": 1600}),
    "blocks": (mean_loss, mean_loss_backward, normal(64, 10), {"blocks": 40}),
}


@pytest.mark.parametrize("way", WORK)
def test_big_inputs_are_checked_in_few_evaluations(way: str) -> None:
    function, backward, x, modes = WORK[way]
    result = checked(function, backward, x)
    assert result.verdict == "pass", result.reason
    assert {n: c for n, c in result.modes.items() if c} == modes
    assert result.forward_points < x.size / 2


@pytest.mark.parametrize("way", WORK)
@pytest.mark.parametrize("factor", [-1.0, 1.001, 0.0, 3.0])
def test_one_wrong_entry_of_a_big_input_is_found(way: str, factor: float) -> None:
    function, backward, x, _ = WORK[way]
    small = np.unravel_index(int(np.argmin(np.abs(backward(1.0, x)))), x.shape)
    entry = tuple(int(i) for i in small)
    result = checked(function, one_wrong(backward, entry, factor), x)
    assert result.verdict == "fail"
    assert [f.entry for f in result.findings if f.severity == "fail"] == [entry]


@pytest.mark.parametrize("size", [32, 33, 49, 65, 640, 5001])
def test_every_entry_is_in_a_block(size: int) -> None:
    each = -(-size // effort._blocks(size))
    blocks = moves.in_turn(0, size, each, moves.Speeds((1,), "float64"))
    assert set(blocks.flat.reshape(-1)) == set(range(size))
    assert blocks.flat.shape == (-(-size // each), each)
    assert all(len(set(row)) == each for row in blocks.flat)
    assert (np.abs(blocks.speeds) >= 1).all()


@pytest.mark.parametrize("place", [0, 12, 13, 35, 36, 38, 39, 48])
def test_a_wrong_entry_is_found_in_whichever_block(place: int) -> None:
    """49 entries in blocks of 13: the last two share three."""
    x = normal(7, 7)
    assert checked(mean_loss, mean_loss_backward, x).verdict == "pass"
    entry = place // 7, place % 7
    wrong = checked(mean_loss, one_wrong(mean_loss_backward, entry, -1.0), x)
    assert [f.entry for f in wrong.findings if f.severity == "fail"] == [entry]


@pytest.mark.parametrize("budget", [4, 20])
def test_beyond_the_budget_random_directions_are_said_to_be_what_was_looked_along(
    budget: int,
) -> None:
    function, backward, x, _ = WORK["blocks"]
    result = checked(function, backward, x, budget=budget)
    assert result.verdict == "pass"
    assert result.modes["projected"] == max(1, budget // 3)
    assert any("random direction" in a for a in result.assumptions)
    wrong = checked(function, one_wrong(backward, (5, 5), 2.0), x, budget=budget)
    assert [f.entry for f in wrong.findings if f.severity == "fail"] == [(5, 5)]


@gradcheck.graph
def net(x: Any, W: Any, b: Any) -> Any:
    return mean(tanh(affine(x, W, b)))


def test_of_a_large_graph_the_entries_are_looked_at_in_its_nodes() -> None:
    primals = normal(6, 20), normal(10, 20), normal(10)
    op = make([net, *primals], {}, {"name": "net"})
    settings = Settings(dtypes=("float64",), checks=("nodes", "values"))
    result = run_one(op, settings, only=[Recipe(regime="example")])
    assert result.verdict == "pass", result.reason
    assert any("in each node" in a for a in result.assumptions)
    assert result.checks["nodes"].comparisons > 200
    assert result.checks["values"].comparisons == 1


@pytest.mark.parametrize("factor", [-1.0, 1.001])
def test_one_wrong_entry_in_a_node_of_a_large_graph_is_found(factor: float) -> None:
    def wrong_vjp(dy: Array, x: Array) -> Array:
        dx = dy * (1 - np.tanh(x) ** 2)
        dx[4, 7] *= factor
        return dx

    wrong_tanh = gradcheck.op(lambda x: np.tanh(x), wrong_vjp, "x[...]", name="wrong_tanh")

    @gradcheck.graph
    def spoilt(x: Any, W: Any, b: Any) -> Any:
        return mean(wrong_tanh(affine(x, W, b)))

    op = make([spoilt, normal(6, 20), normal(10, 20), normal(10)], {}, {"name": "spoilt"})
    settings = Settings(dtypes=("float64",), checks=("nodes", "values"))
    result = run_one(op, settings, only=[Recipe(regime="example")])
    found = [f for f in result.findings if f.severity == "fail"]
    assert [f.code for f in found] == ["wrong-node"]
    assert found[0].input == "wrong_tanh.x"
    assert found[0].entry == (4, 7)


def test_a_stack_is_kept_before_forward_uses_its_memory_again() -> None:
    buffer = np.empty(2**16)

    def forward(x: Array) -> Array:
        out = buffer[: x.size].reshape(x.shape)
        np.cumsum(np.exp(x), -1, out=out)
        return out

    x = normal(4, 8)
    flat = np.arange(32)[:, None]
    values = x.reshape(-1, 1) + 0.5
    made = batching.displaced(at(forward, x), 0, batching.Replaced(flat, values))
    for row, own in enumerate(made):
        moved = x.copy()
        moved.reshape(-1)[row] += 0.5
        np.testing.assert_array_equal(own, np.cumsum(np.exp(moved), -1).reshape(-1))


@pytest.mark.parametrize("forward", [np.sin, lambda x: x - x.mean()], ids=["stacked", "one by one"])
def test_moved_is_displaced_less_what_is_here(forward: Callable[[Array], Array]) -> None:
    x = normal(4, 8)
    point = at(forward, x)
    rows = batching.Replaced(None, x.reshape(-1) + 0.1 * normal(20, 32))
    kept = np.full((30, 32), np.nan)
    made = batching.moved(point, 0, rows, kept)
    np.testing.assert_array_equal(made, batching.displaced(point, 0, rows) - point.here)
    assert np.shares_memory(made, kept)
    assert np.isnan(kept[20:]).all()


def test_memory_is_used_again_by_each_thread_for_itself() -> None:
    def lent(count: int) -> Array:
        with compressed._MEMORY.lent(count, 40) as memory:
            assert memory.shape == (count, 40)
            return memory

    first = lent(3)
    assert np.shares_memory(first, lent(2))
    with ThreadPoolExecutor(1) as others:
        assert not np.shares_memory(first, others.submit(lent, 3).result())
    assert not np.shares_memory(first, lent(compressed._CHUNK))
    with compressed._MEMORY.lent(3, 40) as outer:
        assert not np.shares_memory(outer, lent(3))
    with contextlib.suppress(KeyboardInterrupt), compressed._MEMORY.lent(3, 40):
        raise KeyboardInterrupt
    assert np.shares_memory(first, lent(3))


def test_forward_may_check_a_gradient_itself() -> None:
    inner = at(np.tanh, normal(8, 16))
    structure = compressed.find(inner, 0)
    assert structure is not None

    def forward(x: Array) -> Array:
        compressed.quick(inner, 0, structure)
        return np.asarray(np.sin(x))

    point = at(forward, normal(8, 16))
    found = compressed.find(point, 0)
    assert found is not None
    made = compressed.quick(point, 0, found)
    assert made is not None
    np.testing.assert_allclose(
        made.value, np.cos(point.primals[0]).reshape(-1) * point.cotangent, rtol=1e-8
    )


@pytest.mark.parametrize("shape", [(4, 4, 4, 4, 4), (8, 16, 16), (3, 3, 3, 64), (12, 12, 12)])
def test_structure_is_looked_for_in_stacks_across_axes(shape: tuple[int, ...]) -> None:
    point = at(np.sin, normal(*shape))
    found = compressed.find(point, 0)
    assert found is not None
    assert found.groups == 1
    assert point.evaluator.counters.forward_calls <= 13


def test_a_stack_of_whole_inputs_is_one_call_for_many_points() -> None:
    x = normal(4, 8)
    point, values = at(np.sin, x), x.reshape(-1) + 0.1 * normal(20, 32)
    made = batching.displaced(point, 0, batching.Replaced(None, values))
    np.testing.assert_array_equal(made, np.sin(values))
    assert point.evaluator.counters.forward_points >= 20
    assert point.evaluator.counters.forward_calls < 10
    assert point.work[0].tobytes() == x.tobytes()


def test_whole_inputs_are_evaluated_one_by_one_where_forward_takes_no_stack() -> None:
    def forward(x: Array) -> Array:
        if x.ndim != 2:
            raise ValueError
        return x - x.mean(axis=0)

    x = normal(4, 8)
    point, values = at(forward, x), x.reshape(-1) + 0.1 * normal(20, 32)
    made = batching.displaced(point, 0, batching.Replaced(None, values))
    for row, own in zip(made, values, strict=True):
        np.testing.assert_array_equal(row, forward(own.reshape(4, 8)).reshape(-1))
    assert point.work[0].tobytes() == x.tobytes()


def test_the_primals_are_back_where_whole_inputs_are_interrupted() -> None:
    x, calls = normal(4, 8), itertools.count()

    def forward(x: Array) -> Array:
        if next(calls) == 3:
            raise KeyboardInterrupt
        return np.sin(x)

    point = at(forward, x)
    calls = itertools.count()
    with pytest.raises(KeyboardInterrupt):
        point.fill(np.empty((5, 32)), 0, None, normal(5, 32))
    assert point.work[0].tobytes() == x.tobytes()


def test_a_stack_that_mixes_its_points_is_not_believed() -> None:
    """Of a matrix it takes the mean over the rows; of a stack that is the mean over the points."""
    x = normal(4, 8)
    point = at(lambda x: x - x.mean(axis=0), x)
    found = compressed.find(point, 0)
    assert found is not None
    assert found.groups == 4
    assert not point.stacks


def test_an_entry_on_a_step_leaves_the_others_of_a_large_graph_to_be_judged() -> None:
    steps = gradcheck.op(np.floor, lambda dz, x: 0 * x, "x[...]", name="steps")

    @gradcheck.graph
    def stepped(x: Any, z: Any) -> Any:
        return tanh(x) * z + steps(z)

    z = normal(20, 8)
    z[1, 1] = 2.0
    op = make([stepped, normal(20, 8), z], {}, {"name": "stepped"})
    settings = Settings(dtypes=("float64",), checks=("nodes", "values"))
    result = run_one(op, settings, only=[Recipe(regime="example")])
    assert result.checks["values"].comparisons > 100
    assert result.checks["values"].inconclusive <= 2


def test_a_signature_says_the_sizes_where_there_is_no_example_to_keep() -> None:
    passes(np.tanh, lambda dz, x: dz / np.cosh(x) ** 2, "x[6 5]", vary_sizes=False)


def test_blocks_below_the_noise_of_forward_do_not_cost_more_than_the_budget() -> None:
    """Single entries of a mean over many are lost in its rounding; directions over many are not."""
    x, budget = normal(20_000), 2_000

    def backward(dy: Any, x: Array) -> Array:
        return np.asarray(dy * np.sin(2 * x) / x.size)

    def loss(x: Array) -> Any:
        return np.mean(np.sin(x) ** 2)

    result = checked(loss, backward, x, budget=budget)
    assert result.verdict == "pass", result.reason
    assert result.modes["blocks"] > 256
    assert result.forward_points < budget
    assert checked(loss, one_wrong(backward, (17,), 1.1), x, budget=budget).verdict == "fail"


@pytest.mark.parametrize("off", [1.0, 1.1])
def test_evaluations_of_many_outputs_count_as_several(off: float) -> None:
    """20,000 of them would take a minute; one entry that is wrong is found along directions."""
    x = normal(compressed.MOST + 1)

    def backward(dz: Array, x: Array) -> Array:
        dx = dz * (1 - np.tanh(x) ** 2)
        dx[1000] *= off
        return dx

    result = checked(np.tanh, backward, x)
    assert result.verdict == ("pass" if off == 1 else "fail")
    assert result.forward_points < 2000
    if off == 1:
        assert result.modes["projected"]
        assert not result.modes.get("blocks")
