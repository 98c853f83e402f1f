"""Random graphs: they fit and repeat, right ops pass, and what only composition shows fails."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import msgspec
import numpy as np
import pytest

import gradcheck
from gradcheck import random_graphs, targets
from gradcheck.arrays import same_bits
from gradcheck.graphs.composing import compose
from gradcheck.graphs.composition import Composition, Given, Made, Ref
from gradcheck.graphs.fitting import Sizes, fits, keeps
from gradcheck.graphs.ingredients import usable
from gradcheck.graphs.reducing import reduced
from gradcheck.model import Domain, Op
from gradcheck.random_graphs import check_graphs, recipes
from gradcheck.registry import make
from gradcheck.runner import run_one
from gradcheck.settings import Settings
from gradcheck.wishes import Checked, Wish
from tests.judged import fails, guilty, passes

REFERENCE = usable(targets.load("reference_ops"))[0]


def op(forward: Any, backward: Any, signature: str, name: str, **options: Any) -> Op:
    return make([forward, backward, signature], {}, {"name": name, **options})


def sine(factor: float = 1.0) -> Op:
    return op(lambda x: np.sin(x), lambda dz, x: factor * np.cos(x) * dz, "x[...]", "sine")


def named(name: str) -> Op:
    return next(o for o in REFERENCE if o.name == name)


add, subtract = named("add"), named("subtract")
log = op(lambda x: np.log(x), lambda dz, x: dz / x, "x:positive[...]", "log")
logit = op(lambda p: np.log(p / (1 - p)), lambda dz, p: dz / (p * (1 - p)), "p:unit[n]", "logit")
entropy = op(
    lambda p: -(p * np.log(p)).sum(axis=-1),
    lambda dz, p: -dz[..., None] * (np.log(p) + 1),
    "p:simplex[n c]",
    "entropy",
)
gated = op(
    lambda x, h: x * np.repeat(h, 4, axis=1),
    lambda dz, x, h: (dz * np.repeat(h, 4, axis=1), (dz * x).reshape(*h.shape, 4).sum(axis=2)),
    "x[n 4*h], h[n h]",
    "gated",
)
split = op(
    lambda x: (np.sin(x), np.cos(x)),
    lambda dz, x: np.cos(x) * dz[0] - np.sin(x) * dz[1],
    "x[...]",
    "split",
)
power = op(  # right where it is declared; forward takes more, and backward is wrong there
    lambda x: np.abs(x) ** 1.5, lambda dz, x: 1.5 * dz * np.abs(x) ** 0.5, "x:positive[n]", "power"
)


def first_two(x):
    if x.ndim != 1:
        raise ValueError("a vector is wanted")
    return x[:2] * 2


pair = op(first_two, lambda dz, x: np.concatenate([2 * dz, 0 * x[2:]]), "x[3]", "pair")
SPECIAL = [log, logit, entropy, gated, pair, split, sine(), *REFERENCE]


def buffered() -> Op:
    """Backward reads a buffer of forward's that the next forward pass overwrites."""
    kept: dict[tuple[int, ...], Any] = {}

    def forward(x):
        buffer = kept.setdefault(np.shape(x), np.zeros(np.shape(x)))
        buffer[...] = x
        return np.sin(x), buffer

    return op(forward, lambda dz, buffer: np.cos(buffer) * dz, "x[n]", "buffered")


class Sine:
    """A gate as the lecture writes it: what it keeps is of its last use."""

    def forward(self, x):
        self.x = x
        return np.sin(x)

    def backward(self, dz):
        return np.cos(self.x) * dz


def composed(ops: list[Op], seed: Any, **options: Any) -> Composition:
    made = compose(ops, random.Random(str(seed)), **options)
    assert made is not None
    return made


def run(ops: list[Op], count: int, seed: int = 0, **options: Any) -> Checked:
    settings = Settings(seed=seed, profile="fast")
    return check_graphs(ops, settings, Wish(count, seed, ["ops.py"]), fixed={}, **options)


