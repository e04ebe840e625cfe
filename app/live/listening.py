"""Listeners: modules that get every event in all rooms, once and in order, however slow they are.

If several nodes share a history, the one that leads calls its listeners, and tells the others how far they are. With
these, the events that its listeners have yet to get wait as well. So if that node dies, the next one goes on from
there. What was being done at that moment is done again: what a speaker says in answer has the same `cid` then.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from hashlib import blake2b
from typing import Protocol

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


class Duty(Protocol):
    """Which node calls its listeners, and how far they are."""

    @property
    def leads(self) -> bool:
        """Whether it is this one."""

    def heard(self, listener: str, event: Event) -> None:
        """Tell the others that a listener has got an event."""


@asynccontextmanager
async def listening(
    backend: Backend, listener: Listener, name: str = "", duty: Duty | None = None
) -> AsyncIterator[Backlog]:
    """Await `listener(event)` for each event that is committed in a room from now on. Whispers are left out. If several
    nodes share the history, `duty` says whether this one does so, and `name` is that of the listener among them."""
    backlog = Backlog(backend, listener, name, duty)
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

    def __init__(self, backend: Backend, listener: Listener, name: str = "", duty: Duty | None = None) -> None:
        self._backend, self._listener, self.name, self._duty = backend, listener, name, duty
        self._heard: dict[str, int] = {}
        """How far the listener on the node that leads is, by room."""
        self._events: deque[Event] = deque()
        self._gaps: dict[str, _Gap] = {}
        self._wake = asyncio.Event()
        self.idle = asyncio.Event()
        """Set while nothing waits and the listener is not running."""

    def put(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.room[0] == CONVERSATION or event.seq <= self._heard.get(event.room, 0):
                continue
            if gap := self._gaps.get(event.room):
                gap.newest = event.seq
            elif len(self._events) < MAX_BACKLOG:
                self._events.append(event)
            else:
                self._gaps[event.room] = _Gap(event.seq - 1, event.seq)
        self.look()

    def look(self) -> None:
        """Go on if there is something to do on this node."""
        if self._leads():
            self.idle.clear()
            self._wake.set()

    def heard_elsewhere(self, room: str, seq: int) -> None:
        """Drop what the listener on the node that leads has got."""
        self._heard.pop(room, None)
        self._heard[room] = seq
        while len(self._heard) > MAX_BACKLOG:
            del self._heard[next(iter(self._heard))]
        while self._events and self._events[0].seq <= self._heard.get(self._events[0].room, 0):
            self._events.popleft()
        gap = self._gaps.get(room)
        if gap is not None:
            gap.after = max(gap.after, seq)
            if gap.after >= gap.newest and not self._leads():
                del self._gaps[room]

    def _leads(self) -> bool:
        return self._duty is None or self._duty.leads

    async def run(self) -> None:
        while True:
            while self._events and self._leads():
                event = self._events.popleft()
                if event.seq > self._heard.get(event.room, 0):
                    await self._call_listener(event)
            for room in list(self._gaps) if self._leads() else ():
                await self._read_gap(room, self._gaps[room])
            if not self._leads() or not (self._events or self._gaps):
                self._wake.clear()
                self.idle.set()
                await self._wake.wait()

    async def _read_gap(self, room: str, gap: _Gap) -> None:
        """Read the log until the gap is closed. Events that are committed meanwhile widen it."""
        while gap.after < gap.newest and self._leads():
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
            gap.after = max(gap.after, events[-1].seq if events else newest)
        if gap.after >= gap.newest:
            del self._gaps[room]

    async def _call_listener(self, event: Event) -> None:
        if self._duty is not None:
            ANSWERING.set(Answering(self.name, event))
        try:
            await self._listener(event)
        except Exception:
            log.exception("A listener failed at event %s in %s", event.seq, event.room)
        if self._duty is not None:
            self._duty.heard(self.name, event)


class Answering:
    """What a listener does about an event, which another node may do again."""

    def __init__(self, listener: str, event: Event) -> None:
        self._listener, self._event, self._answers = listener, event, 0

    def next_cid(self) -> str:
        """Return the `cid` of the next answer: the same on every node if it is given as many, in the same order."""
        self._answers += 1
        what = f"{self._listener}\n{self._event.room}\n{self._event.id}\n{self._answers}"
        return f"answer-{blake2b(what.encode(errors='surrogatepass'), digest_size=16).hexdigest()}"


ANSWERING: ContextVar[Answering | None] = ContextVar("ANSWERING", default=None)
"""What the running listener answers, if several nodes share the history."""


class _Gap:
    """Events that a listener has to read from the log: those after `after`, up to `newest`."""

    __slots__ = ("after", "newest")

    def __init__(self, after: int, newest: int) -> None:
        self.after, self.newest = after, newest
