"""Rooms: coming in, leaving, looking around."""

from __future__ import annotations

import time

from msgspec import UNSET, UnsetType

from app.chat.dialects import TEXT
from app.chat.errors import Code, Refused
from app.chat.events import Detail, Draft, Kind, mailbox
from app.chat.frames import (
    WHISPERS,
    Join,
    Look,
    Part,
    Parted,
    People,
    RoomEntry,
    RoomList,
    Rooms,
    RoomSettings,
    Typing,
    Who,
    room_name,
)
from app.chat.rules import rank
from app.chat.state import RoomState
from app.session import SERVER, Session, now

MOST_ROOMS = 200
"""How many rooms a list has."""
TYPING_PERIOD = 2.0
"""Seconds between two tellings that one connection types."""


async def join(session: Session, command: Join) -> None:
    """Follow a room. The first registered user in a room owns it. In the text dialect one is in one room at a time."""
    following = session.following
    if command.room == WHISPERS:
        await following.join(session, command, mailbox(session.user.id))
        return
    room = room_name(command.room)
    before = session.room
    moves = session.dialect is TEXT
    if not moves and room not in following:
        session.limits.check_rooms(len(following) + 1)
    await following.join(session, command, room)
    if moves:
        session.room = room
        if before != room and before in following:
            following.part(session, before)
    await own(session, room)


async def own(session: Session, room: str) -> None:
    """Make the user the owner of a room that it is in, if it may be: of several at once the first one is."""
    cursor = session.following.cursor(room)
    if session.user.registered and cursor and not cursor.room.state.owner:
        id_ = f"owner:{room}"
        draft = Draft(room, SERVER, "", id_, now(), id_, Kind.OWNER, detail=Detail(whom=session.user))
        await session.backend.append(draft)


async def part(session: Session, command: Part) -> None:
    """Follow a room no longer."""
    session.log(command.room)
    if command.room not in session.following:
        raise Refused(Code.NOT_JOINED, f"you are not in {command.room[:80]!r}: nothing to leave")
    session.following.part(session, command.room)
    if session.room == command.room and session.dialect is TEXT:
        session.room = ""
    session.send(Parted(command.room, rid=command.rid))


async def rooms(session: Session, command: Rooms) -> None:
    """The rooms with people in them; private ones are shown to those who are there."""
    counts = sorted(session.hub.rooms().items(), key=lambda item: (-item[1], item[0]))
    entries = []
    for room, members in counts[:MOST_ROOMS]:
        state = await state_of(session, room)
        if not state.private or room in session.following:
            entries.append(RoomEntry(room, members, state.topic))
    session.send(RoomList(entries, rid=command.rid))


async def who(session: Session, command: Who) -> None:
    """Who is in a room: for those who are there, or whoever may go there."""
    room = await _open(session, command.room)
    members, people = session.hub.people(room)
    session.send(People(room, members, people, rid=command.rid))


async def look(session: Session, command: Look) -> None:
    """What is set for a room."""
    await show(session, command.room, command.rid)


async def show(session: Session, name: str, rid: int | str | UnsetType = UNSET) -> None:
    """Tell what is set for a room."""
    room = await _open(session, name)
    state = await state_of(session, room)
    own = rank(state, session.user, server_operator=session.service.operates(session.user))
    session.send(
        RoomSettings(
            room,
            state.topic,
            state.private,
            state.owner_name,
            state.operators,
            state.slow,
            session.hub.members(room),
            str(own),
            rid=rid,
        )
    )


async def typing(session: Session, command: Typing) -> None:
    """Tell the others, but not too often, and not in a large room."""
    log = session.log(command.room)
    if command.room == WHISPERS:
        raise Refused(Code.BAD_ROOM, f"{WHISPERS} is all conversations: expected one of them, or a room")
    at = time.monotonic()
    if at - session.typed >= TYPING_PERIOD and session.hub.members(log) <= session.hub.largest_roster:
        session.typed = at
        session.hub.types(command.room, session.user)


async def state_of(session: Session, room: str) -> RoomState:
    """What is set for a room, whether anybody is there or not."""
    here = session.shard.rooms.get(room)
    return here.state if here and here.loaded else RoomState(await session.backend.state(room))


async def _open(session: Session, name: str) -> str:
    """The name of a room that the user may look into."""
    if not name:
        session.log(name)
    room = room_name(name)
    if room not in session.following and (await state_of(session, room)).private:
        raise Refused(Code.INVITATION_ONLY, f"{room} is private: only who is in it may look")
    return room
