"""The connections of one event loop: what is sent to them, in which order, and when."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from operator import itemgetter
from time import monotonic
from typing import Any

from app.chat.dialects import Dialect
from app.chat.events import CLOSINGS, EXPULSIONS, SPOKEN, Event, Kind
from app.chat.frames import Frame, RoomEntry
from app.chat.logs import CONVERSATION, WHISPERS, mailbox, participants
from app.chat.room import BLOCK_SIZE, Cursor, Room
from app.clock import Clock
from app.live.announcing import Announcer, PeopleLookup, encode
from app.live.delivery import (
    LONG,
    PART,
    SHORT,
    Broadcast,
    OrderedFrame,
    Outgoing,
    break_off,
    is_long,
    send_to_room,
    senders,
)
from app.live.pacing import TIME_SLICE, FlushPacing
from app.live.subscriber import Subscriber
from app.live.turn import LoopTurns, OneEach
from app.transports import Sender
from app.transports.frames import deflate_frame, encode_text
from app.transports.outboxes import Outboxes

log = logging.getLogger("chat")

CLOCK_CHECK_INTERVAL = 64
"""Connections to write to between two looks at the clock."""
MOST_LONG = 512 * 1024
"""Bytes of long answers and whispers that are written in one turn. A single one may have more."""
REMOVED_AT_ONCE = 128
"""Connections whose right to be in a room is looked at in one turn."""
_MSG = Kind.MSG
_BY_ORDER = itemgetter(0)
_NOBODY: set[Sender] = set()
_NO_ACK: tuple[Any, Any] = (None, None)


class Shard:
    """The connections of one event loop, by room and by user.

    Committed events are sent before the commit returns to the loop. Acks and answers are sent with them, or else at the
    end of the turn. A connection that has an ack or an answer due gets everything in one write, in the order in which
    it became due; any other gets one write for each room.

    If that is too much for one turn it is spread over several. Within a room the order of events, acks and answers
    stays. Between rooms it may change: events of one room are sent together, and a very large room comes last.
    """

    def __init__(
        self, people: PeopleLookup, presence_period: float, clock: Clock, max_queued: int = 0, *, rests: bool = False
    ) -> None:
        """`rests` is for events that other nodes write as well: see FlushPacing."""
        self._clock = clock
        self.size = 0
        """How many connections there are."""
        self.largest_rooms: tuple[float, list[RoomEntry], frozenset[str], int] | None = None
        """When the list of rooms was made, if there are many, what it shows, and how many rooms there were."""
        self.turns = LoopTurns(asyncio.get_running_loop(), self._waits_for_disk)
        """When commands and long answers have their turn."""
        self.searches = OneEach()
        """Whose searches are under way: one of each address."""
        self.outboxes = Outboxes(max_queued)
        """What is queued for all connections together."""
        self.rooms: dict[str, Room[Subscriber]] = {}
        self.connections: dict[int, tuple[Subscriber, ...]] = {}
        """The connections of each user, oldest first."""
        self._loop = asyncio.get_running_loop()
        self.pending_appends = 0
        """Drafts from these connections that are not stored yet."""
        self._deliveries = self._deliveries_seen = 0
        self._flush_scheduled = False
        self._pacing = FlushPacing(self._loop, self.flush, rests=rests)
        self._order = 0
        """The last order number that was used."""
        self._dirty: dict[Room[Subscriber], None] = {}
        """Rooms with committed events that are not sent yet."""
        self._broadcasts: dict[Room[Subscriber], Broadcast] = {}
        """Broadcasts that are spread over several turns."""
        self._flushed: asyncio.Future[None] | None = None
        self._outgoing: Outgoing = {}
        self._unacknowledged: list[tuple[Event, Subscriber]] = []
        """Events that are stored and will be delivered next, and whom to acknowledge each to."""
        self._announcer = Announcer(self.rooms, people, presence_period, self.turns, self._send_frame)

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
            self._announcer.forget(room.name)

    def deliver(self, events: Sequence[Event]) -> None:
        """Send committed events, which come in order. Their senders get the ack first, then everyone gets the event."""
        rooms = self.rooms
        self._deliveries += 1
        acks, self._unacknowledged = iter(self._unacknowledged), []
        own, sender = next(acks, _NO_ACK)
        for event in events:
            if event is own:
                self._acknowledge(sender, event)
                own, sender = next(acks, _NO_ACK)
            name = event.room
            if name[0] == CONVERSATION:
                self._deliver_to_people(event)
            elif (room := rooms.get(name)) is not None:
                try:
                    self._commit(room, event)
                except Exception:
                    log.exception("%s: event %d has not had its effect", name, event.seq)
        while own is not None:
            self._acknowledge(sender, own)
            own, sender = next(acks, _NO_ACK)
        if self._pacing.slow and not self._pacing.deferred:
            self._schedule()  # what arrived meanwhile is committed first, and sent with it
        elif not self._flush_scheduled:
            self.flush()

    def _waits_for_disk(self) -> bool:
        """Whether messages are on their way into the log, and none has come back since this was asked last."""
        before, self._deliveries_seen = self._deliveries_seen, self._deliveries
        return self.pending_appends > 0 and before == self._deliveries

    def _acknowledge(self, sender: Subscriber, event: Event) -> None:
        try:
            sender.acknowledge(event)
        except Exception:  # noqa: BLE001
            break_off(sender)

    def acknowledge(self, event: Event, sender: Subscriber) -> None:
        """Acknowledge an event right before it is delivered, which is next."""
        self._unacknowledged.append((event, sender))

    def send(self, subscriber: Subscriber, payload: bytes) -> None:
        """Send a text to one connection at the end of this turn."""
        self.hold(subscriber, payload)
        self._schedule()

    def hold(self, subscriber: Subscriber, payload: bytes) -> None:
        """Send a text to one connection with what is being delivered."""
        frame = encode_text(payload)
        self._hold_frame(subscriber, deflate_frame(frame) if subscriber.channel.deflated else frame)

    def _send_frame(self, subscriber: Subscriber, frame: bytes) -> None:
        """Send a frame, which others may get as well, to one connection at the end of this turn."""
        self._hold_frame(subscriber, frame)
        self._schedule()

    def _hold_frame(self, subscriber: Subscriber, frame: bytes) -> None:
        self._order += 1
        waiting = self._outgoing.get(subscriber)
        if waiting is None:
            self._outgoing[subscriber] = [(self._order, frame)]
        else:
            waiting.append((self._order, frame))

    def discard(self, subscriber: Subscriber) -> None:
        """Drop what is queued for a connection that has ended."""
        self._outgoing.pop(subscriber, None)

    def flush(self, *, now: bool = False) -> None:
        """Send what is due: as much as fits in a turn and the rest later, or all of it if `now`."""
        if not (self._broadcasts or now) and self._pacing.puts_off(self.pending_appends):
            return
        began = monotonic()
        self._flush(began + TIME_SLICE)
        while now and (self._outgoing or self._dirty or self._broadcasts):
            self._flush(float("inf"))
        self._pacing.flushed(began)
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
        if self._pacing.deferred and not self.pending_appends:
            self._schedule()

    def _schedule(self) -> None:
        if not self._flush_scheduled:
            self._flush_scheduled = True
            self._loop.call_soon(self._flush_at_end_of_turn)

    def _flush_at_end_of_turn(self) -> None:
        self._flush_scheduled = False
        self.flush()

    def _commit(self, room: Room[Subscriber], event: Event) -> None:
        self._order += 1
        room.commit(event, self._order)
        self._dirty[room] = None
        if event.kind != _MSG:
            self._apply(room, event)
        if room.has_settings and room.state.slow and event.kind in SPOKEN:
            room.spoke(event.user, self._clock.monotonic())

    def _flush(self, until: float) -> None:
        """Send to rooms, then write to the connections that get something else as well. Large rooms and long texts come
        last, one block or part of each in turn."""
        outgoing, self._outgoing = self._outgoing, {}
        others = senders(outgoing) if outgoing else _NOBODY
        sent = 0
        for room in list(self._dirty):
            if room in self._broadcasts:
                continue
            self._dirty.pop(room, None)  # sending to another room may have closed this one's last connection
            size = len(room)
            if size > BLOCK_SIZE or (room.text > SHORT and is_long(room, size)):
                self._broadcasts[room] = Broadcast(room)
            else:
                send_to_room(room, outgoing, others)
                sent += size
            if room.has_batch:  # long texts that are left for another time
                self._dirty[room] = None
            if sent >= CLOCK_CHECK_INTERVAL:
                sent = 0
                if monotonic() > until:
                    until += TIME_SLICE  # those who get something else as well must not wait for all others
                    break
        if self._broadcasts:
            self._broadcast_large(outgoing, others, until)
        if outgoing:
            self._write(outgoing, until)

    def _broadcast_large(self, outgoing: Outgoing, others: set[Sender], until: float) -> None:
        """Send at least once, so that there is progress in every turn, and go on with another room in the next."""
        turns = deque(self._broadcasts.items())
        left = PART
        while turns:
            room, broadcast = turns.popleft()
            size = broadcast.send_next(outgoing, others)
            if not broadcast.done:
                turns.append((room, broadcast))
            left -= size
            if size > left or monotonic() > until:
                break
        self._broadcasts = dict(turns)

    def _write(self, outgoing: Outgoing, until: float) -> None:
        """Write to each connection what may go now. Frames that come after an event it has yet to get are kept, and go
        before whatever is sent to it from now on."""
        left = MOST_LONG
        for number, (subscriber, frames) in enumerate(outgoing.items(), 1):
            if (self._broadcasts or self._dirty) and (first := subscriber.following.first_pending()) is not None:
                frames = self._keep_from(first, subscriber, frames)
            if frames:
                data = _join(frames)
                if len(data) > LONG:
                    left -= len(data)
                    if left + len(data) <= 0:  # in another turn: those who get something short need not wait
                        self._outgoing[subscriber] = [(frames[0][0], data), *self._outgoing.get(subscriber, ())]
                        continue
                try:
                    subscriber.channel.write(data)
                except Exception:  # noqa: BLE001
                    break_off(subscriber)
            if number % CLOCK_CHECK_INTERVAL == 0 and monotonic() > until:
                self._outgoing.update(islice(outgoing.items(), number, None))
                return

    def _keep_from(self, first: int, subscriber: Subscriber, frames: list[OrderedFrame]) -> list[OrderedFrame]:
        """Keep the frames from an order number on for a later turn, and return those that may go now. A connection in
        one small room gets all of them later, in one write, since its room is sent to soon."""
        waits = not self._broadcasts and len(subscriber.following) == 1
        later = frames if waits else [frame for frame in frames if frame[0] >= first]
        if later:
            self._outgoing[subscriber] = later
        return [] if waits else [frame for frame in frames if frame[0] < first]

    def _deliver_to_people(self, event: Event) -> None:
        """Deliver a whisper to its people, encoded once for all who get the same."""
        encoded: dict[tuple[Dialect, bool], bytes] = {}
        for user in participants(event.room):
            room = self.rooms.get(mailbox(user))
            if room is not None:
                self._commit(room, event)
            for subscriber in self.connections.get(user, ()):
                try:
                    self._deliver_whisper(subscriber, event, encoded)
                except Exception:  # noqa: BLE001
                    break_off(subscriber)

    def _deliver_whisper(
        self, subscriber: Subscriber, event: Event, encoded: dict[tuple[Dialect, bool], bytes]
    ) -> None:
        """Push a whisper to a connection that follows its whispers, unless it reads them from the log."""
        following = subscriber.following
        if not 0 <= following.whispers_sent < event.seq:
            return
        if subscriber.channel.full:
            subscriber.whispers_fell_behind(event.seq - 1)
            subscriber.fell_behind()
            return
        following.whispers_sent = event.seq
        if not subscriber.accepts(event):
            return
        kind = subscriber.dialect, subscriber.channel.deflated
        if kind not in encoded and (payload := subscriber.dialect.encode_event(event)) is not None:
            frame = encode_text(payload)
            encoded[kind] = deflate_frame(frame) if subscriber.channel.deflated else frame
        if kind in encoded:  # else the dialect has no words for it
            self._hold_frame(subscriber, encoded[kind])

    def _apply(self, room: Room[Subscriber], event: Event) -> None:
        room.apply(event)
        if event.kind == Kind.SLOW:
            room.forget_spoke()
        if event.kind in EXPULSIONS and event.detail.whom:
            self.flush(now=True)  # the event itself has to reach the person before they leave the room
            for subscriber in self.connections.get(event.detail.whom.id, ()):
                subscriber.expel(event)
        elif event.kind in CLOSINGS:
            self.flush(now=True)
            whom = event.detail.whom
            here = self.connections.get(whom.id, ()) if whom else [cursor.subscriber for cursor in room.cursors()]
            self._close_to_others(room, event, iter(here))

    def _close_to_others(self, room: Room[Subscriber], event: Event, here: Iterator[Subscriber]) -> None:
        """Remove those who have no right to be in the room any more, some of many in each turn."""
        for subscriber in islice(here, REMOVED_AT_ONCE):
            if event.room in subscriber.following and not subscriber.is_admitted(room):
                subscriber.expel(event)
        if (first := next(here, None)) is not None:
            self._loop.call_soon(self._close_to_others, room, event, chain((first,), here))

    def hint_room(self, room: str, frame: Frame, author: int = 0) -> None:
        """Send a hint to everyone in `room` but its author, if it has one, and those who ignore them."""
        here = self.rooms.get(room)
        self._hint([cursor.subscriber for cursor in here.cursors()] if here else [], frame, author)

    def hint_user(self, user: int, frame: Frame, author: int = 0) -> None:
        """Send a hint to those connections of `user` that follow their whispers, unless they ignore its author."""
        self._hint([one for one in self.connections.get(user, ()) if WHISPERS in one.following], frame, author)

    def _hint(self, connections: Iterable[Subscriber], frame: Frame, author: int) -> None:
        """Send a hint to connections whose channels are not full."""
        encoded: dict[tuple[Dialect, bool], list[bytes]] = {}
        for subscriber in connections:
            if subscriber.user.id == author or author in subscriber.ignored or subscriber.channel.full:
                continue
            for data in encode([frame], subscriber, encoded):
                self._send_frame(subscriber, data)

    def people_changed(self, room: str) -> None:
        """Tell the room that its people changed: once per presence period, with all changes since."""
        self._announcer.changed(room)


def _join(frames: list[OrderedFrame]) -> bytes:
    """Join frames in their order."""
    if len(frames) == 1:
        return frames[0][1]
    frames.sort(key=_BY_ORDER)
    return b"".join([frame for _, frame in frames])
