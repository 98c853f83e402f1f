"""Planted mistakes are caught, weak inputs are found out, and no score is given without proof."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import pytest

from gradcheck import targets
from gradcheck.mutants import KINDS, mutants_of
from gradcheck.registry import make
from gradcheck.scores import ONES, STRUCTURED, Score
from gradcheck.selftest import selftest_one
from gradcheck.settings import Settings

ROOT = Path(__file__).parent.parent
FAST = Settings(profile="fast")


@cache
def weak(name: str) -> Score:
    ops = targets.load(str(ROOT / "benchmarks" / "weak_ops.py"))
    settings = Settings(profile="ci" if name == "square_only" else "dev")  # valid= refuses most
    return selftest_one(next(op for op in ops if op.name == name), settings)


@cache
def reference(name: str) -> Score:
    ops = {op.name: op for op in targets.load("reference_ops")}
    return selftest_one(ops[name], Settings(profile="dev"))


def survivors(score: Score) -> dict[str, str]:
    """Survivors and the inputs that show them."""
    assert not score.reason, score.reason
    return {p.mutant: p.shown_with for p in score.survivors()}


def states(score: Score) -> dict[str, str]:
    return {p.mutant: p.state for p in score.planted}


# --- the kinds ------------------------------------------------------------------------------------
def test_there_are_many_kinds_and_both_traps_by_name():
    names = {k.name for k in KINDS}
    assert len(names) == len(KINDS) >= 40
    assert {ONES, STRUCTURED} <= {k.trap for k in KINDS}
    assert all(k.imitates and k.needs for k in KINDS)


def test_every_kind_is_planted_somewhere_and_killed_there():
    killed = set()
    for name in ("multiply", "matvec", "softmax", "embedding", "sum", "MultiplyGate", "maximum"):
        killed |= {p.kind for p in reference(name).planted if p.state == "killed"}
    for score in (weak("labels_sum_to_one"), weak("symmetric_matrix"), _two_outputs()):
        killed |= {p.kind for p in score.planted if p.state == "killed"}
    assert killed == {k.name for k in KINDS}


@cache
def _two_outputs() -> Score:
    def forward(x, y):
        return x * y, x + y

    def backward(cotangents, x, y):
        c, d = cotangents
        return c * y + d, c * x + d

    return selftest_one(make((forward, backward, "x[n k], y[n k]"), {}, {}), FAST)


def test_a_fused_value_and_gradient_has_no_upstream_to_break():
    def loss(w):
        return (w**3).sum(), 3 * w**2

    score = selftest_one(make((loss, np.array([0.5, -1.5, 2.0])), {}, {}), FAST)
    assert not score.reason
    assert score.killed > 20
    assert not any("upstream" in p.kind or "cotangent" in p.kind for p in score.planted)


def test_a_layer_with_parameters_is_broken_in_its_parameters_too():
    class Linear:
        def __init__(self):
            self.W = np.array([[0.5, -1.0], [1.5, 0.25], [-0.75, 2.0]])
            self.dW = np.zeros_like(self.W)

        def forward(self, x):
            self.x = x
            return x @ self.W

        def backward(self, dout):
            self.dW += self.x.T @ dout
            return dout @ self.W.T

    x = np.array([[1.0, 0.5, -2.0], [0.75, -1.25, 1.5]])
    score = selftest_one(make((Linear(), x), {}, {}), FAST)
    assert not score.reason
    assert "sign flipped, gradient of W" in states(score)
    assert states(score)["cache shared by all instances"] == "killed"


# --- the reference ops ----------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["matvec", "softmax", "embedding", "mean"])
def test_no_planted_mistake_survives_in_a_reference_op(name):
    score = reference(name)
    assert score.killed > 30
    assert survivors(score) == {}


def test_the_checks_share_the_work():
    found = reference("MultiplyGate").by_check() + reference("matvec").by_check()
    assert {"contract", "values", "purity", "layout"} <= set(found)


# --- equivalent mutants ---------------------------------------------------------------------------
def test_a_mistake_that_changes_nothing_is_equivalent_with_a_reason():
    planted = {p.mutant: p for p in reference("softmax_cross_entropy").planted}
    centred = planted["mean subtracted along axis -1, gradient of logits"]
    assert centred.state == "equivalent"  # each row of its gradient sums to zero
    assert "the same as the right backward in all" in centred.reason
    planted = {p.mutant: p for p in reference("sum").planted}
    assert planted["saved x 1 % off"].state == "equivalent"  # a sum saves nothing


def test_a_mistake_that_cannot_be_made_is_equivalent():
    planted = {p.mutant: p for p in reference("MultiplyGate").planted}
    assert planted["transposed, gradient of x"].state == "equivalent"
    assert planted["transposed, gradient of x"].reason == (
        "nothing to break: no case has a square gradient"
    )


def test_between_the_slopes_of_a_kink_a_mutant_is_a_convention():
    def relu(x):
        return np.maximum(x, 0)

    half = make((relu, lambda dz, x: dz * ((x > 0) + 0.5 * (x == 0)), "x[n]"), {}, {})
    planted = {p.mutant: p for p in selftest_one(half, FAST).planted}
    for special in ("doubled at zeros", "zero at zeros"):
        assert planted[f"{special}, gradient of x"].state == "equivalent"
        assert "a convention" in planted[f"{special}, gradient of x"].reason
    assert planted["NaN at zeros, gradient of x"].state == "killed"


# --- weak inputs ----------------------------------------------------------------------------------
WEAK = {
    "square_only": ("n of the wrong axis, gradient of A", "valid="),
    "gamma_is_one": ("saved gamma taken as 1", "strategy"),
    "one_axis": ("axis ignored", "other values of axis"),
    "one_hot_labels": ("saved y taken as one-hot", "real values of y"),
    "labels_sum_to_one": ("saved y taken to sum to one", "real values of y"),
    "no_word_twice": ("overwritten where words repeats", "strategy"),
    "symmetric_matrix": ("saved A transposed", "real values of A"),
    "constant_inputs": ("saved x taken as its mean", "strategy"),
    "batch_of_one": ("upstream of row 0 for all rows", "fixes or ties"),
    "positive_only": ("saved x without its sign", "real values of x"),
    "never_tied": ("doubled at ties, gradient of x", "strategy"),
    "values_alone": ("workspace returned", "checks other than values"),
}


@pytest.mark.parametrize("name", WEAK)
def test_weak_inputs_are_found_out_and_it_is_said_what_they_need(name):
    mutant, words = WEAK[name]
    assert not weak(name).reason, weak(name).reason
    found = {p.mutant: p for p in weak(name).survivors()}
    assert mutant in found, sorted(found)
    from gradcheck.reporters.scores import where

    assert words in where(found[mutant])
    assert found[mutant].needs
    assert found[mutant].recipe


def test_most_mistakes_are_seen_with_weak_inputs_too():
    score = weak("square_only")
    assert score.survived <= 3
    assert score.killed > 40


def test_an_upstream_of_ones_is_found_out(monkeypatch):
    from gradcheck import trial

    def ones(recipe, outputs):
        return tuple(np.ones_like(o) for o in outputs)

    monkeypatch.setattr(trial, "make", ones)
    op = make((lambda x: x * x, lambda dz, x: 2 * x * dz, "x[n k]"), {}, {})
    values_alone = Settings(profile="fast", checks=("values",))
    killed = {p.mutant: p.state for p in selftest_one(op, values_alone).planted if p.trap == ONES}
    assert killed
    assert killed["upstream dropped"] != "killed"
    assert killed["upstream permuted along axis 0"] != "killed"


def test_what_differs_and_no_check_sees_is_gradchecks_own_weakness(monkeypatch):
    from gradcheck.checks import order, purity
    from gradcheck.checks.facts import Outcome
    from gradcheck.reporters.scores import survivors as text

    monkeypatch.setitem(order.IN_ORDER, purity.NAME, lambda facts: Outcome())
    op = make((np.sin, lambda dz, x: dz * np.cos(x), "x[n]"), {}, {})
    score = selftest_one(op, FAST)
    assert {"workspace returned", "cotangent overwritten"} <= set(survivors(score))
    assert all(p.unseen for p in score.survivors())
    assert "the run's own cases, though no check sees it" in text(score)


# --- no score without proof -----------------------------------------------------------------------
def test_a_wrong_op_gets_no_score():
    wrong = make((np.sin, lambda dz, x: dz * x, "x[n]"), {}, {})
    score = selftest_one(wrong, FAST)
    assert score.reason.startswith("the unbroken op fails: gradient of x")
    assert score.planted == []


def test_where_a_forced_failure_passes_there_is_no_score():
    right = make((np.sin, lambda dz, x: dz * np.cos(x), "x[n]"), {}, {})
    score = selftest_one(right, msgspec.structs.replace(FAST, checks=("contract",)))
    assert score.reason.startswith("a forced failure")
    assert (score.killed, score.survived) == (0, 0)


def test_a_mutant_begins_anew_and_leaves_the_op_alone():
    op = make((np.sin, lambda dz, x: dz * np.cos(x), "x[n]"), {}, {})
    x, c = np.array([0.5, 1.5]), (np.array([1.0, -2.0]),)
    kept = next(m for m in mutants_of(op) if m.kind.name == "not cleared between calls")
    for _ in range(2):
        np.testing.assert_array_equal(kept.of(op).vjp(x)[1](c)[0], c[0] * np.cos(x))
    np.testing.assert_array_equal(op.vjp(x)[1](c), c[0] * np.cos(x))


# --- the command ----------------------------------------------------------------------------------
STRONG = """
import gradcheck

