"""Doors to other frameworks: how they are found, and what a plain one of its own has to do."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import gradcheck
from gradcheck import GradientError, frameworks
from gradcheck.errors import UsageError
from tests import blocks

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "frameworks.md"


@pytest.fixture
def mylib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The framework of the how-to page and its door, as modules."""
    for block in blocks.blocks(PAGE.read_text(encoding="utf-8")):
        if block.file in ("mylib.py", "mylib_gradcheck.py"):
            (tmp_path / block.file).write_text(block.text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(frameworks, "_added", {})
    yield __import__("mylib")
    for name in ("mylib", "mylib_gradcheck"):
        sys.modules.pop(name, None)


def entry_point(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("mylib", value, frameworks.GROUP)
    monkeypatch.setattr(frameworks, "_doors", lambda: {"mylib": point})


def check_both(mylib: Any) -> None:
    assert gradcheck.check(mylib.Sine, mylib.Tensor([0.5, -1.0, 2.0])).verdict == "pass"
    x, y = mylib.Tensor([0.5, -1.0, 2.0]), mylib.Tensor([1.5, 3.0, -2.0])
    with pytest.raises(GradientError) as caught:
        gradcheck.check(mylib.Product, x, y)
    (found,) = (f for f in caught.value.result.findings if f.severity == "fail")
    assert (found.code, found.input, found.likely) == ("wrong-gradient", "y", "other-input")
    assert "mylib.py" in caught.value.result.source.file


def test_a_door_by_entry_point(mylib: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    entry_point("mylib_gradcheck:DOOR", monkeypatch)
    check_both(mylib)


def test_a_door_that_is_handed_over(mylib: Any) -> None:
    frameworks.add(__import__("mylib_gradcheck").DOOR)
    check_both(mylib)


def test_a_pair_of_functions_of_its_values(mylib: Any) -> None:
    frameworks.add(__import__("mylib_gradcheck").DOOR)

    def double(x: Any) -> Any:
        assert isinstance(x, mylib.Tensor)
        return mylib.Tensor(2 * x.data)

    x = mylib.Tensor([0.5, -1.0, 2.0])
    assert gradcheck.check(double, double, x).verdict == "pass"
    with pytest.raises(GradientError):
        gradcheck.check(double, lambda grad: mylib.Tensor(3 * grad.data), x)


def test_a_door_that_cannot_be_loaded_is_a_sentence(
    mylib: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry_point("nowhere_at_all:DOOR", monkeypatch)
    with pytest.raises(UsageError, match=r"door to mylib .* cannot be loaded"):
        gradcheck.check(mylib.Sine, mylib.Tensor([0.5, -1.0, 2.0]))


def test_a_framework_that_is_missing_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("no_such_lib", "nowhere:DOOR", frameworks.GROUP)
    monkeypatch.setattr(frameworks, "_doors", lambda: {"no_such_lib": point})
    with pytest.raises(UsageError, match=r"pip install 'gradcheck\[no_such_lib\]'"):
        gradcheck.op(lambda x: x, "x[n]", framework="no_such_lib")


def test_nothing_is_imported_that_the_user_has_not_imported() -> None:
    code = (
        "import sys, gradcheck, numpy as np\n"
        "gradcheck.check(np.sin, lambda dz, x: dz * np.cos(x), np.array([0.5, -1.0, 2.0]))\n"
        "print(sorted({'torch', 'jax'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_only_what_a_target_comes_from_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A door of a framework that is imported, and has nothing to do with a NumPy gate."""

    def refuse(*_: Any) -> bool:
        raise AssertionError("asked")

    monkeypatch.setattr(frameworks, "_added", {"x": SimpleNamespace(takes=refuse, owns=refuse)})
    assert frameworks.framework_of(len, (1.0, [2.0, {"a": None}])) is None
