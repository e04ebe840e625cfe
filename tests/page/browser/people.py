"""People who use the chat without a browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from websockets.sync.client import ClientConnection

from tests.clients import DEADLINE, Served


class Peer:
    """A client of `chat.v1.json`. Each method waits for its own answer."""

    def __init__(self, connection: ClientConnection, name: str) -> None:
        self.connection, self.name = connection, name
        self.welcome = self.next()
        self.id, self.token = int(self.welcome["id"]), str(self.welcome["token"])
        self._numbers = count(1)

    def next(self) -> Any:
        return json.loads(self.connection.recv(DEADLINE))

    def until(self, t: str, **fields: Any) -> Any:
        """The next frame of type `t` that has these fields."""
        while True:
            frame = self.next()
            if frame["t"] == t and all(frame.get(key) == value for key, value in fields.items()):
                return frame

    def tell(self, t: str, **fields: Any) -> None:
        """Send a frame without waiting for an answer."""
        self.connection.send(json.dumps({"t": t, **fields}))

    def ask(self, t: str, **fields: Any) -> Any:
        """Send a request that must succeed; its answer."""
        rid = next(self._numbers)
        self.tell(t, rid=rid, **fields)
        while (frame := self.next()).get("rid") != rid:
            pass
        assert frame["t"] != "error", frame
        return frame

    def join(self, room: str = "lobby") -> Any:
        return self.ask("join", room=room)

    def say(self, *texts: str, room: str = "lobby", **fields: Any) -> list[int]:
        """Send messages without waiting in between; their positions, once all are stored."""
        cids = [f"{self.name}-{next(self._numbers)}" for _ in texts]
        for cid, text in zip(cids, texts, strict=True):
            self.tell("msg", room=room, cid=cid, text=text, **fields)
        return [self._stored(cid) for cid in cids]

    def whisper(self, text: str, *names: str) -> int:
        cid = f"{self.name}-{next(self._numbers)}"
        self.tell("whisper", to=list(names), cid=cid, text=text)
        return self._stored(cid)

    def history(self, room: str = "lobby", limit: int = 200) -> list[str]:
        """The last texts in a room."""
        events = self.ask("history", room=room, limit=limit)["events"]
        return [event["text"] for event in events if event["t"] == "msg"]

    def _stored(self, cid: str) -> int:
        while (frame := self.next()).get("cid") != cid:
            pass
        assert frame["t"] == "ack", frame
        return int(frame["seq"])


@contextmanager
def peer(server: Served, name: str, *, room: str = "lobby", password: str = "") -> Iterator[Peer]:
    """Somebody in `room`. With a password they are registered, and own the room if it has no owner."""
    with server.connect(f"/chat?name={name}", subprotocols=["chat.v1.json"]) as connection:
        one = Peer(connection, name)
        assert one.welcome["name"] == name
        if room:
            one.join(room)
        if password:
            one.ask("register", password=password)
        yield one
