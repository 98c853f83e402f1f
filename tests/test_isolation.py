"""Ops that take their process with them, hang in compiled code, or want too much memory."""

from __future__ import annotations

import ctypes
import functools
import json
import math
import os
import select
import signal
import subprocess
import sys
import time
import zlib
from typing import Any

import numpy as np
import pytest

from gradcheck.adapters.source import is_compiled
from gradcheck.errors import UsageError
from gradcheck.execution import crew, death
from gradcheck.execution.child import send
from gradcheck.execution.crew import Crew
from gradcheck.execution.data import Answer, Chunk, Death, Shared
from gradcheck.execution.driver import tasks_of
from gradcheck.execution.process import Child, Terms
from gradcheck.runner import run
from gradcheck.settings import Settings, bytes_of, convert
from gradcheck.targets import load
from tests.project import Project

FATAL = """
import ctypes
import os
import signal

import gradcheck
import numpy as np


def fatal(name, forward):
    globals()[name] = gradcheck.op(forward, lambda dz, x: 1.0 * dz, "x[n]", name=name)


def segfault(x):
    ctypes.string_at(0)


def last_words(x):
    os.write(2, b"malloc(): corrupted top size\\n")
    os.abort()


def asleep(x):
    ctypes.CDLL(None).sleep(10**6)


def power(x):  # holds the GIL
    return 10 ** 10**9


def large(x):
    return x + np.ones(30 * 2**27).sum()


fatal("segfault", segfault)
fatal("exit", lambda x: os._exit(0))
fatal("killed", lambda x: os.kill(os.getpid(), signal.SIGKILL))
fatal("abort", last_words)
fatal("asleep", asleep)
fatal("power", power)
fatal("large", large)
fatal("right", lambda x: 1.0 * x)
"""


def few(**more: Any) -> Settings:
    return convert({"max-cases": 12, **more}, "here")


# -- what a run says of them ---------------------------------------------------------------------


def test_each_is_reported_and_the_others_go_on(project: Project):
    project.write("gates.py", FATAL)
    ran = project.shell(
        *("run", "gates.py", "-j", "2", "--max-cases", "12"),
        *("--time-limit", "0.3", "--memory-limit", "3G"),
    )
    assert ran.code == 1, ran.text
    assert "Traceback" not in ran.text
    results = {r["op"].rpartition("::")[2]: r for r in project.results()["results"]}
    assert len(results) == 8
    assert results.pop("right")["verdict"] == "pass"
    assert {r["verdict"] for r in results.values()} == {"fail"}
    findings = {name: r["findings"][0] for name, r in results.items()}
    codes = {name: f["code"] for name, f in findings.items()}
    assert codes == {
        **dict.fromkeys(("segfault", "exit", "killed", "abort"), "process-died"),
        **dict.fromkeys(("asleep", "power"), "never-ends"),
        "large": "forward-raised",
    }
    ran_it = "the process that ran it "
    messages = {name: f["message"] for name, f in findings.items()}
    assert messages["segfault"] == ran_it + "was killed by signal 11 (SIGSEGV)"
    assert messages["exit"] == ran_it + "ended with exit code 0"
    assert "signal 9 (SIGKILL), as by the system when memory is full" in messages["killed"]
    assert messages["abort"].endswith("(SIGABRT); its last words: malloc(): corrupted top size")
    assert messages["asleep"].startswith("stopped after 0.3 s in compiled code (--time-limit)")
    assert "MemoryError: Unable to allocate 30.0 GiB" in messages["large"]
    for name, code in (
        ("segfault", "string_at(0)"),
        ("asleep", "None).sleep("),
        ("power", "10**9"),
    ):
        line = 1 + next(k for k, text in enumerate(FATAL.splitlines()) if code in text)
        assert f'gates.py", line {line}, in {name}' in findings[name]["traceback"]


def test_exit_0_in_a_gate_is_no_pass_of_the_run(project: Project):
    """Nor does the lecture's table, made here, meet what ends or stops a process."""
    project.write("gates.py", FATAL)
    named = ("gates.py::exit", "gates.py::asleep", "gates.py::right")
    apart = ("--isolate", "--method", "central", "--max-cases", "12", "--time-limit", "0.3")
    ran = project.shell("run", *named, *apart)
    assert ran.code == 1, ran.text
    assert "exit: contract: takes the process with it" in ran.out
    assert "right: (f(x+h) - f(x-h)) / 2h" in ran.out
    assert "asleep: (f" not in ran.out


