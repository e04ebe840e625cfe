"""Whose read is next: one of each owner in turn, and never two of one at once.

So one who reads as much as is allowed waits for itself, and others for one read of it at most. Reads without an owner,
such as those of a handshake, go first. The others leave half of the time to what else there is to do, however many of
them wait. After a long one, its owner has to wait for as long as it took, but nobody else has to for long.
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
LONGEST = 0.005
"""Seconds that nobody reads after a read, at most. The rest of its rest concerns its owner alone."""


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
        """The threads that wait. The one that waits for the end of a rest is the first."""
        self._timed: _Seat[R] | None = None
        """That one."""
        self._timed_until = 0.0
        self._active = 0
        """How many reads are under way."""
        self._quiet = Condition(self._lock)
        """Notified when there are none."""
        self._rested = 0.0
        """When the time that reads with an owner took has been made up for, by the monotonic clock."""
        self._rests: dict[Hashable, float] = {}
        """When the rests of owners end whose reads were long."""
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
                read, left = self._next()
                if read is not None:
                    return read
                if self._closed and not self._waiting:
                    self._wake_all()
                    return None
                seat = _Seat()
                if self._is_sooner(left):
                    self._timed, self._timed_until = seat, monotonic() + left
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
                now, rest = monotonic(), min(took, LONGEST)
                self._reading.discard(read.owner)
                self._rested = max(self._rested, now - rest) + 2 * rest
                if took > LONGEST:
                    self._rests[read.owner] = now + took

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
        while self._idle:
            read, left = self._next()
            if read is None:
                if self._is_sooner(left):
                    self._idle.pop().lock.release()  # has to wait for the end of a rest
                return
            seat = self._idle.pop()
            seat.read = read
            seat.lock.release()

    def _is_sooner(self, left: float) -> bool:
        """Whether a thread has to wait for the end of a rest, which no other one does or not for as short."""
        return left > 0 and (self._timed is None or monotonic() + left < self._timed_until)

    def _wake_all(self) -> None:
        while self._idle:
            self._idle.pop().lock.release()

    def _next(self) -> tuple[R | None, float]:
        """Take the next read that may begin now. If there is none, return the seconds until a rest is over before that,
        or 0.0 if there is no rest."""
        if self._paused or not (self._first or self._waiting):
            return None, 0.0
        if self._first:
            self._active += 1
            return self._first.popleft(), 0.0
        now = monotonic()
        if self._closed:
            self._rests.clear()
        elif self._rested - AHEAD > now:
            return None, self._rested - AHEAD - now
        if self._rests:
            self._rests = {owner: end for owner, end in self._rests.items() if end > now}
        read = self._waiting.take(self._reading | self._rests.keys() if self._rests else self._reading)
        if read is None:
            return None, min(self._rests.values(), default=now) - now
        self._reading.add(read.owner)
        self._active += 1
        return read, 0.0
