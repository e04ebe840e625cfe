"""What a client is told when something it asked for is not done.

Refused
    The answer in place of the one that was asked for: a code for programs, a sentence for people, whether to retry.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import UNSET, UnsetType


class Code(StrEnum):
    """Why a command was refused."""

    BAD_FRAME = "bad_frame"
    """The frame is no JSON object, or lacks a field, or a field is of another type or too long."""
    UNKNOWN_TYPE = "unknown_type"
    """There is no command of that type."""
    BAD_ROOM = "bad_room"
    """That can't be the name of a room."""
    NOT_JOINED = "not_joined"
    """Only who has joined a room may speak in it or read it."""
    TOO_MANY_ROOMS = "too_many_rooms"
    """The connection is in as many rooms as it may be."""
    UNAVAILABLE = "unavailable"
    """The store can't answer now."""


class Refused(Exception):
    """A command that is not carried out. `retry` says whether the same command may succeed a little later; `rid` and
    `cid` are the command's own, where it could not be decoded but they could be read."""

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        retry: bool = False,
        rid: int | str | UnsetType = UNSET,
        cid: str | UnsetType = UNSET,
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.retry, self.rid, self.cid = code, message, retry, rid, cid
