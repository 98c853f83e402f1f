"""What backward costs: a Jacobian built as a whole is found, and the lecture's counts hold.

No test looks at a real clock: planted ops turn one of their own, in proportion to what they do.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import backprop_cost
from gradcheck import cost, runner, targets
from gradcheck.figures import Cost
from gradcheck.registry import make
from gradcheck.results import (
    OpResult,
)
from gradcheck.runner import run_one
from gradcheck.settings import Settings
from tests.gates import Array, relu, sine, sine_backward

ASKED = Settings(max_cases=10, cost=True)


class Work:
    """A clock that stands still but for the work that ops say they do."""

    def __init__(self) -> None:
        self.done = 0.0

    def __call__(self) -> float:
        return self.done


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    clock = Work()
    monkeypatch.setattr(runner.cost, "measure", partial(cost.measure, clock=clock))
    return clock


def cubed(work: Work, power: float, times: float = 1.0) -> tuple[Callable[..., Any], ...]:
    """x^3 with a right backward that takes ``times * n**power``, forward n."""

    def forward(x: Array) -> Array:
        work.done += x.size
        return x**3

    def backward(dz: Array, x: Array) -> Array:
        work.done += times * x.size**power
        return 3 * x**2 * dz

    return forward, backward


def checked(*target: Any, settings: Settings = ASKED, **options: Any) -> OpResult:
    return run_one(make(target, {}, options), settings)


def said(result: OpResult) -> list[str]:
    return [f.message for f in result.findings if f.check == "cost"]


# --- time --------------------------------------------------------------------------------------
def test_backward_that_takes_n_squared_is_warned_of_and_passes(work):
    result = checked(*cubed(work, power=2), "x[n]")
    assert result.verdict == "pass"
    (found,) = result.cost
    assert found.along == "n"
    assert found.elements == (768, 3072)
    assert found.steep == ("time",)
    # the pair's vjp runs forward once more: n + n^2 beside n
    assert found.time_ratios == (769.0, 3073.0)
    (message,) = said(result)
    assert "from 768 to 3,072 entries along n" in message
    assert "the time grows 16-fold, that of forward alone 4-fold" in message
    (warning,) = (f for f in result.findings if f.check == "cost")
    assert (warning.code, warning.severity) == ("costly-backward", "warning")
    assert checked(*cubed(work, 2), "x[n]", settings=Settings(max_cases=10)).verdict == "pass"


@pytest.mark.parametrize(
    ("power", "times"),
    [(1, 3), (1, 1000), (1.2, 1), (2, 1e-3)],
    ids=["three times forward", "slow but linear", "n log n or so", "quadratic but cheap here"],
)
def test_backward_that_takes_about_as_long_is_not_warned_of(work, power, times):
    result = checked(*cubed(work, power, times), "x[n]")
    assert result.cost
    assert result.cost[0].time_ratios[-1] > 1
    assert not said(result)


def test_a_forward_that_costs_nothing_does_not_make_a_linear_backward_steep():
    """A view or a lookup takes as long at any size; each entry of the gradient must be written."""
    flat = Cost(
        along="n", elements=(768, 3072), forward_seconds=(1e-6, 1e-6), both_seconds=(1e-4, 4e-4),
        forward_bytes=(800, 800), both_bytes=(7000, 28000),
    )  # fmt: skip
    assert cost.judged(flat).steep == ()
    assert flat.time_ratios == pytest.approx((100, 400))


def test_strict_leaves_the_verdict_alone(work):
    settings = Settings(max_cases=10, cost=True, strict=True)
    result = checked(*cubed(work, power=2), "x[n]", settings=settings)
    assert (result.verdict, len(said(result))) == ("pass", 1)


# --- memory ------------------------------------------------------------------------------------
def test_a_jacobian_held_as_a_whole_is_warned_of(work):
    def backward(dz: Array, x: Array) -> Array:
        return np.diag(np.cos(x)) @ dz

    (found,) = checked(sine, backward, "x[n]").cost
    assert found.steep == ("memory",)
    assert found.both_bytes[1] >= 8 * 3072**2
    assert found.forward_bytes[1] < 8 * 3072 * 2
    assert "to 76 MB, that of forward alone" in cost.warning(found).message
    (found,) = checked(sine, sine_backward, "x[n]").cost
    assert found.steep == ()
    assert found.both_bytes[1] < 8 * 3072 * 8


def test_a_jacobian_a_row_is_found_along_its_own_dimension(work):
    def softmax(x: Array) -> Array:
        e = np.exp(x - x.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def by_jacobians(dz: Array, x: Array) -> Array:
        y = softmax(x)
        jacobians = y[:, :, None] * (np.eye(x.shape[1]) - y[:, None, :])
        return np.einsum("nj,njk->nk", dz, jacobians)

    def by_formula(dz: Array, x: Array) -> Array:
        y = softmax(x)
        return y * (dz - (dz * y).sum(axis=1, keepdims=True))

    def steep(backward: Callable[..., Any]) -> dict[str, tuple[str, ...]]:
        return {c.along: c.steep for c in checked(softmax, backward, "x[n d]").cost}

    assert steep(by_jacobians) == {"n": (), "d": ("memory",)}
    assert steep(by_formula) == {"n": (), "d": ()}


def test_the_reference_ops_are_not_warned_of_for_memory(work):
    for op in targets.load("reference_ops"):
        result = run_one(op, Settings(max_cases=1, cost=True))
        assert result.cost, op.name
        assert not any(c.steep for c in result.cost), op.name


# --- sizes that cannot be measured ---------------------------------------------------------------
def test_a_size_that_forward_refuses_is_said(work):
    def small_only(x: Array) -> Array:
        if x.size > 1000:
            raise ValueError("too long for me")
        return np.sin(x)

    result = checked(small_only, sine_backward, "x[n]")
    (found,) = result.cost
    assert result.verdict == "pass"
    assert found.elements == (768,)
    assert found.note == "at shapes (3072,): forward raised ValueError: too long for me"
    assert not said(result)


def test_fixed_sizes_are_measured_as_they_are(work):
    (found,) = checked(relu, lambda dz, x: dz * (x > 0), "x[3]").cost
    assert (found.along, found.elements, found.note) == ("", (3,), "sizes are fixed")


def test_every_dimension_is_made_longer_by_itself():
    def product(x: Array, w: Array) -> Array:
        return x @ w

    def backward(dz: Array, x: Array, w: Array) -> tuple[Array, Array]:
        return dz @ w.T, x.T @ dz

    costs = checked(product, backward, "x[n d], w[d k]").cost
    assert [c.along for c in costs] == ["n", "d", "k"]
    assert all(c.elements[0] >= 512 for c in costs)
    assert all(c.elements[1] == 4 * c.elements[0] for c in costs)


def test_what_takes_too_long_is_given_up():
    def endless(x: Array) -> Array:
        while x.size > 1000:
            pass
        return np.sin(x)

    settings = Settings(max_cases=10, cost=True, time_limit=0.5)
    (found,) = checked(endless, sine_backward, "x[n]", settings=settings).cost
    assert (found.elements, found.note) == ((768,), "out of time (0.5 s)")


def test_inputs_are_intact_at_each_call():
    """Ops that write into what they are given get copies, as in the checks."""

    def forward(x: Array) -> Array:
        assert np.abs(x).max() < 3
        x *= 10
        return x * 2

    def backward(dz: Array, x: Array) -> Array:
        assert np.abs(dz).max() < 3
        dz *= 20
        return dz

    (found,) = checked(forward, backward, "x[n]", overwrites=("x", "cotangent")).cost
    assert len(found.elements) == 2
    assert not found.note


# --- the run -------------------------------------------------------------------------------------
def test_costs_are_measured_only_where_asked_for_and_change_nothing_else():
    plain, asked = (
        checked(sine, sine_backward, "x[n]", settings=Settings(max_cases=10, cost=c))
        for c in (False, True)
    )
    assert plain.cost == []
    assert asked.cost
    assert (asked.verdict, asked.findings) == (plain.verdict, plain.findings)
    assert asked.forward_calls == plain.forward_calls
    assert asked.backward_calls == plain.backward_calls


def test_the_command_shows_a_table_and_keeps_the_numbers(project, work):
    project.write("gates.py")
    ran = project.run("run", "gates.py::right", "--max-cases", "10", "--cost")
    assert ran.code == 0
    assert re.search(r"gates::right +n +768 → 3,072 +\S+ → \S+ +\S+ kB +\S+ kB", ran.out)
    (result,) = project.results()["results"]
    assert result["cost"][0]["elements"] == [768, 3072]
    assert "cost" not in project.results()["settings"]
    ran = project.run("run", "gates.py::right", "--max-cases", "10")
    assert "entries" not in ran.out
    assert project.results()["results"][0]["cost"] == []


def test_a_warning_is_shown_in_words(project, work):
    project.write(
        "dear.py",
        "import numpy as np\nimport gradcheck\n"
        "dear = gradcheck.op(lambda x: np.sin(x), lambda dz, x: np.diag(np.cos(x)) @ dz, 'x[n]')\n",
    )
    ran = project.run("run", "dear.py", "--max-cases", "10", "--cost")
    assert ran.code == 0
    assert "memory: grows faster than forward's" in ran.out
    ran = project.run("run", "dear.py", "--max-cases", "10", "--cost", "-v")
    assert re.search(r"(?m)^dear: cost: backward grows faster than forward +WARNING$", ran.out)
    assert "look for a Jacobian that is" in " ".join(ran.out.split())


# --- the benchmark -------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def page() -> dict[str, list[list[str]]]:
    """The benchmark's sections with the rows of their tables, the head first."""
    text = backprop_cost.page(backprop_cost.QUICK)
    sections = {}
    for section in text.split("\n## ")[1:]:
        lines = [line for line in section.splitlines() if line.startswith("| ")]
        sections[section.splitlines()[0]] = [line.strip("| ").split(" | ") for line in lines]
    return sections