def chain(*ops: Op, value: Any = (0.5, -1.25, 2.0)) -> Composition:
    """One op after the other."""
    items: list[Given | Made] = [Given((np.array(value),))]
    for one in ops:
        output = one.forward(items[-1].values[0])
        items.append(Made((np.asarray(output),), one, ((len(items) - 1, 0),)))
    return Composition(tuple(items), ((len(items) - 1, 0),))


# --- what is composed -----------------------------------------------------------------------------
def test_the_same_seed_gives_the_same_graphs_in_whatever_order_ops_were_found():
    shuffled = targets.load("reference_ops")
    random.Random(1).shuffle(shuffled)
    again = usable(shuffled)[0]
    codes = [composed(REFERENCE, seed).code() for seed in range(20)]
    assert codes == [composed(again, seed).code() for seed in range(20)]
    assert len(set(codes)) == 20


def test_a_graph_does_not_depend_on_those_before_it():
    ops = targets.load("reference_ops.nonlinear")
    wish = Wish(6, 3, ["reference_ops.nonlinear"])
    every = check_graphs(ops, Settings(seed=3), wish, fixed={})
    alone = check_graphs(
        ops, Settings(seed=3), Wish(6, 3, wish.targets, only="graph-3-4"), fixed={}
    )
    (one,) = alone.results
    assert one.assumptions == next(r for r in every.results if r.name == one.name).assumptions


@pytest.mark.parametrize("seed", range(30))
def test_shapes_and_domains_fit_and_values_are_those_that_were_seen(seed):
    made = composed(SPECIAL, seed)
    for node in made.nodes:
        sizes: Sizes | None = Sizes()
        for input, parent in zip(node.op.inputs, node.parents, strict=True):
            value = made.value(parent)
            assert sizes is not None
            sizes = sizes.bound(input.dims, value.shape)
            assert sizes is not None
            drawn = isinstance(made.items[parent[0]], Given)
            assert drawn or (input.differentiable and keeps(input.domain))
            assert drawn or fits(input.domain, value)
    tape = made.graph().run(made.values)
    assert all(np.isfinite(v).all() for v in tape.values)
    assert all(
        same_bits(tape.values[r], made.value(own))
        for r, own in zip(tape.results, made.results, strict=True)
    )


def test_a_source_has_the_domain_of_its_readers():
    seen: Counter[str] = Counter()
    for seed in range(60):
        made = composed([log, logit, entropy, add], seed)
        readers = {p: i for n in made.nodes for i, p in zip(n.op.inputs, n.parents, strict=True)}
        for source, input in zip(made.sources, made.to_op().inputs, strict=True):
            seen[input.domain.kind] += 1
            assert (
                input.domain == readers[source].domain
                or input.domain.kind != "real"
                or (input.domain.low is not None)
            )
    assert {"positive", "unit", "simplex", "real"} <= set(seen)


def test_ops_are_repeated_and_values_are_shared():
    few = [o for o in REFERENCE if o.module in ("reference_ops.arithmetic", "reference_ops.linear")]
    narrow = [composed(few, seed) for seed in range(50)]
    assert sum(max(Counter(n.op.name for n in m.nodes).values()) > 1 for m in narrow) > 10
    graphs = [composed(REFERENCE, seed) for seed in range(50)]
    repeated = shared = several = twice = 0
    for made in graphs:
        names = Counter(n.op.name for n in made.nodes)
        reads = Counter(p for n in made.nodes for p in set(n.parents))
        repeated += max(names.values()) > 1
        shared += any(k > 1 for k in reads.values())
        twice += any(len(set(n.parents)) < len(n.parents) for n in made.nodes)
        several += len(made.results) > 1
    assert repeated > 5  # of ten times as many ops
    assert shared > 15
    assert twice > 2
    assert several > 5
    sizes = [len(made.nodes) for made in graphs]
    assert min(sizes) >= 2
    assert max(sizes) == 8
    assert len({n.op.name for made in graphs for n in made.nodes}) > 20


def test_every_node_feeds_the_result():
    for seed in range(30):
        made = composed(REFERENCE, seed)
        read = {p[0] for n in made.nodes for p in n.parents} | {r[0] for r in made.results}
        assert read == set(range(len(made.items)))


