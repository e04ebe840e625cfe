"""Reading what is stored: history, search, read markers and conversations."""

from __future__ import annotations

from msgspec import UnsetType

from app.backends import Trimmed
from app.chat.errors import Code, Refused
from app.chat.frames import (
    ConversationEntry,
    ConversationList,
    Conversations,
    Done,
    Found,
    History,
    Page,
    Read,
    Search,
    event_frame,
)
from app.chat.logs import mailbox, participants
from app.live.connection import Connection
from app.live.work import sending

END = 2**62
"""A position after all others."""
MAX_CONVERSATIONS = 200
"""Most conversations in a list."""


async def history(connection: Connection, command: History) -> None:
    """Answer with a page of events."""
    log, limit = connection.log_of(command.room), command.limit
    if not isinstance(command.after, UnsetType):
        after = command.after
        try:
            events = await connection.backend.read(log, after=after, limit=limit + 1)
        except Trimmed as trimmed:
            events = await connection.backend.read(log, after=trimmed.through, limit=limit + 1)
        more, events = len(events) > limit, events[:limit]
    else:
        before = END if isinstance(command.before, UnsetType) else command.before
        events = await connection.backend.read_backwards(log, before=before, limit=limit + 1)
        more, events = len(events) > limit, events[-limit:]
    connection.charge(sending(events))
    frames = [event_frame(event) for event in events if event.user not in connection.ignored]
    connection.send(Page(command.room, frames, more, rid=command.rid))


async def search(connection: Connection, command: Search) -> None:
    """Answer with the messages that contain all of some words, of a room or of all that the connection can read now."""
    room = ""
    log: str | list[str] = [*connection.following.rooms(), mailbox(connection.user.id)]
    if not isinstance(command.room, UnsetType):
        room, log = command.room, connection.log_of(command.room)
    before = END if isinstance(command.before, UnsetType) else command.before
    results = await connection.backend.search(log, command.words, before=before, limit=command.limit)
    connection.charge(results.took + sending(results))
    shown = [
        (event_frame(event), list(marks))
        for event, marks in zip(results, results.marks, strict=True)
        if event.user not in connection.ignored
    ]
    connection.send(
        Found(
            room=room,
            words=command.words,
            events=[frame for frame, _ in shown],
            more=results.next > 0,
            partial=results.partial,
            behind=results.behind,
            marks=[marks for _, marks in shown],
            next=results.next,
            rid=command.rid,
        )
    )


async def read(connection: Connection, command: Read) -> None:
    """Move the user's read marker, and tell its connections if it moved."""
    log = connection.log_of(command.room)
    before = await connection.backend.read_marker(connection.user.id, log)
    if command.seq > (await connection.backend.bounds(log)).head:
        problem = f"{command.room} has no position {command.seq} yet"
        raise Refused(Code.NOT_FOUND, problem, reason="future", room=command.room, seq=command.seq)
    after = await connection.backend.mark_read(connection.user.id, log, command.seq)
    connection.returning = True
    if after > before:
        connection.hub.read_marker_moved(command.room, connection.user, after)
    connection.send(Done(rid=command.rid))


async def conversations(connection: Connection, command: Conversations) -> None:
    """Answer with the user's conversations."""
    found = (await connection.backend.conversations(connection.user.id))[:MAX_CONVERSATIONS]
    ids = {user for one in found for user in participants(one.room)}
    names = {user.id: user.name for user in await connection.backend.users(sorted(ids))}
    markers = await connection.backend.read_markers(connection.user.id, [one.room for one in found])
    entries = [
        ConversationEntry(
            one.room, _others(connection.user.id, participants(one.room), names), one.head, markers.get(one.room, 0)
        )
        for one in found
    ]
    connection.send(ConversationList(entries, rid=command.rid))


def _others(user: int, ids: tuple[int, ...], names: dict[int, str]) -> list[str]:
    """Return the names of everyone else in a conversation; the user's own if nobody else is in it."""
    return [names[id_] for id_ in ids if id_ in names and (id_ != user or len(ids) == 1)]
