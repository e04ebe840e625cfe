"""A node without its threads: a copy in a file that applies what is in the log when it is told to."""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from app.backends import changes, machine
from app.backends.changes import Change
from app.backends.digest import Chain, Mark
from app.backends.nats import copies
from app.backends.nats.engine import Engine
from app.backends.nats.errors import Purged
from app.backends.nats.settings import NatsSettings
from app.backends.nats.snapshots import Snapshots
from app.backends.sequencing import Entry, Sequencer
from app.backends.statements import runs
from app.backends.statements.rows import transaction
from app.backends.storefile import StoreFile
from tests.backends.test_machine import digest, sequence
from tests.nats.servers import DEADLINE


class Node:
    """A node's copy in a folder. It takes a snapshot when it has to."""

    def __init__(self, folder: Path, engine: Engine) -> None:
        folder.mkdir(exist_ok=True)
        self.path, self.engine = str(folder / "chat.db"), engine
        self.snapshots = Snapshots(engine)
        self.taken: list[int] = []

    async def catch_up(self) -> Mark:
        """Apply what is in the log, and return how far that is, and the digest."""
        copies.finish(self.path)
        while True:
            try:
                return await self._apply()
            except Purged as gone:
                self.taken.append((await self.snapshots.take(self.path, gone.first)).position)

    async def _apply(self) -> Mark:
        file = StoreFile(self.path)
        file.log_epoch = self.engine.epoch
        with closing(file.open()) as connection:
            try:
                runs.prepare(connection)
                sequencer, chain = Sequencer(connection), Chain(connection)
                while batches := await self.engine.read(chain.marks[-1][0] + 1):
                    applied = []
                    with transaction(connection):
                        for position, payload in batches:
                            entries = [Entry(change) for change in changes.decode(payload)]
                            machine.run(connection, sequencer, entries, position)
                            applied.append((position, entries))
                        marks = chain.write(connection, applied)
                    chain.note(marks)
                return chain.marks[-1]
            finally:
                file.release()

    def content(self) -> dict[str, str]:
        with closing(sqlite3.connect(self.path)) as connection:
            return digest(connection)


def said(seed: int) -> list[Change]:
    """Enough for 20 batches."""
    return sequence(seed)[5:405]


async def append(engine: Engine, all_of_it: Sequence[Change], size: int = 20) -> None:
    for first in range(0, len(all_of_it), size):
        await engine.append(changes.encode(list(all_of_it[first : first + size])), patience=DEADLINE)


class Counted(Engine, ABC):
    """An engine that is told of each of its calls."""

    @abstractmethod
    def count(self) -> None:
        """Learn of a call before it is made. What this raises, the call raises."""

    async def request(self, name: str, question: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        self.count()
        return await super().request(name, question, **more)

    async def publish(self, stream: str, subject: str, payload: bytes, **more: Any) -> int:
        self.count()
        return await super().publish(stream, subject, payload, **more)

    async def fetch(self, stream: str, position: int, **more: Any) -> list[tuple[int, bytes]]:
        self.count()
        return await super().fetch(stream, position, **more)


@asynccontextmanager
async def opened(settings: NatsSettings) -> AsyncIterator[Engine]:
    engine = Engine(settings)
    await engine.open()
    try:
        yield engine
    finally:
        await engine.close()
