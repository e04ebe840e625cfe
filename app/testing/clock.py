"""A clock that a test moves."""

from __future__ import annotations

from app.clock import Clock

UPTIME = 1_000_000.0
"""Seconds since an unspecified start, as on a machine that has been up for days."""


class ManualClock(Clock):
    """A clock that stands still until `advance`. It starts at `now`, in milliseconds since 1970; the default is now.

    It sets the times of events, mutes and bans, slow mode, rate limits, password attempts and held names, and the age
    that retention goes by. Timers of the event loop run in real time: pings, timeouts, the period of presence, and the
    trimming of the store, which runs at the start and then once a minute. What is too old goes once this clock has run
    for five minutes.
    """

    __slots__ = ("_elapsed", "_start")

    def __init__(self, now: int | None = None) -> None:
        self._start = super().now() if now is None else now
        self._elapsed = 0.0

    def now(self) -> int:
        return self._start + round(1000 * self._elapsed)

    def monotonic(self) -> float:
        return UPTIME + self._elapsed

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass, to the millisecond."""
        if seconds < 0:
            raise ValueError(f"can't advance by {seconds} s: time doesn't go back")
        self._elapsed += seconds
