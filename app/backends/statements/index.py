"""The search index: the words of all messages, in an FTS5 table without content of its own, which lags behind the log.

A row has the `seq` of a message, its text, and its scope. The scope is one token for a room; for a conversation it is a
token for the conversation and one for each of its people. A search intersects lists of positions, newest first.

`indexed` in `meta` is the position up to which messages are in the index. Before one of them is changed or deleted, its
old text must be removed from the index: FTS5 notes the removal, and drops the words when it merges. `purge` in `meta`
says that such words, or pages in the WAL with the text, are still in the files.
"""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from collections.abc import Sequence

from app.backends import Results
from app.backends.statements.rows import COLUMNS, events, transaction
from app.chat.logs import CONVERSATION, MAILBOX

SCOPE = """CASE WHEN substr(room, 1, 1) = '@'
    THEN 'c' || hex(room) || ' u' || replace(substr(room, 2), ',', ' u') ELSE 'r' || hex(room) END"""
"""The scope of an event, as an SQL expression. In hexadecimal, any room name is one token."""
SEARCHABLE = "kind IN ('msg', 'me') AND text != ''"
"""Which events go into the index, as an SQL condition."""
INDEXED = "(SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'indexed')"
BATCH = 1000
"""How many events are indexed in one step."""
PAGES = 64
"""How many pages of the index are merged in one step."""


def backlog(connection: sqlite3.Connection) -> int:
    """Return how many events are still to be indexed, at most."""
    sql = f"SELECT max(0, coalesce(max(seq), 0) - {INDEXED}) FROM events"  # noqa: S608
    count: int
    (count,) = connection.execute(sql).fetchone()
    return count


def add_next(connection: sqlite3.Connection) -> None:
    """Index the next batch of events."""
    sql = f"SELECT max(seq) FROM (SELECT seq FROM events WHERE seq > {INDEXED} ORDER BY seq LIMIT ?)"  # noqa: S608
    (last,) = connection.execute(sql, (BATCH,)).fetchone()
    if last is not None:
        connection.execute(
            f"INSERT INTO words (rowid, scope, text) SELECT seq, {SCOPE}, text FROM events "  # noqa: S608
            f"WHERE seq > {INDEXED} AND seq <= ? AND {SEARCHABLE} ORDER BY seq",
            (last,),
        )
        connection.execute("UPDATE meta SET value = ? WHERE key = 'indexed'", (str(last),))


def remove(connection: sqlite3.Connection, where: str, *values: str | int) -> None:
    """Remove events from the index. They must still have the text that was indexed."""
    connection.execute(
        f"INSERT INTO words (words, rowid, scope, text) SELECT 'delete', seq, {SCOPE}, text FROM events "  # noqa: S608
        f"WHERE {where} AND seq <= {INDEXED} AND {SEARCHABLE} ORDER BY seq",
        values,
    )


def add(connection: sqlite3.Connection, seq: int) -> None:
    """Add an event with a new text to the index, unless a later batch will."""
    connection.execute(
        f"INSERT INTO words (rowid, scope, text) SELECT seq, {SCOPE}, text FROM events "  # noqa: S608
        f"WHERE seq = ? AND seq <= {INDEXED} AND {SEARCHABLE}",
        (seq,),
    )


def search(connection: sqlite3.Connection, log: str | Sequence[str], words: str, before: int, limit: int) -> Results:
    """Search, after indexing the backlog. No transaction may be open."""
    asked = words.replace("\0", " ").split()
    if not isinstance(log, str):
        asked = [f"{word}*" if word.isalpha() and len(word) > 3 else word for word in asked]
    phrases = list(dict.fromkeys(filter(None, map(_phrase, asked))))
    if not phrases or limit <= 0:
        return Results()
    while backlog(connection):
        with transaction(connection):
            add_next(connection)
    scope = " OR ".join(map(_scope, [log] if isinstance(log, str) else log))
    query = f"scope : ({scope}) AND text : ({' AND '.join(phrases)})"
    page = "SELECT rowid FROM words WHERE words MATCH ? AND rowid < ? ORDER BY rowid DESC LIMIT ?"
    sql = f"SELECT {COLUMNS} FROM events WHERE seq IN ({page}) ORDER BY seq"  # noqa: S608
    found = events(connection.execute(sql, (query, before, limit + 1)))
    results = Results(found[-limit:])
    results.next = results[0].seq if len(found) > limit else 0
    patterns = [re.compile(_pattern(word), re.IGNORECASE) for word in asked]
    results.marks = [
        sorted({one.span() for pattern in patterns for one in pattern.finditer(event.text) if one[0]})
        for event in results
    ]
    return results


def _pattern(word: str) -> str:
    return r"\b" + re.escape(word.strip('*"')) + ("" if word.endswith("*") else r"\b")


def _scope(log: str) -> str:
    if log.startswith(MAILBOX):
        return f'"u{int(log[1:])}"'
    return f'"{"c" if log.startswith(CONVERSATION) else "r"}{log.encode().hex()}"'


def _phrase(word: str) -> str:
    """Quote a word for FTS5, so that nothing in it has a special meaning. Return "" if it has no letter or digit."""
    if not any(unicodedata.category(letter)[0] in "LN" for letter in word):
        return ""
    return '"' + word.rstrip("*").replace('"', '""') + '"' + ("*" if word.endswith("*") else "")


def request_purge(connection: sqlite3.Connection) -> None:
    """Record that the files hold deleted text."""
    connection.execute("INSERT OR IGNORE INTO meta VALUES ('purge', '')")


def purge_pending(connection: sqlite3.Connection) -> bool:
    """Return whether the files may hold deleted text."""
    return connection.execute("SELECT 1 FROM meta WHERE key = 'purge'").fetchone() is not None


def end_purge(connection: sqlite3.Connection) -> None:
    """Record that no deleted text is left in the files."""
    connection.execute("DELETE FROM meta WHERE key = 'purge'")


def merge(connection: sqlite3.Connection) -> bool:
    """Rewrite a part of the index without the words that were removed. Return False once nothing is left to do."""
    before = connection.total_changes
    connection.execute("INSERT INTO words (words, rank) VALUES ('merge', ?)", (-PAGES,))
    return connection.total_changes - before >= 2  # the statement itself counts as one
