"""One table of settings for every door: defaults < pyproject < environment < op < command line."""

from __future__ import annotations

import math
import os
import re
import sys
import tomllib
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal

import msgspec

from gradcheck.errors import UsageError, did_you_mean
from gradcheck.floats import FORMATS, MIXED, demand_installed
from gradcheck.reading import text_of

PROFILES = {"fast": 25, "dev": 50, "ci": 100, "thorough": 1000}
"""Cases per op, plain and corner cases included."""
CHECKS = (
    *("contract", "reference", "nodes", "values", "purity", "linearity", "layout"),
    "framework",
)
"""In the order in which a person debugs; "reference" is for ops that have one, "nodes" for graphs,
"framework" for what another framework differentiates.
"""
MOST_CASES = 10_000_000
EDITIONS = ("2026",)
"""From the oldest; each names the checks that a run demands (`editions`)."""
NO_VERDICT = (
    *("targets", "seed", "profile", "max-time", "waivers", "report", "output"),
    *("jobs", "isolate"),
)
"""Settings that a report names elsewhere, or that change no op's verdict."""
ENVIRONMENT_PREFIX = "GRADCHECK_"
JOBS = '1 or more, or "auto"'
KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text"}
"""What a value has to be, in words."""


class Settings(
    msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True
):
    """How to check. Field names are the keys of ``[tool.gradcheck]`` and of the options."""

    targets: tuple[str, ...] = ()
    """What `gradcheck run` and `pytest` check where no target is named."""
    seed: int = 0
    profile: Literal["fast", "dev", "ci", "thorough"] = "dev"
    max_cases: int | None = None
    """Cases per op; overrides the profile."""
    checks: tuple[str, ...] | None = None
    """Some of `CHECKS`; None is all."""
    scope: Literal["declared", "forward"] = "declared"
    """"forward": what forward accepts, backward must handle; wrong there is a fail."""
    strict: bool = False
    """Shared memory, and differences too small to matter, are fails, not warnings."""
    dtypes: tuple[str, ...] = ("float64", "float32")
    signif: float | None = None
    """Provable relative errors up to this are no fail; 0 is strict.

    None: up to 1e-8 (float32: 1e-5) they are nothing, up to 1e-4 (1e-3) of an entry a warning.
    """
    step: float | None = None
    """The smaller step in float64, rounded to a power of two; None: 2**-15 = 3.1e-5."""
    method: Literal["adaptive", "central"] = "adaptive"
    """"central" is the lecture's plain rule at exactly 1e-4, for teaching."""
    time_limit: float = 10.0
    """Seconds for one forward and backward pass; 0 is none."""
    op_time_limit: float = 60.0
    """Seconds after which no further case of an op is begun, and for the checks of one case.

    Said in the report; 0 is none.
    """
    budget: int = 20_000
    """Evaluations for a full check of one case; beyond, random directions."""
    inconclusive: Literal["fail", "warn"] = "fail"
    """What an op that could not be judged does to the exit code."""
    cost: bool = False
    """Also measure time and memory of the passes: reported, never a verdict, and not the same in
    every run."""
    max_time: float = 0.0
    """Seconds for the whole run, after which no further op is begun; 0 is none.

    A run that was cut short says how much it checked, and is no pass.
    """
    jobs: int | Literal["auto"] = 1
    """Ops that `gradcheck run` checks at a time, each in a process of its own; "auto": as many as
    there are CPUs."""
    isolate: bool = False
    """Check each op in a child process of its own. Without it, one worker checks many; what is no
    Python function goes to a child anyway."""
    memory_limit: str | None = None
    """Memory of each process that checks ops, as in "4G" or "500M"; None is no limit. What would
    take more gets MemoryError."""
    waivers: str | None = None
    """File of known failures, relative to pyproject.toml; None: ``gradcheck-waivers.toml`` there,
    if there is one."""
    edition: str = EDITIONS[0]
    """Checks that came later than this edition are notes: an upgrade does not turn code red."""
    report: tuple[str, ...] = ()
    """Reports that every run writes, each ``KIND=PATH``."""
    output: str | None = None
    """Folder for reports; None: ``.gradcheck`` beside pyproject.toml."""

    def __post_init__(self) -> None:
        # msgspec leaves a default out of a recipe by identity: one case, one line of JSON
        msgspec.structs.force_setattr(self, "dtypes", tuple(map(sys.intern, self.dtypes)))

    @property
    def cases(self) -> int:
        return self.max_cases if self.max_cases is not None else PROFILES[self.profile]

    def step_exponent(self, precision: str) -> int | None:
        """The quick path's step as a power of two; None for the default."""
        if self.step is None or precision != "float64":
            return None
        return round(-math.log2(self.step))


