"""What happened in a room, and what is about to.

A room's log holds messages and changes of the room: each is an Event, each has a position. A change with a `key`
replaces the one before it under that key, and the last of each key, which is the room's state, outlives retention.

None of these is tracked by the garbage collector: they hold texts, numbers and each other, and never a cycle.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Kind(StrEnum):
    """What an event is. The first two are said; the others change what was said, or the room."""

    MSG = "msg"
    ME = "me"
    """What somebody does, as in `/me waves`."""
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


_KEYS: dict[str, str] = {
    Kind.OWNER: "owner",
    Kind.TOPIC: "topic",
    Kind.PRIVATE: "access",
    Kind.PUBLIC: "access",
    Kind.SLOW: "slow",
    Kind.INVITE: "invite:",
    Kind.UNINVITE: "invite:",
    Kind.OP: "op:",
    Kind.DEOP: "op:",
    Kind.BAN: "ban:",
    Kind.UNBAN: "ban:",
    Kind.MUTE: "mute:",
    Kind.UNMUTE: "mute:",
}


class User(Struct, frozen=True, gc=False):
    """Somebody the store knows: `id` for good, `name` as others see it, `registered` if a password protects it."""

    id: int
    name: str
    registered: bool = False

    @property
    def default_name(self) -> str:
        """The name of who never chose one: `user0` for the first user, whose id is 1."""
        return f"user{self.id - 1}"

    @classmethod
    def newcomer(cls, id_: int) -> User:
        """A user as it is at first, under its default name."""
        return cls(id_, cls(id_, "").default_name)


class Account(Struct, frozen=True):
    """A user with what only the server needs: the hash of the password or nothing, and when the user was last seen, in
    milliseconds since 1970."""

    user: User
    password: str
    seen: int


class Detail(Struct, frozen=True, omit_defaults=True, gc=False):
    """What an event has beside its text: whom it concerns, until when (milliseconds since 1970, 0 for good), how many
    seconds; whom a whisper was for, by the names of then; and what became of a message since."""

    whom: User | None = None
    until: int = 0
    seconds: int = 0
    to: tuple[str, ...] = ()
    edited: bool = False
    deleted: bool = False


PLAIN = Detail()


def _key(kind: str, detail: Detail) -> str:
    key = _KEYS.get(kind, "")
    return f"{key}{detail.whom.id}" if detail.whom and key.endswith(":") else key


class Draft(Struct, frozen=True, gc=False):
    """An event on its way into the log.

    `id` names the event for good. `cid` is the client's own id for it, the same on every retry, or empty where the
    client has none; a user's `cid` is stored once. `at` is in milliseconds since 1970. `of` is the position of the
    message in the same room that an edit or a deletion is about.
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
        """The key of the state that this sets, or nothing for what is no state."""
        return _key(self.kind, self.detail)


class Event(Struct, frozen=True, gc=False):
    """Something in the log of `room`, at position `seq`: strictly increasing in a room, with gaps."""

    room: str
    seq: int
    id: str
    at: int
    user: int
    name: str
    text: str
    cid: str = ""
    kind: str = Kind.MSG
    of: int = 0
    detail: Detail = PLAIN

    @property
    def key(self) -> str:
        """The key of the state that this sets, or nothing for what is no state."""
        return _key(self.kind, self.detail)


class Appended(Struct, frozen=True, gc=False):
    """What an append came to: `event` is in the log, and `duplicate` says that it had been there before."""

    event: Event
    duplicate: bool


class Bounds(Struct, frozen=True, gc=False):
    """What a log holds: positions after `trimmed` up to `head`; both 0 for a log that never had an event."""

    trimmed: int
    head: int


class Conversation(Struct, frozen=True):
    """People who whisper to each other: the name of their log, and the position of the last whisper in it."""

    room: str
    head: int
