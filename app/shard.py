"""The connections of one event loop: what is committed becomes one frame per dialect and one write per connection."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from app.chat.dialects import Dialect
from app.chat.events import CONVERSATION, Event, Kind, mailbox, participants
from app.chat.frames import WHISPERS, Frame, Message, Presence, told
from app.chat.presence import Person, difference
from app.chat.room import Cursor, Room
from app.transports import Batch, Sender
from app.transports import Frame as WireFrame

if TYPE_CHECKING:
    from app.hub import Hub
    from app.session import Session

COSTLY = 0.002
"""Seconds that sending may take without being worth waiting for."""
EXPELLING = (Kind.KICK, Kind.BAN)


class Alike(NamedTuple):
    """Those who are given the same bytes, as a group in a room."""

    dialect: Dialect
    deflated: bool
    choosy: int = 0
    """Who ignores somebody is alone in its group, which this tells from others; 0 for all the rest."""


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
            session.way.put(waiting.batch(deflated=session.way.deflated))
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
        encoded: dict[Dialect, list[tuple[int, WireFrame]]] = {}
        live: dict[Alike, dict[Cursor[Session], Sender]] = room.live
        for group, cursors in live.items():
            if group.dialect not in encoded:
                encoded[group.dialect] = _encoded(group.dialect, events)
            frames = encoded[group.dialect]
            if group.choosy:
                [cursor] = cursors
                if cursor.follower.way.full:
                    late.append(cursor)
                    continue
                unwanted = {mark for mark, event in events if not cursor.follower.wants(event)}
                frames = [(mark, frame) for mark, frame in frames if mark not in unwanted]
            if frames:
                deliver = _send_to_all if alone else _collect
                deliver(frames, Batch([frame for _, frame in frames], deflated=group.deflated), cursors, outgoing, late)
        for cursor in late:
            room.fall_behind(cursor, before)
            cursor.follower.fell_behind()

    def _whisper(self, session: Session, event: Event) -> None:
        """Give a whisper to a connection that follows its user's, unless it reads them from the log."""
        following = session.following
        if not 0 <= following.mail < event.seq:
            return
        if session.way.full:
            following.miss_whispers(session, event.seq - 1)
            session.fell_behind()
            return
        following.mail = event.seq
        if session.wants(event) and (frame := wire(session.dialect, told(event))) is not None:
            self.put(session, frame)

    def _take_effect(self, room: Room[Session], event: Event) -> None:
        room.state.apply(event)
        if event.kind == Kind.SLOW:
            room.spoke.clear()
        if event.kind in EXPELLING and event.detail.whom:
            self.flush(now=True)  # who is put out is told so first
            for session in self.sessions.get(event.detail.whom.id, ()):
                session.expel(event)

    def tell(self, room: str, frame: Frame, but: int = 0) -> None:
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

    def batch(self, *, deflated: bool) -> Batch:
        """All of it in order."""
        if self._batch is None:
            self._batch = Batch([frame for _, frame in sorted(self._frames, key=itemgetter(0))], deflated=deflated)
        return self._batch


def _encoded(dialect: Dialect, events: Sequence[tuple[int, Event]]) -> list[tuple[int, WireFrame]]:
    """What those who speak a dialect are told of events, once for all of them."""
    return [(mark, frame) for mark, event in events if (frame := wire(dialect, told(event))) is not None]


def _send_to_all(
    frames: Sequence[tuple[int, WireFrame]],
    batch: Batch,
    cursors: dict[Cursor[Session], Sender],
    outgoing: dict[Session, Outgoing],
    late: list[Cursor[Session]],
) -> None:
    """Send to all now, but for those to whom something else is going out. The loops touch nothing of a client but its
    sender: what they would wait for is the memory, as it is many times what the processor keeps at hand."""
    size, short = len(batch), {}
    others = {session.way.sender for session in outgoing}
    for sender in cursors.values():
        if others and sender in others:
            continue
        try:
            taken = sender.send(batch)
        except OSError:
            taken = 0
        if taken != size:
            short[sender] = taken
    for cursor, sender in cursors.items() if short or others else ():
        way = cursor.follower.way
        if sender in others or (sender in short and way.full):
            _collect(frames, batch, [cursor], outgoing, late)
        elif sender in short:
            way.keep(batch, short[sender])


def _collect(
    frames: Sequence[tuple[int, WireFrame]],
    batch: Batch,
    cursors: Iterable[Cursor[Session]],
    outgoing: dict[Session, Outgoing],
    late: list[Cursor[Session]],
) -> None:
    """Add to what goes out to each at the end of the turn. One that is full gets it later, from the log."""
    for cursor in cursors:
        session = cursor.follower
        if session.way.full:
            late.append(cursor)
        elif session in outgoing:
            outgoing[session].add(frames)
        else:
            outgoing[session] = Outgoing(frames, batch)


def wire(dialect: Dialect, frame: Frame | Message) -> WireFrame | None:
    """`frame` as it is sent, or None where the dialect has no words for it."""
    encoded = dialect.encode(frame)
    return None if encoded is None else WireFrame(encoded)
