"""Nodes are called what the user's own code calls them: ``h = tanh(z)`` makes a node ``h``.

And what a function returns at once is called as the function is.
"""

from __future__ import annotations

import dis
import os
from types import CodeType, FrameType

_PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep
_STORES = ("STORE_FAST", "STORE_NAME", "STORE_GLOBAL", "STORE_DEREF")
_known: dict[CodeType, dict[int, str]] = {}


def assigned(frame: FrameType | None) -> str:
    """The variable that the user's running instruction assigns its result to; empty where none.

    Reads the bytecode of the first frame outside of gradcheck: the instruction after the one that
    runs. Where Python compiles assignments in another way, nodes have names made from their ops.
    """
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    if frame is None:
        return ""
    code = frame.f_code
    if code not in _known:
        _known[code] = _assignments(code)
    return _known[code].get(frame.f_lasti, "")


def _assignments(code: CodeType) -> dict[int, str]:
    """By offset of an instruction, the variable that the next one stores into."""
    found: dict[int, str] = {}
    before: int | None = None
    for instruction in dis.get_instructions(code):
        if before is not None and instruction.opname in _STORES:
            found[before] = str(instruction.argval)
        elif before is not None and instruction.opname == "RETURN_VALUE":
            found[before] = code.co_name if code.co_name.isidentifier() else ""
        before = instruction.offset
    return found
