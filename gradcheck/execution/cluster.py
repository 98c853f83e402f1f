"""A dask.distributed cluster as a place: connected to, compared, and given the user's code.

Imported where a cluster is asked for: dask is an extra.
"""

from __future__ import annotations

import asyncio
import os
import platform
import secrets
import socket
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import msgspec

from gradcheck.environment import environment
from gradcheck.errors import UsageError
from gradcheck.execution.data import Answer, Chunk, Death, packed
from gradcheck.execution.place import Lost, translated
from gradcheck.execution.upload import Bundle, bundle
from gradcheck.model import Op

SECONDS = 5.0
"""For the scheduler to answer, and for a first worker to be there."""
SOCKETS = ("tcp", "tls", "ws", "wss")
"""Schemes whose addresses are a host and a port."""
PATIENCE = 30.0
"""Seconds without any worker, after which what is left is given up."""
COMPARED = ("python", "gradcheck", "numpy", "hypothesis")
"""What the cases, and so the results, depend on."""


@contextmanager
def connected(address: str, ops: Sequence[Op]) -> Iterator[Cluster]:
    """The cluster at an address, with the code of the ops on its workers.

    Parameters
    ----------
    address : str
        Of the scheduler: ``tcp://host:8786``.
    ops : sequence of Op
        What is going to be checked there.

    Raises
    ------
    UsageError
        dask is not installed, nothing answers, there is no worker, or versions differ.
    """
    client = _client(address)
    try:
        _demand_workers(client, address)
        _demand_versions(client)
        cluster = Cluster(client, bundle([op for op in ops if op.target]))
        try:
            yield cluster
        finally:
            cluster.close()
    finally:
        with suppress(Exception):
            client.close(timeout=SECONDS)


def _client(address: str) -> Any:
    try:
        import distributed
    except ImportError:
        raise UsageError("--dask needs dask.distributed: pip install 'gradcheck[dask]'") from None
    _demand_address(address)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of versions: we compare those that count
            connect: Any = distributed.Client
            return connect(address, timeout=SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError, ImportError) as error:
        why = str(error).partition("\n")[0] or type(error).__name__
        raise _silent(address, why) from None


def _demand_address(address: str) -> None:
    """What is no address, and where nobody listens, is said at once: a client tries for long."""
    from distributed.comm.registry import get_backend

    form = f"--dask {address}: an address is tcp://host:port, as dask scheduler prints it"
    scheme, sign, place = address.rpartition("://")
    scheme = scheme if sign else "tcp"
    try:
        get_backend(scheme)
        parts = urlsplit(f"{scheme}://{place}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"{form} ({error})") from None
    if scheme not in SOCKETS:
        return
    if not host or not port or parts.path or parts.query or parts.fragment:
        raise UsageError(f"{form} ({'no host' if not host else 'no port' if not port else place})")
    try:
        socket.create_connection((host, port), SECONDS).close()
        if scheme == "tcp":
            with ThreadPoolExecutor(1) as own:  # a notebook has a loop in its thread already
                own.submit(asyncio.run, _greeted(f"tcp://{place}")).result()
    except TimeoutError:
        raise _silent(address, f"nothing is heard for {SECONDS:g} s") from None
    except (OSError, UnicodeError) as error:
        raise _silent(address, getattr(error, "strerror", None) or str(error)) from None
    except MemoryError:  # it takes the first bytes for a length
        raise _silent(address, "what answers speaks another language") from None


async def _greeted(address: str) -> None:
    """That what listens there greets as dask does."""
    from distributed.comm import core

    connect: Any = core.connect
    comm = await asyncio.wait_for(connect(address, timeout=SECONDS), SECONDS)
    await comm.close()


def _silent(address: str, why: str) -> UsageError:
    return UsageError(
        f"--dask {address}: no scheduler answers there ({why}); start one with "
        "dask scheduler, which prints its address"
    )


def _demand_workers(client: Any, address: str) -> None:
    until = time.monotonic() + SECONDS
    while not client.nthreads():
        if time.monotonic() > until:
            raise UsageError(
                f"--dask {address}: the scheduler has no worker; start some with "
                f"dask worker {address}"
            )
        time.sleep(0.1)


def _demand_versions(client: Any) -> None:
    """Other versions draw other cases: the report would be another one."""
    found = client.get_versions(packages=list(COMPARED[1:]))["workers"]
    ours = versions()
    rows = []
    for worker, said in sorted(found.items()):
        theirs = {**said["packages"]}
        theirs["python"] = ".".join(str(theirs.get("python", "")).split(".")[:3])
        rows += [
            (name, ours[name], theirs.get(name) or "not installed", worker)
            for name in COMPARED
            if theirs.get(name) != ours[name]
        ]
    if rows:
        table = [("", "here", "there", "worker"), *rows]
        lines = "\n".join(f"  {n:<12s}{a:<16s}{b:<16s}{w}" for n, a, b, w in table)
        raise UsageError(
            f"the cluster has other versions, and would check other cases:\n{lines}\n"
            "install the same there, or run from an environment like theirs"
        )


def versions() -> Mapping[str, str]:
    """What this side has of what is compared."""
    own = environment()
    return {**{name: own[name] for name in COMPARED[1:]}, "python": platform.python_version()}


class Cluster:
    """A place with as many chunks at work as its workers have threads."""

    def __init__(self, client: Any, sent: Bundle) -> None:
        from gradcheck.execution.remote import Code, work_apart

        self._client, self._work, self._roots = client, work_apart, sent.roots
        self._executor = client.get_executor(pure=False)  # or a second try gets the first's error
        self.capacity = 2 * sum(client.nthreads().values())  # one waits while one is at work
        self._code = f"gradcheck-{secrets.token_hex(8)}"
        self._alive = time.monotonic()
        client.register_plugin(Code(self._code, sent.data), name=self._code)

    def submit(self, chunk: Chunk) -> Future[list[Answer]]:
        """As `place.Place`."""
        named = msgspec.structs.replace(chunk, code=self._code, home=os.getcwd(), roots=self._roots)
        return translated(self._executor.submit(self._work, packed(named)), _understood)

    def trouble(self) -> str:
        """As `place.Place`."""
        now = time.monotonic()
        if self._client.status != "running":
            return "the connection to the cluster is lost"
        if self._client.nthreads():
            self._alive = now
        if now - self._alive > PATIENCE:
            return f"the cluster has had no worker for {PATIENCE:g} s"
        return ""

    def close(self) -> None:
        """Take the code away again, and stop what is at work there."""
        with suppress(Exception):  # the cluster may be gone
            self._executor.shutdown(wait=False)
            self._client.unregister_worker_plugin(self._code)


def _understood(error: BaseException) -> BaseException:
    """A worker that dies is no fault of ours; dask gives up after four."""
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        return Lost(Death(how="died with every worker of the cluster that tried it"))
    return error
