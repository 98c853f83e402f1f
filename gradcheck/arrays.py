"""Tuples of arrays: copy, compare, contract, and print so that the text can be pasted."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.errors import UsageError

Array = NDArray[Any]
Float = NDArray[np.float64]
LARGE = 2**17
"""Entries from which on a copy less is worth a test."""
_DOUBLE = np.dtype(np.float64)
_PLAIN = "fiubc"
"""Kinds of NumPy's own numbers and flags."""
_COPIED = 2**15
"""Bytes of an array up to which a copy is the fastest way to compare it: beyond, fresh memory costs
more than the comparison."""
_AT_ONCE = 2**17
"""Numbers of larger arrays that are compared at a time."""
_POISONED = 8
"""Blocks of each size: NumPy keeps up to seven small ones for reuse."""


def as_outputs(value: Any) -> tuple[Array, ...]:
    """What forward returned, as a tuple of arrays (Python and NumPy scalars are 0-d arrays)."""
    if type(value) is np.ndarray and value.dtype.kind in _PLAIN:
        return (value,)  # as nearly always, and this is asked thousands of times
    if type(value) is np.float64:
        return (np.asarray(value),)
    parts = value if isinstance(value, (tuple, list)) else (value,)
    try:
        outputs = tuple(np.asarray(p) for p in parts)
    except ValueError:  # ragged
        outputs = (np.asarray(None),)
    if not all(o.dtype.kind in _PLAIN or is_numeric(o) for o in outputs):
        kinds = ", ".join(
            f"array of dtype {p.dtype}" if isinstance(p, np.ndarray) else type(p).__name__
            for p in parts
        )
        raise UsageError(
            f"forward must return an array, or a tuple of arrays, not ({kinds}); where it returns "
            "(out, cache), backward must take the cache as its last argument; else wrap it, as in "
            "lambda x: forward(x)[0]"
        )
    return outputs


def is_real(array: Array) -> bool:
    """Floating point (or ml_dtypes' narrow floats), so a gradient with respect to it exists."""
    return array.dtype.kind == "f" or _is_narrow(array.dtype)


def is_double(array: Array) -> bool:
    """float64 in this machine's byte order; soon said, where it is asked very often."""
    return array.dtype is _DOUBLE or array.dtype == _DOUBLE


def is_numeric(array: Array) -> bool:
    """Real numbers, integers or flags: what a gradient can be made of."""
    return array.dtype.kind in "fiub" or _is_narrow(array.dtype)


def _is_narrow(dtype: np.dtype[Any]) -> bool:
    """A float of ml_dtypes, which NumPy counts with the structured types."""
    return dtype.kind == "V" and dtype.type is not np.void


def copy_array(array: Array) -> Array:
    """A writable copy with the same strides; the gaps of a strided array are filled with NaN."""
    if array.flags.forc or array.size == 0 or 0 in array.strides:
        return array.copy("K")
    spans = [(n - 1) * s for n, s in zip(array.shape, array.strides, strict=True)]
    buffer = np.full(sum(map(abs, spans)) + array.itemsize, 0xFF, np.uint8)
    offset = -sum(s for s in spans if s < 0)
    copy: Array = np.ndarray(array.shape, array.dtype, buffer, offset, array.strides)
    copy[...] = array
    return copy


def copy_tuple(arrays: Sequence[Array]) -> tuple[Array, ...]:
    """Writable copies in the same layout; what shared memory before shares it afterwards.

    One object given twice stays one object, and views of one array stay views of one copy.
    """
    if len(arrays) == 1:
        return (copy_array(arrays[0]),)
    bases = [id(a.base) for a in arrays if isinstance(a.base, np.ndarray)]
    if len(set(bases)) < len(bases):
        return _copy_views(arrays)
    memo: dict[int, Array] = {}
    return tuple(memo.setdefault(id(a), copy_array(a)) for a in arrays)


def _copy_views(arrays: Sequence[Array]) -> tuple[Array, ...]:
    memo: dict[int, Array] = {}
    copies = []
    for array in arrays:
        base = array.base if isinstance(array.base, np.ndarray) else array
        if id(base) not in memo:
            memo[id(base)] = base.copy(order="K")
        if base is array:
            copies.append(memo[id(base)])
            continue
        offset = array.ctypes.data - base.ctypes.data
        buffer = memo[id(base)]
        copies.append(np.ndarray(array.shape, array.dtype, buffer, offset, array.strides))
    return tuple(copies)


