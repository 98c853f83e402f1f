"""The work of ``gradcheck doctor``: say what gradcheck runs on."""

from __future__ import annotations


def doctor() -> int:
    raise NotImplementedError
