"""The thread of the embedded backend: it runs requests in batches, and does upkeep in between."""

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

from app.backends import Follower, Origin, Unavailable, statements
from app.backends.reasons import reason
from app.backends.statements import users
from app.backends.statements.rows import CALL_ERRORS, savepoint, transaction
from app.backends.storefile import StoreFile
from app.backends.upkeep import Upkeep
from app.chat.events import Appended, Draft, User
from app.clock import Clock

log = logging.getLogger("store")

MAX_BATCH = 1000
"""The most requests in one batch."""
GUEST_DELAY = 0.05
"""How many seconds new guests are gathered before they are written. Nobody waits for that write. Without the delay, a
commit for each guest, or just waking the thread for each, would take a third of the CPU time of a guest's connection.
"""
RETRY_DELAY = 5.0
"""How many seconds go by before new guests are written again after the store could not be written."""


@dataclass(slots=True)
class Request:
    """A draft to append, or a function to call with the connection. Those that write share the batch's transaction;
    those that read run after it."""

    run: Draft | Callable[[sqlite3.Connection], Any]
    future: asyncio.Future[Any] | Post
    writes: bool


class Post:
    """Takes the place of a future: a draft, its origin, and the event loop to tell that in."""

    __slots__ = ("_loop", "draft", "origin")

    def __init__(self, draft: Draft, origin: Origin) -> None:
        self.draft, self.origin, self._loop = draft, origin, asyncio.get_running_loop()

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop


class Signal(Enum):
    """What the queue has beside requests."""

    GUESTS = "new guests are waiting to be written"
    CLOSE = "no more requests will come"


