"""Rooms: joining, leaving, and what there is to see."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from app.chat.dialects import TEXT
from app.chat.directory import REFRESH, SMALL
from app.chat.errors import Code, Refused
from app.chat.events import Detail, Draft, Kind, User
from app.chat.fitting import fit
from app.chat.frames import (
    MAX_PAGE,
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
from app.chat.logs import WHISPERS, is_conversation, mailbox, room_name
from app.chat.mentions import ALL
from app.chat.presence import by_name
from app.chat.rules import check_mute, rank
from app.chat.state import RoomState
from app.live.connection import Connection
from app.live.following import NO_SETTINGS
from app.live.handlers.speaking import has_begun
from app.live.work import LOOKING

MAX_ROOMS = 200
"""Most rooms in a list."""
SERVER = User(0, "*", registered=True)
"""The author of events that the server itself records. No user has this name or id."""
TYPING_PERIOD = 2.0
"""Seconds between two typing hints from one connection."""


async def join(connection: Connection, command: Join) -> None:
    """Follow a room. In the text dialect this leaves the room before."""
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
    cursor = following.cursor(room)
    if moves:
        connection.room = cursor.room.name if cursor else room
        if before != room and before in following:
            following.part(connection, before)
    if cursor and cursor.room.state.mute(connection.user.id, connection.context.clock.now()):
        connection.hub.hush(connection.user.id)
    await take_ownership(connection, room)


async def take_ownership(connection: Connection, room: str) -> None:
    """Make a registered user the owner of a room it is in, if the room has none, and the user hasn't too many and isn't
    muted there. If several try, the first wins."""
    cursor, now = connection.following.cursor(room), connection.context.clock.now()
    if cursor is None or cursor.room.state.owner or cursor.room.state.mute(connection.user.id, now):
        return
    user, limit = connection.user, connection.limits.rooms_owned
    if not user.registered:
        return
    with connection.context.under_way.another(("owned", user.id)) as place:
        if limit and await connection.backend.owned(user.id) + place > limit:
            return
        id_ = f"owner:{room}"
        await connection.backend.append(Draft(room, SERVER, "", id_, now, id_, Kind.OWNER, detail=Detail(whom=user)))


async def part(connection: Connection, command: Part) -> None:
    """Leave a room."""
    connection.log_of(command.room)
    if command.room not in connection.following:
        room = command.room[:80]
        raise Refused(Code.NOT_JOINED, f"You are not in {room!r}", room=room)
    connection.following.part(connection, command.room)
    if connection.room == command.room and connection.dialect is TEXT:
        connection.room = ""
    connection.send(Parted(command.room, rid=command.rid))


async def list_rooms(connection: Connection, command: Rooms) -> None:
    """Answer with the rooms that have people in them, or with a page of them by name. Private rooms are listed for
    those who are in them."""
    hub, now = connection.hub, connection.context.clock.monotonic()
    if not command.find is command.after is command.limit is UNSET:
        find, after = (command.find or "").lower(), command.after or ""
        names, following = hub.rooms_by_name(command.limit or MAX_PAGE, find=find, after=after, now=now)
        entries = await _entries(connection, names)
        listed = fit(entries)
        if len(listed) < len(entries):
            following = listed[-1].room
        connection.send(RoomList(listed, bool(following), following, rid=command.rid))
        return
    own = set(connection.following.rooms())
    largest, looked_at, count = await _largest(connection, now)
    mine = await _entries(connection, list(own))
    mine.sort(key=_by_size)
    others = [entry for entry in largest if entry.room not in own]
    listed = fit([*mine, *others])
    more = len(listed) < len(mine) + len(others) or len(own | looked_at) < count  # private rooms aren't more
    connection.send(RoomList(listed, more, rid=command.rid))


async def _largest(connection: Connection, now: float) -> tuple[list[RoomEntry], frozenset[str], int]:
    """Return what a list shows of the largest rooms, without private ones, the names of all of these, and how many
    rooms have people in them. Where there are many, it is made once a second for all who ask."""
    shard = connection.shard
    if shard.largest_rooms is not None and 0 <= now - shard.largest_rooms[0] < REFRESH:
        return shard.largest_rooms[1:]
    names, count = connection.hub.largest_rooms(MAX_ROOMS, now)
    entries = [entry for entry, private in await _described(connection, names) if not private]
    entries.sort(key=_by_size)
    found = now, entries, frozenset(names), count
    shard.largest_rooms = found if count > SMALL else None
    return found[1:]


def _by_size(entry: RoomEntry) -> tuple[int, str]:
    return -entry.members, entry.room


async def _entries(connection: Connection, rooms: list[str]) -> list[RoomEntry]:
    """Return what a list shows of these rooms, without private ones that the connection is not in."""
    described = await _described(connection, rooms)
    await connection.shard.turns.wait()
    return [entry for entry, private in described if not private or entry.room in connection.following]


async def _described(connection: Connection, rooms: list[str]) -> list[tuple[RoomEntry, bool]]:
    """Return what a list shows of these rooms, and whether each is private."""
    states = await _listed_states(connection, rooms)
    members = connection.hub.sizes(rooms)
    found = zip(rooms, members, [states[room] for room in rooms], strict=True)
    return [(RoomEntry(room, size, state.topic), state.private) for room, size, state in found]


async def list_people(connection: Connection, command: Who) -> None:
    """Answer with the people in a room, or with a page of them by name."""
    room = await _visible_room(connection, command.room)
    if command.find is command.after is command.limit is UNSET:
        members, people = connection.hub.people(room)
        connection.send(People(room, members, people, rid=command.rid))
        return
    find, after = command.find or "", command.after or ""
    everyone = connection.hub.all_people(room)
    connection.charge(LOOKING * len(everyone))
    people, more = by_name(everyone, command.limit or MAX_PAGE, find=find, after=after)
    listed = tuple(fit(people))
    connection.send(People(room, len(everyone), listed, more or len(listed) < len(people), rid=command.rid))


async def describe(connection: Connection, command: DescribeRoom) -> None:
    """Answer with a room's settings."""
    after = 0 if isinstance(command.after, UnsetType) else command.after
    await show_settings(connection, command.room, command.rid, after)


