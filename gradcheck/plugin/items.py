"""One op as one item of pytest: what it runs, and what its failure shows."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gradcheck.plugin import carrying, options, timing
from gradcheck.plugin.carrying import Shown
from gradcheck.plugin.session import current

if TYPE_CHECKING:
    from gradcheck.model import Op
    from gradcheck.results import OpResult


class GradcheckWarning(pytest.PytestWarning):
    """An op passed, and there is something to tell its author. Never an error, -W error or not."""


GradcheckWarning.__module__ = "gradcheck.pytest_plugin"  # the name that filters know it by


class WaiverError(AssertionError):
    """An op passes, and a waiver says that it fails."""


class OpItem(pytest.Item):
    """One op: ``test_gates.py::affine``; its failure is the report."""

    def __init__(self, *, op: Op, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.op = op

    def runtest(self) -> None:
        """Check the op; raise a `GradientError` unless it passes or is known to fail."""
        from gradcheck.errors import GradientError
        from gradcheck.plugin import judging
        from gradcheck.policy import fails
        from gradcheck.reporters.text import failure

        settings = options.settings(self.config)
        timing.demand_time(self)
        result = judging.checked(self.op, self.config, current(), timing.until(self.config))
        result, broken = judging.waived(result, self.config)
        carrying.keep(self, result)
        self._warn_of(result)
        timing.demand_whole(self, result)
        if result.waived:
            pytest.xfail(result.waived)  # under --runxfail it goes on
        if result.waived or fails(result, settings):
            raise GradientError("\n\n".join([failure(result, stored=False), *broken]), result)
        if broken:
            raise WaiverError("\n".join(broken))

    def _warn_of(self, result: OpResult) -> None:
        from gradcheck.plain import SENTENCE, clean

        for finding in result.findings:
            if finding.severity == "warning":
                where = f"{finding.input}: " if finding.input else ""
                message = clean(f"{self.name}: {where}{finding.message}", SENTENCE)
                self._warn(GradcheckWarning(message))

    def _warn(self, warning: GradcheckWarning) -> None:
        try:
            self.warn(warning)
        except GradcheckWarning:  # -W error: a right gradient stays right
            with warnings.catch_warnings():
                warnings.simplefilter("always")
                self.warn(warning)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The report, not our traceback."""
        from gradcheck.errors import GradientError, UsageError
        from gradcheck.plain import visible
        from gradcheck.reporters.text import headline

        error = excinfo.value
        if isinstance(error, GradientError):
            place = visible(str(error.result.source))
            return Shown(str(error), place, headline(error.result))
        if isinstance(error, UsageError | WaiverError):
            text = visible(str(error))
            return Shown(text, str(self.op.source), text.partition("\n")[0])
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path | str, int | None, str]:
        """File and line of backward."""
        source = self.op.source
        if not os.path.isfile(source.file):
            return self.path, None, self.name
        return os.path.abspath(source.file), max(source.line - 1, 0), self.name
