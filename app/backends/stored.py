"""What all backends over a SQLite store share: who asks them for something gets an awaitable, in its event loop.

Reads run on connections of their own (`app.backends.readers`), once what was asked for before is applied.
"""

from __future__ import annotations

import asyncio
import sqlite3
import weakref
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, Protocol

from app.backends import Backend, Events, Follower, Origin, Results, Unavailable, UserFollower, indexing, machine
from app.backends.answering import Answers
from app.backends.applying import Applier
from app.backends.changes import Change, Probe
from app.backends.indexing import SearchIndex
from app.backends.readers import Read
from app.backends.sequencing import Entry
from app.backends.statements import logs, names, paging, sign_ins, users
from app.backends.storefile import StoreFile
from app.backends.telling import has_caller, user_changes
from app.backends.turns import OWNER
from app.chat.events import Account, Bounds, Conversation, Draft, Event, User
from app.chat.logs import END

FRESH = 2.0
"""For so many seconds after something was applied, `check` writes nothing."""


class Core(Protocol):
    """What a StoreBackend consists of."""

    @property
    def file(self) -> StoreFile: ...

    @property
    def applier(self) -> Applier: ...

    @property
    def front(self) -> Answers: ...

    @property
    def index(self) -> SearchIndex: ...

    def open(self) -> None:
        """Open the store. Further calls do nothing. StoreError if it can't be used."""

    def close(self) -> None:
        """Finish what was asked for, and close the store."""

    def read(self, read: Read) -> bool:
        """Run `read` once everything that was submitted before is applied. False if the store is closed."""


class StoreBackend(Backend):
    """A Backend over the store that `core` has. The core must not refer to this object: its threads stop when this is
    garbage."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._finalizer = weakref.finalize(self, core.close)

    @property
    def epoch(self) -> str:
        return self._core.file.epoch

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
        if not self._core.front.submit(Entry(change, future, loop)):
            future.set_exception(closed())
        return future

    def post(self, draft: Draft, origin: Origin) -> None:
        if not self._core.front.submit(Entry(draft, origin, asyncio.get_running_loop())):
            origin.failed(closed(), draft)

    def follow(self, follower: Follower) -> Callable[[], None]:
        return self._core.front.follow(follower)

    def follow_users(self, follower: UserFollower) -> Callable[[], None]:
        def applied(entries: Sequence[Entry]) -> None:
            if told := user_changes(entries, has_caller):
                follower(told)

        return self._core.front.follow_applied(applied)

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
        if not self._core.read(self._core.index.read(query, future)):
            future.set_exception(closed())
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

    def _read(self, run: Callable[[sqlite3.Connection], Any]) -> asyncio.Future[Any]:
        """Read with `run`. It must not refer to this object, because the threads stop when this object is garbage."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if not self._core.read(Read(run, future, owner=OWNER.get())):
            future.set_exception(closed())
        return future


def closed() -> Unavailable:
    return Unavailable("the store is closed")
