"""Listeners: modules that get every event in all rooms, once and in order, however slow they are."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress

from app.backends import Backend, Trimmed, Unavailable
from app.backends.damage import Damaged
from app.chat.events import Event
from app.chat.fitting import PAGE_BYTES
from app.chat.logs import CONVERSATION

log = logging.getLogger("chat")

Listener = Callable[[Event], Awaitable[None]]

MAX_BACKLOG = 10_000
"""Events that wait for a listener in memory. It reads further ones from the log."""
PAGE_SIZE = 100
RETRY_DELAY = 1.0
"""Seconds to wait before reading the log again when the store is unavailable."""


@asynccontextmanager
async def listening(backend: Backend, listener: Listener) -> AsyncIterator[Backlog]:
    """Await `listener(event)` for each event that is committed in a room from now on. Whispers are left out."""
    backlog = Backlog(backend, listener)
    loop = asyncio.get_running_loop()

    def committed(events: Sequence[Event]) -> None:
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(backlog.put, events)

    unfollow = backend.follow(committed)
    task = asyncio.create_task(backlog.run())
    try:
        yield backlog
    finally:
        unfollow()
        task.cancel()
        await asyncio.wait({task})


class Backlog:
    """What one listener has yet to get: events, and gaps in rooms where too many came to keep them in memory."""

    def __init__(self, backend: Backend, listener: Listener) -> None:
        self._backend, self._listener = backend, listener
        self._events: deque[Event] = deque()
        self._gaps: dict[str, _Gap] = {}
        self._wake = asyncio.Event()
        self.idle = asyncio.Event()
        """Set while nothing waits and the listener is not running."""

    def put(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.room[0] == CONVERSATION:
                continue
            if gap := self._gaps.get(event.room):
                gap.newest = event.seq
            elif len(self._events) < MAX_BACKLOG:
                self._events.append(event)
            else:
                self._gaps[event.room] = _Gap(event.seq - 1, event.seq)
        self.idle.clear()
        self._wake.set()

    async def run(self) -> None:
        while True:
            while self._events:
                await self._call_listener(self._events.popleft())
            for room in list(self._gaps):
                await self._read_gap(room, self._gaps[room])
            if not self._events and not self._gaps:
                self._wake.clear()
                self.idle.set()
                await self._wake.wait()

    async def _read_gap(self, room: str, gap: _Gap) -> None:
        """Read the log until the gap is closed. Events that are committed meanwhile widen it."""
        while gap.after < gap.newest:
            newest = gap.newest
            try:
                page = await self._backend.read(room, after=gap.after, limit=PAGE_SIZE, size=PAGE_BYTES)
            except Trimmed as trimmed:
                gap.after = trimmed.through
                continue
            except Damaged as damage:
                gap.after = damage.through or newest
                log.error("A listener misses events in %s: %s", room, damage)
                continue
            except Unavailable as error:
                log.warning("A listener is behind in %s and waits for the store: %s", room, error)
                await asyncio.sleep(RETRY_DELAY)
                continue
            events = [event for event in page if event.seq <= newest]  # `put` gets the newer ones
            for event in events:
                await self._call_listener(event)
            gap.after = events[-1].seq if events else newest
        del self._gaps[room]

    async def _call_listener(self, event: Event) -> None:
        try:
            await self._listener(event)
        except Exception:
            log.exception("A listener failed at event %s in %s", event.seq, event.room)


class _Gap:
    """Events that a listener has to read from the log: those after `after`, up to `newest`."""

    __slots__ = ("after", "newest")

    def __init__(self, after: int, newest: int) -> None:
        self.after, self.newest = after, newest
