"""Saying something, in a room or to some people, and changing it afterwards."""

from __future__ import annotations

from msgspec import UnsetType

from app.chat import rules
from app.chat.errors import Code, Refused
from app.chat.events import PLAIN, Detail, Event, Kind, User
from app.chat.frames import Delete, Done, Edit, Reply, Say, Whisper
from app.chat.logs import conversation, participants
from app.chat.rules import Rank
from app.live.connection import Connection, cid_of, say_at_once


async def say(connection: Connection, command: Say) -> None:
    """Append what is said to the log of its room, or of its conversation."""
    if not say_at_once(connection, command):
        await _answer(connection, command, Kind.ME if command.me else Kind.MSG)


async def _answer(connection: Connection, command: Say, kind: Kind) -> None:
    log = connection.log(command.room)
    users = await connection.backend.users(participants(log))
    if len(users) < len(participants(log)):
        problem = f"one of the conversation {log[:80]} is nobody"
        raise Refused(Code.UNKNOWN_NAME, problem, reason="conversation", room=log[:80])
    await _whisper(connection, users, command.text, cid_of(command), kind)


async def whisper(connection: Connection, command: Whisper) -> None:
    """Say something to some people: to all of them or, if one is unknown, to nobody."""
    connection.limits.check_recipients(len(command.to))
    found = [(await connection.context.account(name)).user for name in command.to]
    if not found:
        raise Refused(Code.UNKNOWN_NAME, "a whisper is for somebody: expected a name", reason="nobody")
    await _whisper(connection, [connection.user, *found], command.text, cid_of(command))


async def reply(connection: Connection, command: Reply) -> None:
    """Whisper to all of the last whisper."""
    if not connection.conversation:
        raise Refused(Code.NOT_FOUND, "there is no whisper to reply to", reason="whisper")
    users = await connection.backend.users(participants(connection.conversation))
    await _whisper(connection, users, command.text, cid_of(command))


async def _whisper(connection: Connection, users: list[User], text: str, cid: str, kind: Kind = Kind.MSG) -> None:
    connection.limits.check_message(text)
    names = {user.id: user.name for user in users}
    others = tuple(name for id_, name in names.items() if id_ != connection.user.id) or (connection.user.name,)
    log = connection.conversation = conversation(set(names))
    connection.post(connection.draft(log, text, cid=cid, kind=kind, detail=Detail(to=others)))


async def edit(connection: Connection, command: Edit) -> None:
    """Give a message another text. Nobody but its author may."""
    event = await _message(connection, command.room, command.seq)
    rules.amend(event, connection.user)
    connection.limits.check_message(command.text)
    cursor = connection.following.cursor(command.room)
    if cursor is not None:
        rules.speak(
            command.room,
            cursor.room.state,
            connection.user,
            connection.rank(cursor.room),
            connection.context.clock.now(),
            0,
        )
    await _change(connection, event, Kind.EDIT, command.text, command.rid)


async def delete(connection: Connection, command: Delete) -> None:
    """Take a message's text away. Its author may, and operators of its room."""
    event = await _message(connection, command.room, command.seq)
    cursor = connection.following.cursor(event.room)
    rules.remove(event, connection.user, connection.rank(cursor.room) if cursor else Rank.MEMBER)
    await _change(connection, event, Kind.DELETE, "", command.rid)


async def _message(connection: Connection, room: str, seq: int) -> Event:
    event = await connection.backend.get(connection.log(room), seq)
    if event is None or event.kind not in (Kind.MSG, Kind.ME) or event.detail.deleted:
        problem = f"there is no message {seq} in {room}, or it is no longer kept"
        raise Refused(Code.NOT_FOUND, problem, room=room, seq=seq)
    return event


async def _change(connection: Connection, event: Event, kind: Kind, text: str, rid: int | str | UnsetType) -> None:
    author = User(event.user, event.name) if kind == Kind.DELETE else None
    detail = Detail(whom=author, to=event.detail.to) if author or event.detail.to else PLAIN
    draft = connection.draft(event.room, text, kind=kind, of=event.seq, detail=detail)
    appended = await connection.backend.append(draft)
    connection.send(Done(seq=appended.event.seq, rid=rid))
