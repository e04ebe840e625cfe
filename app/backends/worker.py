"""The thread of the embedded backend: it answers calls in batches, and keeps the store in order in between."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from itertools import groupby
from queue import Empty, SimpleQueue
from threading import Lock, Thread, current_thread
from typing import Any

from app.backends import Follower, Unavailable, statements
from app.backends.statements.rows import WRONG, savepoint, transaction
from app.backends.storefile import StoreFile, reason
from app.backends.upkeep import Upkeep
from app.chat.events import Appended, Draft

log = logging.getLogger("store")

BATCH = 1000
"""How many calls are answered between two looks at the queue."""


@dataclass(slots=True)
class Call:
    """Something to do with the connection, or a draft to append. A write is done inside the batch's transaction, a
    read after it."""

    run: Draft | Callable[[sqlite3.Connection], Any]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
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
        calls: list[Call] = []
        with suppress(Empty):
            call = self.queue.get(timeout=upkeep.due())
            while call is not None:
                calls.append(call)
                if len(calls) == BATCH:
                    break
                call = self.queue.get_nowait()
            else:
                self._answer(connection, calls)
                return False
        self._answer(connection, calls)
        upkeep.wrote(sum(call.writes for call in calls))
        if not calls or upkeep.late:
            upkeep.step()
        return True

    def _answer(self, connection: sqlite3.Connection, calls: Sequence[Call]) -> None:
        answers: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
        writes = [call for call in calls if call.writes]
        for call, answer in [*self._written(connection, writes), *_read(connection, calls)]:
            answers.setdefault(call.loop, []).append((call.future, answer))
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
            return [(call, Unavailable(f"the store can't be written: {reason(error)}")) for call in writes]
        committed = [answer.event for _, answer in answers if isinstance(answer, Appended) and not answer.duplicate]
        if committed:
            for follower in self.followers.values():
                follower(committed)
        return answers

    def _outcomes(self, connection: sqlite3.Connection, writes: Sequence[Call]) -> list[tuple[Call, Any]]:
        """Do the writes in order, drafts that follow each other together."""
        answers: list[tuple[Call, Any]] = []
        for _, group in groupby(writes, key=lambda call: isinstance(call.run, Draft)):
            calls = list(group)
            drafts = [call.run for call in calls if isinstance(call.run, Draft)]
            outcomes = (
                statements.append(connection, drafts) if drafts else [_outcome(call, connection) for call in calls]
            )
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
