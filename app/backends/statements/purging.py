"""Deleted texts: what has to leave the files of the store and its search index.

`purge` in `meta` says that pages, the WAL or the journal may still hold a deleted text. The table `forgotten` has the
texts that the search index may still know words of; it is emptied once the index has dropped them. Both are upkeep, no
part of what the store holds: nodes may differ in them.
"""

from __future__ import annotations

import sqlite3


def request(connection: sqlite3.Connection) -> None:
    """Record that the files hold deleted text."""
    connection.execute("INSERT INTO meta VALUES ('purge', '') ON CONFLICT (key) DO UPDATE SET value = ''")


def begin(connection: sqlite3.Connection) -> None:
    """Record that the files are gone through."""
    connection.execute("UPDATE meta SET value = 'begun' WHERE key = 'purge'")


def pending(connection: sqlite3.Connection) -> bool:
    """Return whether the files may hold deleted text."""
    return connection.execute("SELECT 1 FROM meta WHERE key = 'purge'").fetchone() is not None


def done(connection: sqlite3.Connection) -> None:
    """Record that no deleted text is left in the files, unless more was deleted since `begin`."""
    connection.execute("DELETE FROM meta WHERE key = 'purge' AND value = 'begun'")


def forget(connection: sqlite3.Connection, pos: int, room: str, text: str) -> None:
    """Have the search index drop the words of the message at `pos`, which had this text, and take up its new one. That
    matters for a message without words too."""
    connection.execute("INSERT INTO forgotten (pos, room, text) VALUES (?, ?, ?)", (pos, room, text))


def last_forgotten(connection: sqlite3.Connection) -> int:
    """Return the id of the last text that the search index has yet to drop; 0 if there is none."""
    number: int
    (number,) = connection.execute("SELECT coalesce(max(id), 0) FROM forgotten").fetchone()
    return number


def dropped(connection: sqlite3.Connection, last: int) -> None:
    """Remove what the search index has dropped, up to id `last`."""
    connection.execute("DELETE FROM forgotten WHERE id <= ?", (last,))
