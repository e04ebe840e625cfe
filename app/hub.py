"""This node's connections: what is committed becomes one frame per dialect, put into the outbox of all who follow.

Connections live in shards, one per event loop (a server has one loop; TestClient gives each session outside of `with`
its own). A shard is only touched in its loop, so it needs no lock; what all shards share is behind the Hub's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING

from msgspec import UNSET

from app.backends import Backend
from app.chat.dialects import Dialect
from app.chat.events import CONVERSATION, Event, Kind, User, mailbox, participants
from app.chat.frames import Frame, Message, Presence, ReadUpTo, TypingNow, told
from app.chat.presence import Here, Hint, Person, Read, Roster, Typing, difference
from app.chat.room import Cursor, Room
from app.transports.stock import Frame as WireFrame

if TYPE_CHECKING:
    from app.session import Session

EXPELLING = (Kind.KICK, Kind.BAN)


class Shard:
    """The connections of one event loop, by room and by user."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.connections = 0
        self.rooms: dict[str, Room[Session]] = {}
        self.sessions: dict[int, dict[Session, None]] = {}
        """The connections of each user, in the order in which they came."""
        self.unacknowledged: dict[str, Session] = {}
        """Who waits for the ack of a draft, by its id."""
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
            self._shown.pop(room.name, None)
            if timer := self._stale.pop(room.name, None):
                timer.cancel()

    def deliver(self, events: Sequence[Event]) -> None:
        """Hand out committed events, in order: to its sender first the ack, then to everybody the event."""
        for event in events:
            if event.cid and (sender := self.unacknowledged.pop(event.id, None)):
                sender.acknowledge(event)
            if event.room[0] == CONVERSATION:
                for user in participants(event.room):
                    self._hand_out(self.rooms.get(mailbox(user)), event)
            else:
                self._hand_out(self.rooms.get(event.room), event)

    def _hand_out(self, room: Room[Session] | None, event: Event) -> None:
        if room is None:
            return
        frames: dict[Dialect, WireFrame | None] = {}
        for cursor in room.commit(event.seq):
            session = cursor.follower
            if session.overflows(cursor):
                continue
            cursor.at = event.seq
            if not session.wants(event):
                continue
            dialect = session.dialect
            if dialect not in frames:
                frames[dialect] = wire(dialect, told(event))
            if (frame := frames[dialect]) is not None:
                session.outbox.put(frame)
        if event.kind != Kind.MSG:
            self._take_effect(room, event)
        elif room.state.slow:
            room.spoke[event.user] = max(event.at, room.spoke.get(event.user, 0))

    def _take_effect(self, room: Room[Session], event: Event) -> None:
        room.state.apply(event)
        if event.kind == Kind.SLOW:
            room.spoke.clear()
        if event.kind in EXPELLING and event.detail.whom:
            for session in list(self.sessions.get(event.detail.whom.id, ())):
                session.expel(event)

    def tell(self, log: str, frame: Frame, *, but: int = 0) -> None:
        """Give all who follow `log` a hint, but for the user `but`. Who reads slowly goes without."""
        room = self.rooms.get(log)
        frames: dict[Dialect, WireFrame | None] = {}
        for cursor in room.cursors() if room else ():
            session = cursor.follower
            if session.user.id == but or session.outbox.full:
                continue
            if session.dialect not in frames:
                frames[session.dialect] = wire(session.dialect, frame)
            if (encoded := frames[session.dialect]) is not None:
                session.outbox.put(encoded)

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
            went = tuple(person.name for person in change.went)
            self.tell(room, Presence(room, members, change.came, went, change.renamed, change.changed))


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
            for session in list(shard.sessions.get(user, ())):
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
            self._in_shards(lambda shard: shard.tell(mailbox(hint.user), frame))
        else:
            typing = TypingNow(hint.room, hint.name)
            logs = [mailbox(user) for user in participants(hint.room)] or [hint.room]
            for log in logs:
                self._in_shards(lambda shard, log=log: shard.tell(log, typing, but=hint.user))  # type: ignore[misc]

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
    return None if encoded is None else WireFrame.of(encoded)
