"""Commits: what is asked for in one turn of an event loop is written with one sync of the disk, and then answered."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from queue import SimpleQueue
from threading import Lock, Thread, current_thread
from time import perf_counter
from typing import Protocol

from msgspec import Struct

from app.backends import Follower, Unavailable
from app.backends.answering import running_loop, settle, tell
from app.backends.changes import CreateUser, Probe, encode
from app.backends.journal import Journal
from app.backends.outage import Outage, Source
from app.backends.reasons import one_line
from app.backends.sequencing import Entry, Sequencer
from app.backends.statements.rows import CALL_ERRORS
from app.chat.events import Draft, Event, Kind

log = logging.getLogger("store")

SLOW, FAST = 0.0005, 0.00025
"""A commit in an event loop holds up everyone in it. Once commits take more than SLOW seconds on average they are made
in a thread, at the price of two switches between threads each, until they take less than FAST."""
WEIGHT = 0.1
"""How much the last commit counts in that average."""


class Request(Enum):
    """What a Committer asks of its thread."""

    COMMIT = "commit what is pending"
    END = "end, since nothing more will come"


class Batch(Struct, gc=False):
    """The entries of one commit."""

    turn: int
    """Counts commits, also those that failed."""
    number: int
    """The number of its record in the journal."""
    entries: list[Entry]
    """What is to be applied; nothing if the commit failed."""
    drafts: list[Entry]
    """The drafts to answer."""
    waits: bool
    """Whether the answers depend on what gets stored: the edit of a deleted message has no text."""


class Store(Protocol):
    """What a Committer needs of the thread that applies changes."""

    outage: Outage
    """What can't be written at the moment, and why."""

    @property
    def failing(self) -> bool:
        """Whether changes could not be applied when that was last tried."""

    def try_again(self) -> None:
        """Try again to apply what could not be applied, and wait for that. Not for an event loop."""

    def refusal(self) -> str | None:
        """Return why nothing may be written now, or None."""

    def add(self, batch: Batch) -> None:
        """Have a batch applied, in order."""

    def unapplied(self) -> Iterable[Entry]:
        """Return the entries that are not in the store yet, in order."""

    def commit_soon(self, *, guests: bool = False) -> None:
        """Have `Committer.commit` called in the store's thread: at once, or a little later if only for guests."""


