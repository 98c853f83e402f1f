"""The health of gradients in graphs: exploding, vanishing, dead, saturated; and what is none."""

from __future__ import annotations

import io
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import gradcheck
from gradcheck.checks.facts import Outcome
from gradcheck.figures import NodeHealth
from gradcheck.graphs.composed import Composed
from gradcheck.graphs.flow import Passing, Reading, readings, rms
from gradcheck.graphs.reverse import backward
from gradcheck.health import Health, growth
from gradcheck.model import Recipe
from gradcheck.reporters import health, terminal
from gradcheck.reporters.json import parse, render
from gradcheck.results import (
    OpResult,
    Report,
    summarise,
)
from gradcheck.trial import Trial
from reference_ops.graphs import window_classifier, window_score, worked_example
from reference_ops.linear import affine
from reference_ops.losses import softmax_cross_entropy
from reference_ops.nonlinear import leaky_relu, logistic, relu, tanh
from reference_ops.reductions import mean
from reference_ops.reductions import sum as total
from tests.judged import fails, passes

QUICK = {"checks": "contract", "max_cases": 100}
"""Health is read off a pass, whatever is compared."""


def graph(function: Any, signature: str) -> Any:
    return gradcheck.op(gradcheck.graph(function), signature)


def told(result: OpResult) -> dict[str, str]:
    """The node that each warning of health names."""
    codes = ("exploding-gradient", "vanishing-gradient", "dead-units", "saturated-units")
    return {f.code: f.input for f in result.findings if f.code in codes}


def by_node(result: OpResult) -> dict[str, NodeHealth]:
    return {n.node: n for n in result.health}


def rows(count: int, size: int, seed: int = 0) -> Any:
    """Plain normal numbers."""
    return np.random.default_rng(seed).normal(size=(count, size))


def deep(activation: Any, layers: int) -> Any:
    """The same layer so many times, as a recurrent net has it."""

    def net(x: Any, W: Any, b: Any) -> Any:
        h = x
        for _ in range(layers):
            h = affine(h, W, b)
            if activation is not None:
                h = activation(h)
        return mean(h)

    return net


# -- figures of one pass ------------------------------------------------------------------------


def figures(op: Any, *values: Any, cotangent: Any = 1.0) -> dict[str, Reading]:
    detail = op.detail
    assert isinstance(detail, Composed)
    tape = detail.run(values)
    made = backward(tape, [np.asarray(cotangent, float)])
    return {r.name: r for r in readings(tape, made)}


def test_figures_of_the_lecture_example():
    """f = (x + y) max(y, z) at (1, 2, 0), upstream -2: gradients of f, a, b are -2, -4, -6."""
    found = figures(worked_example, 1.0, 2.0, 0.0, cotangent=-2.0)
    assert {n: (r.depth, r.value, r.gradient, r.relative) for n, r in found.items()} == {
        "x": (2, 1, 4, 2),
        "y": (2, 2, 10, 5),
        "z": (2, 0, 0, 0),
        "a": (1, 3, 4, 2),
        "b": (1, 2, 6, 3),
        "f": (0, 6, 2, 1),
    }
    assert found["b"].passing is not None
    assert (found["b"].passing.entries, found["b"].passing.dead) == (1, 0)


def test_depth_is_the_longest_way():
    @gradcheck.graph
    def net(x: Any) -> Any:
        a = tanh(x)
        b = tanh(a)
        return x + b

    found = figures(gradcheck.op(net, "x[n]"), np.array([0.5]), cotangent=[1.0])
    assert {n: r.depth for n, r in found.items()} == {"x": 3, "a": 2, "b": 1, "net": 0}


def test_gradients_are_beside_those_at_the_last_result():
    """A state that is returned and used on has more than its own cotangent."""

    def net(x: Any) -> Any:
        a = x * 3.0
        b = a * 5.0
        return a, b

    tape = graph(net, "x[]").detail.run([2.0])
    made = backward(tape, [np.array(1.0), np.array(2.0)])
    assert {r.name: (r.depth, r.relative) for r in readings(tape, made)} == {
        "x": (2, 16.5),
        "a": (1, 5.5),
        "b": (0, 1),
    }


