"""What happened in a room, and what is about to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class User:
    """Somebody the store knows: `id` for good, `name` as others see it."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A message on its way into the log.

    `id` names the message for good. `cid` is the client's own id for it, the same on every retry, or empty where the
    client has none; a user's `cid` is stored once. `at` is in milliseconds since 1970.
    """

    room: str
    user: User
    text: str
    id: str
    at: int
    cid: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """A message in the log of `room`, at position `seq`: strictly increasing in a room, with gaps."""

    room: str
    seq: int
    id: str
    at: int
    user: int
    name: str
    text: str
    cid: str = ""


@dataclass(frozen=True, slots=True)
class Appended:
    """What an append came to: `event` is in the log, and `duplicate` says that it had been there before."""

    event: Event
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a log holds: positions after `trimmed` up to `head`; both 0 for a log that never had an event."""

    trimmed: int
    head: int
