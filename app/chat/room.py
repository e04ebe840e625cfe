"""The subscribers of a room in one event loop: how far each has read, and what is about to be sent to them."""

from __future__ import annotations

from collections.abc import Hashable
from itertools import islice
from math import inf
from typing import Any, Generic, TypeVar

from app.chat.events import Event
from app.chat.state import RoomState

S = TypeVar("S")

UNKNOWN = -1
BLOCK_SIZE = 1024
"""Most cursors in a block. Sending to one block is how long everything else in the event loop has to wait."""
MOST_TEXT = 64 * 1024
"""Characters in a batch. A single event may have more."""
_NONE: dict[Any, Any] = {}
MAX_SPOKE = 1000
"""How many people who spoke in slow mode are remembered before those who may speak again are forgotten."""


class Cursor(Generic[S]):
    """A subscriber's position in a room.

    A cursor in a `block` is live: events are pushed to it. A cursor without one is behind: its subscriber reads the log
    after `read_to`, page by page, until it has caught up.
    """

    __slots__ = ("block", "read_to", "room", "subscriber")

    def __init__(self, room: Room[S], subscriber: S, read_to: int) -> None:
        self.room, self.subscriber, self.read_to = room, subscriber, read_to
        self.block: Block[S] | None = None

    @property
    def live(self) -> bool:
        """Whether events are pushed to it."""
        return self.block is not None

    @property
    def pending(self) -> bool:
        """Whether the batch that is being sent has not reached it yet."""
        return self.block is not None and self in self.block.pending

    @property
    def position(self) -> int:
        """The position up to which it has everything."""
        if not self.live:
            return self.read_to
        return max(self.read_to, self.room.sent_before if self.pending else self.room.sent)


class Block(Generic[S]):
    """Live cursors that get the same bytes, all in one go."""

    __slots__ = ("cursors", "group", "pending")

    def __init__(self, group: Any) -> None:
        self.group = group
        self.cursors: dict[Cursor[S], Any] = {}
        """Each cursor with the sender for its events."""
        self.pending: dict[Cursor[S], Any] = _NONE
        """Those that the batch that is being sent has not reached yet."""

    def take(self, most: int = BLOCK_SIZE) -> dict[Cursor[S], Any]:
        """Return the next of those that are pending, at most so many. Send the batch to them: they are pending no
        more."""
        pending = self.pending
        if len(pending) <= most:
            self.pending = _NONE
            return pending
        if pending is self.cursors:
            pending = self.pending = dict(pending)
        taken = dict(islice(pending.items(), most))
        for cursor in taken:
            del pending[cursor]
        return taken


