"""The time, in one place, so that tests can move it."""

from __future__ import annotations

import time


class Clock:
    """The clock of an application, used for events, mutes, bans, slow mode, rates, held names and retention. Timers of
    connections (pings, stalls, presence) use the event loop's."""

    __slots__ = ()

    def now(self) -> int:
        """Milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds since an unspecified start. It never goes back."""
        return time.monotonic()
