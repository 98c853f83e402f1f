"""What built and traced graphs have in common: recorded on a tape, a graph is one vjp rule."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from gradcheck.errors import UsageError
from gradcheck.evaluation import NodeRaised
from gradcheck.graphs.reverse import at_sources, backward
from gradcheck.graphs.tape import Tape
from gradcheck.model import Outputs, Pullback
from gradcheck.node import Recordable


class Composed(Recordable):
    """A function composed of ops. `Op.detail` of an op that is a graph."""

    name: str

    @property
    @abstractmethod
    def names(self) -> list[str]:
        """The sources, in order."""

    def run(
        self,
        values: Sequence[Any],
        attributes: Mapping[str, Any] | None = None,
        *,
        pullbacks: bool = True,
    ) -> Tape:
        """Fprop: every node in topological order, on a new tape.

        Raises
        ------
        UsageError
            The graph has no output, takes another number of values, or calls itself without end.
        """
        tape = Tape(self.name, pullbacks=pullbacks)
        sources = tape.start(self.names, values)
        try:
            tape.finish(self.record(sources, attributes or {}))
        except ValueError as error:
            if isinstance(error.__cause__, UsageError):  # NumPy's words for what float(node) says
                raise error.__cause__ from None
            raise
        except (RecursionError, NodeRaised) as error:
            if isinstance(getattr(error, "error", error), RecursionError):
                raise UsageError(
                    f"graph {self.name} recurses without end: Python's recursion limit was "
                    "reached. Let it end at a shape, or write a loop"
                ) from error
            raise
        return tape

    def forward(self, *values: Any, **attributes: Any) -> Any:
        """The graph's value, or a tuple of them: forward passes only."""
        return returned(self.run(values, attributes, pullbacks=False))

    def vjp(self, *values: Any, **attributes: Any) -> tuple[Any, Pullback]:
        """The graph as one vjp rule."""
        tape = self.run(values, attributes)
        return returned(tape), partial(pulled, tape)


def pulled(tape: Tape, cotangents: Outputs) -> list[Any]:
    """The gradients of the sources: the pullback of a graph's pass."""
    return at_sources(tape, backward(tape, cotangents, kept=False))


def returned(tape: Tape) -> Any:
    """What a graph's pass returns: a value, or a tuple of them."""
    made = tuple(tape.values[r] for r in tape.results)
    return made if len(made) > 1 else made[0]
