"""The thread of the embedded backend: it answers calls in batches, and keeps the store in order in between."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from itertools import count, groupby
from queue import Empty, SimpleQueue
from threading import Lock, Thread, current_thread
from time import monotonic
from typing import Any, cast

from app.backends import Follower, Unavailable, statements
from app.backends.statements import users
from app.backends.statements.rows import WRONG, savepoint, transaction
from app.backends.storefile import StoreFile, reason
from app.backends.upkeep import Upkeep
from app.chat.events import Appended, Draft, User

log = logging.getLogger("store")

BATCH = 1000
"""How many calls are answered between two looks at the queue."""
GATHERING = 0.05
"""Seconds that what nobody waits for is gathered before it is written. A commit for each of those who come would take
a third of what their coming takes."""
RETRY = 5.0
"""Seconds until it is tried again where the store can't be written."""


@dataclass(slots=True)
class Call:
    """Something to do with the connection, a draft to append, or a user to admit, for which nobody waits. A write is
    done inside the batch's transaction, a read after it."""

    run: Draft | User | Callable[[sqlite3.Connection], Any]
    future: asyncio.Future[Any] | None
    writes: bool


class Worker:
    """The thread with the connection. It does not know the Embedded that it serves, which can so be forgotten."""

    def __init__(self, path: str) -> None:
        self.file = StoreFile(path)
        self.queue: SimpleQueue[Call | None] = SimpleQueue()
        self.followers: dict[object, Follower] = {}
        self.asking, self.closed = Lock(), False
        self.following = Lock()
        self.thread: Thread | None = None
        self.numbers: Iterator[int] = iter(())
        """The ids of users to come, once it is started."""
        self._gathered: list[Call] = []
        self._gather_until = 0.0

    def start(self) -> None:
        connection = self.file.open()
        self.numbers = count(users.last(connection) + 1)
        self.thread = Thread(target=self._serve, args=(connection,), name="store", daemon=True)
        self.thread.start()

    def stop(self) -> None:
        with self.asking:
            self.closed = True
            self.queue.put(None)
        if self.thread is not None and self.thread is not current_thread():  # the collector may run in any thread
            self.thread.join()

    def ask(self, call: Call) -> bool:
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
        upkeep = Upkeep(self.file, connection)
        while self._serve_batch(connection, upkeep):
            pass
        upkeep.finish()
        connection.close()
        self.file.release()

    def _serve_batch(self, connection: sqlite3.Connection, upkeep: Upkeep) -> bool:
        """Answer all who wait, or do what is due when nobody does; False once the store is closed."""
        calls, closed = self._next_calls(upkeep.due())
        gathered, self._gathered = self._gathered, []
        calls = gathered + calls
        if not closed and self._can_wait(gathered, calls):
            if not gathered:
                self._gather_until = monotonic() + GATHERING
            self._gathered = calls
            return True
        self._answer(connection, calls)
        if closed:
            return False
        upkeep.wrote(sum(call.writes for call in calls))
        if not calls or upkeep.late:
            upkeep.step()
        return True

    def _next_calls(self, patience: float | None) -> tuple[list[Call], bool]:
        """All that wait, or none after `patience` seconds; and whether the store was closed after them."""
        if self._gathered:
            patience = max(0, self._gather_until - monotonic())
        calls: list[Call] = []
        with suppress(Empty):
            call = self.queue.get(timeout=patience)
            while call is not None:
                calls.append(call)
                if len(calls) == BATCH:
                    return calls, False
                call = self.queue.get_nowait()
            return calls, True
        return calls, False

    def _can_wait(self, gathered: Sequence[Call], calls: Sequence[Call]) -> bool:
        """Whether nothing need be done yet: nobody waits for these, and it is not long that the first wait."""
        if not calls or len(calls) >= BATCH or not all(isinstance(call.run, User) for call in calls):
            return False
        return not gathered or monotonic() < self._gather_until

    def _answer(self, connection: sqlite3.Connection, calls: Sequence[Call]) -> None:
        answers: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
        writes = [call for call in calls if call.writes]
        for call, answer in [*self._written(connection, writes), *_read(connection, calls)]:
            if call.future is not None:
                answers.setdefault(call.future.get_loop(), []).append((call.future, answer))
        for loop, settled in answers.items():
            with suppress(RuntimeError):  # that loop has ended, and nobody waits in it
                loop.call_soon_threadsafe(_settle, settled)

    def _written(self, connection: sqlite3.Connection, writes: Sequence[Call]) -> list[tuple[Call, Any]]:
        """One transaction for all writes: each has its answer, or all have Unavailable."""
        if not writes:
            return []
        try:
            with transaction(connection):
                answers = self._outcomes(connection, writes)
        except sqlite3.Error as error:
            log.error("%s: %s", self.file.path, reason(error))
            self._gathered = [call for call in writes if isinstance(call.run, User)]
            self._gather_until = monotonic() + RETRY
            return [(call, Unavailable(f"the store can't be written: {reason(error)}")) for call in writes]
        committed = [answer.event for _, answer in answers if isinstance(answer, Appended) and not answer.duplicate]
        if committed:
            for follower in self.followers.values():
                follower(committed)
        return answers

    def _outcomes(self, connection: sqlite3.Connection, writes: Sequence[Call]) -> list[tuple[Call, Any]]:
        """Do the writes in order, those of a kind that follow each other together."""
        answers: list[tuple[Call, Any]] = []
        for kind, group in groupby(writes, key=lambda call: type(call.run)):
            calls = list(group)
            if kind is Draft:
                outcomes: Sequence[Any] = statements.append(connection, [cast(Draft, call.run) for call in calls])
            elif kind is User:
                users.admit(connection, [cast(User, call.run) for call in calls])
                outcomes = [None] * len(calls)
            else:
                outcomes = [_outcome(call, connection) for call in calls]
            answers += zip(calls, outcomes, strict=True)
        return answers


def _read(connection: sqlite3.Connection, calls: Sequence[Call]) -> list[tuple[Call, Any]]:
    answers: list[tuple[Call, Any]] = []
    for call in calls:
        if not call.writes:
            try:
                answers.append((call, _outcome(call, connection)))
            except sqlite3.Error as error:
                log.error("the store can't be read: %s", reason(error))
                answers.append((call, Unavailable(f"the store can't be read: {reason(error)}")))
    return answers


def _outcome(call: Call, connection: sqlite3.Connection) -> Any:
    """A call's answer. What it alone got wrong is its answer too; an error of the store concerns all who wait."""
    assert not isinstance(call.run, (Draft, User))
    try:
        with savepoint(connection) if call.writes else nullcontext():
            return call.run(connection)
    except WRONG as error:
        return error


def _settle(settled: Sequence[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, answer in settled:
        if future.done():
            continue
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)
