"""Logs: reading them, and forgetting their oldest events."""

from __future__ import annotations

import sqlite3

from app.backends import Trimmed
from app.backends.statements import index
from app.backends.statements.rows import COLUMNS, events, trimmed
from app.chat.events import Bounds, Conversation, Event
from app.chat.logs import MAILBOX, mailbox, participants


def _positions(log: str) -> tuple[str, str | int]:
    """The SQL that selects what is in a room, a conversation or a mailbox, and its one parameter."""
    if not log.startswith(MAILBOX):
        return "SELECT seq FROM events WHERE room = ?", log
    user = int(log[1:])
    if log != mailbox(user):
        raise ValueError(f"{log!r} is no mailbox: expected the id of a user")
    return "SELECT seq FROM mail WHERE user = ?", user


def bounds(connection: sqlite3.Connection, log: str) -> Bounds:
    positions, whose = _positions(log)
    (head,) = connection.execute(f"SELECT max(seq) FROM ({positions})", (whose,)).fetchone()  # noqa: S608
    gone = trimmed(connection, log)
    return Bounds(gone, max(head or 0, gone))


def read(connection: sqlite3.Connection, log: str, after: int, limit: int) -> list[Event]:
    positions, whose = _positions(log)
    gone = trimmed(connection, log)
    if after < gone:
        raise Trimmed(gone)
    page = f"{positions} AND seq > ? ORDER BY seq LIMIT ?"
    sql = f"SELECT {COLUMNS} FROM events WHERE seq IN ({page}) ORDER BY seq"  # noqa: S608
    return events(connection.execute(sql, (whose, after, limit)))


def read_backwards(connection: sqlite3.Connection, log: str, before: int, limit: int) -> list[Event]:
    positions, whose = _positions(log)
    page = f"{positions} AND seq < ? AND seq > ? ORDER BY seq DESC LIMIT ?"
    sql = f"SELECT {COLUMNS} FROM events WHERE seq IN ({page}) ORDER BY seq"  # noqa: S608
    return events(connection.execute(sql, (whose, before, trimmed(connection, log), limit)))


def get(connection: sqlite3.Connection, log: str, seq: int) -> Event | None:
    found = read_backwards(connection, log, seq + 1, 1)
    return found[0] if found and found[0].seq == seq else None


def find_by_cid(connection: sqlite3.Connection, user: int, cid: str) -> Event | None:
    sql = f"SELECT {COLUMNS} FROM events WHERE user = ? AND cid = ? AND cid != ''"  # noqa: S608
    found = events(connection.execute(sql, (user, cid)))
    return found[0] if found else None


def state(connection: sqlite3.Connection, room: str) -> list[Event]:
    sql = f"SELECT {COLUMNS} FROM events WHERE seq IN (SELECT seq FROM state WHERE room = ?) ORDER BY seq"  # noqa: S608
    return events(connection.execute(sql, (room,)))


def rooms(connection: sqlite3.Connection) -> list[str]:
    sql = """
        WITH RECURSIVE named (room) AS (
            SELECT min(room) FROM events
            UNION ALL SELECT (SELECT min(room) FROM events WHERE room > named.room) FROM named WHERE room IS NOT NULL
        )
        SELECT room FROM named WHERE room IS NOT NULL
    """  # a jump from room to room in the index, which does not touch the events
    return [room for (room,) in connection.execute(sql)]


def conversations(connection: sqlite3.Connection, user: int) -> list[Conversation]:
    sql = """
        SELECT room, (SELECT max(seq) FROM events WHERE events.room = talks.room) AS head
        FROM talks WHERE user = ? ORDER BY head DESC
    """
    return [Conversation(*row) for row in connection.execute(sql, (user,))]


def trim(connection: sqlite3.Connection, room: str, keep: int, since: int, limit: int) -> int:
    if room.startswith(MAILBOX):
        raise ValueError(f"{room!r} is a mailbox: expected a room or a conversation")
    gone = through = trimmed(connection, room)
    if keep:
        sql = "SELECT seq FROM events WHERE room = ? AND seq > ? ORDER BY seq DESC LIMIT 1 OFFSET ?"
        through = (connection.execute(sql, (room, gone, keep)).fetchone() or (gone,))[0]
    # Clocks may jump, so an old event can stand behind a newer one: only a run of old ones at the start goes.
    sql = "SELECT seq, at FROM events WHERE room = ? AND seq > ? ORDER BY seq LIMIT ?"
    going = []
    for seq, at in connection.execute(sql, (room, gone, limit)):
        if seq > through and at >= since:
            break
        going.append(seq)
    if going:
        _forget(connection, room, gone, going)
    return len(going)


def _forget(connection: sqlite3.Connection, room: str, gone: int, going: list[int]) -> None:
    """Delete the events at the positions `going`, the first after `gone`, but keep what is still the room's state."""
    those, through = "room = ? AND seq > ? AND seq <= ?", going[-1]
    index.remove(connection, those, room, gone, through)
    connection.execute(
        f"DELETE FROM events WHERE {those} AND seq NOT IN (SELECT seq FROM state WHERE room = ?)",  # noqa: S608
        (room, gone, through, room),
    )
    _raise_trimmed(connection, room, through)
    (left,) = connection.execute("SELECT EXISTS (SELECT 1 FROM events WHERE room = ?)", (room,)).fetchone()
    for user in participants(room):
        connection.executemany("DELETE FROM mail WHERE user = ? AND seq = ?", [(user, seq) for seq in going])
        _raise_trimmed(connection, mailbox(user), through)
        if not left:
            connection.execute("DELETE FROM talks WHERE user = ? AND room = ?", (user, room))
    index.request_purge(connection)


def _raise_trimmed(connection: sqlite3.Connection, log: str, through: int) -> None:
    connection.execute(
        "INSERT INTO trims VALUES (?, ?) ON CONFLICT (room) DO UPDATE SET through = max(through, excluded.through)",
        (log, through),
    )
