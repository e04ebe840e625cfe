"""The file of the embedded backend: held by one process, known to be a store of Natter, and upgraded when opened.
What a crash has left in its journal is applied then.

A file that can't be used is refused with a StoreError, and left as it was to the byte.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import sqlite3
from contextlib import closing
from pathlib import Path

from msgspec import MsgspecError

from app.backends import StoreError, journal, machine, schema, upgrade
from app.backends.pages import zero_gaps
from app.backends.reasons import reason
from app.backends.schema import APPLICATION_ID
from app.backends.sequencing import Sequencer
from app.backends.statements.rows import transaction

log = logging.getLogger("store")

MEMORY = ":memory:"
"""The path of a store that is in no file."""
MAX_CHECKED = 1 << 20
"""A file of up to this many bytes is checked whole when it is opened. Damage in a larger one shows when it is read."""


class InUse(StoreError):
    """Another process has the store open."""


class StoreFile:
    """The store at `path`, or one in memory for `:memory:`. While it is open, a lock beside the file holds it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.epoch = ""
        self.lock: int | None = None
        self.file: int | None = None

    def open(self) -> sqlite3.Connection:
        """Open the store, and create or upgrade it if need be. The connection is for one thread at a time."""
        if self.path == MEMORY:
            return self._connect()
        self._lock()
        try:
            if Path(self.path).exists():
                _inspect_unopened(Path(self.path))
            else:
                Path(self.path).touch(mode=0o600)  # not everyone on the machine may read the messages
            # Closed after the connection: closing any descriptor of a file drops all locks that the process has on it.
            self.file = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
            return self._connect()
        except (sqlite3.DatabaseError, OSError) as error:
            self.release()
            raise StoreError(f"{self.path}: {reason(error)}") from None
        except StoreError:
            self.release()
            raise

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None, timeout=0)
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA secure_delete = ON").fetchone()
            upgrade.migrate(connection, self.path)
            connection.execute("INSERT OR IGNORE INTO meta VALUES ('epoch', ?)", (secrets.token_hex(4),))
            (self.epoch,) = connection.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
            if self.path != MEMORY:
                self._replay(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _replay(self, connection: sqlite3.Connection) -> None:
        """Apply what is in the journal and not in the store, and remove the journal."""
        files = journal.paths(self.path)
        if not any(file.exists() for file in files):
            return
        sequencer = Sequencer(connection)
        last = first = machine.last_applied(connection)
        try:
            with transaction(connection):
                for number, record in journal.records(self.path, self.epoch, last):
                    machine.replay(connection, sequencer, record, number)
                    last = number
        except MsgspecError as error:
            raise StoreError(f"{self.path}: record {last + 1} of the journal is of a newer Natter: {error}") from None
        if last > first:
            log.info("%s: the server was not shut down: applied records %d to %d", self.path, first + 1, last)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if not journal.is_damaged(self.path, self.epoch, last):
            journal.discard(files)
            return
        # Positions after this one were given out and are lost: to clients this has to be another history.
        self.epoch = secrets.token_hex(4)
        connection.execute("UPDATE meta SET value = ? WHERE key = 'epoch'", (self.epoch,))
        names = " and ".join(journal.keep_aside(self.path))
        log.error("%s: the journal is damaged after record %d: what follows is lost; %s kept", self.path, last, names)

    def _lock(self) -> None:
        """Lock a file beside the store: two servers on one store would split the chat."""
        try:
            self.lock = os.open(f"{os.path.realpath(self.path)}-lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            raise InUse(f"{self.path}: the store is in use by another process") from None
        except OSError as error:
            self.release()
            raise StoreError(f"{self.path}: {reason(error)}: choose a folder that you can write to") from None

    def scrub(self, connection: sqlite3.Connection) -> bool:
        """Zero what deleted rows have left in the WAL and in unused parts of pages. False if another program is reading
        the file, which rules it out for now."""
        (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if not busy and self.file is not None:
            zero_gaps(self.file)
            connection.execute("PRAGMA shrink_memory").fetchone()  # drops cached pages from before
        return not busy

    def release(self) -> None:
        """Unlock the store. The connection must be closed by then."""
        if self.file is not None:
            os.close(self.file)
            self.file = None
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None


def _inspect_unopened(path: Path) -> None:
    """Check a store before it is opened, with a connection that only reads."""
    if not os.access(path, os.W_OK):
        raise StoreError(f"{path}: the store is read-only: make the file writable")
    # A file without a WAL can be read as if it never changed, and SQLite then creates no file beside it.
    how = "mode=ro" if Path(f"{path.resolve()}-wal").exists() else "immutable=1"
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?{how}", uri=True, timeout=0)) as connection:
        inspect(path, connection)


def inspect(path: Path, connection: sqlite3.Connection) -> None:
    """Raise StoreError if the file is not a store of Natter, is damaged, or is of a newer version."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID and (tables or application or version):
        raise StoreError(f"{path}: this is another program's database: choose another file for the store")
    if version > len(schema.MIGRATIONS):
        raise upgrade.newer_version(path, version)
    if path.stat().st_size <= MAX_CHECKED:
        (check,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if check != "ok":
            raise StoreError(f"{path}: the store is damaged: {' '.join(check.split())}; restore a backup")
