"""Copying a store into a file of its own: for a backup, before an upgrade, or for the other nodes."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from app.backends.statements.rows import counter

STEPS = 100_000
"""How many of SQLite's steps go between two chances for Python to handle a signal that ends the process."""
COPY = "copy"
"""The key in `meta` that marks a node's copy of a log."""
DIVERGED = ".diverged"
"""What is beside a copy that isn't what the log comes to has after the copy's name."""
SHARED = ("epoch", "digest", COPY)
"""What of `meta` is the same for every node. The rest is about one file."""


def copy(connection: sqlite3.Connection, part: Path) -> None:
    """Copy what `connection` sees, as a snapshot, into the empty file `part`. sqlite3.Error if it fails.

    The copy has no epoch, so the server that opens it gives it one: after it was made, the original goes on to give out
    positions that the copy would give to other events. It has no deleted texts either: those that the original keeps
    until its search index has dropped them are erased, and the copy has no search index. It is a store of its own, also
    if the original is a node's copy.
    """
    connection.set_progress_handler(lambda: 0, STEPS)  # Python handles signals only while it runs something
    try:
        connection.execute("VACUUM INTO ?", (str(part),))
    finally:
        connection.set_progress_handler(None, 0)
    with closing(_open(part)) as made:
        make_own(made)
        _erase_forgotten(made)


def copy_for_nodes(connection: sqlite3.Connection, part: Path) -> int:
    """Copy a node's copy as `copy` does, for other nodes to go on from: it stays a copy of the log, without what is
    about one file. Return how far it is in the log."""
    connection.execute("VACUUM INTO ?", (str(part),))
    with closing(_open(part)) as made:
        made.execute(f"DELETE FROM meta WHERE key NOT IN ({', '.join('?' * len(SHARED))})", SHARED)  # noqa: S608
        _erase_forgotten(made)
        return counter(made, "applied")


def is_copy(connection: sqlite3.Connection) -> bool:
    """Whether this is a node's copy of a log."""
    return connection.execute("SELECT 1 FROM meta WHERE key = ?", (COPY,)).fetchone() is not None


def make_own(connection: sqlite3.Connection) -> None:
    """Make a store of its own of a node's copy, or of any: its history is another one from here on."""
    connection.execute(f"DELETE FROM meta WHERE key IN ({', '.join('?' * len(SHARED))})", SHARED)  # noqa: S608
    connection.execute("DROP TABLE IF EXISTS runs")


def publish(part: Path, target: Path) -> None:
    """Rename `part` to `target`. Both its content and its new name are on the disk once this returns."""
    sync(part)
    part.rename(target)
    sync(target.absolute().parent)


def discard(part: Path) -> None:
    """Remove `part`, if it is still there, with what SQLite may have left beside it."""
    for ending in ("", "-journal", "-wal"):
        Path(f"{part}{ending}").unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Flush a file or a folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _open(part: Path) -> sqlite3.Connection:
    made = sqlite3.connect(part, isolation_level=None)
    made.execute("PRAGMA synchronous = FULL")
    made.execute("PRAGMA secure_delete = ON").fetchone()  # a deleted row leaves its bytes in the file otherwise
    return made


def _erase_forgotten(made: sqlite3.Connection) -> None:
    if made.execute("SELECT 1 FROM sqlite_schema WHERE name = 'forgotten'").fetchone():  # since version 3
        made.execute("DELETE FROM forgotten")
