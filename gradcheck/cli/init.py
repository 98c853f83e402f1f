"""The work of ``gradcheck init``: set up a project."""

from __future__ import annotations

from collections.abc import Sequence


def init(targets: Sequence[str]) -> int:
    raise NotImplementedError