def test_constants_and_what_is_made_of_them_have_no_row():
    def fixed(x: Any, c: Any) -> Any:
        unmoved = tanh(c)
        return x * unmoved

    op = graph(fixed, "x[n], c:int[n]<3")
    tape = op.detail.run([np.array([0.5, 2.0]), np.array([1, 2])])
    assert [r.name for r in readings(tape, backward(tape, [np.ones(2)]))] == ["x", "fixed"]


def test_shares_entry_by_entry():
    def net(x: Any) -> Any:
        r = relu(x)
        s = logistic(x)
        return r * 1.0, s * 1.0

    op = graph(net, "x[n]")
    x = np.array([-1.0, -2.0, 3.0, 40.0])
    tape = op.detail.run([x])
    cotangents = [np.array([1.0, 0.0, 1.0, 1.0]), np.array([0.0, 0.0, 1.0, 1.0])]
    found = {r.name: r.passing for r in readings(tape, backward(tape, cotangents))}
    assert found["r"] is not None
    assert (found["r"].entries, found["r"].dead) == (3, 1)
    assert found["s"] is not None
    assert found["s"].dead == 0
    alone = figures(graph(lambda x: logistic(x), "x[n]"), x, cotangent=[0, 0, 1, 1.0])
    (one,) = [r.passing for r in alone.values() if r.op == "logistic"]
    assert one is not None
    assert (one.entries, one.dead, one.saturated) == (2, 0, 1)


def test_root_mean_square_of_numbers_whose_squares_are_none():
    assert rms(np.array([3e-200, 4e-200])) == pytest.approx(np.sqrt(12.5) * 1e-200)
    assert rms(np.array([3e200, 4e200])) == pytest.approx(np.sqrt(12.5) * 1e200)
    assert rms(np.zeros((2, 0))) == 0
    assert rms(np.array([np.inf, 1.0])) == np.inf


def test_growth_leaves_the_largest_single_step_out():
    def case(*relative: float) -> list[Reading]:
        return [Reading(f"h{k}", "op", k, 1.0, r, r, None) for k, r in enumerate(relative)]

    assert growth(case(1, 1e3, 1e3, 1e4), min) == (3, pytest.approx(1))
    assert growth(case(1, 1e-1, 1e-2, 1e-9), max) == (3, pytest.approx(-2))
    assert growth(case(1), max) == (0, 0)
    assert growth(case(1, 2, 1e-16, 0.3), min) == (3, 0)  # a shift that nothing depends on
    assert growth(case(1, 0.5, 1e16, 3), max) == (3, 0)


# -- exploding and vanishing --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("activation", "scale", "expected"),
    [
        (None, 10.0, {"exploding-gradient": "h"}),
        (None, 1.0, {}),
        (None, 0.1, {"vanishing-gradient": "h"}),
        (tanh, 0.1, {"vanishing-gradient": "h"}),
        (tanh, 1.0, {}),
    ],
)
def test_a_deep_net_with_the_users_own_weights(activation, scale, expected):
    """Twelve times the same matrix of eigenvalues ``scale``: the gradient goes with its powers."""
    W = scale * np.linalg.qr(rows(4, 4))[0]
    result = gradcheck.check(
        gradcheck.graph(deep(activation, 12)), rows(3, 4, 1), W, np.zeros(4), **QUICK
    )
    assert told(result) == expected


def test_a_deep_net_of_sigmoids_vanishes_and_a_shortcut_helps():
    """Slopes are 1/4 at most (the lecture: backprop doesn't always work)."""

    def shortcut(x: Any, W: Any, b: Any) -> Any:
        h = x
        for _ in range(12):
            h = h + logistic(affine(h, W, b))
        return mean(h)

    example = rows(3, 4, 1), rows(4, 4) / 2, np.zeros(4)
    result = gradcheck.check(gradcheck.graph(deep(logistic, 12)), *example, **QUICK)
    (finding,) = [f for f in result.findings if f.code == "vanishing-gradient"]
    assert finding.severity == "warning"
    assert "times that at the result at h, 24 steps from it" in finding.message
    assert "Pascanu" in finding.message
    assert told(gradcheck.check(gradcheck.graph(shortcut), *example, **QUICK)) == {}


