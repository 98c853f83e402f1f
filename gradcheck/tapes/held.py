"""What holds several ops at once in a module: a tape, a list, a dict."""

from __future__ import annotations

from typing import Any

from gradcheck.model import Op
from gradcheck.tapes.registry import Tape


def held_by(attribute: str, thing: Any) -> dict[str, Op]:
    """The ops of a tape by name, those of a list or dict of ops as ``attribute[0]``."""
    kind = type(thing)
    if issubclass(kind, Tape):
        return {op.name: op for op in thing.values()}
    if kind is dict:
        ops = {f"{attribute}[{key}]": op for key, op in thing.items()}
    elif kind in (list, tuple):
        ops = {f"{attribute}[{place}]": op for place, op in enumerate(thing)}
    else:
        return {}
    return ops if all(type(op) is Op for op in ops.values()) else {}
