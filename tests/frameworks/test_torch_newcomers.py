"""PyTorch code as people write it, and calls that are mistaken: no false alarm, no traceback."""

from __future__ import annotations

from typing import Any

import pytest

import gradcheck
from gradcheck.errors import UsageError
from gradcheck.results import OpResult

torch = pytest.importorskip("torch")
pytest.importorskip("ml_dtypes")

from tests.frameworks.right_torch import Exp, randn  # noqa: E402

Function = torch.autograd.Function


def checked(*target: Any, **options: Any) -> OpResult:
    return gradcheck.check(*target, **{"max_cases": 10, **options})


# -- right code -----------------------------------------------------------------------------------


class Spectrum(torch.nn.Module):
    """A complex parameter, a complex and a real buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(randn(3, dtype=torch.complex64))
        self.register_buffer("phase", torch.tensor([1j, 1.0, -1j], dtype=torch.complex64))
        self.register_buffer("gain", torch.tensor([1.0, 0.5, 2.0]))

    def forward(self, x: Any) -> Any:
        assert not self.gain.is_complex()
        return (torch.fft.fft(x) * self.weight * self.phase).abs().pow(2) * self.gain


class SparseRows(Function):
    """A sparse gradient, as of a table of which few rows are read."""

    @staticmethod
    def forward(ctx: Any, table: Any) -> Any:
        ctx.save_for_backward(table)
        return table * table

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (table,) = ctx.saved_tensors
        return (2 * table * g).to_sparse()


class Keyword(Function):
    """A keyword of forward's own, which apply never hands over."""

    @staticmethod
    def forward(ctx: Any, x: Any, *, gain: float = 2.0) -> Any:
        ctx.gain = gain
        return x * gain

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g * ctx.gain


RIGHT: dict[str, tuple[Any, ...]] = {
    "complex parameter": (Spectrum(), randn(2, 3)),
    "sparse gradient": (SparseRows, randn(3, 2)),
    "nn.Embedding(sparse=True)": (torch.nn.Embedding(5, 3, sparse=True), torch.tensor([0, 2])),
    "keyword of forward's": (Keyword, randn(3)),
    "a gradient by torch.func": (torch.func.grad(lambda x: x.sin().sum()), randn(3)),
    "no tensor at no rows": (lambda x: list(x.unbind(0)), randn(3)),
    "no output at no rows": (lambda x: x * 2 if len(x) else None, randn(3)),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_code_is_not_suspected(name: str) -> None:
    result = checked(*RIGHT[name])
    assert result.verdict == "pass"
    assert [f for f in result.findings if f.severity != "note"] == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_scripted_module_is_called_as_it_is() -> None:
    assert checked(torch.jit.script(torch.nn.Tanh()), randn(3)).verdict == "pass"


def test_a_wrong_gradient_of_a_complex_parameter_is_found() -> None:
    class Wrong(Spectrum):
        def forward(self, x: Any) -> Any:
            return super().forward(x) * self.weight.detach().abs()

    with pytest.raises(gradcheck.GradientError) as caught:
        checked(Wrong(), randn(2, 3))
    assert ("wrong-gradient", "weight") in {(f.code, f.input) for f in caught.value.result.findings}


def test_a_wrong_sparse_gradient_is_found() -> None:
    class Wrong(SparseRows):
        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return (ctx.saved_tensors[0] * g).to_sparse()

    with pytest.raises(gradcheck.GradientError) as caught:
        checked(Wrong, randn(3, 2))
    assert "wrong-gradient" in {f.code for f in caught.value.result.findings}


def test_what_pytorch_gives_no_gradient_is_named_in_nondiff() -> None:
    example = (randn(4, 3), torch.tensor([0, 2, 1, 2]), torch.tensor([0.5, 1.0, 2.0]))
    loss = torch.nn.functional.cross_entropy
    assert checked(loss, *example, nondiff="weight").verdict == "pass"


# -- mistaken calls -------------------------------------------------------------------------------


def returns(value: Any) -> Any:
    class Returns(Exp):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return value

    return Returns


class Lazy(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = torch.nn.LazyLinear(3)

    def forward(self, x: Any) -> Any:
        return self.inner(x)


MISTAKEN: dict[str, tuple[tuple[Any, ...], str]] = {
    "None": ((returns(None), randn(3)), "forward returns None, and no tensor"),
    "a word": ((returns("s"), randn(3)), "forward returns a str, and no tensor"),
    "lists": ((returns([[1.0]]), randn(3)), "forward returns a list, and no tensor"),
    "a lazy module": ((Lazy(), randn(2, 3)), "call the lazy module once"),
    "parameters on meta": ((torch.nn.Linear(3, 2, device="meta"), randn(2, 3)), "no numbers"),
}


@pytest.mark.parametrize("name", MISTAKEN)
def test_a_mistaken_call_is_a_sentence(name: str) -> None:
    target, said = MISTAKEN[name]
    with pytest.raises(UsageError, match=said):
        checked(*target)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_instance_of_a_function_is_a_sentence() -> None:
    with pytest.raises(UsageError, match="pass the class, Exp"):
        checked(Exp(), randn(3))


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_a_nested_tensor_is_a_sentence() -> None:
    with pytest.raises(UsageError, match="to_padded_tensor"):
        checked(Exp, torch.nested.nested_tensor([randn(3), randn(2)]))


def test_the_device_meta_is_a_sentence() -> None:
    with pytest.raises(UsageError, match="device='meta'"):
        checked(Exp, randn(3), device="meta")


def test_under_inference_mode_it_is_a_sentence() -> None:
    with torch.inference_mode(), pytest.raises(UsageError, match="check outside of it"):
        checked(Exp, randn(3))
