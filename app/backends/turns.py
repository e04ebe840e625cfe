"""Whose read is next: one of each owner in turn, and never two of one at once.

So one who reads as much as is allowed waits for itself, and others for one read of it at most. Reads without an owner,
such as those of a handshake, go first. The others leave half of the time to what else there is to do, however many of
them wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Condition, Lock
from time import monotonic
from typing import Generic, Protocol, TypeVar

from app.chat.fair_queue import FairQueue

OWNER: ContextVar[Hashable] = ContextVar("owner", default=None)
"""For whom the current task reads: an address or a user. None if it is for nobody in particular."""
AHEAD = 0.001
"""Seconds of reading that may come before their rest, so that a few short reads needn't wait."""


class Owned(Protocol):
    """A read, as far as this module needs it."""

    @property
    def owner(self) -> Hashable:
        """Who waits for it."""


R = TypeVar("R", bound=Owned)


class _Seat(Generic[R]):
    """Where a thread waits: until `lock` is released, perhaps with a read for it."""

    __slots__ = ("lock", "read")

    def __init__(self) -> None:
        self.lock = Lock()
        self.lock.acquire()
        self.read: R | None = None


class Turns(Generic[R]):
    """Reads that wait for a thread. All calls may come from any thread. Each read wakes one thread, and no other."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._first: deque[R] = deque()
        """Reads without an owner."""
        self._waiting: FairQueue[R] = FairQueue()
        """The others."""
        self._reading: set[Hashable] = set()
        self._idle: deque[_Seat[R]] = deque()
        """The threads that wait. If one of them waits for the end of a rest, it is the first."""
        self._timed: _Seat[R] | None = None
        """That one."""
        self._active = 0
        """How many reads are under way."""
        self._quiet = Condition(self._lock)
        """Notified when there are none."""
        self._rested = 0.0
        """When the time that reads with an owner took has been made up for, by the monotonic clock."""
        self._paused = self._closed = False

    def put(self, read: R) -> None:
        """Add a read."""
        with self._lock:
            if read.owner is None:
                self._first.append(read)
            else:
                self._waiting.put(read, read.owner)
            self._hand_out()

    def get(self) -> R | None:
        """Return the next read once there is one; None once there are no more. Call `done` after it."""
        seat: _Seat[R] | None = None
        while True:
            with self._lock:
                if seat is not None:
                    if seat is self._timed:
                        self._timed = None
                    if seat.read is not None:
                        return seat.read
                    if seat in self._idle:
                        self._idle.remove(seat)
                left = self._left()
                if (read := self._next(left)) is not None:
                    return read
                if self._closed and not self._waiting:
                    self._wake_all()
                    return None
                seat = _Seat()
                if left > 0 and self._timed is None:
                    self._timed = seat
                    self._idle.appendleft(seat)
                else:
                    left = -1
                    self._idle.append(seat)
            seat.lock.acquire(timeout=left)

    def done(self, read: R, took: float) -> None:
        """A read has ended, after some seconds: another one of its owner may begin. The thread asks for the next."""
        with self._lock:
            self._active -= 1
            if self._paused and not self._active:
                self._quiet.notify_all()
            if read.owner is not None:
                self._reading.discard(read.owner)
                self._rested = max(self._rested, monotonic() - took) + 2 * took

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let no read be under way during the block."""
        with self._lock:
            self._paused = True
            self._quiet.wait_for(lambda: not self._active)
        try:
            yield
        finally:
            with self._lock:
                self._paused = False
                self._hand_out()

    def close(self) -> None:
        """Return what is left, and None after that."""
        with self._lock:
            self._closed = True
            self._wake_all()

    def _hand_out(self) -> None:
        """Give threads that wait what they can read now."""
        left = self._left()
        while self._idle and (read := self._next(left)) is not None:
            seat = self._idle.pop()
            seat.read = read
            seat.lock.release()
        if self._idle and self._timed is None and left > 0:
            self._idle.pop().lock.release()  # has to wait for the end of the rest

    def _wake_all(self) -> None:
        while self._idle:
            self._idle.pop().lock.release()

    def _left(self) -> float:
        """Return the seconds until what waits may be read, if there is a rest before that."""
        return self._rested - AHEAD - monotonic() if self._waiting and not (self._closed or self._paused) else 0.0

    def _next(self, left: float) -> R | None:
        """Take the next read that may begin now, `left` seconds before the end of the rest."""
        read: R | None = None
        if self._paused:
            return None
        if self._first:
            read = self._first.popleft()
        elif self._waiting and left <= 0:
            read = self._waiting.take(self._reading)
            if read is not None:
                self._reading.add(read.owner)
        self._active += read is not None
        return read
