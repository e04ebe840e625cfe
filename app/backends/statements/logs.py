"""Reading logs, and trimming them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from typing import Any, NamedTuple

from msgspec import json

from app.backends import Events, Trimmed
from app.backends.changes import Trim
from app.backends.damage import Damaged, is_corrupt, note
from app.backends.statements import holes, purging
from app.backends.statements.rows import COLUMNS, DAMAGED, damaged_event, event_of, events, snapshot, trimmed
from app.chat.events import Bounds, Conversation, Event, Kind
from app.chat.logs import CONVERSATION, END, MAILBOX, mailbox, participants

SCANNED = 5_000
"""How many events a page of messages is looked for in, at most."""
_FOLDED = "('edit', 'delete')"
"""The kinds of events that are left out where they are folded: the messages show what they did."""
_EVENT = ", ".join(f"events.{column}" for column in COLUMNS.split(", "))


class Page(NamedTuple):
    """How much to read of a log: at most `limit` events, up to the one at which their texts have `size` bytes; 0 is no
    such bound. `fold` leaves out edits and deletions."""

    limit: int
    size: int = 0
    fold: bool = False


class _Log(NamedTuple):
    """A log in SQL: the table that has its positions, how to get from there to the events, and which rows are its."""

    table: str
    joined: str
    where: str
    whose: str | int


def _log(log: str) -> _Log:
    if not log.startswith(MAILBOX):
        return _Log("events", "events", "events.room = ?", log)
    user = int(log[1:])
    if log != mailbox(user):
        raise ValueError(f"{log!r} is not a mailbox: expected ~ and the id of a user")
    return _Log("mail", "mail CROSS JOIN events USING (pos)", "mail.user = ?", user)


def bounds(connection: sqlite3.Connection, log: str) -> Bounds:
    table, _, where, whose = _log(log)
    (head,) = connection.execute(f"SELECT max(seq) FROM {table} WHERE {where}", (whose,)).fetchone()  # noqa: S608
    trimmed_to = trimmed(connection, log)
    return Bounds(trimmed_to, max(head or 0, trimmed_to))


def read(connection: sqlite3.Connection, log: str, after: int, page: Page) -> Events:
    def between() -> tuple[int, int]:
        trimmed_to = trimmed(connection, log)
        if after < trimmed_to:
            raise Trimmed(trimmed_to)
        return after, END

    return _read_whole(connection, log, between, "ASC", page)


def read_backwards(connection: sqlite3.Connection, log: str, before: int, page: Page) -> Events:
    found = _read_whole(connection, log, lambda: (trimmed(connection, log), before), "DESC", page)
    found.reverse()
    return found


def get(connection: sqlite3.Connection, log: str, seq: int) -> Event | None:
    if seq <= trimmed(connection, log):
        return None
    found = _read_sound(connection, log, (seq - 1, seq + 1), "ASC", Page(1))
    if found:
        return found[0]
    if _counts_by_one(log) and seq <= holes.head(connection, log) and holes.is_at(connection, log, seq):
        note(connection, f"message {seq} of room {log!r} is missing")
        raise Damaged
    return None


def _read_whole(
    connection: sqlite3.Connection, log: str, between: Callable[[], tuple[int, int]], order: str, page: Page
) -> Events:
    """Read a log between two positions, up to the first hole that damage has made. Damaged if that is nothing."""
    if not _counts_by_one(log):
        return _read_sound(connection, log, between(), order, page)
    backwards = order == "DESC"
    last, bounds_now = holes.head(connection, log), between()
    found = _read_sound(connection, log, bounds_now, order, page)
    if holes.looks_whole(connection, log, bounds_now, found, last, backwards=backwards, fold=page.fold):
        return found
    with snapshot(connection):  # what was read may be of two states of the log, before and after a trim
        bounds_now = between()
        found = _read_sound(connection, log, bounds_now, order, page)
        return holes.cut(connection, log, bounds_now, found, backwards=backwards)


def _counts_by_one(log: str) -> bool:
    """Whether the positions of a log have no gaps. All conversations share one count."""
    return not log.startswith((MAILBOX, CONVERSATION))


def _read_sound(connection: sqlite3.Connection, log: str, between: tuple[int, int], order: str, page: Page) -> Events:
    """Read a log. Where a page of the file is damaged, every event in it says so."""
    try:
        return _read(connection, log, between, order, page)
    except sqlite3.DatabaseError as error:
        if not is_corrupt(error):
            raise
    return _row_by_row(connection, log, between, order, page)


def _row_by_row(connection: sqlite3.Connection, log: str, between: tuple[int, int], order: str, page: Page) -> Events:
    """Read a log as `_read` does, each event by itself, since some can't be read."""
    table, _, of_log, whose = _log(log)
    sql = f"SELECT seq, pos FROM {table} WHERE {of_log} AND seq > ? AND seq < ? ORDER BY seq {order}"  # noqa: S608
    found, size, count = Events(), 0, 0
    with closing(connection.execute(sql, (whose, *between))) as rows:
        for seq, pos in rows:
            if len(found) == page.limit or (page.size and size >= page.size) or count == SCANNED:
                found.more = True
                break
            count += 1
            event = _event_at(connection, log, seq, pos)
            if not page.fold or event.kind not in (Kind.EDIT, Kind.DELETE) or count == SCANNED:
                found.append(event)
                size += len(event.text.encode("utf-8", "surrogatepass"))
    return found


