"""The thread of the embedded backend: it answers calls in batches, and keeps the store in order in between."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from enum import Enum
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
"""Seconds that newcomers are gathered before they are written, for which nobody waits. A commit for each, or only to
wake the thread for each, would take a third of what their coming takes."""
RETRY = 5.0
"""Seconds until it is tried again where the store can't be written."""


@dataclass(slots=True)
class Call:
    """Something to do with the connection, or a draft to append. A write is done inside the batch's transaction, a read
    after it."""

    run: Draft | Callable[[sqlite3.Connection], Any]
    future: asyncio.Future[Any]
    writes: bool


class Signal(Enum):
    """What the thread is told beside calls."""

    NEWCOMERS = "there are some, to be written in a while"
    CLOSED = "there is nothing more to come"


class Worker:
    """The thread with the connection. It does not know the Embedded that it serves, which can so be forgotten."""

    def __init__(self, path: str) -> None:
        self.file = StoreFile(path)
        self.queue: SimpleQueue[Call | Signal] = SimpleQueue()
        self.followers: dict[object, Follower] = {}
        self.asking, self.closed = Lock(), False
        self.following = Lock()
        self.thread: Thread | None = None
        self.numbers: Iterator[int] = iter(())
        """The ids of users to come, once it is started."""
        self._newcomers: list[User] = []
        self._gather_until = 0.0

    def start(self) -> None:
        connection = self.file.open()
        self.numbers = count(users.last(connection) + 1)
        self.thread = Thread(target=self._serve, args=(connection,), name="store", daemon=True)
        self.thread.start()

    def stop(self) -> None:
        with self.asking:
            self.closed = True
            self.queue.put(Signal.CLOSED)
        if self.thread is not None and self.thread is not current_thread():  # the collector may run in any thread
            self.thread.join()

    def ask(self, call: Call) -> bool:
        """Have `call` answered; False, and it never is, once the store is closed."""
        with self.asking:
            if not self.closed:
                self.queue.put(call)
            return not self.closed

    def add_guest(self, user: User) -> bool:
        """Have a new user written in a while, and before any call that is asked for later; False, and it never is, once
        the store is closed."""
        with self.asking:
            if not self.closed:
                if not self._newcomers:
                    self._gather_until = monotonic() + GATHERING
                    self.queue.put(Signal.NEWCOMERS)
                self._newcomers.append(user)
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
        newcomers: list[User] = []
        if calls or closed or monotonic() >= self._gather_until:
            with self.asking:
                newcomers, self._newcomers = self._newcomers, []
        elif self._newcomers:
            return True
        self._answer(connection, newcomers, calls)
        if closed:
            return False
        upkeep.wrote(len(newcomers) + sum(call.writes for call in calls))
        if not (calls or newcomers) or upkeep.late:
            upkeep.step()
        return True

    def _next_calls(self, patience: float | None) -> tuple[list[Call], bool]:
        """All that wait, or none after `patience` seconds or when it is time for newcomers; and whether the store was
        closed after them."""
        if self._newcomers:
            patience = max(0, self._gather_until - monotonic())
        calls: list[Call] = []
        with suppress(Empty):
            call = self.queue.get(timeout=patience)
            while call is not Signal.CLOSED:
                if isinstance(call, Call):
                    calls.append(call)
                    if len(calls) == BATCH:
                        return calls, False
                call = self.queue.get_nowait()
            return calls, True
        return calls, False

    def _answer(self, connection: sqlite3.Connection, newcomers: list[User], calls: Sequence[Call]) -> None:
        answers: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
        writes = [call for call in calls if call.writes]
        for call, answer in [*self._written(connection, newcomers, writes), *_read(connection, calls)]:
            answers.setdefault(call.future.get_loop(), []).append((call.future, answer))
        for loop, settled in answers.items():
            with suppress(RuntimeError):  # that loop has ended, and nobody waits in it
                loop.call_soon_threadsafe(_settle, settled)

    def _written(
        self, connection: sqlite3.Connection, newcomers: list[User], writes: Sequence[Call]
    ) -> list[tuple[Call, Any]]:
        """One transaction for all writes: each has its answer, or all have Unavailable, and newcomers another try."""
        if not newcomers and not writes:
            return []
        try:
            with transaction(connection):
                if newcomers:
                    users.insert(connection, newcomers)
                answers = _outcomes(connection, writes)
        except sqlite3.Error as error:
            log.error("%s: %s", self.file.path, reason(error))
            with self.asking:
                self._newcomers = newcomers + self._newcomers
                self._gather_until = monotonic() + RETRY
            return [(call, Unavailable(f"the store can't be written: {reason(error)}")) for call in writes]
        committed = [answer.event for _, answer in answers if isinstance(answer, Appended) and not answer.duplicate]
        if committed:
            for follower in self.followers.values():
                follower(committed)
        return answers


def _outcomes(connection: sqlite3.Connection, writes: Sequence[Call]) -> list[tuple[Call, Any]]:
    """Do the writes in order, drafts that follow each other together."""
    answers: list[tuple[Call, Any]] = []
    for drafts, group in groupby(writes, key=lambda call: isinstance(call.run, Draft)):
        calls = list(group)
        if drafts:
            outcomes: Sequence[Any] = statements.append(connection, [cast(Draft, call.run) for call in calls])
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
    assert not isinstance(call.run, Draft)
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
