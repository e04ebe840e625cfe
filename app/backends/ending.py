"""How a store ended, which tells a file that its server closed from an earlier state that was put back.

While a server has the store open, `end` in `meta` is `open`. When the server closes it, a time shortly before goes
there, and the file gets that as its time of last change, which a copy does not have: it is written later. A store that
is neither closed like that nor has its journal beside it may lack what was acknowledged last. It is another history
then: positions that clients know would be given out again, to other messages.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

from app.backends.search import index_path

OPEN = "open"
KEY = "end"
GRANULARITY = 2
"""Every file system keeps times of change that are multiples of so many seconds."""


def read(connection: sqlite3.Connection) -> str:
    """Return how the store ended; empty if nobody said."""
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (KEY,)).fetchone()
    return row[0] if row else ""


def begin(connection: sqlite3.Connection) -> None:
    """Record that the store is open, in the file itself: a copy of the file alone has to say so."""
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (KEY, OPEN))
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def forget(connection: sqlite3.Connection) -> None:
    """Record that all that was acknowledged is in the store, however it ends."""
    connection.execute("DELETE FROM meta WHERE key = ?", (KEY,))


def finish(connection: sqlite3.Connection, file: int) -> None:
    """Close the store whose descriptor is `file`, with all that was acknowledged in it."""
    end = (int(time.time()) // GRANULARITY - 1) * GRANULARITY  # even a copy of this very moment has a later time
    with closing(connection):
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (KEY, str(end)))
    os.utime(file, (end, end))


def is_whole(end: str, modified: float, path: str, connection: sqlite3.Connection, *, has_journal: bool) -> bool:
    """Whether the store has all that was acknowledged. `modified` is when the file was changed last, before anything
    was done to it now. `has_journal` is whether the journal of this history is there, and continues the store."""
    if has_journal or not end:
        return True
    return end != OPEN and int(end) == modified and not _is_indexed_further(path, connection)


def _is_indexed_further(path: str, connection: sqlite3.Connection) -> bool:
    """Whether the search index has messages of this history that the store has not."""
    index = Path(index_path(path))
    if not index.exists():
        return False
    sql = "SELECT value FROM meta WHERE key IN ('epoch', 'indexed') ORDER BY key"
    with suppress(sqlite3.Error, ValueError, TypeError):
        with closing(sqlite3.connect(f"{index.as_uri()}?immutable=1", uri=True)) as opened:
            (made_for,), (indexed,) = opened.execute(sql).fetchall()
        (epoch,) = connection.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
        (last,) = connection.execute("SELECT value FROM counters WHERE name = 'pos'").fetchone()
        return bool(made_for == epoch and int(indexed) > last)
    return False
