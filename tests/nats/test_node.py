"""A node as a process: that it serves, and what it says if it can't."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection

from app.backends.nats.settings import NatsSettings
from benchmarks.ports import free_port
from tests.cli.test_serve import refused
from tests.clients import DEADLINE, Process, Served, serving
from tests.nats.servers import Servers, flags

NUMBERS = count(1)


@pytest.fixture
def log(servers: Servers) -> NatsSettings:
    """The settings of nodes that have a log in common."""
    return servers.settings(stream=f"node-{next(NUMBERS)}")


@contextmanager
def node(settings: NatsSettings, folder: Path, *, store: str = "chat.db") -> Iterator[Served]:
    """A node whose copy is in `folder`."""
    folder.mkdir(exist_ok=True)
    with serving(*flags(settings), "-port=0", f"-P:chat.store={store}", cwd=folder) as served:
        yield served


def test_what_is_said_on_one_node_is_heard_on_another_in_the_same_order(log: NatsSettings, tmp_path: Path) -> None:
    with (
        node(log, tmp_path / "a") as one,
        node(log, tmp_path / "b") as other,
        one.connect() as ann,
        other.connect() as bob,
    ):
        assert ann.recv(DEADLINE)
        assert bob.recv(DEADLINE)
        ann.send("hi")
        assert bob.recv(DEADLINE) == ann.recv(DEADLINE)
        bob.send("hello")
        assert ann.recv(DEADLINE) == bob.recv(DEADLINE)


def test_a_backend_that_is_misspelt(tmp_path: Path) -> None:
    refused(2, 'chat.backend = "nat": expected embedded or nats', "-P:chat.backend=nat", cwd=tmp_path)


def test_servers_that_are_named_and_not_used(log: NatsSettings, tmp_path: Path) -> None:
    told = "chat.nats is set and not used, since chat.backend = embedded: this is a chat of its own"
    with serving(*flags(log), "-P:chat.backend=embedded", cwd=tmp_path) as served:
        assert any(line.endswith(told) for line in served.log)
    with serving(cwd=tmp_path, environment={"NATS_PASSWORD": "for-another-program"}) as served:
        assert not any(told in line for line in served.log)


def test_the_package_is_missing(log: NatsSettings, tmp_path: Path) -> None:
    (tmp_path / "nats.py").write_text("raise ModuleNotFoundError(\"No module named 'nats'\", name='nats')")
    refused(
        1,
        "chat.backend = nats needs nats-py: install Natter with it (pip install '.[nats]')",
        *flags(log),
        cwd=tmp_path,
        PYTHONPATH=f"{tmp_path}:{Path(__file__).parents[2]}",
    )


def test_a_signal_ends_a_node_that_waits_for_the_servers(tmp_path: Path) -> None:
    nobody = NatsSettings((f"nats://127.0.0.1:{free_port()}",))
    with Process(*flags(nobody), "-port=0", "-P:chat.store=chat.db", cwd=tmp_path) as starting:
        starting.line("nothing listens there: waiting for up to")
        assert starting.stop() == 1
    assert starting.log[-1] == "natter: chat.nats: this node was stopped before it had started"
    assert list(tmp_path.iterdir()) == []


def test_wrong_credentials(log: NatsSettings, tmp_path: Path) -> None:
    refused(1, "does not let user natter in", *flags(log, password="wrong"), cwd=tmp_path)


def test_a_node_whose_copy_is_in_memory_keeps_nothing(log: NatsSettings, tmp_path: Path) -> None:
    with node(log, tmp_path, store=":memory:") as served, served.connect() as client:
        assert client.recv(DEADLINE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow("cluster")
def test_a_node_whose_copy_is_spoiled_ends_and_is_right_when_it_is_started_again(
    log: NatsSettings, tmp_path: Path
) -> None:
    """With an exit code that has a service manager start it. Of two nodes, the one that was started later stops."""
    with node(log, tmp_path / "a") as one, joined(one) as ann, joined(one), node(log, tmp_path / "b") as other:
        with closing(sqlite3.connect(tmp_path / "b/chat.db", timeout=DEADLINE)) as copy:
            copy.execute("UPDATE users SET canonical = 'ann' WHERE id = 2")
            copy.commit()
        ask(ann, {"t": "nick", "rid": "n", "name": "Ann"})
        assert other.wait() == 1
        assert re.fullmatch(
            r"natter: this node has stopped, and is to be started again: the store can't be written: "
            r"at position \d+, this node's copy is not what the log comes to on other nodes",
            other.log[-1],
        )
        with node(log, tmp_path / "b") as again, joined(again) as bob:
            assert ask(bob, {"t": "nick", "rid": "n", "name": "Ann"})["code"] == "name_taken"


@contextmanager
def joined(served: Served) -> Iterator[ClientConnection]:
    with served.connect(subprotocols=["chat.v1.json"]) as client:
        assert json.loads(client.recv(DEADLINE))["t"] == "welcome"
        yield client


def ask(client: ClientConnection, request: dict[str, Any]) -> dict[str, Any]:
    """The frame that answers a request."""
    client.send(json.dumps(request))
    while True:
        frame: dict[str, Any] = json.loads(client.recv(DEADLINE))
        if frame.get("rid") == request["rid"]:
            return frame


def test_a_copy_of_another_log(log: NatsSettings, servers: Servers, tmp_path: Path) -> None:
    """Two clusters on one stream, or a node that is told another one."""
    other = servers.settings(stream=f"{log.stream}-other")
    with node(log, tmp_path) as one, one.connect() as ann, node(other, tmp_path / "other"):
        assert ann.recv(DEADLINE)
    refused(1, "chat.db: this is a copy of another log than", *flags(other), "-P:chat.store=chat.db", cwd=tmp_path)


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({"servers": "[]"}, "chat.nats.servers"),
        ({"servers": '["http://127.0.0.1:1"]'}, 'expected addresses such as "nats://nats.example.com:4222"'),
        ({"servers": '["nats://ann:secret@127.0.0.1:1"]'}, "chat.nats.user and chat.nats.password"),
        ({"servers": '["tls://127.0.0.1:1"]'}, "for TLS, set chat.nats.tls.enabled = true"),
        ({"servers": '["nats://127.0.0.1:port"]'}, "expected addresses such as"),
        ({"stream": "my.chat"}, "expected ASCII letters, digits, _ and -"),
        ({"replicas": "2"}, "expected 1, 3 or 5"),
        ({"max-bytes": "1KiB"}, "expected at least 8MiB"),
        ({"tls.key": "key.pem"}, "a key and its certificate go together"),
        ({"tls.ca": "ca.pem"}, "expected enabled = true"),
    ],
)
def test_settings_that_can_not_be(more: dict[str, object], line: str, tmp_path: Path) -> None:
    refused(2, line, *flags(NatsSettings(), **more), cwd=tmp_path)
