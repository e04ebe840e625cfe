"""Rooms: coming in, leaving, looking around."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from app.chat.dialects import TEXT
from app.chat.errors import Code, Refused
from app.chat.events import Detail, Draft, Kind
from app.chat.frames import (
    DescribeRoom,
    Join,
    Part,
    Parted,
    People,
    RoomEntry,
    RoomList,
    Rooms,
    RoomSettings,
    Typing,
    Who,
)
from app.chat.logs import WHISPERS, mailbox, room_name
from app.chat.rules import rank
from app.chat.state import RoomState
from app.live.connection import SERVER, Connection

MOST_ROOMS = 200
"""How many rooms a list has."""
TYPING_PERIOD = 2.0
"""Seconds between two tellings that one connection types."""


async def join(connection: Connection, command: Join) -> None:
    """Follow a room. The first registered user in a room owns it. In the text dialect one is in one room at a time."""
    following = connection.following
    if command.room == WHISPERS:
        await following.join(connection, command, mailbox(connection.user.id))
        return
    room = room_name(command.room)
    before = connection.room
    moves = connection.dialect is TEXT
    if not moves and room not in following:
        connection.limits.check_rooms(len(following) + 1)
    await following.join(connection, command, room)
    if moves:
        connection.room = room
        if before != room and before in following:
            following.part(connection, before)
    await own(connection, room)


async def own(connection: Connection, room: str) -> None:
    """Make the user the owner of a room that it is in, if it may be: of several at once the first one is."""
    cursor = connection.following.cursor(room)
    if connection.user.registered and cursor and not cursor.room.state.owner:
        id_ = f"owner:{room}"
        draft = Draft(
            room, SERVER, "", id_, connection.context.clock.now(), id_, Kind.OWNER, detail=Detail(whom=connection.user)
        )
        await connection.backend.append(draft)


async def part(connection: Connection, command: Part) -> None:
    """Follow a room no longer."""
    connection.log(command.room)
    if command.room not in connection.following:
        room = command.room[:80]
        raise Refused(Code.NOT_JOINED, f"you are not in {room!r}: nothing to leave", room=room)
    connection.following.part(connection, command.room)
    if connection.room == command.room and connection.dialect is TEXT:
        connection.room = ""
    connection.send(Parted(command.room, rid=command.rid))


async def rooms(connection: Connection, command: Rooms) -> None:
    """The rooms with people in them; private ones are shown to those who are there."""
    counts = sorted(connection.hub.rooms().items(), key=lambda item: (-item[1], item[0]))
    entries = []
    for room, members in counts[:MOST_ROOMS]:
        state = await state_of(connection, room)
        if not state.private or room in connection.following:
            entries.append(RoomEntry(room, members, state.topic))
    connection.send(RoomList(entries, rid=command.rid))


async def who(connection: Connection, command: Who) -> None:
    """Who is in a room: for those who are there, or whoever may go there."""
    room = await _open(connection, command.room)
    members, people = connection.hub.people(room)
    connection.send(People(room, members, people, rid=command.rid))


async def look(connection: Connection, command: DescribeRoom) -> None:
    """What is set for a room."""
    await show(connection, command.room, command.rid)


async def show(connection: Connection, name: str, rid: int | str | UnsetType = UNSET) -> None:
    """Tell what is set for a room."""
    room = await _open(connection, name)
    state = await state_of(connection, room)
    own = rank(state, connection.user, server_operator=connection.context.operates(connection.user))
    connection.send(
        RoomSettings(
            room,
            state.topic,
            state.private,
            state.owner_name,
            state.operators,
            state.slow,
            connection.hub.members(room),
            str(own),
            rid=rid,
        )
    )


async def typing(connection: Connection, command: Typing) -> None:
    """Tell the others, but not too often, and not in a large room."""
    log = connection.log(command.room)
    if command.room == WHISPERS:
        problem = f"{WHISPERS} is all conversations: expected one of them, or a room"
        raise Refused(Code.BAD_ROOM, problem, reason="conversation", room=WHISPERS)
    at = connection.context.clock.monotonic()
    if at - connection.typed >= TYPING_PERIOD and connection.hub.members(log) <= connection.hub.largest_roster:
        connection.typed = at
        connection.hub.types(command.room, connection.user)


async def state_of(connection: Connection, room: str) -> RoomState:
    """What is set for a room, whether anybody is there or not."""
    here = connection.shard.rooms.get(room)
    return here.state if here and here.loaded else RoomState(await connection.backend.state(room))


async def _open(connection: Connection, name: str) -> str:
    """The name of a room that the user may look into."""
    if not name:
        connection.log(name)
    room = room_name(name)
    if room not in connection.following and (await state_of(connection, room)).private:
        raise Refused(Code.INVITATION_ONLY, f"{room} is private: only who is in it may look", room=room)
    return room
