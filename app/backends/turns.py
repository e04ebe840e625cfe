"""Whose read is next: one of each owner in turn, and never two of one at once.

So one who reads as much as is allowed waits for itself, and others for one read of it at most. Reads without an owner,
such as those of a handshake, go first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from contextvars import ContextVar
from threading import Condition
from time import monotonic
from typing import Generic, Protocol, TypeVar

OWNER: ContextVar[Hashable] = ContextVar("owner", default=None)
"""For whom the current task reads: an address or a user. None if it is for nobody in particular."""


class Owned(Protocol):
    """A read, as far as this module needs it."""

    @property
    def owner(self) -> Hashable:
        """Who waits for it."""


R = TypeVar("R", bound=Owned)


class Turns(Generic[R]):
    """Reads that wait for a thread. All calls may come from any thread."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._first: deque[R] = deque()
        """Reads without an owner."""
        self._waiting: dict[Hashable, deque[R]] = {}
        """The others, in the order of their owners' turns."""
        self._reading: set[Hashable] = set()
        self._closed = False

    def put(self, read: R) -> None:
        """Add a read."""
        with self._changed:
            if read.owner is None:
                self._first.append(read)
            else:
                self._waiting.setdefault(read.owner, deque()).append(read)
            self._changed.notify_all()

    def get(self, rest: float = 0.0) -> R | None:
        """Return the next read once there is one; None once there are no more. Call `done` after it. Until the time
        `rest`, of the monotonic clock, only reads without an owner are returned."""
        with self._changed:
            while True:
                if self._first:
                    return self._first.popleft()
                left = 0.0 if self._closed else rest - monotonic()
                if left <= 0 and (read := self._next()) is not None:
                    return read
                if self._closed and not self._waiting:
                    return None
                self._changed.wait(left if left > 0 else None)

    def done(self, read: R) -> None:
        """A read has ended: another one of its owner may begin."""
        if read.owner is not None:
            with self._changed:
                self._reading.discard(read.owner)
                if self._waiting:
                    self._changed.notify_all()

    def close(self) -> None:
        """Return what is left, and None after that."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _next(self) -> R | None:
        owner = next((one for one in self._waiting if one not in self._reading), None)
        if owner is None:
            return None
        reads = self._waiting.pop(owner)
        read = reads.popleft()
        if reads:
            self._waiting[owner] = reads
        self._reading.add(owner)
        return read
