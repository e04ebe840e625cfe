"""Events on their way from a room to its connections, as bytes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress

from app.chat.closing import CloseCode
from app.chat.dialects import Dialect
from app.chat.events import Event
from app.chat.fitting import ESCAPED
from app.chat.room import BLOCK_SIZE, Block, Cursor, Room
from app.live.subscriber import DeliveryGroup, Subscriber
from app.transports import Sender
from app.transports.frames import deflate_frame, encode_text

log = logging.getLogger("chat")

LONG = 16 * 1024
"""Bytes from which on it is the copying that takes the time of a send."""
SHORT = LONG // ESCAPED
"""Characters that are never as long, whatever they are."""
PART = 128 * 1024
"""Bytes of long texts that are sent in one turn, to all connections together, while little waits."""
MOST_TURNS = 256
"""In how many turns all that waits is sent."""
OrderedEvent = tuple[int, Event]
OrderedFrame = tuple[int, bytes]
"""A WebSocket frame and its order number. Order numbers increase over all frames of a shard; a connection gets its
frames in their order."""
Outgoing = dict[Subscriber, list[OrderedFrame]]
"""What connections get at the end of a turn that they don't share with others, such as acks and answers."""
Encoded = dict[tuple[Dialect, bool], list[OrderedFrame]]
"""A batch as it is sent, by dialect and whether it is compressed. Everyone who gets the same shares it."""


def is_long(room: Room[Subscriber], size: int) -> bool:
    """Whether the texts of a room of some size, which aren't SHORT, may be more than a turn should send."""
    return ESCAPED * room.text * size > PART


def send_to_room(room: Room[Subscriber], outgoing: Outgoing, others: set[Sender]) -> None:
    """Send a room's batch to all live cursors now.

    Connections whose senders are among `others` get something else in this turn. The batch is added to that in
    `outgoing`, so that they get everything in order. Connections whose channels are full fall behind instead.
    """
    events, live = room.take_all(), room.live
    full: list[Cursor[Subscriber]] = []
    encoded: Encoded = {}
    for group, blocks in live.items():
        try:
            if len(events) == 1 and len(live) == 1:
                _send_one(events[0], group, blocks, others, outgoing, full)
                break
            frames = _frames_for(group, events, encoded)
            for block in blocks:
                here = _accepted(frames, events, block) if group.ignoring else frames
                if here:
                    _send_to_block(here, _join(here), block.cursors, others, outgoing, full)
        except Exception:
            log.exception("%s: %d events can't be sent: its readers get them from the log", room.name, len(events))
            full += [cursor for block in blocks for cursor in block.cursors]
    if full:
        _leave_behind(room, full)


def _send_one(
    ordered: OrderedEvent,
    group: DeliveryGroup,
    blocks: Iterable[Block[Subscriber]],
    others: set[Sender],
    outgoing: Outgoing,
    full: list[Cursor[Subscriber]],
) -> None:
    """Send one event to the only group in a room, which is what happens in most small rooms in most turns."""
    order, event = ordered
    dialect, deflated, ignoring = group
    payload = dialect.encode_event(event)
    if payload is None:
        return
    data = deflate_frame(encode_text(payload)) if deflated else encode_text(payload)
    for block in blocks:
        if not ignoring or _accepted([(order, data)], [ordered], block):
            _send_to_block([(order, data)], data, block.cursors, others, outgoing, full)


