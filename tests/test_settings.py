"""One table of settings: defaults < pyproject < environment < op < command line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

import gradcheck
from gradcheck.model import Options
from gradcheck.plugin import session
from gradcheck.results import OpResult
from gradcheck.settings import (
    CHECKS,
    PROFILES,
    Settings,
    convert,
    find_pyproject,
    for_op,
    known_keys,
    load,
    read_table,
)

V = np.array([0.5, -1.25, 2.0, 0.75, -0.375])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of its own: no pyproject of ours, no environment, no options of this session."""
    for name in list(os.environ):
        if name.startswith("GRADCHECK_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(session, "_open", [])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pyproject(folder: Path, *lines: str) -> Path:
    path = folder / "pyproject.toml"
    path.write_text("\n".join(["[tool.gradcheck]", *lines]) + "\n")
    return path


def square(x):
    return x * x


def slightly_wrong(dz, x):
    """Off by 1 % of its size: wrong by default, right for signif = 0.05."""
    return 2 * x * dz * 1.01


def check(*target: Any, **options: Any) -> OpResult:
    """The result, whatever the verdict."""
    try:
        return gradcheck.check(*target, **options)
    except gradcheck.GradientError as error:
        return error.result


# -- precedence ---------------------------------------------------------------------------------


def test_defaults(folder):
    assert load(folder, profile="dev") == Settings()
    assert load(folder, profile="ci").cases == 100
    assert Settings().dtypes == ("float64", "float32")
    assert {k: convert({"profile": k}, "here").cases for k in PROFILES} == {
        "fast": 25,
        "dev": 50,
        "ci": 100,
        "thorough": 1000,
    }


def test_each_goes_over_the_one_before(folder, monkeypatch):
    """One key, five places: taken away one after the other, from the strongest."""
    pyproject(folder, "signif = 0.1")
    monkeypatch.setenv("GRADCHECK_SIGNIF", "0.2")
    options = Options(signif=0.3)
    given = {"signif": 0.4}

    def settled(own: Options, command_line: dict[str, Any]) -> float | None:
        settings = load(folder, profile="dev", command_line=command_line)
        return for_op(settings, own, command_line).signif

    assert settled(options, given) == 0.4
    assert settled(options, {}) == 0.3
    assert settled(Options(), {}) == 0.2
    monkeypatch.delenv("GRADCHECK_SIGNIF")
    assert settled(Options(), {}) == 0.1
    (folder / "pyproject.toml").unlink()
    assert settled(Options(), {}) is None


@pytest.mark.parametrize(
    ("option", "key", "value", "other"),
    [
        ("scope", "scope", "forward", "declared"),
        ("strict", "strict", True, False),
        ("strict", "strict", False, True),
        ("signif", "signif", 0.0, 0.5),
        ("dtypes", "dtypes", ("float32",), ("float64",)),
        ("checks", "checks", ("values",), ("purity",)),
    ],
)
def test_every_fact_of_an_op(option, key, value, other):
    """Falsy values too: an explicit 0 or False is a value."""
    settings = convert({key: other}, "pyproject")
    assert getattr(for_op(settings, Options(**{option: value})), option) == value
    assert getattr(for_op(settings, Options()), option) == other
    fixed = for_op(settings, Options(**{option: value}), {key: other})
    assert getattr(fixed, option) == other


def test_what_is_not_named_stays(folder, monkeypatch):
    pyproject(folder, "seed = 3", 'profile = "fast"', 'dtypes = ["float32"]')
    monkeypatch.setenv("GRADCHECK_MAX_CASES", "7")
    found = load(folder, profile="ci", command_line={"strict": True})
    assert found == convert(
        {
            "seed": 3,
            "profile": "fast",
            "dtypes": ["float32"],
            "max-cases": 7,
            "strict": True,
        },
        "here",
    )


def test_a_profile_on_the_command_line_goes_over_cases_in_pyproject(folder):
    """--profile thorough asks for 1,000 cases, whatever the file says."""
    pyproject(folder, "max-cases = 12")
    assert load(folder, profile="ci").cases == 12
    assert load(folder, profile="ci", command_line={"profile": "thorough"}).cases == 1000
    both = load(folder, profile="ci", command_line={"profile": "thorough", "max-cases": 9})
    assert both.cases == 9


def test_precedence_through_check(folder, monkeypatch):
    """From an ordinary test: what is given to `check` goes over all."""
    assert check(square, slightly_wrong, V, max_cases=15).verdict == "fail"
    pyproject(folder, "signif = 0.05", "max-cases = 12")
    result = check(square, slightly_wrong, V)
    assert (result.verdict, result.cases) == ("pass", 12)
    monkeypatch.setenv("GRADCHECK_SIGNIF", "0")
    assert check(square, slightly_wrong, V).verdict == "fail"
    assert check(square, slightly_wrong, V, signif=0.05).verdict == "pass"
    monkeypatch.setenv("GRADCHECK_DTYPES", "float32")
    assert check(square, slightly_wrong, V, signif=0.05).dtypes == ["float32"]
    result = check(square, slightly_wrong, V, signif=0.05, dtypes="float64", max_cases=14)
    assert (result.dtypes, result.cases) == (["float64"], 14)


def test_pyproject_of_a_folder_above(folder):
    path = pyproject(folder, "seed = 5")
    deep = folder / "a" / "b"
    deep.mkdir(parents=True)
    assert find_pyproject(deep) == path
    assert load(deep, profile="dev").seed == 5


def test_the_nearest_pyproject_counts(folder):
    pyproject(folder, "seed = 5")
    inner = folder / "inner"
    inner.mkdir()
    (inner / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert load(inner, profile="dev").seed == 0


def test_pyproject_without_a_table(folder):
    (folder / "pyproject.toml").write_text("[tool.other]\nseed = 5\n")
    assert read_table(folder / "pyproject.toml") is None
    assert load(folder, profile="dev") == Settings()


def test_environment_takes_lists_and_words(folder, monkeypatch):
    monkeypatch.setenv("GRADCHECK_CHECKS", "values,purity")
    monkeypatch.setenv("GRADCHECK_STRICT", "true")
    monkeypatch.setenv("GRADCHECK_TIME_LIMIT", "2.5")
    monkeypatch.setenv("GRADCHECK_TARGETS", "a.py, b.py")
    found = load(folder, profile="dev")
    assert found.checks == ("values", "purity")
    assert found.strict is True
    assert found.time_limit == 2.5
    assert found.targets == ("a.py", "b.py")


def test_seed_changes_the_cases(folder):
    one, other, again = (
        check(square, lambda dz, x: 2 * x * dz, V, seed=s, max_cases=15).worst for s in (1, 2, 1)
    )
    assert one == again
    assert one != other


def test_checks_are_chosen(folder):
    result = check(square, lambda dz, x: 2 * x * dz, V, checks="values, purity", max_cases=15)
    assert set(result.checks) == {"values", "purity"}


# -- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("max_cases", "max-cases"),
        ("max-case", "max-cases"),
        ("profil", "profile"),
        ("time_limits", "time-limit"),
        ("significance", "signif"),
        ("dtype", "dtypes"),
    ],
)
def test_unknown_keys_of_a_pyproject(folder, key, nearest):
    path = pyproject(folder, f"{key} = 3")
    with pytest.raises(gradcheck.UsageError) as caught:
        load(folder, profile="dev")
    text = str(caught.value)
    assert str(path) in text
    assert "[tool.gradcheck]" in text
    assert f"unknown key {key!r}" in text
    assert f"{nearest!r}" in text


