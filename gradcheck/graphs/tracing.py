"""Functions that are graphs: the formula is run on nodes, and what it calls is recorded.

::

    @gradcheck.graph("x[d], W[k d], b[k], u[k]")
    def score(x, W, b, u):
        h = tanh(W @ x + b)
        return dot(u, h)

The function is traced anew at each evaluation, with values: loops over time steps, shapes and
Python's own branches on them work as they stand.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gradcheck.errors import UsageError
from gradcheck.graphs.calls import bound
from gradcheck.graphs.composed import Composed
from gradcheck.model import Op, by_arguments
from gradcheck.node import Node, recorder_of

Arrange = Callable[[Sequence[Any]], Sequence[Any]]


class Traced(Composed):
    """A function of nodes with named sources.

    Parameters
    ----------
    name : str
    function : callable
        Takes nodes, returns a node or a tuple of them.
    names : list of str
        The sources.
    arrange : callable, optional
        The function's arguments from one node per source, where lists stand among them.
    """

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        names: Sequence[str],
        arrange: Arrange | None = None,
    ) -> None:
        self.name, self.function = name, function
        self._names, self._arrange = list(names), arrange

    @property
    def names(self) -> list[str]:
        return self._names

    def record(self, parents: Sequence[Node], attributes: Mapping[str, Any]) -> Any:
        """Run the function on the nodes."""
        arguments = parents if self._arrange is None else self._arrange(parents)
        return self.function(*arguments, **attributes)


class GraphFunction:
    """What `gradcheck.graph` makes of a function.

    On arrays it is the function's forward pass; on nodes of another graph it is recorded there.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.function, self.__name__ = function, function.__name__
        self.made: Op | None = None
        """The op, where its inputs are described: by a signature, an example or annotations."""

    def __call__(self, *arguments: Any, **attributes: Any) -> Any:
        recorder = recorder_of([*arguments, *attributes.values()])
        if recorder is not None:
            return recorder.inline(self.__name__, self.function, arguments, attributes)
        if self.made is not None:
            _, given, rest = bound(self, self.made, arguments, attributes)
            inputs = zip(given, self.made.inputs, strict=True)
            return self.made.forward(
                *[np.asarray(v) if i.integer else v for v, i in inputs], **rest
            )
        own: dict[int | str, Any] = {k: v for k, v in enumerate(arguments) if _is_value(v)}
        own |= {n: v for n, v in attributes.items() if _is_value(v)}

        def function(*nodes: Node) -> Any:
            known = dict(zip(own, nodes, strict=True))
            placed = [known.get(k, v) for k, v in enumerate(arguments)]
            return self.function(*placed, **{n: known.get(n, v) for n, v in attributes.items()})

        return Traced(self.__name__, function, list(map(str, own))).forward(*own.values())

    def vjp(self, *arguments: Any, **attributes: Any) -> tuple[Any, Callable[..., Any]]:
        """The output, and a pullback from a cotangent to a tuple of gradients.

        Raises
        ------
        UsageError
            The graph's inputs are not described.
        """
        op, given, rest = bound(self, self.__gradcheck_op__, arguments, attributes)
        output, pullback = op.vjp(*given, **rest)
        return output, by_arguments(pullback)

    @property
    def __gradcheck_op__(self) -> Op:
        if self.made is None:
            raise UsageError(
                f"{self.__name__} is a graph without described inputs: give a signature, as in "
                '@gradcheck.graph("x[n d], W[k d]"), or an example call, as in '
                f"gradcheck.check({self.__name__}, x, W)"
            )
        return self.made


def _is_value(argument: Any) -> bool:
    """An array or a number with a point; integers, flags and words are attributes."""
    return isinstance(argument, (np.ndarray, np.generic, float))
