"""Test-suites of a user of torch.autograd.gradcheck, for the tests of the shim."""

HEAD = """
import numpy as np
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck


def function(forward, backward):
    class Gate(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return forward(x)

        @staticmethod
        def backward(ctx, dy):
            (x,) = ctx.saved_tensors
            return backward(dy, x)

    return Gate


Right = function(lambda x: x**3, lambda dy, x: 3 * dy * x**2)
Wrong = function(lambda x: x**3, lambda dy, x: 2 * dy * x**2)
Tiny = function(lambda x: 1e-6 * x**2, lambda dy, x: -2e-6 * dy * x)


def point(dtype=torch.float64):
    return torch.tensor([0.5, 1.25, -2.0], dtype=dtype, requires_grad=True)
"""
PLANTED = (
    HEAD
    + """

def test_right():
    assert gradcheck(Right.apply, (point(),)) is True


def test_a_lambda_over_a_module_and_keywords():
    layer = torch.nn.Linear(3, 2).double()
    assert torch.autograd.gradcheck(
        lambda x, n: layer(x) * n, (point(), 2), eps=1e-5, atol=1e-4, rtol=1e-3,
        nondet_tol=1e-12, fast_mode=True, check_undefined_grad=False, masked=False,
    )


def test_wrong_and_expected():
    with pytest.raises(RuntimeError, match="Jacobian mismatch"):
        gradcheck(Wrong.apply, (point(),))
    assert gradcheck(Wrong.apply, point(), raise_exception=False) is False


def test_wrong():
    gradcheck(Wrong.apply, (point(),))


def test_hidden_by_atol():
    assert gradcheck(Tiny.apply, [point()])


def test_single_precision():
    gradcheck(Right.apply, (point(torch.float32),))


def test_second_order():
    assert gradgradcheck(Right.apply, (point(),))


def test_sparse():
    x = torch.eye(2, dtype=torch.float64).to_sparse().requires_grad_()
    assert gradcheck(lambda x: torch.sparse.sum(x), (x,), masked=True)


def test_no_gradient_wanted():
    with pytest.raises(ValueError, match="at least one"):
        gradcheck(Right.apply, (point().detach(),))


def test_the_function_raises():
    with pytest.raises(ZeroDivisionError):
        gradcheck(lambda x: x / (1 // 0), (point(),))
"""
)
OUTCOMES = {"passed": 8, "failed": 2}
EFFECTS = (
    HEAD
    + """
import json
import random
import warnings

CALLS = [0]
SEEN = []


def state(layer, x, extra):
    tensors = [*layer.state_dict().values(), x.detach(), extra.detach(), x.grad, extra.grad]
    tensors += [p.grad for p in layer.parameters()]
    flat = [None if t is None else t.double().reshape(-1).tolist() for t in tensors]
    drawn = [torch.rand(2).tolist(), float(np.random.rand()), random.random()]
    modes = [torch.is_grad_enabled(), str(torch.get_default_dtype()), x.requires_grad, x._version]
    return [flat, drawn, modes, np.geterr()]


def test_effects(capfd, recwarn):
    torch.manual_seed(1)
    np.random.seed(1)
    random.seed(1)
    layer = torch.nn.BatchNorm1d(2).double()
    x = torch.randn(4, 2, dtype=torch.float64, requires_grad=True)
    extra = torch.randn(2, dtype=torch.float64, requires_grad=True)
    (layer(x) * extra).sum().backward()

    def noisy(x):
        CALLS[0] += 1
        print("called")
        warnings.warn("called")
        return layer(x) * extra + 0 * torch.rand(()) + 0 * random.random() + 0 * np.random.rand()

    said = gradcheck(noisy, (x,), raise_exception=False)
    out = capfd.readouterr().out
    found = [said, CALLS[0], out.count("called"), len(recwarn), *state(layer, x, extra)]
    with open("effects.json", "w") as file:
        json.dump(found, file)
"""
)
