"""``--gradcheck-strict``."""

from __future__ import annotations

SHARES = """
import gradcheck

twice = gradcheck.op(lambda x, y: x + y, lambda dz, x, y: (dz, dz), "x[n], y[n]")
"""


def test_shared_memory_is_a_failure_where_asked(pytester):
    pytester.makepyprojecttoml("[tool.gradcheck]\nmax-cases = 11\n")
    pytester.makepyfile(test_gates=SHARES)
    assert pytester.runpytest_inprocess().ret == 0
    ran = pytester.runpytest_inprocess("--gradcheck-strict")
    ran.assert_outcomes(failed=1)
    ran.stdout.fnmatch_lines(["*twice: purity: *FAIL*"])
