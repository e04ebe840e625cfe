"""Messages and whispers: sending, editing and deleting them."""

from __future__ import annotations

from msgspec import UnsetType

from app.chat import rules
from app.chat.errors import Code, Refused
from app.chat.events import NOTES, PLAIN, Detail, Event, Kind, User
from app.chat.fitting import PAGE_BYTES
from app.chat.frames import MAX_PAGE, Delete, Done, Edit, History, Reply, Say, Topic, Whisper, cid_of
from app.chat.logs import END, conversation, participants
from app.chat.rules import Rank
from app.live.connection import Connection
from app.live.saying import say_in_room, speak
from app.live.work import COSTS, sending


async def say(connection: Connection, command: Say) -> None:
    """Post a message to a room or conversation."""
    if not say_in_room(connection, command):
        await _say_in_conversation(connection, command, Kind.ME if command.me else Kind.MSG)


async def _say_in_conversation(connection: Connection, command: Say, kind: Kind) -> None:
    """Answer in a conversation that a whisper has begun: a list of ids alone reaches nobody."""
    connection.limits.check_recipients(command.room.count(","))  # before the names of thousands are looked at
    log = connection.log_of(command.room)
    if not await has_begun(connection, log):
        shown = log[:80]
        problem = f"There is no conversation {shown}. Begin it with a whisper: /whisper NAME TEXT"
        raise Refused(Code.NOT_FOUND, problem, reason="conversation", room=shown)
    users = await connection.backend.users(participants(log))
    await _post_whisper(connection, users, command.text, cid_of(command), kind)


async def has_begun(connection: Connection, log: str) -> bool:
    """Whether anyone has whispered in a conversation, even if that is no longer kept."""
    return (await connection.backend.bounds(log)).head > 0


async def whisper(connection: Connection, command: Whisper) -> None:
    """Post a message to some people: to all of them or, if one is unknown, to nobody."""
    connection.limits.check_recipients(len(command.to))
    found = [(await connection.context.account(name)).user for name in command.to]
    if not found:
        raise Refused(Code.UNKNOWN_NAME, "A whisper needs at least one recipient", reason="nobody")
    await _post_whisper(connection, [connection.user, *found], command.text, cid_of(command))


async def reply(connection: Connection, command: Reply) -> None:
    """Post a message to everyone in the last whisper."""
    if not connection.last_conversation:
        raise Refused(Code.NOT_FOUND, "There is no whisper to reply to", reason="whisper")
    users = await connection.backend.users(participants(connection.last_conversation))
    await _post_whisper(connection, users, command.text, cid_of(command))


async def _post_whisper(connection: Connection, users: list[User], text: str, cid: str, kind: Kind = Kind.MSG) -> None:
    rules.check_not_blank(text)
    connection.limits.check_message(text)
    names = {user.id: user.name for user in users}
    others = tuple(name for id_, name in names.items() if id_ != connection.user.id) or (connection.user.name,)
    connection.limits.check_recipients(len(others))
    log = connection.last_conversation = conversation(set(names))
    connection.post(connection.draft(log, text, cid=cid, kind=kind, detail=Detail(to=others)))


async def edit(connection: Connection, command: Edit) -> None:
    """Change the text of a message. Only its author may, and only when they may speak: some read it as a new line."""
    event = await _message(connection, command.room, command.seq)
    rules.check_edit(event, connection.user)
    rules.check_not_blank(command.text)
    connection.limits.check_message(command.text)
    if (cursor := connection.following.cursor(command.room)) is not None:
        speak(connection, cursor.room)
    await _append(connection, event, Kind.EDIT, command.text, command.rid)


async def delete(connection: Connection, command: Delete) -> None:
    """Delete the text of a message, or a topic or a reason. Its author may, and operators of its room."""
    event = await _message(connection, command.room, command.seq, also=NOTES)
    cursor = connection.following.cursor(event.room)
    rank = connection.rank(cursor.room) if cursor else Rank.MEMBER
    rules.check_delete(event, connection.user, rank)
    what = "" if event.kind not in NOTES else "topic" if event.kind == Kind.TOPIC else "why"
    if cursor and what == "topic" and event.seq == cursor.room.state.topic_since:
        kind, text, detail = rules.setting_event(Topic(event.room, text=""), cursor.room.state, rank)
        await connection.backend.append(connection.draft(event.room, text, kind=kind, detail=detail))
    await _append(connection, event, Kind.DELETE, "", command.rid, what=what)


async def _message(
    connection: Connection, room: str, seq: int | UnsetType, *, also: frozenset[Kind] = frozenset()
) -> Event:
    """Return the message at a position, or else the user's last one. Refused if there is none, or it is deleted.
    `also`: other kinds of events that may be meant, in a room, as long as they have a text."""
    if isinstance(seq, UnsetType):
        return await _last_message(connection, room)
    event = await connection.backend.get(connection.log_of(room), seq)
    connection.log_of(room)  # the user may have lost the right to read it meanwhile
    if event is None and also and (cursor := connection.following.cursor(room)):
        event = cursor.room.state.at(seq)  # it is no longer in the log, but still in force
    is_message = event is not None and event.kind in (Kind.MSG, Kind.ME)
    is_note = event is not None and event.kind in also and event.text != "" and event.room in connection.following
    if event is None or not (is_message or is_note) or event.detail.deleted:
        problem = f"There is no message {seq} in {room}, or it is no longer kept"
        raise Refused(Code.NOT_FOUND, problem, room=room, seq=seq)
    return event


async def _last_message(connection: Connection, room: str) -> Event:
    """Return the user's last message in a room, if it is among the last messages of all."""
    log = connection.log_of(room)
    events = await connection.backend.read_backwards(log, before=END, limit=MAX_PAGE, size=PAGE_BYTES, fold=True)
    connection.charge(COSTS[History] + sending(events))
    connection.log_of(room)
    for event in reversed(events):
        if event.user == connection.user.id and event.kind in (Kind.MSG, Kind.ME) and not event.detail.deleted:
            return event
    problem = f"None of the last messages in {room} is yours"
    raise Refused(Code.NOT_FOUND, problem, reason="last", room=room)


async def _append(
    connection: Connection, event: Event, kind: Kind, text: str, rid: int | str | UnsetType, *, what: str = ""
) -> None:
    """Append the edit or deletion of a message, or the deletion of `what`."""
    author = User(event.user, event.name) if kind == Kind.DELETE else None
    detail = Detail(whom=author, to=event.detail.to, what=what) if author or event.detail.to else PLAIN
    draft = connection.draft(event.room, text, kind=kind, of=event.seq, detail=detail)
    appended = await connection.backend.append(draft)
    connection.send(Done(seq=appended.event.seq, rid=rid))
