"""Several ops at a time: in children, in any executor; the report is that of the serial run."""

from __future__ import annotations

import json
import os
import signal
import time
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from typing import Any

import msgspec
import pytest

from gradcheck import targets, trial
from gradcheck.errors import OwnFault, UsageError
from gradcheck.evaluation import Evaluator
from gradcheck.execution.data import Answer, Chunk, Death, Shared, Task, packed, unpacked
from gradcheck.execution.driver import Driver, Listener, Outcome, portions, shared_of, tasks_of
from gradcheck.execution.place import Lost
from gradcheck.execution.spreading import workers
from gradcheck.execution.work import work
from gradcheck.guards import GlobalRandom
from gradcheck.model import Recipe
from gradcheck.registry import make
from gradcheck.results import OpResult, Report
from gradcheck.runner import run
from gradcheck.settings import Settings, convert
from gradcheck.targets import load
from tests.project import GATES, Project

FEW = ("--max-cases", "12")
MIXED = (
    GATES
    + """
tanh = gradcheck.op(np.tanh, lambda dz, x: (1 - np.tanh(x) ** 2) * dz, "x[n]", name="tanh")
scaled = gradcheck.op(square, lambda dz, x: 2 * x * dz, "x[n]", name="scaled", signif=7.0)


@gradcheck.graph("x[d], W[k d]")
def score(x, W):
    return tanh(W @ x)
"""
)
"""Wrong, right, a graph, and one whose settings are refused."""
RIGHT = """
import gradcheck
import numpy as np

one = gradcheck.op(np.sin, lambda dz, x: np.cos(x) * dz, "x[n]", name="one")
two = gradcheck.op(np.cos, lambda dz, x: -np.sin(x) * dz, "x[n]", name="two")
"""
EXITS = """
import os


def gone(x):
    os._exit(0)


gone = gradcheck.op(gone, lambda dz, x: dz, "x[n]", name="gone")
"""


def without_times(value: Any) -> Any:
    """JSON of a report, but for times and for how it was run."""
    if isinstance(value, dict):
        return {k: without_times(v) for k, v in value.items() if k != "seconds"}
    return [without_times(v) for v in value] if isinstance(value, list) else value


def told(report: Report) -> list[tuple[str, str]]:
    return [(r.name, r.verdict) for r in report.results]


def few(**more: Any) -> Settings:
    return convert({"max-cases": 12, **more}, "here")


# -- the same report -----------------------------------------------------------------------------


def test_the_report_of_two_at_a_time_is_that_of_one(project: Project):
    """Two interpreters that hash texts differently draw the same cases."""
    project.write("gates.py", MIXED)
    one = project.run("run", "gates.py", *FEW, "--json", "one.json")
    two = project.shell(
        *("run", "gates.py", *FEW, "--json", "two.json", "-j", "2"), PYTHONHASHSEED="7"
    )
    assert (one.code, two.code) == (1, 1), two.text
    serial, parallel = (without_times(project.results(f)) for f in ("one.json", "two.json"))
    assert serial == parallel
    assert len(serial["results"]) == 5
    assert serial["errors"] == [
        "gates::scaled: op: signif = 7.0: must be from 0 (strict), below 1",
    ]
    lines = (project.folder / ".gradcheck" / "results.ndjson").read_text().splitlines()
    streamed = [json.loads(line) for line in lines]
    assert [s["record"] for s in streamed] == ["start", *["op"] * 5, "end"]
    assert {s["result"]["op"] for s in streamed[1:-1]} == {r["op"] for r in serial["results"]}


def test_any_executor_makes_the_same_report(project: Project):
    """Threads of one process take turns: time limits and the random state belong to a process."""
    project.write("gates.py", MIXED)
    ops = load("gates.py")
    serial = run(ops, few())
    with ThreadPoolExecutor(2) as threads:
        assert plain(run(ops, few(), executor=threads)) == plain(serial)


def plain(report: Report) -> Any:
    return without_times(json.loads(json_of(report)))


def json_of(report: Report) -> str:
    from gradcheck.reporters import json as reporter

    return reporter.render(report)


def test_an_executor_that_breaks_is_done_without_and_the_innocent_are_not_blamed(project: Project):
    project.write("gates.py", RIGHT + EXITS)
    ops = load("gates.py")
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        report = run(ops, few(), executor=processes)
    assert told(report) == [("one", "pass"), ("two", "pass"), ("gone", "fail")]
    assert [f.code for f in report.results[-1].findings] == ["process-died"]
    innocent = plain(run(ops[:2], few()))["results"]
    assert plain(report)["results"][:2] == innocent


