"""The effects of an event beyond its log: it edits or deletes a message, sets a state, or goes into mailboxes."""

from __future__ import annotations

import sqlite3

from msgspec.structs import replace

from app.backends.statements import index
from app.backends.statements.rows import decode_detail, encode_detail, trimmed
from app.chat.events import Event, Kind
from app.chat.logs import participants


def apply(connection: sqlite3.Connection, event: Event) -> Event:
    """Apply the effects of a newly stored event, and return the event as it is stored then."""
    if event.kind == Kind.EDIT:
        event = _edit(connection, event)
    elif event.kind == Kind.DELETE:
        _delete(connection, event)
    elif event.key:
        _set_state(connection, event)
    people = participants(event.room)
    if people:
        connection.executemany("INSERT INTO mail VALUES (?, ?)", [(user, event.seq) for user in people])
        connection.executemany("INSERT OR IGNORE INTO talks VALUES (?, ?)", [(user, event.room) for user in people])
    return event


def _edit(connection: sqlite3.Connection, event: Event) -> Event:
    if _rewrite(connection, event, edited=True):
        return event
    # There is no message to edit, or a deleted one: no text of it may come back.
    connection.execute("UPDATE events SET text = '' WHERE seq = ?", (event.seq,))
    return replace(event, text="")


def _delete(connection: sqlite3.Connection, event: Event) -> None:
    if _rewrite(connection, replace(event, text=""), deleted=True):
        connection.execute(
            "UPDATE events SET text = '' WHERE room = ? AND of = ? AND of > 0 AND kind = 'edit'",
            (event.room, event.of),
        )


def _rewrite(connection: sqlite3.Connection, event: Event, **became: bool) -> bool:
    """Put the event's text at position `of`. Return False if there is no message, or a deleted one."""
    row = connection.execute(
        "SELECT detail FROM events WHERE seq = ? AND seq < ? AND room = ? AND kind IN ('msg', 'me')",
        (event.of, event.seq, event.room),
    ).fetchone()
    if row is None or decode_detail(row[0]).deleted:
        return False
    index.remove(connection, "seq = ?", event.of)
    detail = encode_detail(replace(decode_detail(row[0]), **became))
    connection.execute("UPDATE events SET text = ?, detail = ? WHERE seq = ?", (event.text, detail, event.of))
    index.add(connection, event.of)
    index.request_purge(connection)
    return True


def _set_state(connection: sqlite3.Connection, event: Event) -> None:
    where = (event.room, event.key)
    row = connection.execute("SELECT seq FROM state WHERE room = ? AND key = ?", where).fetchone()
    connection.execute("INSERT OR REPLACE INTO state VALUES (?, ?, ?)", (*where, event.seq))
    if row and row[0] <= trimmed(connection, event.room):  # only its being the state kept it
        connection.execute("DELETE FROM events WHERE seq = ?", row)
        index.request_purge(connection)
