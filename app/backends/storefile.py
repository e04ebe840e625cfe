"""The file of the embedded backend: held by one process, known to be a store of Natter, and upgraded when opened.
What a crash has left in its journal is applied then.

A file that can't be used is refused with a StoreError, and left as it was to the byte.
"""

from __future__ import annotations

import logging
import os
import secrets
import sqlite3
from contextlib import closing
from pathlib import Path

from msgspec import MsgspecError

from app.backends import StoreError, copying, ending, journal, machine, schema, upgrade
from app.backends.journal import Journal
from app.backends.locking import check_folder, check_mount, lock, unlock
from app.backends.pages import zero_gaps
from app.backends.reasons import reason
from app.backends.schema import APPLICATION_ID
from app.backends.sequencing import Sequencer
from app.backends.statements.rows import transaction

log = logging.getLogger("store")

MEMORY = ":memory:"
"""The path of a store that is in no file."""
CACHE = 8000
"""KiB of pages that the store's connection may hold. A transaction that changes more writes some of them twice."""
SCRUBBED = 1000
"""How many pages are scrubbed in one step. Nobody can read meanwhile, and a commit may have to wait for the disk."""
MAX_CHECKED = 1 << 20
"""A file of up to this many bytes is checked whole when it is opened. Damage in a larger one shows when it is read."""