class Broadcast:
    """The batch of a large room, or of long texts, on its way to the live cursors: one block after another, and of long
    texts one part of a block after another."""

    __slots__ = ("_blocks", "_encoded", "_events", "_joined", "_room")

    def __init__(self, room: Room[Subscriber]) -> None:
        self._room = room
        self._events, self._blocks = room.take_batch()
        self._encoded: Encoded = {}
        self._joined: dict[DeliveryGroup, bytes] = {}

    @property
    def done(self) -> bool:
        """Whether all have got it."""
        return not any(block.pending for block in self._blocks)

    def send_next(self, outgoing: Outgoing, others: set[Sender]) -> int:
        """Send to the next cursors, as `send_to_room` does, if there are any. Return how many bytes of long texts that
        was."""
        block = next((block for block in self._blocks if block.pending), None)
        if block is None:
            return 0
        cursors, size = block.pending, 0
        full: list[Cursor[Subscriber]] = []
        try:
            group: DeliveryGroup = block.group
            frames = _frames_for(group, self._events, self._encoded)
            if group.ignoring:
                frames = _accepted(frames, self._events, block)
                data = _join(frames)
            elif (data := self._joined.get(group, b"")) == b"":
                data = self._joined[group] = _join(frames)
            cursors = block.take(self._most(len(data)))
            if len(data) > LONG:
                size = len(data) * len(cursors)
            if frames:
                _send_to_block(frames, data, cursors, others, outgoing, full)
        except Exception:
            name, number = self._room.name, len(self._events)
            log.exception("%s: %d events can't be sent: its readers get them from the log", name, number)
            full += cursors
        _leave_behind(self._room, full)
        return size

    def _most(self, size: int) -> int:
        """How many connections may get `size` bytes in one turn. The more waits, the more, so that it can't pile up."""
        if size <= LONG:
            return BLOCK_SIZE
        return max(PART, self._room.text * len(self._room) // MOST_TURNS) // size or 1


def senders(outgoing: Iterable[Subscriber]) -> set[Sender]:
    """Return the senders of these connections."""
    return {subscriber.channel.sender for subscriber in outgoing}


def _frames_for(group: DeliveryGroup, events: Sequence[OrderedEvent], encoded: Encoded) -> list[OrderedFrame]:
    """Encode events for a group, unless that is done. Those that its dialect has no words for are left out."""
    dialect, deflated, _ = group
    frames = encoded.get((dialect, deflated))
    if frames is None:
        frames = encoded[dialect, deflated] = [
            (order, encode_text(payload))
            for order, event in events
            if (payload := dialect.encode_event(event)) is not None
        ]
        if deflated:
            frames[:] = [(order, deflate_frame(frame)) for order, frame in frames]
    return frames


def _accepted(
    frames: list[OrderedFrame], events: Sequence[OrderedEvent], block: Block[Subscriber]
) -> list[OrderedFrame]:
    """Return what a block of subscribers gets who ignore the same people."""
    one = next(iter(block.cursors)).subscriber
    hidden = {order for order, event in events if not one.accepts(event)}
    return [frame for frame in frames if frame[0] not in hidden] if hidden else frames


def _join(frames: Sequence[OrderedFrame]) -> bytes:
    return frames[0][1] if len(frames) == 1 else b"".join([frame for _, frame in frames])


def _send_to_block(
    frames: Sequence[OrderedFrame],
    data: bytes,
    cursors: dict[Cursor[Subscriber], Sender],
    others: set[Sender],
    outgoing: Outgoing,
    full: list[Cursor[Subscriber]],
) -> None:
    """Send to every connection now, but for those that get something else in this turn. Add those whose channels are
    full to `full`.

    The first loop touches nothing of a client but its sender. With many clients the time goes into waiting for memory,
    since what belongs to them is far larger than the processor's caches.
    """
    size = len(data)
    partly_sent: dict[Sender, int] | None = None
    for sender in cursors.values():
        if others and sender in others:
            continue
        try:
            sent = sender.send(data)
        except OSError:
            sent = 0
        if sent != size:
            if partly_sent is None:
                partly_sent = {}
            partly_sent[sender] = sent
    if not others and partly_sent is None:
        return
    for cursor, sender in cursors.items():
        subscriber = cursor.subscriber
        try:
            if sender in others:
                if subscriber.channel.full:
                    full.append(cursor)
                else:
                    outgoing[subscriber] += frames
            elif partly_sent and sender in partly_sent:
                if subscriber.channel.full:
                    full.append(cursor)
                else:
                    subscriber.channel.write_rest(data, partly_sent[sender])
        except Exception:
            log.exception("%s can't be sent to", subscriber.user.name)
            full.append(cursor)
            if sender not in others:  # it has got a part of a frame, and can't make sense of anything after that
                asyncio.get_running_loop().call_soon(subscriber.channel.close, CloseCode.PING_TIMEOUT)


def break_off(subscriber: Subscriber) -> None:
    """Log the error that is being handled, and close a connection that misses something because of it. The client
    connects again and continues at its position."""
    log.exception("A connection of %s can't be sent to and is closed", subscriber.user.name)
    with suppress(Exception):
        subscriber.channel.close(CloseCode.PING_TIMEOUT)


def _leave_behind(room: Room[Subscriber], full: Iterable[Cursor[Subscriber]]) -> None:
    """Push nothing more to connections whose channels were full. They have not got the batch."""
    for cursor in full:
        room.fall_behind(cursor, room.sent_before)
        cursor.subscriber.fell_behind()
