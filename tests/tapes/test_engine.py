"""The engine's own checks: right engines pass, each planted mistake is told in a true sentence."""

from __future__ import annotations

import numpy as np
import pytest

import gradcheck
from gradcheck.codes import CODES
from gradcheck.runner import run_one
from gradcheck.settings import Settings
from gradcheck.tapes.conformance import PROBES
from tests.tapes.engines import Tensor, Value, constant, of_arrays, of_numbers

BRIEF = Settings(max_cases=10)


def found(op):
    return {f.code: f for f in run_one(op, BRIEF).findings if f.severity == "fail"}


def test_every_check_is_a_code_with_an_example():
    assert {p.code for p in PROBES} <= set(CODES)


@pytest.mark.parametrize(
    "lib",
    [
        of_arrays(constant=constant),
        of_arrays(),
        of_numbers(constant=lambda a: Value(a, wants=False)),
        of_numbers(),
    ],
    ids=["arrays", "arrays without constants", "numbers", "numbers without constants"],
)
def test_a_right_engine_passes_and_its_habits_are_noted(lib):
    op = lib.engine()
    result = run_one(op, BRIEF)
    assert (result.verdict, result.findings) == ("pass", [])
    noted = " ".join(op.assumptions)
    assert "a second backward of the same output adds to the gradient" in noted
    assert "backward of a second graph adds to the gradient of a leaf" in noted


def test_what_is_not_looked_at_is_said():
    noted = " ".join(of_numbers().engine().assumptions)
    assert "not looked at: a leaf that needs no gradient (give constant=), broadcasting" in noted
    assert "not looked at" not in " ".join(of_arrays(constant=constant).engine().assumptions)


class Cleared(Tensor):
    """Forgets what was in gradients before, as MyGrad does."""

    def walk(self, upstream):
        for node in self.order():
            node.grad = None
        super().walk(upstream)


class Once(Tensor):
    """Refuses a second backward."""

    def walk(self, upstream):
        if self.grad is not None:
            raise RuntimeError("the tape was freed")
        super().walk(upstream)


class Spoils(Tensor):
    """Refuses a second backward after it has begun."""

    def walk(self, upstream):
        again = self.grad is not None
        super().walk(upstream)
        if again:
            raise RuntimeError("the tape was freed")


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Cleared, "a second backward of the same output changes nothing"),
        (Cleared, "a second graph replaces the gradient of a leaf"),
        (Once, "a second backward of the same output is refused (RuntimeError: the tape was freed"),
    ],
)
def test_other_habits_are_right_too_and_said(kind, said):
    op = of_arrays(kind).engine()
    assert found(op) == {}
    assert said in " ".join(op.assumptions)


class Replaces(Value):
    def take(self, g):
        self.grad = g


class Eager(Value):
    """Goes on at once, with what has gathered so far."""

    def walk(self, upstream):
        self.take(upstream)
        waiting = [self]
        while waiting:
            node = waiting.pop()
            for parent, local in node.parents:
                parent.take(local(node.grad))
                waiting.append(parent)


class Levels(Value):
    """Level by level."""

    def order(self):
        found, seen = [self], {id(self)}
        for node in found:
            for parent, _ in node.parents:
                if id(parent) not in seen:
                    seen.add(id(parent))
                    found.append(parent)
        return found


class Paths(Value):
    """Every path by itself."""

    def walk(self, upstream):
        waiting = [(self, upstream)]
        while waiting:
            node, g = waiting.pop()
            node.take(g)
            waiting += [(parent, local(g)) for parent, local in node.parents]


class Keeps(Value):
    """As micrograd does: nodes between keep their gradients."""

    def walk(self, upstream):
        self.grad = upstream
        for node in self.order():
            for parent, local in node.parents:
                parent.take(local(node.grad))


class Later(Tensor):
    """Adds in place to gradients that were there before."""

    before = frozenset()

    def walk(self, upstream):
        Later.before = {id(node) for node in self.order() if node.grad is not None}
        super().walk(upstream)

    def fit(self, g):
        return g if g.shape == self.data.shape else super().fit(g)

    def take(self, g):
        if id(self) in Later.before and self.grad is not None:
            self.grad += self.fit(g)
        else:
            super().take(g)


