"""Keeping order in a room. Each thing done is an event in its log: who, whom, why."""

from __future__ import annotations

from msgspec import UnsetType

from app.chat import rules
from app.chat.errors import Code, Refused
from app.chat.events import Detail, Kind
from app.chat.frames import Done, Moderation, Private, Public, Slow, Topic
from app.chat.room import Room
from app.handlers.rooms import show
from app.session import Session, now


async def topic(session: Session, command: Topic) -> None:
    """Set what a room is about, or ask for it."""
    if isinstance(command.text, UnsetType):
        await show(session, command.room, command.rid)
        return
    session.limits.check_topic(command.text)
    await change(session, command)


async def change(session: Session, command: Topic | Private | Public | Slow) -> None:
    """Set something for a room."""
    room = _room(session, command.room)
    kind, text, detail = rules.change(command, room.state, session.rank(room))
    await _record(session, command, kind, text, detail)


async def private(session: Session, command: Private) -> None:
    """Make a room private. Who is in it is invited first, so that nobody is shut out by a lost connection."""
    room = _room(session, command.room)
    kind, text, detail = rules.change(command, room.state, session.rank(room))
    members, people = session.hub.people(command.room)
    if members > len(people):
        problem = f"{command.room} has {members} people: a room can be made private with up to "
        raise Refused(Code.REFUSED, f"{problem}{session.hub.largest_roster}")
    for user in await session.backend.users([person.id for person in people]):
        if not room.state.invited(user.id):
            draft = session.draft(command.room, "", kind=Kind.INVITE, detail=Detail(whom=user))
            await session.backend.append(draft)
    await _record(session, command, kind, text, detail)


async def moderate(session: Session, command: Moderation) -> None:
    """Do something to somebody in a room."""
    session.limits.check_why(command.why)
    room = _room(session, command.room)
    own = session.rank(room)
    whom = (await session.service.account(command.name)).user
    other = rules.rank(room.state, whom, server_operator=session.service.operates(whom))
    kind, text, detail = rules.moderate(command, own, whom, other, now())
    await _record(session, command, kind, text, detail)


async def _record(
    session: Session, command: Topic | Private | Public | Slow | Moderation, kind: Kind, text: str, detail: Detail
) -> None:
    appended = await session.backend.append(session.draft(command.room, text, kind=kind, detail=detail))
    session.send(Done(seq=appended.event.seq, rid=command.rid))


def _room(session: Session, name: str) -> Room[Session]:
    session.log(name)
    cursor = session.following.cursor(name)
    if cursor is None:
        raise Refused(Code.BAD_ROOM, f"{name[:80]!r} is a conversation: expected a room")
    return cursor.room
