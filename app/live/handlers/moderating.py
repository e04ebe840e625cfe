"""Keeping order in a room. Each thing done is an event in its log: who, whom, why."""

from __future__ import annotations

from msgspec import UnsetType

from app.chat import rules
from app.chat.errors import Code, Refused
from app.chat.events import Detail, Kind
from app.chat.frames import Done, Moderation, Private, Public, Slow, Topic
from app.chat.room import Room
from app.live.connection import Connection
from app.live.handlers.rooms import show
from app.live.subscriber import Subscriber


async def topic(connection: Connection, command: Topic) -> None:
    """Set what a room is about, or ask for it."""
    if isinstance(command.text, UnsetType):
        await show(connection, command.room, command.rid)
        return
    connection.limits.check_topic(command.text)
    await change(connection, command)


async def change(connection: Connection, command: Topic | Private | Public | Slow) -> None:
    """Set something for a room."""
    room = _room(connection, command.room)
    kind, text, detail = rules.change(command, room.state, connection.rank(room))
    await _record(connection, command, kind, text, detail)


async def private(connection: Connection, command: Private) -> None:
    """Make a room private. Who is in it is invited first, so that nobody is shut out by a lost connection."""
    room = _room(connection, command.room)
    kind, text, detail = rules.change(command, room.state, connection.rank(room))
    members, people = connection.hub.people(command.room)
    if members > len(people):
        problem = f"{command.room} has {members} people: a room can be made private with up to "
        raise Refused(Code.REFUSED, f"{problem}{connection.hub.largest_roster}")
    for user in await connection.backend.users([person.id for person in people]):
        if not room.state.invited(user.id):
            draft = connection.draft(command.room, "", kind=Kind.INVITE, detail=Detail(whom=user))
            await connection.backend.append(draft)
    await _record(connection, command, kind, text, detail)


async def moderate(connection: Connection, command: Moderation) -> None:
    """Do something to somebody in a room."""
    connection.limits.check_why(command.why)
    room = _room(connection, command.room)
    own = connection.rank(room)
    whom = (await connection.context.account(command.name)).user
    other = rules.rank(room.state, whom, server_operator=connection.context.operates(whom))
    kind, text, detail = rules.moderate(command, own, whom, other, connection.context.clock.now())
    await _record(connection, command, kind, text, detail)


async def _record(
    connection: Connection, command: Topic | Private | Public | Slow | Moderation, kind: Kind, text: str, detail: Detail
) -> None:
    appended = await connection.backend.append(connection.draft(command.room, text, kind=kind, detail=detail))
    connection.send(Done(seq=appended.event.seq, rid=command.rid))


def _room(connection: Connection, name: str) -> Room[Subscriber]:
    connection.log(name)
    cursor = connection.following.cursor(name)
    if cursor is None:
        shown = name[:80]
        problem = f"{shown!r} is a conversation: expected a room"
        raise Refused(Code.BAD_ROOM, problem, reason="conversation", room=shown)
    return cursor.room