@pytest.mark.parametrize("apart", [("--isolate",), ("-j", "2")])
def test_nor_is_exit_0_at_the_import_of_a_module(project: Project, apart: tuple[str, ...]):
    project.write("gates.py", FATAL)
    project.write("leaves.py", "import os\nos._exit(0)\n")
    ran = project.run("run", "leaves.py", "gates.py::right", *apart, "--max-cases", "12")
    assert ran.code == 1
    assert "leaves.py cannot be imported: the process that ran it ended with exit code 0" in ran.out
    assert [r["op"] for r in project.results()["results"]] == ["gates::right"]


def test_isolated_ops_do_not_share_a_process_and_others_do(project: Project):
    text = """
import gradcheck

calls = []


def first(x):
    calls.append(1)
    return x * x


def second(x):
    if calls:
        raise ValueError("not alone")
    return x * x


one = gradcheck.op(first, lambda dz, x: 2 * x * dz, "x[n]", name="one")
two = gradcheck.op(second, lambda dz, x: 2 * x * dz, "x[n]", name="two")
"""
    project.write("gates.py", text)
    ops = load("gates.py")
    assert [r.verdict for r in run(ops, few(isolate=True)).results] == ["pass", "pass"]
    shared = run(ops, few(**{"memory-limit": "3G"}))
    assert [r.verdict for r in shared.results] == ["pass", "fail"]


def test_a_child_that_cannot_start_is_said_to(project: Project):
    project.write("gates.py", FATAL)
    ran = project.run("run", "gates.py::right", "--memory-limit", "8M")
    assert ran.code == 1
    assert "gates::right: a process that checks ops does not start with 8 MiB of memory" in ran.out


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4G", 4 * 2**30),
        ("500M", 500 * 2**20),
        ("1.5GiB", 3 * 2**29),
        ("64 kb", 2**16),
        (None, 0),
        ("4", 0),
        ("much", 0),
        ("-1G", 0),
    ],
)
def test_sizes(text: str | None, size: int):
    assert bytes_of(text) == size


@pytest.mark.parametrize("value", ["4", "much", "-1G", "0M"])
def test_a_wrong_size_is_2(project: Project, value: str):
    ran = project.run("run", f"--memory-limit={value}")
    assert ran.code == 2
    assert f"memory-limit = {value!r}: must be a size such as" in ran.err


# -- who is to blame -----------------------------------------------------------------------------


def test_one_that_dies_behind_others_gets_another_try_alone(project: Project):
    """What an earlier op did to the process is not its fault; it is told of all the same."""
    text = (
        FATAL
        + """
from pathlib import Path


def once(x):
    mark = Path(__file__).with_name("died")
    if not mark.exists():
        mark.touch()
        os.abort()
    return 1.0 * x


fatal("once", once)
"""
    )
    project.write("gates.py", text)
    by_name = {op.name: op for op in load("gates.py")}
    ops = [by_name[n] for n in ("right", "once", "exit")]
    own = Crew(1, Terms())
    tasks = tuple(tasks_of(dict(enumerate([*ops, by_name["right"]]))))
    chunk = Chunk(tasks=tasks, shared=Shared(settings=few()))
    try:
        answers = own.submit(chunk).result(timeout=120)
    finally:
        own.close()
    right, once, left, after = answers
    assert right.result is not None
    assert after.result is not None
    assert (right.death, after.death, left.result) == (None, None, None)
    judged = death.judged(ops[1], once)
    assert judged.verdict == "pass"
    (finding,) = judged.findings
    assert (finding.code, finding.severity) == ("process-died", "warning")
    assert "signal 6 (SIGABRT). Alone in a process of its own it was judged" in finding.message
    assert death.judged(ops[2], left).verdict == "fail"


def test_nothing_is_left_of_a_run_that_is_killed(project: Project, monkeypatch):
    """Neither a child nor a file."""
    text = (
        FATAL
        + """

def stuck(x):
    open("child", "w").write(str(os.getpid()))
    os.rename("child", "pid")
    power(x)


fatal("stuck", stuck)
"""
    )
    project.write("gates.py", text)
    kept = project.folder / "temporary"
    kept.mkdir()
    monkeypatch.setenv("TMPDIR", str(kept))
    running = project.start("run", "gates.py::stuck", "-j", "2", "--time-limit", "0")
    mark = project.folder / "pid"
    for _ in range(1200):
        if mark.exists():
            break
        time.sleep(0.05)
    pid = int(mark.read_text())
    running.kill()
    running.communicate(timeout=60)
    assert ends(pid)
    assert list(kept.iterdir()) == []


def ends(pid: int) -> bool:
    """Whether a process does so by itself."""
    for _ in range(600):
        if not is_alive(pid):
            return True
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    return False


def is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


