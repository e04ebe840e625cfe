"""What the store's thread is woken for."""

from __future__ import annotations

from contextlib import suppress
from enum import Enum
from queue import Empty, SimpleQueue


class Signal(Enum):
    """What the thread is woken for."""

    APPLY = "something is to be applied"
    RETRY = "what could not be applied is to be tried again"
    COMMIT = "something is to be committed in this thread"
    GUESTS = "new guests are to be committed soon"
    CLOSE = "nothing more will come"


class Signals:
    """Signals for one thread. Any thread may put one."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Signal] = SimpleQueue()
        self.put = self._queue.put

    def take(self, timeout: float) -> set[Signal]:
        """Return all that have come. Wait for the first for so many seconds, which may be infinitely many."""
        signals: set[Signal] = set()
        with suppress(Empty):
            signals.add(self._queue.get(timeout=None if timeout == float("inf") else timeout))
            while True:
                signals.add(self._queue.get_nowait())
        return signals
