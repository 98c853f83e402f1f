"""Sessions of pytest inside of tests: each with an empty registry, and in no order but its own."""

from __future__ import annotations

import json
import linecache

import pytest
from hypothesis import configuration, core, settings

import gradcheck.cli.app
import gradcheck.cli.run
import gradcheck.plugin.short
import gradcheck.plugin.summary
import gradcheck.plugin.testing
from gradcheck import catalogue
from tests.project import GATES

LOADED = gradcheck.cli.run, gradcheck.plugin.summary, gradcheck.plugin.testing, gradcheck.cli.app
"""Once for all: what an inner session is the first to import, pytester makes it forget again."""

RIGHT = """
import gradcheck

right = gradcheck.op(lambda x: x * x, lambda dz, x: 2 * x * dz, "x[n]")
"""
CALLS = """
import gradcheck
import numpy as np
import pytest

POINT = np.array([0.5, 1.0])

def sine(x):
    return np.sin(x)

def right(dz, x):
    return dz * np.cos(x)

def wrong(dz, x):
    return dz * np.cos(x) * 2
"""
"""The head of a test module that calls `gradcheck.check`."""


@pytest.fixture(autouse=True)
def clean(monkeypatch, request, tmp_path):
    """An empty registry and database, and no settings, CI or shuffling from outside.

    What an inner session tells Hypothesis, its seed and profile, is forgotten afterwards.
    """
    monkeypatch.setattr(configuration, "__hypothesis_home_directory", tmp_path / ".hypothesis")
    monkeypatch.setattr(core, "global_force_seed", core.global_force_seed)
    profile = settings.get_current_profile_name()
    settings.load_profile("default")  # on CI it is another, without a database
    if "pytester" in request.fixturenames:
        request.getfixturevalue("pytester")  # it removes the variable that is set here
    monkeypatch.setattr(catalogue, "_ops", {})
    linecache.clearcache()  # of another test's file of that name
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:randomly")
    monkeypatch.delenv("CI", raising=False)
    yield
    settings.load_profile(profile)


@pytest.fixture
def few(pytester):
    """A project whose ops get few cases and one check."""
    pytester.makepyprojecttoml('[tool.gradcheck]\nmax-cases = 11\nchecks = ["values"]\n')
    return pytester


@pytest.fixture
def gates(few):
    """A wrong op and two right ones."""
    few.makepyfile(test_gates=GATES)
    return few


@pytest.fixture
def report(pytester):
    """Run pytest with a JSON report; the run and the report, or None where there is none."""

    def run(*arguments, how="inprocess"):
        path = pytester.path / "report.json"
        path.unlink(missing_ok=True)
        go = getattr(pytester, f"runpytest_{how}")
        ran = go("-p", "no:cacheprovider", "--gradcheck-report=json=report.json", *arguments)
        return ran, json.loads(path.read_text()) if path.exists() else None

    return run


def by_op(report):
    """The results of a report by op."""
    return {result["op"]: result for result in report["results"]}
