"""The places of one connection in the logs it follows: entering, leaving, and reading on where it is behind."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from msgspec import UnsetType

from app.backends import Trimmed, Unavailable
from app.chat.closing import CloseCode
from app.chat.events import Bounds, Event, mailbox
from app.chat.frames import WHISPERS, Join, Joined, told
from app.chat.room import Cursor

if TYPE_CHECKING:
    from app.session import Session

PAGE = 100
"""Events that are read from the log at once by a connection that is behind."""


class Following:
    """The rooms of a connection, and how far it has got in each. It belongs to the connection's event loop."""

    __slots__ = ("_catching_up", "_cursors", "session")

    def __init__(self, session: Session) -> None:
        self.session = session
        self._cursors: dict[str, Cursor[Session]] = {}
        self._catching_up: asyncio.Task[None] | None = None

    def __contains__(self, room: str) -> bool:
        return room in self._cursors

    def __len__(self) -> int:
        return sum(room != WHISPERS for room in self._cursors)

    def rooms(self) -> list[str]:
        """The rooms that are followed, by the names that the client has for them."""
        return list(self._cursors)

    def cursor(self, room: str) -> Cursor[Session] | None:
        """The place in a room, if it has one there."""
        return self._cursors.get(room)

    async def join(self, command: Join, log: str) -> None:
        """Follow `log` from where the command says, and answer. Joining again starts anew from there.

        It attaches first and reads then, so that nothing is missed in between. Whoever may not enter is refused.
        """
        session, backend, room = self.session, self.session.backend, command.room
        cursor = session.shard.attach(session, log, 0)
        whispers = room == WHISPERS
        try:
            bounding, reading = backend.bounds(log), backend.mark(session.user.id, log, 0)
            if not whispers and not cursor.room.loaded:
                for event in await backend.state(log):
                    cursor.room.state.apply(event)
                cursor.room.loaded = True
            bounds, read = await bounding, await reading
            if not whispers:
                session.enter(cursor.room)
        except BaseException:
            session.shard.detach(cursor)
            raise
        recovered = self._start(cursor, command, bounds)
        self._replace(room, cursor)
        state = cursor.room.state
        members, people = (1, ()) if whispers else session.hub.people(log)
        session.send(
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
        if cursor.at < bounds.head or not cursor.room.caught_up(cursor, session.group):
            self.catch_up()

    def part(self, room: str) -> None:
        """Leave a room that it is in."""
        cursor = self._cursors.pop(room)
        self.session.shard.detach(cursor)
        if room != WHISPERS:
            self.session.hub.part(self.session.user, room)

    def part_all(self) -> None:
        """Leave every room."""
        for room in list(self._cursors):
            self.part(room)

    def stop(self) -> None:
        """Leave every room, and read no log any more."""
        self.part_all()
        if self._catching_up is not None:
            self._catching_up.cancel()

    def regroup(self) -> None:
        """Go on with what the session wants now."""
        for cursor in self._cursors.values():
            if cursor.live:
                cursor.room.fall_behind(cursor, cursor.room.handed)
                self.catch_up()

    def catch_up(self) -> None:
        """Read on, a page at a time, wherever it is behind."""
        if self._catching_up is None or self._catching_up.done():
            self._catching_up = asyncio.get_running_loop().create_task(self._pull())

    def _start(self, cursor: Cursor[Session], command: Join, bounds: Bounds) -> bool:
        """Put the cursor where the client wants it, or at the head where that can't be; whether it could."""
        cursor.at = bounds.head
        if isinstance(command.after, UnsetType):
            return True
        same = isinstance(command.epoch, UnsetType) or command.epoch == self.session.backend.epoch
        recovered = same and bounds.trimmed <= command.after <= max(bounds.head, cursor.room.delivered)
        if recovered:
            cursor.at = command.after
        return recovered

    def _replace(self, room: str, cursor: Cursor[Session]) -> None:
        before = self._cursors.get(room)
        self._cursors[room] = cursor
        if before is not None:
            self.session.shard.detach(before)
        elif room != WHISPERS:
            self.session.hub.join(self.session.user, room)

    async def _pull(self) -> None:
        """Read the log for every room that is behind, a page at a time and as fast as the client reads."""
        while behind := [item for item in self._cursors.items() if not item[1].live]:
            for room, cursor in behind:
                if not await self.session.way.writable():
                    return
                try:
                    await self._read_page(room, cursor)
                except Unavailable:
                    self.session.way.close(CloseCode.PING_TIMEOUT)
                    return

    async def _read_page(self, room: str, cursor: Cursor[Session]) -> None:
        session, through = self.session, 0
        events: list[Event] = []
        try:
            events = await session.backend.read(cursor.room.name, after=cursor.at, limit=PAGE)
        except Trimmed as trimmed:
            through = trimmed.through
        if self._cursors.get(room) is not cursor:  # parted or joined anew meanwhile
            return
        if through:
            self._tell_hole(room, cursor, through)
            return
        for event in events:
            if session.wants(event):
                session.send(told(event))
            cursor.at = event.seq
        if len(events) < PAGE:
            cursor.room.caught_up(cursor, session.group)

    def _tell_hole(self, room: str, cursor: Cursor[Session], through: int) -> None:
        """What a slow reader has not read yet is no longer kept: say so, and go on with what is."""
        cursor.at = through
        members = self.session.hub.members(cursor.room.name)
        self.session.send(Joined(room, self.session.backend.epoch, through, recovered=False, members=members))


def log_of(room: str, user: int) -> str:
    """The log that a client follows as `room`."""
    return mailbox(user) if room == WHISPERS else room
