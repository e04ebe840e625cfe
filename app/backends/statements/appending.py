"""Storing events, many at once. Every message goes through here."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from app.backends.sequencing import Entry
from app.backends.statements import effects
from app.backends.statements.rows import encode_detail
from app.chat.events import PLAIN, Event, Kind
from app.chat.logs import CONVERSATION

ROWS = 64
"""How many events one statement stores, at most. Each statement gives up the interpreter lock and takes it again."""
ROW = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
SPOKEN = frozenset((Kind.MSG, Kind.ME))
"""The kinds of messages; all others change a message or the room."""


def append(connection: sqlite3.Connection, entries: Sequence[Entry]) -> None:
    """Store the events of these entries, and apply their effects in order. An entry's event becomes what was stored."""
    for first in range(0, len(entries), ROWS):
        _insert(connection, entries[first : first + ROWS])
    for entry in entries:
        event = entry.event
        assert event is not None
        if event.kind not in SPOKEN or event.room.startswith(CONVERSATION):
            entry.event = effects.apply(connection, event, entry.pos)


def _insert(connection: sqlite3.Connection, entries: Sequence[Entry]) -> None:
    values: list[str | int] = []
    for entry in entries:
        event = entry.event
        assert event is not None
        values += row_of(event, entry.pos)
    sql = f"INSERT INTO events VALUES {', '.join([ROW] * len(entries))}"  # noqa: S608
    connection.execute(sql, values)


def row_of(event: Event, pos: int) -> tuple[str | int, ...]:
    """Return the row of an event, in the order of the columns of the table."""
    detail = "" if event.detail is PLAIN else encode_detail(event.detail)
    return (
        pos,
        event.room,
        event.seq,
        event.id,
        event.at,
        event.user,
        event.name,
        event.text,
        event.cid,
        str(event.kind),
        event.of,
        detail,
    )