@pytest.mark.parametrize(
    ("factor", "code"), [(300.0, "exploding-gradient"), (1e-3, "vanishing-gradient"), (1.0, "")]
)
def test_a_graph_that_no_ordinary_numbers_make_so_far(factor, code):
    def net(x: Any, w: Any) -> Any:
        h = x
        for _ in range(6):
            h = (h * factor) * w
        return total(h)

    assert set(told(passes(graph(net, "x[n], w[n]"), **QUICK))) == {code} - {""}


def test_a_change_of_units_is_one_step():
    def net(x: Any, y: Any) -> Any:
        a = tanh(x)
        b = a * y
        c = tanh(b)
        d = c + x
        return total(d * 1e9)

    x = rows(3, 4)
    assert told(gradcheck.check(gradcheck.graph(net), x, rows(3, 4, 1), **QUICK)) == {}


# -- dead and saturated -------------------------------------------------------------------------


def shifted(x: Any, W: Any, b: Any, by: float = 0.0, unit: Any = relu) -> Any:
    z = affine(x, W, b) - by
    h = unit(z)
    return total(h) + total(x) + total(W) + total(b)


def test_dead_units():
    signature = "x[n d], W[k d], b[k]"
    result = passes(graph(lambda x, W, b: shifted(x, W, b, by=200.0), signature), **QUICK)
    assert told(result) == {"dead-units": "h"}
    (finding,) = [f for f in result.findings if f.code == "dead-units"]
    assert "node h = relu(...): through nine of ten entries exactly nothing" in finding.message
    assert "in most generic cases" in finding.message
    assert "Karpathy" in finding.message
    assert finding.cases >= 8
    assert told(passes(graph(shifted_plainly, signature), **QUICK)) == {}


def shifted_plainly(x: Any, W: Any, b: Any) -> Any:
    return shifted(x, W, b)


def test_dead_units_at_the_users_own_numbers():
    example = rows(5, 4), rows(6, 4, 1), np.full(6, -50.0)
    result = gradcheck.check(gradcheck.graph(shifted_plainly), *example, **QUICK)
    assert set(told(result)) == {"dead-units"}
    example = (*example[:2], np.zeros(6))
    assert told(gradcheck.check(gradcheck.graph(shifted_plainly), *example, **QUICK)) == {}


@pytest.mark.parametrize("unit", [logistic, tanh])
@pytest.mark.parametrize(("size", "expected"), [(200.0, {"saturated-units"}), (1.0, set())])
def test_saturated_units(unit, size, expected):
    def net(x: Any, W: Any, b: Any) -> Any:
        return shifted(x, W, b, unit=unit)

    example = size * rows(5, 4), rows(6, 4, 1), np.zeros(6)
    assert set(told(gradcheck.check(gradcheck.graph(net), *example, **QUICK))) == expected


def test_what_is_neither_dead_nor_saturated():
    """Routing, a leak, a shortcut around a step, a factor: small or zero slopes on purpose."""

    def net(x: Any, y: Any) -> Any:
        routed = np.maximum(x, y)
        leaks = leaky_relu(x - 2.0)
        z = y - 100.0
        around = z + relu(z)
        scaled = tanh(x) * 1e-4
        return total(routed) + total(leaks) + total(around) + total(scaled)

    result = gradcheck.check(gradcheck.graph(net), rows(5, 4), rows(5, 4, 1), **QUICK)
    assert told(result) == {}


@pytest.mark.parametrize("slope", [0.01, 0.001])
def test_a_leak_is_small_on_purpose(slope):
    """Its usual slope, 0.01, is no saturation."""
    op = graph(lambda x: leaky_relu(x, slope=slope), "x[n]")
    found = figures(op, np.array([-1.0, -2.0, 3.0]), cotangent=np.ones(3))
    (passing,) = [r.passing for r in found.values() if r.passing is not None]
    assert (passing.dead, passing.saturated) == (0, 2 * (slope < 0.005))


