"""The effects of an event beyond its log: it edits or deletes a message, sets a state, or goes into mailboxes."""

from __future__ import annotations

import sqlite3

from msgspec.structs import replace

from app.backends.statements import purging
from app.backends.statements.rows import decode_detail, encode_detail, trimmed
from app.chat.events import Event, Kind
from app.chat.logs import participants


def apply(connection: sqlite3.Connection, event: Event, pos: int) -> Event:
    """Apply the effects of a newly stored event at `pos`, and return the event as it is stored then."""
    if event.kind == Kind.EDIT:
        event = _edit(connection, event, pos)
    elif event.kind == Kind.DELETE:
        _delete(connection, event)
    elif event.key:
        _set_state(connection, event)
    people = participants(event.room)
    if people:
        mail = [(user, event.seq, pos) for user in people]
        connection.executemany("INSERT INTO mail VALUES (?, ?, ?)", mail)
        connection.executemany("INSERT OR IGNORE INTO talks VALUES (?, ?)", [(user, event.room) for user in people])
    return event


def _edit(connection: sqlite3.Connection, event: Event, pos: int) -> Event:
    if _rewrite(connection, event, edited=True):
        return event
    # There is no message to edit, or a deleted one: no text of it may come back.
    connection.execute("UPDATE events SET text = '' WHERE pos = ?", (pos,))
    purging.request(connection)
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
        "SELECT pos, text, detail FROM events WHERE room = ? AND seq = ? AND seq < ? AND kind IN ('msg', 'me')",
        (event.room, event.of, event.seq),
    ).fetchone()
    if row is None or decode_detail(row[2]).deleted:
        return False
    pos, text, detail = row
    purging.forget(connection, pos, event.room, text)
    connection.execute(
        "UPDATE events SET text = ?, detail = ? WHERE pos = ?",
        (event.text, encode_detail(replace(decode_detail(detail), **became)), pos),
    )
    purging.request(connection)
    return True


def _set_state(connection: sqlite3.Connection, event: Event) -> None:
    where = (event.room, event.key)
    row = connection.execute("SELECT seq FROM state WHERE room = ? AND key = ?", where).fetchone()
    connection.execute("INSERT OR REPLACE INTO state VALUES (?, ?, ?)", (*where, event.seq))
    if row and row[0] <= trimmed(connection, event.room):  # only its being the state kept it
        connection.execute("DELETE FROM events WHERE room = ? AND seq = ?", (event.room, row[0]))
        purging.request(connection)
