"""What a selftest found, as records: which planted mistakes the checks caught, and which not.

Read and written without NumPy, like `results`.
"""

from __future__ import annotations

from collections import Counter
from typing import Literal

from gradcheck.records import Record
from gradcheck.results import Source

SCHEMA_VERSION = 1

ONES = "an upstream of ones"
"""The trap of tests that all use `sum` as their loss."""
STRUCTURED = "structured inputs"
"""The trap of inputs on which the wrong rule is right: gamma = 1, symmetric, one-hot, defaults."""
State = Literal["killed", "equivalent", "survived"]
NOT_JUDGED = "not judged"
"""In the place of a check, where no case failed and the op as a whole had too little evidence."""


class Planted(Record, frozen=True, kw_only=True):
    """One mistake planted in one op."""

    mutant: str
    """The mistake and its spot: ``transposed, gradient of W``."""
    kind: str
    imitates: str = ""
    trap: str = ""
    """Which well-known weakness of tests hides it; empty for most."""
    state: State
    check: str = ""
    """The check that killed it."""
    code: str = ""
    """The kind of finding."""
    cases: int = 0
    """How many cases were run until then."""
    reason: str = ""
    """Why it is equivalent, or how it survived, in words."""
    needs: str = ""
    """For a survivor: what a case must have to show it."""
    shown_with: str = ""
    """For a survivor: the inputs beyond the declared ones at which it was seen."""
    unseen: bool = False
    """For a survivor: it differs, and yet no check sees it, at any case that was tried."""
    recipe: str = ""
    """For a survivor: a case that shows it, as one line of JSON."""


class Score(Record, frozen=True, kw_only=True):
    """One op and all the mistakes planted in it."""

    op: str
    target: str = ""
    kind: str
    source: Source = Source()
    reason: str = ""
    """Why there is no score; empty where there is one."""
    killed: int = 0
    equivalent: int = 0
    survived: int = 0
    cases: int = 0
    """Cases that each mistake had to pass."""
    compared: int = 0
    """Cases, beyond the declared ones too, at which survivors were compared with the right op."""
    planted: list[Planted] = []  # noqa: RUF012
    seconds: float = 0.0

    @property
    def name(self) -> str:
        """The op's name without its module."""
        return self.op.rpartition("::")[2]

    @property
    def telling(self) -> int:
        """How many mistakes are not equivalent to the right backward."""
        return self.killed + self.survived

    def by_check(self) -> Counter[str]:
        """How many each check killed."""
        return Counter(p.check for p in self.planted if p.state == "killed")

    def survivors(self) -> list[Planted]:
        return [p for p in self.planted if p.state == "survived"]


class Scores(Record, frozen=True, kw_only=True):
    """The scores of some ops."""

    schema_version: int = SCHEMA_VERSION
    seed: int
    profile: str
    environment: dict[str, str]
    scores: list[Score]
    errors: list[str] = []  # noqa: RUF012
    """Targets that could not be loaded, and ops that could not be tested."""
    faults: list[str] = []  # noqa: RUF012
    """Tracebacks of faults of gradcheck's own, for which ops could not be tested."""
    interrupted: bool = False
    seconds: float = 0.0

    @property
    def perfect(self) -> bool:
        """Every op has a score and no mistake survived."""
        whole = all(not s.reason and not s.survived for s in self.scores)
        return bool(self.scores) and whole and not self.errors

    def trapped(self, trap: str) -> tuple[int, int]:
        """Killed, and not equivalent, among the mistakes that a trap hides."""
        own = [p.state for s in self.scores for p in s.planted if p.trap == trap]
        return own.count("killed"), len(own) - own.count("equivalent")
