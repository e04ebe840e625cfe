"""One connection: who it is, the rooms it follows and how far it has got in each, and what waits for it."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time

from msgspec import UNSET, UnsetType

from app.backends import Trimmed, Unavailable
from app.chat.closing import CloseCode
from app.chat.dialects import Dialect
from app.chat.errors import Code, Refused
from app.chat.events import Appended, Draft, Event, User
from app.chat.frames import (
    MAX_ROOMS,
    Ack,
    Command,
    Error,
    Frame,
    History,
    Join,
    Joined,
    Message,
    Page,
    Part,
    Parted,
    Say,
    room_name,
)
from app.chat.room import Cursor
from app.hub import Hub
from app.transports.stock import Frame as WireFrame
from app.transports.stock import Outbox, Overflow

MOST_UNANSWERED = 256
"""Messages of one connection that may be on their way into the store; then it is not read until one is stored."""
PAGE = 100
"""Events that are read from the log at once by a connection that is behind."""


class Session:
    """One connection. All of it happens in the connection's event loop; commands are carried out one after another."""

    def __init__(self, hub: Hub, user: User, dialect: Dialect, outbox: Outbox, overflow: Overflow, room: str) -> None:
        self.hub, self.user, self.dialect, self.outbox, self.overflow = hub, user, dialect, outbox, overflow
        self.room = room
        """The room of a frame that names none."""
        self._backend = hub.backend
        self._id = secrets.token_hex(8)
        self._messages = itertools.count()  # an id is the connection's and a number: no call into the kernel for each
        self._shard = hub.enter()
        self._cursors: dict[str, Cursor[Session]] = {}
        self._unanswered: set[asyncio.Future[Appended]] = set()
        self._catching_up: asyncio.Task[None] | None = None

    async def leave(self) -> None:
        """Leave every room. What was said before is stored all the same."""
        for cursor in self._cursors.values():
            self._shard.detach(cursor)
            self.hub.count(cursor.room.name, -1)
        self._cursors.clear()
        for key in [key for key, session in self._shard.unacknowledged.items() if session is self]:
            del self._shard.unacknowledged[key]
        if self._catching_up is not None:
            self._catching_up.cancel()
            await asyncio.wait({self._catching_up})
        self.hub.leave()

    def send(self, frame: Frame) -> None:
        """Put `frame` into the outbox, in the connection's dialect, where that has words for it."""
        encoded = self.dialect.encode(frame)
        if encoded is not None:
            self.outbox.put(WireFrame.of(encoded))

    async def hear(self, said: str) -> None:
        """Carry out what the client sends. Whatever is wrong with it is answered with an error."""
        if not await self.outbox.writable():
            return
        try:
            command = self.dialect.decode(said, self.room)
        except Refused as refused:
            self.send(Error(refused.code, refused.message, refused.retry, refused.rid, refused.cid))
        else:
            await self.carry_out(command)

    async def carry_out(self, command: Command) -> None:
        """Carry out a command, or answer why it is not."""
        rid = UNSET if isinstance(command, Say) else command.rid
        cid = command.cid if isinstance(command, Say) else UNSET
        try:
            if isinstance(command, Say):
                await self._say(command)
            elif isinstance(command, Join):
                await self._join(command)
            elif isinstance(command, History):
                await self._history(command)
            else:
                self._part(command)
        except Refused as refused:
            self.send(Error(refused.code, refused.message, refused.retry, rid, cid))
        except Unavailable as error:
            self.send(Error(Code.UNAVAILABLE, str(error), retry=True, rid=rid, cid=cid))

    def acknowledge(self, event: Event) -> None:
        """Tell the client that what it said is stored."""
        self.send(Ack.of(event))

    def overflows(self, cursor: Cursor[Session]) -> bool:
        """Whether the outbox is full, so that the event must wait; the policy is then applied."""
        if not self.outbox.full:
            return False
        cursor.live = False
        if self.overflow is Overflow.DISCONNECT:
            self.outbox.close(CloseCode.SLOW_READER)
        else:
            self._catch_up()
        return True

    async def _join(self, command: Join) -> None:
        """Follow a room, from where the command says. Joining again starts anew from there."""
        room = room_name(command.room)
        if room not in self._cursors and len(self._cursors) >= MAX_ROOMS:
            raise Refused(Code.TOO_MANY_ROOMS, f"a connection may be in {MAX_ROOMS} rooms")
        cursor = self._shard.attach(self, room, 0)
        try:
            bounds = await self._backend.bounds(room)
        except BaseException:
            self._shard.detach(cursor)
            raise
        members = self._replace(room, cursor)
        recovered = True
        if isinstance(command.after, UnsetType):
            cursor.at = bounds.head
        else:
            same = isinstance(command.epoch, UnsetType) or command.epoch == self._backend.epoch
            recovered = same and bounds.trimmed <= command.after <= max(bounds.head, cursor.room.delivered)
            cursor.at = command.after if recovered else bounds.head
        self.send(Joined(room, self._backend.epoch, bounds.head, recovered, members, command.rid))
        if cursor.at < bounds.head or not cursor.caught_up():
            self._catch_up()

    async def _say(self, command: Say) -> None:
        self._cursor(command.room)
        cid = "" if isinstance(command.cid, UnsetType) else command.cid
        if cid:
            self._shard.unacknowledged[self.user.id, cid] = self
        at = time.time_ns() // 1_000_000
        draft = Draft(command.room, self.user, command.text, f"{self._id}.{next(self._messages):x}", at, cid)
        future = asyncio.ensure_future(self._backend.append(draft))
        self._unanswered.add(future)
        future.add_done_callback(lambda future: self._appended(cid, future))
        if len(self._unanswered) >= MOST_UNANSWERED:
            await asyncio.wait(self._unanswered, return_when=asyncio.FIRST_COMPLETED)

    def _appended(self, cid: str, future: asyncio.Future[Appended]) -> None:
        """A fresh message is acknowledged by the shard, before it is seen; here is what became of any other."""
        self._unanswered.discard(future)
        if future.cancelled():
            return
        if error := future.exception():
            self._shard.unacknowledged.pop((self.user.id, cid), None)
            self.send(Error(Code.UNAVAILABLE, str(error), retry=True, cid=cid or UNSET))
        elif future.result().duplicate and self._shard.unacknowledged.pop((self.user.id, cid), None) is not None:
            self.acknowledge(future.result().event)

    async def _history(self, command: History) -> None:
        self._cursor(command.room)
        if not isinstance(command.after, UnsetType):
            after = max(command.after, (await self._backend.bounds(command.room)).trimmed)
            events = await self._backend.read(command.room, after=after, limit=command.limit + 1)
            more, events = len(events) > command.limit, events[: command.limit]
        else:
            before = 2**63 - 1 if isinstance(command.before, UnsetType) else command.before
            events = await self._backend.read_back(command.room, before=before, limit=command.limit + 1)
            more, events = len(events) > command.limit, events[-command.limit :]
        self.send(Page(command.room, [Message.of(event) for event in events], more, command.rid))

    def _part(self, command: Part) -> None:
        cursor = self._cursor(command.room)
        del self._cursors[command.room]
        self._shard.detach(cursor)
        self.hub.count(command.room, -1)
        self.send(Parted(command.room, command.rid))

    def _cursor(self, room: str) -> Cursor[Session]:
        if room not in self._cursors:
            raise Refused(Code.NOT_JOINED, f"you are not in {room[:80]!r}: join it first")
        return self._cursors[room]

    def _replace(self, room: str, cursor: Cursor[Session]) -> int:
        """Hold `cursor` as the place in `room`; the answer is how many members the room has now."""
        before = self._cursors.get(room)
        self._cursors[room] = cursor
        if before is not None:
            self._shard.detach(before)
        return self.hub.count(room, 0 if before is not None else 1)

    def _tell_hole(self, cursor: Cursor[Session], through: int) -> None:
        """What a slow reader has not read yet is no longer kept: say so, and go on with what is."""
        cursor.at = through
        members = self.hub.count(cursor.room.name, 0)
        self.send(Joined(cursor.room.name, self._backend.epoch, through, recovered=False, members=members))

    def _catch_up(self) -> None:
        if self._catching_up is None or self._catching_up.done():
            self._catching_up = asyncio.get_running_loop().create_task(self._pull())

    async def _pull(self) -> None:
        """Read the log for every room that is behind, a page at a time and as fast as the client reads."""
        while behind := [cursor for cursor in self._cursors.values() if not cursor.live]:
            for cursor in behind:
                if not await self.outbox.writable():
                    return
                try:
                    await self._read_page(cursor)
                except Unavailable:
                    self.outbox.close(CloseCode.PING_TIMEOUT)
                    return

    async def _read_page(self, cursor: Cursor[Session]) -> None:
        room, through = cursor.room.name, 0
        events: list[Event] = []
        try:
            events = await self._backend.read(room, after=cursor.at, limit=PAGE)
        except Trimmed as trimmed:
            through = trimmed.through
        if self._cursors.get(room) is not cursor:  # parted or joined anew meanwhile
            return
        if through:
            self._tell_hole(cursor, through)
            return
        for event in events:
            self.send(Message.of(event))
            cursor.at = event.seq
        if len(events) < PAGE:
            cursor.caught_up()
