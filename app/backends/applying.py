"""The store's thread: the only one that writes to SQLite. It applies what is committed, and does upkeep in between."""

from __future__ import annotations

import logging
import sqlite3
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from itertools import chain
from threading import Event, Lock, Thread, current_thread
from time import monotonic, sleep

from app.backends import StoreError, machine
from app.backends.answering import Answers, Batch, first_of
from app.backends.digest import Chain
from app.backends.journal import Journal
from app.backends.outage import Outage, Source
from app.backends.places import Places
from app.backends.readers import Read, Readers, run, unreadable
from app.backends.reasons import one_line, reason
from app.backends.sequencing import Entry
from app.backends.signals import Signal, Signals
from app.backends.space import Space
from app.backends.storefile import StoreFile
from app.backends.upkeep import Upkeep
from app.chat.events import Draft

log = logging.getLogger("store")

DELAY = 0.2
"""How many seconds committed changes are gathered before they are applied, unless someone waits for that. Each
transaction has costs of its own, and rewrites pages that the next one will rewrite."""
GATHERED = 5000
"""With more entries than this, they are applied at once."""
MAX_ENTRIES, MAX_SIZE = 2000, 512 * 1024
"""The most entries that one transaction applies, and the bytes that they have in the journal, apart from a single batch
with more. Those who read wait for what comes before them, and the event loop for the core that they share."""
MAX_UNAPPLIED = 100_000
"""With more entries than this, nothing more is committed until some are applied."""
GUEST_DELAY = 0.05
"""How many seconds new guests are gathered before they are committed, if nothing else is. Nobody waits for that."""
RETRY_DELAY = 2.0
"""How many seconds go by before something that failed is tried again by itself."""
STUMBLE_DELAY = 0.1
"""How many seconds the thread rests after an error that it didn't expect. It may come again at once."""


