"""The Hypothesis engine, driven by a schedule of our own. The only file that imports Hypothesis.

Hypothesis draws and shrinks; *what* it draws comes from a provider seeded by us. Its own provider
mixes constants of every imported local module into its draws, so that the same op and seed would
give other cases in another project; and its database replays old failures. Here the same
strategy, seed and version give the same cases, whatever else is imported.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from hypothesis import HealthCheck, Phase, currently_in_test_context, given, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException, Unsatisfiable
from hypothesis.internal.conjecture.providers import (
    AVAILABLE_PROVIDERS,
    PrimitiveProvider,
)

from gradcheck.errors import UsageError

T = TypeVar("T")
_BACKEND = "gradcheck"


@dataclass(slots=True)
class _Script:
    """What the provider draws: the first integer of each test case, or a whole recorded case."""

    seed: str
    first: Sequence[int] = ()
    replay: Sequence[Any] | None = None
    number: int = -1
    scheduled: bool = False
    random: random.Random | None = None
    drawn: list[Any] | None = None


class ScriptedProvider(PrimitiveProvider):
    """A Hypothesis backend (its documented interface for alternative engines)."""

    lifetime = "test_function"
    script: ClassVar[_Script] = _Script("")

    @contextlib.contextmanager
    def per_test_case_context_manager(self) -> Iterator[None]:
        script = self.script
        script.number += 1
        seed = f"{script.seed}:{script.number}".encode("utf-8", "surrogatepass")
        script.random = random.Random(seed)
        script.drawn = []
        script.scheduled = True
        try:
            yield
        finally:
            script.scheduled = False

    def _next(self, fresh: Callable[[random.Random], Any]) -> Any:
        script = self.script
        assert script.drawn is not None
        assert script.random is not None
        place = len(script.drawn)
        if script.replay is not None and place < len(script.replay):
            value = script.replay[place]
        elif place == 0 and script.number < len(script.first):
            value = script.first[script.number]
        else:
            value = fresh(script.random)
        script.drawn.append(value)
        return value

    def draw_boolean(self, p: float = 0.5) -> bool:
        return bool(self._next(lambda r: r.random() < p))

    def draw_integer(
        self,
        min_value: int | None = None,
        max_value: int | None = None,
        *,
        weights: dict[int, float] | None = None,
        shrink_towards: int = 0,
    ) -> int:
        low = min_value if min_value is not None else (max_value or 0) - 1000
        high = max_value if max_value is not None else low + 2000
        return int(self._next(lambda r: r.randint(low, high)))

    def draw_float(
        self,
        *,
        min_value: float = -1e6,
        max_value: float = 1e6,
        allow_nan: bool = True,
        smallest_nonzero_magnitude: float = 0.0,
    ) -> float:
        low, high = max(min_value, -1e6), min(max_value, 1e6)
        value = float(self._next(lambda r: round(r.uniform(low, high), 4)))
        return min(max(value, min_value), max_value)

    def draw_string(self, intervals: Any, *, min_size: int = 0, max_size: int = 1000) -> str:
        def fresh(r: random.Random) -> str:
            size = r.randint(min_size, min(max_size, min_size + 10))
            return "".join(chr(intervals[r.randrange(len(intervals))]) for _ in range(size))

        return str(self._next(fresh))

    def draw_bytes(self, min_size: int = 0, max_size: int = 1000) -> bytes:
        return bytes(self._next(lambda r: r.randbytes(r.randint(min_size, max_size))))


AVAILABLE_PROVIDERS[_BACKEND] = ScriptedProvider


@dataclass(frozen=True, slots=True)
class Drawn:
    """One generated value and the choices that made it, from which it can be shrunk."""

    value: Any
    choices: tuple[Any, ...]


def generate(
    strategy: st.SearchStrategy[T], *, seed: str, count: int, first: Sequence[int] = ()
) -> list[Drawn]:
    """``count`` values; the i-th begins with the choice ``first[i]`` where there is one.

    Raises
    ------
    UsageError
        The strategy refuses everything it draws.
    """
    found: list[Drawn] = []
    script = _Script(seed, first)

    def collect(value: T) -> None:
        if script.scheduled and len(found) < count:
            found.append(Drawn(value, tuple(script.drawn or ())))

    try:
        # one more: Hypothesis tries its own simplest value first, which is not ours to count
        _run(collect, strategy, script, max_examples=count + 1, phases=[Phase.generate])
    except Unsatisfiable as error:
        raise UsageError(f"the input strategies yield no valid case: {error}") from None
    except HypothesisException as error:
        raise UsageError(f"the input strategies cannot be used: {error}") from None
    except UsageError:
        raise
    except Exception as error:  # drawing runs the user's code
        what = f"{type(error).__name__}: {error}"
        raise UsageError(f"an input strategy raises {what}") from error
    return found


class _Found(Exception):
    """The value still shows what is being shrunk."""


def shrink(
    strategy: st.SearchStrategy[T],
    start: Drawn,
    still: Callable[[T], bool],
    *,
    seconds: float,
    attempts: int = 250,
) -> T:
    """The simplest value found that is ``still`` failing, beginning from a recorded one."""
    best: list[T] = [start.value]
    deadline = time.monotonic() + seconds
    left = attempts
    seen_start = False

    def attempt(value: T) -> None:
        nonlocal left, seen_start
        if seen_start and (left <= 0 or time.monotonic() > deadline):
            return
        left -= 1
        if still(value):
            seen_start = True
            best[0] = value
            raise _Found

    script = _Script("shrink", replay=start.choices)
    with contextlib.suppress(_Found, HypothesisException):
        _run(attempt, strategy, script, max_examples=1, phases=[Phase.generate, Phase.shrink])
    return best[0]


def _run(
    body: Callable[[Any], None],
    strategy: st.SearchStrategy[Any],
    script: _Script,
    *,
    max_examples: int,
    phases: Sequence[Phase],
) -> None:
    def engine() -> None:
        test = settings(
            backend=_BACKEND,
            database=None,
            max_examples=max_examples,
            phases=phases,
            deadline=None,
            derandomize=False,
            print_blob=False,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        )(given(strategy)(body))
        with contextlib.redirect_stdout(None):
            test()

    outer = ScriptedProvider.script
    ScriptedProvider.script = script
    try:
        _outside_of_tests(engine)
    finally:
        ScriptedProvider.script = outer


def _outside_of_tests(engine: Callable[[], None]) -> None:
    """Run the engine; in a thread of its own where the caller is itself a test under ``@given``.

    Hypothesis refuses nested tests, because shrinking both is quadratic; here the outer test
    draws the inputs, and the inner engine only makes the other cases.
    """
    if not currently_in_test_context():
        engine()
        return
    with ThreadPoolExecutor(1) as pool:
        pool.submit(engine).result()
