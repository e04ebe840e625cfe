"""When a shard sends what is due: at once, or after a slow flush a little later, together with what comes meanwhile. So
batches grow under load, while the time until a message arrives does not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

SLOW_FLUSH = 0.002
"""Seconds after which a flush counts as slow."""
TIME_SLICE = 0.005
"""Seconds that a flush may take before handshakes, incoming messages and small rooms get their turn, and that it is put
off at most where nothing tells what is under way."""


class FlushPacing:
    """Puts flushes off. After a slow one, the next is put off once until the appends under way are committed.

    With `rests`, other nodes write as well, and nothing tells what they have under way. Then it is put off for as long
    as the slow one took, and `flush` is called after that.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, flush: Callable[[], None], *, rests: bool) -> None:
        self.slow = self.deferred = False
        """Whether the last flush was slow, and whether one waits for the appends under way."""
        self._loop, self._flush, self._rests = loop, flush, rests
        self._rest_until = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def puts_off(self, pending_appends: int) -> bool:
        """Whether a flush that is due has to wait."""
        if self.slow and self._rests:
            rest = self._rest_until - monotonic()
            if rest > 0 and self._timer is None:
                self._timer = self._loop.call_later(rest, self._rested)
            return rest > 0
        self.deferred = bool(self.slow and pending_appends and not self.deferred)
        return self.deferred

    def flushed(self, began: float) -> None:
        """Note that a flush has ended, and when it began by the monotonic clock."""
        now = monotonic()
        self.slow = now - began > SLOW_FLUSH
        self._rest_until = now + min(now - began, TIME_SLICE)

    def _rested(self) -> None:
        self._timer = None
        self._flush()
