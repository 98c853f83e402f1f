"""What is said where PyTorch differentiates nothing, and what is no input by its place."""

from __future__ import annotations

import pytest

import gradcheck
from gradcheck.errors import UsageError
from gradcheck.repeating import random_forward

torch = pytest.importorskip("torch")

QUICK = {"max_cases": 12, "checks": "contract values"}


def result(*target, **options):
    try:
        return gradcheck.check(*target, **{**QUICK, **options})
    except gradcheck.GradientError as error:
        return error.result


def function(forward, backward):
    class Gate(torch.autograd.Function):
        pass

    Gate.forward, Gate.backward = staticmethod(forward), staticmethod(backward)
    return Gate


def test_a_random_forward_names_the_generators_of_its_framework():
    own = torch.Generator()
    (found,) = result(lambda x: x * torch.rand(x.shape, generator=own), torch.ones(3)).findings
    assert found.code == "random-forward"
    assert "generators of PyTorch and NumPy are pinned; a torch.Generator" in found.message
    import numpy as np

    rng = np.random.default_rng()
    op = gradcheck.op(lambda x: x * rng.random(x.shape), lambda dz, x: dz, "x[n]")
    assert "NumPy's global random state is pinned" in random_forward(op, "").message
    assert random_forward(op, "empty").code == "unwritten-memory"


def kept(ctx, x, index):
    ctx.index, ctx.mask, ctx.shape = index, x > 0, x.shape
    return x[index]


def kept_too(ctx, x, index):
    ctx.both = x, index
    return x[index]


def scattered(ctx, g):
    index = ctx.index if hasattr(ctx, "index") else ctx.both[1]
    shape = ctx.shape if hasattr(ctx, "shape") else ctx.both[0].shape
    return g.new_zeros(shape).index_add(0, index, g), None


@pytest.mark.parametrize(("forward", "severity"), [(kept, "note"), (kept_too, "warning")])
def test_integers_kept_by_attribute_are_noted_and_real_tensors_warned_of(forward, severity):
    gate = function(forward, scattered)
    index = torch.tensor([0, 3, 3])
    found = result(gate, torch.randn(5), index, checks="framework").findings
    assert [(f.code, f.severity) for f in found if f.code == "kept-by-attribute"] == [
        ("kept-by-attribute", severity)
    ]


class Scaled(torch.nn.Module):
    def __init__(self, factor=1.0):
        super().__init__()
        self.factor = factor

    def forward(self, *, x, eps=0.5, scale):
        given = scale if self.factor == 1 else scale.detach()
        return x * given + eps


def test_a_module_that_takes_keywords_alone():
    x, scale = torch.randn(3), torch.randn(3)
    found = result(Scaled(), scale=scale, x=x)
    assert found.verdict == "pass"
    assert "scale[n]: real" in found.assumptions
    wrong = result(Scaled(factor=0.0), x=x, scale=scale)
    assert {(f.code, f.input) for f in wrong.findings} == {("wrong-gradient", "scale")}
    with pytest.raises(UsageError, match=r"2 arguments for forward\(\*, x, eps, scale\)"):
        gradcheck.check(Scaled(), x, scale)
    with pytest.raises(UsageError, match="leaves out y of"):
        gradcheck.check(lambda x, y, *, w: x * y * w, x, w=scale)


def test_a_complex_tensor_that_is_given_by_name():
    z = torch.tensor([1 + 2j, -0.5j], dtype=torch.complex128)
    found = result(lambda x, eps=2.0, *, w: (x * w * eps).real, torch.randn(2).double(), w=z)
    assert found.verdict == "pass"
    assert any(c.startswith("w[") for c in found.assumptions)


def test_what_pytorch_gives_no_gradient_is_to_be_named():
    parts = torch.randn(4, 3), torch.tensor([0, 2, 1, 1]), torch.rand(3) + 0.5
    (found,) = result(torch.nn.functional.cross_entropy, *parts).findings
    assert found.message.endswith('say that it is not differentiated: nondiff="weight"')
    named = result(torch.nn.functional.cross_entropy, *parts, nondiff="weight")
    assert named.verdict == "pass"


@pytest.mark.parametrize("kind", [list, lambda both: dict(enumerate(both))])
def test_a_function_that_returns_no_tuple(kind):
    gate = function(lambda ctx, x: kind((2 * x, 3 * x)), lambda ctx, a, b: 2 * a + 3 * b)
    with pytest.raises(UsageError, match=r"returns a (list|dict): .* return a tuple of tensors"):
        gradcheck.check(gate, torch.randn(3))
    right = function(lambda ctx, x: (2 * x, 3 * x), lambda ctx, a, b: 2 * a + 3 * b)
    assert result(right, torch.randn(3)).verdict == "pass"


def test_another_framework_than_the_targets_own():
    pytest.importorskip("jax")
    gate = function(lambda ctx, x: 2 * x, lambda ctx, g: 2 * g)
    with pytest.raises(UsageError, match="framework='jax': the target is of torch"):
        gradcheck.check(gate, torch.randn(3), framework="jax")
    with pytest.raises(UsageError, match="framework='jax': the example's values are of torch"):
        gradcheck.check(lambda x: 2 * x, torch.randn(3), framework="jax")
    assert result(lambda x: 2 * x, torch.randn(3), framework="torch").verdict == "pass"
