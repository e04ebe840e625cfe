"""A client of `chat.v1.json` for tests through TestClient."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.testclient import TestClient, WebSocketTestSession

from tests.clients import hear

HINTS = ("presence", "typing", "read")
"""Frames that come by themselves, whenever they come."""


class Client:
    """A client of the JSON dialect."""

    def __init__(self, session: WebSocketTestSession) -> None:
        self.session = session
        assert session.accepted_subprotocol == "chat.v1.json"
        self.welcome = self.next()
        assert self.welcome["t"] == "welcome"

    def next(self) -> Any:
        """The next frame that is no hint."""
        while (frame := self.any())["t"] in HINTS:
            pass
        return frame

    def any(self) -> Any:
        """The next frame."""
        return json.loads(hear(self.session))

    def hint(self, t: str) -> Any:
        """The next hint of one type; other hints are passed over, and nothing else may come."""
        while (frame := self.any())["t"] != t:
            assert frame["t"] in HINTS, frame
        return frame

    def ask(self, t: str, **fields: Any) -> None:
        self.session.send_text(json.dumps({"t": t, **fields}))

    def answer(self, t: str, **fields: Any) -> Any:
        """Ask for something; what comes first that is no hint and no event carries the request's own id."""
        self.ask(t, rid=7, **fields)
        while (frame := self.next()).get("rid") != 7:
            assert "seq" in frame or frame["t"] in ("named", "parted"), frame
        return frame

    def refused(self, t: str, **fields: Any) -> str:
        """Ask for something that is refused; the code."""
        frame = self.answer(t, **fields)
        assert frame["t"] == "error", frame
        return str(frame["code"])

    def quiet(self) -> None:
        """Nothing has come but hints: the next answer is the next frame."""
        self.ask("help", rid="quiet", command="help")
        frame = self.next()
        assert frame.get("rid") == "quiet", frame

    @property
    def name(self) -> str:
        return str(self.welcome["name"])

    def join(self, room: str = "lobby", **fields: Any) -> Any:
        self.ask("join", room=room, rid=1, **fields)
        joined = self.next()
        assert (joined["t"], joined["rid"], joined["room"]) == ("joined", 1, room)
        return joined

    def say(self, text: str, cid: str, room: str = "lobby") -> tuple[Any, Any]:
        """Say something: the ack, and the event, which comes right after it."""
        self.ask("msg", room=room, cid=cid, text=text)
        ack, event = self.next(), self.next()
        assert (ack["t"], ack["cid"]) == ("ack", cid)
        assert (event["t"], event["seq"], event["id"]) == ("msg", ack["seq"], ack["id"])
        return ack, event

    def texts(self, count: int) -> list[str]:
        return [self.next()["text"] for _ in range(count)]


@contextmanager
def connected(server: TestClient, token: str = "", query: str = "") -> Iterator[Client]:
    """A client that is connected, and has been welcomed."""
    subprotocols = ["chat.v1.json"] + ([f"token.{token}"] if token else [])
    with server.websocket_connect(f"/chat{query}", subprotocols=subprotocols) as session:
        yield Client(session)
