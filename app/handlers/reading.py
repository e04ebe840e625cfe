"""What was said before: pages of it, searches in it, and how far somebody has read."""

from __future__ import annotations

import asyncio

from msgspec import UnsetType

from app.backends import Trimmed
from app.chat.errors import Code, Refused
from app.chat.events import participants
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
    told,
)
from app.session import Session

FAR = 2**62
"""A position after all others."""
MOST_CONVERSATIONS = 200
"""How many conversations a list has."""


async def history(session: Session, command: History) -> None:
    """A page of a log that the client may read."""
    log, limit = session.log(command.room), command.limit
    if not isinstance(command.after, UnsetType):
        after = command.after
        try:
            events = await session.backend.read(log, after=after, limit=limit + 1)
        except Trimmed as trimmed:
            events = await session.backend.read(log, after=trimmed.through, limit=limit + 1)
        more, events = len(events) > limit, events[:limit]
    else:
        before = FAR if isinstance(command.before, UnsetType) else command.before
        events = await session.backend.read_back(log, before=before, limit=limit + 1)
        more, events = len(events) > limit, events[-limit:]
    shown = [told(event) for event in events if event.user not in session.ignored]
    session.send(Page(command.room, shown, more, rid=command.rid))


async def search(session: Session, command: Search) -> None:
    """The messages that hold some words, in a log that the client may read."""
    log, limit = session.log(command.room), command.limit
    before = FAR if isinstance(command.before, UnsetType) else command.before
    events = await session.backend.search(log, command.words, before=before, limit=limit + 1)
    shown = [told(event) for event in events[-limit:] if event.user not in session.ignored]
    session.send(Found(command.room, command.words, shown, len(events) > limit, rid=command.rid))


async def read(session: Session, command: Read) -> None:
    """Keep how far the user has read, and tell the user's connections where that moves on."""
    log = session.log(command.room)
    before = await session.backend.mark(session.user.id, log, 0)
    if command.seq > (await session.backend.bounds(log)).head:
        raise Refused(Code.NOT_FOUND, f"there is nothing at {command.seq} in {command.room} yet")
    after = await session.backend.mark(session.user.id, log, command.seq)
    session.known = True
    if after > before:
        session.hub.has_read(command.room, session.user, after)
    session.send(Done(rid=command.rid))


async def conversations(session: Session, command: Conversations) -> None:
    """With whom the user whispered."""
    found = (await session.backend.conversations(session.user.id))[:MOST_CONVERSATIONS]
    ids = {user for one in found for user in participants(one.room)}
    names = {user.id: user.name for user in await session.backend.users(sorted(ids))}
    reads = await asyncio.gather(*(session.backend.mark(session.user.id, one.room, 0) for one in found))
    entries = [
        ConversationEntry(one.room, _others(session.user.id, participants(one.room), names), one.head, read)
        for one, read in zip(found, reads, strict=True)
    ]
    session.send(ConversationList(entries, rid=command.rid))


def _others(user: int, ids: tuple[int, ...], names: dict[int, str]) -> list[str]:
    return [names[id_] for id_ in ids if id_ in names and (id_ != user or len(ids) == 1)]