class StoreFile:
    """The store at `path`, or one in memory for `:memory:`. While it is open, this process holds the file."""

    def __init__(self, path: str, *, reading: bool = False) -> None:
        """With `reading`, a node's copy stays one, and nothing else is opened differently."""
        self.path = path
        self.epoch = ""
        self.log_epoch = ""
        """The epoch of the log that this is a node's copy of; empty if it is a store of its own."""
        self.file: int | None = None
        self._reading = reading
        self._modified = 0.0
        """When the file was changed last before it was opened, in seconds since 1970."""

    def open(self) -> sqlite3.Connection:
        """Open the store, and create or upgrade it if need be. The connection is for one thread at a time."""
        if self.path == MEMORY:
            return self._connect()
        check_mount(self.path)
        check_folder(self.path)
        try:
            self._hold()
            return self._connect()
        except (sqlite3.DatabaseError, OSError) as error:
            self.release()
            raise StoreError(f"{self.path}: {reason(error, self.path)}") from None
        except StoreError:
            self.release()
            raise

    def begin(self, connection: sqlite3.Connection, files: Journal) -> None:
        """Record in the store that it is in use, and create its journal before that. StoreError if that fails."""
        try:
            files.begin()
            ending.begin(connection)
        except (sqlite3.Error, OSError) as error:
            connection.close()
            files.close(remove=True)  # nothing is in it yet
            self.release()
            raise StoreError(f"{self.path}: {reason(error)}") from None

    def finish(self, connection: sqlite3.Connection) -> bool:
        """Close the connection, with all that was acknowledged in the store. False if that could not be written."""
        if self.file is None:
            connection.close()
            return True
        try:
            ending.finish(connection, self.file, self.path)
        except (sqlite3.Error, OSError) as error:
            log.error("%s: the store could not be closed: %s", self.path, reason(error))
            return False
        return True

    def _hold(self) -> None:
        path = Path(self.path)
        if path.exists() and not os.access(path, os.W_OK):
            raise StoreError(f"{path}: the store is read-only: make the file writable")
        if not path.exists() or not path.stat().st_size:
            self._check_not_left_behind(missing=not path.exists())
        if not path.exists():
            path.touch(mode=0o600)  # not everyone on the machine may read the messages
        # Closed after the connection: closing any descriptor of a file drops all locks that the process has on it.
        self.file = lock(self.path)
        self._modified = os.fstat(self.file).st_mtime
        if os.fstat(self.file).st_size:
            _inspect_unopened(path)

    def _check_not_left_behind(self, *, missing: bool) -> None:
        """StoreError if there is a journal beside a store that has nothing: it would be taken for an old one."""
        beside = [*journal.paths(self.path), Path(f"{os.path.realpath(self.path)}-wal")]
        left = " and ".join(file.name for file in beside if file.exists() and file.stat().st_size)
        if left:
            what = "there is no store" if missing else "the store is empty"
            raise StoreError(
                f"{self.path}: {what}, but {left} beside it may have what was acknowledged last: "
                f"put the store back, or move {left} away to start with an empty one"
            )

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None, timeout=0)
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA secure_delete = ON").fetchone()
            upgrade.migrate(connection, self.path)
            is_copy = copying.is_copy(connection)
            if is_copy and not self.log_epoch and not self._reading:
                self._make_own(connection)
            connection.execute(
                "INSERT OR IGNORE INTO meta VALUES ('epoch', ?)", (self.log_epoch or secrets.token_hex(4),)
            )
            (self.epoch,) = connection.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
            if self.log_epoch:
                self._check_log(connection)
            elif self.path != MEMORY and not (is_copy and self._reading):
                self._recover(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _check_log(self, connection: sqlite3.Connection) -> None:
        """StoreError unless this is a copy of the log. What the log has is not in a journal, too."""
        if self.epoch != self.log_epoch:
            raise StoreError(
                f"{self.path}: this store has the history {self.epoch}, and the log of the nodes has {self.log_epoch}: "
                "move it away, and this node makes a new copy, or choose another file in chat.store"
            )
        connection.execute("INSERT OR IGNORE INTO meta VALUES (?, '')", (copying.COPY,))
        ending.forget(connection)

    def _make_own(self, connection: sqlite3.Connection) -> None:
        """Go on with a node's copy as a store of its own. The log goes on without it, so this is another history.
        StoreError if the copy is wrong."""
        if Path(f"{os.path.realpath(self.path)}{copying.DIVERGED}").exists():
            raise StoreError(
                f"{self.path}: this node's copy is not what the log comes to on other nodes: use the copy of another "
                "node, or start this one with chat.backend = nats, and it makes a new copy"
            )
        with transaction(connection):
            copying.make_own(connection)
        log.warning(
            "%s: this was a node's copy of a log: from now on it is a store of its own, and clients read it anew",
            self.path,
        )

    def _recover(self, connection: sqlite3.Connection) -> None:
        """Apply what is in the journal and not in the store, and remove the journal. If something that was acknowledged
        is in neither, begin another history."""
        files, end = journal.paths(self.path), ending.read(connection)
        has_journal = journal.belongs(self.path, self.epoch)
        last = self._replay(connection) if has_journal else machine.last_applied(connection)
        problem = ""
        if journal.is_damaged(self.path, self.epoch, last):
            problem = f"the journal is damaged after record {last}: what follows is lost"
        elif not ending.is_whole(end, self._modified, self.path, connection, has_journal=has_journal):
            problem = "this is an earlier state or a copy of the store, or its journal is lost: clients read it anew"
        if problem:  # positions after this one were given out and are lost: to clients this has to be another history
            self.epoch = secrets.token_hex(4)
            connection.execute("UPDATE meta SET value = ? WHERE key = 'epoch'", (self.epoch,))
        if problem or has_journal:
            ending.forget(connection)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        foreign = not problem and journal.is_foreign(self.path, self.epoch)
        if not problem and not foreign:
            journal.discard(files)
            return
        if foreign:
            problem = "the journal beside the store is of another history"
        if kept := " and ".join(journal.keep_aside(self.path)):
            problem += f"; {kept} kept"
        log.error("%s: %s", self.path, problem)

    def _replay(self, connection: sqlite3.Connection) -> int:
        """Apply what is in the journal and not in the store. Return the number of the last record."""
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
        return last

    def scrub(self, connection: sqlite3.Connection, first: int) -> int | None:
        """Zero what deleted rows have left in the WAL, and in unused parts of some pages, from page `first` on. Return
        the page to go on with, 0 if that was the last; None if another program is reading the file, which rules it out
        for now."""
        (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy or self.file is None:
            return None if busy else 0
        following = zero_gaps(self.file, first, SCRUBBED)
        connection.execute("PRAGMA shrink_memory").fetchone()  # drops cached pages from before
        return following

    def release(self) -> None:
        """Unlock the store. The connection must be closed by then."""
        if self.file is not None:
            unlock(self.file)
            self.file = None


def begin_to_apply(connection: sqlite3.Connection) -> None:
    """Let a connection that applies changes sync only at checkpoints: they are on a disk elsewhere as well."""
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA cache_size = {-CACHE}")


def _inspect_unopened(path: Path) -> None:
    """Check a store before it is opened, with a connection that only reads."""
    # A file without a WAL can be read as if it never changed, and SQLite then creates no file beside it.
    how = "mode=ro" if Path(f"{path.resolve()}-wal").exists() else "immutable=1"
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?{how}", uri=True, timeout=0)) as connection:
        inspect(path, connection)
        _check_names(path, connection)


def _check_names(path: Path, connection: sqlite3.Connection) -> None:
    """StoreError if the file has another name too, and its journal is beside that: it is found by the name."""
    names = path.stat().st_nlink
    if names < 2:
        return
    if ending.read(connection) == ending.OPEN and not any(file.exists() for file in journal.paths(str(path))):
        raise StoreError(
            f"{path}: this file has {names} names (hard links), and was last used by another one, beside which its "
            "journal is: open it by that name"
        )
    log.warning("%s: this file has %d names (hard links): its journal is found by this one only", path, names)


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
