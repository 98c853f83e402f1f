"""``@pytest.mark.gradcheck(seed=3, max_cases=10)``: settings of the ops and calls of one test."""

from __future__ import annotations

from typing import Any

import pytest

from gradcheck.plugin.session import over

MARKER = "gradcheck"
DESCRIPTION = (
    "gradcheck(**settings): a check of one op's backward pass; seed, max_cases, profile, scope and "
    "so on go over the options for this test's ops and calls of gradcheck.check"
)


def given(item: pytest.Item) -> dict[str, Any]:
    """The settings of a test's markers by key: those of its function over its class and module's.

    Raises
    ------
    UsageError
        There is no such setting of a test, or its value is wrong.
    """
    marks = [m for m in item.iter_markers(MARKER) if m.args or m.kwargs]
    if not marks:
        return {}
    found: dict[str, Any] = {}
    for mark in reversed(marks):
        found = over(found, _settings(mark))
    return found


def _settings(mark: pytest.Mark) -> dict[str, Any]:
    from gradcheck.api import LIVE_OPTIONS
    from gradcheck.errors import UsageError, did_you_mean
    from gradcheck.options import SETTING_NAMES
    from gradcheck.settings import convert

    where, known = f"@pytest.mark.{MARKER}", (*SETTING_NAMES, *LIVE_OPTIONS)
    if mark.args:
        raise UsageError(
            f"{where}({mark.args[0]!r}): settings are given by name, as in {where}(seed=3)"
        )
    for name in mark.kwargs:
        if name not in known:
            raise UsageError(f"{where}: unknown setting {name!r}.{did_you_mean(name, known)}")
    found = {name.replace("_", "-"): value for name, value in mark.kwargs.items()}
    convert(found, where)
    return found
