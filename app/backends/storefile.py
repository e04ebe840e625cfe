"""The file of the embedded backend: held by one process, known to be ours, and brought to the newest schema.

Whatever can't be used is refused with a StoreError, and left as it was to the byte.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import sqlite3
from contextlib import closing
from pathlib import Path

from app.backends import StoreError
from app.backends.pages import clear_gaps

APPLICATION_ID = 0x4E617474  # "Natt", in the header of the file
MIGRATIONS = (
    """
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE users (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        secret BLOB NOT NULL UNIQUE
    );
    CREATE TABLE events (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        room TEXT NOT NULL,
        id TEXT NOT NULL,
        at INTEGER NOT NULL,
        user INTEGER NOT NULL,
        name TEXT NOT NULL,
        text TEXT NOT NULL,
        cid TEXT NOT NULL
    );
    CREATE TABLE trims (room TEXT PRIMARY KEY, through INTEGER NOT NULL) WITHOUT ROWID;
    CREATE INDEX events_by_room ON events (room, seq);
    CREATE UNIQUE INDEX events_by_cid ON events (user, cid) WHERE cid != '';
    """,
    """
    ALTER TABLE events ADD COLUMN kind TEXT NOT NULL DEFAULT 'msg';
    ALTER TABLE events ADD COLUMN of INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE events ADD COLUMN detail TEXT NOT NULL DEFAULT '';
    CREATE INDEX events_by_of ON events (room, of) WHERE of > 0;
    CREATE TABLE state (room TEXT, key TEXT, seq INTEGER NOT NULL, PRIMARY KEY (room, key)) WITHOUT ROWID;
    CREATE TABLE mail (user INTEGER, seq INTEGER, PRIMARY KEY (user, seq)) WITHOUT ROWID;
    CREATE TABLE talks (user INTEGER, room TEXT, PRIMARY KEY (user, room)) WITHOUT ROWID;

    CREATE TABLE tokens (secret BLOB PRIMARY KEY, user INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO tokens SELECT secret, id FROM users;
    CREATE TABLE named (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL,
        canonical TEXT NOT NULL UNIQUE,
        password TEXT NOT NULL DEFAULT '',
        seen INTEGER NOT NULL DEFAULT 0
    );
    INSERT INTO named (id, name, canonical) SELECT id, name, name FROM users;
    DELETE FROM sqlite_sequence WHERE name = 'named';
    INSERT INTO sqlite_sequence SELECT 'named', seq FROM sqlite_sequence WHERE name = 'users';
    DROP TABLE users;
    ALTER TABLE named RENAME TO users;
    CREATE TABLE marks (user INTEGER, room TEXT, seq INTEGER NOT NULL, PRIMARY KEY (user, room)) WITHOUT ROWID;
    CREATE TABLE ignores (user INTEGER, whom INTEGER, PRIMARY KEY (user, whom)) WITHOUT ROWID;

    CREATE VIRTUAL TABLE words USING fts5 (
        scope, text, content = '', columnsize = 0, tokenize = 'unicode61 remove_diacritics 2'
    );
    INSERT INTO meta VALUES ('indexed', '0');
    """,
)
"""SQL by version: `PRAGMA user_version` counts those that were applied."""

MEMORY = ":memory:"
"""The path of a store that is in no file."""

MAX_CHECKED = 1 << 20
"""Bytes up to which the whole file is checked at the start; of a larger one damage shows when it is read."""


class InUse(StoreError):
    """Another process has the store."""


class StoreFile:
    """The store at `path`, or one in memory for `:memory:`. A lock beside the file holds it while it is open."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.epoch = ""
        self.lock: int | None = None
        self.file: int | None = None

    def open(self) -> sqlite3.Connection:
        """A connection, to be used in one thread at a time."""
        if self.path == MEMORY:
            return self._connect()
        self._lock()
        try:
            if Path(self.path).exists():
                _inspect(Path(self.path))
            else:
                Path(self.path).touch(mode=0o600)  # what is said is not for everybody on the machine
            # Closed after the connection: closing any descriptor of a file gives up all of the process's locks on it.
            self.file = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
            return self._connect()
        except sqlite3.DatabaseError as error:
            self.release()
            raise StoreError(f"{self.path}: {reason(error)}") from None
        except OSError as error:
            self.release()
            raise StoreError(f"{self.path}: {(error.strerror or str(error)).lower()}") from None
        except StoreError:
            self.release()
            raise

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None, timeout=0)
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA secure_delete = ON").fetchone()
            self._migrate(connection)
        except sqlite3.DatabaseError:
            connection.close()
            raise
        return connection

    def _migrate(self, connection: sqlite3.Connection) -> None:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        for number in range(version, len(MIGRATIONS)):
            connection.executescript(
                f"BEGIN; {MIGRATIONS[number]} PRAGMA user_version = {number + 1}; "
                f"PRAGMA application_id = {APPLICATION_ID}; COMMIT;"
            )
        connection.execute("INSERT OR IGNORE INTO meta VALUES ('epoch', ?)", (secrets.token_hex(4),))
        (self.epoch,) = connection.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()

    def _lock(self) -> None:
        """Hold a lock beside the file for as long as it is open: two servers on one store would split the chat."""
        try:
            self.lock = os.open(f"{os.path.realpath(self.path)}-lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            raise InUse(f"{self.path}: the store is in use by another process") from None
        except OSError as error:
            self.release()
            raise StoreError(
                f"{self.path}: {(error.strerror or str(error)).lower()}: expected a place to write to"
            ) from None

    def clear(self, connection: sqlite3.Connection) -> bool:
        """Clear away what deleted rows have left in the journal and in unused parts of pages; False if another program
        is reading the file, so that it can't be done now."""
        (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if not busy and self.file is not None:
            clear_gaps(self.file)
            connection.execute("PRAGMA shrink_memory").fetchone()  # pages that were read before
        return not busy

    def release(self) -> None:
        """Let another process have the file; the connection is closed by then."""
        if self.file is not None:
            os.close(self.file)
            self.file = None
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None


def _inspect(path: Path) -> None:
    """Refuse what is no store of ours, or a damaged one, without a change to it: by a connection that only reads."""
    if not os.access(path, os.W_OK):
        raise StoreError(f"{path}: the store is read-only: expected a file that can be written")
    # Without a log beside it the file can be read as if it never changed, which leaves no file of ours beside it.
    how = "mode=ro" if Path(f"{path.resolve()}-wal").exists() else "immutable=1"
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?{how}", uri=True, timeout=0)) as connection:
        inspect(path, connection)


def inspect(path: Path, connection: sqlite3.Connection) -> None:
    """Refuse what is no store of ours, or a damaged one, as `connection` sees it."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID and (tables or application or version):
        raise StoreError(f"{path}: this is another program's database: expected a store of Natter's or no file")
    if version > len(MIGRATIONS):
        newest = len(MIGRATIONS)
        raise StoreError(f"{path}: the store has version {version}, of a newer Natter: expected {newest} or less")
    if path.stat().st_size <= MAX_CHECKED:
        (check,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if check != "ok":
            raise StoreError(f"{path}: the store is damaged: {' '.join(check.split())}")


def reason(error: sqlite3.Error) -> str:
    text = str(error)
    known = {
        "file is not a database": "the store is damaged, or not a store: expected a file of Natter's",
        "database disk image is malformed": "the store is damaged",
        "attempt to write a readonly database": "the store is read-only: expected a file that can be written",
        "unable to open database file": "this can't be opened: expected a file, or a place for one",
        "database is locked": "the store is in use by another process",
    }
    return known.get(text, text)
