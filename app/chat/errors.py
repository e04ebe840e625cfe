"""Errors that the server answers a client with.

Refused
    A request was not carried out. It has a code for programs, a sentence for people, whether to retry, and the values
    with which a client can write the sentence in the reader's language.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypedDict, Unpack

from msgspec import UNSET, UnsetType


class Code(StrEnum):
    """Why a command was refused."""

    BAD_FRAME = "bad_frame"
    """The frame is no JSON object, or lacks a field, or a field is of another type or too long."""
    UNKNOWN_TYPE = "unknown_type"
    """There is no command of that type."""
    UNKNOWN_COMMAND = "unknown_command"
    """There is no such slash command."""
    BAD_COMMAND = "bad_command"
    """A slash command lacks something; the message says how it is used."""
    BAD_ROOM = "bad_room"
    """That can't be the name of a room."""
    NOT_JOINED = "not_joined"
    """Only who has joined a room may speak in it or read it."""
    TOO_MANY_ROOMS = "too_many_rooms"
    """The connection is in as many rooms as it may be."""
    INVITATION_ONLY = "invitation_only"
    """The room is private, and nobody invited you."""
    BANNED = "banned"
    """You are banned from the room."""
    MUTED = "muted"
    """You may not speak in the room."""
    SLOW_MODE = "slow_mode"
    """The room is slow: wait a little between two messages."""
    NOT_OPERATOR = "not_operator"
    """That is for operators of the room, or for its owner."""
    BAD_NAME = "bad_name"
    """That can't be a name."""
    NAME_TAKEN = "name_taken"
    """Somebody else has that name."""
    UNKNOWN_NAME = "unknown_name"
    """Nobody has that name."""
    NOT_REGISTERED = "not_registered"
    """That is for registered names only."""
    WRONG_PASSWORD = "wrong_password"  # noqa: S105
    """The name is not registered, or its password is another."""
    BAD_PASSWORD = "bad_password"  # noqa: S105
    """That can't be a password."""
    NOT_FOUND = "not_found"
    """There is no such message, or it is no longer kept."""
    NOT_YOURS = "not_yours"
    """Somebody else wrote that message."""
    TOO_LONG = "too_long"
    """A text is over its limit."""
    TOO_MANY_RECIPIENTS = "too_many_recipients"
    """A whisper is for more people than it may be."""
    RATE_LIMITED = "rate_limited"
    """Too much at once: try again after `after` milliseconds."""
    REFUSED = "refused"
    """A rule of this server refuses the message; it says why."""
    UNAVAILABLE = "unavailable"
    """The store can't answer now."""


class ErrorValues(TypedDict, total=False):
    """The values that the sentence of an error needs. `docs/protocol.md` has a table of which codes come with which."""

    reason: str
    """Tells apart the cases of one code. The set is open: a client that does not know a reason goes by the code."""
    room: str
    name: str
    what: str
    """What is too long: `message`, `topic` or `why`."""
    size: int
    """How much there was, in the unit of `limit`."""
    limit: int | float
    until: str
    """When a ban or mute ends, as in events; absent if it is permanent."""
    why: str
    """The reason that a person gave."""
    usage: str
    """How the command is typed, from its slash on."""
    command: str
    seq: int


class Refused(Exception):
    """A request that is not carried out. The client gets it as an `error` frame.

    `Refused(Code.REFUSED, "no shouting")` is enough for a module. `retry` says whether the same request may succeed a
    little later, `after` in how many milliseconds. `rid` and `cid` are those of a frame that could not be decoded but
    from which they could be read. `values` are fields of the `error` frame, for clients that show a sentence of their
    own.
    """

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        retry: bool = False,
        after: int | UnsetType = UNSET,
        rid: int | str | UnsetType = UNSET,
        cid: str | UnsetType = UNSET,
        **values: Unpack[ErrorValues],
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.retry, self.after, self.rid, self.cid = code, message, retry, after, rid, cid
        self.values = values
