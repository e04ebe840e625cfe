"""Retention: old events are removed from the store, once a minute, in small steps."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import perf_counter

from app.backends import Backend, Unavailable
from app.clock import Clock

log = logging.getLogger("chat")

TRIM_PERIOD = 60.0
"""Seconds between two rounds of trimming."""
TRIM_STEP = 100
"""Most events to remove in one step, so that others need not wait long for the store."""
REST = 4.0
"""For how long trimming rests after a step, as a multiple of the step's time: others have most of the store's."""
SETTLING = 5 * 60.0
"""For how many seconds the clock has to be steady before anything is removed because of its age: what a clock that is
wrong for a moment removes is gone for good."""
SUSPECT = 60 * 60.0
"""The same, if the clock is more than QUIET seconds ahead of the newest event: either the chat was quiet for that long,
or the clock is wrong."""
QUIET = 24 * 60 * 60.0
JUMP = 60.0
"""By how many seconds the clock may differ from the one that nobody can set."""


@asynccontextmanager
async def trimming(
    backend: Backend, clock: Clock, *, count: int, age: float, leads: Callable[[], bool]
) -> AsyncIterator[None]:
    """Keep the last `count` events of each room, and none older than `age` seconds; 0 is no limit. `leads` says whether
    this node does it, if several share the history."""
    task = asyncio.create_task(_trim_forever(backend, clock, count=count, age=age, leads=leads))
    yield
    task.cancel()
    await asyncio.wait({task})


class SteadyClock:
    """Says whether the time can be trusted enough to remove events by their age."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = self._difference()
        self._settled_at = clock.monotonic() + SETTLING
        self._compared = False

    async def is_settled(self, backend: Backend) -> bool:
        """Whether the clock has been steady for long enough."""
        difference = self._difference()
        if abs(difference - self._offset) > JUMP:
            self._doubt(f"the clock jumped by {difference - self._offset:.0f} s", SETTLING)
            self._offset = difference
        if not self._compared:
            self._compared = True
            newest = await backend.newest()
            ahead = (self._clock.now() - newest) / 1000
            if newest and ahead > QUIET:
                self._doubt(f"the clock is {ahead / QUIET:.0f} days ahead of the newest message", SUSPECT)
        return self._clock.monotonic() >= self._settled_at

    def _difference(self) -> float:
        return self._clock.now() / 1000 - self._clock.monotonic()

    def _doubt(self, why: str, seconds: float) -> None:
        self._settled_at = self._clock.monotonic() + seconds
        log.warning("Nothing is removed because of its age (chat.retention) for %.0f min: %s", seconds / 60, why)


async def _trim_forever(backend: Backend, clock: Clock, *, count: int, age: float, leads: Callable[[], bool]) -> None:
    steady = SteadyClock(clock)
    while True:
        try:
            by_age = bool(age) and await steady.is_settled(backend)
            if (count or by_age) and leads():
                await _trim_all(backend, keep=count, since=clock.now() - int(1000 * age) if by_age else 0)
        except Unavailable as error:
            log.warning("Trimming (chat.retention) failed and is tried again in a minute: %s", error)
        except Exception:
            log.exception("Trimming (chat.retention) failed and is tried again in a minute")
        await asyncio.sleep(TRIM_PERIOD)


async def _trim_all(backend: Backend, *, keep: int, since: int) -> None:
    """Trim every room."""
    removed = rooms = 0
    for room in await backend.rooms():
        before, trimmed = removed, TRIM_STEP
        while trimmed == TRIM_STEP:
            began = perf_counter()
            trimmed = await backend.trim(room, keep=keep, since=since, limit=TRIM_STEP)
            removed += trimmed
            if trimmed:
                await asyncio.sleep(REST * (perf_counter() - began))
        rooms += removed > before
    if removed:
        log.info("Removed %d events that are too old or too many (chat.retention), in %d rooms", removed, rooms)