def poison(sizes: Iterable[int]) -> None:
    """Leave NaN in freed memory of these sizes in bytes, where ``np.empty`` is served from next."""
    for size in set(sizes):
        first = np.full(max(1, size // 8), np.nan)
        left = [first, *(first.copy() for _ in range(_POISONED - 1))]
        del first, left


def freeze(array: Array) -> Array:
    """The same array, read-only."""
    array.flags.writeable = False
    return array


def same_bits(a: Array, b: Array) -> bool:
    """Equal to the last bit, NaN included."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.char in "gG":  # the padding of a long double holds anything
        return np.array_equal(a, b, equal_nan=True)
    if a.nbytes > _COPIED and a.flags.c_contiguous and b.flags.c_contiguous:
        unit = np.uint64 if a.nbytes % 8 == 0 else np.uint8
        one, other = (x.reshape(-1).view(unit) for x in (a, b))
        parts = (slice(start, start + _AT_ONCE) for start in range(0, one.size, _AT_ONCE))
        return all(np.array_equal(one[p], other[p]) for p in parts)
    return a.tobytes() == b.tobytes()


def all_same_bits(a: Sequence[Array], b: Sequence[Array]) -> bool:
    """As many arrays, each equal to the last bit."""
    return len(a) == len(b) and all(map(same_bits, a, b))


def same_numbers(a: Array, b: Array) -> bool:
    """As many equal numbers, NaN included; sooner where there is none."""
    return np.array_equal(a, b) or np.array_equal(a, b, equal_nan=True)


def flatten(outputs: Sequence[Array]) -> Float:
    """All real outputs end to end as float64; integer outputs have no derivative and drop out."""
    if len(outputs) == 1 and is_double(outputs[0]):
        return outputs[0].reshape(-1)
    real = [o.astype(np.float64).reshape(-1) for o in outputs if is_real(o)]
    return np.concatenate(real) if real else np.zeros(0)


def projection(outputs: Sequence[Array], cotangents: Sequence[Array]) -> tuple[Float, Float]:
    """Flattened real outputs and the cotangent that contracts them."""
    return flatten(outputs), flatten(
        [c for c, o in zip(cotangents, outputs, strict=True) if is_real(o)]
    )


def inner(a: Float, b: Float) -> float:
    """Sum of products, contracted in float64 whatever the op's own precision."""
    return float(np.dot(a, b))


def ends(array: Array) -> tuple[float, float]:
    """The least and the largest of some real numbers, or NaN; makes no copy.

    Where NumPy need not copy for it, by their places: in a third of the time.
    """
    if is_double(array) and array.flags.c_contiguous:
        return array.item(array.argmin()), array.item(array.argmax())
    return float(array.min()), float(array.max())


def largest(array: Float) -> float:
    """The largest size of a finite entry; 0 where there is none. Makes no copy but for others."""
    if not array.size:
        return 0.0
    low, high = ends(array)
    if math.isfinite(low) and math.isfinite(high):
        return max(-low, high, 0.0)
    return float(np.abs(array[np.isfinite(array)]).max(initial=0.0))


def all_finite(arrays: Sequence[Array]) -> bool:
    return all(map(_finite, filter(is_real, arrays)))


def _finite(array: Array) -> bool:
    """Also of numbers that are beyond those of a float64."""
    if is_double(array) and array.size:
        return all(map(math.isfinite, ends(array)))
    return bool(np.isfinite(array).all())


def relative_error(a: float, b: float) -> float:
    """|a - b| / max(|a|, |b|), 0 where both are 0 (CS231n notes); at most 2. For reports only.

    Infinite where one of them is not finite.
    """
    if a == b:
        return 0.0
    if not (math.isfinite(a) and math.isfinite(b)):
        return math.inf
    a, b = float(a), float(b)
    return abs(a - b) / max(abs(a), abs(b))


def unravel(flat: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Entry of a flat position as plain integers; ``()`` for a 0-d array."""
    if not flat:
        return (0,) * len(shape)
    return tuple(int(i) for i in np.unravel_index(flat, shape)) if shape else ()


def literal(value: Any, limit: int = 200) -> str:
    """Python code that makes the value again, as short as its dtype allows."""
    if not isinstance(value, np.ndarray):
        return repr(value.item()) if isinstance(value, np.generic) else repr(value)
    if value.size == 0:
        return f"np.zeros({value.shape}, np.{value.dtype})"
    if value.size > limit:
        return f"... ({value.dtype}, shape {value.shape})"
    module = "ml_dtypes" if value.dtype.kind == "V" else "np"
    dtype = "" if value.dtype in (np.float64, np.int64) else f", {module}.{value.dtype}"
    return f"np.array({_nested(value)}{dtype})"


def _nested(value: Array) -> str:
    if value.ndim == 0:
        text = str(value[()])  # shortest text that reads back as the same number
        return {"nan": "np.nan", "inf": "np.inf", "-inf": "-np.inf"}.get(text, text)
    return "[" + ", ".join(_nested(v) for v in value) + "]"
