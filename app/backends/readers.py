"""Reads: on connections that can't write, in threads of their own, each within a budget of time.

A `mode=ro` connection writes neither the file nor the WAL, and never checkpoints. So these don't meet SQLite's
WAL-reset bug (before 3.51.3), which needs two connections that do. While one of them reads, the WAL can't be truncated,
which clearing deleted texts needs: `paused` waits until no read is under way, and holds up those to come.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, suppress
from threading import Thread, current_thread
from time import monotonic
from typing import Any

from msgspec import Struct

from app.backends import Unavailable
from app.backends.damage import Damaged, DamageLog, StoreConnection, is_damage, lenient
from app.backends.outage import Outage, Source
from app.backends.reasons import one_line
from app.backends.statements.rows import CALL_ERRORS, connect_read_only
from app.backends.turns import Turns

log = logging.getLogger("store")

THREADS = 2
BUDGET = 1.0
"""How many seconds a read may take."""
STEPS = 5000
"""How many steps of SQLite go between two looks at the clock, for each of which the thread waits for the interpreter's
lock."""


class Read(Struct, gc=False):
    """A function of a connection to call, and the future that waits for what it returns."""

    run: Callable[[sqlite3.Connection], Any]
    future: asyncio.Future[Any]
    elsewhere: Callable[[Read], None] | None = None
    """Where to run it instead, if that isn't one of the reading threads."""
    owner: Hashable = None
    """For whom it is, or None for nobody in particular: see `Turns`."""

    def settle(self, outcome: Any) -> None:
        """Give the outcome, which may be an exception, to the future, in its event loop."""
        with suppress(RuntimeError):  # the loop is closed, so nobody waits in it
            self.future.get_loop().call_soon_threadsafe(_settle, self.future, outcome)


class Readers:
    """The threads that read the store at `path`. They start with the first read. `outage` is told what fails."""

    def __init__(self, path: str, outage: Outage) -> None:
        self._path, self._outage = path, outage
        self.damage = DamageLog(path)
        """What reads have found to be damaged."""
        self.lookups = connect_read_only(path)
        """A connection for what is looked up during a commit, by one thread at a time."""
        self._turns: Turns[Read] = Turns()
        self._threads: list[Thread] = []

    def submit(self, read: Read) -> None:
        """Have `read` run in one of the threads, or elsewhere if it says so."""
        if read.elsewhere is not None:
            read.elsewhere(read)
            return
        while len(self._threads) < THREADS:  # all with the first read, since the store may be deleted later
            connection = self._connect()
            thread = Thread(target=self._serve, args=(connection,), name="reader", daemon=True)
            try:
                thread.start()
            except (RuntimeError, MemoryError) as error:  # the system has no room for a thread
                if connection is not None:
                    connection.close()
                if not self._threads:
                    read.settle(unreadable(self._outage, error))
                    return
                break
            self._threads.append(thread)
        self._turns.put(read)

    def paused(self) -> AbstractContextManager[None]:
        """Let no read run during the block."""
        return self._turns.paused()

    def close(self) -> None:
        """Finish what was submitted, and end the threads."""
        self._turns.close()
        for thread in self._threads:
            if thread is not current_thread():
                thread.join()
        self._threads.clear()
        self.lookups.close()

    def _failed(self, error: Exception) -> Unavailable:
        """The error for the caller of a read that could not be carried out."""
        if isinstance(error, sqlite3.Error) and is_damage(error):
            self.damage.tell("a page can't be read")
            return Damaged()
        return unreadable(self._outage, error)

    def _tell(self, connection: sqlite3.Connection | None) -> None:
        if isinstance(connection, StoreConnection) and connection.found:
            for what in connection.found:
                self.damage.tell(what)
            connection.found.clear()

    def _connect(self) -> sqlite3.Connection | None:
        """Return a new connection, or None if the file can't be opened now. Someone who reads is told why then."""
        connection: sqlite3.Connection | None = None
        try:
            connection = connect_read_only(self._path)
            connection.execute("SELECT 1 FROM meta LIMIT 1").fetchone()  # opens the WAL as well
        except Exception:  # noqa: BLE001
            if connection is not None:
                _close(connection)
            return None
        return connection

    def _serve(self, connection: sqlite3.Connection | None) -> None:
        while (read := self._turns.get()) is not None:
            began = monotonic()
            try:
                if connection is None:
                    connection = connect_read_only(self._path)
                outcome = run(read.run, connection)
                self._tell(connection)
                read.settle(outcome)
                if self._outage.causes:
                    self._outage.recover(Source.READ)
            except Exception as error:  # noqa: BLE001
                self._tell(connection)
                read.settle(self._failed(error))
                if (another := self._connect()) is not None:  # if the store is deleted, this one still has it
                    if connection is not None:
                        _close(connection)
                    connection = another
            finally:
                self._turns.done(read, monotonic() - began)
        if connection is not None:
            connection.close()


def run(function: Callable[[sqlite3.Connection], Any], connection: sqlite3.Connection) -> Any:
    """Call `function` within the budget, and return what it returns, or an error that concerns it alone. sqlite3.Error
    concerns the store."""
    end = monotonic() + BUDGET
    connection.set_progress_handler(lambda: monotonic() > end, STEPS)
    try:
        try:
            return function(connection)
        except sqlite3.OperationalError as error:
            if not is_damage(error):
                raise
            return _again(function, connection)
    except (*CALL_ERRORS, Damaged) as error:
        return error
    except sqlite3.OperationalError:
        if monotonic() > end:
            return Unavailable(f"this takes more than {BUDGET:g} s to read: ask for less")
        raise
    finally:
        connection.set_progress_handler(None, 0)


def unreadable(outage: Outage, error: Exception) -> Unavailable:
    """Note that the store can't be read, and return the error for the caller."""
    if not isinstance(error, (sqlite3.Error, OSError, MemoryError)):
        log.exception("%s: a read failed", outage.path)
    outage.count(1)
    return Unavailable(outage.fail(Source.READ, one_line(error, outage.path)))


def _close(connection: sqlite3.Connection) -> None:
    """Close a connection that has failed: the next read begins with a new one."""
    with suppress(sqlite3.Error):
        connection.close()


def _again(function: Callable[[sqlite3.Connection], Any], connection: sqlite3.Connection) -> Any:
    """Call `function` again after it met a text that isn't UTF-8, and let that through."""
    connection.text_factory = lenient
    try:
        return function(connection)
    finally:
        connection.text_factory = str


def _settle(future: asyncio.Future[Any], outcome: Any) -> None:
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