async def show_settings(connection: Connection, name: str, rid: int | str | UnsetType = UNSET, after: int = 0) -> None:
    """Send a room's settings and the user's rank in it. Of the operators, those who were appointed after a position."""
    room = await _visible_room(connection, name)
    state = await state_of(connection, room)
    appointed = {one.detail.whom.id: one.seq for one in state.in_force(Kind.OP, 0) if one.detail.whom}
    names = await _current_names(connection, [state.owner, *(id_ for id_, seq in appointed.items() if seq > after)])
    operators = [(id_, names[id_]) for id_, seq in appointed.items() if seq > after and id_ in names]
    shown = fit(operators)
    following = appointed[shown[-1][0]] if len(shown) < len(operators) else 0
    own_rank = rank(state, connection.user, server_operator=connection.context.is_server_operator(connection.user))
    connection.send(
        RoomSettings(
            room,
            state.topic,
            state.private,
            names.get(state.owner, ""),
            tuple(name for _, name in shown),
            state.slow,
            connection.hub.members(room),
            str(own_rank),
            ALL if state.mentions == ALL else "",
            bool(following),
            state.owner if state.owner in names else 0,
            tuple(id_ for id_, _ in shown),
            following,
            rid=rid,
        )
    )


async def typing(connection: Connection, command: Typing) -> None:
    """Tell others in the room that the user is typing: not too often, not in large rooms, not while the user is muted,
    and not people to whom nobody has whispered."""
    connection.limits.check_recipients(command.room.count(","))
    log = connection.log_of(command.room)
    if command.room == WHISPERS:
        problem = f"{WHISPERS} stands for all your conversations. Name one of them, or a room"
        raise Refused(Code.BAD_ROOM, problem, reason="conversation", room=WHISPERS)
    now = connection.context.clock.monotonic()
    if now - connection.last_typing < TYPING_PERIOD or connection.hub.members(log) > connection.hub.max_roster:
        return
    connection.last_typing = now
    cursor = connection.following.cursor(log)
    if cursor is not None and cursor.room.state.mute(connection.user.id, connection.context.clock.now()):
        return
    if not is_conversation(log) or await has_begun(connection, log):
        connection.hub.typing(log, connection.user)


async def check_voice(connection: Connection) -> None:
    """Refused if the user is muted in a room that it is in: what all of its rooms see would be heard there."""
    user, now = connection.user, connection.context.clock.now()
    operator = connection.context.is_server_operator(user)
    for room in connection.hub.rooms_of(user.id):
        state = await state_of(connection, room)
        check_mute(room, state, user, rank(state, user, server_operator=operator), now)


async def state_of(connection: Connection, room: str) -> RoomState:
    """Return the settings of any room, with or without people in it."""
    here = connection.shard.rooms.get(room)
    return here.state if here and here.loaded else RoomState(await connection.backend.state(room))


async def _current_names(connection: Connection, ids: list[int]) -> dict[int, str]:
    """Return the names that users have now, by id. An id of 0 is nobody."""
    known = sorted(filter(None, ids))
    return {user.id: user.name for user in await connection.backend.users(known)} if known else {}


async def _listed_states(connection: Connection, rooms: list[str]) -> dict[str, RoomState]:
    """Return what a list needs of the settings of these rooms, with at most one read of the store."""
    here = connection.shard.rooms
    known = {
        room: one.state if one.has_settings else NO_SETTINGS
        for room in rooms
        if (one := here.get(room)) is not None and one.loaded
    }
    unknown = [room for room in rooms if room not in known]
    stored = await connection.backend.states(unknown, ["topic", "access"]) if unknown else {}
    return known | {room: RoomState(stored.get(room, ())) for room in unknown}


async def _visible_room(connection: Connection, name: str) -> str:
    """Return the name of a room that the user may look at. Refused for a private one that it is not in."""
    if not name:
        connection.log_of(name)
    room = room_name(name)
    if room not in connection.following and (await state_of(connection, room)).private:
        raise Refused(Code.INVITATION_ONLY, f"{room} is private. Only people in it can see this", room=room)
    return room