def test_what_flows_back_to_a_constant_counts_for_nothing():
    """A ReLU is dead also where it is written as a maximum of x and zeros."""
    op = graph(lambda x: np.maximum(x, np.zeros(3)), "x[n]")
    found = figures(op, np.array([-1.0, -2.0, 3.0]), cotangent=np.ones(3))
    (passing,) = [r.passing for r in found.values() if r.passing is not None]
    assert (passing.entries, passing.dead) == (3, 2)


def blocked(entries: int, dead: int, *, known: bool = True) -> list[Reading]:
    """A case of one node."""
    passing = Passing(entries, dead, 0) if known else None
    return [Reading("h", "relu", 1, 1.0, 1.0, 1.0, passing)]


@pytest.mark.parametrize(
    ("cases", "expected"),
    [
        ([blocked(4, 4)] * 9 + [blocked(4, 1)], True),
        ([blocked(4, 4)] * 7 + [blocked(4, 1)] * 3, False),
        ([blocked(4, 4)] * 7, False),
        ([blocked(1, 1)] * 10, False),
        ([blocked(1, 1)] * 16, True),
        ([blocked(10, 8)] * 10, False),
        ([blocked(10, 9)] * 10, True),
        ([blocked(0, 0)] * 10, False),
        ([blocked(4, 4)] * 10 + [blocked(4, 4, known=False)], False),
    ],
    ids=str,
)
def test_dead_in_nearly_all_entries_of_most_cases_and_not_by_chance(cases, expected):
    """Half of all ReLUs are dead at random numbers; a node of its input's shape is so always."""
    found = [f.code for f in Health(made_up=cases).findings("warning")]
    assert found == ["dead-units"] * expected


@pytest.mark.parametrize(("entries", "expected"), [(15, False), (16, True)])
def test_one_case_of_the_users_own_is_enough_if_it_has_many_entries(entries, expected):
    found = list(Health(given=[blocked(entries, entries)]).findings("warning"))
    assert bool(found) is expected


def test_made_up_numbers_say_nothing_of_saturation():
    """The same unit warns at an example of the user's own."""

    def net(x: Any) -> Any:
        h = tanh(x * 100.0)
        return total(h)

    result = passes(graph(net, "x[n d]"), **QUICK)
    assert told(result) == {}
    assert (by_node(result)["h"].saturated or 0) + (by_node(result)["h"].dead or 0) > 0.9
    assert told(gradcheck.check(gradcheck.graph(net), rows(5, 4), **QUICK)) == {
        "saturated-units": "h"
    }


@pytest.mark.parametrize(
    ("changes", "counted"),
    [
        ({}, True),
        ({"cotangent": "huge"}, True),
        ({"cotangent": "one-hot"}, False),
        ({"cotangent": "zero"}, False),
        ({"regime": "ties"}, False),
        ({"regime": "zeros"}, False),
        ({"beyond": "broadcast"}, False),
    ],
    ids=str,
)
def test_only_generic_cases_count(changes, counted):
    tape = worked_example.detail.run([1.0, 2.0, 0.0])
    made = tape, backward(tape, [np.array(1.0)])
    facts: Any = SimpleNamespace(passed=lambda: made)
    recipe = Recipe(**{"regime": "generic", **changes})
    trial = Trial(recipe, facts=facts, outcomes={"contract": Outcome()})
    seen = Health()
    seen.add(trial)
    assert bool(seen.nodes()) is counted


def test_an_input_whose_gradient_is_mostly_zero():
    """By the rule that holds for all ops; here a gate that is shut at most numbers."""

    def net(x: Any, y: Any) -> Any:
        return relu(total(x) - 20.0) + total(y)

    result = passes(graph(net, "x[n], y[n]"), max_cases=40)
    assert {(f.code, f.input) for f in result.findings if f.code == "mostly-zero"} == {
        ("mostly-zero", "x")
    }


# -- no false alarms ----------------------------------------------------------------------------


