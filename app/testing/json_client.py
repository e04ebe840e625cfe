"""A client of the dialect `chat.v1.json`. docs/protocol.md describes its frames."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from typing import Any

from app.chat.dialects import JSON_SUBPROTOCOL
from app.chat.logs import WHISPERS
from app.testing.client import Client, names_of
from app.testing.heard import Heard, Refusal, Wanted, from_frame, matches
from app.testing.sockets import Socket

HINTS = frozenset({"presence", "typing", "read"})
"""Frames that may arrive at any time, so that a test waits for them only if it says so."""


class JsonClient(Client):
    """A client of `chat.v1.json`. It can also send every request of the protocol."""

    def __init__(self, socket: Socket, settle: Callable[[], None], name: str = "") -> None:
        super().__init__(socket, settle, name, "")
        if socket.subprotocol != JSON_SUBPROTOCOL:
            raise AssertionError(f"the server does not speak {JSON_SUBPROTOCOL}")
        self.positions: dict[str, int] = {}
        """The rooms that it follows, each with the position of the last event that it got."""
        self._prefix, self._asked = secrets.token_hex(4), 0
        self.welcome = self.frame()
        """The first frame: the client's user and token, and the server's limits."""
        self.name = self.welcome["name"]
        if name and name != self.name:
            raise self._refusal(self.receive())

    @property
    def id(self) -> int:
        """The id of the user."""
        return int(self.welcome["id"])

    @property
    def token(self) -> str:
        """The secret that makes another connection the same user."""
        return str(self.welcome["token"])

    @property
    def epoch(self) -> str:
        """The epoch that positions belong to."""
        return str(self.welcome["epoch"])

    # What it does

    def say(self, text: str, *, room: str = "", cid: str = "") -> Heard:
        """Say something in the room. Return the message as everyone gets it. With a `cid` that was used before, nothing
        is stored, and the first message is acknowledged again."""
        return self._speak("msg", cid, room=room or self.room, text=text)

    def me(self, text: str, *, room: str = "") -> Heard:
        return self._speak("msg", room=room or self.room, text=text, me=True)

    def whisper(self, to: str | Client | Sequence[str | Client], text: str) -> Heard:
        return self._speak("whisper", to=names_of(to), text=text)

    def command(self, line: str) -> str:
        answer = self.answer("command", room=self.room, line=line)
        return str(answer.get("text") or answer.get("note") or "")

    def join(self, room: str = "", **fields: Any) -> Any:
        """Follow a room, from now on, or from `after` a position of an `epoch`. Return the frame `joined`."""
        room = room or self.welcome["room"]
        joined = self.answer("join", room=room, **fields)
        self.positions[room] = fields.get("after", joined["head"]) if joined["recovered"] else joined["head"]
        if room != WHISPERS:
            self.room = room
        return joined

    def part(self, room: str = "") -> None:
        room = room or self.room
        self.answer("part", room=room)
        self.positions.pop(room, None)

    def nick(self, name: str) -> None:
        self.name = self.answer("nick", name=name)["name"]

    def register(self, password: str) -> None:
        self.answer("register", password=password)

    def login(self, name: str, password: str) -> None:
        named = self.answer("login", name=name, password=password)
        self.welcome = {**self.welcome, **{key: named[key] for key in ("id", "name")}}
        self.name = named["name"]
        rooms, self.positions = list(self.positions), {}
        for room in rooms:
            self.join(room)

    # What it gets

    def sees(self, kind: str, *, name: str = "", room: str = "") -> Heard:
        """Wait for an event of a kind of `app.Kind`, such as `topic` or `kick`. `name` and `room` narrow it down."""

        def fits(heard: Heard) -> bool:
            return heard.kind == kind and name in ("", heard.name) and room in ("", heard.room)

        return self._wait_heard(fits, f"the event {kind!s}")

    def hint(self, t: str) -> Any:
        """Wait for a hint: `presence`, `typing` or `read`. Skip nothing."""
        return self._take(lambda frame: frame["t"] == t, f"the hint {t}")

    def notice(self, text: Wanted = None) -> str:
        frame = self._wait(lambda frame: frame["t"] == "notice" and matches(frame["text"], text), f"a notice {text!r}")
        return str(frame["text"])

    def error(self, code: str = "", message: Wanted = None) -> Refusal:
        refusal = self._refusal(self._take(lambda frame: frame["t"] == "error", f"the error {code}".rstrip()))
        if code not in ("", refusal.code) or not matches(refusal.message, message):
            raise AssertionError(f"expected the error {code or message!r}: {refusal}")
        return refusal

    # The protocol

    def ask(self, t: str, **fields: Any) -> None:
        """Send a frame of type `t`. Don't wait for anything."""
        self.send({"t": t, **fields})

    def answer(self, t: str, **fields: Any) -> Any:
        """Send a request and return its answer. Refusal if that is an error. Without a `rid`, the client makes one.

        Skips nothing that arrives before the answer, except for the event that the request caused.
        """
        rid = fields.setdefault("rid", self._next_id())
        self.ask(t, **fields)
        frame = self._take(lambda frame: frame.get("rid") == rid, f"the answer to {t}")
        self._answered = True
        if frame["t"] == "error":
            raise self._refusal(frame)
        if frame["t"] == "done" and "seq" in frame:
            room, seq = fields.get("room", ""), frame["seq"]
            self._arrived = [other for other in self._arrived if not _is_event(other, room, seq, self.id)]
        return frame

    def refused(self, t: str, **fields: Any) -> Refusal:
        """Send a request that the server must refuse, and return the refusal."""
        try:
            answer = self.answer(t, **fields)
        except Refusal as refusal:
            return refusal
        raise AssertionError(f"{self!r} expected to be refused {t}. This came:\n  {answer}")

    def ack(self, cid: str) -> Any:
        """Wait for the `ack` of a message that was sent as a raw frame with this `cid`. Skip nothing."""
        return self._take(lambda frame: frame["t"] == "ack" and frame["cid"] == cid, f"the ack of {cid!r}")

    def _speak(self, t: str, cid: str = "", **fields: Any) -> Heard:
        known = bool(cid)
        cid = cid or self._next_id()
        self.ask(t, cid=cid, **fields)
        ack = self._take(lambda frame: frame.get("cid") == cid and frame["t"] in ("ack", "error"), f"the ack of {cid}")
        if ack["t"] == "error":
            raise self._refusal(ack)
        if known:
            self._round_trip()  # there's no event to wait for if the cid was used before
        self._answered = True
        own = [frame for frame in self._arrived if frame.get("id") == ack["id"]]
        if not own and not known and _log(fields.get("room", WHISPERS)) in self.positions:
            own = [self._take(lambda frame: frame.get("id") == ack["id"], f"its own message {fields['text']!r}")]
        elif own:
            self._arrived.remove(own[0])
        heard = self._heard(own[0]) if own else None
        return heard or Heard(
            self.name, fields["text"], "me" if "me" in fields else "msg", fields.get("room", ""),
            seq=ack["seq"], id=ack["id"], user=self.id, frame=ack,
        )  # fmt: skip

    def _next_id(self) -> str:
        self._asked += 1
        return f"{self._prefix}.{self._asked}"

    def _refusal(self, frame: dict[str, Any]) -> Refusal:
        if frame["t"] != "error":
            raise AssertionError(f"{self!r} expected an error. This came:\n  {frame}")
        return Refusal(repr(self), frame["code"], frame["message"], frame)

    def _encoded(self, frame: Any) -> str | bytes:
        return json.dumps(frame) if isinstance(frame, dict) else frame

    def _decoded(self, message: str) -> Any:
        frame = json.loads(message)
        if frame["t"] == "named" and "token" in frame:
            self.welcome = {**self.welcome, "token": frame["token"]}
        if "seq" in frame and "room" in frame and (log := _log(frame["room"])) in self.positions:
            self.positions[log] = max(self.positions[log], frame["seq"])
        return frame

    def _log(self, frame: Any) -> str:
        return _log(frame.get("room", ""))

    def _is_hint(self, frame: Any) -> bool:
        return frame["t"] in HINTS

    def _heard(self, frame: Any) -> Heard | None:
        return from_frame(frame)

    def _ask_something(self) -> None:
        rid = self._next_id()
        self.ask("conversations", rid=rid)
        self._take(lambda frame: frame.get("rid") == rid, "an answer to a question")


def _log(room: str) -> str:
    """Return the log in which a client gets the events of `room`: all conversations are in one."""
    return WHISPERS if room.startswith(WHISPERS) else room


def _is_event(frame: dict[str, Any], room: str, seq: int, user: int) -> bool:
    return frame.get("room") == room and frame.get("seq") == seq and frame.get("user") == user and "id" in frame
