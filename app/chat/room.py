"""Who follows a room here, and up to which position each has got."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from app.chat.state import RoomState

F = TypeVar("F")


class Cursor(Generic[F]):
    """One follower's place in a room.

    A `live` cursor is given each event as it is committed. One that is not is behind: it reads the log after `at`, in
    pages, until `caught_up`.
    """

    __slots__ = ("at", "follower", "live", "room")

    def __init__(self, room: Room[F], follower: F, at: int) -> None:
        self.room, self.follower, self.at = room, follower, at
        self.live = False

    def caught_up(self) -> bool:
        """Go live if the log holds nothing that was handed out to others and not to this follower."""
        self.live = self.at >= self.room.delivered
        return self.live


class Room(Generic[F]):
    """The followers of a room, in the order they came. Joining and leaving are O(1).

    Attach first, then read: a cursor is in the room before its follower reads the log, so that `delivered` counts
    what is committed meanwhile. There is then no event between the last page and the first live one.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.state = RoomState()
        """What is set for the room, once `loaded`."""
        self.loaded = False
        self.spoke: dict[int, int] = {}
        """When each user spoke last, in milliseconds since 1970, as long as the room is slow."""
        self.delivered = 0
        """The position of the last event that was handed out here."""
        self._cursors: dict[int, Cursor[F]] = {}

    def __len__(self) -> int:
        return len(self._cursors)

    def attach(self, follower: F, at: int) -> Cursor[F]:
        """A place in the room after position `at`, not live yet."""
        cursor = Cursor(self, follower, at)
        self._cursors[id(cursor)] = cursor
        return cursor

    def detach(self, cursor: Cursor[F]) -> None:
        """Give the place up. Doing so twice is doing so once."""
        cursor.live = False
        self._cursors.pop(id(cursor), None)

    def cursors(self) -> list[Cursor[F]]:
        """All places in the room."""
        return list(self._cursors.values())

    def commit(self, seq: int) -> Iterator[Cursor[F]]:
        """The event at `seq` is committed: those who get it now. Nobody may attach or detach during the iteration."""
        self.delivered = max(self.delivered, seq)
        for cursor in self._cursors.values():
            if cursor.live and seq > cursor.at:
                yield cursor
