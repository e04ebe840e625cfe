"""Reading logs, and trimming them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from msgspec import json

from app.backends import Events, Trimmed
from app.backends.changes import Trim
from app.backends.damage import Damaged, note
from app.backends.statements import holes, purging, whisper_holes
from app.backends.statements.paging import SCANNED, Page, counts_by_one, in_sql, read_page, told
from app.backends.statements.rows import COLUMNS, DAMAGED, events, snapshot, trimmed
from app.chat.events import Bounds, Conversation, Event
from app.chat.logs import END, MAILBOX, mailbox, participants

_ENDS = "SELECT (SELECT max(seq) FROM events WHERE room = ?1), (SELECT through FROM trims WHERE room = ?1)"
"""The last position of a room, and the one up to which it was trimmed."""


def bounds(connection: sqlite3.Connection, log: str) -> Bounds:
    table, _, where, whose = in_sql(log)
    (head,) = connection.execute(f"SELECT max(seq) FROM {table} WHERE {where}", (whose,)).fetchone()  # noqa: S608
    trimmed_to = trimmed(connection, log)
    return Bounds(trimmed_to, max(head or 0, trimmed_to))


def read(connection: sqlite3.Connection, log: str, after: int, page: Page) -> Events:
    def between(trimmed_to: int) -> tuple[int, int]:
        if after < trimmed_to:
            raise Trimmed(trimmed_to)
        return after, END

    return _read_whole(connection, log, between, "ASC", page)


def read_backwards(connection: sqlite3.Connection, log: str, before: int, page: Page) -> Events:
    found = _read_whole(connection, log, lambda trimmed_to: (trimmed_to, before), "DESC", page)
    found.reverse()
    return found


def get(connection: sqlite3.Connection, log: str, seq: int) -> Event | None:
    if seq <= trimmed(connection, log):
        return None
    found = read_page(connection, log, (seq - 1, seq + 1), "ASC", Page(1))
    if found:
        return found[0]
    if counts_by_one(log) and seq <= holes.head(connection, log) and holes.is_at(connection, log, seq):
        note(connection, f"message {seq} of room {log!r} is missing")
        raise Damaged
    return None


def _read_whole(
    connection: sqlite3.Connection, log: str, between: Callable[[int], tuple[int, int]], order: str, page: Page
) -> Events:
    """Read a log between two positions, which depend on the one up to which it was trimmed, up to the first hole that
    damage has made. Damaged if that is nothing."""
    backwards = order == "DESC"
    if not counts_by_one(log):
        bounds_now = between(trimmed(connection, log))
        found = read_page(connection, log, bounds_now, order, page)
        if not whisper_holes.find(connection, log, bounds_now, found, backwards=backwards, fold=page.fold):
            return found
        with snapshot(connection):
            bounds_now = between(trimmed(connection, log))
            found = read_page(connection, log, bounds_now, order, page)
            missing = whisper_holes.find(connection, log, bounds_now, found, backwards=backwards, fold=page.fold)
            return whisper_holes.cut(connection, found, missing, backwards=backwards) if missing else found
    last, trimmed_to = connection.execute(_ENDS, (log,)).fetchone()
    last, bounds_now = last or 0, between(trimmed_to or 0)
    found = read_page(connection, log, bounds_now, order, page)
    if holes.looks_whole(connection, log, bounds_now, found, last, backwards=backwards, fold=page.fold):
        return found
    with snapshot(connection):  # what was read may be of two states of the log, before and after a trim
        bounds_now = between(trimmed(connection, log))
        found = read_page(connection, log, bounds_now, order, page)
        return holes.cut(connection, log, bounds_now, found, backwards=backwards)


def find_by_cid(connection: sqlite3.Connection, user: int, cid: str) -> Event | None:
    sql = f"SELECT {COLUMNS} FROM events WHERE user = ? AND cid = ? AND cid != ''"  # noqa: S608
    found = events(connection.execute(sql, (user, cid)))
    return found[0] if found else None


def spoke(connection: sqlite3.Connection, room: str, after: int, since: int) -> dict[int, int]:
    sql = """
        SELECT user, max(at)
        FROM (SELECT user, at, kind FROM events WHERE room = ? AND seq > ? ORDER BY seq DESC LIMIT ?)
        WHERE kind IN ('msg', 'me', 'edit') AND at > ? GROUP BY user
    """
    return dict(connection.execute(sql, (room, after, SCANNED, since)))


def state(connection: sqlite3.Connection, room: str) -> list[Event]:
    sql = f"SELECT {COLUMNS} FROM events JOIN state USING (room, seq) WHERE room = ? ORDER BY seq"  # noqa: S608
    return _settings(connection, connection.execute(sql, (room,)))


def owned(connection: sqlite3.Connection, user: int) -> int:
    sql = "SELECT count(DISTINCT room) FROM events WHERE kind = 'owner' AND json_extract(detail, '$.whom.id') = ?"
    number: int
    (number,) = connection.execute(sql, (user,)).fetchone()
    return number


def states(connection: sqlite3.Connection, rooms: Sequence[str], keys: Sequence[str]) -> dict[str, list[Event]]:
    sql = f"""
        SELECT {COLUMNS} FROM state JOIN events USING (room, seq)
        WHERE room IN (SELECT value FROM json_each(?)) AND state.key IN (SELECT value FROM json_each(?))
    """  # noqa: S608
    found: dict[str, list[Event]] = {}
    rows = connection.execute(sql, (json.encode(rooms).decode(), json.encode(keys).decode()))
    for event in _settings(connection, rows):
        found.setdefault(event.room, []).append(event)
    return found


def _settings(connection: sqlite3.Connection, rows: Iterable[tuple[Any, ...]]) -> list[Event]:
    """Turn rows into the events that make up rooms' settings. Damaged if one can't be read: the room might be private,
    and someone banned from it."""
    found = [told(connection, event) for event in events(rows)]
    if any(event.text is DAMAGED for event in found):
        raise Damaged
    return found


def newest(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT at FROM events ORDER BY pos DESC LIMIT 1").fetchone()
    return row[0] if row else 0


def rooms(connection: sqlite3.Connection) -> list[str]:
    sql = """
        WITH RECURSIVE named (room) AS (
            SELECT min(room) FROM events
            UNION ALL SELECT (SELECT min(room) FROM events WHERE room > named.room) FROM named WHERE room IS NOT NULL
        )
        SELECT room FROM named WHERE room IS NOT NULL
    """  # jumps from room to room in the index, without reading events
    return [room for (room,) in connection.execute(sql)]


def conversations(connection: sqlite3.Connection, user: int, before: int, limit: int) -> list[Conversation]:
    sql = """
        SELECT room, head FROM (
            SELECT room, (SELECT max(seq) FROM events WHERE events.room = talks.room) AS head
            FROM talks WHERE user = ?
        ) WHERE head < ? ORDER BY head DESC LIMIT ?
    """
    return [Conversation(*row) for row in connection.execute(sql, (user, before, limit or -1))]


def trim(connection: sqlite3.Connection, change: Trim) -> int:
    room = change.room
    if room.startswith(MAILBOX):
        raise ValueError(f"{room!r} is a mailbox: expected a room or a conversation")
    trimmed_to = through = trimmed(connection, room)
    if change.keep:
        sql = "SELECT seq FROM events WHERE room = ? AND seq > ? ORDER BY seq DESC LIMIT 1 OFFSET ?"
        through = (connection.execute(sql, (room, trimmed_to, change.keep)).fetchone() or (trimmed_to,))[0]
    # Clocks may jump, so an old event can come after a newer one. Only the run of old ones at the start goes.
    sql = "SELECT seq, at FROM events WHERE room = ? AND seq > ? ORDER BY seq LIMIT ?"
    removed = []
    for seq, at in connection.execute(sql, (room, trimmed_to, change.limit)):
        if seq > through and at >= change.since:
            break
        removed.append(seq)
    if removed:
        _remove(connection, room, trimmed_to, removed)
    return len(removed)


def _remove(connection: sqlite3.Connection, room: str, trimmed_to: int, removed: list[int]) -> None:
    """Remove the events at these positions, the first after `trimmed_to`, except those that are the room's state."""
    where, through = "room = ? AND seq > ? AND seq <= ?", removed[-1]
    connection.execute(
        "INSERT INTO forgotten (pos, room, text) SELECT pos, room, text FROM events "  # noqa: S608
        f"WHERE {where} AND kind IN ('msg', 'me') AND text != '' ORDER BY seq",
        (room, trimmed_to, through),
    )
    connection.execute(
        f"DELETE FROM events WHERE {where} AND seq NOT IN (SELECT seq FROM state WHERE room = ?)",  # noqa: S608
        (room, trimmed_to, through, room),
    )
    connection.execute(  # no text of a message that is gone stays in its later edits
        "UPDATE events SET text = '' WHERE room = ? AND of > ? AND of <= ? AND of > 0 AND kind = 'edit'",
        (room, trimmed_to, through),
    )
    _raise_trimmed(connection, room, through)
    (left,) = connection.execute("SELECT EXISTS (SELECT 1 FROM events WHERE room = ?)", (room,)).fetchone()
    for user in participants(room):
        connection.executemany("DELETE FROM mail WHERE user = ? AND seq = ?", [(user, seq) for seq in removed])
        _raise_trimmed(connection, mailbox(user), through)
        if not left:
            connection.execute("DELETE FROM talks WHERE user = ? AND room = ?", (user, room))
    purging.request(connection)


def _raise_trimmed(connection: sqlite3.Connection, log: str, through: int) -> None:
    connection.execute(
        "INSERT INTO trims VALUES (?, ?) ON CONFLICT (room) DO UPDATE SET through = max(through, excluded.through)",
        (log, through),
    )
