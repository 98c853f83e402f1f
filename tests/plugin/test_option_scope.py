"""``--gradcheck-scope``."""

from __future__ import annotations

BROADCASTS = """
import gradcheck

product = gradcheck.op(
    lambda x, y: x * y,
    lambda dz, x, y: (dz * y, dz * x),
    "x[n], y[n]",
    checks=["contract", "values"],
)
"""


def test_beyond_the_declaration_is_a_failure_where_asked(pytester):
    """Forward takes y of size 1, and backward does not sum over what was broadcast."""
    pytester.makepyfile(test_gates=BROADCASTS)
    pytester.runpytest_inprocess("--gradcheck-scope=declared").assert_outcomes(passed=1, warnings=2)
    ran = pytester.runpytest_inprocess("--gradcheck-scope=forward")
    ran.assert_outcomes(failed=1)
    ran.stdout.fnmatch_lines(["FAILED test_gates.py::product - *"])