class Committer:
    """Gathers entries and commits them: in the event loop that asks, while the disk is fast, otherwise in a thread.

    Entries are committed in the order in which they were submitted. Followers get the events of one commit after the
    other. Those who wait for an answer get it in their event loop.
    """

    def __init__(self, store: Store) -> None:
        self.followers: dict[object, Follower] = {}
        self.turn = 0
        """How many commits have begun."""
        self._store = store
        self._sequencer: Sequencer
        self._journal: Journal | None = None
        self._lock = Lock()
        self._pending: list[Entry] = []
        self._kept: list[Entry] = []
        """Entries without anyone to answer, whose commit failed. They go with the next one."""
        self._scheduled: object = None
        """The event loop, or this object for a thread, that will commit what is pending."""
        self._started = self._closed = False
        self._committing = Lock()
        """Held during a commit and while answers are given, which keeps both in order."""
        self._unfinished: deque[Batch] = deque()
        """Batches whose answers wait for the store, or for other answers to arrive, and those after them."""
        self._answered_in: object = None
        """Where answers were given last: an event loop, or this object for a thread."""
        self._slow, self._average = False, 0.0
        self._thread: Thread | None = None
        self._requests: SimpleQueue[Request] = SimpleQueue()
        self._changing_followers = Lock()

    def start(self, sequencer: Sequencer, journal: Journal | None) -> None:
        """Begin to commit, to `journal` or, if that is None, to the store alone."""
        self._sequencer, self._journal = sequencer, journal
        with self._lock:
            self._started = True
            early = bool(self._pending)
        if early:
            self._commit_in_thread()

    def follow(self, follower: Follower) -> Callable[[], None]:
        """Call `follower` with what is committed from now on, until the returned function is called."""
        key = object()
        with self._changing_followers:
            self.followers = {**self.followers, key: follower}

        def unfollow() -> None:
            with self._changing_followers:
                self.followers = {known: other for known, other in self.followers.items() if known is not key}

        return unfollow

    def submit(self, entry: Entry) -> bool:
        """Have `entry` committed at the end of this turn of its loop. Return False if the store is closed."""
        loop = entry.loop
        with self._lock:
            if self._closed:
                return False
            self._pending.append(entry)
            if self._scheduled is loop or self._scheduled is self or not self._started:
                return True
            in_loop = not self._slow and self._journal is not None and not self._store.failing
            self._scheduled = loop if in_loop else self
        if in_loop:
            loop.call_soon(self._commit_in_loop)
        else:
            self._commit_in_thread()
        return True

    def create_guest(self) -> int:
        """Create a user without waiting for the commit, and return the id; 0 if the store is closed."""
        with self._lock:
            if self._closed:
                return 0
            user = self._sequencer.next_user()
            alone = not self._pending
            self._pending.append(Entry(CreateUser(user=user)))
        if alone:
            self._store.commit_soon(guests=True)
        return user

    def probe(self) -> None:
        """Commit what is pending, or else something that changes nothing, to find out whether that works again."""
        with self._lock:
            if self._closed:
                return
            if not self._pending and not self._kept:
                self._pending.append(Entry(Probe()))
        self.commit()

    def turn_of_pending(self) -> int:
        """Return the turn after whose commit everything that was submitted so far is written."""
        with self._lock:
            return self.turn + bool(self._pending)

    def close(self) -> None:
        """Accept nothing more. What was submitted is still pending, or committed."""
        with self._lock:
            self._closed = True
        if self._thread is not None:
            self._requests.put(Request.END)
            if self._thread is not current_thread():  # the collector may run in any thread
                self._thread.join()

    def applied(self, entries: Sequence[Entry]) -> None:
        """Note that these entries are in the store, and answer those that waited for that."""
        with self._committing:
            self._sequencer.stored(entries)
            if not any(self._store.unapplied()):
                self._sequencer.forget_heads()
        settle([entry for entry in entries if type(entry.change) is not Draft])

    def give_up(self, entries: Iterable[Entry], problem: str) -> None:
        """Answer those who wait for the store, which fails, that it is unavailable. What they asked for is committed,
        and is stored once the store works again."""
        with self._committing:
            drafts = [entry for batch in self._unfinished for entry in batch.drafts]
            waiting = [entry for entry in entries if type(entry.change) is not Draft] + drafts
            refused = [Entry(entry.change, entry.waiter, entry.loop, answer=Unavailable(problem)) for entry in waiting]
            for entry in waiting:
                entry.waiter = None
        settle(refused)  # in loops that may get to it later

    def finish(self, turn: int) -> None:
        """Answer the drafts of all batches up to a turn, which have been applied."""
        with self._committing:
            while self._unfinished and (self._unfinished[0].turn <= turn or not self._unfinished[0].waits):
                self._answer(self._unfinished[0])
                self._unfinished.popleft()

    def commit(self) -> None:
        """Commit what is pending."""
        if self._store.failing:
            self._store.try_again()
        with self._committing:
            with self._lock:
                entries, self._pending, self._scheduled = self._pending, [], None
                if self._kept:
                    entries, self._kept = self._kept + entries, []
                self.turn += bool(entries)
            if not entries:
                return
            try:
                refusal = self._store.refusal()
                batch = self._fail(entries, refusal) if refusal else self._write(entries)
            except Exception as error:
                # Nothing of it is written. Those who wait must hear of that.
                log.exception("A commit failed")
                batch = self._fail(entries, self._store.outage.fail(Source.JOURNAL, one_line(error)))
            if batch.waits or self._unfinished or not self._in_step():
                self._unfinished.append(batch)
            else:
                self._answer(batch)  # before it is applied: followers know all that can be read
            self._store.add(batch)

    def _in_step(self) -> bool:
        """Whether all answers before have arrived in the running loop. If others were given elsewhere since, they may
        still be on their way to it. In that case, have what is unfinished answered right after they arrive."""
        running = running_loop()
        if running is None or self._answered_in in (None, running):
            return True
        self._answered_in = running
        running.call_soon(self._answer_in_step)
        return False

    def _answer_in_step(self) -> None:
        with self._committing:
            while self._unfinished and not self._unfinished[0].waits and self._in_step():
                self._answer(self._unfinished[0])
                self._unfinished.popleft()

    def _commit_in_loop(self) -> None:
        if self._slow or self._store.failing:
            self._commit_in_thread()
        else:
            self.commit()

    def _commit_in_thread(self) -> None:
        if self._journal is None:
            self._store.commit_soon()
            return
        if self._thread is None:
            thread = Thread(target=self._serve, name="journal", daemon=True)
            try:
                thread.start()
            except (RuntimeError, MemoryError):  # the system has no room for a thread
                self._store.commit_soon()
                return
            self._thread = thread
        self._requests.put(Request.COMMIT)

    def _serve(self) -> None:
        while self._requests.get() is Request.COMMIT:
            try:
                self.commit()
            except Exception:
                log.exception("A commit failed")

    def _write(self, entries: list[Entry]) -> Batch:
        """Write entries to the journal. If that fails, all of them are answered and the batch is empty."""
        try:
            batch, payload = self._placed(entries)
            if self._journal is not None and batch.entries:
                began = perf_counter()
                self._journal.write(payload)
                batch.number = self._journal.last
                self._average += WEIGHT * (perf_counter() - began - self._average)
                self._slow = self._average > (FAST if self._slow else SLOW)
        except Exception as error:
            if not isinstance(error, (sqlite3.Error, OSError, MemoryError)):
                log.exception("A commit failed")
            self._take_back(entries)
            outage = self._store.outage
            return self._fail(entries, outage.fail(Source.JOURNAL, one_line(error, outage.path)))
        if self._store.outage.causes:
            self._store.outage.recover(Source.JOURNAL)
        return batch

    def _placed(self, entries: list[Entry]) -> tuple[Batch, bytes]:
        """Give entries their places. Return them as a batch, and encoded. Those that can't be stored are answered, and
        removed from the list."""
        try:
            return self._encoded(entries)
        except CALL_ERRORS:
            self._take_back(entries)
        for entry in entries:
            try:
                encode(entry.change)
            except CALL_ERRORS as error:
                entry.answer = error
        settle([entry for entry in entries if entry.answer is not None])
        entries[:] = [entry for entry in entries if entry.answer is None]
        return self._encoded(entries)

    def _encoded(self, entries: Sequence[Entry]) -> tuple[Batch, bytes]:
        self._sequencer.place(entries)
        placed, drafts, waits = [], [], False
        for entry in entries:
            change = entry.change
            if type(change) is Draft:
                drafts.append(entry)
                if not entry.pos:
                    continue
                waits = waits or change.kind == Kind.EDIT
            placed.append(entry)
        return Batch(self.turn, 0, placed, drafts, waits), encode([entry.change for entry in placed])

    def _take_back(self, entries: Sequence[Entry]) -> None:
        self._sequencer.take_back(entries, self._store.unapplied())

    def _fail(self, entries: Iterable[Entry], problem: str) -> Batch:
        """Answer that the store is unavailable. Guests, who have no other answer to wait for, are written later."""
        failed, kept = [], []
        for entry in entries:
            if entry.waiter is None:
                kept.append(entry)
            else:
                entry.answer = Unavailable(problem)
                failed.append(entry)
        with self._lock:
            self._kept += kept
        self._store.outage.count(len(failed))
        settle(failed)
        return Batch(self.turn, 0, [], [], waits=False)

    def _answer(self, batch: Batch) -> None:
        """Answer the drafts of a batch: first their origins, then the followers, then those who await a future."""
        running = running_loop()
        self._answered_in = running or self
        events: list[Event] = []
        futures: list[Entry] = []
        elsewhere: list[Entry] = []
        for entry in batch.drafts:
            if entry.event is not None and not entry.duplicate:
                events.append(entry.event)
            if entry.waiter is None:  # given up
                continue
            if isinstance(entry.waiter, asyncio.Future) or entry.answer is not None:
                futures.append(entry)
            elif entry.loop is running:
                tell(entry)
            else:
                elsewhere.append(entry)
        settle(elsewhere)
        if events:
            for follower in self.followers.values():
                try:
                    follower(events)
                except Exception:
                    log.exception("A follower failed at %d events", len(events))
        settle(futures)
