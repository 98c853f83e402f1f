"""How a call of torch.autograd.gradcheck is read, judged, and what is put back after it."""

from __future__ import annotations

import functools
import random
import time

import msgspec
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gradcheck.torch_shim import judging  # noqa: E402
from gradcheck.torch_shim.call import NotTaken, name_of, points, read  # noqa: E402
from gradcheck.torch_shim.judging import judged  # noqa: E402
from gradcheck.torch_shim.keeping import kept, reached  # noqa: E402

CHECK, SECOND = torch.autograd.gradcheck, torch.autograd.gradgradcheck


def point(*values, dtype=torch.float64):
    return torch.tensor(values or (0.5, 1.25, -2.0), dtype=dtype, requires_grad=True)


def call(function, *inputs, order=1, **keywords):
    return read(CHECK if order == 1 else SECOND, order, (function, inputs), keywords)


def verdict(*arguments, cases=2, **keywords):
    return judged(call(*arguments, **keywords), cases, 20.0)


class Half(torch.autograd.Function):
    """Twice the gradient where only half is right, for the second argument."""

    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return x * w

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        return dy * w, 2 * dy * x


def test_only_what_requires_a_gradient_is_judged():
    assert verdict(Half.apply, point(), point().detach()).verdict == "pass"
    said = verdict(Half.apply, point().detach(), point())
    assert (said.verdict, said.check) == ("fail", "values")
    assert "gradient of w" in said.sentence


def test_constants_other_outputs_and_reserved_names():
    def several(order, dtypes, scale, *, plus=1.0):
        assert (scale, plus) == ("twice", 1.0)
        return order * dtypes, order.argmax(), (dtypes.detach() > 0), dtypes.sin()

    said = verdict(several, point(), point(0.1, 0.2, 0.3), "twice")
    assert said.verdict == "pass"
    assert "2 points" in said.sentence


def test_order_two_and_what_is_asked_of_it():
    def detached(x):
        return (x.detach() ** 2 * x).sum()

    assert verdict(lambda x: x**3, point(), order=2).verdict == "pass"
    assert verdict(detached, point(), order=2).verdict == "fail"


def test_complex_inputs():
    z = torch.tensor([1 + 2j, -0.5j], dtype=torch.complex128, requires_grad=True)
    assert verdict(lambda z: z * z.conj() + z**2, z).verdict == "pass"


def test_points_beyond_the_domain_are_left_out():
    found = list(points(call(torch.acos, point(0.99, -0.99, 1 - 1e-9)), 6))
    assert 1 <= len(found) < 6
    assert all(bool(torch.isfinite(p.function(*p.tensors)).all()) for p in found)
    with pytest.raises(ZeroDivisionError):
        list(points(call(lambda x: x / (1 // 0), point()), 2))


def test_points_that_a_function_refuses_are_left_out():
    own = point()

    def only_there(x):
        if not torch.equal(x.detach(), own.detach()):
            raise ValueError("not this one")
        return x**2

    assert len(list(points(call(only_there, own), 5))) == 1


@pytest.mark.parametrize(
    ("function", "inputs", "said"),
    [
        (torch.sin, (point().detach(),), "no input is a floating-point tensor"),
        (lambda x: x.detach(), (point(),), "no output requires a gradient"),
        (lambda x: x.to_sparse(), (point(),), "sparse outputs"),
    ],
)
def test_what_is_not_taken(function, inputs, said):
    with pytest.raises(NotTaken, match=said):
        list(points(call(function, *inputs), 2))
    assert verdict(function, *inputs).verdict == "not run"


def test_a_wrong_call_is_not_taken():
    with pytest.raises(NotTaken, match="epsilon"):
        call(torch.sin, point(), epsilon=1.0)


def test_a_larger_rtol_is_a_promise_of_fewer_digits():
    def nearly(x):
        return Nearly.apply(x)

    class Nearly(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return 3 * x

        @staticmethod
        def backward(ctx, dy):
            return 3.01 * dy

    assert call(nearly, point()).signif is None
    assert verdict(nearly, point()).verdict == "fail"
    assert verdict(nearly, point(), rtol=1e-2).verdict == "pass"


def test_where_every_entry_takes_too_long_directions_are_looked_at(monkeypatch):
    asked = []
    usual = judging._checked

    def told(call, point, number, effort):
        asked.append(effort[1])
        made = usual(call, point, number, (30.0, effort[1]))
        if len(asked) > 1:
            return made
        time.sleep(0.1)  # longer than half of the time that a call has at least
        return msgspec.structs.replace(made, verdict="inconclusive")

    monkeypatch.setattr(judging, "_checked", told)
    said = judged(call(torch.sin, point()), 1, 1e-5)
    assert asked[:2] == [None, judging.FEW]
    assert said.verdict == "pass"


def test_names():
    layer = torch.nn.Linear(2, 2)
    named = [Half.apply, layer, layer.forward, functools.partial(torch.sin), test_names]
    assert [name_of(f) for f in named] == ["Half", "Linear", "forward", "sin", "test_names"]


def test_what_is_changed_is_put_back():
    layer = torch.nn.BatchNorm1d(3).double()
    inside, beside = point(), point()
    beside.grad = torch.ones(3, dtype=torch.float64)
    holder = {"deep": [(beside,)]}

    def function(x):
        return layer(x) * inside + holder["deep"][0][0]

    tensors = [*layer.state_dict().values(), inside, beside, beside.grad]
    before = [t.detach().clone() for t in tensors]
    drawn = [s() for s in (torch.get_rng_state, random.getstate)]
    with kept((function,)):
        function(torch.randn(4, 3, dtype=torch.float64)).sum().backward()
        with torch.no_grad():
            inside += 1
        random.random()
        np.random.rand()
    assert all(torch.equal(a, b) for a, b in zip(before, tensors, strict=True))
    assert (inside.grad, layer.weight.grad) == (None, None)
    assert torch.equal(torch.get_rng_state(), drawn[0])
    assert random.getstate() == drawn[1]


def test_tensors_in_reach_are_found_once_and_loops_end():
    tensor, loop = point(), []
    loop.append(loop)
    function = functools.partial(lambda a, b: a, tensor, b=loop)
    assert [id(t) for t in reached((function, tensor, loop))] == [id(tensor)]
