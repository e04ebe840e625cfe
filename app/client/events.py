"""What a client is told beside the frames of the protocol, and what a protocol wants done.

Frames of `app.chat.frames` are events too: Message, Changed, Joined, Parted, Presence, TypingNow, ReadUpTo, Named,
Notice and Error reach the reader as they came.
"""

from __future__ import annotations

from msgspec import Struct

from app.chat.frames import Ack, Frame
from app.client.errors import ChatError, Refused


class Connected(Struct, frozen=True):
    """You are in the chat, as `name`, which is nothing where the server speaks only text; `again` after a broken
    connection."""

    name: str
    again: bool = False


class Disconnected(Struct, frozen=True):
    """The connection broke, for a reason that people understand; the next try is in `delay` seconds."""

    reason: str
    delay: float


class NameRefused(Struct, frozen=True):
    """You are not called as you asked to be, but `name`. It comes before Connected."""

    name: str
    error: Refused


class Missed(Struct, frozen=True):
    """So many messages of a room came late: they were said while the connection was broken."""

    room: str
    count: int


class Left(Struct, frozen=True):
    """You are no longer in a room, and could not get in again after the connection broke."""

    room: str
    error: ChatError


class Delayed(Struct, frozen=True):
    """The server does not take a message yet: it is sent again in `delay` seconds."""

    room: str
    message: str
    delay: float


class Line(Struct, frozen=True):
    """A text from a server that speaks text; `own`: it is what one said oneself."""

    text: str
    own: bool = False


Event = Frame | Connected | Disconnected | NameRefused | Missed | Left | Delayed | Line


class Send(Struct, frozen=True):
    """Write a text frame."""

    text: str


class Tell(Struct, frozen=True):
    """Tell the reader."""

    event: Event


class Settle(Struct, frozen=True):
    """A request or message has come to its end: `key` is its cid or rid."""

    key: str | int
    outcome: Ack | Frame | ChatError


class Fail(Struct, frozen=True):
    """End it all: coming back is of no use."""

    error: ChatError


Action = Send | Tell | Settle | Fail
