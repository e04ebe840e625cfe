"""Reading logs, and trimming them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from msgspec import json

from app.backends import Trimmed
from app.backends.changes import Trim
from app.backends.statements import purging
from app.backends.statements.rows import COLUMNS, events, trimmed
from app.chat.events import Bounds, Conversation, Event
from app.chat.logs import MAILBOX, mailbox, participants


def _places(log: str) -> tuple[str, str | int]:
    """Return the SQL that selects the places and positions of a log, and its one parameter."""
    if not log.startswith(MAILBOX):
        return "SELECT pos, seq FROM events WHERE room = ?", log
    user = int(log[1:])
    if log != mailbox(user):
        raise ValueError(f"{log!r} is not a mailbox: expected ~ and the id of a user")
    return "SELECT pos, seq FROM mail WHERE user = ?", user


def bounds(connection: sqlite3.Connection, log: str) -> Bounds:
    places, whose = _places(log)
    (head,) = connection.execute(f"SELECT max(seq) FROM ({places})", (whose,)).fetchone()  # noqa: S608
    trimmed_to = trimmed(connection, log)
    return Bounds(trimmed_to, max(head or 0, trimmed_to))


def read(connection: sqlite3.Connection, log: str, after: int, limit: int) -> list[Event]:
    places, whose = _places(log)
    trimmed_to = trimmed(connection, log)
    if after < trimmed_to:
        raise Trimmed(trimmed_to)
    page = f"SELECT pos FROM ({places} AND seq > ? ORDER BY seq LIMIT ?)"  # noqa: S608
    sql = f"SELECT {COLUMNS} FROM events WHERE pos IN ({page}) ORDER BY seq"  # noqa: S608
    return events(connection.execute(sql, (whose, after, limit)))


def read_backwards(connection: sqlite3.Connection, log: str, before: int, limit: int) -> list[Event]:
    places, whose = _places(log)
    page = f"SELECT pos FROM ({places} AND seq < ? AND seq > ? ORDER BY seq DESC LIMIT ?)"  # noqa: S608
    sql = f"SELECT {COLUMNS} FROM events WHERE pos IN ({page}) ORDER BY seq"  # noqa: S608
    return events(connection.execute(sql, (whose, before, trimmed(connection, log), limit)))


def get(connection: sqlite3.Connection, log: str, seq: int) -> Event | None:
    found = read_backwards(connection, log, seq + 1, 1)
    return found[0] if found and found[0].seq == seq else None


def find_by_cid(connection: sqlite3.Connection, user: int, cid: str) -> Event | None:
    sql = f"SELECT {COLUMNS} FROM events WHERE user = ? AND cid = ? AND cid != ''"  # noqa: S608
    found = events(connection.execute(sql, (user, cid)))
    return found[0] if found else None


def state(connection: sqlite3.Connection, room: str) -> list[Event]:
    sql = f"SELECT {COLUMNS} FROM events JOIN state USING (room, seq) WHERE room = ? ORDER BY seq"  # noqa: S608
    return events(connection.execute(sql, (room,)))


def states(connection: sqlite3.Connection, rooms: Sequence[str], keys: Sequence[str]) -> dict[str, list[Event]]:
    sql = f"""
        SELECT {COLUMNS} FROM state JOIN events USING (room, seq)
        WHERE room IN (SELECT value FROM json_each(?)) AND state.key IN (SELECT value FROM json_each(?))
    """  # noqa: S608
    found: dict[str, list[Event]] = {}
    for event in events(connection.execute(sql, (json.encode(rooms).decode(), json.encode(keys).decode()))):
        found.setdefault(event.room, []).append(event)
    return found


def rooms(connection: sqlite3.Connection) -> list[str]:
    sql = """
        WITH RECURSIVE named (room) AS (
            SELECT min(room) FROM events
            UNION ALL SELECT (SELECT min(room) FROM events WHERE room > named.room) FROM named WHERE room IS NOT NULL
        )
        SELECT room FROM named WHERE room IS NOT NULL
    """  # jumps from room to room in the index, without reading events
    return [room for (room,) in connection.execute(sql)]


def conversations(connection: sqlite3.Connection, user: int) -> list[Conversation]:
    sql = """
        SELECT room, (SELECT max(seq) FROM events WHERE events.room = talks.room) AS head
        FROM talks WHERE user = ? ORDER BY head DESC
    """
    return [Conversation(*row) for row in connection.execute(sql, (user,))]


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