DIES_APART = """
import os

import gradcheck

os.write(2, b"it was here\\n")
if os.environ["PARENT"] != str(os.getpid()):
    os.abort()
three = gradcheck.op(lambda x: 1.0 * x, lambda dz, x: 1.0 * dz, "x[n]", name="three")
"""


def test_a_file_that_no_child_survives_is_a_problem_of_its_own_ops(project: Project, monkeypatch):
    monkeypatch.setenv("PARENT", str(os.getpid()))
    project.write("dies.py", DIES_APART)
    project.write("gates.py", FATAL)
    report = run([*load("dies.py"), *load("gates.py::right")], few(jobs=2))
    assert [(r.name, r.verdict) for r in report.results] == [("right", "pass")]
    assert report.errors == [
        "dies::three: dies.py cannot be imported in a process of its own: the process that ran it "
        "was killed by signal 6 (SIGABRT); its last words: it was here"
    ]


def test_what_an_import_printed_is_no_last_word_of_an_op(project: Project):
    project.write("gates.py", FATAL + '\nos.write(2, b"hello from the import\\n")\n')
    report = run(load("gates.py::killed"), few(isolate=True))
    (finding,) = report.results[0].findings
    assert finding.message.endswith("SIGKILL), as by the system when memory is full")


BROKEN_FROM_INSIDE = (
    FATAL
    + """

def short(x):
    import gradcheck.tally

    def add(*_):
        raise MemoryError

    gradcheck.tally.Tally.add = add
    return 1.0 * x


fatal("short", short)
"""
)


def test_out_of_memory_in_our_own_code_is_a_failure_of_that_op(project: Project):
    """And what has run in the same process before is not to blame, nor what comes after."""
    project.write("gates.py", BROKEN_FROM_INSIDE)
    by_name = {op.name: op for op in load("gates.py")}
    ops = [by_name[n] for n in ("right", "short", "right")]
    costs = dict.fromkeys((op.id for op in ops), 0.0)
    limited = few(**{"memory-limit": "3G", "jobs": 2})
    report = run(ops, limited, costs=costs)
    assert [r.verdict for r in report.results] == ["pass", "fail", "pass"]
    (finding,) = report.results[1].findings
    assert finding.message == (
        "the process that ran it could not go on with 3,072 MiB of memory (--memory-limit); its "
        "last words: MemoryError"
    )
    report = run(ops[1:2], few(jobs=2))
    (said,) = report.errors
    assert said.startswith("gates::short: there is not enough memory for a case: give it")
    assert (report.results, report.faults) == ([], [])


def test_a_case_is_replayed_with_the_memory_that_it_had(project: Project):
    """What the machine could give, which the first process would, too."""
    text = FATAL + '\nfatal("roomy", lambda x: x + np.empty(2**28)[0] * 0)\n'
    project.write("gates.py", text)
    limited = ("--memory-limit", "1G", "--max-cases", "12")
    assert project.run("run", "gates.py::roomy", *limited).code == 1
    (finding,) = project.results()["results"][0]["findings"]
    again = project.run(*finding["replay"].split()[1:])
    assert again.code == 1, again.text
    assert "MemoryError: Unable to allocate 2.00 GiB" in again.out


def test_what_an_op_starts_ends_with_it(project: Project):
    text = (
        FATAL
        + """
import pathlib
import subprocess


def starts(x):
    mark = pathlib.Path("started")
    if not mark.exists():
        mark.write_text(str(subprocess.Popen(["sleep", "1000"]).pid))
    return 1.0 * x


fatal("starts", starts)
"""
    )
    project.write("gates.py", text)
    assert run(load("gates.py::starts"), few(isolate=True)).results[0].verdict == "pass"
    assert ends(int((project.folder / "started").read_text()))


def test_a_system_that_gives_no_more_processes_is_said_of_the_ops(project: Project, monkeypatch):
    """A child that is started ahead and cannot be is no reason to wait for ever."""
    project.write("gates.py", FATAL)
    (task,) = tasks_of(dict(enumerate(load("gates.py::right"))))
    started: list[Child] = []

    def start(terms: Terms) -> Child:
        if started:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        started.append(Child(terms))
        return started[0]

    monkeypatch.setattr(crew, "Child", start)
    own = Crew(1, Terms(fresh=True))
    chunk = Chunk(tasks=(task,), shared=Shared(settings=few()))
    try:
        (answer,) = own.submit(chunk).result(timeout=60)
        assert answer.result is not None
        for later in [own.submit(chunk) for _ in range(3)]:
            with pytest.raises(UsageError, match=r"started for it: Resource temporarily unavail"):
                later.result(timeout=60)
    finally:
        own.close()