def test_files_of_one_name_stay_apart(project: Project):
    """Which of them is called what depends on the order of imports, in a child as here."""
    for folder, factor in (("a", 2), ("b", 3)):
        text = f"import gradcheck\nop = gradcheck.op(lambda x: {factor} * x, lambda dz, x: 2 * dz"
        project.write(f"{folder}/same.py", text + ', "x[n]")\n')
    ops = [*load("a/same.py"), *load("b/same.py")]
    report = run(list(reversed(ops)), few(jobs=2))
    assert [(r.op, r.verdict) for r in report.results] == [
        (ops[1].id, "fail"),
        (ops[0].id, "pass"),
    ]


def test_what_an_import_does_to_others_is_the_same_in_a_child(project: Project):
    """Two folders with a helper of one name: the first to be loaded decides, here and there."""
    for folder, factor in (("a", 2.0), ("b", 3.0)):
        project.write(f"{folder}/helper.py", f"FACTOR = {factor}\n")
        text = "import gradcheck, helper\n"
        text += "op = gradcheck.op(lambda x: helper.FACTOR * x, lambda dz, x: 2.0 * dz, 'x[n]')\n"
        project.write(f"{folder}/of_{folder}.py", text)
    ops = [*load("a/of_a.py"), *load("b/of_b.py")]
    assert plain(run(ops, few(jobs=2))) == plain(run(ops, few()))
    assert told(run(ops, few())) == [("op", "pass")] * 2


def test_each_of_two_ops_of_one_id_has_its_result(project: Project):
    """In children, both, as they are the ones that were asked for."""
    apart = f"import os\nhere = {os.getpid()}\n" + GATES.replace(
        "return x * x\n", "return x * x * (os.getpid() != here)\n", 1
    )
    project.write("gates.py", apart)
    (op,) = load("gates.py::right")
    assert told(run([op, op], few(jobs=2))) == [("right", "pass")] * 2


def test_an_op_whose_name_a_module_of_its_package_has_too_is_found(project: Project):
    for name, factor in (("pkg/__init__.py", 2), ("pkg/inner.py", 3)):
        text = "import gradcheck\n" + "from pkg import inner\n" * (factor == 2)
        text += f"same = gradcheck.op(lambda x: {factor} * x, lambda dz, x: 2 * dz, 'x[n]')\n"
        project.write(name, text)
    ops = load("pkg")
    report = run(ops, few(jobs=2))
    assert report.errors == []
    assert [r.verdict for r in report.results] == ["pass", "fail"]


def test_a_file_is_loaded_once_in_a_process(project: Project, monkeypatch):
    project.write("gates.py", GATES)
    ops = dict(enumerate(load("gates.py")))
    asked: list[str] = []
    monkeypatch.setattr(targets, "load", lambda name: asked.append(name) or load(name))
    shared = shared_of(ops.values(), Shared(settings=few(**{"max-cases": 1})))
    said = json.loads(work(packed(Chunk(tasks=tuple(tasks_of(ops)), shared=shared))))
    assert [a["number"] for a in said["each"] if a["result"]] == [0, 1, 2]
    assert asked == ["gates.py"]


def test_an_op_that_no_target_names_is_checked_here(project: Project):
    project.write("gates.py", GATES)
    here = os.getpid()
    made = make((lambda x: x * (os.getpid() == here), lambda dz, x: dz, "x[n]"), {}, {})
    begun: list[str] = []
    report = run([made, *load("gates.py::right")], few(jobs=2), begun=begun.append)
    assert told(report) == [("lambda", "pass"), ("right", "pass")]
    assert sorted(begun) == ["lambda", "right"]


def test_names_that_utf_8_does_not_hold_come_through():
    task = Task(number=0, target="gates\udc80.py::a", op="gates::\ud800", module="gates")
    chunk = Chunk(tasks=(task,), shared=Shared(settings=few()), left=1.5)
    assert unpacked(packed(chunk), Chunk) == chunk


# -- what goes where, and when -------------------------------------------------------------------


def test_expensive_ops_go_first_and_cheap_ones_together():
    names = ("cheap", "dear", "new", "graph", "small")
    tasks = [Task(number=k, target=n, op=n, module="") for k, n in enumerate(names)]
    costs = {"cheap": 0.1, "dear": 3.0, "small": 0.1}
    made = portions(tasks * 4, costs, lambda t: t.op == "graph", 1)
    together = [tuple(t.op for t in portion) for portion in made]
    assert together[:8] == [("graph",)] * 4 + [("dear",)] * 4
    assert together[8:12] == [("cheap", "small")] * 4
    assert together[12:] == [("new",)] * 4


