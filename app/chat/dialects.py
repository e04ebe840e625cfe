"""The two ways to speak: a dialect turns what a client sends into a Command, and a Frame into what the client gets.

A dialect keeps nothing: an event is encoded once for all who speak it.
"""

from __future__ import annotations

from typing import Protocol, get_args

import msgspec

from app.chat import text
from app.chat.errors import Code, Refused
from app.chat.frames import Cid, Command, Error, Frame, Joined, Message, RequestId, Say

JSON_SUBPROTOCOL = "chat.v1.json"
TYPES = {command.__struct_config__.tag for command in get_args(Command)}
"""What `t` may be in a frame from a client."""


class Dialect(Protocol):
    """The interface of a dialect."""

    def decode(self, said: str, room: str) -> Command:
        """What the client asks for; `room` is where it is without saying so. Refused for what is no command."""

    def encode(self, frame: Frame) -> str | None:
        """What the client gets, or None where this dialect has no words for it."""


class TextDialect:
    """The tutorial's: every frame is something said, in the one room of the connection."""

    def decode(self, said: str, room: str) -> Command:
        return Say(room, said)

    def encode(self, frame: Frame) -> str | None:
        if isinstance(frame, Message):
            return text.message(frame.sender, frame.text)
        if isinstance(frame, Joined):
            greeting = text.greeting(frame.members)
            return greeting if frame.recovered else f"{greeting}\n{text.notice('what you missed is no longer kept')}"
        if isinstance(frame, Error):
            return text.notice(frame.message)
        return None


class JsonDialect:
    """`chat.v1.json`: one JSON object a frame."""

    def __init__(self) -> None:
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(Command)
        self._envelope = msgspec.json.Decoder(_Envelope)

    def decode(self, said: str, room: str) -> Command:  # noqa: ARG002  (each frame names its room)
        try:
            command: Command = self._decoder.decode(said)
        except (msgspec.ValidationError, msgspec.DecodeError, RecursionError) as error:
            raise self._refused(said, str(error)) from None
        if isinstance(command, Say) and not isinstance(command.cid, str):
            raise Refused(Code.BAD_FRAME, "Object missing required field `cid`")
        return command

    def encode(self, frame: Frame) -> str | None:
        return self._encoder.encode(frame).decode()

    def _refused(self, said: str, problem: str) -> Refused:
        """What is wrong with a frame, with the `rid` and `cid` that it had if they could be read."""
        try:
            envelope = self._envelope.decode(said)
        except (msgspec.ValidationError, msgspec.DecodeError, RecursionError):
            return Refused(Code.BAD_FRAME, problem)
        if envelope.t not in TYPES:
            return Refused(Code.UNKNOWN_TYPE, f"there is no command {envelope.t[:80]!r}", rid=envelope.rid)
        return Refused(Code.BAD_FRAME, problem, rid=envelope.rid, cid=envelope.cid)


class _Envelope(msgspec.Struct):
    t: str
    rid: RequestId = msgspec.UNSET
    cid: Cid | msgspec.UnsetType = msgspec.UNSET


TEXT: Dialect = TextDialect()
JSON: Dialect = JsonDialect()
