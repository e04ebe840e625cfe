"""The batches of this node on their way into the common log.

At most IN_FLIGHT batches are under way, and what is asked for meanwhile waits for the next one. A batch is sent again,
in order with those after it, until it comes back from the log and counts. After PATIENCE its callers learn that the
store is unavailable, and an empty batch takes its number: should it arrive after all, one of the two counts.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Any

from msgspec import Raw, Struct

from app.backends.nats.batches import LEVEL, Batch, encode
from app.backends.nats.committing import UNREACHABLE, LogCommitter, Outgoing
from app.backends.nats.engine import Engine
from app.backends.nats.errors import EngineError
from app.backends.sequencing import Entry

IN_FLIGHT = 2
"""Batches that are under way at most. With one, the log would wait for each answer; with more, batches get small."""
PATIENCE = 12.0
"""Seconds that a batch may be under way. Electing another leader of the log takes up to 9."""
ANSWER = 3.0
"""Seconds that the servers have to answer to one attempt."""
RETRY = 0.1
"""Seconds between two attempts that fail at once."""
LONG = 1.0
"""Seconds after which reads don't wait any more for what is under way."""


class Sent(Struct):
    """A batch that is under way."""

    number: int
    payload: bytes
    entries: list[Entry]
    since: float
    position: int = 0
    """Where it was stored when it was sent last, as far as that is known."""
    task: asyncio.Task[None] | None = None


class Sending:
    """Everything runs in the log's loop, where `start` starts a task. `stored` is called with the position of what was
    stored, and returns whether that was processed already."""

    def __init__(
        self,
        engine: Engine,
        run: bytes,
        start: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        stored: Callable[[int], bool],
    ) -> None:
        self.committer: LogCommitter
        """To be set before anything is sent."""
        self.halted = False
        """Whether nothing is sent any more."""
        self._engine, self._run, self._start, self._stored = engine, run, start, stored
        self._in_flight: deque[Sent] = deque()
        self._number = 0
        self._problem = ""
        """What went wrong last."""
        self._woken = asyncio.Event()

    def begin(self) -> None:
        """Begin to send what is pending."""
        self._start(self._send())
        self._start(self._watch())

    async def finish(self) -> None:
        """Send all that is pending, as far as the servers take it."""
        while not self.committer.idle:
            if self.halted:
                self.committer.take()
            self._woken.set()
            await asyncio.sleep(RETRY / 10)

    def wake(self) -> None:
        """Send what is pending."""
        self._woken.set()

    def own(self, batch: Batch) -> Sent | None:
        """Return what this node has sent as this batch, if it is still under way."""
        if batch.run != self._run:
            return None
        return next((sent for sent in self._in_flight if sent.number == batch.number), None)

    def came_back(self, own: Sent | None, position: int, *, counts: bool) -> None:
        """Note that a batch of this run came back from the log."""
        if counts and own is not None:
            self._in_flight.remove(own)
        self._woken.set()
        if not counts:  # it was stored before its turn, as those after it may have been
            for sent in self._in_flight:
                if sent.position and sent.position <= position:
                    sent.task = None

    def halt(self, why: str) -> None:
        """Refuse what is under way, and all that comes."""
        self.halted = True
        self.committer.give_up_sent([], why)
        for sent in self._in_flight:
            self.committer.give_up_sent(sent.entries, why)
            sent.entries = []

    async def _send(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            if self.halted:
                self.committer.take()
                continue
            while len(self._in_flight) < IN_FLIGHT and (taken := self.committer.take()) is not None:
                self._number += 1
                payload = self._encode(self._number, taken)
                self._in_flight.append(Sent(self._number, payload, taken.entries, monotonic()))
            for sent in self._in_flight:
                if sent.task is None:
                    sent.position = 0
                    sent.task = self._start(self._publish(sent))

    def _encode(self, number: int, taken: Outgoing | None) -> bytes:
        changes: list[Raw] = taken.changes if taken else []
        return encode(Batch(LEVEL, self._run, number, changes))  # type: ignore[arg-type]  # encoded before

    async def _publish(self, sent: Sent) -> None:
        try:
            sent.position = await self._engine.append(sent.payload, patience=ANSWER)
        except EngineError as error:
            self._problem = str(error)
            await asyncio.sleep(RETRY)
        else:
            if not self._stored(sent.position):
                return
        sent.task = None
        if sent in self._in_flight:  # unless it counted, it came too early
            self._woken.set()

    async def _watch(self) -> None:
        """Give up what is under way for too long."""
        while True:
            await asyncio.sleep(LONG / 4)
            age = monotonic() - self._in_flight[0].since if self._in_flight else 0.0
            if (age > LONG) != self.committer.late:
                self.committer.set_late(late=age > LONG)
            if age > PATIENCE:
                problem = self._engine.problem or self._problem or "the servers don't store anything"
                for sent in self._in_flight:
                    entries, sent.entries, sent.since = sent.entries, [], monotonic()
                    sent.payload = self._encode(sent.number, None)
                    self.committer.give_up_sent(entries, problem, told=UNREACHABLE)