class Shares(Tensor):
    """Adds in place to what others hold, too."""

    def fit(self, g):
        return g if g.shape == self.data.shape else super().fit(g)

    def take(self, g):
        g = self.fit(g)
        if self.grad is None:
            self.grad = g
        else:
            self.grad += g


class Climbs(Value):
    """A Python call for each node."""

    def order(self):
        found, seen = [], set()

        def visit(node):
            if id(node) not in seen:
                seen.add(id(node))
                for parent, _ in node.parents:
                    visit(parent)
                found.append(node)

        visit(self)
        return found[::-1]


class Attached(Value):
    def detach(self):
        return self


class Kept(Tensor):
    def fit(self, g):
        return g


class Steps(Tensor):
    """A step of training inside of backward."""

    def walk(self, upstream):
        super().walk(upstream)
        for node in self.order():
            node.data = node.data - 0.5 * node.grad


class Scales(Tensor):
    """Works on the upstream gradient."""

    def walk(self, upstream):
        super().walk(upstream.copy())
        upstream *= 2


@pytest.mark.parametrize(
    ("lib", "code", "said"),
    [
        (of_numbers(Replaces), "same-leaf", "y = x * x: the gradient of x is 2 instead of 4"),
        (
            of_numbers(Eager),
            "diamond",
            "y = h * u + h * v: the gradient of x is -17.5 instead of -7.5",
        ),
        (of_numbers(Levels), "unequal-depths", "instead of -37.5; backward of h runs after all"),
        (of_numbers(Paths), "many-uses", "it follows every path from the output"),
        (of_numbers(Keeps), "twice", "the gradient of x is 10 instead of 5 (or 2.5, or an error)"),
        (of_arrays(Spoils), "twice", "a second backward is refused (RuntimeError: the tape"),
        (of_arrays(Shares), "prefilled", "h = x + w, y = h + w: the gradient of x is 2 instead"),
        (of_numbers(Climbs), "deep", "a chain of 10,000 nodes raises RecursionError; it goes down"),
        (of_numbers(Attached), "detached", "the gradient of x is 12 instead of 4; no gradient"),
        (of_arrays(constant=Tensor), "constant", "k needs no gradient, and gets one"),
        (of_arrays(Kept), "broadcast", "the gradient of w has shape (2, 3) instead of (3,)"),
        (of_arrays(Steps), "value-changed", "backward changes x: -0.5 instead of 2"),
        (of_arrays(Scales), "value-changed", "backward changes the upstream gradient: 2 instead"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
def test_a_broken_engine_fails_with_a_true_sentence(lib, code, said):
    findings = found(lib.engine())
    assert set(findings) <= {f"engine-{code}", "overwrites-cotangent", "overwritten"}
    assert said in findings[f"engine-{code}"].message


def test_the_length_that_a_recursive_engine_stands_is_named():
    message = found(of_numbers(Climbs).engine())["engine-deep"].message
    assert message.endswith("300 nodes are fine")
    assert found(of_numbers(Climbs).engine(nodes=200)) == {}


def test_a_second_graph_that_spoils_another_leaf_is_found():
    message = found(of_arrays(Later).engine())["engine-prefilled"].message
    assert (
        "y = x + w, then y = x * v of the same x: the gradient of w is -1 instead of 1" in message
    )


def test_an_engine_that_lacks_an_operator_is_not_failed_for_it():
    class Lacks(Value):
        __add__ = None

    result = run_one(of_numbers(Lacks).engine(), BRIEF)
    assert result.verdict == "pass"
    assert {f.code for f in result.findings} == {"engine-not-checked"}


def test_a_functional_engine_is_checked_as_far_as_it_goes():
    def vjp(function, *arrays, factor=1.0):
        leaves = [Tensor(a) for a in arrays]
        output = function(*leaves)

        def pullback(cotangent):
            for leaf in leaves:
                leaf.grad = None
            output.backward(cotangent)
            return [leaf.grad * factor for leaf in leaves]

        return output, pullback

    def value(tensor):
        return tensor.data if isinstance(tensor, Tensor) else np.asarray(tensor)

    op = gradcheck.tape(vjp=vjp, value=value).engine()
    assert found(op) == {}
    assert "vjp= keeps none" in " ".join(op.assumptions)
    wrong = gradcheck.tape(vjp=lambda f, *xs: vjp(f, *xs, factor=1.5), value=value).engine()
    assert "wrong-gradient" in found(wrong)