def test_integers_and_what_has_no_gradient_are_constants():
    masked = make([lambda x, m: x * m, lambda dz, x, m: (dz * m, None), np.ones(3), np.arange(3.0)],
                  {}, {"name": "masked"})  # fmt: skip
    (known,), _ = usable([masked])
    assert [i.differentiable for i in known.inputs] == [True, False]
    for seed in range(20):
        made = composed([known, add, *REFERENCE], seed)
        for node in made.nodes:
            for input, parent in zip(node.op.inputs, node.parents, strict=True):
                item = made.items[parent[0]]
                assert input.differentiable or (isinstance(item, Given) and item.constant)


def test_a_layer_keeps_the_sizes_that_it_was_made_with():
    weights = np.arange(12.0).reshape(3, 4) / 7
    layer = make([lambda x: x @ weights.T, lambda dz, x: dz @ weights, np.ones((2, 4))], {}, {})
    (known,), _ = usable([layer])
    assert known.inputs[0].dims[-1] == 4
    for seed in range(10):
        assert all(made.parents for made in composed([known], seed).nodes)


def test_what_cannot_take_part_is_said():
    graph = gradcheck.op(gradcheck.graph(lambda x: sine()(x)), "x[n]", name="composed")
    own = st.just(np.ones(3))
    ops = [
        sine(),
        graph,
        op(lambda x: np.sin(x), lambda dz, x: dz, "x[n]", "drawn", domain={"x": own}),
        op(lambda x: np.sin(x), lambda dz, x: dz, "x[n]", "narrow", dtypes="float32"),
        op(lambda x: np.sin(x), lambda dz, x: dz, "x[n]", "loose", signif=1e-3),
        op(lambda x: np.sign(x), lambda dz, x: dz, "x[n]", "surrogate", differentiates=lambda x: x),
    ]
    ops.append(op(lambda x, name: x, lambda dz, x, name: dz, "x[n], name=1|2", "called"))
    kept, left_out = usable(ops)
    assert [o.name for o in kept] == ["sine"]
    names = {name.rpartition("::")[2] for name in left_out}
    assert names == {"composed", "drawn", "narrow", "loose", "surrogate", "called"}
    assert "left out: composed (a graph)" in run(ops[:2], 1).said


def test_nothing_to_compose_from_is_no_pass():
    graph = gradcheck.op(gradcheck.graph(lambda x: sine()(x)), "x[n]", name="composed")
    assert run([graph], 3).problems
    refusing = op(lambda x: x[[9] * 9], lambda dz, x: dz, "x[n]", "refusing")
    assert run([refusing], 3).problems


# --- as a graph, and changed ----------------------------------------------------------------------
def test_the_code_builds_the_graph_again():
    for seed in range(20):
        made = composed(REFERENCE, seed)
        names: dict[str, Any] = {"gradcheck": gradcheck, "np": np}
        exec(made.code(), names)  # what a user would paste
        built = names["g"].run(made.values)
        assert all(
            same_bits(built.values[r], made.value(own))
            for r, own in zip(built.results, made.results, strict=True)
        )


def test_one_node_with_another_op_is_blamed_by_its_number():
    blamed = 0
    for seed in range(8):
        made = composed([sine(), add, subtract], seed)
        number = next((k for k, n in enumerate(made.nodes) if n.op.name == "sine"), None)
        if number is None:
            continue
        wrong = made.with_op(number, sine(-1.0))
        assert guilty(fails(wrong.to_op(), max_cases=6)) == {f"h{number}"}
        blamed += 1
    assert blamed > 3


def test_two_outputs_are_two_values():
    graphs = [composed([split, add], seed) for seed in range(12)]
    read = [p for made in graphs for n in made.nodes for p in n.parents]
    assert {part for _, part in read} == {0, 1}
    for made in graphs[:4]:
        passes(made.to_op(), max_cases=4)


# --- right ops ------------------------------------------------------------------------------------
def test_right_ops_never_fail():
    checked = run(targets.load("reference_ops"), 25)
    assert [r.name for r in checked.results if r.verdict != "pass"] == []
    assert len(checked.results) >= 24
    assert f"25 random graphs of {len(REFERENCE)} ops" in checked.said


