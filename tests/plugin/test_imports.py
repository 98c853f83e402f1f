"""What an installed plugin costs projects that do not use it: nothing."""

from __future__ import annotations

import pytest

ONLY_OURS = ("-p", "no:hypothesispytest", "-p", "no:jaxtyping")
"""Both import NumPy or Hypothesis by themselves."""
LOADED = """
import atexit
import sys

def loaded():
    heavy = ("numpy", "hypothesis", "rich", "msgspec", "cyclopts", "threadpoolctl")
    return [m for m in heavy if m in sys.modules]

AT_START = loaded()

def pytest_unconfigure(config):
    print("\\nSTART", AT_START, "END", loaded())

atexit.register(lambda: print("EXIT", loaded()))
"""


@pytest.mark.parametrize(
    "pyproject", [None, "[tool.other]\nx = 1\n"], ids=["no pyproject", "another's pyproject"]
)
@pytest.mark.parametrize("arguments", [(), ("-n", "1"), ("--co",)], ids=str)
def test_a_session_without_gates_imports_nothing_heavy(pytester, pyproject, arguments):
    if pyproject is not None:
        pytester.makepyprojecttoml(pyproject)
    pytester.makeconftest(LOADED)
    pytester.makepyfile("class Gate:\n    pass\n\ndef test_own():\n    assert Gate\n")
    ran = pytester.runpytest_subprocess(*ONLY_OURS, *arguments)
    assert ran.ret == 0
    ran.stdout.fnmatch_lines(["START [[]] END [[]]", "EXIT [[]]"])


def test_a_project_with_settings_reads_them_without_numpy(pytester):
    pytester.makepyprojecttoml("[tool.gradcheck]\nseed = 1\n")
    pytester.makeconftest(LOADED)
    pytester.makepyfile("def test_own():\n    pass\n")
    ran = pytester.runpytest_subprocess(*ONLY_OURS)
    ran.stdout.fnmatch_lines(["START [[]] END [[]'msgspec']"])


def test_importing_the_plugin_imports_nothing_heavy(pytester):
    ran = pytester.runpython_c(LOADED + "\nimport gradcheck.pytest_plugin\n")
    ran.stdout.fnmatch_lines(["EXIT [[]]"])