class Worker:
    """The thread, its connection and its queue. It has no reference to its Embedded, so that this can become
    garbage and stop the thread."""

    def __init__(self, path: str, clock: Clock) -> None:
        self.file = StoreFile(path)
        self.queue: SimpleQueue[Request | Signal] = SimpleQueue()
        self.followers: dict[object, Follower] = {}
        self.thread: Thread | None = None
        self.user_ids: Iterator[int] = iter(())
        """The ids of users to come, once the store is open."""
        self._clock = clock
        self._submitting, self._closed = Lock(), False
        self._changing_followers = Lock()
        self._guests: list[User] = []
        self._guests_due = 0.0
        self._upkeep: Upkeep

    def start(self) -> None:
        """Open the store and start the thread. StoreError if the store can't be used."""
        connection = self.file.open()
        self.user_ids = count(users.last(connection) + 1)
        self._upkeep = Upkeep(self.file, connection, self._clock)
        self.thread = Thread(target=self._serve, args=(connection,), name="store", daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """Finish what was submitted, and close the store."""
        with self._submitting:
            self._closed = True
            self.queue.put(Signal.CLOSE)
        if self.thread is not None and self.thread is not current_thread():  # the collector may run in any thread
            self.thread.join()

    def submit(self, request: Request) -> bool:
        """Queue a request. Return False if the store is closed; the request is dropped then."""
        with self._submitting:
            if not self._closed:
                self.queue.put(request)
            return not self._closed

    def add_guest(self, user: User) -> bool:
        """Have a new user written after GUEST_DELAY, or together with any request that is submitted later. Return False
        if the store is closed; the user is dropped then."""
        with self._submitting:
            if not self._closed:
                if not self._guests:
                    self._guests_due = monotonic() + GUEST_DELAY
                    self.queue.put(Signal.GUESTS)
                self._guests.append(user)
            return not self._closed

    def follow(self, follower: Follower) -> Callable[[], None]:
        """Call `follower` with what is committed from now on, until the returned function is called."""
        key = object()
        with self._changing_followers:
            self.followers = {**self.followers, key: follower}

        def unfollow() -> None:
            with self._changing_followers:
                self.followers = {known: other for known, other in self.followers.items() if known is not key}

        return unfollow

    def _serve(self, connection: sqlite3.Connection) -> None:
        while self._serve_batch(connection):
            pass
        self._upkeep.finish()
        connection.close()
        self.file.release()

    def _serve_batch(self, connection: sqlite3.Connection) -> bool:
        """Run what is queued, or some upkeep if nothing is. Return False once the store is closed."""
        upkeep = self._upkeep
        requests, closed = self._next_requests(upkeep.due())
        guests: list[User] = []
        if requests or closed or monotonic() >= self._guests_due:
            with self._submitting:
                guests, self._guests = self._guests, []
        elif self._guests:
            return True
        self._run(connection, guests, requests)
        if closed:
            return False
        upkeep.count_writes(len(guests) + sum(request.writes for request in requests))
        if not (requests or guests) or upkeep.overdue:
            upkeep.step()
        return True

    def _next_requests(self, timeout: float | None) -> tuple[list[Request], bool]:
        """Return all queued requests, and whether the store was closed after them. Wait for the first one until the
        timeout in seconds has passed or guests are due."""
        if self._guests:
            timeout = max(0, self._guests_due - monotonic())
        requests: list[Request] = []
        with suppress(Empty):
            request = self.queue.get(timeout=timeout)
            while request is not Signal.CLOSE:
                if isinstance(request, Request):
                    requests.append(request)
                    if len(requests) == MAX_BATCH:
                        return requests, False
                request = self.queue.get_nowait()
            return requests, True
        return requests, False

    def _run(self, connection: sqlite3.Connection, guests: list[User], requests: Sequence[Request]) -> None:
        """Run a batch, and hand the outcomes to the event loops that wait for them."""
        writes = [request for request in requests if request.writes]
        written = self._write(connection, guests, writes)
        _hand_back([(request, outcome) for request, outcome in written if isinstance(request.future, Post)])
        committed = [outcome.event for _, outcome in written if isinstance(outcome, Appended) and not outcome.duplicate]
        if committed:
            for follower in self.followers.values():
                follower(committed)
        rest = [(request, outcome) for request, outcome in written if not isinstance(request.future, Post)]
        _hand_back([*rest, *self._read(connection, requests)])

    def _write(
        self, connection: sqlite3.Connection, guests: list[User], writes: Sequence[Request]
    ) -> list[tuple[Request, Any]]:
        """Run all writes in one transaction. If it fails, each has Unavailable as its outcome, and guests are tried
        again later."""
        if not guests and not writes:
            return []
        try:
            with transaction(connection):
                if guests:
                    users.insert(connection, guests)
                outcomes = _write_in_order(connection, writes)
        except sqlite3.Error as error:
            self._report("the store can't be written", error)
            with self._submitting:
                self._guests = guests + self._guests
                self._guests_due = monotonic() + RETRY_DELAY
            return [(request, Unavailable(f"the store can't be written: {reason(error)}")) for request in writes]
        return outcomes

    def _read(self, connection: sqlite3.Connection, requests: Sequence[Request]) -> list[tuple[Request, Any]]:
        outcomes: list[tuple[Request, Any]] = []
        for request in requests:
            if not request.writes:
                try:
                    outcomes.append((request, _outcome(request, connection)))
                except sqlite3.Error as error:
                    self._report("the store can't be read", error)
                    outcomes.append((request, Unavailable(f"the store can't be read: {reason(error)}")))
        return outcomes

    def _report(self, problem: str, error: sqlite3.Error) -> None:
        log.error("%s: %s: %s", self.file.path, problem, reason(error))
        self._upkeep.count_error()


def _write_in_order(connection: sqlite3.Connection, writes: Sequence[Request]) -> list[tuple[Request, Any]]:
    """Run the writes in order, consecutive drafts together."""
    outcomes: list[tuple[Request, Any]] = []
    for are_drafts, group in groupby(writes, key=lambda request: isinstance(request.run, Draft)):
        requests = list(group)
        if are_drafts:
            drafts = [cast(Draft, request.run) for request in requests]
            results: Sequence[Any] = statements.append(connection, drafts)
        else:
            results = [_outcome(request, connection) for request in requests]
        outcomes += zip(requests, results, strict=True)
    return outcomes


def _outcome(request: Request, connection: sqlite3.Connection) -> Any:
    """Return a request's result, or the error that concerns it alone. Raise an error that concerns the whole store."""
    assert not isinstance(request.run, Draft)
    try:
        with savepoint(connection) if request.writes else nullcontext():
            return request.run(connection)
    except CALL_ERRORS as error:
        return error


def _hand_back(outcomes: Sequence[tuple[Request, Any]]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any] | Post, Any]]] = {}
    for request, outcome in outcomes:
        by_loop.setdefault(request.future.get_loop(), []).append((request.future, outcome))
    for loop, settled in by_loop.items():
        with suppress(RuntimeError):  # the loop is closed, so nobody waits in it
            loop.call_soon_threadsafe(_settle, settled)


def _settle(settled: Sequence[tuple[asyncio.Future[Any] | Post, Any]]) -> None:
    for future, outcome in settled:
        if isinstance(future, Post):
            if isinstance(outcome, Exception):
                future.origin.failed(outcome, future.draft)
            else:
                future.origin.stored(outcome.event, duplicate=outcome.duplicate)
        elif future.done():
            continue
        elif isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
