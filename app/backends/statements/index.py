"""The words of what was said, in an FTS5 index without content of its own, which lags behind the log.

A row of it has the seq of a message, the message's text, and its scope: one token for the room, or for a conversation
one and another for each participant. A search is an intersection of lists of positions, walked from the newest.

`indexed` in `meta` is the position up to which messages are in the index. Whoever changes or deletes one of them
takes its old text out first: FTS5 then notes the removal, and drops the words themselves when it merges. `purge` in
`meta` remembers that such words, and pages in the journal with the text, are still to be cleared away.
"""

from __future__ import annotations

import sqlite3
import unicodedata

from app.backends.statements.rows import COLUMNS, events, transaction
from app.chat.events import Event
from app.chat.logs import CONVERSATION, MAILBOX

SCOPE = """CASE WHEN substr(room, 1, 1) = '@'
    THEN 'c' || hex(room) || ' u' || replace(substr(room, 2), ',', ' u') ELSE 'r' || hex(room) END"""
"""Of an event, in SQL. In hexadecimal the name of a room is one token, whatever it consists of."""
FOUND = "kind IN ('msg', 'me') AND text != ''"
"""What is in the index, as a condition on events."""
INDEXED = "(SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'indexed')"
STEP = 1000
"""Events that are indexed in one go."""
PAGES = 64
"""Pages of the index that are merged in one go."""


def backlog(connection: sqlite3.Connection) -> int:
    """How many positions at most are still to be indexed."""
    sql = f"SELECT max(0, coalesce(max(seq), 0) - {INDEXED}) FROM events"  # noqa: S608
    count: int
    (count,) = connection.execute(sql).fetchone()
    return count


def add_next(connection: sqlite3.Connection) -> None:
    """Index the next events."""
    sql = f"SELECT max(seq) FROM (SELECT seq FROM events WHERE seq > {INDEXED} ORDER BY seq LIMIT ?)"  # noqa: S608
    (last,) = connection.execute(sql, (STEP,)).fetchone()
    if last is not None:
        connection.execute(
            f"INSERT INTO words (rowid, scope, text) SELECT seq, {SCOPE}, text FROM events "  # noqa: S608
            f"WHERE seq > {INDEXED} AND seq <= ? AND {FOUND} ORDER BY seq",
            (last,),
        )
        connection.execute("UPDATE meta SET value = ? WHERE key = 'indexed'", (str(last),))


def remove(connection: sqlite3.Connection, where: str, *values: str | int) -> None:
    """Take events out of the index, which have still the text that they are in it with."""
    connection.execute(
        f"INSERT INTO words (words, rowid, scope, text) SELECT 'delete', seq, {SCOPE}, text FROM events "  # noqa: S608
        f"WHERE {where} AND seq <= {INDEXED} AND {FOUND} ORDER BY seq",
        values,
    )


def add(connection: sqlite3.Connection, seq: int) -> None:
    """Put an event with a new text into the index, unless its turn is to come."""
    connection.execute(
        f"INSERT INTO words (rowid, scope, text) SELECT seq, {SCOPE}, text FROM events "  # noqa: S608
        f"WHERE seq = ? AND seq <= {INDEXED} AND {FOUND}",
        (seq,),
    )


def search(connection: sqlite3.Connection, log: str, words: str, before: int, limit: int) -> list[Event]:
    """Outside of a transaction, since it first indexes what is left."""
    phrases = list(dict.fromkeys(filter(None, map(_phrase, words.replace("\0", " ").split()))))
    if not phrases:
        return []
    while backlog(connection):
        with transaction(connection):
            add_next(connection)
    query = f"scope : {_scope(log)} AND text : ({' AND '.join(phrases)})"
    page = "SELECT rowid FROM words WHERE words MATCH ? AND rowid < ? ORDER BY rowid DESC LIMIT ?"
    sql = f"SELECT {COLUMNS} FROM events WHERE seq IN ({page}) ORDER BY seq"  # noqa: S608
    return events(connection.execute(sql, (query, before, limit)))


def _scope(log: str) -> str:
    if log.startswith(MAILBOX):
        return f'"u{int(log[1:])}"'
    return f'"{"c" if log.startswith(CONVERSATION) else "r"}{log.encode().hex()}"'


def _phrase(word: str) -> str:
    """A word in the syntax of FTS5, in quotation marks so that nothing in it has a meaning there; or nothing."""
    if not any(unicodedata.category(letter)[0] in "LN" for letter in word):
        return ""
    return '"' + word.rstrip("*").replace('"', '""') + '"' + ("*" if word.endswith("*") else "")


def request_purge(connection: sqlite3.Connection) -> None:
    """Remember that deleted text is still to be cleared away."""
    connection.execute("INSERT OR IGNORE INTO meta VALUES ('purge', '')")


def purge_pending(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM meta WHERE key = 'purge'").fetchone() is not None


def end_purge(connection: sqlite3.Connection) -> None:
    """Remember that nothing is left to be cleared away."""
    connection.execute("DELETE FROM meta WHERE key = 'purge'")


def merge(connection: sqlite3.Connection) -> bool:
    """Rewrite a part of the index without the words that were taken out of it; False once nothing is left to do."""
    before = connection.total_changes
    connection.execute("INSERT INTO words (words, rank) VALUES ('merge', ?)", (-PAGES,))
    return connection.total_changes - before >= 2  # the statement itself counts as one
