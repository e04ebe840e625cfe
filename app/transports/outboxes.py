"""What is queued for all clients together, and whose connection ends when that is too much.

A client that reads slowly has its own bound, but thousands of them would fill the memory all the same. So there is a
bound for all, and what is queued counts by owner: those of one address. Over the bound, the owner with the most loses
connections, those first that have been behind for the longest. Their clients can come back, and continue where they
were. Others notice nothing.

What counts is what only one client gets, such as pages and answers. Those who get the same message share its bytes,
except over TLS, where it is encrypted for each of them.
"""

from __future__ import annotations

from collections.abc import Hashable
from heapq import heapify, heapreplace
from typing import Protocol
from weakref import WeakValueDictionary

from app.chat.closing import CloseCode

RELIEVED = 0.9
"""How much of the bound may be left after connections had to end, so that it isn't reached again at once."""


class Bounded(Protocol):
    """What this module needs of a connection."""

    def pending(self) -> int:
        """Bytes that are queued."""

    def disconnect(self, code: CloseCode, reason: str) -> None:
        """End the connection: its client doesn't read."""


class Outboxes:
    """What is queued for the connections of one event loop: at most `most` bytes; 0 is no limit."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._shares: WeakValueDictionary[Hashable, Share] = WeakValueDictionary()
        self._behind: dict[Share, None] = {}
        """Those in which anything is queued."""
        self.size = 0
        """Bytes that are queued, or were when connections last had to end."""

    def share(self, owner: Hashable) -> Share:
        """Return what is queued for the connections of `owner`."""
        share = self._shares.get(owner)
        if share is None:
            share = self._shares[owner] = Share(self, owner)
        return share

    def changed(self, share: Share, by: int) -> None:
        """Count the bytes by which a share grew or shrank, and end connections if they are too many."""
        self.size += by
        if share.size:
            self._behind[share] = None
        else:
            self._behind.pop(share, None)
        if by > 0 and 0 < self._most < self.size:
            self._relieve()

    def _relieve(self) -> None:
        """Count what has left meanwhile. If that isn't enough, end connections."""
        for share in list(self._behind):
            share.recount()
        largest = [(-share.size, number, share) for number, share in enumerate(self._behind)]
        heapify(largest)
        while largest and self.size > RELIEVED * self._most:
            _, number, share = largest[0]
            share.end_first()
            heapreplace(largest, (-share.size, number, share))


class Share:
    """What is queued for the connections of one owner."""

    __slots__ = ("__weakref__", "_all", "_queued", "owner", "size")

    def __init__(self, outboxes: Outboxes, owner: Hashable) -> None:
        self._all, self.owner = outboxes, owner
        self._queued: dict[Bounded, int] = {}
        """The bytes that are queued for each connection, the one that has been behind for the longest first."""
        self.size = 0
        """Bytes that are queued."""

    def queued(self, one: Bounded, size: int) -> None:
        """Count bytes that are queued for a connection."""
        self._queued[one] = self._queued.get(one, 0) + size
        self._add(size)

    def sent(self, one: Bounded, size: int) -> None:
        """Count bytes that are no longer queued for a connection."""
        if before := self._queued.get(one, 0):
            size = min(size, before)
            if size < before:
                self._queued[one] = before - size
            else:
                del self._queued[one]
            self._add(-size)

    def drained(self, one: Bounded) -> None:
        """Nothing is queued for a connection any more, or it has ended."""
        if self._queued and (size := self._queued.pop(one, 0)):
            self._add(-size)

    def recount(self) -> None:
        """Count what is left. More may be queued than counts."""
        for one, before in list(self._queued.items()):
            self._queued[one] = min(before, one.pending())
        self._add(sum(self._queued.values()) - self.size)

    def end_first(self) -> None:
        """End the connection that has been behind for the longest."""
        one = next(iter(self._queued))
        self.drained(one)
        one.disconnect(CloseCode.SLOW_READER, "too much was queued for all connections")

    def _add(self, size: int) -> None:
        self.size += size
        self._all.changed(self, size)
