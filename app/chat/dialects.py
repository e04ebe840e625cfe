"""The two dialects of `/chat`: text and JSON. A dialect decodes what a client sends and encodes what it gets.

Dialects keep no state, so an event is encoded once for everyone who speaks the same one.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from functools import cached_property
from typing import Any, Protocol, get_args

import msgspec

from app.chat import commands, text
from app.chat.errors import Code, Refused
from app.chat.events import PLAIN, Event, Kind
from app.chat.frames import (
    Ack,
    Changed,
    Cid,
    Command,
    Commands,
    ConversationList,
    Done,
    Error,
    Found,
    Frame,
    IgnoredList,
    Joined,
    Message,
    ModerationList,
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
    event_frame,
)
from app.chat.typed import command_line

JSON_SUBPROTOCOL = "chat.v1.json"
TYPES = {command.__struct_config__.tag for command in get_args(Command)}
"""The types of frames that clients may send."""
_MSG = Kind.MSG


class Dialect(Protocol):
    """The interface of a dialect."""

    def decode(self, received: str, room: str, known: Container[str] = commands.NAMES) -> Command:
        """Decode a command; `room` is where it belongs if it names no room itself, and `known` has the names of the
        slash commands. Refused if it can't be decoded."""

    def encode(self, frame: Frame) -> str | None:
        """Encode a frame, or return None if the dialect has no words for it."""

    def encode_event(self, event: Event) -> bytes | None:
        """Encode the frame of an event as UTF-8, or return None if the dialect has no words for it. Half surrogate
        pairs pass."""

    def encode_ack(self, event: Event) -> bytes | None:
        """Encode the acknowledgement of an event as UTF-8, or return None if the dialect has none."""

    def encode_answer(self, frame: Frame) -> list[bytes]:
        """Encode a frame that only one client gets, as one or more texts in UTF-8."""


class TextDialect:
    """The tutorial's dialect: every text is a message in the connection's only room, or a slash command."""

    def decode(self, received: str, room: str, known: Container[str] = commands.NAMES) -> Command:
        if "/" in received and (line := command_line(received, known)):
            return commands.parse(line, room)
        return Say(room=room, text=received[1:] if received.startswith("//") else received)

    def encode(self, frame: Frame) -> str | None:
        write = WRITERS.get(type(frame))
        return None if write is None else write(frame)

    def encode_event(self, event: Event) -> bytes | None:
        if event.detail is PLAIN and event.kind == _MSG:  # most are, and need no frame in between
            return _utf8(text.message(event.name, event.text))
        encoded = self.encode(event_frame(event))
        return None if encoded is None else _utf8(encoded)

    def encode_ack(self, event: Event) -> bytes | None:  # noqa: ARG002
        return None

    def encode_answer(self, frame: Frame) -> list[bytes]:
        """Encode each line as a text of its own: programs such as websocat show a text on one line."""
        encoded = self.encode(frame)
        if encoded is None:
            return []
        return list(map(_utf8, [encoded] if isinstance(frame, Message) else encoded.split("\n")))


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


WRITERS: dict[type[Frame], Callable[[Any], str | None]] = {
    Message: text.message_frame,
    Changed: text.changed,
    Joined: text.joined,
    Parted: text.parted,
    Named: lambda frame: text.named(frame.name),
    Page: text.page,
    Found: text.found,
    RoomList: text.rooms,
    People: text.people,
    RoomSettings: text.settings,
    ModerationList: text.moderation,
    ConversationList: text.conversations,
    IgnoredList: text.ignored,
    Commands: text.usages,
    Done: lambda frame: text.notice(frame.note) if frame.note else None,
    Notice: lambda frame: text.notice(frame.text),
    Error: lambda frame: text.notice(frame.message),
}
"""How the text dialect writes each type of frame. It has no words for the others."""


class JsonDialect:
    """`chat.v1.json`: each frame is a JSON object."""

    def __init__(self) -> None:
        self._encoder = msgspec.json.Encoder()

    def decode(self, received: str, room: str, known: Container[str] = commands.NAMES) -> Command:  # noqa: ARG002  (frames name both)
        try:
            command: Command = self._decoder.decode(received)
        except _UNREADABLE as error:
            raise self._refused(received, str(error)) from None
        if isinstance(command, Speech) and isinstance(command.cid, msgspec.UnsetType):
            raise self._refused(received, "Object missing required field `cid`")
        return command

    def encode(self, frame: Frame) -> str | None:
        return self._encoder.encode(frame).decode()

    def encode_event(self, event: Event) -> bytes | None:
        return self._encoder.encode(event_frame(event))

    def encode_ack(self, event: Event) -> bytes | None:
        return self._encoder.encode(Ack.of(event))

    def encode_answer(self, frame: Frame) -> list[bytes]:
        return [self._encoder.encode(frame)]

    @cached_property
    def _decoder(self) -> msgspec.json.Decoder[Command]:
        """Made after the start, or for the first command: with the schema of them all, it takes long to make."""
        return msgspec.json.Decoder(Command)

    @cached_property
    def _envelope(self) -> msgspec.json.Decoder[_Envelope]:
        return msgspec.json.Decoder(_Envelope)

    def _refused(self, received: str, problem: str) -> Refused:
        """The error for a frame that can't be decoded, with its `rid` and `cid` if those can be."""
        try:
            envelope = self._envelope.decode(received)
        except _UNREADABLE:
            envelope = _Envelope()
        rid, cid = _convert(envelope.rid, RequestId), _convert(envelope.cid, Cid)
        if isinstance(envelope.t, str) and envelope.t not in TYPES:
            type_ = envelope.t[:80]
            return Refused(Code.UNKNOWN_TYPE, f"There is no command {type_!r}", rid=rid, cid=cid, command=type_)
        return Refused(Code.BAD_FRAME, " ".join(problem.split()), rid=rid, cid=cid)


class _Envelope(msgspec.Struct):
    """The fields that any frame may have. They are of any type here, so that a wrong one does not hide the others."""

    t: Any = None
    rid: Any = msgspec.UNSET
    cid: Any = msgspec.UNSET


_UNREADABLE = (msgspec.ValidationError, msgspec.DecodeError, RecursionError, UnicodeEncodeError)
"""What the decoder raises for a bad frame; the last for half a surrogate pair, which can't be encoded as UTF-8."""


def _convert(value: Any, type_: Any) -> Any:
    """Return `value` if it is of `type_`, otherwise UNSET."""
    try:
        return msgspec.convert(value, type_) if value is not msgspec.UNSET else value
    except msgspec.ValidationError:
        return msgspec.UNSET


TEXT: Dialect = TextDialect()
JSON: Dialect = JsonDialect()
