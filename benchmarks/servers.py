"""How every benchmark starts a server: on a free port, in an empty folder, and waited for until it answers.

StartError      the server did not start; the message is the last line of its log
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app.load import Process
from benchmarks.ports import free_port

ROOT = Path(__file__).parent.parent
CORES = sorted(os.sched_getaffinity(0))
START, STOP = 60.0, 5.0
BARE = """
import os

import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

app = Starlette(routes=[Route("/", lambda request: PlainTextResponse("hello"))])
uvicorn.run(app, port=int(os.environ["PORT"]))
"""
BUSY = 0.5
"""A load average that disturbs measurements."""
NO_LIMITS = {"rate": 0, "connections": 0, "connections-per-address": 0}
"""Settings in `chat.limits` that would stop the load."""


class StartError(Exception):
    """The server did not start."""


@dataclass(frozen=True)
class Build:
    """A copy of Natter's source, and the Python with the packages that it needs."""

    source: Path
    python: Path


HERE = Build(ROOT, Path(sys.executable))


@dataclass(frozen=True)
class Program:
    """A server to start. It must listen on the port that the environment variable PORT gives."""

    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    path: str = "/chat"


@dataclass(frozen=True)
class Server:
    """A server that runs. `ws` is the URL of its chat, `http` that of its page."""

    process: Process
    http: str
    ws: str
    log: Path
    """What it prints. Gone once it has stopped."""
    seconds_to_start: float
    """From the start of its process until it answered a request."""


def natter(
    *flags: str, store: Path | str = "chat.db", build: Build = HERE, seed: str = "random", limits: bool = False
) -> Program:
    """Natter, without limits on the load unless `limits`. A relative `store` is gone when the server ends. Two servers
    with one `seed` order their sets alike."""
    settings = [] if limits else [f"-P:chat.limits.{name}={value}" for name, value in NO_LIMITS.items()]
    environment = {"PYTHONPATH": str(build.source), "PYTHONHASHSEED": seed, "CHAT_STORE": str(store)}
    return Program([str(build.python), "-m", "app", *settings, *flags], environment)


def bare(build: Build = HERE) -> Program:
    """The least that can be compared with Natter: Starlette with one route, on the same uvicorn."""
    return Program([str(build.python), "-c", BARE])


@contextmanager
def serve(program: Program, *, pinned: bool = True) -> Iterator[Server]:
    """Run a server for the length of a block. If `pinned`, it runs on the first core, and the caller on the second."""
    port = free_port()
    environment = {**os.environ, **program.environment, "PORT": str(port)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # every start but the first finds compiled modules, as users do
    before = os.sched_getaffinity(0)
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w+") as log:
        if pinned:
            os.sched_setaffinity(0, CORES[:1])  # the new process inherits it, and so do all its threads
        started = time.perf_counter()
        try:
            process = subprocess.Popen(program.command, cwd=folder, env=environment, stdout=log, stderr=log)
        finally:
            os.sched_setaffinity(0, CORES[:2][-1:] if pinned else before)
        try:
            wait_for_answer(process, port, Path(log.name))
            seconds = time.perf_counter() - started
            address = f"127.0.0.1:{port}"
            yield Server(
                Process(process.pid), f"http://{address}", f"ws://{address}{program.path}", Path(log.name), seconds
            )
        finally:
            stop(process)
            os.sched_setaffinity(0, before)


def allow_all_files() -> None:
    """Raise the limit of open files as far as it goes, for this process and the servers that it starts."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def warnings() -> list[str]:
    """Why the figures may be worth little."""
    found = []
    if len(CORES) < 2:
        found.append("this machine has one core: the load takes it from the server")
    if (load := os.getloadavg()[0]) > BUSY:
        found.append(f"the machine is busy (load average {load:.1f}): expect a wide spread")
    return found


def wait_for_answer(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Ask until the server answers, whatever it says. StartError if it ends, or doesn't answer within START seconds."""
    end = time.monotonic() + START
    while process.poll() is None and (left := end - time.monotonic()) > 0:
        try:
            with socket.create_connection(("127.0.0.1", port), left) as connection:
                connection.sendall(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                connection.recv(1)
                return
        except OSError:
            time.sleep(0.001)
    lines = log.read_text(errors="replace").strip().splitlines()
    raise StartError(lines[-1] if lines else f"no answer within {START:.0f} s")


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask the process to stop, and kill it if it doesn't soon."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
