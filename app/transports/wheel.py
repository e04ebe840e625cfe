"""The deadlines of many connections, on one timer."""

from __future__ import annotations

import asyncio
from typing import Protocol
from weakref import WeakValueDictionary

from app.chat.closing import CloseCode

TICKS = 16
"""Into how many groups connections are parted, so that not all are pinged at once."""


class Watched(Protocol):
    """A connection, as its wheel sees it."""

    @property
    def full(self) -> bool:
        """Whether something waits to be written."""

    def ping(self) -> None:
        """Ask whether the client is still there."""

    def taken(self) -> int:
        """Bytes that waited once and were written: it grows as long as the client reads."""

    def give_up(self, code: CloseCode, reason: str) -> None:
        """End the connection, which does not answer or does not read."""


class Wheel:
    """One timer for all connections of a loop: it pings them in turn, and ends those that do not answer or read.

    `period` is how often each is pinged, in seconds, 0 for never; `timeout` how long it may take to answer, and `stall`
    how long it may read nothing while something waits for it, 0 for ever.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, period: float, timeout: float, stall: float) -> None:
        self._loop, self._period, self._timeout, self._stall = loop, period, timeout, stall
        self._groups: list[dict[Watched, None]] = [{} for _ in range(TICKS)]
        self._group_of: dict[Watched, int] = {}
        self._asked: dict[Watched, tuple[float, int]] = {}
        """Whose answer is awaited: since when, and what it had taken by then."""
        self._stalled: dict[Watched, tuple[float, int]] = {}
        self._next = self._turn = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, one: Watched) -> None:
        """Look after a connection from now on."""
        self._group_of[one] = self._next
        self._groups[self._next][one] = None
        self._next = (self._next + 1) % TICKS
        if self._timer is None:
            self._timer = self._loop.call_later(self._tick_length(), self._tick)

    def remove(self, one: Watched) -> None:
        """Look after it no longer."""
        del self._groups[self._group_of.pop(one)][one]
        self._asked.pop(one, None)
        self._stalled.pop(one, None)

    def answered(self, one: Watched) -> None:
        """The client is there."""
        self._asked.pop(one, None)

    def stalled(self, one: Watched) -> None:
        """Something waits for the client from now on."""
        self._stalled[one] = self._loop.time(), one.taken()

    def moved(self, one: Watched) -> None:
        """Nothing waits for it any more: it is there, whether or not there was room to ask."""
        self._stalled.pop(one, None)
        self._asked.pop(one, None)

    def _tick_length(self) -> float:
        """An answer that is late is noticed within a tick."""
        lengths = [length / TICKS for length in (self._period, self._timeout, self._stall) if length]
        return min([1.0, *lengths])

    def _tick(self) -> None:
        self._timer = self._loop.call_later(self._tick_length(), self._tick) if self._group_of else None
        now = self._loop.time()
        if self._timeout:
            self._cut_silent(now)
        if self._stall:
            self._cut_stalled(now)
        if self._period:
            self._ping(now)

    def _ping(self, now: float) -> None:
        """Ping the groups whose turn came since the last tick."""
        turn = int(now / self._period * TICKS)
        first = max(self._turn + 1, turn - TICKS + 1) if self._turn else turn
        for group in range(first, turn + 1):
            for one in self._groups[group % TICKS]:
                if one not in self._asked:
                    self._asked[one] = now, one.taken()
                    one.ping()
        self._turn = turn

    def _cut_silent(self, now: float) -> None:
        """One that is full was not asked, or the question waits: it is there as long as it reads."""
        for one in _overdue(self._asked, now - self._timeout):
            before = self._asked.pop(one)[1]
            if one.full and one.taken() > before:
                self._asked[one] = now, one.taken()
            else:
                one.give_up(CloseCode.PING_TIMEOUT, "no answer to a ping")

    def _cut_stalled(self, now: float) -> None:
        stalled = [one for one, (since, _) in self._stalled.items() if now - since >= self._stall]
        for one in stalled:
            before = self._stalled[one][1]
            if one.taken() > before:
                self._stalled[one] = now, one.taken()
            else:
                one.give_up(CloseCode.SLOW_READER, "nothing was read for too long")


def _overdue(asked: dict[Watched, tuple[float, int]], before: float) -> list[Watched]:
    """Those asked before a time. They are in the order in which they were asked."""
    found = []
    for one, (at, _) in asked.items():
        if at > before:
            break
        found.append(one)
    return found


def wheel_of(loop: asyncio.AbstractEventLoop, period: float, timeout: float, stall: float) -> Wheel:
    """The wheel of this loop with these deadlines: all its connections have it in common, and it goes with the last."""
    key = loop, period, timeout, stall
    wheel = _wheels.get(key)
    if wheel is None:
        wheel = _wheels[key] = Wheel(loop, period, timeout, stall)
    return wheel


_wheels: WeakValueDictionary[tuple[asyncio.AbstractEventLoop, float, float, float], Wheel] = WeakValueDictionary()
