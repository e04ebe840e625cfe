"""The places of one connection in the logs it follows: entering, leaving, and reading on where it is behind."""

from __future__ import annotations

import asyncio
from typing import Protocol

from msgspec import UnsetType

from app.backends import Backend, Trimmed, Unavailable
from app.chat.closing import CloseCode
from app.chat.events import Bounds, Event
from app.chat.frames import Join, Joined, event_frame
from app.chat.logs import WHISPERS, mailbox
from app.chat.room import UNKNOWN, Cursor, Room
from app.chat.state import RoomState
from app.live.hub import Hub
from app.live.shard import Shard
from app.live.subscriber import Subscriber

NONE = -1
NOTHING_SET = RoomState()
PAGE = 100
"""Events that are read from the log at once by a connection that is behind."""


class Follower(Subscriber, Protocol):
    """What it needs of its connection."""

    shard: Shard
    known: bool
    """Whether the user was here before, so that the store may hold read marks of it."""

    @property
    def backend(self) -> Backend:
        """Where the logs are."""

    @property
    def hub(self) -> Hub:
        """Who is in which room."""

    def enter(self, room: Room[Subscriber]) -> None:
        """Refused if the user may not come in."""


class Following:
    """The rooms of a connection, and how far it has got in each. It belongs to the connection's event loop.

    It does not refer to its connection, which each call names: they would keep each other until a collection.
    """

    __slots__ = ("_catching_up", "_cursors", "mail")

    def __init__(self) -> None:
        self._cursors: dict[str, Cursor[Subscriber]] = {}
        self.mail = NONE
        """Up to which position it has got its whispers, as long as it is given each as it is committed; else NONE. That
        nearly always is so, for nearly every connection, and a place in a room would cost more."""
        self._catching_up: asyncio.Task[None] | None = None

    def __contains__(self, room: str) -> bool:
        return room in self._cursors or (room == WHISPERS and self.mail != NONE)

    def __len__(self) -> int:
        return len(self._cursors) - (WHISPERS in self._cursors)

    def rooms(self) -> list[str]:
        """The rooms that are followed."""
        return [room for room in self._cursors if room != WHISPERS]

    def cursor(self, room: str) -> Cursor[Subscriber] | None:
        """The place in a room, if it has one there."""
        return self._cursors.get(room) if room != WHISPERS else None

    def owed(self) -> int | None:
        """The mark of the first event that it is still to be given where it is live; None where that is nothing."""
        marks = [mark for cursor in self._cursors.values() if (mark := cursor.room.owed(cursor)) is not None]
        return min(marks, default=None)

    def read(self) -> int:
        """Up to where it has got its whispers; 0 if it does not follow them."""
        behind = self._cursors.get(WHISPERS)
        return behind.at if behind is not None else max(self.mail, 0)

    async def join(self, connection: Follower, command: Join, log: str) -> None:
        """Follow `log` from where the command says, and answer. Joining again starts anew from there.

        It attaches first and reads then, so that nothing is missed in between. Whoever may not enter is refused.
        """
        backend, room = connection.backend, command.room
        cursor = connection.shard.attach(connection, log, 0)
        whispers = room == WHISPERS
        try:
            bounding = None if self._starts_at_a_known_head(command, cursor.room) else backend.bounds(log)
            reading = backend.mark_read(connection.user.id, log, 0) if connection.known else None
            if not whispers and not cursor.room.loaded:
                for event in await backend.state(log):
                    cursor.room.state.apply(event)
                cursor.room.loaded = True
            bounds = await bounding if bounding else Bounds(0, cursor.room.head)
            read = await reading if reading else 0
            cursor.room.head = max(bounds.head, cursor.room.delivered)
            if not whispers:
                connection.enter(cursor.room)
        except BaseException:
            connection.shard.detach(cursor)
            raise
        recovered = self._start(connection, cursor, command, bounds)
        self._replace(connection, room, cursor)
        state = NOTHING_SET if whispers else cursor.room.state
        members, people = (1, ()) if whispers else connection.hub.people(log)
        connection.send(
            Joined(
                room,
                backend.epoch,
                bounds.head,
                recovered,
                members,
                topic=state.topic,
                private=state.private,
                read=read,
                people=people,
                rid=command.rid,
            )
        )
        if cursor.at < bounds.head or not self._caught_up(connection, room, cursor):
            self.catch_up(connection)

    def part(self, connection: Follower, room: str) -> None:
        """Leave a room that it is in."""
        if room == WHISPERS:
            self.mail = NONE
        if cursor := self._cursors.pop(room, None):
            connection.shard.detach(cursor)
        if room != WHISPERS:
            connection.hub.part(connection.user, room)

    def part_all(self, connection: Follower) -> None:
        """Leave every room."""
        for room in [*self._cursors, WHISPERS]:
            self.part(connection, room)

    def stop(self, connection: Follower) -> None:
        """Leave every room, and read no log any more."""
        self.part_all(connection)
        if self._catching_up is not None:
            self._catching_up.cancel()

    def regroup(self, connection: Follower) -> None:
        """Go on with what the connection wants now."""
        for cursor in self._cursors.values():
            if cursor.live:
                cursor.room.fall_behind(cursor, cursor.position)
                self.catch_up(connection)

    def miss_whispers(self, connection: Follower, after: int) -> None:
        """Read the whispers after a position from the log: more waits for the client than should."""
        self.mail = NONE
        log = mailbox(connection.user.id)
        self._cursors[WHISPERS] = connection.shard.attach(connection, log, after)

    def catch_up(self, connection: Follower) -> None:
        """Read on, a page at a time, wherever it is behind."""
        if self._catching_up is None or self._catching_up.done():
            self._catching_up = asyncio.get_running_loop().create_task(self._pull(connection))

    def _starts_at_a_known_head(self, command: Join, room: Room[Subscriber]) -> bool:
        """Whether nothing need be read: who wants what is said from now on gets all that comes after the head."""
        return isinstance(command.after, UnsetType) and room.head != UNKNOWN

    def _start(self, connection: Follower, cursor: Cursor[Subscriber], command: Join, bounds: Bounds) -> bool:
        """Put the cursor where the client wants it, or at the head where that can't be; whether it could."""
        cursor.at = bounds.head
        if isinstance(command.after, UnsetType):
            return True
        same = isinstance(command.epoch, UnsetType) or command.epoch == connection.backend.epoch
        recovered = same and bounds.trimmed <= command.after <= max(bounds.head, cursor.room.delivered)
        if recovered:
            cursor.at = command.after
        return recovered

    def _replace(self, connection: Follower, room: str, cursor: Cursor[Subscriber]) -> None:
        before = self._cursors.get(room)
        self._cursors[room] = cursor
        if room == WHISPERS:
            self.mail = NONE
        if before is not None:
            connection.shard.detach(before)
        elif room != WHISPERS:
            connection.hub.join(connection.user, room)

    async def _pull(self, connection: Follower) -> None:
        """Read the log for every room that is behind, a page at a time and as fast as the client reads."""
        while behind := [item for item in self._cursors.items() if not item[1].live]:
            for room, cursor in behind:
                if not await connection.channel.writable():
                    return
                try:
                    await self._read_page(connection, room, cursor)
                except Unavailable:
                    connection.channel.close(CloseCode.PING_TIMEOUT)
                    return

    async def _read_page(self, connection: Follower, room: str, cursor: Cursor[Subscriber]) -> None:
        through = 0
        events: list[Event] = []
        try:
            events = await connection.backend.read(cursor.room.name, after=cursor.at, limit=PAGE)
        except Trimmed as trimmed:
            through = trimmed.through
        if self._cursors.get(room) is not cursor:  # parted or joined anew meanwhile
            return
        if through:
            self._tell_hole(connection, room, cursor, through)
            return
        for event in events:
            if connection.wants(event):
                connection.send(event_frame(event))
            cursor.at = event.seq
        if len(events) < PAGE and not self._caught_up(connection, room, cursor) and cursor.room.unsettled:
            await connection.shard.flushed()

    def _caught_up(self, connection: Follower, room: str, cursor: Cursor[Subscriber]) -> bool:
        """Be given what is committed from now on, if nothing is missing before it."""
        if not cursor.room.caught_up(cursor, connection.group, connection.channel.sender):
            return False
        if room == WHISPERS:
            self.mail = cursor.at
            del self._cursors[room]
            connection.shard.detach(cursor)
        return True

    def _tell_hole(self, connection: Follower, room: str, cursor: Cursor[Subscriber], through: int) -> None:
        """What a slow reader has not read yet is no longer kept: say so, and go on with what is."""
        cursor.at = through
        members = connection.hub.members(cursor.room.name)
        connection.send(Joined(room, connection.backend.epoch, through, recovered=False, members=members))
