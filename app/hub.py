"""This node's connections: what is committed becomes one frame per dialect, put into the outbox of all who follow.

Connections live in shards, one per event loop (a server has one loop; TestClient gives each session outside of `with`
its own). A shard is only touched in its loop, so it needs no lock; what all shards share is behind the Hub's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from operator import itemgetter
from threading import Lock
from typing import TYPE_CHECKING, cast

from msgspec import UNSET

from app.backends import Backend
from app.chat.dialects import Dialect
from app.chat.events import CONVERSATION, Event, Kind, User, mailbox, participants
from app.chat.frames import WHISPERS, Frame, Message, Presence, ReadUpTo, TypingNow, told
from app.chat.presence import Here, Hint, Person, Read, Roster, Typing, difference
from app.chat.room import Cursor, Room
from app.transports import Batch
from app.transports import Frame as WireFrame

if TYPE_CHECKING:
    from app.session import Session

COSTLY = 0.002
"""Seconds that sending may take without being worth waiting for."""
EXPELLING = (Kind.KICK, Kind.BAN)


class Shard:
    """The connections of one event loop, by room and by user.

    Whatever is to leave in one turn of the loop leaves at its end, as one write per connection: events that were
    committed, acks and answers, each connection's in the order in which they came about.
    """

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.connections = 0
        self.rooms: dict[str, Room[Session]] = {}
        self.sessions: dict[int, tuple[Session, ...]] = {}
        """The connections of each user, in the order in which they came."""
        self.unacknowledged: dict[str, Session] = {}
        """Who waits for the ack of a draft, by its id."""
        self._loop = asyncio.get_running_loop()
        self.appending = 0
        """Drafts of its connections that are on their way into the log."""
        self._flushing = self._waited = self._costly = False
        self._mark = 0
        self._dirty: dict[Room[Session], None] = {}
        self._private: dict[Session, Outgoing] = {}
        self._shown: dict[str, tuple[Person, ...]] = {}
        self._stale: dict[str, asyncio.TimerHandle] = {}

    def attach(self, session: Session, log: str, at: int) -> Cursor[Session]:
        """Follow a log after `at`: not live yet (see `Room`)."""
        if log not in self.rooms:
            self.rooms[log] = Room(log)
        return self.rooms[log].attach(session, at)

    def detach(self, cursor: Cursor[Session]) -> None:
        """Follow no longer."""
        room = cursor.room
        room.detach(cursor)
        if not room and self.rooms.get(room.name) is room:
            del self.rooms[room.name]
            self._dirty.pop(room, None)
            self._shown.pop(room.name, None)
            if timer := self._stale.pop(room.name, None):
                timer.cancel()

    def deliver(self, events: Sequence[Event]) -> None:
        """Take committed events, in order: for its sender first the ack, then for everybody the event."""
        for event in events:
            if event.cid and (sender := self.unacknowledged.pop(event.id, None)):
                sender.acknowledge(event)
            if event.room[0] == CONVERSATION:
                for user in participants(event.room):
                    self._commit(self.rooms.get(mailbox(user)), event)
                    for session in self.sessions.get(user, ()):
                        self._whisper(session, event)
            else:
                self._commit(self.rooms.get(event.room), event)

    def put(self, session: Session, frame: WireFrame) -> None:
        """Send `frame` to one connection at the end of this turn."""
        self._mark += 1
        self._private.setdefault(session, Outgoing()).add([(self._mark, frame)])
        self._schedule()

    def drop(self, session: Session) -> None:
        """Forget what was put for a connection that has ended."""
        self._private.pop(session, None)

    def flush(self, *, now: bool = False) -> None:
        """Send now what waits for the end of the turn.

        Where sending takes long, what is on its way into the log now is better sent together with this than after it:
        it is waited for, once. So batches grow under load, and the time until a message arrives does not.
        """
        self._flushing = False
        if self._costly and self.appending and not self._waited and not now:
            self._waited = True
            return
        self._waited = False
        began = self._loop.time()
        outgoing, self._private = self._private, {}
        dirty, self._dirty = self._dirty, {}
        for room in dirty:
            self._hand_out(room, outgoing, alone=len(dirty) == 1)
        for session, waiting in outgoing.items():
            session.way.put(waiting.batch())
        self._costly = self._loop.time() - began > COSTLY

    def appended(self) -> None:
        """One draft less is on its way."""
        self.appending -= 1
        if self._waited and not self.appending:
            self._schedule()

    def _schedule(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self.flush)

    def _commit(self, room: Room[Session] | None, event: Event) -> None:
        if room is None:
            return
        self._mark += 1
        room.commit(event, self._mark)
        self._dirty[room] = None
        self._schedule()
        if event.kind != Kind.MSG:
            self._take_effect(room, event)
        elif room.ruled and room.state.slow:
            room.spoke[event.user] = max(event.at, room.spoke.get(event.user, 0))

    def _hand_out(self, room: Room[Session], outgoing: dict[Session, Outgoing], *, alone: bool) -> None:
        """Give the live followers of a room what was committed. One who has something else to get, here or in another
        room, gets all of it later, in order; so does nobody who is full, and is behind from now on."""
        before, events = room.hand_out()
        late: list[Cursor[Session]] = []
        for group, cursors in room.live.items():
            if isinstance(group, tuple):
                self._choose(events, cursors, outgoing, late)
                continue
            frames = [
                (mark, frame)
                for mark, event in events
                if (frame := wire(cast(Dialect, group), told(event))) is not None
            ]
            batch = Batch([frame for _, frame in frames])
            for cursor in cursors if frames else ():
                session = cursor.follower
                way = session.way
                if way.full:
                    late.append(cursor)
                elif alone and (not outgoing or session not in outgoing):
                    way.put(batch)
                elif session in outgoing:
                    outgoing[session].add(frames)
                else:
                    outgoing[session] = Outgoing(frames, batch)
        for cursor in late:
            room.fall_behind(cursor, before)
            cursor.follower.fell_behind()

    def _whisper(self, session: Session, event: Event) -> None:
        """Give a whisper to a connection that follows its user's, unless it reads them from the log."""
        following = session.following
        if not 0 <= following.mail < event.seq:
            return
        if session.way.full:
            following.miss_whispers(event.seq - 1)
            session.fell_behind()
            return
        following.mail = event.seq
        if session.wants(event) and (frame := wire(session.dialect, told(event))) is not None:
            self.put(session, frame)

    def _choose(
        self,
        events: Sequence[tuple[int, Event]],
        cursors: Iterable[Cursor[Session]],
        outgoing: dict[Session, Outgoing],
        late: list[Cursor[Session]],
    ) -> None:
        """The same for those who ignore somebody."""
        for cursor in cursors:
            session = cursor.follower
            if session.way.full:
                late.append(cursor)
                continue
            wanted = [(mark, wire(session.dialect, told(event))) for mark, event in events if session.wants(event)]
            frames = [(mark, frame) for mark, frame in wanted if frame is not None]
            if frames:
                outgoing.setdefault(session, Outgoing()).add(frames)

    def _take_effect(self, room: Room[Session], event: Event) -> None:
        room.state.apply(event)
        if event.kind == Kind.SLOW:
            room.spoke.clear()
        if event.kind in EXPELLING and event.detail.whom:
            self.flush(now=True)  # who is put out is told so first
            for session in self.sessions.get(event.detail.whom.id, ()):
                session.expel(event)

    def tell(self, room: str, frame: Frame, *, but: int = 0) -> None:
        """Give all in `room` a hint, but for the user `but`."""
        here = self.rooms.get(room)
        self._hint([cursor.follower for cursor in here.cursors()] if here else [], frame, but)

    def tell_user(self, user: int, frame: Frame) -> None:
        """Give all connections of `user` that follow its whispers a hint."""
        self._hint([one for one in self.sessions.get(user, ()) if WHISPERS in one.following], frame)

    def _hint(self, sessions: Iterable[Session], frame: Frame, but: int = 0) -> None:
        """Who reads slowly goes without."""
        frames: dict[Dialect, WireFrame | None] = {}
        for session in sessions:
            if session.user.id == but or session.way.full:
                continue
            if session.dialect not in frames:
                frames[session.dialect] = wire(session.dialect, frame)
            if (encoded := frames[session.dialect]) is not None:
                self.put(session, encoded)

    def show(self, room: str) -> None:
        """The people of `room` changed: tell so a little later, together with what changes until then."""
        if room in self.rooms and room not in self._stale:
            loop = asyncio.get_running_loop()
            self._stale[room] = loop.call_later(self.hub.presence_period, self._show_now, room)

    def _show_now(self, room: str) -> None:
        del self._stale[room]
        members, people = self.hub.people(room)
        before = self._shown.get(room, ())
        self._shown[room] = people
        if members > len(people):
            self.tell(room, Presence(room, members))
        elif change := difference(before, people):
            self.tell(room, Presence(room, members, change.came, change.went, change.changed))


