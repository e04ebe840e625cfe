"""Events that a client delivers beside the frames of the protocol.

Frames of `app.chat.frames` are events too: Message, Changed, Joined, Parted, Presence, TypingNow, ReadUpTo, Named,
Notice and Error reach the reader unchanged.
"""

from __future__ import annotations

from msgspec import Struct

from app.chat.frames import Frame
from app.client.errors import ChatError, Refused


class Connected(Struct, frozen=True):
    """You are connected as `name`, which is empty if the server speaks only the text dialect. `again`: after the
    connection was lost."""

    name: str
    again: bool = False


class Disconnected(Struct, frozen=True):
    """The connection was lost, or a try to connect again failed. `reason` is a sentence for people; the next try is in
    `delay` seconds."""

    reason: str
    delay: float


class NameRefused(Struct, frozen=True):
    """You could not have the name that you asked for, and are called `name` instead. It comes before Connected."""

    name: str
    error: Refused


class Missed(Struct, frozen=True):
    """How many messages of a room came late, since they were sent while the connection was down."""

    room: str
    count: int


class Left(Struct, frozen=True):
    """You are no longer in a room: you could not join it again after the connection was lost."""

    room: str
    error: ChatError


class Delayed(Struct, frozen=True):
    """The server does not accept a message yet, for the reason in `message`. It is sent again in `delay` seconds."""

    room: str
    message: str
    delay: float


class Line(Struct, frozen=True):
    """A text from a server that speaks only the text dialect; `own` if you sent it."""

    text: str
    own: bool = False


Event = Frame | Connected | Disconnected | NameRefused | Missed | Left | Delayed | Line
