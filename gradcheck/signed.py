"""A signature as a function that `inspect` reads: what describes inputs takes functions."""

from __future__ import annotations

import inspect
from collections.abc import Iterable


class Signed:
    """Has a signature; nobody calls it."""

    def __init__(self, parameters: Iterable[inspect.Parameter]) -> None:
        self.__signature__ = inspect.Signature(list(parameters))

    def __call__(self) -> None:
        raise NotImplementedError("only its signature is read")
