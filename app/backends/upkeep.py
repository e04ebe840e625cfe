"""What the store's thread does between changes: it clears deleted texts from the files, keeps the search index up to
date, looks for damage, and removes the copies that were made before an upgrade."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import AbstractContextManager, nullcontext
from time import monotonic

from app.backends import machine, other_programs
from app.backends.checking import Checker
from app.backends.indexing import SearchIndex
from app.backends.journal import Journal
from app.backends.outage import Outage, Source
from app.backends.readers import Readers
from app.backends.reasons import one_line
from app.backends.statements import purging
from app.backends.statements.rows import connect_read_only, transaction
from app.backends.storefile import StoreFile
from app.backends.upgrade import CopyRetention
from app.clock import Clock

log = logging.getLogger("store")

IDLE_DELAY = 2.0
"""How many seconds after the last upkeep its need is checked again."""
MAX_WRITES = 5000
"""After more changes than this, upkeep no longer waits until the store is idle."""
FIRST_LOOK, LOOK_INTERVAL, LOOK_PAUSE = 60.0, 24 * 60 * 60.0, 1.0
"""After how many seconds the store is looked through for damage, how often, and how long it rests between two steps."""
REST = 4.0
"""For how long a purge rests after a step, as a multiple of the step's time."""
PURGE_INTERVAL = 30.0
"""How many seconds lie between two purges, and between a failure and the next try. A purge's own time is added, times
20, because its last step goes through the whole file."""


LONG_READ = 60.0
"""After so many seconds in which another program reads the store, and texts can't be cleared, the log says so."""


class Upkeep:
    """Does upkeep on `connection` in small steps, and says when the next one is due."""

    def __init__(
        self,
        file: StoreFile,
        connection: sqlite3.Connection,
        clock: Clock,
        index: SearchIndex,
        journal: Journal | None,
        readers: Readers | None,
    ) -> None:
        self._file, self._connection, self._index = file, connection, index
        self._journal, self._readers = journal, readers
        self.outage = Outage(file.path, "cleaned up")
        self._hindered = float("inf")
        """Since when another program has kept texts from being cleared."""
        copies = CopyRetention(file.path, connection, clock)
        self._copies = None if copies.done else copies
        self._purge = purging.pending(connection)
        self._page = 0
        """The page of the file that a purge goes on with, 0 if none is under way."""
        self._written, self._indexing = 1, True
        self._next_check, self._next_step, self._next_purge = monotonic() + IDLE_DELAY, 0.0, 0.0
        self._look: tuple[Checker, sqlite3.Connection] | None = None
        """What looks for damage at the moment, and the connection that it reads with."""
        self._next_look = monotonic() + FIRST_LOOK

    def count_writes(self, writes: int) -> None:
        """Add `writes` to the changes that the index has yet to see."""
        self._written += writes

    def count_error(self) -> None:
        """Note that the store failed: the copies from before an upgrade stay longer."""
        if self._copies is not None:
            self._copies.restart()

    @property
    def overdue(self) -> bool:
        """Whether a step is due even though the store is busy."""
        behind = self._written > MAX_WRITES or (self._copies is not None and not self._copies.due())
        return behind and monotonic() >= self._next_step

    def due(self) -> float | None:
        """In how many seconds the next step is due if the store stays idle; None if there is nothing to do."""
        now, delays = monotonic(), list[float]()
        if self._readers is not None:
            delays.append(self._next_look - now)
        if self._written or self._indexing:
            delays.append(self._next_check - now)
        if self._page:
            delays.append(self._next_purge - now)
        elif self._purge:
            delays.append(max(self._next_purge, self._next_check) - now)
        if self._copies is not None:
            delays.append(self._copies.due())
        return max(0, self._next_step - now, min(delays)) if delays else None

    def step(self) -> None:
        """Do one step."""
        try:
            if self._copies is not None and not self._copies.due():
                self._copies.step()
                if self._copies.done:
                    self._copies = None
            if self._written or self._indexing:
                self._written = 0
                self._indexing = self._index.keep_up()
                self._purge = purging.pending(self._connection)
            if (self._purge or self._page) and monotonic() >= self._next_purge:
                self._purge_texts()
            if self._readers is not None and monotonic() >= self._next_look:
                self._look_for_damage(self._readers)
            if self.outage.causes:
                self.outage.recover(Source.UPKEEP)
        except Exception as error:
            if not self.outage.causes and not isinstance(error, (sqlite3.Error, OSError, MemoryError)):
                log.exception("%s: upkeep failed", self._file.path)
            self.outage.fail(Source.UPKEEP, one_line(error, self._file.path))
            self._next_step = monotonic() + PURGE_INTERVAL
            self.count_error()
        if not self._indexing:
            self._next_check = monotonic() + IDLE_DELAY

    def finish(self) -> None:
        """Clear what was deleted, before the store is closed."""
        if self._look is not None:
            self._look[1].close()
        try:
            self._index.finish()
            self._page = 0
            if purging.pending(self._connection):
                self._purge_texts()
                while self._page:
                    self._purge_texts()
            if self._copies is not None:
                self._copies.save()
        except Exception as error:
            if not isinstance(error, (sqlite3.Error, OSError, MemoryError)):
                log.exception("%s: upkeep failed", self._file.path)
            log.error("%s: the store could not be cleared: %s", self._file.path, one_line(error, self._file.path))

    def _look_for_damage(self, readers: Readers) -> None:
        checker, connection = self._look or (Checker(), connect_read_only(self._file.path))
        self._look = checker, connection
        self._next_look = monotonic() + LOOK_PAUSE
        for what in checker.step(connection):
            readers.damage.tell(what)
        if checker.done:
            connection.close()
            self._look, self._next_look = None, monotonic() + LOOK_INTERVAL

    def _purge_texts(self) -> None:
        """Clear deleted texts from the files, once the index has dropped them."""
        with transaction(self._connection):
            purging.dropped(self._connection, self._index.forgotten)
        if purging.last_forgotten(self._connection):
            self._indexing = self._index.keep_up()
            self._next_purge = monotonic() + IDLE_DELAY * bool(self._page)
            return
        if self._readers is not None and self._readers.damage.problem:
            self._page = 0  # what looks unused in a damaged page may be what can still be saved
            return
        began = monotonic()
        paused: AbstractContextManager[None] = self._readers.paused() if self._readers else nullcontext()
        if not self._page:
            purging.begin(self._connection)
        with paused:
            page = self._file.scrub(self._connection, self._page)
        self._page = page or 0
        if page:
            self._next_purge = monotonic() + REST * (monotonic() - began)
            return
        clean = page is not None
        self._note_readers(hindered=not clean)
        if clean and self._journal is not None:
            self._journal.durable = machine.last_applied(self._connection)
            clean = self._journal.scrub()
        if clean:
            purging.done(self._connection)
            self._purge = purging.pending(self._connection)
        self._next_purge = monotonic() + PURGE_INTERVAL + 20 * (monotonic() - began)

    def _note_readers(self, *, hindered: bool) -> None:
        """Tell if another program reads for so long that what is deleted stays in the files."""
        now = monotonic()
        if not hindered:
            self._hindered = float("inf")
            self.outage.recover(Source.READER)
            return
        self._hindered = min(self._hindered, now)
        if now - self._hindered >= LONG_READ:
            who = other_programs.reading(self._file.path) or "another program"
            self.outage.fail(Source.READER, f"{who} reads it, and deleted texts stay in its files until that ends")
