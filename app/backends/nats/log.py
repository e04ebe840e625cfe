"""The common log, as one node writes and reads it.

What is appended is also published, and what isn't heard there is read. Positions are processed in order and none is
left out.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from threading import Thread
from time import monotonic
from typing import Any, TypeVar

import uvloop
from msgspec import MsgspecError

from app.backends import StoreError
from app.backends.nats.batches import LEVEL, clears, decode
from app.backends.nats.committing import LogCommitter
from app.backends.nats.engine import Engine
from app.backends.nats.errors import EngineError, Purged
from app.backends.nats.preparing import found_log, prepare
from app.backends.nats.sending import PATIENCE, RETRY, Sending
from app.backends.outage import Outage, Source
from app.backends.reasons import one_line

log = logging.getLogger("store")

T = TypeVar("T")

SILENCE = 1.0
"""After so many seconds without anything new, look whether something was missed."""
LATE = 0.05
"""After so many seconds, what is known to be in the log and wasn't heard is read."""
STORE_RETRY = 1.0
"""Seconds between two attempts to go on while this node's copy can't be read."""
MARK = 0.1
"""Seconds to which it is known how far this node is behind."""
HEARD = 64 << 20
"""Most bytes that are kept of what was heard before its turn."""


class Log:
    """The thread that writes and reads the log. `engine` is used in its event loop only."""

    def __init__(self, engine: Engine, outage: Outage) -> None:
        self.engine, self._outage = engine, outage
        self.run = secrets.token_bytes(8)
        self.loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        self.next = 1
        """The position to process next."""
        self.left_behind: Callable[[str], object] = self.halt
        """Called when what this node needs next is gone."""
        self._committer: LogCommitter
        self._begun = False
        self._sending = Sending(engine, self.run, self._start, self._stored)
        self._heard: dict[int, bytes] = {}
        self._heard_size = 0
        self.cleared_at = 0
        """The last position that may have cleared a text: an edit, a deletion, or a trim."""
        self._known_end = 0
        """The last position that is known to be in the log."""
        self._known: deque[tuple[int, float]] = deque()
        """Positions that are to be processed, and when they became known: one for each MARK seconds."""
        self._own_at = float("-inf")
        """When a batch of this node last came back."""
        self._arrived, self._finished = asyncio.Event(), asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        """Who waits until a position is processed."""
        self._starting: asyncio.Task[None] | None = None
        self._thread = Thread(target=self._serve, name="log", daemon=True)

    def open(self, path: str) -> None:
        """Start the thread, connect, and see to it that there is a log, and that this node can go on in it with the
        copy at `path`. StoreError if the log can't be used."""
        self._thread.start()
        try:
            self.call(self._until_given_up(self._open(path)))
        except BaseException:
            self._stop()
            raise

    def begin(self, committer: LogCommitter, applied: int) -> None:
        """Process what comes after the position `applied`. Return once this node has what the log had at this moment.
        StoreError if that can't be."""
        self._committer = self._sending.committer = committer
        self.next, self.cleared_at = applied + 1, applied
        try:
            self.call(self._until_given_up(self._begin()))
        except BaseException:
            self._stop()
            raise

    def give_up(self) -> None:
        """End `open` or `begin` with a StoreError, if one of them waits. From a handler of signals, too."""
        self.call_soon(lambda: self._starting and self._starting.cancel())

    def close(self) -> None:
        """Send what was asked for, as far as the servers take it, and end the thread."""
        if self._thread.is_alive():
            if self._begun:
                self.call(self._sending.finish())
            self._stop()

    @property
    def behind(self) -> float:
        """For how many seconds this node has lacked something that it knows to be in the log."""
        known = self._known
        return monotonic() - known[0][1] if known else 0.0

    @property
    def age(self) -> float:
        """How many seconds ago a batch of this node last came back from the log."""
        return monotonic() - self._own_at

    def wake(self) -> None:
        """Send what is pending. For any thread."""
        self.call_soon(self._sending.wake)

    def applied(self) -> None:
        """Look again whether something can be placed now. For any thread."""
        self.call_soon(self._finished.set)

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the log's loop, from another thread, and return its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()

    def call_soon(self, act: Callable[[], object]) -> None:
        """Call a function in the log's loop, from any thread."""
        with suppress(RuntimeError):  # the loop is closed
            self.loop.call_soon_threadsafe(act)

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        self.loop.close()

    def _stop(self) -> None:
        with suppress(RuntimeError):
            self.call(self._end())
            self.call_soon(self.loop.stop)
        self._thread.join()

    def keep_running(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine in the log's loop until the log is closed. From another thread."""
        self.call_soon(lambda: self._start(coroutine))

    async def _end(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.engine.close()

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self.loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _until_given_up(self, step: Coroutine[Any, Any, None]) -> None:
        self._starting = asyncio.current_task()
        try:
            await step
        except asyncio.CancelledError:
            raise StoreError("chat.nats: this node was stopped before it had started") from None
        finally:
            self._starting = None

    async def _open(self, path: str) -> None:
        await self.engine.open(lambda: found_log(self.engine, path))
        await prepare(self.engine, path, level=LEVEL)

    async def _begin(self) -> None:
        stream = self.engine.settings.stream
        self.engine.listen(f"{stream}.live", lambda payload, position: self._hear(payload, position))
        first, last = await self._bounds()
        if self.next > last + 1:
            raise StoreError(
                f"the log {stream} ends at position {last}, but this node's copy has position {self.next - 1}: it is "
                "the copy of another log, or the log was restored: move the copy away, and this node makes a new one"
            )
        if self.next < first:
            raise StoreError(f"the log {stream} begins at position {first}, after {self.next - 1} of this node's copy")
        self._know(last)
        self._start(self._receive())
        await self._reaches(last)
        self._sending.begin()
        self._begun = True

    async def _bounds(self) -> tuple[int, int]:
        """The first and the last position of the log. A server may not know the end for a moment."""
        deadline = monotonic() + PATIENCE
        while True:
            try:
                first, last = await self.engine.bounds()
                if self.next <= last + 1 or monotonic() > deadline:
                    return first, last
            except EngineError as error:
                if monotonic() > deadline:
                    raise StoreError(f"chat.nats: {error}") from None
            await asyncio.sleep(RETRY)

    async def _reaches(self, position: int) -> None:
        """Wait until a position is processed."""
        if position >= self.next:
            future: asyncio.Future[None] = self.loop.create_future()
            self._waiting.append((position, future))
            await future

    def _stored(self, position: int) -> bool:
        """Note where something of this node is in the log. Return whether that was processed already."""
        if position < self.next:
            return True
        self._know(position)
        self.loop.call_later(LATE, self._arrived.set)
        return False

    def _hear(self, payload: bytes, position: int) -> None:
        self._know(position)
        if position >= self.next and self._heard_size + len(payload) < HEARD:
            self._heard[position] = payload
            self._heard_size += len(payload)
            self._arrived.set()

    def _know(self, position: int) -> None:
        """Note that a position is in the log."""
        if position <= self._known_end:
            return
        self._known_end, now = position, monotonic()
        if position < self.next:
            return
        if self._known and now - self._known[-1][1] < MARK:
            self._known[-1] = position, self._known[-1][1]
        else:
            self._known.append((position, now))

    async def _receive(self) -> None:
        while not self._sending.halted:
            payload = self._heard.pop(self.next, None)
            if payload is not None:
                self._heard_size -= len(payload)
                await self._process(payload)
                continue
            for position in [position for position in self._heard if position < self.next]:
                self._heard_size -= len(self._heard.pop(position))
            if self._heard or self._known_end >= self.next:
                await self._read()
                continue
            self._arrived.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(SILENCE):
                    await self._arrived.wait()
                continue
            await self._read()

    async def _read(self) -> None:
        """Read what was not heard."""
        try:
            messages = await self.engine.read(self.next)
        except EngineError:
            await asyncio.sleep(RETRY)
            return
        except Purged as error:
            self.left_behind(f"the log begins at position {error.first} now, after {self.next - 1} of this node's copy")
            await asyncio.Event().wait()
        if not messages and self._heard:
            await asyncio.sleep(LATE)  # the server that answers has not got it yet
        elif not messages:
            self._known_end = min(self._known_end, self.next - 1)
            self._known.clear()
        for position, payload in messages:
            if position == self.next:
                await self._process(payload)

    async def _process(self, payload: bytes) -> None:
        """Process what is at the next position."""
        try:
            batch = decode(payload)
        except MsgspecError as error:
            await self._halt(f"position {self.next} of the log is of a newer Natter, or not of Natter at all: {error}")
        if batch.level > LEVEL:
            await self._halt(f"position {self.next} of the log is of a newer Natter: install that one on this node")
        own = self._sending.own(batch)
        while self._committer.holds(batch) or self._committer.is_full:
            self._finished.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(STORE_RETRY):
                    await self._finished.wait()
        while True:
            try:
                counts = self._committer.receive(self.next, batch, own.entries if own else None)
                break
            except Exception as error:
                if Source.STORE not in self._outage.causes:
                    log.exception("Position %d of the log can't be placed", self.next)
                self._outage.fail(Source.STORE, one_line(error, self._outage.path))
                await asyncio.sleep(STORE_RETRY)
        if any(clears(change) for change in batch.changes):
            self.cleared_at = self.next
        self.next += 1
        while self._known and self._known[0][0] < self.next:
            self._known.popleft()
        if batch.run == self.run:
            self._own_at = monotonic()
            self._sending.came_back(own, self.next - 1, counts=counts)
        while self._waiting and self._waiting[0][0] < self.next:
            self._waiting.pop(0)[1].set_result(None)

    async def _halt(self, why: str) -> None:
        """Stop processing for good: nothing may be left out."""
        self.halt(why)
        await asyncio.Event().wait()

    def halt(self, why: str) -> None:
        """Take nothing any more. This node serves what it has."""
        self._outage.fail(Source.LOG, why)
        self._sending.halt(why)
        for _, future in self._waiting:
            future.set_exception(StoreError(why))
        self._waiting.clear()
