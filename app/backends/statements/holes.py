"""Holes in a room's log: positions that were given out and that a read does not meet, because the file is damaged.

The positions of a room count up by one, so a read knows what it has to find. There are gaps that are no holes: up to
version 2 of the store one counter gave out the positions of all rooms, and an import keeps them. Which one it is shows
the table of events, in which the rows that the index has lost are still found.
"""

from __future__ import annotations

import sqlite3
from itertools import pairwise

from app.backends import Events
from app.backends.damage import Damaged, note
from app.chat.logs import END

MAX_LOOKED_AT = 1_000_000
"""How many events are looked at, at most, to tell a hole from a gap. A longer one counts as a gap."""

Place = tuple[int, int]
"""The position of an event in its room, and its place over all logs."""


def head(connection: sqlite3.Connection, room: str) -> int:
    """Return the last position of a room, 0 if it has none."""
    (last,) = connection.execute("SELECT max(seq) FROM events WHERE room = ?", (room,)).fetchone()
    return last or 0


def looks_whole(
    connection: sqlite3.Connection,
    room: str,
    between: tuple[int, int],
    found: Events,
    last: int,
    *,
    backwards: bool,
    fold: bool,
) -> bool:
    """Whether what was read between two positions is all that has to be there. `found` is in the order in which it was
    read. `last` is the room's last position before that."""
    low, high = between
    if backwards:
        first = found[-1].seq if found.more and found else low + 1
        until = found[0].seq if high == END and found and not fold else min(high - 1, last)
    else:
        first = low + 1
        until = found[-1].seq if found.more and found else max(min(high - 1, last), found[-1].seq if found else 0)
    if until < first:
        return True
    wanted = until - first + 1
    if fold:
        sql = "SELECT count(*) FROM events WHERE room = ? AND seq >= ? AND seq <= ?"
        return bool(connection.execute(sql, (room, first, until)).fetchone()[0] == wanted)
    return len(found) == wanted and abs(found[0].seq - found[-1].seq) == wanted - 1


def cut(
    connection: sqlite3.Connection, room: str, between: tuple[int, int], found: Events, *, backwards: bool
) -> Events:
    """Return what was read up to the first hole. Damaged if that is nothing."""
    low, high = between
    edge = found[-1].seq if found.more and found else low if backwards else high
    span = (edge - 1, high) if backwards else (low, edge + 1)
    hole = _find(connection, room, span, backwards=backwards)
    if hole is None:
        return found
    after, before = hole
    note(connection, f"messages {after + 1} to {before - 1} of room {room!r} are missing")
    sound = Events(event for event in found if (event.seq >= before if backwards else event.seq <= after))
    if not sound:
        raise Damaged(before - 1)
    sound.more = True
    return sound


def is_at(connection: sqlite3.Connection, room: str, seq: int) -> bool:
    """Whether a position that is not found is in a hole."""
    return _find(connection, room, (seq - 1, seq + 1), backwards=False) is not None


def _find(
    connection: sqlite3.Connection, room: str, span: tuple[int, int], *, backwards: bool
) -> tuple[int, int] | None:
    """Return the positions around the first hole between two positions, in the order of reading."""
    low, high = span
    sql = "SELECT seq, pos FROM events WHERE room = ? AND seq {} ORDER BY seq {} LIMIT 1"
    before = connection.execute(sql.format("<= ?", "DESC"), (room, low)).fetchone() or (low, 0)
    rows = connection.execute(
        "SELECT seq, pos FROM events WHERE room = ? AND seq > ? AND seq < ? ORDER BY seq", (room, low, high)
    ).fetchall()
    after = connection.execute(sql.format(">= ?", "ASC"), (room, high)).fetchone() if high < END else None
    places = [(max(low, before[0]), before[1]), *rows, *([after] if after else [])]
    last = head(connection, room)
    pairs = list(pairwise(places))
    for one, other in reversed(pairs) if backwards else pairs:
        if other[0] > one[0] + 1 and is_hole(connection, room, one, other):
            return one[0], other[0]
    if places[-1][0] < last and high > places[-1][0] + 1 and not after:  # the index is out of order
        return places[-1][0], last + 1
    return None


def is_hole(connection: sqlite3.Connection, room: str, one: Place, other: Place) -> bool:
    """Whether there are events of the room between two of its events that follow each other in the index."""
    if other[0] == other[1] or not 0 < other[1] - one[1] <= MAX_LOOKED_AT:
        return False
    sql = "SELECT 1 FROM events NOT INDEXED WHERE pos > ? AND pos < ? AND room = ? AND seq > ? AND seq < ? LIMIT 1"
    return connection.execute(sql, (one[1], other[1], room, one[0], other[0])).fetchone() is not None
