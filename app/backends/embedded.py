"""The embedded backend: SQLite in one file, behind a journal.

What happens to a change, and where:

1. `Committer` gathers what is asked for in one turn of an event loop. `Sequencer` gives it places: positions, and
   retries found. `Journal` writes it with one sync. Then it is answered, unless the answer needs the store.
2. `Applier`, the store's thread, applies what is committed to SQLite, many changes in one transaction (`machine`), and
   answers the rest. SQLite runs with `synchronous=NORMAL`: a power failure may take its last transactions back, but
   never tears one, and the journal has them all.
3. `Readers` read on connections of their own, each read once everything that was asked for before it is applied.

Only the store's connection writes and checkpoints, which rules out SQLite's WAL-reset bug (before 3.51.3). In memory
there is no journal, and one connection, in the store's thread, does everything.

The store belongs to one process, so there are no other nodes: what is told goes nowhere, and watchers are never called.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from threading import Lock

from app.backends import Watcher, machine
from app.backends.applying import Applier
from app.backends.committing import Committer
from app.backends.indexing import FileIndex, MemoryIndex, SearchIndex
from app.backends.journal import Journal
from app.backends.readers import Read, Readers
from app.backends.sequencing import Sequencer
from app.backends.stored import StoreBackend, closed
from app.backends.storefile import MEMORY, StoreFile, begin_to_apply
from app.backends.upkeep import Upkeep
from app.chat.events import User
from app.clock import Clock


class Embedded(StoreBackend):
    """A Backend in the file at `path`, or in memory for `:memory:`.

    `in_memory` is called when the store is opened. If it returns True, the store is in memory, whatever the path.
    """

    _core: _Core

    def __init__(self, path: str, *, clock: Clock | None = None, in_memory: Callable[[], bool] = lambda: False) -> None:
        super().__init__(_Core(path, clock or Clock(), in_memory))

    @property
    def shared(self) -> bool:
        return False

    def create_guest(self) -> asyncio.Future[User]:
        future: asyncio.Future[User] = asyncio.get_running_loop().create_future()
        user = self._core.front.create_guest()
        if user:
            future.set_result(User.newcomer(user))
        else:
            future.set_exception(closed())
        return future

    async def catch_up(self) -> None:
        pass

    def tell(self, payload: bytes) -> None:
        pass

    def watch(self, watcher: Watcher) -> Callable[[], None]:  # noqa: ARG002
        return lambda: None


class _Core:
    """What an Embedded consists of. It has no reference to it, so that this can become garbage and stop the threads."""

    def __init__(self, path: str, clock: Clock, in_memory: Callable[[], bool]) -> None:
        self.file = StoreFile(path)
        self.applier = Applier(self.file)
        self.front = self.applier.front = Committer(self.applier)
        self.index: SearchIndex
        self._clock, self._in_memory = clock, in_memory
        self._opening = Lock()
        self._opened = False

    def open(self) -> None:
        """Open the store and start its thread. Further calls do nothing. StoreError if the store can't be used."""
        with self._opening:
            if self._opened:
                return
            if self._in_memory():
                self.file.path = MEMORY
            connection = self.file.open()
            if self.file.path == MEMORY:
                self.index = MemoryIndex(connection, self.file.epoch)
                self._start(connection, None, None)
            else:
                journal = Journal(self.file.path, self.file.epoch, machine.last_applied(connection))
                self.file.begin(connection, journal)
                begin_to_apply(connection)
                self.index = FileIndex(self.file.path, connection)
                self._start(connection, journal, Readers(self.file.path, self.applier.reading))
            self._opened = True

    def _start(self, connection: sqlite3.Connection, journal: Journal | None, readers: Readers | None) -> None:
        upkeep = Upkeep(self.file, connection, self._clock, self.index, journal, readers)
        self.applier.start(connection, journal, readers, upkeep)
        self.front.start(Sequencer(readers.lookups if readers else connection), journal)

    def close(self) -> None:
        """Finish what was asked for, and close the store."""
        self.applier.stop()

    def read(self, read: Read) -> bool:
        return self.applier.read(read)
