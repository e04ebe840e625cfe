"""Who follows a room here, up to which position each has got, and what is about to be handed out."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any, Generic, TypeVar

from app.chat.events import Event
from app.chat.state import RoomState

F = TypeVar("F")

UNKNOWN = -1
BLOCK = 1024
"""How many are given something in one go: what that takes is how long others have to wait."""


class Cursor(Generic[F]):
    """One follower's place in a room.

    One in a `block` is live: it is given each event as it is handed out. One in none is behind: it reads the log after
    `at`, in pages, until it is caught up.
    """

    __slots__ = ("at", "block", "room", "subscriber")

    def __init__(self, room: Room[F], subscriber: F, at: int) -> None:
        self.room, self.subscriber, self.at = room, subscriber, at
        self.block: Block[F] | None = None

    @property
    def live(self) -> bool:
        """Whether it is given events as they are handed out."""
        return self.block is not None

    @property
    def waits(self) -> bool:
        """Whether it is owed what is being handed out."""
        return self.block is not None and self.block.waits

    @property
    def position(self) -> int:
        """Up to where it has got."""
        if not self.live:
            return self.at
        return max(self.at, self.room.before if self.waits else self.room.handed)


class Block(Generic[F]):
    """Some of the live followers who are given the same: all at once, and in one go."""

    __slots__ = ("cursors", "group", "waits")

    def __init__(self, group: Any) -> None:
        self.group = group
        self.cursors: dict[Cursor[F], Any] = {}
        """And what each is given events through."""
        self.waits = False
        """Whether it is not its turn yet in what is being handed out."""


class Room(Generic[F]):
    """The followers of a room. Joining, leaving, falling behind and catching up are O(1), for up to some thousands.

    Attach first, then read: a cursor is in the room before its follower reads the log, so that `delivered` counts
    what is committed meanwhile. There is then no event between the last page and the first live one.

    What is committed is handed out a little later, all of it at once, to the live followers, who are grouped by what
    they are given, and in blocks, between which others may have their turn.
    """

    __slots__ = (
        "_batch",
        "_cursors",
        "_first",
        "_live",
        "_spoke",
        "_state",
        "before",
        "delivered",
        "handed",
        "head",
        "loaded",
        "name",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.loaded = False
        """Whether `state` is known."""
        self.delivered = self.handed = self.before = 0
        """The positions of the last event that was committed, of the last that was handed out, which may not be over,
        and of the last that had been handed out before; since it is here."""
        self.head = UNKNOWN
        """The position of the last event in the log, once it was read."""
        self._live: dict[Hashable, list[Block[F]]] = {}
        self._cursors: dict[Cursor[F], None] = {}
        self._batch: list[tuple[int, Event]] = []
        self._first = 0
        """The mark of the first event that is being handed out."""
        self._state: RoomState | None = None
        self._spoke: dict[int, int] | None = None

    def __len__(self) -> int:
        return len(self._cursors)

    @property
    def state(self) -> RoomState:
        """What is set for the room."""
        if self._state is None:
            self._state = RoomState()
        return self._state

    @property
    def ruled(self) -> bool:
        """Whether anything is set for the room."""
        return bool(self._state)

    @property
    def spoke(self) -> dict[int, int]:
        """When each user spoke last, in milliseconds since 1970, as long as the room is slow."""
        if self._spoke is None:
            self._spoke = {}
        return self._spoke

    @property
    def blocks(self) -> list[Block[F]]:
        """The live followers."""
        return [block for blocks in self._live.values() for block in blocks]

    @property
    def unsettled(self) -> bool:
        """Whether something is going to be handed out."""
        return bool(self._batch)

    def cursors(self) -> list[Cursor[F]]:
        """All places in the room."""
        return list(self._cursors)

    def attach(self, subscriber: F, at: int) -> Cursor[F]:
        """A place in the room after position `at`, not live yet."""
        cursor = Cursor(self, subscriber, at)
        self._cursors[cursor] = None
        return cursor

    def detach(self, cursor: Cursor[F]) -> None:
        """Give the place up, and what was not handed out to it yet. Doing so twice is doing so once."""
        self._leave_block(cursor)
        self._cursors.pop(cursor, None)

    def caught_up(self, cursor: Cursor[F], group: Hashable, outlet: object = None) -> bool:
        """Go live in `group`, and be given events through `outlet`, if there is nothing that was committed and that the
        cursor has not got. What is about to be handed out would be handed to it as well: it has to wait for that. One
        that is live stays where it is.

        A cursor that has read what is still on its way here waits too, where others need that. Where nobody does, what
        it has read counts as handed out, and is not taken when it comes.
        """
        if cursor not in self._cursors:
            return False
        if cursor.live:
            return True
        if cursor.at < self.delivered or self._batch or (cursor.at > self.delivered and self._live):
            return False
        self.delivered = self.handed = cursor.at
        if self.head != UNKNOWN:
            self.head = max(self.head, cursor.at)
        cursor.block = self._block(group)
        cursor.block.cursors[cursor] = outlet
        return True

    def fall_behind(self, cursor: Cursor[F], at: int) -> None:
        """Be live no longer: read the log after `at`. One that is behind already stays where it is."""
        if cursor.live:
            cursor.at = max(cursor.at, at)
            self._leave_block(cursor)

    def commit(self, event: Event, mark: int = 0) -> None:
        """`event` is committed; `mark` is kept with it until it is handed out. Events come in order, and once."""
        if event.seq > self.delivered:
            self.delivered = event.seq
            if self.head != UNKNOWN:
                self.head = event.seq
            self._batch.append((mark, event))

    def take_batch(self) -> tuple[list[tuple[int, Event]], Iterator[Block[F]]]:
        """What the live followers are given now, with its marks, and to whom: one block after the other, each of which
        waits until it is its turn. Between two of them anybody may come and go. What is committed meanwhile is for the
        next time, which must not begin before this one is over."""
        batch, self._batch = self._batch, []
        self.before, self.handed = self.handed, self.delivered
        blocks = self.blocks if batch else []
        for block in blocks:
            self._first, block.waits = batch[0][0], True
        return batch, _in_turn(blocks)

    def owed(self, cursor: Cursor[F]) -> int | None:
        """The mark of the first event that a live cursor is still to be given."""
        if cursor.waits:
            return self._first
        return self._batch[0][0] if self._batch and cursor.live else None

    def _block(self, group: Hashable) -> Block[F]:
        """One with room for one more who is owed nothing of what is being handed out."""
        blocks = self._live.setdefault(group, [])
        for block in blocks:
            if len(block.cursors) < BLOCK and not block.waits:
                return block
        blocks.append(Block(group))
        return blocks[-1]

    def _leave_block(self, cursor: Cursor[F]) -> None:
        block, cursor.block = cursor.block, None
        if block is not None:
            del block.cursors[cursor]
            if not block.cursors:
                self._live[block.group].remove(block)
                if not self._live[block.group]:
                    del self._live[block.group]


def _in_turn(blocks: list[Block[F]]) -> Iterator[Block[F]]:
    for block in blocks:
        block.waits = False
        if block.cursors:
            yield block