def test_a_value_that_leaves_the_domain_of_a_node_is_a_rejection():
    made = chain(subtract_one(), power, value=(1.5, 2.0, 3.0))
    cases = recipes(made, "graph", 12)
    right = made.to_op()
    careful = run_one(right, Settings(), only=cases)
    assert careful.verdict != "fail"
    assert careful.cases_rejected > 2
    assert "valid() refuses it" in " ".join(careful.rejected)
    careless = replace(right, options=replace(right.options, valid=None))
    assert run_one(careless, Settings(), only=cases).verdict == "fail"


def test_ops_with_narrow_domains_never_fail():
    checked = run([power, log, logit, entropy, add, subtract, sine()], 25)
    assert [r.name for r in checked.results if r.verdict != "pass"] == []
    assert len(checked.results) > 20


def test_a_graph_that_cannot_be_judged_is_counted_and_not_red(monkeypatch):
    real = random_graphs.run_one

    def unsure(made, *args, **options):
        result = real(made, *args, **options)
        unjudged = made.name == "graph-0-1"
        return msgspec.structs.replace(result, verdict="inconclusive") if unjudged else result

    monkeypatch.setattr(random_graphs, "run_one", unsure)
    checked = run([sine(), add], 3)
    assert "2 passed, 1 rejected (could not be judged)" in checked.said
    assert not checked.problems
    assert len(checked.results) == 2


# --- what only composition shows ------------------------------------------------------------------
def test_a_buffer_that_two_uses_share_is_found_and_reduced():
    wrong = buffered()
    passes(wrong)
    checked = run([wrong, add, sine()], 12)
    failed = [r for r in checked.results if r.verdict == "fail"]
    (found,) = failed  # the others fail in the same way
    assert "in the same way" in " ".join(found.assumptions)
    case = found.findings[0].case
    nodes = [line for line in case.splitlines() if line.startswith("h")]
    assert 2 <= len(nodes) <= 3
    assert sum("buffered" in line for line in nodes) == 2
    assert "g = gradcheck.Graph(" in case
    again = found.findings[0].replay
    assert again == f"gradcheck run --graphs 12 --seed 0 ops.py -k {found.name}"


def test_a_gate_object_at_two_nodes_is_a_warning():
    gate = make([Sine(), "x[n]"], {}, {"name": "gate"})
    checked = run([gate, add], 12)
    assert all(r.verdict == "pass" for r in checked.results)
    told = {r.name: r.findings for r in checked.results if r.findings}
    assert list(told) == ["graph-0-twice-gate"]
    (warning,) = told["graph-0-twice-gate"]
    assert warning.severity == "warning"
    assert "one instance of gate at two nodes" in warning.message
    for seed in range(20):
        made = composed([gate, add], seed)
        assert sum(n.op is gate for n in made.nodes) <= 1


def test_a_gate_object_that_keeps_nothing_gets_no_warning():
    class Negative:
        def forward(self, x):
            return -x

        def backward(self, dz):
            return -dz

    checked = run([make([Negative(), "x[n]"], {}, {"name": "gate"})], 2)
    assert any(r.name == "graph-0-twice-gate" for r in checked.results)
    assert not any(r.findings for r in checked.results)


def test_a_gate_class_has_an_instance_for_each_node():
    gate = make([Sine, "x[n]"], {}, {"name": "gate"})
    checked = run([gate, add], 10)
    assert all(r.verdict == "pass" and not r.findings for r in checked.results)
    assert any(r.assumptions[0].count("gate(") > 1 for r in checked.results)


# --- reducing -------------------------------------------------------------------------------------
def uses(name: str, times: int) -> Any:
    return lambda made: sum(n.op.name == name for n in made.nodes) >= times


def test_one_guilty_node_is_left_alone():
    whole = chain(sine(), subtract_one(), sine(), subtract_one(), sine())
    smallest = reduced(whole, uses("less", 1))
    assert [n.op.name for n in smallest.nodes] == ["less"]
    assert len(smallest.values) == 1


def subtract_one() -> Op:
    return op(lambda x: x - 1, lambda dz, x: dz * 1, "x[...]", "less")


