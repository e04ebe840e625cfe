"""Opening a store to read it, while a server has it open or not."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic, sleep

from app.backends import StoreError, journal, machine
from app.backends.locking import InUse
from app.backends.reasons import reason
from app.backends.statements.rows import connect_read_only
from app.backends.storefile import StoreFile, inspect

APPLY_TIMEOUT = 2.0
"""How many seconds a server has to apply what it acknowledged before it was asked. It takes a fraction of that."""
POLL_INTERVAL = 0.01
"""How many seconds go by between two looks at how far the server is."""


@contextmanager
def open_to_read(path: str) -> Iterator[sqlite3.Connection]:
    """Connect to the store at `path`, and close the connection at the end of the block.

    A server may have the store open; whatever it acknowledged before this call can be read. StoreError if there is no
    store, or it can't be used.
    """
    if not Path(path).exists():
        raise StoreError(f"{path}: there is no store: expected the file of a chat")
    file = StoreFile(path, reading=True)
    try:
        try:
            connection = file.open()
        except InUse:
            connection = _connect_beside(path)
        with closing(connection):
            yield connection
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {reason(error)}") from None
    finally:
        file.release()


def _connect_beside(path: str) -> sqlite3.Connection:
    """Connect to a store that another process writes to.

    SQLite's WAL-reset bug (before 3.51.3) needs two connections that write or checkpoint, and the other process has
    one. This one can do neither, because `mode=ro` opens the file for reading only: it commits nothing that could
    trigger a checkpoint, and the checkpoint that the last connection makes when it closes needs an exclusive lock on
    the file, which the system doesn't grant on such a descriptor. All it does to the other process is to keep it from
    reusing the WAL meanwhile.
    """
    connection = connect_read_only(path)
    try:
        inspect(Path(path), connection)
        _wait_until_applied(path, connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _wait_until_applied(path: str, connection: sqlite3.Connection) -> None:
    """Wait until the store has what is in the server's journal now. StoreError if it still hasn't after APPLY_TIMEOUT.

    The server acknowledges a change once it is in the journal, and applies it to the store a little later.
    """
    (epoch,) = connection.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone() or ("",)
    acknowledged = journal.last_number(path, epoch)  # 0 for an older Natter, whose store has no counters
    deadline = monotonic() + APPLY_TIMEOUT
    while acknowledged and machine.last_applied(connection) < acknowledged:
        if monotonic() >= deadline:
            raise StoreError(f"{path}: the server has not written its latest changes to the store yet: try again")
        sleep(POLL_INTERVAL)
