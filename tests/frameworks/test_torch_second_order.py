"""The gradient of the gradient of larger inputs: what is wrong is found, and at what cost."""

from __future__ import annotations

import pytest

import gradcheck

torch = pytest.importorskip("torch")

CALLS = [0]
AT_ONE_POINT = {"vary_sizes": False, "dtypes": "float64", "checks": "contract values framework"}


def cube(detached):
    """x**3, whose backward takes the slope as a constant where ``detached(n)`` says so."""

    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            CALLS[0] += 1
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            slope, constant = 3 * x * x, detached(x.numel())
            return g * torch.where(constant.reshape(x.shape), slope.detach(), slope)

    return Cube


def softmax():
    """Entries of a row hang together; backward takes the shares that forward made as constants."""

    class Softmax(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            CALLS[0] += 1
            shares = torch.softmax(x, -1)
            ctx.save_for_backward(shares, y)
            return shares @ y

        @staticmethod
        def backward(ctx, g):
            shares, y = ctx.saved_tensors
            d = g @ y.mT
            return shares * (d - (d * shares).sum(-1, keepdim=True)), shares.mT @ g

    return Softmax


def second_order(function, *example, **options):
    CALLS[0] = 0
    try:
        found = gradcheck.check(function, *example, **AT_ONE_POINT, **options)
    except gradcheck.GradientError as error:
        found = error.result
    return [f for f in found.findings if f.code == "second-order"]


@pytest.mark.parametrize("count", [7, 300])
def test_one_wrong_entry_is_found_and_named(count):
    def one(n):
        return torch.arange(n) == 5

    (found,) = second_order(cube(one), torch.randn(count))
    assert found.severity == "warning"
    assert "gradient of x, entry (5,): backward gives" in found.message
    (found,) = second_order(cube(one), torch.randn(count), order=2)
    assert found.severity == "fail"
    assert not second_order(cube(lambda n: torch.zeros(n, dtype=bool)), torch.randn(count))


def test_everything_wrong_costs_no_more_than_the_first_error():
    everywhere = cube(lambda n: torch.ones(n, dtype=bool))
    assert second_order(everywhere, torch.randn(300))
    assert CALLS[0] < 1000
    (found,) = second_order(softmax(), torch.randn(12, 16), torch.randn(16, 12))
    assert "gradient of x, entry" in found.message
    assert CALLS[0] < 1600  # 4,600 if every direction and input that is wrong were narrowed down
