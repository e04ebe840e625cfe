"""The two ways to speak: a dialect turns what a client sends into a Command, and a Frame into what the client gets.

A dialect keeps nothing: an event is encoded once for all who speak it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, get_args

import msgspec

from app.chat import commands, text
from app.chat.errors import Code, Refused
from app.chat.frames import (
    Changed,
    Cid,
    Command,
    Commands,
    ConversationList,
    Done,
    Error,
    Found,
    Frame,
    Joined,
    Message,
    Named,
    Notice,
    Page,
    Parted,
    People,
    RequestId,
    RoomList,
    RoomSettings,
    Say,
    Speech,
)

JSON_SUBPROTOCOL = "chat.v1.json"
TYPES = {command.__struct_config__.tag for command in get_args(Command)}
"""What `t` may be in a frame from a client."""


class Dialect(Protocol):
    """The interface of a dialect."""

    def decode(self, said: str, room: str) -> Command:
        """What the client asks for; `room` is where it is without saying so. Refused for what is no command."""

    def encode(self, frame: Frame) -> str | None:
        """What the client gets, or None where this dialect has no words for it."""

    def answer(self, frame: Frame) -> list[str]:
        """The same in as many texts as there should be, for what one client alone gets."""


class TextDialect:
    """The tutorial's: every frame is something said, in the one room of the connection, or a slash command."""

    def decode(self, said: str, room: str) -> Command:
        if not said.startswith("/"):
            return Say(room=room, text=said)
        if said.startswith("//"):
            return Say(room=room, text=said[1:])
        return commands.parse(said, room)

    def encode(self, frame: Frame) -> str | None:
        words = SAID.get(type(frame))
        return None if words is None else words(frame)

    def answer(self, frame: Frame) -> list[str]:
        """A list is a text for each line: programs such as websocat show a text on one line."""
        encoded = self.encode(frame)
        if encoded is None:
            return []
        return [encoded] if isinstance(frame, Message) else encoded.split("\n")


SAID: dict[type[Frame], Callable[[Any], str | None]] = {
    Message: text.said,
    Changed: text.changed,
    Joined: text.joined,
    Parted: text.parted,
    Named: lambda frame: text.name(frame.name),
    Page: text.page,
    Found: text.found,
    RoomList: text.rooms,
    People: text.people,
    RoomSettings: text.settings,
    ConversationList: text.conversations,
    Commands: text.usages,
    Done: lambda frame: text.notice(frame.note) if frame.note else None,
    Notice: lambda frame: text.notice(frame.text),
    Error: lambda frame: text.notice(frame.message),
}
"""How the text dialect says a frame; it has no words for the others."""


class JsonDialect:
    """`chat.v1.json`: one JSON object a frame."""

    def __init__(self) -> None:
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(Command)
        self._envelope = msgspec.json.Decoder(_Envelope)

    def decode(self, said: str, room: str) -> Command:  # noqa: ARG002  (each frame names its room)
        try:
            command: Command = self._decoder.decode(said)
        except _UNREADABLE as error:
            raise self._refused(said, str(error)) from None
        if isinstance(command, Speech) and isinstance(command.cid, msgspec.UnsetType):
            raise self._refused(said, "Object missing required field `cid`")
        return command

    def encode(self, frame: Frame) -> str | None:
        return self._encoder.encode(frame).decode()

    def answer(self, frame: Frame) -> list[str]:
        return [self._encoder.encode(frame).decode()]

    def _refused(self, said: str, problem: str) -> Refused:
        """What is wrong with a frame, with the `rid` and `cid` that it had if they could be read."""
        try:
            envelope = self._envelope.decode(said)
        except _UNREADABLE:
            envelope = _Envelope()
        rid, cid = _read(envelope.rid, RequestId), _read(envelope.cid, Cid)
        if isinstance(envelope.t, str) and envelope.t not in TYPES:
            type_ = envelope.t[:80]
            return Refused(Code.UNKNOWN_TYPE, f"there is no command {type_!r}", rid=rid, cid=cid, command=type_)
        return Refused(Code.BAD_FRAME, " ".join(problem.split()), rid=rid, cid=cid)


class _Envelope(msgspec.Struct):
    """What a frame says of itself: of any type, so that one that is wrong does not hide the others."""

    t: Any = None
    rid: Any = msgspec.UNSET
    cid: Any = msgspec.UNSET


_UNREADABLE = (msgspec.ValidationError, msgspec.DecodeError, RecursionError, UnicodeEncodeError)
"""What the decoder raises for a frame; the last for half a surrogate pair, which UTF-8 has no bytes for."""


def _read(value: Any, type_: Any) -> Any:
    """`value` if it is of `type_`."""
    try:
        return msgspec.convert(value, type_) if value is not msgspec.UNSET else value
    except msgspec.ValidationError:
        return msgspec.UNSET


TEXT: Dialect = TextDialect()
JSON: Dialect = JsonDialect()