def test_no_portion_leaves_another_worker_without_work():
    tasks = [Task(number=k, target=str(k), op=str(k), module="") for k in range(16)]
    costs = {str(k): 0.001 for k in range(16)}
    assert [len(p) for p in portions(tasks, costs, lambda _: False, 2)] == [2] * 8


def test_jobs_auto_is_what_the_system_lets_us_use():
    assert workers(few()) == 1
    assert workers(few(jobs="3")) == 3
    assert workers(few(jobs="auto")) == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5"])
def test_a_wrong_number_of_jobs_is_2(project: Project, value: str):
    ran = project.run("run", "-j", value)
    assert ran.code == 2
    assert f"jobs = {value!r}" in ran.err.replace("jobs = 0", "jobs = '0'").replace(
        "= -1", "= '-1'"
    )
    assert 'must be 1 or more, or "auto"' in ran.err


def test_a_child_multiplies_in_one_thread(project: Project):
    text = """
import os
import gradcheck
from threadpoolctl import threadpool_info

def product(x):
    assert os.environ["OPENBLAS_NUM_THREADS"] == os.environ["OMP_NUM_THREADS"] == "1"
    assert all(p["num_threads"] == 1 for p in threadpool_info())
    return x

product = gradcheck.op(product, lambda dz, x: dz, "x[n]", name="product")
"""
    project.write("gates.py", text)
    assert told(run(load("gates.py"), few(jobs=2))) == [("product", "pass")]


def test_what_is_checked_does_not_depend_on_how_busy_the_machine_is(monkeypatch):
    """A forward pass that was slow once, and not again, leaves budget and counts as they are."""
    op = make((lambda x: x * x, lambda dz, x: 2 * x * dz, "x[n]"), {}, {})
    seconds = iter([1.0, 1e-6, 1e-6])
    monkeypatch.setattr(trial, "timed", lambda call: (call(), next(seconds)))
    evaluator = Evaluator(op, GlobalRandom(0))
    bench = trial.Bench(op, evaluator, few(), {})
    bench.look(Recipe(regime="generic", shapes=((3,),), grids=("seed:1",)))
    assert bench.settings.budget == few().budget
    busy = evaluator.counters.forward_calls
    monkeypatch.setattr(trial, "timed", lambda call: (call(), 1e-6))
    calm = Evaluator(op, GlobalRandom(0))
    trial.Bench(op, calm, few(), {}).look(
        Recipe(regime="generic", shapes=((3,),), grids=("seed:1",))
    )
    assert busy == calm.counters.forward_calls
    monkeypatch.setattr(trial, "timed", lambda call: (call(), 1.0))
    bench.look(Recipe(regime="generic", shapes=((3,),), grids=("seed:1",)))
    assert bench.settings.budget < few().budget


# -- places that fail ----------------------------------------------------------------------------


class Fake:
    """A place that answers as it is told."""

    capacity = 2

    def __init__(self, said: Any) -> None:
        self._said = said

    def submit(self, chunk: Chunk) -> Future[list[Answer]]:
        future: Future[list[Answer]] = Future()
        try:
            future.set_result([self._said(task, chunk) for task in chunk.tasks])
        except Exception as error:
            future.set_exception(error)
        return future

    def trouble(self) -> str:
        return ""

    def close(self) -> None:
        pass


def passed(task: Task, _: Chunk) -> Answer:
    return Answer(number=task.number, result=OpResult(op=task.op, kind="fake", verdict="pass"))


def driven(ops: Any, place: Any) -> Outcome:
    """What becomes of ops that go to a place all together."""
    numbered = dict(enumerate(ops))
    driver = Driver(numbered, place, Shared(settings=few()), Listener())
    return driver.run([tuple(tasks_of(numbered))])


def said_of(outcome: Outcome) -> dict[int, str]:
    return {number: str(error) for number, error in outcome.problems.items()}


