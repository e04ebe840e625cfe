"""The time, in one place, so that a test can move it."""

from __future__ import annotations

import time


class Clock:
    """What an application goes by for events, mutes, bans, slow mode, rates, held names and retention. Timers of
    connections (pings, stalls, presence) go by the event loop."""

    __slots__ = ()

    def now(self) -> int:
        """Milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds that never go back, from an unspecified start."""
        return time.monotonic()
