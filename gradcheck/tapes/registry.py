"""The ops of a tape library, each an ordinary `Op`, by the name that the library gives it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gradcheck.errors import UsageError, did_you_mean
from gradcheck.model import Op, Options
from gradcheck.options import words
from gradcheck.tapes.building import (
    SAME,
    Defaults,
    Maker,
    described,
    first_dtype,
    is_scalar,
    tensor_of,
)
from gradcheck.tapes.calling import Function, Library, Recorded
from gradcheck.tapes.conformance import engine_op
from gradcheck.tapes.laboratory import Laboratory
from gradcheck.tapes.naming import Homes, Named, demand_free, elementwise, read
from gradcheck.tapes.wording import demand_meant, domains_of, keywords, separated

ONE, TWO = "x[...]", "a[...], b[...]"


class Tape:
    """A library with a tape; see `gradcheck.tape`. Its ops are read by name, ``lib["exp"]``."""

    def __init__(self, library: Library, defaults: Defaults) -> None:
        self._library, self._defaults = library, defaults
        self._made = Maker(library, defaults)
        self._ops: dict[str, Op] = {}
        self._class: type | None = None

    @property
    def module(self) -> str:
        """The module in which it was made."""
        return self._defaults.module

    def __getitem__(self, name: str) -> Op:
        if name not in self._ops:
            raise UsageError(f"the tape has no op {name!r}.{did_you_mean(str(name), self._ops)}")
        return self._ops[name]

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._ops))

    def __len__(self) -> int:
        return len(self._ops)

    def values(self) -> list[Op]:
        """Its ops, in the order in which they were named."""
        return list(self._ops.values())

    def __repr__(self) -> str:
        return f"<gradcheck tape: {len(self)} ops>"

    def ops(
        self, names: str | Sequence[str], signature: str | None = None, **options: Any
    ) -> dict[str, Op]:
        """Ops by name: ``ops("exp log add:+", positive="log")``.

        Parameters
        ----------
        names : str or list of str
            ``name``, ``name:method``, ``name:function`` or ``name:sign``, apart by blanks. A name
            is looked for in ``functions``, then in the Tensor class, then in its module.
        signature : str, optional
            Of all of them, as `gradcheck.op` takes it, or a gufunc's, ``"(n,k),(k,m)->(n,m)"``.
            Default: ``"x[...]"``, and ``"a[...], b[...]"`` for a sign.
        **options
            A domain word with the ops whose inputs are of it: ``positive="log sqrt pow[a]"`` (one
            input in brackets). ``domain={"arcsin": "-1..1"}`` for ranges and strategies.
            ``reference``: "numpy" (the same-named function, where there is one), None, or a
            function. All else as `gradcheck.op`.

        Returns
        -------
        dict of str to Op

        Raises
        ------
        UsageError
            There is no such name, it is taken, or an option cannot be read.
        """
        default = self._shaped(ONE), self._shaped(TWO)
        return self._several(
            [(word, signature or default[word.is_sign]) for word in read(names)], options
        )

    def binary(self, names: str | Sequence[str], **options: Any) -> dict[str, Op]:
        """`ops` of two inputs, ``"a[...], b[...]"``."""
        return self._several([(word, self._shaped(TWO)) for word in read(names)], options)

    def reductions(self, names: str | Sequence[str], **options: Any) -> dict[str, Op]:
        """`ops` of an axis: ``"x[n m], axis=None|0|1|-1, keepdims=False|True"``.

        ``dim`` and ``keepdim`` where the function calls them so; what it does not take is left out.
        """
        made = []
        for word in read(names):
            known = keywords(self._found(word, 1))
            axis = "dim" if "dim" in known and "axis" not in known else "axis"
            keep = "keepdim" if "keepdim" in known and "keepdims" not in known else "keepdims"
            parts = (f"{axis}=None|0|1|-1", f"{keep}=False|True")
            taken = [p for p in parts if not known or p.partition("=")[0] in known]
            made.append((word, ", ".join(["x[n m]", *taken])))
        return self._several(made, options)

    def op(self, function: Function | str, signature: str, **options: Any) -> Op:
        """One op: a name as for `ops`, or a function of the library's values.

        Parameters
        ----------
        function : str or callable
            ``lambda x, w: (x @ w).relu()``; of arrays of values where ``scalar``.
        signature : str
        **options
            As `ops`; ``name`` is what it is called, ``domain`` goes by input.

        Raises
        ------
        UsageError
            As `ops`.
        """
        if isinstance(function, str):
            name = options.pop("name", None)
            word = f"{name}:{function.partition(':')[2] or function}" if name else function
            return next(iter(self.ops([word], signature, **options).values()))
        if not callable(function):
            raise UsageError(f"tape.op: a name or a function, not {function!r}")
        name = str(options.pop("name", None) or getattr(function, "__name__", "lambda"))
        domain = options.pop("domain", None)
        demand_free(name, self._ops)
        self._tensor()
        _, rest = separated(options)
        return self._kept(
            name, self._made.op(name, function, signature, {"reference": None, **rest}, domain)
        )

    def engine(self, *, nodes: int = 10_000, name: str = "engine", **options: Any) -> Op:
        """The engine itself as one op: see docs/howto/tapes.md for its checks.

        Parameters
        ----------
        nodes : int, optional
            How many a chain has that must get a gradient.
        name : str, optional
            What the op is called.
        **options
            As `gradcheck.op`.

        Raises
        ------
        UsageError
            There is one already, or an option is unknown.
        """
        if isinstance(nodes, bool) or not isinstance(nodes, int) or nodes < 1:
            raise UsageError(f"tape.engine: nodes={nodes!r}: a whole number, 1 or more")
        demand_free(name, self._ops)
        self._tensor()
        _, rest = separated(options)
        dtype = first_dtype(words("dtypes", {**self._defaults.options, **rest}.get("dtypes")))
        opened = Laboratory(self._library, self._defaults.detach, nodes, dtype)
        signature = "x[]" if is_scalar(self._library) else "x[n]"
        made = self._made.op(name, opened.host, signature, {"reference": None, **rest}, None)
        return self._kept(name, engine_op(made, opened))

    def _shaped(self, signature: str) -> str:
        """Of numbers, where the library's values are numbers."""
        return signature.replace("...", "") if is_scalar(self._library) else signature

    def _several(
        self, chosen: Sequence[tuple[Named, str]], options: Mapping[str, Any]
    ) -> dict[str, Op]:
        wishes, rest = separated(options)
        demand_meant(wishes, [word.name for word, _ in chosen])
        made = {}
        for word, signature in chosen:
            inputs = described(signature, Options())[1]
            function = self._found(word, len(inputs))
            given = {"reference": SAME, **rest}
            domain = domains_of(word.name, inputs, wishes)
            made[word.name] = self._made.op(word.name, function, signature, given, domain)
        for name, op in made.items():  # all of them, or none
            self._kept(name, op)
        return made

    def _found(self, word: Named, count: int) -> Function:
        demand_free(word.name, self._ops)
        function = Homes(self._defaults.modules, self._tensor()).find(word, count)
        apart = is_scalar(self._library) and word.how != "@"
        return elementwise(function, count) if apart else function

    def _tensor(self) -> type | None:
        """The Tensor class, if there is one; what makes a Tensor and reads it is tried once."""
        if self._class is None and isinstance(self._library, Recorded):
            dtypes = words("dtypes", self._defaults.options.get("dtypes"))
            self._class = tensor_of(self._library, first_dtype(dtypes or ("float32",)))
        return self._class

    def _kept(self, name: str, made: Op) -> Op:
        self._ops[name] = made
        return made
