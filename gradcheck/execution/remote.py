"""What runs on the workers of a cluster: the code is unpacked, the work done in children.

A child takes what an op does to its process, so that the worker goes on and can say what it was.
"""

from __future__ import annotations

import io
import json
import shutil
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

from distributed import WorkerPlugin, get_worker

from gradcheck.errors import UsageError
from gradcheck.execution.crew import Crew
from gradcheck.execution.data import Answer, Answers, Chunk, packed, unpacked
from gradcheck.execution.process import Terms

WAIT = 20.0
"""Seconds for the code to arrive on a worker that has only just come."""
_crews: dict[Path, Crew] = {}
_lock = threading.Lock()


class Code(WorkerPlugin):
    """The user's files, in a folder of each worker, those that come later included."""

    def __init__(self, name: str, data: bytes) -> None:
        self.name, self._data = name, data

    def setup(self, worker: Any) -> None:
        """Unpack; the folder has its name when it is complete."""
        folder = Path(worker.local_directory, self.name)
        being_made = folder.with_suffix(".part")
        being_made.mkdir(parents=True, exist_ok=True)
        if self._data:
            with zipfile.ZipFile(io.BytesIO(self._data)) as archive:
                archive.extractall(being_made)
        being_made.replace(folder)

    def teardown(self, worker: Any) -> None:
        """End the children and remove the folder."""
        folder = Path(worker.local_directory, self.name).resolve()
        with _lock:
            crew = _crews.pop(folder, None)
        if crew is not None:
            crew.close()
        shutil.rmtree(folder, ignore_errors=True)


def work_apart(chunk: bytes) -> bytes:
    """As `work.work`, in children of this worker, in the folder of the uploaded code."""
    given = unpacked(chunk, Chunk)
    worker = get_worker()
    folder = Path(worker.local_directory, given.code).resolve()
    try:
        crew = _crew(folder, given, worker.state.nthreads)
        answers = crew.submit(given).result()
    except UsageError as error:
        problem = f"{worker.address}: {error}"
        answers = [Answer(number=t.number, problem=problem) for t in given.tasks]
    there, here = (json.dumps(str(path))[1:-1].encode() for path in (folder, given.home))
    return packed(Answers(each=tuple(answers))).replace(there, here)  # in tracebacks


def _crew(folder: Path, chunk: Chunk, count: int) -> Crew:
    """The children of this worker, which work in a folder."""
    until = time.monotonic() + WAIT
    while not folder.is_dir():
        if time.monotonic() > until:
            raise UsageError("the code of the ops has not arrived on this worker")
        time.sleep(0.05)
    with _lock:
        if folder not in _crews:
            paths = tuple(str(folder / root) for root in chunk.roots)
            terms = Terms.of(chunk.shared.settings, str(folder), paths)
            _crews[folder] = Crew(count, terms)
        return _crews[folder]
