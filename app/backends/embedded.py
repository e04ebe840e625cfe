"""The embedded backend: SQLite, one connection on one thread.

All that is asked for while a commit is under way becomes the next commit: the cost of an fsync is shared by those who
wait. WAL with `synchronous=FULL` survives a loss of power; NORMAL does not (measured: 40 of 40 simulated losses).
One connection alone writes and checkpoints, which also keeps clear of SQLite's WAL-reset bug (before 3.51.3).
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from queue import Empty, SimpleQueue
from threading import Lock, Thread, current_thread
from typing import Any

from app.backends import Follower, Unavailable, statements
from app.backends.storefile import StoreFile, reason
from app.chat.events import Appended, Bounds, Draft, Event, User

log = logging.getLogger("store")

BATCH = 1000
"""How many calls are answered between two looks at the queue."""


@dataclass(slots=True)
class _Call:
    """Something to do with the connection, or a draft to append. A write is done inside the batch's transaction, a
    read after it."""

    run: Draft | Callable[[sqlite3.Connection], Any]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    writes: bool


class Embedded:
    """A Backend in the file at `path`, or in memory for `:memory:`."""

    def __init__(self, path: str) -> None:
        self._worker = _Worker(path)
        self._opening = Lock()
        self._opened = False
        self._finalizer = weakref.finalize(self, self._worker.stop)

    @property
    def epoch(self) -> str:
        return self._worker.file.epoch

    def open(self) -> None:
        with self._opening:
            if not self._opened:
                self._worker.start()
                self._opened = True

    def close(self) -> None:
        self._finalizer()

    def append(self, draft: Draft) -> asyncio.Future[Appended]:
        return self._call(draft, writes=True)

    def read(self, room: str, *, after: int, limit: int) -> asyncio.Future[list[Event]]:
        return self._call(lambda connection: statements.read(connection, room, after, limit))

    def read_back(self, room: str, *, before: int, limit: int) -> asyncio.Future[list[Event]]:
        return self._call(lambda connection: statements.read_back(connection, room, before, limit))

    def bounds(self, room: str) -> asyncio.Future[Bounds]:
        return self._call(lambda connection: statements.bounds(connection, room))

    def trim(self, room: str, *, keep: int, since: int, limit: int) -> asyncio.Future[int]:
        return self._call(lambda connection: statements.trim(connection, room, keep, since, limit), writes=True)

    def rooms(self) -> asyncio.Future[list[str]]:
        return self._call(statements.rooms)

    def follow(self, follower: Follower) -> Callable[[], None]:
        return self._worker.follow(follower)

    def enlist(self, secret: bytes) -> asyncio.Future[User]:
        return self._call(lambda connection: statements.enlist(connection, secret), writes=True)

    def identify(self, secret: bytes) -> asyncio.Future[User | None]:
        return self._call(lambda connection: statements.identify(connection, secret))

    def _call(self, run: Draft | Callable[[sqlite3.Connection], Any], *, writes: bool = False) -> asyncio.Future[Any]:
        """Ask for `run`, which must not refer to this object: forgetting it is what stops its thread."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        if not self._worker.ask(_Call(run, future, loop, writes)):
            future.set_exception(Unavailable("the store is closed"))
        return future


class _Worker:
    """The thread with the connection. It does not know the Embedded that it serves, which can so be forgotten."""

    def __init__(self, path: str) -> None:
        self.file = StoreFile(path)
        self.queue: SimpleQueue[_Call | None] = SimpleQueue()
        self.followers: dict[object, Follower] = {}
        self.asking, self.closed = Lock(), False
        self.following = Lock()
        self.thread: Thread | None = None

    def start(self) -> None:
        connection = self.file.open()
        self.thread = Thread(target=self._serve, args=(connection,), name="store", daemon=True)
        self.thread.start()

    def stop(self) -> None:
        with self.asking:
            self.closed = True
            self.queue.put(None)
        if self.thread is not None and self.thread is not current_thread():  # the collector may run in any thread
            self.thread.join()

    def ask(self, call: _Call) -> bool:
        """Have `call` answered; False, and it never is, once the store is closed."""
        with self.asking:
            if not self.closed:
                self.queue.put(call)
            return not self.closed

    def follow(self, follower: Follower) -> Callable[[], None]:
        key = object()
        with self.following:
            self.followers = {**self.followers, key: follower}

        def unfollow() -> None:
            with self.following:
                self.followers = {known: other for known, other in self.followers.items() if known is not key}

        return unfollow

    def _serve(self, connection: sqlite3.Connection) -> None:
        running = True
        while running:
            calls: list[_Call] = []
            call = self.queue.get()
            while call is not None:
                calls.append(call)
                if len(calls) == BATCH:
                    break
                try:
                    call = self.queue.get_nowait()
                except Empty:
                    break
            running = call is not None
            self._answer(connection, calls)
            del calls, call
        connection.close()
        self.file.release()

    def _answer(self, connection: sqlite3.Connection, calls: Sequence[_Call]) -> None:
        answers: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
        writes = [call for call in calls if call.writes]
        for call, answer in [*self._written(connection, writes), *_read(connection, calls)]:
            answers.setdefault(call.loop, []).append((call.future, answer))
        for loop, settled in answers.items():
            with suppress(RuntimeError):  # that loop has ended, and nobody waits in it
                loop.call_soon_threadsafe(_settle, settled)

    def _written(self, connection: sqlite3.Connection, writes: Sequence[_Call]) -> list[tuple[_Call, Any]]:
        """One transaction for all writes: each has its answer, or all have Unavailable."""
        if not writes:
            return []
        try:
            connection.execute("BEGIN IMMEDIATE")
            answers = self._outcomes(connection, writes)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            log.error("%s: %s", self.file.path, reason(error))
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            return [(call, Unavailable(f"the store can't be written: {reason(error)}")) for call in writes]
        committed = [answer.event for _, answer in answers if isinstance(answer, Appended) and not answer.duplicate]
        if committed:
            for follower in self.followers.values():
                follower(committed)
        return answers

    def _outcomes(self, connection: sqlite3.Connection, writes: Sequence[_Call]) -> list[tuple[_Call, Any]]:
        """Do the writes in order, drafts that follow each other together."""
        answers: list[tuple[_Call, Any]] = []
        for _, group in groupby(writes, key=lambda call: isinstance(call.run, Draft)):
            calls = list(group)
            drafts = [call.run for call in calls if isinstance(call.run, Draft)]
            outcomes = (
                statements.append(connection, drafts) if drafts else [_outcome(call, connection) for call in calls]
            )
            answers += zip(calls, outcomes, strict=True)
        return answers


def _read(connection: sqlite3.Connection, calls: Sequence[_Call]) -> list[tuple[_Call, Any]]:
    answers: list[tuple[_Call, Any]] = []
    for call in calls:
        if not call.writes:
            try:
                answers.append((call, _outcome(call, connection)))
            except sqlite3.Error as error:
                log.error("the store can't be read: %s", reason(error))
                answers.append((call, Unavailable(f"the store can't be read: {reason(error)}")))
    return answers


def _outcome(call: _Call, connection: sqlite3.Connection) -> Any:
    """A call's answer. What it alone got wrong is its answer too; an error of the store concerns all who wait."""
    assert not isinstance(call.run, Draft)
    try:
        return call.run(connection)
    except statements.WRONG as error:
        return error


def _settle(settled: Sequence[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, answer in settled:
        if future.done():
            continue
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)
