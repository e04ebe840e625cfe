"""Frames on their way to connections: broadcasts to a room, and what a single connection gets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter

from app.chat.dialects import Dialect
from app.chat.events import Event
from app.chat.frames import Frame, Message, event_frame
from app.chat.room import Block, Cursor, Room
from app.live.subscriber import DeliveryGroup, Subscriber
from app.transports import Batch, Sender
from app.transports import Frame as WireFrame

OrderedFrame = tuple[int, WireFrame]
"""A frame and its order number. Order numbers increase over all frames of a shard; a connection gets its frames in
their order."""


class Outgoing:
    """What one connection gets at the end of a turn."""

    __slots__ = ("_batch", "_frames")

    def __init__(self, frames: Sequence[OrderedFrame] = (), batch: Batch | None = None) -> None:
        self._frames, self._batch = frames, batch

    def add(self, frames: Sequence[OrderedFrame]) -> None:
        """Add frames. A batch that is shared with other connections is no longer used."""
        self._frames, self._batch = [*self._frames, *frames], None

    def batch(self, *, deflated: bool) -> Batch:
        """Return all frames in order, as one batch."""
        if self._batch is None:
            self._batch = Batch([frame for _, frame in sorted(self._frames, key=itemgetter(0))], deflated=deflated)
        return self._batch

    def split(self, order: int) -> tuple[Outgoing | None, Outgoing | None]:
        """Split into the frames before an order number and those from it on; None for an empty part."""
        before = [frame for frame in self._frames if frame[0] < order]
        after = [frame for frame in self._frames if frame[0] >= order]
        if not after:
            return self, None
        return Outgoing(before) if before else None, Outgoing(after)


class Broadcast:
    """A room's batch on its way to the live cursors. It is encoded once per dialect and joined once per group."""

    __slots__ = ("_batches", "_blocks", "_encoded", "_events", "_room")

    def __init__(self, room: Room[Subscriber]) -> None:
        self._room = room
        self._events, self._blocks = room.take_batch()
        self._encoded: dict[Dialect, list[OrderedFrame]] = {}
        self._batches: dict[DeliveryGroup, tuple[list[OrderedFrame], Batch]] = {}

    def finish(self, outgoing: dict[Subscriber, Outgoing], *, alone: bool) -> None:
        """Send to all blocks. Unless this is `alone` in its turn, everything goes through `outgoing`, so that each
        connection gets one write."""
        others = senders(outgoing) if alone else None
        while self.send_next_block(outgoing, others):
            pass

    def send_next_block(self, outgoing: dict[Subscriber, Outgoing], others: set[Sender] | None) -> bool:
        """Send to the next block. False if there is none left.

        Connections that get something else in this turn are added to `outgoing`, so that they get everything in order:
        those whose senders are in `others`, or all of them if that is None. Connections whose channels are full fall
        behind instead.
        """
        block: Block[Subscriber] | None = next(self._blocks, None)
        if block is None:
            return False
        full: list[Cursor[Subscriber]] = []
        frames, batch = self._batch_for(block)
        if not frames:
            return True
        if others is None:
            _collect(frames, batch, block.cursors, outgoing, full)
        else:
            _send_to_all(frames, batch, block.cursors, others, outgoing, full)
        for cursor in full:
            self._room.fall_behind(cursor, self._room.sent_before)
            cursor.subscriber.fell_behind()
        return True

    def _batch_for(self, block: Block[Subscriber]) -> tuple[list[OrderedFrame], Batch]:
        """Return what a block gets. A subscriber that ignores someone is alone in its block; if it is full it gets
        everything, because it falls behind and filters what it reads from the log."""
        group: DeliveryGroup = block.group
        if group in self._batches:
            return self._batches[group]
        if group.dialect not in self._encoded:
            self._encoded[group.dialect] = _encode(group.dialect, self._events)
        frames = self._encoded[group.dialect]
        if group.ignoring:
            [cursor] = block.cursors
            if not cursor.subscriber.channel.full:
                ignored = {order for order, event in self._events if not cursor.subscriber.accepts(event)}
                frames = [(order, frame) for order, frame in frames if order not in ignored]
        made = frames, Batch([frame for _, frame in frames], deflated=group.deflated)
        self._batches[group] = made
        return made


def senders(outgoing: Iterable[Subscriber]) -> set[Sender]:
    """Return the senders of these connections."""
    return {subscriber.channel.sender for subscriber in outgoing}


def _encode(dialect: Dialect, events: Sequence[tuple[int, Event]]) -> list[OrderedFrame]:
    """Encode events for everyone who speaks a dialect. Events that it has no words for are left out."""
    return [(order, frame) for order, event in events if (frame := wire_frame(dialect, event_frame(event))) is not None]


def _send_to_all(
    frames: Sequence[OrderedFrame],
    batch: Batch,
    cursors: dict[Cursor[Subscriber], Sender],
    others: set[Sender],
    outgoing: dict[Subscriber, Outgoing],
    full: list[Cursor[Subscriber]],
) -> None:
    """Send to every connection now, but for those that get something else in this turn.

    The first loop touches nothing of a client but its sender. With many clients the time goes into waiting for memory,
    since what belongs to them is far larger than the processor's caches.
    """
    size, partly_sent = len(batch), {}
    for sender in cursors.values():
        if others and sender in others:
            continue
        try:
            sent = sender.send(batch)
        except OSError:
            sent = 0
        if sent != size:
            partly_sent[sender] = sent
    for cursor, sender in cursors.items() if partly_sent or others else ():
        channel = cursor.subscriber.channel
        if sender in others or (sender in partly_sent and channel.full):
            _collect(frames, batch, [cursor], outgoing, full)
        elif sender in partly_sent:
            channel.write_rest(batch, partly_sent[sender])


def _collect(
    frames: Sequence[OrderedFrame],
    batch: Batch,
    cursors: Iterable[Cursor[Subscriber]],
    outgoing: dict[Subscriber, Outgoing],
    full: list[Cursor[Subscriber]],
) -> None:
    """Add to what each connection gets at the end of the turn, or to `full` if its channel is."""
    for cursor in cursors:
        subscriber = cursor.subscriber
        if subscriber.channel.full:
            full.append(cursor)
        elif subscriber in outgoing:
            outgoing[subscriber].add(frames)
        else:
            outgoing[subscriber] = Outgoing(frames, batch)


def wire_frame(dialect: Dialect, frame: Frame | Message) -> WireFrame | None:
    """Encode `frame`, or return None if the dialect has no words for it."""
    encoded = dialect.encode(frame)
    return None if encoded is None else WireFrame(encoded)
