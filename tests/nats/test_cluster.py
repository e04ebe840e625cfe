"""`make cluster`: one command that starts everything, and ends it."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection

from benchmarks.ports import free_port
from tests.clients import DEADLINE, ROOT, Process, dial

pytestmark = pytest.mark.slow("cluster")

COMMAND = f"{sys.executable} -m tests.nats.cluster"
"""What `make cluster` runs."""


@contextmanager
def joined(url: str) -> Iterator[ClientConnection]:
    """A client in the room."""
    with dial(url, subprotocols=["chat.v1.json"]) as client:
        client.send(json.dumps({"t": "join", "cid": "j", "room": "lobby"}))
        hears(client, "joined")
        yield client


def hears(client: ClientConnection, kind: str) -> dict[str, Any]:
    """The next frame of a kind that a client gets."""
    while True:
        frame: dict[str, Any] = json.loads(client.recv(DEADLINE))
        if frame["t"] == kind:
            return frame


def test_clients_of_the_balancer_meet_and_nothing_is_left(tmp_path: Path) -> None:
    port = free_port()
    with Process(cwd=ROOT, command=COMMAND, environment={"PORT": str(port), "TMPDIR": str(tmp_path)}) as cluster:
        nodes = [cluster.line(r"http://127\.0\.0\.1:(\d+), as process (\d+)") for _ in range(2)]
        cluster.line(rf"Open http://127\.0\.0\.1:{port} in several windows")
        with joined(f"ws://127.0.0.1:{port}/chat") as ann, joined(f"ws://127.0.0.1:{port}/chat") as bob:
            ann.send(json.dumps({"t": "msg", "cid": "a", "room": "lobby", "text": "hi"}))
            assert hears(ann, "msg") == hears(bob, "msg")
        killed = nodes[0][2]
        os.kill(int(killed), signal.SIGKILL)
        cluster.line("has ended with code -9")
        assert cluster.line("as process (.*)")[1] != killed
        assert cluster.stop() == 0
    assert list(tmp_path.iterdir()) == []
    for node in nodes:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", int(node[1])), DEADLINE)


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with Process(cwd=tmp_path, command=COMMAND, environment={"PORT": port}) as run:
            assert run.wait() == 1
    assert run.log[-1] == f"port {port}: it is taken: choose another one (PORT=9090 make cluster)"


def test_make_runs_it() -> None:
    assert "cluster: $(VENV)/dev.stamp" in (ROOT / "Makefile").read_text()
    assert "@exec $(BIN)/python -m tests.nats.cluster\n" in (ROOT / "Makefile").read_text()
