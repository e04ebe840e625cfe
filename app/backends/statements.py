"""The SQL of the embedded backend: each call of the interface, on a connection and inside whatever transaction is open.

What a caller alone got wrong raises one of WRONG; any other error of SQLite's concerns the store.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Sequence

from app.backends import Trimmed
from app.chat.events import Appended, Bounds, Draft, Event, User

COLUMNS = "room, seq, id, at, user, name, text, cid"
ROW = "(?, ?, ?, ?, ?, ?, ?)"
ROWS = 64
"""Drafts that one statement stores."""
WRONG = (
    Trimmed,
    ValueError,
    OverflowError,
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
)


def append(connection: sqlite3.Connection, drafts: Sequence[Draft]) -> list[Appended | Exception]:
    """Store drafts in order, or find what their `cid` stored before."""
    answers: list[Appended | Exception] = []
    for first in range(0, len(drafts), ROWS):
        answers += _append(connection, drafts[first : first + ROWS])
    return answers


def _append(connection: sqlite3.Connection, drafts: Sequence[Draft]) -> list[Appended | Exception]:
    """One statement for all: a thread that runs SQL gives up and gets back the interpreter once for each."""
    try:
        stored = _insert(connection, drafts)
    except WRONG as error:
        if len(drafts) == 1:
            return [error]
        return [answer for draft in drafts for answer in _append(connection, [draft])]
    answers: list[Appended | Exception] = []
    for draft in drafts:
        positions = stored.get(draft.id)
        if positions:
            user, seq = draft.user, positions.popleft()
            event = Event(draft.room, seq, draft.id, draft.at, user.id, user.name, draft.text, draft.cid)
            answers.append(Appended(event, duplicate=False))
        else:
            sql = f"SELECT {COLUMNS} FROM events WHERE user = ? AND cid = ? AND cid != ''"  # noqa: S608
            (event,) = _events(connection.execute(sql, (draft.user.id, draft.cid)))
            answers.append(Appended(event, duplicate=True))
    return answers


def _insert(connection: sqlite3.Connection, drafts: Sequence[Draft]) -> dict[str, deque[int]]:
    """Store drafts in order, but for those whose `cid` is there; the positions of the stored, in order, by id."""
    values: list[str | int] = []
    for draft in drafts:
        user = draft.user
        values += draft.room, draft.id, draft.at, user.id, user.name, draft.text, draft.cid
    rows = connection.execute(
        f"INSERT INTO events (room, id, at, user, name, text, cid) VALUES {', '.join([ROW] * len(drafts))} "  # noqa: S608
        "ON CONFLICT (user, cid) WHERE cid != '' DO NOTHING RETURNING id, seq",
        values,
    )
    stored: dict[str, deque[int]] = {}
    for id_, seq in rows:
        stored.setdefault(id_, deque()).append(seq)
    return stored


def _events(rows: sqlite3.Cursor) -> list[Event]:
    return [Event(*row) for row in rows]


def bounds(connection: sqlite3.Connection, room: str) -> Bounds:
    (head,) = connection.execute("SELECT max(seq) FROM events WHERE room = ?", (room,)).fetchone()
    trimmed = _trimmed(connection, room)
    return Bounds(trimmed, head or trimmed)


def _trimmed(connection: sqlite3.Connection, room: str) -> int:
    row = connection.execute("SELECT through FROM trims WHERE room = ?", (room,)).fetchone()
    return row[0] if row else 0


def read(connection: sqlite3.Connection, room: str, after: int, limit: int) -> list[Event]:
    trimmed = _trimmed(connection, room)
    if after < trimmed:
        raise Trimmed(trimmed)
    sql = f"SELECT {COLUMNS} FROM events WHERE room = ? AND seq > ? ORDER BY seq LIMIT ?"  # noqa: S608
    return _events(connection.execute(sql, (room, after, limit)))


def read_back(connection: sqlite3.Connection, room: str, before: int, limit: int) -> list[Event]:
    sql = f"SELECT {COLUMNS} FROM events WHERE room = ? AND seq < ? ORDER BY seq DESC LIMIT ?"  # noqa: S608
    return _events(connection.execute(sql, (room, before, limit)))[::-1]


def trim(connection: sqlite3.Connection, room: str, keep: int, since: int, limit: int) -> int:
    through = 0
    if keep:
        sql = "SELECT seq FROM events WHERE room = ? ORDER BY seq DESC LIMIT 1 OFFSET ?"
        through = (connection.execute(sql, (room, keep)).fetchone() or (0,))[0]
    # Clocks may jump, so an old event can stand behind a newer one: only a run of old ones at the start goes.
    sql = "SELECT seq, at FROM events WHERE room = ? ORDER BY seq LIMIT ?"
    going = []
    for seq, at in connection.execute(sql, (room, limit)):
        if seq > through and at >= since:
            break
        going.append(seq)
    if going:
        connection.execute("DELETE FROM events WHERE room = ? AND seq <= ?", (room, going[-1]))
        connection.execute("INSERT OR REPLACE INTO trims VALUES (?, ?)", (room, going[-1]))
    return len(going)


def rooms(connection: sqlite3.Connection) -> list[str]:
    sql = """
        WITH RECURSIVE named (room) AS (
            SELECT min(room) FROM events
            UNION ALL SELECT (SELECT min(room) FROM events WHERE room > named.room) FROM named WHERE room IS NOT NULL
        )
        SELECT room FROM named WHERE room IS NOT NULL
    """  # a jump from room to room in the index, which does not touch the events
    return [room for (room,) in connection.execute(sql)]


def enlist(connection: sqlite3.Connection, secret: bytes) -> User:
    known = identify(connection, secret)
    if known is not None:  # asked again, since the first answer got lost
        return known
    (last,) = connection.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'users'").fetchone()
    name = f"user{last}"
    cursor = connection.execute("INSERT INTO users (name, secret) VALUES (?, ?)", (name, secret))
    return User(cursor.lastrowid or 0, name)


def identify(connection: sqlite3.Connection, secret: bytes) -> User | None:
    row = connection.execute("SELECT id, name FROM users WHERE secret = ?", (secret,)).fetchone()
    return User(*row) if row else None
