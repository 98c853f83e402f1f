"""PyTorch's function for each reference op, a module per family; they import torch."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from gradcheck.model import Op

FAMILIES = [m.name for m in pkgutil.iter_modules(__path__) if m.name != "record"]


def known() -> dict[tuple[str, str], Any]:
    """All oracles, by family and op.

    Raises
    ------
    ModuleNotFoundError
        PyTorch is not installed.
    """
    modules = {f: importlib.import_module(f"tests.oracles.{f}") for f in sorted(FAMILIES)}
    return {(f, name): oracle for f, m in modules.items() for name, oracle in m.ORACLES.items()}


def place(op: Op) -> tuple[str, str]:
    """A reference op's family and name."""
    return op.module.rpartition(".")[2], op.name
