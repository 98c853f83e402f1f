"""The results of a run while it goes on, as JSON lines beside the result file.

The first line replaces what an earlier run left; each op's line is handed to the system as soon as
the op is checked, so that a run that is killed loses the op at hand and nothing else.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from gradcheck import files
from gradcheck.reporters import ndjson
from gradcheck.reporters.ndjson import Done, Line, Start
from gradcheck.results import OpResult, Report

STREAM = "results.ndjson"


class Stream:
    """A stream of results, from its first line to its last.

    A disk that fills up during the run ends the stream, not the run; the result file will say so.
    """

    def __init__(self, path: Path, start: Start) -> None:
        """Write the first line.

        Raises
        ------
        UsageError
            As `files.write`.
        """
        files.write(path, ndjson.line(start))
        self._path = path
        self._written: dict[str, OpResult] = {}
        self.trouble = ""
        """Why it ended early, in words."""

    def add(self, result: OpResult) -> None:
        """An op is checked."""
        self._write(Done(result=result))
        self._written[result.op] = result

    def end(self, report: Report) -> None:
        """The run is over: what has changed since its line was written, and the last line."""
        for result in report.results:
            if self._written.get(result.op) != result:
                self.add(result)
        self._write(ndjson.end(report))

    def _write(self, record: Line) -> None:
        if self.trouble:
            return
        words = ndjson.line(record).encode()
        try:
            with self._path.open("ab", buffering=0) as file:
                if file.write(words) != len(words):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            self.trouble = f"{self._path} ends early: {error.strerror or error}"