class Outgoing:
    """What leaves to one connection at the end of a turn: frames with their marks, which say in which order."""

    __slots__ = ("_batch", "_frames")

    def __init__(self, frames: Sequence[tuple[int, WireFrame]] = (), batch: Batch | None = None) -> None:
        self._frames, self._batch = frames, batch

    def add(self, frames: Sequence[tuple[int, WireFrame]]) -> None:
        """Add frames; a batch that others get too is this connection's alone no more."""
        self._frames, self._batch = [*self._frames, *frames], None

    def batch(self) -> Batch:
        """All of it in order."""
        if self._batch is None:
            self._batch = Batch([frame for _, frame in sorted(self._frames, key=itemgetter(0))])
        return self._batch


class Hub:
    """The shards, and who is in each room."""

    def __init__(self, backend: Backend, *, roster: int, presence_period: float) -> None:
        self.backend = backend
        self.largest_roster = roster
        """How many people a room may have that says who they are."""
        self.presence_period = presence_period
        """Seconds between two tellings of who came and went."""
        self._shards: dict[asyncio.AbstractEventLoop, Shard] = {}
        self._roster = Roster()
        self._lock = Lock()
        backend.follow(self._committed)
        backend.watch(self._hinted)

    def enter(self, user: User) -> Shard:
        """One more connection, of `user`; the shard is that of the running loop."""
        loop = asyncio.get_running_loop()
        with self._lock:
            if loop not in self._shards:
                self._shards[loop] = Shard(self)
            shard = self._shards[loop]
            shard.connections += 1
            self._roster.enter(user.id, user.name)
        return shard

    def leave(self, user: User) -> bool:
        """One connection of `user` less in the running loop. The answer is whether it was the user's last."""
        loop = asyncio.get_running_loop()
        with self._lock:
            shard = self._shards[loop]
            shard.connections -= 1
            if not shard.connections:
                del self._shards[loop]
            return self._roster.leave(user.id)

    def join(self, user: User, room: str) -> None:
        """A connection of `user` is in `room` from now on."""
        with self._lock:
            self._roster.join(user.id, room)
        self._announce([room])

    def part(self, user: User, room: str) -> None:
        """A connection of `user` is no longer in `room`."""
        with self._lock:
            self._roster.part(user.id, room)
        self._announce([room])

    def rename(self, user: User) -> None:
        """`user` has another name."""
        with self._lock:
            self._roster.rename(user.id, user.name)
            rooms = self._roster.rooms_of(user.id)
        self._announce(rooms)

    def away(self, user: User, why: str | None) -> None:
        """`user` is away, and says why, or is back (None)."""
        with self._lock:
            self._roster.away(user.id, UNSET if why is None else why)
            rooms = self._roster.rooms_of(user.id)
        self._announce(rooms)

    def present(self, user: int) -> bool:
        """Whether somebody is connected as that user."""
        with self._lock:
            return self._roster.present(user)

    def members(self, room: str) -> int:
        """How many are in `room`."""
        with self._lock:
            return self._roster.members(room)

    def people(self, room: str) -> tuple[int, tuple[Person, ...]]:
        """How many are in `room`, and who they are unless it is a large one."""
        with self._lock:
            members = self._roster.members(room)
            return members, self._roster.people(room) if members <= self.largest_roster else ()

    def rooms(self) -> dict[str, int]:
        """The rooms with somebody in them, and how many."""
        with self._lock:
            return {room: self._roster.members(room) for room in self._roster.rooms()}

    def types(self, room: str, user: User) -> None:
        """`user` is typing in `room`, or in a conversation."""
        hint = Typing(room, user.id, user.name)
        self.backend.hint(hint)
        self._hinted(hint)

    def has_read(self, room: str, user: User, seq: int) -> None:
        """`user` has read `room` up to `seq`."""
        hint = Read(room, user.id, seq)
        self.backend.hint(hint)
        self._hinted(hint)

    def each(self, user: int, do: Callable[[Session], None]) -> None:
        """Do something with every connection of a user, in its own loop."""

        def act(shard: Shard) -> None:
            for session in shard.sessions.get(user, ()):
                do(session)

        self._in_shards(act)

    def _announce(self, rooms: Iterable[str]) -> None:
        for room in rooms:
            with self._lock:
                here = self._roster.here(room) if self.backend.shared else ()
            if self.backend.shared:
                self.backend.announce(room, here)
            self._in_shards(lambda shard, room=room: shard.show(room))  # type: ignore[misc]

    def _hinted(self, hint: Hint) -> None:
        if isinstance(hint, Here):
            with self._lock:
                self._roster.elsewhere(hint.room, hint.people)
            self._in_shards(lambda shard: shard.show(hint.room))
        elif isinstance(hint, Read):
            frame = ReadUpTo(hint.room, hint.seq)
            self._in_shards(lambda shard: shard.tell_user(hint.user, frame))
        else:
            typing = TypingNow(hint.room, hint.name)
            for user in participants(hint.room):
                if user != hint.user:
                    self._in_shards(lambda shard, user=user: shard.tell_user(user, typing))  # type: ignore[misc]
            self._in_shards(lambda shard: shard.tell(hint.room, typing, but=hint.user))

    def _committed(self, events: Sequence[Event]) -> None:
        self._in_shards(lambda shard: shard.deliver(events))

    def _in_shards(self, act: Callable[[Shard], object]) -> None:
        """Do something in the loop of each shard: at once in the running one."""
        with self._lock:
            shards = list(self._shards.items())
        running: asyncio.AbstractEventLoop | None = None
        with suppress(RuntimeError):
            running = asyncio.get_running_loop()
        for loop, shard in shards:
            if loop is running:
                act(shard)
            else:
                with suppress(RuntimeError):  # that loop ended with its connections still in it
                    loop.call_soon_threadsafe(act, shard)


def wire(dialect: Dialect, frame: Frame | Message) -> WireFrame | None:
    """`frame` as it is sent, or None where the dialect has no words for it."""
    encoded = dialect.encode(frame)
    return None if encoded is None else WireFrame(encoded)