class Applier:
    """The thread. It is the Store of `front`, which is to be set before it starts."""

    def __init__(self, file: StoreFile) -> None:
        self.front: Answers
        self.failing = False
        self.outage = Outage(file.path, "written")
        self.reading = Outage(file.path, "read")
        self._outages = [self.outage, self.reading]
        self.worked_at = float("-inf")
        """When something was last applied, by the monotonic clock."""
        self.thread: Thread | None = None
        self.contradiction = 0
        """The number of a record that can't be applied because of what the store has, and not because of the disk."""
        self.digests: Chain | None = None
        """What tells whether this copy differs from those of other nodes. A store of its own has none."""
        self._file = file
        self._connection: sqlite3.Connection
        self._journal: Journal | None = None
        self._readers: Readers | None = None
        """Without readers, this thread also reads, and everything is applied as soon as it is committed."""
        self._places: Places | None = None
        """Where the files are, unless the store is in memory."""
        self._upkeep: Upkeep
        self._signals = Signals()
        self._batches: deque[Batch] = deque()
        self.backlog = 0
        """How many entries these have: those that are to be applied."""
        self._applied = 0
        """The turn up to which everything is applied."""
        self._reads: deque[tuple[int, Read]] = deque()
        """Reads, each with the turn that it waits for."""
        self._waiting = 0
        """The last turn that someone waits for."""
        self._closed = False
        self._apply_at = self._commit_at = float("inf")
        self._retries: deque[Event] = deque()
        """Set once it was tried again to apply what could not be applied."""
        self._retry_at = 0.0
        """When to find out whether what fails works again."""
        self._space = Space(self.outage)
        self._no_zeros_until = 0.0
        self._lock = Lock()
        """Guards what other threads use as well: `_batches`, `backlog`, `_applied`, `_reads`, `_waiting`, `_closed`."""

    @property
    def damage(self) -> str | None:
        """What of the store is known to be damaged."""
        return self._readers.damage.problem if self._readers is not None else None

    def start(
        self, connection: sqlite3.Connection, journal: Journal | None, readers: Readers | None, upkeep: Upkeep
    ) -> None:
        """Start the thread, which owns all of these from now on. StoreError if the system has no room for it: then
        they are closed, and the file is released."""
        self._connection, self._journal, self._readers, self._upkeep = connection, journal, readers, upkeep
        if journal is not None and self._file.file is not None:
            self._places = Places(self._file.path, self._file.file, journal)
        self._outages.append(upkeep.outage)
        for outage in self._outages:
            outage.path = self._file.path
        thread = Thread(target=self._serve, name="store", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            self._let_go()
            raise StoreError(f"{self._file.path}: {error}: raise the limit of threads (ulimit -u)") from None
        self.thread = thread

    def stop(self) -> None:
        """Finish what was submitted, and end the thread."""
        self.front.close()
        with self._lock:
            self._closed = True
        if self.thread is None:
            return
        self._signals.put(Signal.CLOSE)
        if self.thread is not current_thread():  # the collector may run in any thread
            self.thread.join()

    def read(self, read: Read) -> bool:
        """Run `read` once everything that was submitted before is applied. False if the store is closed."""
        turn = self.front.turn_of_pending()
        with self._lock:
            if self._closed:
                return False
            if self._readers is not None and turn <= self._applied:
                self._readers.submit(read)
                return True
            self._reads.append((turn, read))
            self._waiting = max(self._waiting, turn)
        self._signals.put(Signal.APPLY)
        return True

    def try_again(self) -> None:
        if self.thread is current_thread():
            self._apply()
            return
        tried = Event()
        self._retries.append(tried)
        self._signals.put(Signal.RETRY)
        tried.wait(RETRY_DELAY)

    def refusal(self) -> str | None:
        outage = self.outage
        if self.backlog > MAX_UNAPPLIED:
            self._signals.put(Signal.APPLY)
            outage.fail(Source.PACE, "changes come faster than they can be applied: try again later")
        elif outage.causes:
            outage.recover(Source.PACE)
        if self._journal is not None and self._space.due:
            self._look_at_places()
            self._space.look()
        return outage.problem_but(Source.JOURNAL, Source.SYNC) if outage.causes else None

    def _look_at_places(self) -> bool:
        """Look whether all files are there. Return whether something began to be missing."""
        return self._places is not None and self._places.look(self.outage)

    def _checkpoint_all(self) -> None:
        with suppress(sqlite3.Error):
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    def add(self, batch: Batch) -> None:
        with self._lock:
            first = not self._batches
            self._batches.append(batch)
            self.backlog += len(batch.entries)
            waits = batch.waits or any(entry.waiter and type(entry.change) is not Draft for entry in batch.entries)
            if waits or self._readers is None:
                self._waiting = batch.turn
            urgent = self._waiting >= batch.turn or self.backlog > GATHERED
        if first or urgent:
            self._signals.put(Signal.APPLY)

    def hurry(self) -> None:
        with self._lock:
            if self._batches:
                self._waiting = max(self._waiting, self._batches[-1].turn)
        self._signals.put(Signal.APPLY)

    def unapplied(self) -> Iterable[Entry]:
        with self._lock:
            return chain.from_iterable(batch.entries for batch in list(self._batches))

    def commit_soon(self, *, guests: bool = False) -> None:
        self._signals.put(Signal.GUESTS if guests else Signal.COMMIT)

    def _serve(self) -> None:
        serving = True
        while serving:
            try:
                serving = self._serve_once()
            except Exception as error:  # noqa: BLE001
                self._stumbled(error)
                serving = not self._closed  # what is committed is in the journal, and applied at the next start
        try:
            self._end()
        except Exception:
            log.exception("%s: the store was not closed well: the next start makes up for that", self._file.path)
            self._let_go()

    def _let_go(self) -> None:
        """Close what is open, as far as that works."""
        for left in (self._readers, self._connection):
            with suppress(Exception):
                if left is not None:
                    left.close()
        self._file.release()

    def _end(self) -> None:
        """Close everything."""
        self._upkeep.finish()
        if self._readers is not None:
            self._readers.close()
        self._look_at_places()
        whole = not self._batches and not (self._places and self._places.problem)
        if whole:
            whole = self._file.finish(self._connection)
        else:
            self._checkpoint_all()  # SQLite leaves that out when it closes a file that was moved
        self._connection.close()
        if self._places is not None:
            self._places.rescue()
        if self._journal is not None:
            self._journal.close(remove=whole)
        self._file.release()

    def _stumbled(self, error: Exception) -> None:
        """Go on after an error that nothing else has caught. Those who wait for this thread are told."""
        try:
            if not self.failing and not isinstance(error, MemoryError):
                log.error("%s: the store's thread failed", self._file.path, exc_info=error)
            while self._retries:
                self._retries.popleft().set()
            self._apply_failed(one_line(error, self._file.path))
        except Exception as another:  # noqa: BLE001
            self.failing = True
            self.outage.fail(Source.STORE, one_line(another))
        sleep(STUMBLE_DELAY)

    def _serve_once(self) -> bool:
        """Do what is asked for, or some upkeep if nothing is. Return False once the store is closed."""
        signals = self._next_signals()
        now = monotonic()
        closed = Signal.CLOSE in signals
        if Signal.GUESTS in signals and self._commit_at > now + GUEST_DELAY:
            self._commit_at = now + GUEST_DELAY
        if Signal.COMMIT in signals or closed or now >= self._commit_at:
            self._commit_at = float("inf")
            self.front.commit()
        if now >= self._retry_at and any(outage.lasts for outage in self._outages):
            self._retry_at = now + RETRY_DELAY
            if self.outage.causes:
                self.front.probe()
            for outage in self._outages:
                outage.tick()
        while self._retries:
            tried = self._retries.popleft()
            self._apply()
            tried.set()
        if (self._batches or self.failing) and (
            closed
            or now >= self._apply_at
            or self._waiting > self._applied
            or self.backlog > GATHERED
            or self._readers is None
        ):
            self._apply()
        elif self._batches and self._apply_at == float("inf"):
            self._apply_at = now + DELAY
        if (journal := self._unprepared_journal()) is not None:
            try:
                journal.prepare()
            except OSError:
                self._no_zeros_until = now + RETRY_DELAY  # a commit that needs the room will say so
        self._release_reads()
        if closed:
            return False
        if self._places is not None and not self._places.due() and self._look_at_places():
            self._apply()  # puts all that was acknowledged into the file, wherever that is now
            self._checkpoint_all()
        if (not signals and self._upkeep.due() == 0) or self._upkeep.overdue:
            self._upkeep.step()
        return True

    def _next_signals(self) -> set[Signal]:
        """Return all that is queued. Wait for the first until something is due."""
        now = monotonic()
        due = [self._apply_at - now, self._commit_at - now]
        if self._places is not None:
            due.append(self._places.due())
        if any(outage.lasts for outage in self._outages):
            due.append(self._retry_at - now)
        if not self._batches and (upkeep := self._upkeep.due()) is not None:
            due.append(upkeep)
        timeout = max(0.0, min(due)) if self._unprepared_journal() is None else 0.0
        return self._signals.take(timeout)

    def _unprepared_journal(self) -> Journal | None:
        """The journal, if it is to be filled with zeros now."""
        journal = self._journal
        if journal is None or not (
            self._space.spacious and journal.wants_zeros and monotonic() >= self._no_zeros_until
        ):
            return None
        return journal

    def _apply(self) -> None:
        """Apply all batches, some in each transaction. What fails is tried again later."""
        self._apply_at = float("inf")
        if not self._batches:
            self._works()
        while self._batches:
            with self._lock:
                chosen = first_of(self._batches, MAX_ENTRIES, MAX_SIZE)
            entries = list(chain.from_iterable(batch.entries for batch in chosen))
            number = max(batch.number for batch in chosen)
            try:
                if entries:
                    groups = [(batch.number, batch.entries) for batch in chosen]
                    machine.commit(self._connection, groups, self.digests)
            except Exception as error:
                # Leaving a change out would make this store differ from what its journal says.
                if not isinstance(error, (sqlite3.Error, MemoryError)) and not self.failing:
                    log.exception("%s: record %d of the journal can't be applied", self._file.path, number)
                if not isinstance(error, (sqlite3.OperationalError, OSError, MemoryError)):
                    self.contradiction = number
                self._apply_failed(one_line(error, self._file.path))
                return
            self._works()
            self.worked_at = monotonic()
            turn = chosen[-1].turn
            with self._lock:
                for _ in chosen:
                    self._batches.popleft()
                self.backlog -= len(entries)
            try:
                self.front.applied(entries)
                self.front.finish(turn)
            except Exception as error:
                self.front.give_up(entries, f"the store's answer got lost: {one_line(error)}")
                raise
            with self._lock:
                self._applied = turn  # only now, since followers know all that can be read
            self._upkeep.count_writes(len(entries))
            self._release_reads()
            if self._journal is not None and number:
                try:
                    self._checkpoint(number)
                except sqlite3.Error as error:
                    self.outage.fail(Source.SYNC, f"it can't be synced: {reason(error, self._file.path)}")

    def _works(self) -> None:
        self.failing, self.contradiction = False, 0
        if self.outage.causes:
            self.outage.recover(Source.STORE)

    def _apply_failed(self, why: str) -> None:
        problem = self.outage.fail(Source.STORE, why)
        self.failing = True
        self._upkeep.count_error()
        self._apply_at = monotonic() + RETRY_DELAY
        self.front.give_up(list(self.unapplied()), problem)
        with self._lock:
            self._waiting = self._applied
        self._release_reads(all_of_them=True)

    def _checkpoint(self, number: int) -> None:
        """Have SQLite sync what is applied, up to record `number`, so that the journal's files can be used again."""
        assert self._journal is not None
        if self._journal.wants_checkpoint:
            (busy, pages, moved) = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if not busy and pages == moved:
                self._journal.durable = number
                if self.outage.causes:
                    self.outage.recover(Source.SYNC)

    def _release_reads(self, *, all_of_them: bool = False) -> None:
        """Start the reads that have what they wait for. While the store fails they get what it has."""
        ready: list[Read] = []
        with self._lock:
            while self._reads and (all_of_them or self._reads[0][0] <= self._applied):
                ready.append(self._reads.popleft()[1])
        for read in ready:
            if self._readers is not None:
                self._readers.submit(read)
                continue
            try:
                read.settle(run(read.run, self._connection))
            except Exception as error:  # noqa: BLE001
                read.settle(unreadable(self.reading, error))
