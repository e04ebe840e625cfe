"""Events: what happened in a room, and drafts of what is about to.

A room's log consists of messages and changes. Each is an Event with a position. A change with a `key` replaces the
earlier ones with that key; the last event of each key makes up the room's settings and is kept by retention.

The garbage collector tracks none of these: they hold texts, numbers and each other, and never form a cycle.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct


class Kind(StrEnum):
    """The kinds of events. The first two are messages; the others change a message or the room."""

    MSG = "msg"
    ME = "me"
    """An action, as in `/me waves`."""
    EDIT = "edit"
    DELETE = "delete"
    OWNER = "owner"
    TOPIC = "topic"
    PRIVATE = "private"
    PUBLIC = "public"
    INVITE = "invite"
    UNINVITE = "uninvite"
    OP = "op"
    DEOP = "deop"
    KICK = "kick"
    BAN = "ban"
    UNBAN = "unban"
    MUTE = "mute"
    UNMUTE = "unmute"
    SLOW = "slow"
    MENTIONS = "mentions"


SPOKEN = frozenset((Kind.MSG, Kind.ME, Kind.EDIT))
"""What someone says."""
EXPULSIONS = (Kind.KICK, Kind.BAN)
"""What puts someone out of a room."""
CLOSINGS = (Kind.PRIVATE, Kind.UNINVITE, Kind.DEOP)
"""After what someone may have no right to be in the room any more."""
NOTES = frozenset(
    (
        Kind.TOPIC,
        Kind.KICK,
        Kind.BAN,
        Kind.UNBAN,
        Kind.MUTE,
        Kind.UNMUTE,
        Kind.OP,
        Kind.DEOP,
        Kind.INVITE,
        Kind.UNINVITE,
    )
)
"""Changes of a room whose text is in someone's words: a topic or a reason."""

LAST_TIME = 253_402_300_799_999
"""The last time that can be written as a date, in milliseconds since 1970."""
_KEYS: dict[str, str] = {
    Kind.OWNER: "owner",
    Kind.TOPIC: "topic",
    Kind.PRIVATE: "access",
    Kind.PUBLIC: "access",
    Kind.SLOW: "slow",
    Kind.MENTIONS: "mentions",
    Kind.INVITE: "invite:",
    Kind.UNINVITE: "invite:",
    Kind.OP: "op:",
    Kind.DEOP: "op:",
    Kind.BAN: "ban:",
    Kind.UNBAN: "ban:",
    Kind.MUTE: "mute:",
    Kind.UNMUTE: "mute:",
}


SETTINGS = frozenset(_KEYS)
"""Kinds of events that set something in a room."""


class User(Struct, frozen=True, gc=False):
    """A user: `id` is permanent, `name` is what others see, `registered` is whether a password protects the name."""

    id: int
    name: str
    registered: bool = False

    @property
    def default_name(self) -> str:
        """The name of a user who never chose one: `user0` for the first, whose id is 1."""
        return f"user{self.id - 1}"

    @classmethod
    def newcomer(cls, id_: int) -> User:
        """A new user with its default name."""
        return cls(id_, cls(id_, "").default_name)


class Account(Struct, frozen=True):
    """A user with what only the server needs: the password's hash, empty for a guest, and when the user was last seen,
    in milliseconds since 1970."""

    user: User
    password: str
    seen: int


class Detail(Struct, frozen=True, omit_defaults=True, gc=False):
    """What an event has beside its text.

    `whom` is the person it concerns. `until` is when a ban or mute ends, in milliseconds since 1970; 0 is never.
    `seconds` is for slow mode. `to` has the recipients of a whisper by the names they had then. `edited` and `deleted`
    say what has become of a message since. `notify` says whom a message notifies beside those it mentions:
    `everyone` in the room, or those who are `here`. `invited` has the ids of those whom a private room keeps when its
    door is closed, in ascending order. `what` says what was deleted, if it was no message: a `topic` or a `why`.
    """

    whom: User | None = None
    until: int = 0
    seconds: int = 0
    to: tuple[str, ...] = ()
    edited: bool = False
    deleted: bool = False
    notify: str = ""
    invited: tuple[int, ...] = ()
    what: str = ""


PLAIN = Detail()


def _key(kind: str, detail: Detail) -> str:
    key = _KEYS.get(kind, "")
    return f"{key}{detail.whom.id}" if detail.whom and key.endswith(":") else key


class Draft(Struct, frozen=True, gc=False, array_like=True, tag="append"):
    """An event that is not in the log yet.

    `id` names the event for good. `cid` is the client's id for it, the same on every retry; a user's `cid` is stored
    once. It is empty if the client sent none. `at` is in milliseconds since 1970. `of` is the position, in the same
    room, of the message that is edited or deleted.
    """

    room: str
    user: User
    text: str
    id: str
    at: int
    cid: str = ""
    kind: str = Kind.MSG
    of: int = 0
    detail: Detail = PLAIN

    @property
    def key(self) -> str:
        """The key of the room setting that this sets, or nothing."""
        return _key(self.kind, self.detail)


class Event(Struct, frozen=True, gc=False, array_like=True):
    """An event in the log of `room`. `seq` is its position; positions increase within a room and may have gaps."""

    room: str
    seq: int
    id: str
    at: Annotated[int, Meta(ge=0, le=LAST_TIME)]
    user: int
    name: str
    text: str
    cid: str = ""
    kind: str = Kind.MSG
    of: int = 0
    detail: Detail = PLAIN

    @property
    def key(self) -> str:
        """The key of the room setting that this sets, or nothing."""
        return _key(self.kind, self.detail)


class Appended(Struct, frozen=True, gc=False):
    """The result of an append: the `event` in the log, and whether it is a `duplicate` that was there before."""

    event: Event
    duplicate: bool


class Bounds(Struct, frozen=True, gc=False):
    """What a log contains: positions after `trimmed`, up to `head`. Both are 0 if it never had an event."""

    trimmed: int
    head: int


class Conversation(Struct, frozen=True):
    """A conversation: the name of its log, and the position of the last whisper in it."""

    room: str
    head: int