def test_of_a_chunk_that_workers_die_of_each_op_is_tried_alone(project: Project):
    project.write("gates.py", GATES)
    ops = load("gates.py")

    def said(task: Task, chunk: Chunk) -> Answer:
        if any(t.op == "gates::cube" for t in chunk.tasks):
            raise Lost(Death(how="died with every worker"))
        return passed(task, chunk)

    results = {r.op: r for r in driven(ops, Fake(said)).results.values()}
    verdicts = {op: r.verdict for op, r in results.items()}
    assert verdicts == {"gates::Wrong": "pass", "gates::right": "pass", "gates::cube": "fail"}
    (finding,) = results["gates::cube"].findings
    assert (finding.code, finding.message) == (
        "process-died",
        "the process that ran it died with every worker",
    )


def test_a_place_from_which_nothing_comes_back_is_given_up(project: Project):
    project.write("gates.py", GATES)
    ops = load("gates.py")

    class Silent(Fake):
        def submit(self, chunk: Chunk) -> Future[list[Answer]]:
            return Future()

        def trouble(self) -> str:
            return "no worker is left"

    outcome = driven(ops, Silent(passed))
    assert outcome.results == {}
    assert said_of(outcome) == dict.fromkeys(range(3), "no worker is left")


def test_a_fault_of_ours_in_a_child_is_one_here(project: Project, monkeypatch):
    project.write("gates.py", GATES)
    ops = load("gates.py")

    def said(task: Task, _: Chunk) -> Answer:
        return Answer(
            number=task.number, fault="Traceback (most recent call last):\nKeyError: 'ours'\n"
        )

    outcome = driven(ops, Fake(said))
    assert not outcome.results
    faults = [e.trace for e in outcome.problems.values() if isinstance(e, OwnFault)]
    assert [f.splitlines() for f in faults] == 3 * [
        ["Traceback (most recent call last):", "KeyError: 'ours'"]
    ]


def test_an_op_of_which_nothing_comes_back_is_named(project: Project):
    project.write("gates.py", GATES)
    ops = load("gates.py")

    class Loses(Fake):
        def submit(self, chunk: Chunk) -> Future[list[Answer]]:
            kept = [t for t in chunk.tasks if t.op != "gates::cube"]
            return super().submit(msgspec.structs.replace(chunk, tasks=tuple(kept)))

    outcome = driven(ops, Loses(passed))
    assert sorted(r.op for r in outcome.results.values()) == ["gates::Wrong", "gates::right"]
    (number,) = outcome.problems
    assert ops[number].id == "gates::cube"
    assert (
        str(outcome.problems[number]) == "nothing came back of it from where it was to be checked"
    )


@pytest.mark.parametrize("when", ["submitted", "answered"])
def test_a_place_that_fails_is_what_its_ops_could_not_be_checked_for(project: Project, when: str):
    project.write("gates.py", GATES)
    ops = load("gates.py")

    class Shut(Fake):
        def submit(self, chunk: Chunk) -> Future[list[Answer]]:
            if when == "submitted":
                raise RuntimeError("cannot schedule new futures")
            return super().submit(chunk)

    def said(task: Task, _: Chunk) -> Answer:
        raise RuntimeError("cannot schedule new futures")

    why = "the place where it was checked failed: RuntimeError: cannot schedule new futures"
    assert said_of(driven(ops, Shut(said))) == dict.fromkeys(range(3), why)


def test_what_is_sent_again_is_begun_once(project: Project):
    project.write("gates.py", GATES)
    ops = dict(enumerate(load("gates.py")))
    lost: list[int] = []

    def said(task: Task, chunk: Chunk) -> Answer:
        if len(chunk.tasks) > 1:
            lost.append(task.number)
            raise Lost(Death(how="died"))
        return passed(task, chunk)

    begun: list[str] = []
    driver = Driver(ops, Fake(said), Shared(settings=few()), Listener(begun.append))
    assert len(driver.run([tuple(tasks_of(ops))]).results) == 3
    assert lost
    assert begun == ["Wrong", "cube", "right"]


@pytest.mark.parametrize("asked", [{"isolate": True}, {"memory-limit": "1G"}])
def test_what_an_executor_cannot_keep_is_refused(project: Project, asked: dict[str, Any]):
    project.write("gates.py", GATES)
    ops = load("gates.py")
    with (
        ThreadPoolExecutor(1) as threads,
        pytest.raises(UsageError, match=f"{next(iter(asked))} cannot be kept in an executor"),
    ):
        run(ops, few(**asked), executor=threads)


