"""Users: who they are, what they have read and whom they ignore."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence

from msgspec import json

from app.backends import changes
from app.chat.events import Account, User

USER = "id, name, password != ''"
"""The columns of a user."""
ACCOUNT = f"SELECT {USER}, password, seen FROM users"  # noqa: S608
"""Reads accounts."""
GUEST = "password = ''"
SILENT = f"{GUEST} AND in_log = 0"
"""True of a guest whom no log knows: nothing in any of them is by, for or about it."""


def make_user(row: tuple[int, str, int]) -> User:
    id_, name, registered = row
    return User(id_, name, bool(registered))


def get(connection: sqlite3.Connection, id_: int) -> User:
    row = connection.execute(f"SELECT {USER} FROM users WHERE id = ?", (id_,)).fetchone()  # noqa: S608
    if row is None:
        raise ValueError(f"there is no user {id_}")
    return make_user(row)


def insert(connection: sqlite3.Connection, new_users: Sequence[User]) -> None:
    """Insert users under their default names."""
    sql = "INSERT INTO users (id, name, canonical) VALUES (?, ?, ?)"
    connection.executemany(sql, [(user.id, user.name, user.name) for user in new_users])


def make_account(row: tuple[int, str, int, str, int]) -> Account:
    return Account(make_user(row[:3]), *row[3:])


def account(connection: sqlite3.Connection, canonical: str) -> Account | None:
    row = connection.execute(f"{ACCOUNT} WHERE canonical = ?", (canonical,)).fetchone()
    return make_account(row) if row else None


def account_of(connection: sqlite3.Connection, id_: int) -> Account | None:
    row = connection.execute(f"{ACCOUNT} WHERE id = ?", (id_,)).fetchone()
    return make_account(row) if row else None


def stored_account(connection: sqlite3.Connection, id_: int) -> Account:
    """Return the account of a user who is there. ValueError if nobody is."""
    found = account_of(connection, id_)
    if found is None:
        raise ValueError(f"there is no user {id_}")
    return found


def users(connection: sqlite3.Connection, ids: Sequence[int]) -> list[User]:
    sql = f"SELECT {USER} FROM users WHERE id IN (SELECT value FROM json_each(?))"  # noqa: S608
    found = {row[0]: make_user(row) for row in connection.execute(sql, (json.encode(list(ids)).decode(),))}
    return [found[id_] for id_ in ids if id_ in found]


def note_in_log(connection: sqlite3.Connection, people: Collection[int]) -> None:
    """Note that a log has something by these people, for them or about them."""
    if people:
        sql = "UPDATE users SET in_log = 1 WHERE in_log = 0 AND id IN (SELECT value FROM json_each(?))"
        connection.execute(sql, (json.encode(list(people)).decode(),))


def note_all_in_log(connection: sqlite3.Connection) -> None:
    """Note everyone who is in a log by now."""
    people = "SELECT user FROM events UNION SELECT user FROM talks"
    state = "SELECT CAST(substr(key, instr(key, ':') + 1) AS INTEGER) FROM state"
    connection.execute(f"UPDATE users SET in_log = 1 WHERE id IN ({people} UNION {state})")  # noqa: S608


def depart(connection: sqlite3.Connection, change: changes.Depart) -> User:
    name = User.newcomer(change.user).name
    free = f"UPDATE users SET name = ?, canonical = ?, skeleton = '' WHERE id = ? AND {GUEST} AND (? OR in_log = 0)"  # noqa: S608
    connection.execute(free, (name, name, change.user, change.free))
    connection.execute("UPDATE users SET seen = max(seen, ?) WHERE id = ?", (change.at, change.user))
    return get(connection, change.user)


def forget(connection: sqlite3.Connection, change: changes.Forget) -> None:
    token = f"DELETE FROM tokens WHERE secret = ? AND EXISTS (SELECT 1 FROM users WHERE id = tokens.user AND {SILENT})"  # noqa: S608
    connection.executemany(token, [(one,) for one in change.tokens])
    silent = f"SELECT id FROM users WHERE id = ? AND {SILENT}"  # noqa: S608
    gone = [(one,) for one in change.users if connection.execute(silent, (one,)).fetchone()]
    for table, column in (("marks", "user"), ("ignores", "user"), ("users", "id")):
        connection.executemany(f"DELETE FROM {table} WHERE {column} = ?", gone)  # noqa: S608


def silent_guests(connection: sqlite3.Connection, after: int, limit: int) -> tuple[int, list[int]]:
    sql = f"SELECT id, {SILENT} FROM users WHERE id > ? ORDER BY id LIMIT ?"  # noqa: S608
    rows = connection.execute(sql, (after, limit)).fetchall()
    return rows[-1][0] if rows else 0, [id_ for id_, silent in rows if silent]


def tokens_of_silent_guests(
    connection: sqlite3.Connection, after: bytes, limit: int
) -> tuple[bytes, list[tuple[bytes, int]]]:
    sql = (
        f"SELECT secret, user, (SELECT {SILENT} FROM users WHERE id = user) FROM tokens "  # noqa: S608
        "WHERE secret > ? ORDER BY secret LIMIT ?"
    )
    rows = connection.execute(sql, (after, limit)).fetchall()
    return rows[-1][0] if rows else b"", [(token, user) for token, user, silent in rows if silent]


def record_seen(connection: sqlite3.Connection, change: changes.RecordSeen) -> None:
    connection.execute("UPDATE users SET seen = max(seen, ?) WHERE id = ?", (change.at, change.user))


def read_marker(connection: sqlite3.Connection, user: int, room: str) -> int:
    row = connection.execute("SELECT seq FROM marks WHERE user = ? AND room = ?", (user, room)).fetchone()
    return row[0] if row else 0


def read_markers(connection: sqlite3.Connection, user: int, rooms: Sequence[str]) -> dict[str, int]:
    sql = "SELECT room, seq FROM marks WHERE user = ? AND room IN (SELECT value FROM json_each(?))"
    return dict(connection.execute(sql, (user, json.encode(rooms).decode())))


def mark_read(connection: sqlite3.Connection, change: changes.MarkRead) -> int:
    known = read_marker(connection, change.user, change.room)
    if change.seq > known:
        connection.execute("INSERT OR REPLACE INTO marks VALUES (?, ?, ?)", (change.user, change.room, change.seq))
    return max(change.seq, known)


def ignore(connection: sqlite3.Connection, change: changes.Ignore) -> None:
    on = "INSERT OR IGNORE INTO ignores VALUES (?, ?)"
    sql = on if change.on else "DELETE FROM ignores WHERE user = ? AND whom = ?"
    connection.execute(sql, (change.user, change.whom))


def ignored(connection: sqlite3.Connection, user: int) -> frozenset[int]:
    return frozenset(whom for (whom,) in connection.execute("SELECT whom FROM ignores WHERE user = ?", (user,)))
