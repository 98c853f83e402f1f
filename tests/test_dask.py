"""A dask.distributed cluster: a real scheduler and two workers in processes of their own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

distributed = pytest.importorskip("distributed")

from gradcheck.errors import UsageError  # noqa: E402
from gradcheck.execution import cluster, upload  # noqa: E402
from gradcheck.execution.place import Lost  # noqa: E402
from gradcheck.targets import load  # noqa: E402
from tests.project import GATES, Project, clean_environment  # noqa: E402
from tests.test_parallel import EXITS, without_times  # noqa: E402

FEW = ("--max-cases", "12")
HELPED = """
import gradcheck
from parts.shape import twice

helped = gradcheck.op(twice, lambda dz, x: 2 * dz, "x[n]", name="helped")
"""
WAITS = """
import os
import pathlib
import time


def waits(x):
    '''The first process that comes here waits for its end, which comes from outside.'''
    mark = pathlib.Path(os.environ["MARK"])
    try:
        mark.with_suffix(".first").touch(exist_ok=False)
    except FileExistsError:
        return x * x
    mark.with_suffix(".part").write_text(str(os.getppid()))
    mark.with_suffix(".part").rename(mark)
    time.sleep(1000)
    return x * x


waits = gradcheck.op(waits, lambda dz, x: 2 * x * dz, "x[n]", name="waits")
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of a scheduler with two workers, which know nothing of the gates; its folder."""
    folder = tmp_path_factory.mktemp("cluster")
    found = folder / "scheduler.json"
    environment = clean_environment() | {"MARK": str(folder / "mark")}
    started = []

    def start(kind: str, *words: str) -> None:
        with (folder / f"{kind}.log").open("w") as log:
            command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--no-dashboard"]
            more = {"stdout": log, "stderr": log, "cwd": folder, "env": environment}
            started.append(subprocess.Popen([*command, *words], **more))  # type: ignore[call-overload]

    start("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(found))
    start(
        "worker",
        "--scheduler-file",
        str(found),
        "--nworkers",
        "2",
        "--nthreads",
        "1",
        "--local-directory",
        str(folder),
    )
    try:
        with distributed.Client(scheduler_file=str(found), timeout=60) as client:
            client.wait_for_workers(2, timeout=60)
            address = client.scheduler.address
        yield address, folder
    finally:
        for process in reversed(started):  # workers say goodbye to the scheduler
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def test_a_worker_is_killed_and_the_report_is_that_of_the_serial_run(project: Project, place):
    address, folder = place
    mark = folder / "mark"
    project.write("gates.py", GATES + WAITS + EXITS)
    project.write("parts/__init__.py", "")
    project.write("parts/shape.py", "def twice(x):\n    return 2 * x\n")
    project.write("helped.py", HELPED)
    targets = ("gates.py", "helped.py")
    running = project.start(
        "run", *targets, *FEW, "--dask", address, "--time-limit", "0", "--json", "dask.json"
    )
    for _ in range(1200):
        if mark.exists() or running.poll() is not None:
            break
        time.sleep(0.05)
    assert mark.exists(), running.communicate()
    os.kill(int(mark.read_text()), signal.SIGKILL)
    out, err = running.communicate(timeout=120)
    assert running.returncode == 1, out + err
    serial = project.shell(
        "run",
        *targets,
        *FEW,
        "--isolate",
        "--time-limit",
        "0",
        "--json",
        "one.json",
        MARK=str(mark),
    )
    assert serial.code == 1, serial.text
    one, many = (without_times(project.results(f)) for f in ("one.json", "dask.json"))
    assert one == many
    verdicts = {r["op"]: r["verdict"] for r in many["results"]}
    assert verdicts == {
        "gates::Wrong": "fail",
        "gates::cube": "pass",
        "gates::right": "pass",
        "gates::waits": "pass",
        "gates::gone": "fail",
        "helped::helped": "pass",
    }
    codes = {r["op"]: [f["code"] for f in r["findings"]] for r in many["results"]}
    assert codes["gates::gone"] == ["process-died"]


def test_other_versions_are_told_in_a_table_before_anything_is_sent(project, place, monkeypatch):
    project.write("gates.py", GATES)
    own = dict(cluster.versions())
    monkeypatch.setattr(cluster, "versions", lambda: own | {"numpy": "1.0.0"})
    with (
        pytest.raises(UsageError) as caught,
        cluster.connected(place[0], load("gates.py")),
    ):
        pass
    lines = str(caught.value).splitlines()
    assert lines[0] == "the cluster has other versions, and would check other cases:"
    assert lines[1].split() == ["here", "there", "worker"]
    assert [line.split()[:3] for line in lines[2:4]] == [["numpy", "1.0.0", own["numpy"]]] * 2
    assert len(lines) == 5


def test_nothing_of_the_code_stays_there(project, place):
    """The folders of the workers hold it while the run goes on."""
    address, folder = place
    project.write("gates.py", GATES)
    with cluster.connected(address, load("gates.py::right")):
        assert len(list(folder.rglob("gradcheck-*/gates.py"))) == 2
    assert list(folder.rglob("gradcheck-*/gates.py")) == []


def test_no_scheduler_there_is_2(project, monkeypatch):
    project.write("gates.py", GATES)
    monkeypatch.setattr(distributed, "Client", lambda *_, **__: pytest.fail("tried"))
    ran = project.run("run", "gates.py", "--dask", "tcp://127.0.0.1:1")
    assert ran.code == 2
    assert "gradcheck: --dask tcp://127.0.0.1:1: no scheduler answers there" in ran.err
    assert "Traceback" not in ran.text


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("foo", "no port"),
        ("tcp://:8786", "no host"),
        ("nonsense://x:1", "unknown address scheme 'nonsense'"),
        ("127.0.0.1:notaport", "Port could not be cast"),
        ("tcp://127.0.0.1:99999", "Port out of range"),
        ("tcp://127.0.0.1:8786/status", "127.0.0.1:8786/status"),
    ],
)
def test_an_address_that_is_none_is_said_before_any_client_tries(monkeypatch, address, why):
    """A client of dask tries for seconds, and prints a traceback when it is given up."""
    monkeypatch.setattr(distributed, "Client", lambda *_, **__: pytest.fail("tried"))
    with (
        pytest.raises(UsageError, match=r"an address is tcp://host:port.*" + why),
        cluster.connected(address, []),
    ):
        pass


@pytest.mark.parametrize(
    ("said", "why"),
    [(b"HTTP/1.0 400 Bad request\r\n", "speaks another language"), (b"", "nothing is heard")],
)
def test_another_service_at_the_address_is_no_scheduler(monkeypatch, said, why):
    """A client of dask takes its first bytes for a length, or waits for ever."""
    monkeypatch.setattr(distributed, "Client", lambda *_, **__: pytest.fail("tried"))
    monkeypatch.setattr(cluster, "SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            for _ in range(2):  # somebody looks whether anyone is there, then greets
                kept.append(server.accept()[0])
                if said:
                    kept[-1].sendall(said)

        kept: list[socket.socket] = []
        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(UsageError, match=why), cluster.connected(address, []):
            pass
        thread.join(20)
    for connection in kept:
        connection.close()


def test_without_dask_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(UsageError, match=r"pip install 'gradcheck\[dask\]'"),
        cluster.connected("tcp://127.0.0.1:1", []),
    ):
        pass


def test_what_killed_worker_after_worker_is_lost():
    error = distributed.KilledWorker("task", None, 3)
    lost = cluster._understood(error)
    assert isinstance(lost, Lost)
    assert lost.death.how == "died with every worker of the cluster that tried it"
    other = ValueError("no")
    assert cluster._understood(other) is other


# -- what is sent --------------------------------------------------------------------------------


def test_the_bundle_holds_code_and_small_files_of_this_folder(project: Project):
    from io import BytesIO
    from zipfile import ZipFile

    project.write("src/inner/__init__.py", "")
    project.write("src/inner/gates.py", GATES)
    project.write("weights.txt", "1 2 3")
    for name in (".git/config", "venv/lib/a.py", "src/__pycache__/a.pyc", "node_modules/a.js"):
        project.write(name, "x")
    project.write("venv/pyvenv.cfg", "")
    project.write("data.bin", "x" * (upload.SMALL + 1))
    made = upload.bundle(load("src/inner/gates.py"))
    assert made.roots == ("src",)
    names = ZipFile(BytesIO(made.data)).namelist()
    assert names == ["weights.txt", "src/inner/__init__.py", "src/inner/gates.py"]


def test_installed_packages_are_not_sent(project: Project):
    assert upload.bundle(load("reference_ops.arithmetic::add")) == upload.Bundle()


def test_a_file_elsewhere_cannot_be_sent(project: Project, monkeypatch):
    project.write("gates.py", GATES)
    (project.folder / "inside").mkdir()
    monkeypatch.chdir(project.folder / "inside")
    ops = load("../gates.py")
    with pytest.raises(UsageError, match="lies outside of"):
        upload.bundle(ops)


def test_too_large_a_folder_is_refused(project: Project, monkeypatch):
    project.write("gates.py", GATES)
    monkeypatch.setattr(upload, "LARGEST", 10)
    with pytest.raises(UsageError, match="too much to send"):
        upload.bundle(load("gates.py"))