def test_children_after_a_broken_place_have_the_limits_that_were_asked_for(project: Project):
    project.write("gates.py", GATES)
    ops = dict(enumerate(load("gates.py::right")))

    class Broken(Fake):
        def submit(self, chunk: Chunk) -> Future[list[Answer]]:
            raise BrokenExecutor("no")

    limited = Shared(settings=few(**{"memory-limit": "8M"}))
    outcome = Driver(ops, Broken(passed), limited, Listener()).run([tuple(tasks_of(ops))])
    assert "does not start with 8 MiB of memory" in str(outcome.problems[0])


def test_work_answers_what_it_cannot_load(project: Project):
    names = enumerate(("missing.py::a", "gates.py::none"))
    tasks = tuple(Task(number=k, target=t, op=t, module="") for k, t in names)
    project.write("gates.py", GATES)
    said = json.loads(work(packed(Chunk(tasks=tasks, shared=Shared(settings=few())))))
    assert [a["problem"].partition("'")[0] for a in said["each"]] == [
        "there is no file ",
        "gates.py has no op ",
    ]


def test_broken_before_it_begins(project: Project):
    """An executor that takes nothing at all is done without."""
    project.write("gates.py", GATES)

    class Broken(ThreadPoolExecutor):
        def submit(self, *_: Any, **__: Any) -> Any:
            raise BrokenExecutor("no")

    with Broken(1) as broken:
        report = run(load("gates.py::right"), few(), executor=broken)
    assert told(report) == [("right", "pass")]


# -- cut short -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_keeps_what_there_is_and_leaves_no_process(project: Project, kind: int):
    running = project.begun("gates.py::cube", "-j", "2", "--max-cases", "12")
    stream = project.folder / ".gradcheck" / "results.ndjson"
    for _ in range(600):
        if stream.exists() and "gates::right" in stream.read_text():
            break
        time.sleep(0.05)
    family = children(running.pid)
    assert family
    running.send_signal(kind)
    out, err = running.communicate(timeout=120)
    assert running.returncode == 130, out + err
    assert "Traceback" not in out + err
    report = project.results()
    assert (report["interrupted"], report["planned"]) == (True, 3)
    assert "gates::right" in [r["op"] for r in report["results"]]
    assert not any(os.path.exists(f"/proc/{pid}") for pid in family)


def children(pid: int) -> list[int]:
    found = []
    for entry in os.listdir("/proc"):
        try:
            with open(f"/proc/{entry}/stat") as stat:
                parent = int(stat.read().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        if parent == pid:
            found.append(int(entry))
    return found


def test_a_run_out_of_time_says_so(project: Project):
    project.write("gates.py", GATES)
    ran = project.run("run", "gates.py", *FEW, "-j", "2", "--max-time", "1e-9")
    assert ran.code == 1
    assert "0 of 3 ops checked: out of time (--max-time 1e-09)" in ran.out


def test_what_waited_for_a_worker_does_not_get_that_time_again(project: Project):
    """Nothing is begun of it when the time is over, and it is not said to be judged."""
    project.write("gates.py", GATES)
    ops = dict(enumerate(load("gates.py")))
    tasks = tuple(tasks_of(ops))
    chunk = Chunk(tasks=tasks, shared=Shared(settings=few()), left=100.0, sent=time.time() - 101)
    said = json.loads(work(packed(chunk)))
    assert [(a["number"], a["late"], a["result"]) for a in said["each"]] == [
        (number, True, None) for number in ops
    ]
    ahead = Chunk(tasks=tasks, shared=Shared(settings=few()), left=50.0, sent=time.time() + 1000)
    assert 0 < ahead.until() - time.perf_counter() <= 50.0

    def late(task: Task, _: Chunk) -> Answer:
        return Answer(number=task.number, late=True)

    outcome = driven(list(ops.values()), Fake(late))
    assert (outcome.results, outcome.problems, outcome.late) == ({}, {}, True)


def test_waivers_random_graphs_and_jobs_go_together(project: Project):
    project.write("gates.py", GATES)
    project.write("pyproject.toml", '[tool.gradcheck]\ntargets = ["gates.py"]\njobs = 2\n')
    waiver = (
        'op = "gates::Wrong"\ncode = "wrong-gradient"\nreason = "known"\nexpires = 2999-01-01\n'
    )
    project.write("gradcheck-waivers.toml", "[[waiver]]\n" + waiver)
    ran = project.run("run", *FEW, "--graphs", "2")
    assert ran.code == 0, ran.text
    assert "2 random graphs of 2 ops" in ran.out
    (again,) = [r for r in project.results()["results"] if r["op"] == "gates::Wrong"]
    assert again["waived"]
