"""People on two nodes over NATS: what the nodes tell each other arrives, and what the log says holds on both."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.sync.client import ClientConnection

from app.backends.nats.settings import NatsSettings
from app.chat.closing import CloseCode
from app.clock import Clock
from app.testing import Host, test_application
from tests.clients import DEADLINE
from tests.live.test_nodes import until_present
from tests.nats.test_node import node

PASSWORD = "correct horse"


@pytest.fixture
def two(settings: NatsSettings, tmp_path: Path) -> Iterator[list[Host]]:
    overrides = {
        "chat.backend": "nats",
        "chat.nats.servers": list(settings.servers),
        "chat.nats.user": settings.user,
        "chat.nats.password": settings.password,
        "chat.nats.stream": settings.stream,
        "chat.nats.replicas": settings.replicas,
        "chat.nats.max-bytes": int(settings.max_bytes),
    }
    with ExitStack() as stack:
        yield [
            stack.enter_context(test_application(store=tmp_path / name, overrides=overrides, clock=Clock()))
            for name in ("a.db", "b.db")
        ]


def test_people_see_each_other(two: list[Host]) -> None:
    ann, bob = two[0].join("ann"), two[1].join("bob")
    until_present(ann, ann=None, bob=None)
    until_present(bob, ann=None, bob=None)
    bob.answer("away", why="lunch")
    until_present(ann, ann=None, bob="lunch")
    ann.ask("typing", room="lobby")
    assert bob.hint("typing")["from"] == "ann"
    bob.leave()
    until_present(ann, ann=None)


def test_what_is_changed_about_a_user_holds_on_both_nodes(two: list[Host]) -> None:
    ann, cy = two[0].join("ann"), two[1].join("cy")
    ann.register(PASSWORD)
    cy.sees("owner")
    other = two[1].join(token=ann.token)
    ann.nick("anna")
    while other.receive().get("name") != "anna":
        pass  # that she is an operator now may come before
    ann.answer("ban", room="lobby", name="cy")
    assert cy.sees("ban").name == "anna"
    ann.answer("password", old=PASSWORD, new="another horse")
    assert other.closed() == CloseCode.SIGNED_OUT
    with two[1].connect(token=ann.token) as again:
        assert again.id == ann.id


@pytest.mark.slow("cluster")
def test_the_people_of_a_node_that_is_killed_leave(settings: NatsSettings, tmp_path: Path) -> None:
    """By the clocks of two processes: the test clock's version says after how many seconds."""
    with node(settings, tmp_path / "a") as one, node(settings, tmp_path / "b") as other, ExitStack() as stack:
        ann = stack.enter_context(one.connect(subprotocols=["chat.v1.json"]))
        bob = stack.enter_context(other.connect("/chat?name=bob", subprotocols=["chat.v1.json"]))
        for client in (ann, bob):
            client.send(json.dumps({"t": "join", "room": "lobby"}))
        _until(ann, "came", "bob")
        other.stop(signal.SIGKILL)
        _until(ann, "went", "bob")


def _until(client: ClientConnection, change: str, name: str) -> None:
    """Wait for a hint that someone came or went."""
    while name not in [one["name"] for one in json.loads(client.recv(DEADLINE)).get(change, ())]:
        pass