def _event_at(connection: sqlite3.Connection, log: str, seq: int, pos: int) -> Event:
    try:
        row = connection.execute(f"SELECT {COLUMNS} FROM events WHERE pos = ?", (pos,)).fetchone()  # noqa: S608
    except sqlite3.DatabaseError as error:
        if not is_corrupt(error):
            raise
        row = None
    return _told(connection, event_of(row) if row is not None else damaged_event(log, seq))


def _told(connection: sqlite3.Connection, event: Event) -> Event:
    """Have the operator told if an event can't be read. Return the event."""
    if event.text is DAMAGED:
        where = f"room {event.room!r}" if _counts_by_one(event.room) else "a conversation"
        note(connection, f"message {event.seq} of {where} can't be read")
    return event


def _read(connection: sqlite3.Connection, log: str, between: tuple[int, int], order: str, page: Page) -> Events:
    """Read a log between two positions, in an order, row by row: a row that isn't needed is not read."""
    table, joined, of_log, whose = _log(log)
    where = f"{of_log} AND {table}.seq > ? AND {table}.seq < ?"
    values: tuple[str | int, ...] = (whose, *between)
    found, size = Events(), 0
    if page.fold:
        sql = f"SELECT seq FROM {table} WHERE {where} ORDER BY seq {order} LIMIT 2 OFFSET ?"  # noqa: S608
        last = connection.execute(sql, (*values, SCANNED - 1)).fetchall()
        found.more = len(last) == 2
        edge = last[0][0] if found.more else 0
        where += f" AND (events.kind NOT IN {_FOLDED} OR {table}.seq = ?)"
        values = (whose, *_up_to(edge, between, order), edge)
    sql = f"SELECT {_EVENT} FROM {joined} WHERE {where} ORDER BY {table}.seq {order}"  # noqa: S608
    with closing(connection.execute(sql, values)) as rows:
        for row in rows:
            if len(found) == page.limit or (page.size and size >= page.size):
                found.more = True
                break
            event = event_of(row)
            if event.text is DAMAGED:
                _told(connection, event)
            found.append(event)
            size += len(event.text.encode("utf-8", "surrogatepass"))
    return found


def _up_to(edge: int, between: tuple[int, int], order: str) -> tuple[int, int]:
    """Return two positions, of which the further one in this order is right behind `edge` if there is one."""
    low, high = between
    if not edge:
        return between
    return (low, edge + 1) if order == "ASC" else (edge - 1, high)


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
    found = [_told(connection, event) for event in events(rows)]
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