class Room(Generic[S]):
    """The cursors in a room. Attaching, detaching, falling behind and going live are O(1), for up to some thousands.

    Attach first, then read the log: the room counts what is committed from then on in `committed`, so no event gets
    lost between the last page that is read and the first event that is pushed.

    Committed events are collected in a batch, which is sent to all live cursors. These are grouped by the bytes they
    get, and split into blocks so that other work can run in between where there are many.
    """

    __slots__ = (
        "_batch",
        "_cursors",
        "_first_order",
        "_spoke",
        "_state",
        "committed",
        "has_settings",
        "head",
        "live",
        "loaded",
        "name",
        "sent",
        "sent_before",
        "text",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.loaded = False
        """Whether `state` was read from the store."""
        self.committed = self.sent = self.sent_before = 0
        """Positions, since the room is here: of the last event that was committed; of the last event in the last batch,
        which may still be on its way; and of the last event in the batch before that."""
        self.head = UNKNOWN
        """The position of the last event in the log, or UNKNOWN until it was read."""
        self.live: dict[Any, list[Block[S]]] = {}
        """All live cursors, by group."""
        self._cursors: dict[Cursor[S], None] = {}
        self._batch: list[tuple[int, Event]] = []
        self.text = 0
        """How many characters the events have that wait to be sent."""
        self._first_order = 0
        """The order number of the first event in the batch that is being sent."""
        self._state: RoomState | None = None
        self.has_settings = False
        """Whether anything was ever set in the room."""
        self._spoke: dict[int, float] | None = None

    def __len__(self) -> int:
        return len(self._cursors)

    def __contains__(self, cursor: Cursor[S]) -> bool:
        return cursor in self._cursors

    @property
    def state(self) -> RoomState:
        """The room's settings."""
        if self._state is None:
            self._state = RoomState()
        return self._state

    def apply(self, event: Event) -> None:
        """Apply an event to the room's settings."""
        if event.key:
            self.state.apply(event)
            self.has_settings = True
        elif self.has_settings:
            self.state.apply(event)

    def spoke(self, user: int, at: float) -> None:
        """Note that a user spoke in slow mode, at a time in seconds of a clock that never goes back. Forget those who
        may speak again."""
        if self._spoke is None:
            self._spoke = {}
        self._spoke[user] = max(at, self._spoke.get(user, at))
        if len(self._spoke) > MAX_SPOKE:
            self._spoke = {one: when for one, when in self._spoke.items() if at - when < self.state.slow}

    def since_spoke(self, user: int, now: float) -> float:
        """Return how many seconds ago a user spoke, as far as slow mode goes."""
        at = self._spoke.get(user) if self._spoke else None
        return inf if at is None else now - at

    def forget_spoke(self) -> None:
        """Let everyone speak, since slow mode is another now."""
        self._spoke = None

    @property
    def has_batch(self) -> bool:
        """Whether events wait to be sent."""
        return bool(self._batch)

    def cursors(self) -> list[Cursor[S]]:
        """Return all cursors, live or behind."""
        return list(self._cursors)

    def attach(self, subscriber: S, read_to: int) -> Cursor[S]:
        """Add a cursor after position `read_to`. It is not live yet."""
        cursor = Cursor(self, subscriber, read_to)
        self._cursors[cursor] = None
        return cursor

    def detach(self, cursor: Cursor[S]) -> None:
        """Remove a cursor. Whatever has not reached it is dropped. Removing it again does nothing."""
        self._leave_block(cursor)
        self._cursors.pop(cursor, None)

    def go_live(self, cursor: Cursor[S], group: Hashable, sender: object = None) -> bool:
        """Push events to `cursor` from now on, through `sender`, unless it has to read more first. Whether it is live.

        It has to read more if it misses a committed event. It has to wait while a batch is about to be sent, which it
        would get as well, and also if it has read an event that other live cursors have not received yet. If there are
        none, that event counts as sent and is skipped when it is committed here.
        """
        if cursor not in self._cursors:
            return False
        if cursor.live:
            return True
        if cursor.read_to < self.committed or self._batch or (cursor.read_to > self.committed and self.live):
            return False
        self.committed = self.sent = cursor.read_to
        if self.head != UNKNOWN:
            self.head = max(self.head, cursor.read_to)
        cursor.block = self._block(group)
        cursor.block.cursors[cursor] = sender
        return True

    def regroup(self, cursor: Cursor[S], group: Hashable) -> bool:
        """Have a live cursor get what another group gets, from the next event on. False if the batch that is being sent
        has not reached it yet."""
        if cursor.block is None or cursor.pending:
            return False
        sender = cursor.block.cursors[cursor]
        self._leave_block(cursor)
        cursor.block = self._block(group)
        cursor.block.cursors[cursor] = sender
        return True

    def fall_behind(self, cursor: Cursor[S], read_to: int) -> None:
        """Push nothing more to `cursor`: it reads the log after `read_to`. One that is behind already is left alone."""
        if cursor.live:
            cursor.read_to = max(cursor.read_to, read_to)
            self._leave_block(cursor)

    def commit(self, event: Event, order: int = 0) -> None:
        """Add a committed event to the batch, with its order number. Events come in order; duplicates are skipped."""
        if event.seq > self.committed:
            self.committed = event.seq
            if self.head != UNKNOWN:
                self.head = event.seq
            self._batch.append((order, event))
            self.text += len(event.text)

    def take_all(self) -> list[tuple[int, Event]]:
        """Return the batch, to send it to all live cursors before anything else happens in the room. If it has long
        texts, a part of it stays for the next time."""
        batch, self._batch = self._batch, []
        self.sent_before, self.sent = self.sent, self.committed
        if self.text > MOST_TEXT:
            return self._take_some(batch)
        self.text = 0
        return batch

    def _take_some(self, batch: list[tuple[int, Event]]) -> list[tuple[int, Event]]:
        """Return the first events of a batch, as many as are sent at once, and keep the others."""
        left, self.text = self.text, 0
        for number, (_, event) in enumerate(batch):
            self.text += len(event.text)
            if self.text > MOST_TEXT and number:
                batch, self._batch = batch[:number], batch[number:]
                self.sent = batch[-1][1].seq
                left += len(event.text)
                break
        self.text = left - self.text
        return batch

    def take_batch(self) -> tuple[list[tuple[int, Event]], list[Block[S]]]:
        """Start sending the batch: return its events with their order numbers, and the blocks to send it to.

        Take all that are pending from each block, in as many calls as you like. Cursors may come and go between two of
        them. Events that are committed meanwhile go into the next batch, which may only be taken once none are pending.
        """
        batch = self.take_all()
        blocks = [block for blocks in self.live.values() for block in blocks] if batch else []
        for block in blocks:
            self._first_order, block.pending = batch[0][0], block.cursors
        return batch, blocks

    def first_pending(self, cursor: Cursor[S]) -> int | None:
        """Return the order number of the first event that a live cursor has yet to get, or None if it has all."""
        if cursor.pending:
            return self._first_order
        return self._batch[0][0] if self._batch and cursor.live else None

    def _block(self, group: Hashable) -> Block[S]:
        """Find or make a block that has a free place and is not pending."""
        blocks = self.live.setdefault(group, [])
        for block in blocks:
            if len(block.cursors) < BLOCK_SIZE and not block.pending:
                return block
        blocks.append(Block(group))
        return blocks[-1]

    def _leave_block(self, cursor: Cursor[S]) -> None:
        block, cursor.block = cursor.block, None
        if block is not None:
            del block.cursors[cursor]
            block.pending.pop(cursor, None)
            if not block.cursors:
                self.live[block.group].remove(block)
                if not self.live[block.group]:
                    del self.live[block.group]