def test_an_answer_that_comes_while_the_parent_looks_away_is_heard():
    """Between finding nothing and finding the child dead, that is."""
    given, taken = os.pipe()

    class Dead:
        returncode = None

        def poll(self) -> int:
            if self.returncode is None:
                with os.fdopen(taken, "wb") as stream:
                    send(stream, b"the last answer")
                self.returncode = 0
            return 0

    child = Child.__new__(Child)
    child.process, child._read, child._pipe = Dead(), b"", given  # type: ignore[assignment]
    child._poller = select.poll()
    child._poller.register(given, select.POLLIN)
    assert child.message() == b"the last answer"
    assert child.message() is None
    os.close(given)


def test_a_second_try_that_is_refused_is_no_death(project: Project):
    project.write("gates.py", FATAL)
    (op,) = load("gates.py::right")
    first = Death(how="was killed")
    with pytest.raises(UsageError, match="there is no file"):
        death.judged(op, Answer(number=0, problem="there is no file", death=first))


def test_a_child_is_an_interpreter_like_its_parent():
    """What -O, -W and -X say counts there too."""
    given = ["-O", "-B", "-P", "-Wignore::UserWarning", "-Xint_max_str_digits=7000"]
    code = "from gradcheck.execution.process import _flags; print(*_flags())"
    done = subprocess.run(
        [sys.executable, *given, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == given


# -- what goes to a child by itself --------------------------------------------------------------


class Called:
    def __call__(self, x: Any) -> Any:
        return x


LIBC = ctypes.CDLL(None)


@pytest.mark.parametrize(
    "function",
    [
        *(np.sin, np.dot, np.linalg.det, np.vectorize(abs), math.sin, abs, len, Called(), Called),
        *(lambda x: x, functools.partial(np.sum, axis=0), Called().__call__, None, "x[n]"),
    ],
)
def test_python_and_numpy_stay_here(function: Any):
    assert not is_compiled(function)


@pytest.mark.parametrize(
    "function", [LIBC.sleep, functools.partial(LIBC.sleep, 1), zlib.crc32, ctypes.CFUNCTYPE(None)()]
)
def test_other_compiled_functions_do_not(function: Any):
    assert is_compiled(function)


def test_an_op_of_a_c_function_is_checked_in_a_child(project: Project):
    text = """
import ctypes
import os

import gradcheck

unary = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)
negative = unary(("PyNumber_Negative", ctypes.pythonapi))
gone = unary(("abort", ctypes.CDLL(None)))
right = gradcheck.op(negative, lambda dz, x: -dz, "x[n]", name="right")
wrong = gradcheck.op(negative, lambda dz, x: 1.0 * dz, "x[n]", name="wrong")
gone = gradcheck.op(gone, lambda dz, x: dz, "x[n]", name="gone")
"""
    project.write("gates.py", text)
    report = run(load("gates.py"), few())
    codes = {r.name: [f.code for f in r.findings] for r in report.results}
    assert codes == {"right": [], "wrong": ["wrong-gradient"], "gone": ["process-died"]}


# -- words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "ended with exit code 0"),
        (3, "ended with exit code 3"),
        (-11, "was killed by signal 11 (SIGSEGV)"),
        (-63, "was killed by signal 63"),
    ],
)
def test_how_it_ended(code: int, words: str):
    assert death.described(code) == words


def test_the_users_own_frames_are_those_up_to_ours():
    ours = death.__file__
    said = (
        "a line\nits \x1b[31m last one\nFatal Python error: Segmentation fault\n\n"
        "Current thread 0x00007f (most recent call first):\n"
        '  File "/c/inner.py", line 3 in deep\n  File "/c/gates.py", line 7 in forward\n'
        f'  File "{ours}", line 5 in work\n  File "/c/other.py", line 1 in <module>\n'
    )
    last, trace = death.last_words(said)
    assert last == "its \\x1b[31m last one"
    assert trace == (
        '  File "/c/gates.py", line 7, in forward\n  File "/c/inner.py", line 3, in deep'
    )
    assert death.last_words("") == ("", "")


def test_it_is_a_result_that_json_holds(project: Project):
    """With a code that waivers can name."""
    project.write("gates.py", FATAL)
    waiver = (
        '[[waiver]]\nop = "gates::exit"\ncode = "process-died"\nreason = "known"\n'
        "expires = 2999-01-01\n"
    )
    project.write("gradcheck-waivers.toml", waiver)
    ran = project.run("run", "gates.py::exit", "gates.py::right", "--isolate", "--max-cases", "12")
    assert ran.code == 0, ran.text
    text = (project.folder / ".gradcheck" / "results.json").read_text()
    assert json.loads(text)["results"][0]["waived"]
    assert project.run("report", ".gradcheck/results.json").code == 0
