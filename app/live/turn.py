"""Turns of an event loop: how much of one goes into answers that take long to write."""

from __future__ import annotations

import asyncio
from collections import deque
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
