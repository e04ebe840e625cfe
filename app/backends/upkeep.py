"""What the embedded backend does between requests: it indexes messages, purges deleted texts, and removes the copies
that were made before an upgrade."""

from __future__ import annotations

import logging
import sqlite3
from time import monotonic

from app.backends.statements import index
from app.backends.statements.rows import transaction
from app.backends.storefile import StoreFile
from app.backends.upgrade import CopyRetention
from app.clock import Clock

log = logging.getLogger("store")

IDLE_DELAY = 0.5
"""How many seconds after the last upkeep its need is checked again. A check after each commit would take a fifth of the
commit's time, and indexing after each message would double it."""
MAX_BACKLOG = 5000
"""With more messages than this to index, upkeep no longer waits until the store is idle. A search has to index the
backlog first, so it must not grow without bounds."""
PURGE_INTERVAL = 30.0
"""How many seconds lie between two purges, each of which rewrites a part of the index, and between a failure and the
next try. A purge's own time is added, times 20, because its last step goes through the whole file."""


class Upkeep:
    """Runs upkeep on `connection` in small steps, and says when the next one is due."""

    def __init__(self, file: StoreFile, connection: sqlite3.Connection, clock: Clock) -> None:
        self.file, self.connection = file, connection
        copies = CopyRetention(file.path, connection, clock)
        self.copies = None if copies.done else copies
        self.backlog, self.purge, self.written = 0, False, 0
        self.next_check, self.next_step, self.next_purge = monotonic() + IDLE_DELAY, 0.0, 0.0
        self.check()

    def check(self) -> None:
        """Find out what there is to do."""
        self.written = 0
        try:
            self.backlog = index.backlog(self.connection)
            self.purge = index.purge_pending(self.connection)
        except sqlite3.Error as error:
            self._failed(error)

    def count_writes(self, writes: int) -> None:
        """Add `writes` to what may have to be indexed."""
        self.written += writes

    def count_error(self) -> None:
        """Note that the store failed: the copies from before an upgrade stay longer."""
        if self.copies is not None:
            self.copies.restart()

    @property
    def overdue(self) -> bool:
        """Whether a step is due even though requests are waiting."""
        behind = self.backlog + self.written > MAX_BACKLOG or (self.copies is not None and not self.copies.due())
        return behind and monotonic() >= self.next_step

    def due(self) -> float | None:
        """In how many seconds the next step is due if the store stays idle; None if there is nothing to do."""
        now, delays = monotonic(), []
        if self.written or self.backlog:
            delays.append(self.next_check - now)
        if self.purge:
            delays.append(self.next_purge - now)
        if self.copies is not None:
            delays.append(self.copies.due())
        return max(0, self.next_step - now, min(delays)) if delays else None

    def step(self) -> None:
        """Do one step. A purge that is due goes before indexing, which would make it longer."""
        if self.written:
            self.check()
        try:
            if self.copies is not None and not self.copies.due():
                self._count_clean_time(self.copies)
            elif self.purge and not self.overdue and monotonic() >= self.next_purge:
                self._purge()
            else:
                with transaction(self.connection):
                    index.add_next(self.connection)
        except (sqlite3.Error, OSError) as error:
            self._failed(error)
        self.check()
        if not self.backlog:
            self.next_check = monotonic() + IDLE_DELAY

    def finish(self) -> None:
        """Purge what was deleted, before the store is closed."""
        self.next_step = self.next_purge = 0.0
        self.check()
        while self.purge and not self.next_purge and not self.next_step:
            try:
                self._purge()
            except (sqlite3.Error, OSError) as error:
                self._failed(error)
        if self.copies is not None:
            try:
                self.copies.save()
            except sqlite3.Error as error:
                self._failed(error)

    def _count_clean_time(self, copies: CopyRetention) -> None:
        copies.step()
        if copies.done:
            self.copies = None

    def _purge(self) -> None:
        if index.merge(self.connection):
            return
        began = monotonic()
        if self.file.scrub(self.connection):
            index.end_purge(self.connection)
        self.next_purge = monotonic() + PURGE_INTERVAL + 20 * (monotonic() - began)

    def _failed(self, error: Exception) -> None:
        log.error("%s: upkeep failed and will be tried again: %s", self.file.path, error)
        self.next_step = monotonic() + PURGE_INTERVAL
        self.count_error()
