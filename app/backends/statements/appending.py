"""Storing events, many at once. Every message goes through here."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from app.backends.sequencing import Entry
from app.backends.statements import effects, users
from app.backends.statements.rows import encode_detail
from app.chat.events import PLAIN, Event, Kind
from app.chat.logs import CONVERSATION, participants

ROWS, TEXT = 64, 64 * 1024
"""How many events one statement stores, at most, and how many characters if there are several. Each statement gives up
the interpreter lock and takes it again. It keeps it while it copies the texts."""
ROW = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
SPOKEN = frozenset((Kind.MSG, Kind.ME))
"""The kinds of messages; all others change a message or the room."""


def append(connection: sqlite3.Connection, entries: Sequence[Entry]) -> None:
    """Store the events of these entries, and apply their effects in order. An entry's event becomes what was stored."""
    values: list[str | int] = []
    rows = text = 0
    for entry in entries:
        assert entry.event is not None
        size = len(entry.event.text)
        if rows == ROWS or (rows and text + size > TEXT):
            _insert(connection, rows, values)
            rows, text, values = 0, 0, []
        values += row_of(entry.event, entry.pos)
        rows, text = rows + 1, text + size
    if rows:
        _insert(connection, rows, values)
    people: set[int] = set()
    for entry in entries:
        event = entry.event
        assert event is not None
        people.add(event.user)
        if event.detail is not PLAIN or event.room.startswith(CONVERSATION):
            people.update(others_in(event))
        if event.kind not in SPOKEN or event.room.startswith(CONVERSATION):
            entry.event = effects.apply(connection, event, entry.pos)
    users.note_in_log(connection, people)


def others_in(event: Event) -> Iterable[int]:
    """Return the ids of the people that an event is about, or is for."""
    whom = event.detail.whom
    return (*event.detail.invited, *participants(event.room), *((whom.id,) if whom else ()))


def _insert(connection: sqlite3.Connection, rows: int, values: Sequence[str | int]) -> None:
    connection.execute(f"INSERT INTO events VALUES {', '.join([ROW] * rows)}", values)  # noqa: S608


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
