"""Reading what is stored: history, search, read markers and conversations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from msgspec import UnsetType
from msgspec.structs import replace

from app.backends import Events, Trimmed
from app.chat.errors import Code, Refused
from app.chat.events import Event
from app.chat.fitting import FOUND_BYTES, MAX_HITS, PAGE_BYTES, fit
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
from app.chat.logs import END, mailbox, participants
from app.chat.rules import hides
from app.live.connection import Connection
from app.live.work import COSTS, owner, sending

MAX_CONVERSATIONS = 200
"""Most conversations in an answer."""


MAX_SKIPPED = 50
"""Pages of history that are skipped at most, because the user ignores everyone in them."""


class _Page(TypedDict):
    """How much to read of a log."""

    limit: int
    size: int
    fold: bool


async def history(connection: Connection, command: History) -> None:
    """Answer with a page of events. One that has only events of people whom the user ignores is skipped: a client takes
    an empty page for the end of the log."""
    backwards = isinstance(command.after, UnsetType)
    for _ in range(MAX_SKIPPED):
        events = await _read(connection, command)
        await connection.shard.turns.wait()
        connection.log_of(command.room)  # the user may have lost the right to read it meanwhile
        connection.charge(sending(events))
        frames = [event_frame(event) for event in _not_hidden(connection.ignored, events)]
        if frames or not events.more:
            break
        edge = {"before": events[0].seq} if backwards else {"after": events[-1].seq}
        command = replace(command, **edge)
        connection.charge(COSTS[History])
    fitting = fit(frames[::-1])[::-1] if backwards else fit(frames)
    more = events.more or len(fitting) < len(frames)
    connection.send(Page(command.room, fitting, more, rid=command.rid))


def _not_hidden(ignored: frozenset[int], events: Sequence[Event]) -> Sequence[Event]:
    """Return the events that someone who ignores these users may see."""
    return [event for event in events if not hides(ignored, event)] if ignored else events


async def _read(connection: Connection, command: History) -> Events:
    """Read a page of a log, not much more than fits in a frame."""
    backend, log = connection.backend, connection.log_of(command.room)
    page: _Page = {"limit": command.limit, "size": PAGE_BYTES, "fold": command.fold}
    if isinstance(command.after, UnsetType):
        before = END if isinstance(command.before, UnsetType) else command.before
        return await backend.read_backwards(log, before=before, **page)
    after = command.after
    while True:
        try:
            return await backend.read(log, after=after, **page)
        except Trimmed as trimmed:  # perhaps again: a trim goes on in steps
            after = trimmed.through


async def search(connection: Connection, command: Search) -> None:
    """Answer with the messages that contain all of some words, of a room or of all that the connection can read now."""
    room = ""
    log: str | list[str] = [*connection.following.rooms(), mailbox(connection.user.id)]
    if not isinstance(command.room, UnsetType):
        room, log = command.room, connection.log_of(command.room)
    before = END if isinstance(command.before, UnsetType) else command.before
    backend, limit = connection.backend, command.limit
    async with connection.shard.searches.turn(owner(connection.address, connection.user.id)):
        results = await backend.search(log, command.words, before=before, limit=limit, size=FOUND_BYTES)
    connection.charge(results.took + sending(results))
    await connection.shard.turns.wait()
    if room:
        connection.log_of(room)  # the user may have lost the right to read it meanwhile
    marked = zip(results, _first_hits(results.marks), strict=True)
    shown = [
        (event_frame(event), marks)
        for event, marks in marked
        if event.user not in connection.ignored and connection.reads(event.room)
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


def _first_hits(marks: Sequence[Sequence[tuple[int, int]]]) -> list[list[tuple[int, int]]]:
    """Return the hits as far as they fit in a frame, those of the newest messages first."""
    left, hits = MAX_HITS, []
    for of_message in reversed(marks):
        hits.append(list(of_message[:left]))
        left -= len(hits[-1])
    return hits[::-1]


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
    """Answer with a page of the user's conversations. One with nobody but people whom the user ignores has nothing to
    read."""
    before = END if isinstance(command.before, UnsetType) else command.before
    known = await connection.backend.conversations(connection.user.id, before=before, limit=MAX_CONVERSATIONS + 1)
    found = known[:MAX_CONVERSATIONS]
    ids = {user for one in found for user in participants(one.room)}
    names = {user.id: user.name for user in await connection.backend.users(sorted(ids))}
    markers = await connection.backend.read_markers(connection.user.id, [one.room for one in found])
    await connection.shard.turns.wait()
    entries = [
        ConversationEntry(
            one.room,
            _others(connection.user.id, participants(one.room), names),
            one.head,
            one.head if _is_hidden(connection, one.room) else markers.get(one.room, 0),
        )
        for one in found
    ]
    listed = fit(entries)
    connection.send(ConversationList(listed, len(listed) < len(known), rid=command.rid))


def _is_hidden(connection: Connection, log: str) -> bool:
    """Whether the user ignores everyone else in a conversation."""
    others = set(participants(log)) - {connection.user.id}
    return bool(others) and others <= connection.ignored


def _others(user: int, ids: tuple[int, ...], names: dict[int, str]) -> list[str]:
    """Return the names of everyone else in a conversation; the user's own if nobody else is in it."""
    return [names[id_] for id_ in ids if id_ in names and (id_ != user or len(ids) == 1)]
