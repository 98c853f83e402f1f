"""What to do about an error of PyTorch's that is no matter of an input's values."""

from __future__ import annotations

import re
from collections.abc import Container

from gradcheck.foreign import advised

_CONSTANT = re.compile(r"not differentiable with respect to argument '(\w+)'")


def with_advice(error: RuntimeError, names: Container[str]) -> Exception:
    """The same error; where PyTorch refuses an input that requires a gradient, with its name.

    ``names`` are those of the function's own arguments: PyTorch names its operator's.
    """
    found = _CONSTANT.search(str(error))
    if found is None:
        return error
    name = found.group(1) if found.group(1) in names else "name"
    return advised(error, f'say that it is not differentiated: nondiff="{name}"')
