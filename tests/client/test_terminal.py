"""The client in a terminal, as a person sees it."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.sync.client import ClientConnection

from tests.client.terminals import ENTER, Terminal, terminal
from tests.client.towns import NO_LIMITS
from tests.clients import DEADLINE, Served, dial, serving


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    """A server for all tests of this file, each in a room of its own."""
    with serving(*NO_LIMITS) as server:
        yield server


@pytest.fixture
def room(request: pytest.FixtureRequest) -> str:
    return str(request.node.name).removeprefix("test_")[:60].rstrip("_")


class Friend:
    """Somebody else in a room."""

    def __init__(self, connection: ClientConnection, room: str) -> None:
        self._connection, self.room, self._said = connection, room, 0
        self.name = json.loads(connection.recv(DEADLINE))["name"]
        self.does("join", room=room)

    def does(self, t: str, **fields: Any) -> Any:
        """Ask for something, and wait for the answer."""
        self._said += 1
        self._connection.send(json.dumps({"t": t, "rid": self._said, "cid": f"c{self._said}", **fields}))
        while True:
            frame = json.loads(self._connection.recv(DEADLINE))
            if frame.get("rid") == self._said or frame.get("cid") == f"c{self._said}":
                return frame

    def says(self, text: str, **fields: Any) -> int:
        return int(self.does("msg", room=self.room, text=text, **fields)["seq"])


@contextmanager
def befriended(url: str, name: str, room: str) -> Iterator[Friend]:
    with dial(f"{url}?name={name}", subprotocols=["chat.v1.json"]) as connection:
        yield Friend(connection, room)


@pytest.fixture
def friend(server: Served, room: str) -> Iterator[Friend]:
    with befriended(f"{server.ws}/chat", f"f{zlib.crc32(room.encode())}", room) as friend:
        yield friend


@pytest.fixture
def me(server: Served, room: str) -> Iterator[Terminal]:
    """Ann, who is in the room."""
    name = f"a{zlib.crc32(room.encode())}"
    with terminal(f"{server.ws}/chat", "--name", name, "--room", room) as me:
        me.shows(f"you are in {room}")
        me.prompt(f"{room}>")
        yield me


def test_typing_while_messages_arrive(me: Terminal, friend: Friend, room: str) -> None:
    me.types("half of ")
    me.prompt(f"{room}> half of")
    for number in range(40):
        friend.says(f"number {number}")
    me.shows("number 39")
    me.prompt(f"{room}> half of")
    me.types("a line" + ENTER)
    me.shows("> half of a line")
    me.prompt(f"{room}>")
    said = [line for line in me.lines() if "number " in line]
    assert [line.rpartition(" ")[2] for line in said] == [str(number) for number in range(40)]
    assert friend.does("history", room=room, limit=1)["events"][0]["text"] == "half of a line"
