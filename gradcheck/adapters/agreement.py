"""An example call beside a signature: the two must say the same."""

from __future__ import annotations

from gradcheck.arrays import is_real
from gradcheck.domains import allows
from gradcheck.errors import UsageError
from gradcheck.examples import Reading
from gradcheck.model import Input


def demand_agreement(inputs: tuple[Input, ...], reading: Reading) -> None:
    """The example has the inputs, ranks, sizes and domains that the signature says.

    Raises
    ------
    UsageError
        Names the first that differs.
    """
    if len(reading.inputs) != len(inputs):
        raise UsageError(
            f"the signature has {len(inputs)} inputs, the example call {len(reading.inputs)}"
        )
    _demand_sizes(inputs, reading)
    _demand_domain(inputs, reading)


def _demand_sizes(inputs: tuple[Input, ...], reading: Reading) -> None:
    """The example has the ranks and sizes that the signature says.

    Raises
    ------
    UsageError
        Names the first input that differs.
    """
    sizes: dict[str, int] = {}
    for input, value in zip(inputs, reading.values, strict=True):
        if "..." in input.dims:
            continue
        right = len(input.dims) == value.ndim and all(
            size == (sizes.setdefault(d, size) if isinstance(d, str) and "*" not in d else d)
            or (isinstance(d, str) and "*" in d)
            for d, size in zip(input.dims, value.shape, strict=False)
        )
        if not right:
            said = f"{input.name}[{' '.join(map(str, input.dims))}]"
            known = ", ".join(f"{n} = {s}" for n, s in sizes.items())
            raise UsageError(
                f"the signature says {said}, the example's {input.name} has shape {value.shape}"
                + (f" where {known}" if known else "")
            )


def _demand_domain(inputs: tuple[Input, ...], reading: Reading) -> None:
    """The example lies in the domains that the signature names.

    Raises
    ------
    UsageError
        Names the input, its domain and a value outside.
    """
    for input, value in zip(inputs, reading.values, strict=True):
        if is_real(value):
            outside = [v for v in value.reshape(-1).tolist() if not allows(input.domain, v)]
            if outside:
                raise UsageError(
                    f"the signature says {input.name} is {input.domain}, the example has "
                    f"{outside[0]:g}"
                )
