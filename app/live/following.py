"""The rooms that one connection follows: joining, leaving, and catching up where it is behind."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from msgspec import UnsetType

from app.backends import Backend, Events, Trimmed, Unavailable
from app.backends.damage import Damaged
from app.backends.turns import OWNER
from app.chat.closing import CloseCode
from app.chat.events import Bounds
from app.chat.fitting import PAGE_BYTES
from app.chat.frames import Join, Joined, event_frame
from app.chat.logs import WHISPERS, mailbox
from app.chat.room import UNKNOWN, Cursor, Room
from app.chat.state import RoomState
from app.live.context import ChatContext
from app.live.delivery import break_off
from app.live.errors import unavailable_frame
from app.live.hub import Hub
from app.live.shard import Shard
from app.live.subscriber import Subscriber
from app.live.work import CATCHING_UP, owner, sending

log = logging.getLogger("store")

NOT_LIVE = -1
NO_SETTINGS = RoomState()
RETRY_DELAY = 0.1
"""Seconds between two looks for events that are acknowledged but can't be read."""
MAX_LOOKS = 100
"""After so many looks for them, they count as lost, unless the store says that it is about to have them."""
PAGE_SIZE = 100
"""Events that a connection that is behind reads from the log at a time, at most: long ones are fewer."""


class FollowingConnection(Subscriber, Protocol):
    """What this module needs of a connection."""

    context: ChatContext
    shard: Shard
    returning: bool
    """Whether the user has been here before, so that the store may hold read markers of it."""

    @property
    def backend(self) -> Backend:
        """The store."""

    @property
    def hub(self) -> Hub:
        """Who is in which room."""

    def check_admission(self, room: Room[Subscriber]) -> None:
        """Refused if the user may not join the room."""

    def charge(self, milliseconds: float) -> None:
        """Charge the user and the address for work."""


