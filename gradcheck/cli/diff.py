"""The work of ``gradcheck diff``: compare two result files."""

from __future__ import annotations


def diff(old: str, new: str) -> int:
    raise NotImplementedError