@cache
def known_keys() -> list[str]:
    """The keys of ``[tool.gradcheck]``."""
    return [f.encode_name for f in msgspec.structs.fields(Settings)]


def convert(values: Mapping[str, Any], where: str, base: Settings | None = None) -> Settings:
    """Settings from a table of keys, over a base.

    Raises
    ------
    UsageError
        An unknown key (with the nearest known one) or a value of the wrong kind; names ``where``.
    """
    for key in values:
        if key not in known_keys():
            raise UsageError(f"{where}: unknown key {key!r}.{did_you_mean(key, known_keys())}")
    merged = {**msgspec.to_builtins(base or Settings()), **values}
    if "profile" in values and "max-cases" not in values:
        merged["max-cases"] = None  # a later profile overrides an earlier number of cases
    try:
        settings = msgspec.convert(merged, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(f"{where}: {_plain(str(error), values)}") from None
    except UnicodeEncodeError:
        raise UsageError(f"{where}: a value is not text that UTF-8 can hold") from None
    _validate(settings, where)
    return settings


def _plain(message: str, values: Mapping[str, Any]) -> str:
    """msgspec's sentence, with the key and value it is about."""
    text, _, path = message.partition(" - at `$.")
    key = path.rstrip("`").partition("[")[0]
    if key == "jobs":
        return f"jobs = {values.get(key)!r}: must be {JOBS}"
    for field in msgspec.structs.fields(Settings):
        words = getattr(field.type, "__args__", ())
        if field.encode_name == key and words and all(isinstance(w, str) for w in words):
            return f"{key} = {values.get(key)!r}: must be one of {', '.join(words)}"
    expected = text.removeprefix("Expected `").partition("`")[0]
    if key and expected in KINDS:
        return f"{key} = {values.get(key)!r}: must be {KINDS[expected]}"
    return f"{key} = {values.get(key)!r}: {text}" if key else text


def _validate(settings: Settings, where: str) -> None:
    def demand(condition: bool, key: str, must: str) -> None:
        if not condition:
            value = getattr(settings, key.replace("-", "_"))
            raise UsageError(f"{where}: {key} = {value!r}: must be {must}")

    demand(1 <= settings.cases <= MOST_CASES, "max-cases", f"from 1 to {MOST_CASES:,}")
    demand(0 <= settings.seed < 2**32, "seed", "0 or more, below 2**32 = 4294967296")
    step, signif = settings.step, settings.signif
    demand(step is None or 1e-9 < step < 0.5, "step", "above 1e-9, below 0.5")
    demand(signif is None or 0 <= signif < 1, "signif", "from 0 (strict), below 1")
    demand(settings.time_limit >= 0, "time-limit", "0 (none) or more seconds")
    demand(settings.op_time_limit >= 0, "op-time-limit", "0 (none) or more seconds")
    demand(settings.max_time >= 0, "max-time", "0 (none) or more seconds")
    demand(settings.jobs == "auto" or settings.jobs >= 1, "jobs", JOBS)
    size = settings.memory_limit
    fits = size is None or 0 < bytes_of(size) < 2**63
    demand(fits, "memory-limit", 'a size such as "4G" or "500M"')
    demand(settings.edition in EDITIONS, "edition", f"one of {', '.join(EDITIONS)}")
    demand(settings.budget >= 4, "budget", "at least 4")
    for check in settings.checks or ():
        if check not in CHECKS:
            raise UsageError(f"{where}: no check named {check!r}.{did_you_mean(check, CHECKS)}")
    demand(settings.checks != (), "checks", "at least one check: nothing compared is no evidence")
    for dtype in settings.dtypes:
        names = (*FORMATS, MIXED)
        if dtype not in names:
            known = did_you_mean(dtype, names) or f" There are {', '.join(names)}."
            raise UsageError(f"{where}: dtype {dtype!r} is not supported.{known}")
        demand_installed(dtype)
    demand(bool(settings.dtypes), "dtypes", "at least one dtype")


def bytes_of(size: str | None) -> int:
    """``4G``, ``500M``, ``1.5GiB`` in bytes, in powers of 1024; 0 for None and what is no size."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT])(?:i?B)?", (size or "").strip(), re.IGNORECASE)
    if found is None:
        return 0
    return int(float(found[1]) * 1024 ** (1 + "KMGT".index(found[2].upper())))


def in_force(settings: Settings) -> dict[str, Any]:
    """What differs from the defaults, whatever its source, and bears on verdicts."""
    own, usual = msgspec.to_builtins(settings), msgspec.to_builtins(Settings())
    return {k: v for k, v in own.items() if v != usual[k] and k not in NO_VERDICT}


def find_pyproject(start: Path) -> Path | None:
    """The nearest pyproject.toml upward."""
    for folder in (start, *start.parents):
        path = folder / "pyproject.toml"
        if path.exists() and not path.is_dir():
            return path
    return None


def read_table(pyproject: Path) -> dict[str, Any] | None:
    """``[tool.gradcheck]``, or None where there is none.

    Raises
    ------
    UsageError
        It is no regular file, or not valid TOML.
    """
    try:
        document = tomllib.loads(text_of(pyproject))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{pyproject}: cannot be read: {reason}") from None
    tool = document.get("tool")
    table = tool.get("gradcheck") if isinstance(tool, dict) else None
    if table is not None and not isinstance(table, dict):
        raise UsageError(f"{pyproject}: [tool.gradcheck] must be a table")
    return table


def load(start: Path, *, profile: str, command_line: Mapping[str, Any] | None = None) -> Settings:
    """Settings for a run begun in ``start``; ``profile`` is the door's own default."""
    settings = convert({"profile": profile}, "defaults")
    pyproject = find_pyproject(start)
    table = read_table(pyproject) if pyproject else None
    if table:
        settings = convert(table, f"{pyproject} [tool.gradcheck]", settings)
    from_environment = _environment(os.environ)
    if from_environment:
        settings = convert(from_environment, "environment", settings)
    if command_line:
        settings = convert(command_line, "command line", settings)
    return settings


def _environment(environ: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, text in environ.items():
        if name.startswith(ENVIRONMENT_PREFIX):
            key = name[len(ENVIRONMENT_PREFIX) :].lower().replace("_", "-")
            if key not in known_keys():
                hint = did_you_mean(key, known_keys())
                raise UsageError(f"environment variable {name}: no such setting.{hint}")
            words = [w.strip() for w in text.split(",") if w.strip()]
            found[key] = words if key in ("targets", "checks", "dtypes", "report") else text
    return found


def for_op(settings: Settings, options: Any, fixed: Mapping[str, Any] | None = None) -> Settings:
    """The settings of a run with the op's own facts over them, and the command line over both."""
    own: dict[str, Any] = {}
    if options.scope is not None:
        own["scope"] = options.scope
    if options.strict is not None:
        own["strict"] = options.strict
    if options.signif is not None:
        own["signif"] = options.signif
    if options.dtypes is not None:
        own["dtypes"] = tuple(options.dtypes)
    if options.checks is not None:
        own["checks"] = tuple(options.checks)
    if fixed:
        return convert({**own, **fixed}, "op", settings)
    try:
        return _of_op(settings, tuple(own.items())) if own else settings
    except TypeError:  # not to be kept, and no setting: said in the words of `convert`
        return convert(own, "op", settings)


@lru_cache(maxsize=100)
def _of_op(settings: Settings, own: tuple[tuple[str, Any], ...]) -> Settings:
    """Kept, as a graph asks for each of its nodes in each case."""
    return convert(dict(own), "op", settings)