def test_fprop_and_bprop_visit_each_node_once(page):
    head, *rows = page["Fprop and bprop"]
    assert head == ["width", "layers", "nodes", "forward calls", "pullback calls", "bprop / fprop"]
    assert len(rows) == 2
    for _, layers, nodes, forwards, pullbacks, ratio in rows:
        assert int(nodes) == int(forwards) == int(pullbacks) == 2 * int(layers) + 1
        assert float(ratio) > 0


def test_one_gradient_at_a_time_visits_nodes_again_and_again(page):
    head, *rows = page["All gradients at once"]
    assert head[3:7] == ["way", "forward calls", "pullback calls", "time"]
    assert len(rows) == 6
    for once, alone, numeric in zip(rows[::3], rows[1::3], rows[2::3], strict=True):
        layers, parameters = int(once[0]), int(once[2])
        nodes = 2 * layers + 1
        assert [once[3], alone[3], numeric[3]] == [
            "all at once", "one array at a time", "numeric gradient",
        ]  # fmt: skip
        assert (int(once[4]), int(once[5])) == (nodes, nodes)
        # W and b of layer l each: through the nodes of layers l to L and the sum
        again = 2 * sum(2 * (layers - layer) + 1 for layer in range(layers))
        assert (int(alone[4]), int(alone[5])) == (nodes, again)
        assert (int(numeric[4]), int(numeric[5])) == (2 * parameters * nodes, 0)
        assert alone[7] == "0"
        assert float(numeric[7]) < 1e-6


def test_a_pass_that_visits_nodes_twice_would_be_counted():
    """The counts can be wrong: two backward passes count double."""
    calls: Counter[str] = Counter()
    tape = backprop_cost.network(3, calls).run(backprop_cost.values_of(3, 4))
    backprop_cost.at_once(tape)
    backprop_cost.at_once(tape)
    assert (calls["forward"], calls["pullback"]) == (7, 14)


def test_loops_and_products_give_the_same_numbers(page):
    head, *rows = page["Products instead of loops"]
    assert head == ["what", "loop of 500", "one product", "ratio", "difference"]
    assert len(rows) == 3
    assert all(float(row[4]) < 1e-12 for row in rows)


def test_the_command_of_the_benchmark(monkeypatch, capsys, tmp_path):
    written = tmp_path / "page.md"
    monkeypatch.setattr("sys.argv", ["backprop_cost.py", "--quick", "--output", str(written)])
    backprop_cost.main()
    assert written.read_text() in capsys.readouterr().out
    assert "# What backprop costs" in written.read_text()
