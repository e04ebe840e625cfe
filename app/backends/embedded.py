"""The embedded backend: SQLite, one connection on one thread.

Calls that arrive during a commit share the next one, and so the cost of its fsync. WAL with `synchronous=FULL` survives
a power failure; NORMAL does not (40 of 40 simulated failures lost data). Only one connection writes and checkpoints,
which also rules out SQLite's WAL-reset bug (before 3.51.3). The store belongs to one process, so there are no other
nodes: presence and hints go nowhere, and watchers are never called.
"""

from __future__ import annotations

import asyncio
import sqlite3
import weakref
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

from app.backends import Follower, Results, Unavailable, Watcher
from app.backends.statements import index, logs, users
from app.backends.storefile import MEMORY
from app.backends.worker import Request, Worker
from app.chat.events import Account, Appended, Bounds, Conversation, Draft, Event, User
from app.chat.presence import Hint, Person
from app.clock import Clock


class Embedded:
    """A Backend in the file at `path`, or in memory for `:memory:`.

    `in_memory` is called when the store is opened. If it returns True, the store is in memory, whatever the path.
    """

    def __init__(self, path: str, *, clock: Clock | None = None, in_memory: Callable[[], bool] = lambda: False) -> None:
        self._in_memory = in_memory
        self._worker = Worker(path, clock or Clock())
        self._opening = Lock()
        self._opened = False
        self._finalizer = weakref.finalize(self, self._worker.stop)

    @property
    def epoch(self) -> str:
        return self._worker.file.epoch

    @property
    def shared(self) -> bool:
        return False

    def open(self) -> None:
        with self._opening:
            if not self._opened:
                if self._in_memory():
                    self._worker.file.path = MEMORY
                self._worker.start()
                self._opened = True

    def close(self) -> None:
        self._finalizer()

    def append(self, draft: Draft) -> asyncio.Future[Appended]:
        return self._call(draft, writes=True)

    def read(self, room: str, *, after: int, limit: int) -> asyncio.Future[list[Event]]:
        return self._call(lambda connection: logs.read(connection, room, after, limit))

    def read_backwards(self, room: str, *, before: int, limit: int) -> asyncio.Future[list[Event]]:
        return self._call(lambda connection: logs.read_backwards(connection, room, before, limit))

    def get(self, room: str, seq: int) -> asyncio.Future[Event | None]:
        return self._call(lambda connection: logs.get(connection, room, seq))

    def find_by_cid(self, user: int, cid: str) -> asyncio.Future[Event | None]:
        return self._call(lambda connection: logs.find_by_cid(connection, user, cid))

    def search(self, log: str | Sequence[str], words: str, *, before: int, limit: int) -> asyncio.Future[Results]:
        return self._call(lambda connection: index.search(connection, log, words, before, limit))

    def state(self, room: str) -> asyncio.Future[list[Event]]:
        return self._call(lambda connection: logs.state(connection, room))

    def bounds(self, room: str) -> asyncio.Future[Bounds]:
        return self._call(lambda connection: logs.bounds(connection, room))

    def trim(self, room: str, *, keep: int, since: int, limit: int) -> asyncio.Future[int]:
        return self._call(lambda connection: logs.trim(connection, room, keep, since, limit), writes=True)

    def rooms(self) -> asyncio.Future[list[str]]:
        return self._call(logs.rooms)

    def conversations(self, user: int) -> asyncio.Future[list[Conversation]]:
        return self._call(lambda connection: logs.conversations(connection, user))

    def follow(self, follower: Follower) -> Callable[[], None]:
        return self._worker.follow(follower)

    def create_user(self, token: bytes) -> asyncio.Future[User]:
        ids = self._worker.user_ids
        return self._call(lambda connection: users.create_user(connection, token, ids), writes=True)

    def create_guest(self) -> asyncio.Future[User]:
        future = asyncio.get_running_loop().create_future()
        user = User.newcomer(next(self._worker.user_ids))
        if self._worker.add_guest(user):
            future.set_result(user)
        else:
            future.set_exception(Unavailable("the store is closed"))
        return future

    def user_by_token(self, token: bytes) -> asyncio.Future[User | None]:
        return self._call(lambda connection: users.user_by_token(connection, token))

    def bind_token(self, token: bytes, user: int) -> asyncio.Future[None]:
        return self._call(lambda connection: users.bind_token(connection, token, user), writes=True)

    def revoke_token(self, token: bytes) -> asyncio.Future[None]:
        return self._call(lambda connection: users.revoke_token(connection, token), writes=True)

    def account(self, canonical: str) -> asyncio.Future[Account | None]:
        return self._call(lambda connection: users.account(connection, canonical))

    def users(self, ids: Sequence[int]) -> asyncio.Future[list[User]]:
        return self._call(lambda connection: users.users(connection, ids))

    def claim(self, user: int, name: str, canonical: str, *, evict: int = 0) -> asyncio.Future[User]:
        return self._call(lambda connection: users.claim(connection, user, name, canonical, evict), writes=True)

    def set_password(self, user: int, password: str) -> asyncio.Future[User]:
        return self._call(lambda connection: users.set_password(connection, user, password), writes=True)

    def record_seen(self, user: int, at: int) -> asyncio.Future[None]:
        return self._call(lambda connection: users.record_seen(connection, user, at), writes=True)

    def mark_read(self, user: int, room: str, seq: int) -> asyncio.Future[int]:
        return self._call(lambda connection: users.mark_read(connection, user, room, seq), writes=seq > 0)

    def ignore(self, user: int, whom: int, *, on: bool) -> asyncio.Future[None]:
        return self._call(lambda connection: users.ignore(connection, user, whom, on=on), writes=True)

    def ignored(self, user: int) -> asyncio.Future[frozenset[int]]:
        return self._call(lambda connection: users.ignored(connection, user))

    def announce(self, room: str, people: Sequence[Person]) -> None:
        pass

    def hint(self, hint: Hint) -> None:
        pass

    def watch(self, watcher: Watcher) -> Callable[[], None]:  # noqa: ARG002
        return lambda: None

    def _call(self, run: Draft | Callable[[sqlite3.Connection], Any], *, writes: bool = False) -> asyncio.Future[Any]:
        """Submit `run`. It must not refer to this object, because the thread stops when this object is garbage."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if not self._worker.submit(Request(run, future, writes)):
            future.set_exception(Unavailable("the store is closed"))
        return future
