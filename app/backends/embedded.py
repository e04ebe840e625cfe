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

The store belongs to one process, so there are no other nodes: presence and hints go nowhere, and watchers are never
called.
"""

from __future__ import annotations

import asyncio
import sqlite3
import weakref
from collections.abc import Callable, Sequence
from threading import Lock
from time import monotonic
from typing import Any

from app.backends import Backend, Events, Follower, Origin, Results, StoreError, Unavailable, Watcher, indexing, machine
from app.backends.applying import Applier
from app.backends.changes import Change, Probe
from app.backends.indexing import FileIndex, MemoryIndex, SearchIndex
from app.backends.journal import Journal
from app.backends.readers import Read, Readers
from app.backends.sequencing import Entry, Sequencer
from app.backends.statements import logs, names, paging, sign_ins, users
from app.backends.storefile import MEMORY, StoreFile
from app.backends.turns import OWNER
from app.backends.upkeep import Upkeep
from app.chat.events import Account, Bounds, Conversation, Draft, Event, User
from app.chat.logs import END
from app.chat.presence import Hint, Person
from app.clock import Clock

CACHE = 8000
"""KiB of pages that the store's connection may hold. A transaction that changes more writes some of them twice."""

FRESH = 2.0
"""For so many seconds after something was applied, `check` writes nothing."""


