"""Moderation: room settings, and what operators do to people. Each is an event in the room's log."""

from __future__ import annotations

from msgspec import UnsetType

from app.chat import rules
from app.chat.errors import Code, Refused
from app.chat.events import Detail, Kind
from app.chat.frames import Done, Mentions, Moderation, Private, Public, Slow, Topic
from app.chat.room import Room
from app.live.connection import Connection
from app.live.handlers.rooms import show_settings
from app.live.subscriber import Subscriber


async def topic(connection: Connection, command: Topic) -> None:
    """Set a room's topic, or show the room's settings."""
    if isinstance(command.text, UnsetType):
        await show_settings(connection, command.room, command.rid)
        return
    connection.limits.check_topic(command.text)
    await change_setting(connection, command)


async def change_setting(connection: Connection, command: Topic | Private | Public | Slow | Mentions) -> None:
    """Change a room's setting."""
    room = _room(connection, command.room)
    kind, text, detail = rules.setting_event(command, room.state, connection.rank(room))
    await _append(connection, command, kind, text, detail)


async def private(connection: Connection, command: Private) -> None:
    """Make a room private. Invite everyone in it first, so that a lost connection locks nobody out."""
    room = _room(connection, command.room)
    kind, text, detail = rules.setting_event(command, room.state, connection.rank(room))
    members, people = connection.hub.people(command.room)
    if members > len(people):
        most = connection.hub.max_roster
        problem = f"{command.room} has {members} people. Rooms with more than {most} can't be made private"
        raise Refused(Code.REFUSED, problem)
    for user in await connection.backend.users([person.id for person in people]):
        if not room.state.is_invited(user.id):
            draft = connection.draft(command.room, "", kind=Kind.INVITE, detail=Detail(whom=user))
            await connection.backend.append(draft)
    await _append(connection, command, kind, text, detail)


async def moderate(connection: Connection, command: Moderation) -> None:
    """Do something to someone in a room."""
    connection.limits.check_why(command.why)
    room = _room(connection, command.room)
    rank = connection.rank(room)
    whom = (await connection.context.account(command.name)).user
    whose_rank = rules.rank(room.state, whom, server_operator=connection.context.is_server_operator(whom))
    kind, text, detail = rules.moderation_event(command, rank, whom, whose_rank, connection.context.clock.now())
    await _append(connection, command, kind, text, detail)


async def _append(
    connection: Connection,
    command: Topic | Private | Public | Slow | Mentions | Moderation,
    kind: Kind,
    text: str,
    detail: Detail,
) -> None:
    appended = await connection.backend.append(connection.draft(command.room, text, kind=kind, detail=detail))
    connection.send(Done(seq=appended.event.seq, rid=command.rid))


def _room(connection: Connection, name: str) -> Room[Subscriber]:
    """Return a room that the connection is in. Refused for any other, and for a conversation."""
    connection.log_of(name)
    cursor = connection.following.cursor(name)
    if cursor is None:
        shown = name[:80]
        problem = f"{shown!r} is a conversation. This works only in rooms"
        raise Refused(Code.BAD_ROOM, problem, reason="conversation", room=shown)
    return cursor.room
