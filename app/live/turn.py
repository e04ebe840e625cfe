"""Turns: how much of one of the event loop goes into answers that take long to write, and whose search is next."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from time import monotonic

SHARE = 0.001
"""Seconds of a turn that go into long answers. At least one is written in each."""


class AnswerTurns:
    """Lets long answers be written one after another, a few in each turn of the event loop, so that what else arrived
    in a turn doesn't wait for all of them."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._began = 0.0
        self._running = False

    async def wait(self) -> None:
        """Wait until the next answer may be written. Write it before anything else is awaited."""
        if not self._running:
            self._running, self._began = True, monotonic()
            self._loop.call_soon(self._next_turn)
        elif self._waiting or monotonic() - self._began > SHARE:
            future: asyncio.Future[None] = self._loop.create_future()
            self._waiting.append(future)
            await future

    def _next_turn(self) -> None:
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft()  # its connection has ended meanwhile
        self._running = bool(self._waiting)
        if self._running:
            self._began = monotonic()
            self._waiting.popleft().set_result(None)
            self._loop.call_soon(self._next_turn)


class OneEach:
    """Lets each owner do one thing at a time, in the order in which it asked."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, deque[asyncio.Future[None]]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    @asynccontextmanager
    async def turn(self, owner: Hashable) -> AsyncIterator[None]:
        """Wait until nothing else of this owner is under way."""
        waiting = self._waiting.get(owner)
        if waiting is None:
            self._waiting[owner] = deque()
        else:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            waiting.append(future)
            try:
                await future
            except asyncio.CancelledError:
                if future.done() and not future.cancelled():
                    self._pass_on(owner)
                raise
        try:
            yield
        finally:
            self._pass_on(owner)

    def _pass_on(self, owner: Hashable) -> None:
        waiting = self._waiting[owner]
        while waiting:
            future = waiting.popleft()
            if not future.done():
                future.set_result(None)
                return
        del self._waiting[owner]
