"""Saying something, in a room or to some people, and changing it afterwards."""

from __future__ import annotations

from msgspec import UnsetType

from app.chat import rules
from app.chat.errors import Code, Refused
from app.chat.events import PLAIN, Detail, Event, Kind, User, conversation, participants
from app.chat.frames import Delete, Done, Edit, Reply, Say, Whisper
from app.chat.rules import Rank
from app.session import Session, cid_of, now, say_at_once


async def say(session: Session, command: Say) -> None:
    """Append what is said to the log of its room, or of its conversation."""
    if not say_at_once(session, command):
        await _answer(session, command, Kind.ME if command.me else Kind.MSG)


async def _answer(session: Session, command: Say, kind: Kind) -> None:
    log = session.log(command.room)
    users = await session.backend.users(participants(log))
    if len(users) < len(participants(log)):
        raise Refused(Code.UNKNOWN_NAME, f"one of the conversation {log[:80]} is nobody")
    await _whisper(session, users, command.text, cid_of(command), kind)


async def whisper(session: Session, command: Whisper) -> None:
    """Say something to some people: to all of them or, if one is unknown, to nobody."""
    session.limits.check_recipients(len(command.to))
    found = [(await session.service.account(name)).user for name in command.to]
    if not found:
        raise Refused(Code.UNKNOWN_NAME, "a whisper is for somebody: expected a name")
    await _whisper(session, [session.user, *found], command.text, cid_of(command))


async def reply(session: Session, command: Reply) -> None:
    """Whisper to all of the last whisper."""
    if not session.conversation:
        raise Refused(Code.NOT_FOUND, "there is no whisper to reply to")
    users = await session.backend.users(participants(session.conversation))
    await _whisper(session, users, command.text, cid_of(command))


async def _whisper(session: Session, users: list[User], text: str, cid: str, kind: Kind = Kind.MSG) -> None:
    session.limits.check_message(text)
    names = {user.id: user.name for user in users}
    others = tuple(name for id_, name in names.items() if id_ != session.user.id) or (session.user.name,)
    log = session.conversation = conversation(set(names))
    session.post(session.draft(log, text, cid=cid, kind=kind, detail=Detail(to=others)))


async def edit(session: Session, command: Edit) -> None:
    """Give a message another text. Nobody but its author may."""
    event = await _message(session, command.room, command.seq)
    rules.amend(event, session.user)
    session.limits.check_message(command.text)
    cursor = session.following.cursor(command.room)
    if cursor is not None:
        rules.speak(command.room, cursor.room.state, session.user, session.rank(cursor.room), now(), 0)
    await _change(session, event, Kind.EDIT, command.text, command.rid)


async def delete(session: Session, command: Delete) -> None:
    """Take a message's text away. Its author may, and operators of its room."""
    event = await _message(session, command.room, command.seq)
    cursor = session.following.cursor(event.room)
    rules.remove(event, session.user, session.rank(cursor.room) if cursor else Rank.MEMBER)
    await _change(session, event, Kind.DELETE, "", command.rid)


async def _message(session: Session, room: str, seq: int) -> Event:
    event = await session.backend.get(session.log(room), seq)
    if event is None or event.kind not in (Kind.MSG, Kind.ME) or event.detail.deleted:
        raise Refused(Code.NOT_FOUND, f"there is no message {seq} in {room}, or it is no longer kept")
    return event


async def _change(session: Session, event: Event, kind: Kind, text: str, rid: int | str | UnsetType) -> None:
    author = User(event.user, event.name) if kind == Kind.DELETE else None
    detail = Detail(whom=author, to=event.detail.to) if author or event.detail.to else PLAIN
    draft = session.draft(event.room, text, kind=kind, of=event.seq, detail=detail)
    appended = await session.backend.append(draft)
    session.send(Done(seq=appended.event.seq, rid=rid))
