"""Registered ops by module and name.

The same file and qualified name again replaces (a notebook cell run twice); the same id from two
places is an error that names both.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace

from gradcheck.errors import UsageError
from gradcheck.model import Op

_ops: dict[str, tuple[Op, tuple[str, str, str]]] = {}


def add(made: Op, module: str, names: tuple[str, str]) -> Op:
    """Put an op into the registry under its name; ``names`` are that and the qualified name.

    Raises
    ------
    UsageError
        The id is taken by an op from another place.
    """
    made = replace(made, name=names[0], module=module)
    notebook = module == "__main__"  # a cell run again is another file
    home = str(getattr(sys.modules.get(module), "__file__", ""))
    place = (home, "" if notebook else os.path.abspath(made.source.file), names[1])
    known = _ops.get(made.id)
    if known is not None and known[1][0] == home and known[1] != place:
        raise UsageError(
            f"two ops are called {made.id}: {known[0].source} and {made.source}; rename one"
        )
    _ops[made.id] = (made, place)
    return made
