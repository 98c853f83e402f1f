"""A list of functions as text, one a line, as ops: ``name | expression | signature``.

``expression`` may be left out where it is the name in the namespace's first module. Lines that
begin with ``#`` are headings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import gradcheck
from gradcheck.model import Op


def functions(text: str) -> Iterator[tuple[str, str, str]]:
    """Name, expression and signature of each line.

    Raises
    ------
    ValueError
        A line has not two or three parts, or a name stands twice.
    """
    seen = set[str]()
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        parts = [part.strip() for part in line.split(" | ")]
        if len(parts) not in (2, 3):
            raise ValueError(f"{line!r}: name | signature, or name | expression | signature")
        name, expression, signature = parts[0], parts[1] if len(parts) == 3 else "", parts[-1]
        if name in seen:
            raise ValueError(f"{name} stands twice")
        seen.add(name)
        yield name, expression, signature


def ops(text: str, namespace: Mapping[str, Any], framework: str) -> dict[str, Op]:
    """The ops of a list, by name; ``namespace["own"]`` is where bare names are looked up."""
    made = {}
    for name, expression, signature in functions(text):
        function = eval(expression or f"own.{name}", dict(namespace))
        if not expression.startswith("lambda"):
            function = _by_position(function)
        op = gradcheck.op(function, signature, framework=framework, name=name)
        made[name] = replace(op, module="")  # of the module that holds the list, not of this one
    return made


def _by_position(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, whatever it calls its arguments: the list names and orders them."""

    def call(*values: Any, **keywords: Any) -> Any:
        return function(*values, *keywords.values())

    return call
