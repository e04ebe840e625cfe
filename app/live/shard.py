"""The connections of one event loop: what is committed becomes one frame per dialect and one write per connection."""

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
from app.chat.room import BLOCK, Cursor, Room
from app.live.delivery import Broadcast, Outgoing, senders, wire
from app.live.subscriber import Subscriber
from app.transports import Frame as WireFrame

COSTLY = 0.002
"""Seconds that sending may take without being worth waiting for."""
SLICE = 0.005
"""Seconds that sending goes on before others have their turn: handshakes, what is said, small rooms."""
LOOK = 64
"""Subscribers that are sent to between two looks at the clock."""
EXPELLING = (Kind.KICK, Kind.BAN)

People = Callable[[str], tuple[int, tuple[Person, ...]]]
"""How many are in a room, and who they are unless it is a large one."""


class Shard:
    """The connections of one event loop, by room and by user.

    Whatever is to leave in one turn of the loop leaves at its end, as one write per connection: events that were
    committed, acks and answers, each connection's in the order in which they came about.

    Where that is much it takes several turns. Then a connection may get what is said in another room before what was
    said in one that has thousands in it. Each room's events, and acks and answers among them, keep their order.
    """

    def __init__(self, people: People, presence_period: float) -> None:
        self._people, self._presence_period = people, presence_period
        self.size = 0
        """How many connections it has."""
        self.rooms: dict[str, Room[Subscriber]] = {}
        self.connections: dict[int, tuple[Subscriber, ...]] = {}
        """The connections of each user, in the order in which they came."""
        self.unacknowledged: dict[str, Subscriber] = {}
        """Who waits for the ack of a draft, by its id."""
        self._loop = asyncio.get_running_loop()
        self.appending = 0
        """Drafts of its connections that are on their way into the log."""
        self._flushing = self._waited = self._costly = False
        self._mark = 0
        self._dirty: dict[Room[Subscriber], None] = {}
        """The rooms in which something was committed."""
        self._broadcasts: dict[Room[Subscriber], Broadcast] = {}
        """Those in which it is being handed out, in several turns."""
        self._flushed: asyncio.Future[None] | None = None
        self._private: dict[Subscriber, Outgoing] = {}
        self._shown: dict[str, tuple[Person, ...]] = {}
        self._stale: dict[str, asyncio.TimerHandle] = {}

    def attach(self, subscriber: Subscriber, log: str, at: int) -> Cursor[Subscriber]:
        """Follow a log after `at`: not live yet (see `Room`)."""
        if log not in self.rooms:
            self.rooms[log] = Room(log)
        return self.rooms[log].attach(subscriber, at)

    def detach(self, cursor: Cursor[Subscriber]) -> None:
        """Follow no longer."""
        room = cursor.room
        room.detach(cursor)
        if not room and self.rooms.get(room.name) is room:
            del self.rooms[room.name]
            self._dirty.pop(room, None)
            self._broadcasts.pop(room, None)
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
                    for subscriber in self.connections.get(user, ()):
                        self._whisper(subscriber, event)
            else:
                self._commit(self.rooms.get(event.room), event)

    def put(self, subscriber: Subscriber, frame: WireFrame) -> None:
        """Send `frame` to one connection at the end of this turn."""
        self._mark += 1
        self._private.setdefault(subscriber, Outgoing()).add([(self._mark, frame)])
        self._schedule()

    def drop(self, subscriber: Subscriber) -> None:
        """Forget what was put for a connection that has ended."""
        self._private.pop(subscriber, None)

    def flush(self, *, now: bool = False) -> None:
        """Send what waits for the end of the turn: `now`, all of it, or as much as a turn may take and the rest later.

        Where sending takes long, what is on its way into the log now is better sent together with this than after it:
        it is waited for, once. So batches grow under load, and the time until a message arrives does not.
        """
        self._flushing = False
        if self._costly and self.appending and not (self._waited or self._broadcasts or now):
            self._waited = True
            return
        self._waited = False
        began = self._loop.time()
        self._flush(began + SLICE)
        while now and (self._private or self._dirty or self._broadcasts):
            self._flush(float("inf"))
        self._costly = self._loop.time() - began > COSTLY
        if self._private or self._dirty or self._broadcasts:
            self._schedule()
        if self._flushed is not None:
            self._flushed.set_result(None)
            self._flushed = None

    async def flushed(self) -> None:
        """Wait until something was sent."""
        if self._flushed is None:
            self._flushed = self._loop.create_future()
        await asyncio.shield(self._flushed)

    def appended(self) -> None:
        """One draft less is on its way."""
        self.appending -= 1
        if self._waited and not self.appending:
            self._schedule()

    def _schedule(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self.flush)

    def _commit(self, room: Room[Subscriber] | None, event: Event) -> None:
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

    def _flush(self, until: float) -> None:
        """Hand out what was committed, then send to those who get something else as well. Large rooms come last, one
        block each in turn."""
        outgoing, self._private = self._private, {}
        rooms = [room for room in self._dirty if room not in self._broadcasts]
        alone = len(rooms) == 1 and not self._broadcasts
        for room in rooms:
            self._dirty.pop(room, None)  # those who were cut off meanwhile may have been its last
            broadcast = Broadcast(room)
            if len(room) > BLOCK:
                self._broadcasts[room] = broadcast
            else:
                broadcast.finish(outgoing, alone=alone)
        if self._broadcasts:
            self._broadcast_large(outgoing, until)
        self._send(outgoing, until)

    def _broadcast_large(self, outgoing: dict[Subscriber, Outgoing], until: float) -> None:
        """At least one block, or there would be no end to it."""
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

    def _send(self, outgoing: dict[Subscriber, Outgoing], until: float) -> None:
        """Send to each what it gets, but for what comes after something in a room that it is still to be given. What is
        left goes another time, before what is put for the connection from now on."""
        for number, (subscriber, waiting) in enumerate(outgoing.items(), 1):
            now: Outgoing | None = waiting
            if (self._broadcasts or self._dirty) and (owed := subscriber.following.owed()) is not None:
                now, later = waiting.parted(owed)
                if later is not None:
                    self._private[subscriber] = later
            if now is not None:
                subscriber.channel.write(now.batch(deflated=subscriber.channel.deflated))
            if number % LOOK == 0 and self._loop.time() > until:
                self._private.update(islice(outgoing.items(), number, None))
                return

    def _whisper(self, subscriber: Subscriber, event: Event) -> None:
        """Give a whisper to a connection that follows its user's, unless it reads them from the log."""
        following = subscriber.following
        if not 0 <= following.mail < event.seq:
            return
        if subscriber.channel.full:
            subscriber.miss_whispers(event.seq - 1)
            subscriber.fell_behind()
            return
        following.mail = event.seq
        if subscriber.wants(event) and (frame := wire(subscriber.dialect, event_frame(event))) is not None:
            self.put(subscriber, frame)

    def _take_effect(self, room: Room[Subscriber], event: Event) -> None:
        room.state.apply(event)
        if event.kind == Kind.SLOW:
            room.spoke.clear()
        if event.kind in EXPELLING and event.detail.whom:
            self.flush(now=True)  # who is put out is told so first
            for subscriber in self.connections.get(event.detail.whom.id, ()):
                subscriber.expel(event)

    def tell(self, room: str, frame: Frame, but: int = 0) -> None:
        """Give all in `room` a hint, but for the user `but`."""
        here = self.rooms.get(room)
        self._hint([cursor.subscriber for cursor in here.cursors()] if here else [], frame, but)

    def tell_user(self, user: int, frame: Frame) -> None:
        """Give all connections of `user` that follow its whispers a hint."""
        self._hint([one for one in self.connections.get(user, ()) if WHISPERS in one.following], frame)

    def _hint(self, connections: Iterable[Subscriber], frame: Frame, but: int = 0) -> None:
        """Who reads slowly goes without."""
        frames: dict[Dialect, WireFrame | None] = {}
        for subscriber in connections:
            if subscriber.user.id == but or subscriber.channel.full:
                continue
            if subscriber.dialect not in frames:
                frames[subscriber.dialect] = wire(subscriber.dialect, frame)
            if (encoded := frames[subscriber.dialect]) is not None:
                self.put(subscriber, encoded)

    def show(self, room: str) -> None:
        """The people of `room` changed: tell so a little later, together with what changes until then."""
        if room in self.rooms and room not in self._stale:
            loop = asyncio.get_running_loop()
            self._stale[room] = loop.call_later(self._presence_period, self._show_now, room)

    def _show_now(self, room: str) -> None:
        del self._stale[room]
        members, people = self._people(room)
        before = self._shown.get(room, ())
        self._shown[room] = people
        if members > len(people):
            self.tell(room, Presence(room, members))
        elif change := difference(before, people):
            self.tell(room, Presence(room, members, change.came, change.went, change.changed))
