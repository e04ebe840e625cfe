"""What the embedded backend does when nobody asks for anything: index what was said, clear away what was deleted."""

from __future__ import annotations

import logging
import sqlite3
from time import monotonic

from app.backends.statements import index
from app.backends.statements.rows import transaction
from app.backends.storefile import StoreFile

log = logging.getLogger("store")

QUIET = 0.5
"""Seconds between having nothing to do and the next look for something. A look after each commit would take a fifth of
what the commit takes, and a commit for the index after each message would double it."""
MANY = 5000
"""Messages that may wait for the index: more do not wait for quiet, so that a search has never many to index first."""
PAUSE = 30.0
"""Seconds between two purges, each of which rewrites the index; and after a failure. It grows with the store, since the
last step of a purge goes through the whole file."""


class Upkeep:
    """Small steps of work on `connection`, and when the next is due."""

    def __init__(self, file: StoreFile, connection: sqlite3.Connection) -> None:
        self.file, self.connection = file, connection
        self.behind, self.purge, self.written = 0, False, 0
        self.next_look, self.next_step, self.next_purge = monotonic() + QUIET, 0.0, 0.0
        self.look()

    def look(self) -> None:
        """See what there is to do."""
        self.written = 0
        try:
            self.behind = index.behind(self.connection)
            self.purge = index.purge_wanted(self.connection)
        except sqlite3.Error as error:
            self._failed(error)

    def wrote(self, calls: int) -> None:
        """So many more things were written, each of which may be a message."""
        self.written += calls

    @property
    def late(self) -> bool:
        """Whether a step is due although somebody waits."""
        return self.behind + self.written > MANY and monotonic() >= self.next_step

    def due(self) -> float | None:
        """After how many seconds without a call the next step is due; None: there is nothing to do."""
        now, waits = monotonic(), []
        if self.written or self.behind:
            waits.append(self.next_look - now)
        if self.purge:
            waits.append(self.next_purge - now)
        return max(0, self.next_step - now, min(waits)) if waits else None

    def step(self) -> None:
        """Do a little. A purge that has begun goes first, since what is indexed meanwhile makes it longer."""
        if self.written:
            self.look()
        try:
            if self.purge and not self.late and monotonic() >= self.next_purge:
                self._purge()
            else:
                with transaction(self.connection):
                    index.step(self.connection)
        except (sqlite3.Error, OSError) as error:
            self._failed(error)
        self.look()
        if not self.behind:
            self.next_look = monotonic() + QUIET

    def finish(self) -> None:
        """Leave nothing behind that was deleted."""
        self.next_step = self.next_purge = 0.0
        self.look()
        while self.purge and not self.next_purge and not self.next_step:
            try:
                self._purge()
            except (sqlite3.Error, OSError) as error:
                self._failed(error)

    def _purge(self) -> None:
        if index.merge(self.connection):
            return
        began = monotonic()
        if self.file.clear(self.connection):
            index.purged(self.connection)
        self.next_purge = monotonic() + PAUSE + 20 * (monotonic() - began)

    def _failed(self, error: Exception) -> None:
        log.error("%s: what was deleted can't be cleared away, or what was said not indexed: %s", self.file.path, error)
        self.next_step = monotonic() + PAUSE