@gradcheck.register("x[n], y[n]", scope="forward")
class Times:
    def forward(self, x, y):
        if x.shape != y.shape:
            raise ValueError("one shape")
        self.x, self.y = x, y
        return x * y

    def backward(self, dz):
        return self.y * dz, self.x * dz
"""
WEAKER = STRONG.replace("x[n], y[n]", "x[n], y:positive[n]").replace('forward")', 'declared")')


def test_the_command_scores_and_exits_with_0(project):
    project.write("my_gates.py", STRONG)
    ran = project.run("selftest", "my_gates.py", "--json", "scores.json")
    assert ran.code == 0, ran.text
    score = json.loads((project.folder / "scores.json").read_text())
    own = score["scores"][0]
    assert f"{own['killed']} of {own['killed']}" in ran.out
    assert "caught by contract" in ran.out
    assert "mistakes that an upstream of ones hides: 9 of 9" in ran.out
    assert score["schema_version"] == 1
    assert {"mutant", "state", "check"} <= set(own["planted"][0])


def test_the_command_names_survivors_and_exits_with_1(project):
    project.write("my_gates.py", WEAKER)
    ran = project.run("selftest", "my_gates.py")
    assert ran.code == 1
    assert "SURVIVED" in ran.out
    assert "shown by real values of y, not only positive" in ran.out
    assert "saved y without its sign" in ran.out
    assert "needs y below zero" in ran.out


def test_verbose_lists_every_planted_mistake(project):
    project.write("my_gates.py", STRONG)
    ran = project.run("selftest", "my_gates.py", "-v")
    assert "Times: this gate catches" in ran.out
    assert "values, case 1" in ran.out
    assert "equivalent: " in ran.out


def test_a_wrong_gate_has_no_score_and_the_command_says_why(project):
    project.write("my_gates.py", STRONG.replace("self.x * dz", "self.y * dz"))
    ran = project.run("selftest", "my_gates.py", "-q")
    assert ran.code == 1
    assert "Times: no score: the unbroken op fails" in ran.out


def test_usual_exit_codes(project):
    project.write("nothing.py", "x = 1\n")
    assert project.run("selftest", "nothing.py").code == 5
    assert project.run("selftest", "no_such_file.py").code == 2
    assert project.run("selftest", "--max-cases", "0", "nothing.py").code == 2


def test_an_interrupt_keeps_the_scores_so_far():
    from gradcheck import policy
    from gradcheck.selftest import selftest

    def interrupted(x):
        raise KeyboardInterrupt

    ops = [make((f, lambda dz, x: dz * np.cos(x), "x[n]"), {}, {}) for f in (np.sin, interrupted)]
    scores = selftest(ops, Settings(max_cases=10))
    assert scores.interrupted
    assert len(scores.scores) == 1
    assert policy.decide_scores(scores) == 130


def test_scores_are_plain_data():
    score = reference("mean")
    assert msgspec.json.decode(msgspec.json.encode(score), type=Score) == score


def test_a_float32_kernel_is_broken_in_float32():
    """A case that the right op fails says nothing of any mistake: it would kill them all."""

    def forward(x):
        if x.dtype != np.float32:
            raise TypeError("float32 only")
        return x * x

    example = np.array([[1.5, 2.5], [-1.0, 0.5]], np.float32)
    score = selftest_one(make((forward, lambda dz, x: 2 * x * dz, example), {}, {}), FAST)
    assert score.killed
    assert not [p for p in score.planted if p.code == "forward-raised"]