class Following:
    """The rooms of a connection and its position in each. Used in the connection's event loop only.

    It has no reference to the connection, which every call names instead. The two would otherwise form a cycle and stay
    in memory until the next garbage collection.
    """

    __slots__ = ("_catching_up", "_cursors", "whispers_sent")

    def __init__(self) -> None:
        self._cursors: dict[str, Cursor[Subscriber]] = {}
        self.whispers_sent = NOT_LIVE
        """The position up to which it has its whispers, while they are pushed to it; otherwise NOT_LIVE. They nearly
        always are, and this number is smaller than a cursor for each connection."""
        self._catching_up: asyncio.Task[None] | None = None

    def __contains__(self, room: str) -> bool:
        return room in self._cursors or (room == WHISPERS and self.whispers_sent != NOT_LIVE)

    def __len__(self) -> int:
        return len(self._cursors) - (WHISPERS in self._cursors)

    def rooms(self) -> list[str]:
        """Return the rooms that it follows, without its whispers."""
        return [room for room in list(self._cursors) if room != WHISPERS]

    def cursor(self, room: str) -> Cursor[Subscriber] | None:
        """Return the cursor in a room, or None if it does not follow the room."""
        return self._cursors.get(room) if room != WHISPERS else None

    def first_pending(self) -> int | None:
        """Return the order number of the first event it has yet to get where it is live, or None if it has all."""
        pending = [order for one in self._cursors.values() if (order := one.room.first_pending(one)) is not None]
        return min(pending, default=None)

    def whispers_received(self) -> int:
        """Return the position up to which it has its whispers, or 0 if it does not follow them."""
        behind = self._cursors.get(WHISPERS)
        return behind.read_to if behind is not None else max(self.whispers_sent, 0)

    async def join(self, connection: FollowingConnection, command: Join, log: str) -> None:
        """Follow `log` from the position in the command, and answer. Joining again starts over from there.

        Attaches first and reads afterwards, so that nothing is missed in between. Refused if the user may not join.
        """
        backend, room = connection.backend, command.room
        cursor = connection.shard.attach(connection, log, 0)
        whispers = room == WHISPERS
        room = room if whispers else cursor.room.name  # all who are in a room share the text of its name
        try:
            bounding = None if self._starts_at_a_known_head(command, cursor.room) else backend.bounds(log)
            reading = backend.read_marker(connection.user.id, log) if connection.returning else None
            if not whispers and not cursor.room.loaded:
                stored = await backend.state(log)
                if not cursor.room.state.settled:  # as it is if another connection did it, and events came since
                    for event in stored:
                        cursor.room.apply(event)
                    cursor.room.state.settle()
                if cursor.room.state.slow:
                    await _recall_pace(connection, cursor.room)
                cursor.room.loaded = True
            bounds = await bounding if bounding else Bounds(0, cursor.room.head)
            if backend.shared and _is_behind(backend, command, max(bounds.head, cursor.room.committed)):
                await backend.catch_up()
                bounds = await backend.bounds(log)
            read = await reading if reading else 0
            cursor.room.head = max(bounds.head, cursor.room.committed)
            if not whispers:
                connection.check_admission(cursor.room)
        except BaseException:
            connection.shard.detach(cursor)
            raise
        recovered = self._set_start(connection, cursor, command, bounds)
        self._replace(connection, room, cursor)
        state = NO_SETTINGS if whispers else cursor.room.state
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
        if cursor.read_to < bounds.head or not self._go_live(connection, room, cursor):
            self.catch_up(connection)

    def part(self, connection: FollowingConnection, room: str) -> None:
        """Leave a room that it follows."""
        if room == WHISPERS:
            self.whispers_sent = NOT_LIVE
        if cursor := self._cursors.pop(room, None):
            connection.shard.detach(cursor)
        if room != WHISPERS:
            connection.hub.part(connection.user, room)

    def part_all(self, connection: FollowingConnection) -> None:
        """Leave every room."""
        for room in [*self._cursors, WHISPERS]:
            self.part(connection, room)

    def stop(self, connection: FollowingConnection) -> None:
        """Leave every room and stop reading logs."""
        self.part_all(connection)
        if self._catching_up is not None:
            self._catching_up.cancel()

    def regroup(self, connection: FollowingConnection) -> None:
        """Change the delivery group, because what the connection accepts has changed."""
        group = connection.group
        for cursor in self._cursors.values():
            if cursor.live and not cursor.room.regroup(cursor, group):
                cursor.room.fall_behind(cursor, cursor.position)
                self.catch_up(connection)

    def whispers_fell_behind(self, connection: FollowingConnection, after: int) -> None:
        """Read whispers after a position from the log, because the channel is full."""
        self.whispers_sent = NOT_LIVE
        log = mailbox(connection.user.id)
        self._cursors[WHISPERS] = connection.shard.attach(connection, log, after)

    def catch_up(self, connection: FollowingConnection) -> None:
        """Start reading the logs in which it is behind."""
        if self._catching_up is None or self._catching_up.done():
            self._catching_up = asyncio.get_running_loop().create_task(self._read_logs(connection))

    def _starts_at_a_known_head(self, command: Join, room: Room[Subscriber]) -> bool:
        """Whether the store need not be asked for the log's bounds."""
        return isinstance(command.after, UnsetType) and room.head != UNKNOWN

    def _set_start(
        self, connection: FollowingConnection, cursor: Cursor[Subscriber], command: Join, bounds: Bounds
    ) -> bool:
        """Move the cursor to where the client wants it, or to the head if that is not possible. Whether it was."""
        cursor.read_to = bounds.head
        if isinstance(command.after, UnsetType):
            return True
        same = _is_of_this_history(connection.backend, command)
        recovered = same and bounds.trimmed <= command.after <= max(bounds.head, cursor.room.committed)
        if recovered:
            cursor.read_to = command.after
        return recovered

    def _replace(self, connection: FollowingConnection, room: str, cursor: Cursor[Subscriber]) -> None:
        before = self._cursors.get(room)
        self._cursors[room] = cursor
        if room == WHISPERS:
            self.whispers_sent = NOT_LIVE
        if before is not None:
            connection.shard.detach(before)
        elif room != WHISPERS:
            connection.hub.join(connection.user, room)

    async def _read_logs(self, connection: FollowingConnection) -> None:
        """Read every log in which it is behind, one page at a time and as fast as the client reads."""
        OWNER.set(owner(connection.address, connection.user.id))
        looks: dict[str, int] = {}
        while behind := [item for item in self._cursors.items() if not item[1].live]:
            for room, cursor in behind:
                if not await connection.channel.writable():
                    return
                try:
                    missing = await self._read_page(connection, room, cursor)
                    looks[room] = looks.get(room, 0) + 1 if missing else 0
                    if looks[room] > MAX_LOOKS:
                        looks[room] = 0
                        log.error("a log ends before its head: the store is damaged: run `natter store check`")
                        self._report_damage(connection, room, cursor, Damaged())
                except Damaged as damage:
                    self._report_damage(connection, room, cursor, damage)
                except Unavailable:
                    connection.channel.close(CloseCode.PING_TIMEOUT)
                    return
                except Exception:  # noqa: BLE001
                    break_off(connection)
                    return

    async def _read_page(self, connection: FollowingConnection, room: str, cursor: Cursor[Subscriber]) -> bool:
        """Read a page and send it. Return whether nothing was found, though the log goes on."""
        trimmed = 0
        events = Events()
        try:
            events = await connection.backend.read(
                cursor.room.name, after=cursor.read_to, limit=PAGE_SIZE, size=PAGE_BYTES
            )
            connection.charge(CATCHING_UP + sending(events))
            await connection.shard.turns.wait()
        except Trimmed as error:
            trimmed = error.through
        if self._cursors.get(room) is not cursor:  # the connection left or joined again meanwhile
            return False
        if trimmed:
            self._report_gap(connection, room, cursor, trimmed)
            return False
        size, more = 0, events.more
        for number, event in enumerate(events, 1):
            for payload in connection.dialect.encode_answer(event_frame(event)) if connection.accepts(event) else ():
                connection.shard.send(connection, payload)
                size += len(payload)
            cursor.read_to = event.seq
            if size >= PAGE_BYTES and number < len(events):
                more = True  # characters that are escaped take more than in the store
                break
        is_short = cursor.read_to < cursor.room.head
        if more or (not is_short and self._go_live(connection, room, cursor)):
            return False
        if cursor.room.has_batch:
            await connection.shard.flushed()
        elif not events:
            await asyncio.sleep(RETRY_DELAY)  # what is acknowledged can't be read: the store fails, or is damaged
            return cursor.read_to < max(cursor.room.head, cursor.room.committed) and not connection.backend.problem
        return False

    def _go_live(self, connection: FollowingConnection, room: str, cursor: Cursor[Subscriber]) -> bool:
        """Have events pushed from now on, unless some are missing. Whether it is live."""
        if not cursor.room.go_live(cursor, connection.group, connection.channel.sender):
            return False
        if room == WHISPERS:
            self.whispers_sent = cursor.read_to
            del self._cursors[room]
            connection.shard.detach(cursor)
        return True

    def _report_damage(
        self, connection: FollowingConnection, room: str, cursor: Cursor[Subscriber], damage: Damaged
    ) -> None:
        """Tell a reader that the log can't be read here, and go on after that, or at the head if it isn't known where
        that is."""
        connection.send(unavailable_frame(damage, room=room))
        head = max(cursor.room.head, cursor.room.committed)
        self._report_gap(connection, room, cursor, max(cursor.read_to, damage.through or head))

    def _report_gap(self, connection: FollowingConnection, room: str, cursor: Cursor[Subscriber], through: int) -> None:
        """Tell a reader that events up to `through` are gone, and go on after them."""
        cursor.read_to = through
        members = connection.hub.members(cursor.room.name)
        connection.send(Joined(room, connection.backend.epoch, through, recovered=False, members=members))


def _is_of_this_history(backend: Backend, command: Join) -> bool:
    return isinstance(command.epoch, UnsetType) or command.epoch == backend.epoch


def _is_behind(backend: Backend, command: Join, head: int) -> bool:
    """Whether this node has less of a log than the client got from another one."""
    return not isinstance(command.after, UnsetType) and command.after > head and _is_of_this_history(backend, command)


async def _recall_pace(connection: FollowingConnection, room: Room[Subscriber]) -> None:
    """Learn from the store who has spoken in slow mode before the room was here. A time that is still to come was told
    by a wrong clock, and counts as now."""
    state, clock = room.state, connection.context.clock
    spoke = await connection.backend.spoke(room.name, after=state.slow_since, since=clock.now() - 1000 * state.slow)
    for user, at in spoke.items():
        room.spoke(user, clock.monotonic() - max(0, clock.now() - at) / 1000)
