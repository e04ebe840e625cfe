"""How a store ended, which tells a file that its server closed from an earlier state that was put back.

While a server has the store open, `end` in `meta` is `open`. When the server closes it, a time shortly before goes
there, and the file gets that as its time of last change, which a copy does not have: it is written later. A store that
is neither closed like that nor has its journal beside it may lack what was acknowledged last. It is another history
then: positions that clients know would be given out again, to other messages.

A copy that keeps that time is told by what stays beside the store: the search index has noted how far the store was
when it was closed last.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

from app.backends.search import index_path
from app.backends.statements.rows import counter

OPEN = "open"
KEY = "end"
APPLIED = "applied"
"""The counter of what was applied to the store, which only grows."""
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


def finish(connection: sqlite3.Connection, file: int, path: str) -> None:
    """Close the store at `path`, whose descriptor is `file`, with all that was acknowledged in it."""
    end = (int(time.time()) // GRANULARITY - 1) * GRANULARITY  # even a copy of this very moment has a later time
    with closing(connection):
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (KEY, str(end)))
        _note_beside(path, connection)
    os.utime(file, (end, end))


def is_whole(end: str, modified: float, path: str, connection: sqlite3.Connection, *, has_journal: bool) -> bool:
    """Whether the store has all that was acknowledged. `modified` is when the file was changed last, before anything
    was done to it now. `has_journal` is whether the journal of this history is there, and continues the store."""
    if has_journal:
        return True
    return (not end or (end != OPEN and int(end) == modified)) and not _was_further(path, connection)


def _note_beside(path: str, connection: sqlite3.Connection) -> None:
    """Note in the search index how far the store is. Without an index of it, there is nowhere to note that."""
    index = Path(index_path(path))
    if index.exists():
        with suppress(sqlite3.Error), closing(sqlite3.connect(index, timeout=0, isolation_level=None)) as opened:
            opened.execute("PRAGMA synchronous = OFF")
            sql = "INSERT OR REPLACE INTO meta SELECT ?, ? FROM meta WHERE key = 'epoch' AND value = ?"
            opened.execute(sql, (APPLIED, counter(connection, APPLIED), _epoch(connection)))


def _was_further(path: str, connection: sqlite3.Connection) -> bool:
    """Whether the store of this history beside the search index once had what this one has not."""
    index = Path(index_path(path))
    if not index.exists():
        return False
    with suppress(sqlite3.Error, ValueError, TypeError):
        with closing(sqlite3.connect(f"{index.as_uri()}?immutable=1", uri=True)) as opened:
            noted = dict(opened.execute("SELECT key, value FROM meta"))
        if noted.get("epoch") == _epoch(connection):
            further = int(noted.get("indexed") or 0) > counter(connection, "pos")
            return further or int(noted.get(APPLIED) or 0) > counter(connection, APPLIED)
    return False


def _epoch(connection: sqlite3.Connection) -> str:
    (epoch,) = connection.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
    return str(epoch)