@pytest.mark.parametrize("layers", [1, 4, 12, 30])
@pytest.mark.parametrize("activation", [None, tanh, relu])
def test_everyday_nets_with_made_up_numbers(activation, layers):
    net = graph(deep(activation, layers), "x[n d], W[d d], b[d]")
    assert told(passes(net, dtypes="float64", **QUICK)) == {}


@pytest.mark.parametrize("op", [worked_example, window_score, window_classifier])
def test_reference_graphs_are_healthy(op):
    result = passes(op, **QUICK)
    assert told(result) == {}
    assert len(result.health) > 5
    assert all(n.cases >= 8 for n in result.health)


# -- in a report --------------------------------------------------------------------------------


def along(x: Any, w: Any) -> Any:
    """A loop over a size: another number of steps in each case."""
    h = w
    for row in x:
        h = tanh(h * row)
    return total(h)


def test_a_loop_over_a_size_that_varies():
    result = passes(graph(along, "x[t d], w[d]"), **QUICK)
    nodes = by_node(result)
    assert nodes["x"].depth == max(n.depth for n in result.health)
    counts = [nodes[name].cases for name in ("h", "h_2", "h_3")]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[2] > 0


def test_other_ops_have_no_figures():
    assert passes(np.sin, lambda dz, x: dz * np.cos(x), "x[n]").health == []


def test_warnings_fail_under_strict_only():
    net = graph(lambda x, W, b: shifted(x, W, b, by=200.0), "x[n d], W[k d], b[k]")
    assert passes(net, **QUICK).verdict == "pass"
    assert fails(net, strict=True, **QUICK).findings[0].code == "dead-units"


def test_the_same_seed_gives_the_same_figures():
    run = partial(passes, graph(along, "x[t d], w[d]"), **QUICK)
    assert run().health == run().health


def report(*results: OpResult) -> Report:
    return Report(
        seed=0,
        profile="dev",
        environment={},
        summary=summarise(list(results), 0, 0.0),
        results=list(results),
    )


def printed(result: OpResult, verbosity: int) -> str:
    out = io.StringIO()
    terminal.print_report(Console(file=out, width=120), report(result), verbosity=verbosity)
    return out.getvalue()


def test_a_table_under_v_only():
    result = passes(worked_example, **QUICK)
    assert "gradient by depth" not in printed(result, 0)
    text = printed(result, 1)
    lines = [line.split() for line in text.splitlines()]
    assert any(line[:4] == ["1", "b", "=", "maximum"] for line in lines)
    assert any(line[:2] == ["2", "y"] and line[-2:] == ["-", "-"] for line in lines)
    assert parse(render(report(result)), "here").results[0].health == result.health


def node(name: str, depth: int, relative: Any, dead: float | None = None) -> NodeHealth:
    return NodeHealth(
        node=name,
        op="op",
        depth=depth,
        cases=9,
        value_rms=1.0,
        gradient_rms=relative,
        relative=relative,
        dead=dead,
        saturated=dead,
    )


def test_of_many_nodes_the_table_has_a_few():
    """The deepest, the median, the weakest, the strongest, and the one that is dead most."""
    nodes = [node(f"h{k}", 40 - k, 10.0 ** (k - 20)) for k in range(41)]
    nodes[7] = node("blocked", 33, 1e-13, dead=0.7)
    shown = [n.node for n in health.chosen(nodes)]
    assert shown == ["h0", "blocked", "h20", "h40"]
    lines = health.table(nodes)
    assert len(lines) == 6
    assert "4 of 41 nodes" in lines[0]
    assert "70%" in next(line for line in lines if "blocked" in line)
    assert health.table([]) == []
    assert any("nan" in line for line in health.table([node("h", 1, "nan")]))


def test_cross_entropy_of_a_confident_classifier_is_no_alarm():
    """Most of a softmax is saturated where it is right; it is no node of the input's shape."""

    def net(x: Any, W: Any, b: Any, y: Any) -> Any:
        return softmax_cross_entropy(affine(x, W, b), y)

    result = passes(graph(net, "x[n d], W[k d], b[k], y:int[n]<k"), **QUICK)
    assert told(result) == {}
