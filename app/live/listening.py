"""Hearing what happens in all rooms, for modules: each event once and in order, however slow it is."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress

from app.backends import Backend, Trimmed, Unavailable
from app.chat.events import Event
from app.chat.logs import CONVERSATION

log = logging.getLogger("chat")

Listener = Callable[[Event], Awaitable[None]]

MOST_UNHEARD = 10_000
"""Events that wait for a listener in memory; what is more it gets from the log."""
PAGE = 100
RETRY = 1.0
"""Seconds until the log is asked again by who could not read it."""


@asynccontextmanager
async def listening(backend: Backend, listener: Listener) -> AsyncIterator[Listening]:
    """Await `listener(event)` for each event in a room that is committed from now on. Whispers are left out."""
    heard = Listening(backend, listener)
    loop = asyncio.get_running_loop()

    def committed(events: Sequence[Event]) -> None:
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(heard.put, events)

    unfollow = backend.follow(committed)
    task = asyncio.create_task(heard.run())
    try:
        yield heard
    finally:
        unfollow()
        task.cancel()
        await asyncio.wait({task})


class Listening:
    """What waits for one listener: events, and rooms of which it has to read the log since too much waited."""

    def __init__(self, backend: Backend, listener: Listener) -> None:
        self._backend, self._listener = backend, listener
        self._waiting: deque[Event] = deque()
        self._behind: dict[str, _Gap] = {}
        self._wake = asyncio.Event()
        self.idle = asyncio.Event()
        """Set while nothing waits and the listener is not at work."""

    def put(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.room[0] == CONVERSATION:
                continue
            if gap := self._behind.get(event.room):
                gap.newest = event.seq
            elif len(self._waiting) < MOST_UNHEARD:
                self._waiting.append(event)
            else:
                self._behind[event.room] = _Gap(event.seq - 1, event.seq)
        self.idle.clear()
        self._wake.set()

    async def run(self) -> None:
        while True:
            while self._waiting:
                await self._hear(self._waiting.popleft())
            for room in list(self._behind):
                await self._catch_up(room, self._behind[room])
            if not self._waiting and not self._behind:
                self._wake.clear()
                self.idle.set()
                await self._wake.wait()

    async def _catch_up(self, room: str, gap: _Gap) -> None:
        """Read on until the log holds nothing newer; what is committed meanwhile widens the gap, and is not put."""
        while gap.at < gap.newest:
            newest = gap.newest
            try:
                events = await self._backend.read(room, after=gap.at, limit=PAGE)
            except Trimmed as trimmed:
                gap.at = trimmed.through
                continue
            except Unavailable as error:
                log.warning("a listener is behind in %s, and has to wait: %s", room, error)
                await asyncio.sleep(RETRY)
                continue
            events = [event for event in events if event.seq <= newest]  # what is newer is put yet, or has been
            for event in events:
                await self._hear(event)
            gap.at = events[-1].seq if events else newest
        del self._behind[room]

    async def _hear(self, event: Event) -> None:
        try:
            await self._listener(event)
        except Exception:
            log.exception("a listener failed at event %s in %s", event.seq, event.room)


class _Gap:
    """What a listener has to read: after `at`, up to `newest`."""

    __slots__ = ("at", "newest")

    def __init__(self, at: int, newest: int) -> None:
        self.at, self.newest = at, newest
