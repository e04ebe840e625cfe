"""A clock that stands still until a test moves it."""

from __future__ import annotations

import time

from app.clock import Clock

UPTIME = 1_000_000.0
"""Seconds since an unspecified start, as on a machine that has been up for days."""


class ManualClock(Clock):
    """The application's time in a test: it begins at `now`, milliseconds since 1970 (without it: the present), and
    stands still until `advance`.

    It moves what goes by `app.clock`: times of events, mutes and bans, slow mode, rates, tries of passwords, names that
    are held, and what retention keeps. Timers of the event loop go by real time: pings, timeouts, the period in which
    presence is sent, and how often retention looks (once a minute, and at the start).
    """

    __slots__ = ("_elapsed", "_start")

    def __init__(self, now: int | None = None) -> None:
        self._start = time.time_ns() // 1_000_000 if now is None else now
        self._elapsed = 0.0

    def now(self) -> int:
        return self._start + round(1000 * self._elapsed)

    def monotonic(self) -> float:
        return UPTIME + self._elapsed

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass. Fractions count to the millisecond; time never goes back."""
        if seconds < 0:
            raise ValueError(f"can't advance by {seconds} s: time does not go back")
        self._elapsed += seconds
