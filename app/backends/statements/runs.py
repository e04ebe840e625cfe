"""Runs: how far the batches of each node's start have come. Only the copy of a node has the table."""

from __future__ import annotations

import sqlite3

from app.backends.changes import Numbered

KEPT = 1_000_000
"""For how many positions of the log a run that has ended is remembered: no batch of it arrives as late as that."""


def prepare(connection: sqlite3.Connection) -> None:
    """Create the table, unless it is there."""
    connection.execute(
        "CREATE TABLE IF NOT EXISTS runs (run BLOB PRIMARY KEY, number INTEGER NOT NULL, position INTEGER NOT NULL) "
        "WITHOUT ROWID"
    )


def numbers(connection: sqlite3.Connection) -> dict[bytes, int]:
    """Return the number of the last batch of each run."""
    return dict(connection.execute("SELECT run, number FROM runs"))


def note(connection: sqlite3.Connection, change: Numbered) -> None:
    """Note how far a run has come. When one begins, those that ended long ago are forgotten."""
    if change.number == 1:
        connection.execute("DELETE FROM runs WHERE position < ?", (change.position - KEPT,))
    connection.execute("INSERT OR REPLACE INTO runs VALUES (?, ?, ?)", (change.run, change.number, change.position))