class Embedded(Backend):
    """A Backend in the file at `path`, or in memory for `:memory:`.

    `in_memory` is called when the store is opened. If it returns True, the store is in memory, whatever the path.
    """

    def __init__(self, path: str, *, clock: Clock | None = None, in_memory: Callable[[], bool] = lambda: False) -> None:
        self._core = _Core(path, clock or Clock(), in_memory)
        self._finalizer = weakref.finalize(self, self._core.close)

    @property
    def epoch(self) -> str:
        return self._core.file.epoch

    @property
    def shared(self) -> bool:
        return False

    @property
    def problem(self) -> str | None:
        return self._core.applier.outage.problem

    async def check(self) -> None:
        applier = self._core.applier
        if monotonic() - applier.worked_at > FRESH:
            await self.submit(Probe())
        elif problem := self.problem:
            raise Unavailable(problem)
        await self._read(machine.last_applied)

    @property
    def damage(self) -> str | None:
        return self._core.applier.damage

    def open(self) -> None:
        self._core.open()

    def close(self) -> None:
        self._finalizer()

    def submit(self, change: Change) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        if not self._core.committer.submit(Entry(change, future, loop)):
            future.set_exception(_closed())
        return future

    def post(self, draft: Draft, origin: Origin) -> None:
        if not self._core.committer.submit(Entry(draft, origin, asyncio.get_running_loop())):
            origin.failed(_closed(), draft)

    def create_guest(self) -> asyncio.Future[User]:
        future: asyncio.Future[User] = asyncio.get_running_loop().create_future()
        user = self._core.committer.create_guest()
        if user:
            future.set_result(User.newcomer(user))
        else:
            future.set_exception(_closed())
        return future

    def follow(self, follower: Follower) -> Callable[[], None]:
        return self._core.committer.follow(follower)

    def read(self, room: str, *, after: int, limit: int, size: int = 0, fold: bool = False) -> asyncio.Future[Events]:
        page = paging.Page(limit, size, fold=fold)
        return self._read(lambda connection: logs.read(connection, room, after, page))

    def read_backwards(
        self, room: str, *, before: int, limit: int, size: int = 0, fold: bool = False
    ) -> asyncio.Future[Events]:
        page = paging.Page(limit, size, fold=fold)
        return self._read(lambda connection: logs.read_backwards(connection, room, before, page))

    def get(self, room: str, seq: int) -> asyncio.Future[Event | None]:
        return self._read(lambda connection: logs.get(connection, room, seq))

    def find_by_cid(self, user: int, cid: str) -> asyncio.Future[Event | None]:
        return self._read(lambda connection: logs.find_by_cid(connection, user, cid))

    def search(
        self, log: str | Sequence[str], words: str, *, before: int, limit: int, size: int = 0
    ) -> asyncio.Future[Results]:
        future: asyncio.Future[Results] = asyncio.get_running_loop().create_future()
        query = indexing.query(log, words, before, limit, size)
        if not self._core.applier.read(self._core.index.read(query, future)):
            future.set_exception(_closed())
        return future

    def spoke(self, room: str, *, after: int, since: int) -> asyncio.Future[dict[int, int]]:
        return self._read(lambda connection: logs.spoke(connection, room, after, since))

    def state(self, room: str) -> asyncio.Future[list[Event]]:
        return self._read(lambda connection: logs.state(connection, room))

    def owned(self, user: int) -> asyncio.Future[int]:
        return self._read(lambda connection: logs.owned(connection, user))

    def states(self, rooms: Sequence[str], keys: Sequence[str]) -> asyncio.Future[dict[str, list[Event]]]:
        return self._read(lambda connection: logs.states(connection, rooms, keys))

    def bounds(self, room: str) -> asyncio.Future[Bounds]:
        return self._read(lambda connection: logs.bounds(connection, room))

    def newest(self) -> asyncio.Future[int]:
        return self._read(logs.newest)

    def rooms(self) -> asyncio.Future[list[str]]:
        return self._read(logs.rooms)

    def conversations(self, user: int, *, before: int = END, limit: int = 0) -> asyncio.Future[list[Conversation]]:
        return self._read(lambda connection: logs.conversations(connection, user, before, limit))

    def user_by_token(self, token: bytes, *, since: int = 0) -> asyncio.Future[User | None]:
        return self._read(lambda connection: sign_ins.user_by_token(connection, token, since))

    def device_of(self, token: bytes) -> asyncio.Future[int]:
        return self._read(lambda connection: sign_ins.device_of(connection, token))

    def operators(self) -> asyncio.Future[dict[str, int]]:
        return self._read(names.operators)

    def names_without_skeleton(self, limit: int) -> asyncio.Future[Sequence[str]]:
        return self._read(lambda connection: names.names_without_skeleton(connection, limit))

    def account(self, canonical: str) -> asyncio.Future[Account | None]:
        return self._read(lambda connection: users.account(connection, canonical))

    def account_of(self, user: int) -> asyncio.Future[Account | None]:
        return self._read(lambda connection: users.account_of(connection, user))

    def users(self, ids: Sequence[int]) -> asyncio.Future[list[User]]:
        return self._read(lambda connection: users.users(connection, ids))

    def silent_guests(self, after: int, limit: int) -> asyncio.Future[tuple[int, list[int]]]:
        return self._read(lambda connection: users.silent_guests(connection, after, limit))

    def tokens_of_silent_guests(
        self, after: bytes, limit: int
    ) -> asyncio.Future[tuple[bytes, list[tuple[bytes, int]]]]:
        return self._read(lambda connection: users.tokens_of_silent_guests(connection, after, limit))

    def read_marker(self, user: int, room: str) -> asyncio.Future[int]:
        return self._read(lambda connection: users.read_marker(connection, user, room))

    def read_markers(self, user: int, rooms: Sequence[str]) -> asyncio.Future[dict[str, int]]:
        return self._read(lambda connection: users.read_markers(connection, user, rooms))

    def ignored(self, user: int) -> asyncio.Future[frozenset[int]]:
        return self._read(lambda connection: users.ignored(connection, user))

    def announce(self, room: str, people: Sequence[Person]) -> None:
        pass

    def hint(self, hint: Hint) -> None:
        pass

    def watch(self, watcher: Watcher) -> Callable[[], None]:  # noqa: ARG002
        return lambda: None

    def _read(self, run: Callable[[sqlite3.Connection], Any]) -> asyncio.Future[Any]:
        """Read with `run`. It must not refer to this object, because the threads stop when this object is garbage."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if not self._core.applier.read(Read(run, future, owner=OWNER.get())):
            future.set_exception(_closed())
        return future


class _Core:
    """What an Embedded consists of. It has no reference to it, so that this can become garbage and stop the threads."""

    def __init__(self, path: str, clock: Clock, in_memory: Callable[[], bool]) -> None:
        self.file = StoreFile(path)
        self.applier = Applier(self.file)
        self.committer = self.applier.committer
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
                connection.execute("PRAGMA synchronous = NORMAL")
                connection.execute(f"PRAGMA cache_size = {-CACHE}")
                self.index = FileIndex(self.file.path, connection)
                self._start(connection, journal, Readers(self.file.path, self.applier.reading))
            self._opened = True

    def _start(self, connection: sqlite3.Connection, journal: Journal | None, readers: Readers | None) -> None:
        upkeep = Upkeep(self.file, connection, self._clock, self.index, journal, readers)
        try:
            self.applier.start(connection, journal, readers, upkeep)
        except RuntimeError as error:
            connection.close()
            self.file.release()
            raise StoreError(f"{self.file.path}: {error}: raise the limit of threads (ulimit -u)") from None
        self.committer.start(Sequencer(readers.lookups if readers else connection), journal)

    def close(self) -> None:
        """Finish what was asked for, and close the store."""
        self.applier.stop()


def _closed() -> Unavailable:
    return Unavailable("the store is closed")
