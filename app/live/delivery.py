"""What is on its way to connections: what was committed in a room, and what one connection gets."""

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

Marked = tuple[int, WireFrame]
"""A frame with its mark: a connection gets its frames in the order of these."""


class Outgoing:
    """What leaves to one connection at the end of a turn: frames with their marks."""

    __slots__ = ("_batch", "_frames")

    def __init__(self, frames: Sequence[Marked] = (), batch: Batch | None = None) -> None:
        self._frames, self._batch = frames, batch

    def add(self, frames: Sequence[Marked]) -> None:
        """Add frames; a batch that others get too is this connection's alone no more."""
        self._frames, self._batch = [*self._frames, *frames], None

    def batch(self, *, deflated: bool) -> Batch:
        """All of it in order."""
        if self._batch is None:
            self._batch = Batch([frame for _, frame in sorted(self._frames, key=itemgetter(0))], deflated=deflated)
        return self._batch

    def parted(self, mark: int) -> tuple[Outgoing | None, Outgoing | None]:
        """What comes before a mark, and what comes after it."""
        before = [frame for frame in self._frames if frame[0] < mark]
        after = [frame for frame in self._frames if frame[0] >= mark]
        if not after:
            return self, None
        return Outgoing(before) if before else None, Outgoing(after)


class Broadcast:
    """What was committed in a room, on its way to its live followers. It is encoded once for each dialect, and joined
    once for all who get the same."""

    __slots__ = ("_batches", "_blocks", "_encoded", "_events", "_room")

    def __init__(self, room: Room[Subscriber]) -> None:
        self._room = room
        self._events, self._blocks = room.take_batch()
        self._encoded: dict[Dialect, list[Marked]] = {}
        self._batches: dict[DeliveryGroup, tuple[list[Marked], Batch]] = {}

    def finish(self, outgoing: dict[Subscriber, Outgoing], *, alone: bool) -> None:
        """Give it to all. Where others are handed out in the same turn, a connection gets all of it at the end."""
        others = senders(outgoing) if alone else None
        while self.send_next_block(outgoing, others):
            pass

    def send_next_block(self, outgoing: dict[Subscriber, Outgoing], others: set[Sender] | None) -> bool:
        """Give it to one block more, if there is one. One who has something else to get gets all of it later, in order:
        those in `outgoing`, whose senders are `others`, or everybody. So does nobody who is full: it is behind now."""
        block: Block[Subscriber] | None = next(self._blocks, None)
        if block is None:
            return False
        late: list[Cursor[Subscriber]] = []
        frames, batch = self._for(block)
        if not frames:
            return True
        if others is None:
            _collect(frames, batch, block.cursors, outgoing, late)
        else:
            _send_to_all(frames, batch, block.cursors, others, outgoing, late)
        for cursor in late:
            self._room.fall_behind(cursor, self._room.before)
            cursor.subscriber.fell_behind()
        return True

    def _for(self, block: Block[Subscriber]) -> tuple[list[Marked], Batch]:
        """What a block is given. A choosy follower that is full is given all: it falls behind, and leaves out what it
        does not want as it reads."""
        group: DeliveryGroup = block.group
        if group in self._batches:
            return self._batches[group]
        if group.dialect not in self._encoded:
            self._encoded[group.dialect] = _encoded(group.dialect, self._events)
        frames = self._encoded[group.dialect]
        if group.ignoring:
            [cursor] = block.cursors
            if not cursor.subscriber.channel.full:
                unwanted = {mark for mark, event in self._events if not cursor.subscriber.wants(event)}
                frames = [(mark, frame) for mark, frame in frames if mark not in unwanted]
        made = frames, Batch([frame for _, frame in frames], deflated=group.deflated)
        self._batches[group] = made
        return made


def senders(outgoing: Iterable[Subscriber]) -> set[Sender]:
    """Through what these connections are given frames."""
    return {subscriber.channel.sender for subscriber in outgoing}


def _encoded(dialect: Dialect, events: Sequence[tuple[int, Event]]) -> list[Marked]:
    """What those who speak a dialect are told of events, once for all of them."""
    return [(mark, frame) for mark, event in events if (frame := wire(dialect, event_frame(event))) is not None]


def _send_to_all(
    frames: Sequence[Marked],
    batch: Batch,
    cursors: dict[Cursor[Subscriber], Sender],
    others: set[Sender],
    outgoing: dict[Subscriber, Outgoing],
    late: list[Cursor[Subscriber]],
) -> None:
    """Send to all now, but for those to whom something else is going out. The loops touch nothing of a client but its
    sender: what they would wait for is the memory, as it is many times what the processor keeps at hand."""
    size, short = len(batch), {}
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
        channel = cursor.subscriber.channel
        if sender in others or (sender in short and channel.full):
            _collect(frames, batch, [cursor], outgoing, late)
        elif sender in short:
            channel.write_rest(batch, short[sender])


def _collect(
    frames: Sequence[tuple[int, WireFrame]],
    batch: Batch,
    cursors: Iterable[Cursor[Subscriber]],
    outgoing: dict[Subscriber, Outgoing],
    late: list[Cursor[Subscriber]],
) -> None:
    """Add to what goes out to each at the end of the turn. One that is full gets it later, from the log."""
    for cursor in cursors:
        subscriber = cursor.subscriber
        if subscriber.channel.full:
            late.append(cursor)
        elif subscriber in outgoing:
            outgoing[subscriber].add(frames)
        else:
            outgoing[subscriber] = Outgoing(frames, batch)


def wire(dialect: Dialect, frame: Frame | Message) -> WireFrame | None:
    """`frame` as it is sent, or None where the dialect has no words for it."""
    encoded = dialect.encode(frame)
    return None if encoded is None else WireFrame(encoded)