def test_two_guilty_nodes_are_left_together():
    less = subtract_one()
    whole = chain(less, sine(), sine(), less, sine())
    assert [n.op.name for n in reduced(whole, uses("less", 2)).nodes] == ["less", "less"]


def test_reducing_ends_after_so_many_tries():
    asked = []
    whole = chain(*[sine()] * 6)
    assert reduced(whole, lambda made: bool(asked.append(made)), tries=5) is whole
    assert len(asked) == 5


def test_what_the_result_does_not_need_is_dropped():
    whole = chain(sine(), subtract_one(), sine())
    first: Ref = (whole.place(0), 0)
    assert [n.op.name for n in whole.with_results(first).nodes] == ["sine"]
    assert [n.op.name for n in whole.with_source(0).nodes] == ["less", "sine"]
    assert np.allclose(whole.with_source(1).values[0], whole.nodes[1].values[0], atol=1e-4)


# --- domains --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "inside", "outside"),
    [
        ("real", -3.0, 2e3),
        ("positive", 0.5, 0.001),
        ("nonnegative", 0.0, 0.001),
        ("negative", -0.5, 0.5),
        ("nonzero", -0.5, 0.001),
        ("unit", 0.5, 0.999),
    ],
)
def test_values_lie_well_within_a_domain(kind, inside, outside):
    assert fits(Domain(kind), np.array([inside]))
    assert not fits(Domain(kind), np.array([inside, outside]))
    assert not fits(Domain(kind), np.array([inside, np.nan]))


# --- on the command line --------------------------------------------------------------------------
BUFFERED = """
import numpy as np

import gradcheck

kept = {}


def forward(x):
    buffer = kept.setdefault(np.shape(x), np.zeros(np.shape(x)))
    buffer[...] = x
    return np.sin(x), buffer


buffered = gradcheck.op(forward, lambda dz, buffer: np.cos(buffer) * dz, "x[n]")
"""
FAST = ("--profile", "fast")


def test_the_command_checks_ops_and_graphs(project):
    project.write("gates.py")
    ran = project.run("run", "gates.py::cube", "gates.py::right", "--graphs", "5", *FAST)
    assert ran.code == 0
    assert "2 ops, 2 passed" in ran.out
    assert "5 random graphs of 2 ops, " in ran.out
    assert "nodes: all passed" in ran.out
    graphs = [r for r in project.results()["results"] if r["kind"] == "random graph"]
    assert [r["op"] for r in graphs] == [f"random::graph-0-{k}" for k in range(5)]


def test_without_the_option_there_are_no_graphs(project):
    project.write("gates.py")
    ran = project.run("run", "gates.py::cube", *FAST)
    assert "random" not in ran.out
    assert len(project.results()["results"]) == 1


def test_an_op_that_fails_is_left_out_and_said(project):
    project.write("gates.py")
    ran = project.run("run", "gates.py", "--graphs", "4", *FAST)
    assert ran.code == 1
    assert "4 random graphs of 2 ops" in ran.out
    assert "left out: Wrong (it did not pass)" in ran.out
    assert "random::" not in ran.out


def test_a_graph_fails_and_its_command_shows_it_again(project):
    project.write("held.py", BUFFERED)
    ran = project.run("run", "held.py", "--graphs", "6", *FAST)
    assert ran.code == 1
    assert "a node is disturbed" in ran.out
    assert "from held import buffered" in ran.out
    command = next(line for line in ran.out.splitlines() if line.startswith("  again"))
    words = command.split()[2:]
    again = project.run(*words)
    assert again.code == 1
    assert "a node is disturbed" in again.out
    assert len(project.results()["results"]) == 1


def test_a_graph_that_there_is_not(project):
    project.write("gates.py")
    ran = project.run("run", "gates.py::cube", "--graphs", "2", "-k", "graph-0-7")
    assert ran.code == 1
    assert "graph-0-0 to graph-0-1" in ran.out


def test_a_negative_number_is_wrong_usage(project):
    project.write("gates.py")
    ran = project.run("run", "gates.py", "--graphs", "-1")
    assert ran.code == 2
    assert "--graphs -1" in ran.err
