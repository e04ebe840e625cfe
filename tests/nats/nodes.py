"""Several nodes in one process, over real servers, with a network between them that loses, doubles and overtakes."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path

from app.backends.digest import Mark
from app.backends.nats.backend import NatsBackend
from app.backends.nats.engine import Engine
from app.backends.nats.errors import EngineError
from app.backends.nats.settings import NatsSettings
from app.backends.outage import Source
from app.chat.events import Event
from tests.nats.servers import DEADLINE


class Node:
    """A node, and the events that it has told a follower."""

    def __init__(self, path: Path, settings: NatsSettings) -> None:
        path.parent.mkdir(exist_ok=True)
        self.path, self.settings = path, settings
        self.stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        self.backend = NatsBackend(str(path), settings, stop=lambda: loop.call_soon_threadsafe(self.stopped.set))
        self.heard: list[Event] = []
        self.backend.follow(self.heard.extend)

    async def open(self) -> None:
        await asyncio.to_thread(self.backend.open)

    async def close(self) -> None:
        await asyncio.to_thread(self.backend.close)

    @property
    def marks(self) -> dict[int, bytes]:
        """The digests that it has, by position."""
        digests = self.backend._core.applier.digests
        assert digests is not None
        marks: Sequence[Mark] = digests.marks
        return dict(marks)

    def spoil(self, statement: str) -> None:
        """Alter this node's copy behind its back."""
        with closing(sqlite3.connect(self.path, timeout=DEADLINE)) as connection:
            connection.execute(statement)
            connection.commit()

    async def works(self) -> None:
        """Wait until this node can write again."""
        outage, works = self.backend._core.applier.outage, asyncio.Event()
        loop, recover = asyncio.get_running_loop(), outage.recover

        def watched(source: Source) -> None:
            recover(source)
            if not outage.causes:
                loop.call_soon_threadsafe(works.set)

        outage.recover = watched  # type: ignore[method-assign]
        if outage.causes:
            await works.wait()

    async def reaches(self, other: Node) -> None:
        """Wait until this node has applied what another one has by now."""
        log = self.backend._core.log
        position = other.backend._core.log.next - 1
        await asyncio.to_thread(lambda: log.call(log._reaches(position)))
        await self.backend.newest()

    def make_unreliable(self, seed: int) -> None:
        """Lose, double and swap some of what goes to the log and comes from there."""
        log = self.backend._core.log
        log.engine = log._sending._engine = Unreliable(log.engine, random.Random(seed))  # type: ignore[assignment]
        hear, chance = log._hear, random.Random(-seed)
        log._hear = lambda payload, position: hear(payload, position) if chance.random() > 0.1 else None  # type: ignore[method-assign]


class Unreliable:
    """An engine whose appends get lost, or arrive twice or late, as do their answers."""

    def __init__(self, engine: Engine, chance: random.Random) -> None:
        self._engine, self._chance = engine, chance
        self._late: list[bytes] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._engine, name)

    async def append(self, batch: bytes, *, patience: float) -> int:
        what = self._chance.random()
        if what < 0.1:
            raise EngineError("the message was lost on purpose")
        if what < 0.2:
            self._late.append(batch)
            raise EngineError("the message was held up on purpose")
        if what < 0.3:
            await self._engine.append(batch, patience=patience)
        position = await self._engine.append(batch, patience=patience)
        if self._late and what < 0.6:
            await self._engine.append(self._late.pop(), patience=patience)
        if what > 0.9:
            raise EngineError("the answer was lost on purpose")
        return position


@asynccontextmanager
async def cluster(folder: Path, settings: NatsSettings, count: int = 2) -> AsyncIterator[list[Node]]:
    """So many nodes with a common log."""
    nodes = [Node(folder / f"node{i}.db", settings) for i in range(count)]
    async with AsyncExitStack() as stack:
        for node in nodes:
            await node.open()
            stack.push_async_callback(node.close)
        yield nodes
