"""Turns: how much of one of the event loop goes into commands and long answers, and whose search is next."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from time import monotonic

from app.backends.turns import OWNER
from app.chat.fair_queue import FairQueue

SHARE = 0.0005
"""Seconds of a turn that go into commands and long answers. At least one of them is carried out in each."""
HOLD = 0.001
"""Seconds for which they are held up while messages are on their way to the disk. The thread that writes those waits
for the processor and for the interpreter's lock, both of which a busy loop keeps for milliseconds."""


class LoopTurns:
    """Spreads commands and long answers over turns of the event loop, so that what else arrived in a turn, such as
    messages, doesn't wait for all of them. Once there are too many for a turn, each owner has one in turn, and messages
    come first, as long as they wait for the disk."""

    def __init__(self, loop: asyncio.AbstractEventLoop, messages_wait: Callable[[], bool]) -> None:
        self._loop, self._messages_wait = loop, messages_wait
        self._waiting: FairQueue[asyncio.Future[None]] = FairQueue()
        self._began = 0.0
        self._running = self._held = False

    async def wait(self) -> None:
        """Wait until the current task may go on. Do one thing before this is called again."""
        if (turn := self.next(OWNER.get())) is not None:
            await turn

    def next(self, owner: Hashable) -> asyncio.Future[None] | None:
        """Return the turn in which something of `owner` may be done, or None if that is this one. Do one thing before
        this is called again."""
        if not self._running:
            self._running, self._began = True, monotonic()
            self._loop.call_soon(self._next_turn)
        elif self._waiting or monotonic() - self._began > SHARE:
            future: asyncio.Future[None] = self._loop.create_future()
            self._waiting.put(future, owner)
            return future
        return None

    def charge(self, seconds: float) -> None:
        """Count what this turn still has to do because of what was just done."""
        self._began -= seconds

    def _next_turn(self) -> None:
        self._held = bool(self._waiting) and not self._held and self._messages_wait()
        if self._held:
            self._loop.call_later(HOLD, self._next_turn)
            return
        self._running = False
        while not self._running and (future := self._waiting.take()) is not None:
            if not future.done():  # else its connection has ended meanwhile
                self._running, self._began = True, monotonic()
                future.set_result(None)
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