def test_unknown_key_that_resembles_none(folder):
    pyproject(folder, "zzzz = 3")
    with pytest.raises(gradcheck.UsageError) as caught:
        load(folder, profile="dev")
    assert "Known: " in str(caught.value)


def test_unknown_environment_variables(folder, monkeypatch):
    monkeypatch.setenv("GRADCHECK_SEEED", "3")
    with pytest.raises(gradcheck.UsageError) as caught:
        load(folder, profile="dev")
    assert "GRADCHECK_SEEED" in str(caught.value)
    assert "'seed'" in str(caught.value)


BAD = {
    "seed": ['"many"', "-1", "1.5", "[1]"],
    "profile": ['"quick"', "3"],
    "max-cases": ["0", "-3", '"ten"', "2.5"],
    "checks": ['["value"]', '"values"', "[]", "[3]"],
    "scope": ['"all"', "true"],
    "strict": ['"maybe"', "2"],
    "dtypes": ['["float8"]', '["f8"]', "[]", '"float64"'],
    "signif": ["-1e-3", "1.0", "nan", '"small"'],
    "step": ["0", "0.75", "1e-12", "nan", '"h"'],
    "method": ['"forward"'],
    "time-limit": ["-1", "nan", '"long"'],
    "op-time-limit": ["-1", "nan"],
    "budget": ["0", "1.5"],
    "inconclusive": ['"ignore"'],
    "targets": ["3", '"my_gates.py"', "[3]"],
    "output": ["3"],
    "cost": ['"maybe"', "2"],
    "max-time": ["-1", "nan", '"long"'],
    "jobs": ["0", "-2", "1.5", '"many"', "true"],
    "isolate": ['"maybe"', "2"],
    "memory-limit": ["4", '"4"', '"much"', '"-1G"'],
    "waivers": ["3", '["a.toml"]'],
    "edition": ['"2025"', "2026", '""'],
    "report": ['"json=x.json"', "[3]"],
}


