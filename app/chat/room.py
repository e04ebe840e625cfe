"""Who follows a room here, up to which position each has got, and what is about to be handed out."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Generic, TypeVar

from app.chat.events import Event
from app.chat.state import RoomState

F = TypeVar("F")

UNKNOWN = -1


class Cursor(Generic[F]):
    """One follower's place in a room.

    One with a `group` is live: it is given each event as it is handed out, and has got as far as the room. One without
    is behind: it reads the log after `at`, in pages, until it is caught up.
    """

    __slots__ = ("at", "follower", "group", "room")

    def __init__(self, room: Room[F], follower: F, at: int) -> None:
        self.room, self.follower, self.at = room, follower, at
        self.group: Hashable | None = None

    @property
    def live(self) -> bool:
        """Whether it is given events as they are handed out."""
        return self.group is not None

    @property
    def position(self) -> int:
        """Up to where it has got."""
        return max(self.at, self.room.handed) if self.live else self.at


class Room(Generic[F]):
    """The followers of a room. Joining, leaving, falling behind and catching up are O(1).

    Attach first, then read: a cursor is in the room before its follower reads the log, so that `delivered` counts
    what is committed meanwhile. There is then no event between the last page and the first live one.

    What is committed is handed out a little later, all of it at once, to the live followers, who are grouped by what
    they are given: a batch is made once for each group.
    """

    __slots__ = ("_batch", "_cursors", "_spoke", "_state", "delivered", "handed", "head", "live", "loaded", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.loaded = False
        """Whether `state` is known."""
        self.delivered = self.handed = 0
        """The positions of the last event that was committed, and of the last that was handed out, since it is here."""
        self.head = UNKNOWN
        """The position of the last event in the log, once it was read."""
        self.live: dict[Any, dict[Cursor[F], Any]] = {}
        """The live cursors by group, and what each is given events through."""
        self._cursors: dict[Cursor[F], None] = {}
        self._batch: list[tuple[int, Event]] = []
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

    def cursors(self) -> list[Cursor[F]]:
        """All places in the room."""
        return list(self._cursors)

    def attach(self, follower: F, at: int) -> Cursor[F]:
        """A place in the room after position `at`, not live yet."""
        cursor = Cursor(self, follower, at)
        self._cursors[cursor] = None
        return cursor

    def detach(self, cursor: Cursor[F]) -> None:
        """Give the place up, and what was not handed out to it yet. Doing so twice is doing so once."""
        self._leave_group(cursor)
        self._cursors.pop(cursor, None)

    def caught_up(self, cursor: Cursor[F], group: Hashable, outlet: object = None) -> bool:
        """Go live in `group`, and be given events through `outlet`, if there is nothing that was committed and that the
        cursor has not got. What is about to be handed out would be handed to it as well: it has to wait for that. One
        that is live changes its group.

        A cursor that has read what is still on its way here waits too, where others need that. Where nobody does, what
        it has read counts as handed out, and is not taken when it comes.
        """
        if cursor not in self._cursors:
            return False
        if cursor.live:
            self._leave_group(cursor)
        elif cursor.at < self.delivered or self._batch or (cursor.at > self.delivered and self.live):
            return False
        else:
            self.delivered = self.handed = cursor.at
            if self.head != UNKNOWN:
                self.head = max(self.head, cursor.at)
        cursor.group = group
        self.live.setdefault(group, {})[cursor] = outlet
        return True

    def fall_behind(self, cursor: Cursor[F], at: int) -> None:
        """Be live no longer: read the log after `at`. One that is behind already stays where it is."""
        if cursor.live:
            cursor.at = max(cursor.at, at)
            self._leave_group(cursor)

    def commit(self, event: Event, mark: int = 0) -> None:
        """`event` is committed; `mark` is kept with it until it is handed out. Events come in order, and once."""
        if event.seq > self.delivered:
            self.delivered = event.seq
            if self.head != UNKNOWN:
                self.head = event.seq
            self._batch.append((mark, event))

    def hand_out(self) -> tuple[int, list[tuple[int, Event]]]:
        """What the live followers get now, with its marks, and the position before it."""
        batch, before = self._batch, self.handed
        self._batch, self.handed = [], self.delivered
        return before, batch

    def _leave_group(self, cursor: Cursor[F]) -> None:
        if cursor.group is not None:
            group = self.live[cursor.group]
            del group[cursor]
            if not group:
                del self.live[cursor.group]
            cursor.group = None
