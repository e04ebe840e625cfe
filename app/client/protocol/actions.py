"""What a protocol wants done."""

from __future__ import annotations

from msgspec import Struct

from app.chat.frames import Ack, Frame
from app.client.errors import ChatError
from app.client.events import Event


class Send(Struct, frozen=True):
    """Write a text frame."""

    text: str


class Deliver(Struct, frozen=True):
    """Give an event to the reader."""

    event: Event


class Settle(Struct, frozen=True):
    """A request or message is finished: `key` is its `cid` or `rid`."""

    key: str | int
    outcome: Ack | Frame | ChatError


class Fail(Struct, frozen=True):
    """End the chat: connecting again is of no use."""

    error: ChatError


Action = Send | Deliver | Settle | Fail
