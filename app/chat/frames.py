"""What clients ask for and what they are told: the frames of `chat.v1.json`, which both dialects speak in their way."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from app.chat.errors import Code, Refused
from app.chat.events import Event

MAX_PAGE = 200
"""Events that one history page may have."""
MAX_ROOMS = 50
"""Rooms that one connection may be in."""

RequestId = int | Annotated[str, Meta(max_length=64)] | UnsetType
Cid = Annotated[str, Meta(min_length=1, max_length=64)]
Position = Annotated[int, Meta(ge=0, le=2**53 - 1)]

ROOM_RULE = "1 to 64 of a to z, 0 to 9, and . _ - inside"
_ROOM = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class Join(Struct, tag_field="t", tag="join"):
    """Follow a room: from position `after` of `epoch`, or, without them, from now on."""

    room: str
    rid: RequestId = UNSET
    epoch: str | UnsetType = UNSET
    after: Position | UnsetType = UNSET


class Part(Struct, tag_field="t", tag="part"):
    """Follow a room no longer."""

    room: str
    rid: RequestId = UNSET


class Say(Struct, tag_field="t", tag="msg"):
    """Say `text` in a room. A `cid` is stored once, however often it is sent; only the text dialect goes without."""

    room: str
    text: str
    cid: Cid | UnsetType = UNSET


class History(Struct, tag_field="t", tag="history"):
    """A page of what was said, before a position or after it; without either the newest page."""

    room: str
    rid: RequestId = UNSET
    before: Position | UnsetType = UNSET
    after: Position | UnsetType = UNSET
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = 50


Command = Join | Part | Say | History


class Welcome(Struct, tag_field="t", tag="welcome"):
    """The first frame: who you are, and the token that makes you the same one after a reconnect."""

    name: str
    token: str
    epoch: str
    limits: dict[str, int]


class Joined(Struct, tag_field="t", tag="joined", omit_defaults=True):
    """You follow the room. `recovered` is false where what you asked for can't be had: you follow from `head` on."""

    room: str
    epoch: str
    head: int
    recovered: bool
    members: int
    rid: RequestId = UNSET


class Parted(Struct, tag_field="t", tag="parted"):
    """You follow the room no longer."""

    room: str
    rid: RequestId = UNSET


class Message(Struct, tag_field="t", tag="msg", rename={"sender": "from"}):
    """Somebody said something."""

    room: str
    seq: int
    id: str
    ts: str
    sender: str
    text: str

    @classmethod
    def of(cls, event: Event) -> Message:
        return cls(event.room, event.seq, event.id, timestamp(event.at), event.name, event.text)


class Ack(Struct, tag_field="t", tag="ack"):
    """What you said under `cid` is stored, at `seq`, for good."""

    cid: str
    id: str
    seq: int
    ts: str

    @classmethod
    def of(cls, event: Event) -> Ack:
        return cls(event.cid, event.id, event.seq, timestamp(event.at))


class Page(Struct, tag_field="t", tag="history"):
    """A page of history, oldest first; `more` says whether there are others in the direction that was asked for."""

    room: str
    events: list[Message]
    more: bool
    rid: RequestId = UNSET


class Error(Struct, tag_field="t", tag="error"):
    """What you asked for was not done; `retry` says whether to ask again."""

    code: str
    message: str
    retry: bool
    rid: RequestId = UNSET
    cid: str | UnsetType = UNSET


Frame = Welcome | Joined | Parted | Message | Ack | Page | Error


def room_name(name: str) -> str:
    """`name` as the name of a room; Refused for what can't be one."""
    if not _ROOM.fullmatch(name):
        problem = f"{name[:80]!r} can't be a room: expected {ROOM_RULE}"
        raise Refused(Code.BAD_ROOM, problem)
    return name


def timestamp(at: int) -> str:
    """Milliseconds since 1970 as RFC 3339 in UTC."""
    return f"{_second(at // 1000)}.{at % 1000:03}Z"


@lru_cache(maxsize=64)
def _second(at: int) -> str:
    """Many events fall into one second, and writing it out costs more than all else in a frame."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S}"
