"""Ours beside every ``torch.autograd.gradcheck`` of a test-suite: pytest -p gradcheck.torch_shim.

PyTorch's function runs first and its outcome stands, whatever it is. Then ours judges the same
function at the same inputs, and a summary at the end says where the two disagree. Outside of pytest
``install()`` does the same and prints the summary when Python ends.
"""

from __future__ import annotations

import atexit
import sys
from typing import TYPE_CHECKING

from gradcheck.errors import UsageError
from gradcheck.torch_shim.plugin import (
    CASES,
    SECONDS,
    pytest_addoption,
    pytest_configure,
    pytest_load_initial_conftests,
    pytest_runtest_makereport,
    pytest_sessionfinish,
    pytest_sessionstart,
    pytest_terminal_summary,
    pytest_unconfigure,
)
from gradcheck.torch_shim.summary import TITLE, lines

if TYPE_CHECKING:
    from gradcheck.torch_shim.beside import Beside

__all__ = [
    "install",
    "pytest_addoption",
    "pytest_configure",
    "pytest_load_initial_conftests",
    "pytest_runtest_makereport",
    "pytest_sessionfinish",
    "pytest_sessionstart",
    "pytest_terminal_summary",
    "pytest_unconfigure",
]


def install(*, cases: int = CASES, seconds: float = SECONDS, at_exit: bool = True) -> Beside:
    """Run ours beside each call of `torch.autograd.gradcheck` and `gradgradcheck` from now on.

    Parameters
    ----------
    cases : int
        Points at which ours judges: the call's own, and others near it.
    seconds : float
        Limit of our time for one call.
    at_exit : bool
        Print the summary to stderr when Python ends.

    Returns
    -------
    Beside
        Has ``.records``, one for each call, and ``.uninstall()``.

    Raises
    ------
    UsageError
        PyTorch is not installed, or a number makes no sense.
    """
    if cases < 1 or not 0 < seconds < float("inf"):
        raise UsageError(f"install(cases={cases}, seconds={seconds:g}): 1 or more, and above 0")
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"gradcheck.torch_shim: torch cannot be imported ({error}): pip install "
            "'gradcheck[torch]'"
        ) from error
    from gradcheck.torch_shim.beside import Beside

    beside = Beside(cases, seconds)
    beside.install()
    if at_exit:
        atexit.register(_print, beside)
    return beside


def _print(beside: Beside) -> None:
    print(TITLE, *lines(beside.records), sep="\n", file=sys.stderr)
