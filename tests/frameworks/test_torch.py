"""PyTorch's Functions, modules and functions: the right ones pass, the wrong ones are found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradcheck
from gradcheck import GradientError
from gradcheck.errors import UsageError
from gradcheck.foreign import Unavailable
from gradcheck.results import OpResult

torch = pytest.importorskip("torch")
pytest.importorskip("ml_dtypes")

from tests.bugs import BUGS  # noqa: E402
from tests.frameworks.right_torch import (  # noqa: E402
    RIGHT,
    Add,
    Embedding,
    Exp,
    LayerNorm,
    Linear,
    SinCos,
    randn,
)
from tests.frameworks.wrong_torch import WRONG, Detached, Square  # noqa: E402


def checked(*target: Any, **options: Any) -> OpResult:
    try:
        return gradcheck.check(*target, **{"max_cases": 14, **options})
    except GradientError as error:
        return error.result


def codes(result: OpResult) -> set[str]:
    return {f.code for f in result.findings}


# -- right and wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", RIGHT)
def test_right_code_passes_and_nothing_is_said_against_it(name: str) -> None:
    result = checked(*RIGHT[name])
    assert result.verdict == "pass"
    assert [f for f in result.findings if f.severity != "note"] == []


@pytest.mark.parametrize("name", WRONG)
def test_wrong_code_is_found(name: str) -> None:
    target, code, severity = WRONG[name]
    result = checked(*target)
    assert (code, severity) in {(f.code, f.severity) for f in result.findings}
    if severity == "fail":
        assert result.verdict == "fail"


def test_what_the_wrong_ones_are_changes_of_passes() -> None:
    result = checked(Square, randn(3, 4))
    assert (result.verdict, result.findings) == ("pass", [])


BY_HAND = [
    b
    for b in BUGS
    if not b.example("plain").attributes and b.reset is None and b.kind != "broadcasting"
][:8]
"""What is not summed to the shape of its input: PyTorch does that, and is right then."""


def as_function(bug: Any, backward: Any) -> Any:
    """A NumPy gate of the corpus as an autograd.Function."""

    class Wrapped(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *inputs: Any) -> Any:
            ctx.save_for_backward(*inputs)
            return torch.from_numpy(np.asarray(bug.forward(*(i.numpy() for i in inputs))))

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx: Any, g: Any) -> Any:
            given = backward(g.numpy(), *(i.numpy().copy() for i in ctx.saved_tensors))
            given = given if isinstance(given, tuple) else (given,)
            return tuple(None if d is None else torch.from_numpy(np.array(d)) for d in given)

    return Wrapped


@pytest.mark.parametrize("bug", BY_HAND, ids=lambda b: b.name)
def test_bugs_that_were_shipped_are_found_in_a_function(bug: Any) -> None:
    example = [torch.from_numpy(np.array(p)) for p in bug.example("plain").primals]
    options = {"dtypes": "float64", "scope": "forward"}
    assert checked(as_function(bug, bug.wrong), *example, **options).verdict == "fail"
    right = checked(as_function(bug, bug.right), *example, **options)
    assert [f.message for f in right.findings if f.severity == "fail"] == []
    assert right.verdict == "pass", right.reason


# -- what is said ---------------------------------------------------------------------------------


def test_the_report_names_the_framework_and_the_line_of_backward() -> None:
    result = checked(WRONG["a factor"][0][0], randn(3))
    source = Path(result.source.file).read_text().splitlines()
    assert "def backward" in "".join(source[result.source.line - 1 : result.source.line + 1])
    assert any(a.startswith(f"PyTorch {torch.__version__}") for a in result.assumptions)


def test_a_version_that_was_never_tried_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from gradcheck.frameworks.torch import door

    monkeypatch.setattr(door, "VERSION", "7.0.1")
    result = checked(Exp, randn(3))
    assert any("7.0.1 (not tried; 2.13 was)" in a for a in result.assumptions)


def test_a_traceback_has_the_users_lines_and_not_pytorchs() -> None:
    class Raises(Exp):
        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g @ torch.zeros(7, 9, dtype=g.dtype)

    (found,) = checked(Raises, randn(3, 4)).findings
    assert found.code == "backward-raised"
    assert "torch.zeros(7, 9" in found.traceback
    assert "site-packages/torch" not in found.traceback


def test_the_second_order_is_a_fail_where_it_is_demanded() -> None:
    result = checked(Detached, randn(3), order=2)
    assert [(f.code, f.severity) for f in result.findings] == [("second-order", "fail")]
    assert checked(Square, randn(3), order=2).verdict == "pass"
    once = checked(LayerNorm, randn(3, 4), randn(4), randn(4), order=2)
    assert ("second-order", "fail") in {(f.code, f.severity) for f in once.findings}


# -- descriptions ---------------------------------------------------------------------------------


def test_a_signature_with_attributes_dtypes_and_a_reference() -> None:
    def eager(x: Any, w: Any, b: Any, eps: float) -> Any:
        assert isinstance(x, torch.Tensor)
        return torch.nn.functional.layer_norm(x, x.shape[-1:], w, b, eps)

    op = gradcheck.op(
        LayerNorm,
        "x[n d], w[d], b[d], eps=1e-6|0.01",
        reference=eager,
        dtypes="float32 bfloat16",
        name="norm",
    )
    result = checked(op)
    assert result.verdict == "pass", result.reason
    assert set(result.dtypes) == {"float32", "bfloat16"}

    other = gradcheck.op(
        LayerNorm, "x[n d], w[d], b[d], eps=1e-6|0.01", reference=lambda x, w, b, eps: x * w + b
    )
    assert "reference" in {f.check for f in checked(other, max_cases=10).findings}


def test_a_pair_of_plain_functions_of_tensors() -> None:
    def forward(x: Any, w: Any) -> Any:
        assert isinstance(x, torch.Tensor)
        return x @ w

    def backward(g: Any, x: Any, w: Any) -> Any:
        return g @ w.T, x.T @ g

    def overwriting(g: Any, x: Any, w: Any) -> Any:
        g *= 2
        return g @ w.T / 2, x.T @ g / 2

    x, w = randn(3, 4), randn(4, 2)
    assert checked(forward, backward, x, w).verdict == "pass"
    assert checked(forward, lambda g, x, w: (g @ w.T, x.T @ g * 2), x, w).verdict == "fail"
    assert "overwritten" in codes(checked(forward, overwriting, x, w))


def test_a_function_described_by_a_signature_alone_names_its_framework() -> None:
    op = gradcheck.op(lambda x: x.tanh(), "x[n]", framework="torch", name="tanh")
    assert checked(op).verdict == "pass"


def test_a_keyword_tensor_is_a_constant() -> None:
    result = checked(lambda x, *, w: x * w, randn(3), w=randn(3))
    assert (result.verdict, result.findings) == ("pass", [])


def test_parameters_keep_their_shapes() -> None:
    """A kernel that is given fewer numbers reads what lies behind them."""
    op = gradcheck.op(torch.nn.Linear(3, 2), randn(5, 3))
    with pytest.raises(ValueError, match=r"weight has the shape \(2, 3\)"):
        op.forward(np.ones((5, 3)), np.ones((2, 1)), np.ones(2))


def test_register_takes_a_function_class() -> None:
    registered = gradcheck.register("x[n], y[n]")(Add)
    try:
        assert registered is Add
        assert checked(Add).verdict == "pass"
    finally:
        del Add.__gradcheck_op__


def test_parameters_of_a_module_are_inputs_by_name() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Tanh())
    before = [p.detach().clone() for p in module.parameters()]
    op = gradcheck.op(module, randn(5, 3))
    assert [i.name for i in op.inputs] == ["input", "layer0_weight", "layer0_bias"]
    assert checked(op).verdict == "pass"
    assert all(map(torch.equal, before, module.parameters()))


def test_running_means_are_left_as_they_were() -> None:
    module = torch.nn.BatchNorm1d(3)
    checked(module, randn(6, 3))
    assert torch.equal(module.running_mean, torch.zeros(3))
    assert int(module.num_batches_tracked) == 0


# -- native dtypes --------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_computed_natively(dtype: str) -> None:
    seen = set()

    class Seen(Square):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            seen.add(x.dtype)
            return Square.forward(ctx, x)

    result = checked(Seen, randn(3, 4).to(getattr(torch, dtype)))
    assert (result.verdict, result.findings) == ("pass", [])
    assert list(result.dtypes) == [dtype]
    assert getattr(torch, dtype) in seen


def test_tensors_share_the_memory_of_the_arrays() -> None:
    import ml_dtypes

    from gradcheck.frameworks.torch.arrays import array_of, tensor_of

    wide = np.arange(24.0).reshape(4, 6)
    half = wide.astype(ml_dtypes.bfloat16)
    for array in (wide, wide[::2, ::3], wide.T, np.arange(3), half, half[:, 1::2], np.array(2.0)):
        tensor, shared = tensor_of(array)
        assert shared
        assert np.shares_memory(array_of(tensor), array)
        np.testing.assert_array_equal(array_of(tensor), array)
        assert array_of(tensor).dtype == array.dtype
    for array in (wide[::-1], np.broadcast_to(wide[:1], (4, 6)), np.zeros((0, 3))[::-1]):
        tensor, _ = tensor_of(array)
        np.testing.assert_array_equal(array_of(tensor), array)


def test_a_spread_array_stays_spread_and_cannot_be_written_through() -> None:
    from gradcheck.frameworks.torch.arrays import tensor_of

    spread = np.broadcast_to(np.array([1.0, 2.0]), (3, 2))
    tensor, shared = tensor_of(spread)
    assert tensor.stride() == (0, 1)
    assert not shared


# -- stacked --------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [SinCos, lambda x: (x.sin(), x.cos())], ids=["rule", "plain"])
def test_many_points_in_one_call(target: Any) -> None:
    op = gradcheck.op(target, randn(3).double())
    x, values = np.array([1.0, 2.0, 3.0]), np.arange(6.0).reshape(2, 3)
    made = op.foreign.stacked((x,), 0, values, {})
    np.testing.assert_allclose(made[0], np.sin(values))
    np.testing.assert_allclose(made[1], np.cos(values))


def test_a_parameter_is_stacked_too() -> None:
    module = torch.nn.Linear(3, 2).double()
    op = gradcheck.op(module, randn(5, 3).double())
    x, w, b = np.ones((5, 3)), np.ones((2, 3)), np.zeros(2)
    (made,) = op.foreign.stacked((x, w, b), 1, np.stack([w, 2 * w]), {})
    np.testing.assert_allclose(made, np.stack([3 * np.ones((5, 2)), 6 * np.ones((5, 2))]))


def test_an_old_style_function_is_not_stacked_and_that_is_said() -> None:
    op = gradcheck.op(Exp, randn(3))
    with pytest.raises(Unavailable, match="setup_context"):
        op.foreign.stacked((np.zeros(3),), 0, np.zeros((2, 3)), {})


# -- the user's own state -------------------------------------------------------------------------


def test_random_state_threads_and_modes_are_given_back() -> None:
    torch.manual_seed(5)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    checked(*RIGHT["dropout"])
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()


# -- bad input ------------------------------------------------------------------------------------


def test_tensors_that_share_memory_are_said() -> None:
    x = randn(4)
    result = checked(Add, x, x)
    assert any("share memory" in a for a in result.assumptions)


class Hollow(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ((Exp, randn(3).to(torch.float8_e4m3fn)), "float8_e4m3fn, which is not supported"),
        ((Exp, randn(3).to_sparse()), "to_dense"),
        ((Exp, torch.empty(3, device="meta")), "meta"),
        ((Hollow, randn(3)), "has no backward"),
        ((torch.nn.Linear, randn(3)), "make an instance"),
        ((Linear, randn(5, 3), randn(4, 3)), "leaves out b"),
        ((Embedding, torch.tensor([True]), torch.tensor([0])), "no real input"),
    ],
)
def test_bad_input_is_a_sentence(target: tuple[Any, ...], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        gradcheck.check(*target)


@pytest.mark.parametrize("device", ["cuda:99", "nowhere"])
def test_a_device_that_is_not_there(device: str) -> None:
    with pytest.raises(UsageError, match="PyTorch has none such here"):
        gradcheck.op(Exp, "x[n]", device=device)


def test_an_unknown_framework_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="Did you mean 'torch'"):
        gradcheck.op(lambda x: x, "x[n]", framework="trch")


# -- on a GPU -------------------------------------------------------------------------------------


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("name", ["exp", "linear", "layer norm", "dropout", "nn.Linear", "complex"])
def test_right_code_passes_on_a_gpu(name: str) -> None:
    function, *example = RIGHT[name]
    moved = function.cuda() if isinstance(function, torch.nn.Module) else function
    result = checked(moved, *(v.cuda() for v in example))
    assert result.verdict == "pass"
    assert any("on cuda" in a for a in result.assumptions)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("name", ["a factor", "writes its upstream gradient", "writes its input"])
def test_wrong_code_is_found_on_a_gpu(name: str) -> None:
    (function, *example), code, _ = WRONG[name]
    assert code in codes(checked(function, *(v.cuda() for v in example)))
