"""Commits: what is asked for in one turn of an event loop is written with one sync of the disk, and then answered."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Sequence
from enum import Enum
from queue import SimpleQueue
from threading import Thread, current_thread
from time import perf_counter

from app.backends import Unavailable
from app.backends.answering import Answers, Batch, Store, settle
from app.backends.changes import CreateUser, Probe, encode
from app.backends.journal import Journal
from app.backends.outage import Source
from app.backends.reasons import one_line
from app.backends.sequencing import Entry, Sequencer
from app.backends.statements.rows import CALL_ERRORS

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


class Committer(Answers):
    """Gathers entries and commits them: in the event loop that asks, while the disk is fast, otherwise in a thread.

    Entries are committed in the order in which they were submitted. Followers get the events of one commit after the
    other. Those who wait for an answer get it in their event loop.
    """

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._journal: Journal | None = None
        self._pending: list[Entry] = []
        self._kept: list[Entry] = []
        """Entries without anyone to answer, whose commit failed. They go with the next one."""
        self._scheduled: object = None
        """The event loop, or this object for a thread, that will commit what is pending."""
        self._started = False
        self._slow, self._average = False, 0.0
        self._thread: Thread | None = None
        self._requests: SimpleQueue[Request] = SimpleQueue()

    def start(self, sequencer: Sequencer, journal: Journal | None) -> None:
        """Begin to commit, to `journal` or, if that is None, to the store alone."""
        self._sequencer, self._journal = sequencer, journal
        with self._lock:
            self._started = True
            early = bool(self._pending)
        if early:
            self._commit_in_thread()

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
            self._deliver(batch)

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
                batch.number, batch.size = self._journal.last, len(payload)
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
        batch = self._place(entries)
        return batch, encode([entry.change for entry in batch.entries])

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