def test_every_key_has_bad_values_here():
    assert set(BAD) == set(known_keys())


@pytest.mark.parametrize(
    ("key", "value"), [(k, v) for k, values in BAD.items() for v in values], ids=str
)
def test_bad_values_name_the_key_and_the_file(folder, key, value):
    path = pyproject(folder, f"{key} = {value}")
    with pytest.raises(gradcheck.UsageError) as caught:
        load(folder, profile="dev")
    text = str(caught.value).replace(str(path), "the file")
    assert text.startswith("the file [tool.gradcheck]: ")
    assert key.removesuffix("s") in text  # "no check named 'value'"


@pytest.mark.parametrize(
    ("key", "value", "known"),
    [
        ("profile", '"quick"', "fast"),
        ("scope", '"all"', "declared"),
        ("method", '"forward"', "central"),
        ("inconclusive", '"ignore"', "warn"),
        ("checks", '["value"]', "values"),
        ("dtypes", '["float8"]', "float32"),
        ("dtypes", '["flaot16"]', "'float16'"),
        ("edition", '"2062"', "2026"),
    ],
)
def test_bad_words_are_answered_with_the_right_ones(folder, key, value, known):
    pyproject(folder, f"{key} = {value}")
    with pytest.raises(gradcheck.UsageError) as caught:
        load(folder, profile="dev")
    assert known in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"), [("seed", "many"), ("strict", "maybe"), ("max-cases", "0"), ("checks", "all")]
)
def test_bad_values_in_the_environment(folder, monkeypatch, key, value):
    monkeypatch.setenv(f"GRADCHECK_{key.upper().replace('-', '_')}", value)
    with pytest.raises(gradcheck.UsageError) as caught:
        load(folder, profile="dev")
    text = str(caught.value)
    assert "environment" in text
    assert value in text


def test_bad_values_of_an_op():
    def doubled(x):
        return 2 * x

    for options, says in (
        ({"signif": 2.0}, "signif"),
        ({"dtypes": "float8"}, "'float8'"),
        ({"strict": "yes"}, "strict"),
        ({"checks": "value"}, "'values'"),
    ):
        op = gradcheck.op(doubled, lambda dz, x: 2 * dz, "x[n]", **options)
        with pytest.raises(gradcheck.UsageError, match=says):
            gradcheck.check(op)


def test_bad_values_given_to_check():
    for options, says in (
        ({"max_cases": 0}, "max-cases = 0"),
        ({"seed": "a"}, "seed = 'a'"),
        ({"profile": "quick"}, "profile = 'quick'"),
        ({"step": 3.0}, "step = 3.0"),
        ({"scope": "all"}, "scope='all'"),
    ):
        with pytest.raises(gradcheck.UsageError, match=says):
            gradcheck.check(square, lambda dz, x: 2 * x * dz, V, **options)


def test_pyproject_that_is_no_toml(folder):
    (folder / "pyproject.toml").write_text("[tool.gradcheck\nseed = 3\n")
    with pytest.raises(gradcheck.UsageError, match=r"pyproject\.toml: cannot be read"):
        load(folder, profile="dev")


def test_pyproject_whose_table_is_none(folder):
    (folder / "pyproject.toml").write_text("[tool]\ngradcheck = 3\n")
    with pytest.raises(gradcheck.UsageError, match="must be a table"):
        load(folder, profile="dev")


def test_settings_are_frozen():
    settings = Settings()
    with pytest.raises(AttributeError):
        settings.seed = 3  # type: ignore[misc]
    assert msgspec.structs.asdict(settings)["seed"] == 0


def test_step_is_a_power_of_two():
    assert convert({"step": 1e-4}, "here").step_exponent("float64") == 13
    assert convert({"step": 1e-4}, "here").step_exponent("float32") is None
    assert Settings().step_exponent("float64") is None


def test_checks_run_in_the_order_of_debugging():
    assert CHECKS[0] == "contract"
    everything = {"contract", "reference", "values", "nodes", "purity", "linearity", "layout"}
    everything |= {"framework"}
    assert set(CHECKS) == everything
