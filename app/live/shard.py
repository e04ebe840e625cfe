"""The connections of one event loop. A committed event becomes one frame per dialect and one write per connection."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from app.chat.dialects import Dialect
from app.chat.events import Event, Kind
from app.chat.frames import Frame, Presence, event_frame
from app.chat.logs import CONVERSATION, WHISPERS, mailbox, participants
from app.chat.presence import Person, difference
from app.chat.room import BLOCK_SIZE, Cursor, Room
from app.live.delivery import Broadcast, Outgoing, senders, wire_frame
from app.live.subscriber import Subscriber
from app.transports import Frame as WireFrame

SLOW_FLUSH = 0.002
"""Seconds after which a flush counts as slow, so that the next one waits for appends that are under way."""
TIME_SLICE = 0.005
"""Seconds that a flush may take before handshakes, incoming messages and small rooms get their turn."""
CLOCK_CHECK_INTERVAL = 64
"""Connections to write to between two looks at the clock."""
EXPULSIONS = (Kind.KICK, Kind.BAN)

PeopleLookup = Callable[[str], tuple[int, tuple[Person, ...]]]
"""Returns how many people are in a room, and who they are unless the room is large."""


class Shard:
    """The connections of one event loop, by room and by user.

    Everything that is due in one turn of the loop (events, acks, answers) is sent at the end of the turn, with one
    write per connection, in the order in which it became due.

    If that is too much for one turn it is spread over several. A connection may then get a message from another room
    before an earlier one from a very large room. Within a room the order of events, acks and answers stays.
    """

    def __init__(self, people: PeopleLookup, presence_period: float) -> None:
        self._people, self._presence_period = people, presence_period
        self.size = 0
        """How many connections there are."""
        self.rooms: dict[str, Room[Subscriber]] = {}
        self.connections: dict[int, tuple[Subscriber, ...]] = {}
        """The connections of each user, oldest first."""
        self.unacknowledged: dict[str, Subscriber] = {}
        """By the id of a draft, the connection that waits for its ack."""
        self._loop = asyncio.get_running_loop()
        self.pending_appends = 0
        """Drafts from these connections that are not stored yet."""
        self._flush_scheduled = self._flush_deferred = self._last_flush_was_slow = False
        self._order = 0
        """The last order number that was used."""
        self._dirty: dict[Room[Subscriber], None] = {}
        """Rooms with committed events that are not sent yet."""
        self._broadcasts: dict[Room[Subscriber], Broadcast] = {}
        """Broadcasts that are spread over several turns."""
        self._flushed: asyncio.Future[None] | None = None
        self._outgoing: dict[Subscriber, Outgoing] = {}
        self._presence_sent: dict[str, tuple[Person, ...]] = {}
        self._presence_timers: dict[str, asyncio.TimerHandle] = {}

    def register(self, subscriber: Subscriber) -> None:
        """Add a connection to those of its user."""
        user = subscriber.user.id
        self.connections[user] = (*self.connections.get(user, ()), subscriber)

    def unregister(self, subscriber: Subscriber) -> None:
        """Remove a connection from those of its user."""
        user = subscriber.user.id
        others = tuple(one for one in self.connections.pop(user) if one is not subscriber)
        if others:
            self.connections[user] = others

    def attach(self, subscriber: Subscriber, log: str, after: int) -> Cursor[Subscriber]:
        """Add a cursor to a log after a position. It is not live yet (see `Room`)."""
        if log not in self.rooms:
            self.rooms[log] = Room(log)
        return self.rooms[log].attach(subscriber, after)

    def detach(self, cursor: Cursor[Subscriber]) -> None:
        """Remove a cursor, and its room once it is empty."""
        room = cursor.room
        room.detach(cursor)
        if not room and self.rooms.get(room.name) is room:
            del self.rooms[room.name]
            self._dirty.pop(room, None)
            self._broadcasts.pop(room, None)
            self._presence_sent.pop(room.name, None)
            if timer := self._presence_timers.pop(room.name, None):
                timer.cancel()

    def deliver(self, events: Sequence[Event]) -> None:
        """Take committed events in order. The sender gets the ack first, then everyone gets the event."""
        for event in events:
            if event.cid and (sender := self.unacknowledged.pop(event.id, None)):
                sender.acknowledge(event)
            if event.room[0] == CONVERSATION:
                for user in participants(event.room):
                    self._commit(self.rooms.get(mailbox(user)), event)
                    for subscriber in self.connections.get(user, ()):
                        self._deliver_whisper(subscriber, event)
            else:
                self._commit(self.rooms.get(event.room), event)

    def send(self, subscriber: Subscriber, frame: WireFrame) -> None:
        """Send `frame` to one connection at the end of this turn."""
        self._order += 1
        self._outgoing.setdefault(subscriber, Outgoing()).add([(self._order, frame)])
        self._schedule()

    def discard(self, subscriber: Subscriber) -> None:
        """Drop what is queued for a connection that has ended."""
        self._outgoing.pop(subscriber, None)

    def flush(self, *, now: bool = False) -> None:
        """Send what is due: as much as fits in a turn and the rest later, or all of it if `now`.

        After a slow flush, the next one is put off once until the appends under way are committed, and sends them too.
        So batches grow under load, while the time until a message arrives does not.
        """
        self._flush_scheduled = False
        if self._last_flush_was_slow and self.pending_appends and not (self._flush_deferred or self._broadcasts or now):
            self._flush_deferred = True
            return
        self._flush_deferred = False
        began = self._loop.time()
        self._flush(began + TIME_SLICE)
        while now and (self._outgoing or self._dirty or self._broadcasts):
            self._flush(float("inf"))
        self._last_flush_was_slow = self._loop.time() - began > SLOW_FLUSH
        if self._outgoing or self._dirty or self._broadcasts:
            self._schedule()
        if self._flushed is not None:
            self._flushed.set_result(None)
            self._flushed = None

    async def flushed(self) -> None:
        """Wait for the next flush."""
        if self._flushed is None:
            self._flushed = self._loop.create_future()
        await asyncio.shield(self._flushed)

    def append_done(self) -> None:
        """Count one pending append less."""
        self.pending_appends -= 1
        if self._flush_deferred and not self.pending_appends:
            self._schedule()

    def _schedule(self) -> None:
        if not self._flush_scheduled:
            self._flush_scheduled = True
            self._loop.call_soon(self.flush)

    def _commit(self, room: Room[Subscriber] | None, event: Event) -> None:
        if room is None:
            return
        self._order += 1
        room.commit(event, self._order)
        self._dirty[room] = None
        self._schedule()
        if event.kind != Kind.MSG:
            self._apply(room, event)
        elif room.has_settings and room.state.slow:
            room.last_spoke[event.user] = max(event.at, room.last_spoke.get(event.user, 0))

    def _flush(self, until: float) -> None:
        """Send broadcasts, then write to the connections that get something else as well. Large rooms come last, one
        block of each in turn."""
        outgoing, self._outgoing = self._outgoing, {}
        rooms = [room for room in self._dirty if room not in self._broadcasts]
        alone = len(rooms) == 1 and not self._broadcasts
        for room in rooms:
            self._dirty.pop(room, None)  # sending to another room may have closed this one's last connection
            broadcast = Broadcast(room)
            if len(room) > BLOCK_SIZE:
                self._broadcasts[room] = broadcast
            else:
                broadcast.finish(outgoing, alone=alone)
        if self._broadcasts:
            self._broadcast_large(outgoing, until)
        self._write(outgoing, until)

    def _broadcast_large(self, outgoing: dict[Subscriber, Outgoing], until: float) -> None:
        """Send at least one block, so that there is progress in every turn."""
        others = senders(outgoing)
        turns = deque(self._broadcasts.items())
        while turns:
            room, broadcast = turns.popleft()
            if broadcast.send_next_block(outgoing, others):
                turns.append((room, broadcast))
            else:
                self._broadcasts.pop(room, None)
            if self._loop.time() > until:
                return

    def _write(self, outgoing: dict[Subscriber, Outgoing], until: float) -> None:
        """Write to each connection what may go now. Frames that come after an event it has yet to get are kept, and go
        before whatever is sent to it from now on."""
        for number, (subscriber, waiting) in enumerate(outgoing.items(), 1):
            now: Outgoing | None = waiting
            if (self._broadcasts or self._dirty) and (first := subscriber.following.first_pending()) is not None:
                now, later = waiting.split(first)
                if later is not None:
                    self._outgoing[subscriber] = later
            if now is not None:
                subscriber.channel.write(now.batch(deflated=subscriber.channel.deflated))
            if number % CLOCK_CHECK_INTERVAL == 0 and self._loop.time() > until:
                self._outgoing.update(islice(outgoing.items(), number, None))
                return

    def _deliver_whisper(self, subscriber: Subscriber, event: Event) -> None:
        """Push a whisper to a connection that follows its whispers, unless it reads them from the log."""
        following = subscriber.following
        if not 0 <= following.whispers_sent < event.seq:
            return
        if subscriber.channel.full:
            subscriber.whispers_fell_behind(event.seq - 1)
            subscriber.fell_behind()
            return
        following.whispers_sent = event.seq
        if subscriber.accepts(event) and (frame := wire_frame(subscriber.dialect, event_frame(event))) is not None:
            self.send(subscriber, frame)

    def _apply(self, room: Room[Subscriber], event: Event) -> None:
        room.state.apply(event)
        if event.kind == Kind.SLOW:
            room.last_spoke.clear()
        if event.kind in EXPULSIONS and event.detail.whom:
            self.flush(now=True)  # the event itself has to reach the person before they leave the room
            for subscriber in self.connections.get(event.detail.whom.id, ()):
                subscriber.expel(event)

    def hint_room(self, room: str, frame: Frame, except_user: int = 0) -> None:
        """Send a hint to everyone in `room` but one user."""
        here = self.rooms.get(room)
        self._hint([cursor.subscriber for cursor in here.cursors()] if here else [], frame, except_user)

    def hint_user(self, user: int, frame: Frame) -> None:
        """Send a hint to those connections of `user` that follow their whispers."""
        self._hint([one for one in self.connections.get(user, ()) if WHISPERS in one.following], frame)

    def _hint(self, connections: Iterable[Subscriber], frame: Frame, except_user: int = 0) -> None:
        """Send a hint to connections whose channels are not full."""
        frames: dict[Dialect, WireFrame | None] = {}
        for subscriber in connections:
            if subscriber.user.id == except_user or subscriber.channel.full:
                continue
            if subscriber.dialect not in frames:
                frames[subscriber.dialect] = wire_frame(subscriber.dialect, frame)
            if (encoded := frames[subscriber.dialect]) is not None:
                self.send(subscriber, encoded)

    def people_changed(self, room: str) -> None:
        """Tell the room that its people changed: once per presence period, with all changes since."""
        if room in self.rooms and room not in self._presence_timers:
            loop = asyncio.get_running_loop()
            self._presence_timers[room] = loop.call_later(self._presence_period, self._send_presence, room)

    def _send_presence(self, room: str) -> None:
        del self._presence_timers[room]
        members, people = self._people(room)
        before = self._presence_sent.get(room, ())
        self._presence_sent[room] = people
        if members > len(people):
            self.hint_room(room, Presence(room, members))
        elif change := difference(before, people):
            self.hint_room(room, Presence(room, members, change.came, change.went, change.changed))
