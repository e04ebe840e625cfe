"""Errors as a connection answers them."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from app.backends import Unavailable
from app.backends.damage import Damaged
from app.chat.errors import Code, Refused
from app.chat.frames import Command, Error, Request


def ids(command: Command) -> tuple[int | str | UnsetType, str | UnsetType]:
    """Return the `rid` and the `cid` of a command."""
    return (command.rid, UNSET) if isinstance(command, Request) else (UNSET, command.cid)


def error_frame(refused: Refused, rid: int | str | UnsetType = UNSET, cid: str | UnsetType = UNSET) -> Error:
    """The answer to a command that was refused."""
    return Error(refused.code, refused.message, refused.retry, rid=rid, cid=cid, after=refused.after, **refused.values)


def unavailable_frame(
    error: BaseException,
    rid: int | str | UnsetType = UNSET,
    cid: str | UnsetType = UNSET,
    room: str | UnsetType = UNSET,
) -> Error:
    """The answer to a command that the store could not carry out: now, or ever if it is damaged there."""
    if isinstance(error, Damaged):
        return Error(Code.UNAVAILABLE, str(error), retry=False, rid=rid, cid=cid, reason="damaged", room=room)
    after = error.after or UNSET if isinstance(error, Unavailable) else UNSET
    return Error(Code.UNAVAILABLE, str(error), retry=True, rid=rid, cid=cid, after=after, room=room)


def not_joined(room: str) -> Refused:
    """The error for a room that the connection is not in, or for the text dialect in no room."""
    if not room:
        return Refused(Code.NOT_JOINED, "You are not in a room. Join one: /join ROOM")
    shown = room[:80]
    return Refused(Code.NOT_JOINED, f"You are not in {shown!r}. Join it first", room=shown)
