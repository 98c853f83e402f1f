"""Ops that installed packages offer by name: the entry points of the group ``gradcheck.ops``.

In the package's own pyproject.toml, with a module on the right, or one op of it::

    [project.entry-points."gradcheck.ops"]
    mylib = "mylib.gates"
    mylib-softmax = "mylib.gates:softmax"

The target is then ``entry:mylib``. They are loaded by name only: an installed package never adds to
what a project checks.
"""

from __future__ import annotations

from importlib.metadata import entry_points

GROUP = "gradcheck.ops"
PREFIX = "entry:"


def known() -> list[str]:
    """The targets that installed packages offer."""
    return sorted({PREFIX + entry.name for entry in entry_points(group=GROUP)})


def resolved(target: str) -> list[str]:
    """The targets behind ``entry:mylib`` or ``entry:mylib::affine``, without loading any.

    One for each package that offers the name; none where none does.
    """
    name, sign, op = target.removeprefix(PREFIX).partition("::")
    values = sorted({entry.value for entry in entry_points(group=GROUP, name=name)})
    return [_target(value, sign + op) for value in values]


def _target(value: str, chosen: str) -> str:
    module, _, op = (part.strip() for part in value.partition("[")[0].partition(":"))
    return module + (chosen or (f"::{op}" if op else ""))
