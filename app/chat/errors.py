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
    """What is wrong. `docs/protocol.md` lists the codes for clients."""

    BAD_FRAME = "bad_frame"
    """The frame is not a JSON object, or a field is missing, of the wrong type or too long."""
    UNKNOWN_TYPE = "unknown_type"
    """There is no such type of command."""
    UNKNOWN_COMMAND = "unknown_command"
    """There is no such slash command."""
    BAD_COMMAND = "bad_command"
    """The arguments of a slash command are wrong."""
    BAD_ROOM = "bad_room"
    """Not the name of a room."""
    NOT_JOINED = "not_joined"
    """The connection has to join the room first."""
    TOO_MANY_ROOMS = "too_many_rooms"
    """The connection is in as many rooms as it may be in."""
    INVITATION_ONLY = "invitation_only"
    """The room is private, and the user is not invited."""
    BANNED = "banned"
    """The user is banned from the room."""
    MUTED = "muted"
    """The user may not speak in the room."""
    SLOW_MODE = "slow_mode"
    """The room is in slow mode, and the user spoke too recently."""
    NOT_OPERATOR = "not_operator"
    """The user's rank in the room is too low."""
    BAD_NAME = "bad_name"
    """Not a name that the server allows."""
    NAME_TAKEN = "name_taken"
    """Someone else has that name."""
    UNKNOWN_NAME = "unknown_name"
    """Nobody has that name."""
    NOT_REGISTERED = "not_registered"
    """The user is a guest, and this is for registered users."""
    WRONG_PASSWORD = "wrong_password"  # noqa: S105
    """The name is not registered, or the password is wrong."""
    BAD_PASSWORD = "bad_password"  # noqa: S105
    """Too short or too long for a password, or with characters that can't be in one."""
    NOT_FOUND = "not_found"
    """There is no such message, or it is no longer kept."""
    NOT_YOURS = "not_yours"
    """Someone else wrote that message."""
    BLANK = "blank"
    """Nothing of the text is to be seen."""
    TOO_LONG = "too_long"
    """The text is over its limit."""
    TOO_MANY_RECIPIENTS = "too_many_recipients"
    """The whisper has too many recipients."""
    TOO_MANY = "too_many"
    """There are as many of something as there may be."""
    RATE_LIMITED = "rate_limited"
    """Too many commands; the client may retry after `after` milliseconds."""
    REFUSED = "refused"
    """A rule of this server forbids it, for the reason in the message."""
    UNAVAILABLE = "unavailable"
    """The store can't answer, or a password can't be checked now; the client may retry."""


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
