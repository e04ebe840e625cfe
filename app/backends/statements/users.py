"""Users: their tokens, names and passwords, what they have read and whom they ignore."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence

from msgspec import json

from app.backends import NameTaken, changes
from app.chat.events import Account, User

USER = "id, name, password != ''"
"""The columns of a user."""
NUMBERED = re.compile("user([0-9]{1,18})")


def _user(row: tuple[int, str, int]) -> User:
    id_, name, registered = row
    return User(id_, name, bool(registered))


def _get(connection: sqlite3.Connection, id_: int) -> User:
    row = connection.execute(f"SELECT {USER} FROM users WHERE id = ?", (id_,)).fetchone()  # noqa: S608
    if row is None:
        raise ValueError(f"there is no user {id_}")
    return _user(row)


def create_user(connection: sqlite3.Connection, change: changes.CreateUser) -> User:
    known = user_by_token(connection, change.token) if change.token else None
    if known is not None:
        return known
    user = User.newcomer(change.user or _last(connection) + 1)
    insert(connection, [user])
    if change.token:
        connection.execute("INSERT OR REPLACE INTO tokens VALUES (?, ?)", (change.token, user.id))
    return user


def insert(connection: sqlite3.Connection, new_users: Sequence[User]) -> None:
    """Insert users under their default names."""
    sql = "INSERT INTO users (id, name, canonical) VALUES (?, ?, ?)"
    connection.executemany(sql, [(user.id, user.name, user.name) for user in new_users])


def _last(connection: sqlite3.Connection) -> int:
    number: int
    (number,) = connection.execute(
        "SELECT max(value, (SELECT coalesce(max(id), 0) FROM users)) FROM counters WHERE name = 'user'"
    ).fetchone()
    return number


def user_by_token(connection: sqlite3.Connection, token: bytes) -> User | None:
    sql = f"SELECT {USER} FROM users WHERE id = (SELECT user FROM tokens WHERE secret = ?)"  # noqa: S608
    row = connection.execute(sql, (token,)).fetchone()
    return _user(row) if row else None


def bind_token(connection: sqlite3.Connection, change: changes.BindToken) -> None:
    _get(connection, change.user)
    connection.execute("INSERT OR REPLACE INTO tokens VALUES (?, ?)", (change.token, change.user))


def revoke_token(connection: sqlite3.Connection, change: changes.RevokeToken) -> None:
    connection.execute("DELETE FROM tokens WHERE secret = ?", (change.token,))


def account(connection: sqlite3.Connection, canonical: str) -> Account | None:
    return _account(connection, "canonical", canonical)


def _account(connection: sqlite3.Connection, column: str, value: str | int) -> Account | None:
    sql = f"SELECT {USER}, password, seen FROM users WHERE {column} = ?"  # noqa: S608
    row = connection.execute(sql, (value,)).fetchone()
    return Account(_user(row[:3]), *row[3:]) if row else None


def users(connection: sqlite3.Connection, ids: Sequence[int]) -> list[User]:
    sql = f"SELECT {USER} FROM users WHERE id IN (SELECT value FROM json_each(?))"  # noqa: S608
    found = {row[0]: _user(row) for row in connection.execute(sql, (json.encode(list(ids)).decode(),))}
    return [found[id_] for id_ in ids if id_ in found]


def claim(connection: sqlite3.Connection, change: changes.Claim) -> User:
    user, canonical, evict = change.user, change.canonical, change.evict
    _get(connection, user)
    holder = _reserved_for(connection, canonical) or account(connection, canonical)
    if holder is not None and holder.user.id != user:
        if holder.user.id != evict or holder.password or NUMBERED.fullmatch(canonical):
            raise NameTaken(holder)
        back = holder.user.default_name
        connection.execute("UPDATE users SET name = ?, canonical = ? WHERE id = ?", (back, back, evict))
    connection.execute("UPDATE users SET name = ?, canonical = ? WHERE id = ?", (change.name, canonical, user))
    return _get(connection, user)


def _reserved_for(connection: sqlite3.Connection, canonical: str) -> Account | None:
    """Return the account that a default name is reserved for, whatever it is called now; None for any other name."""
    if not re.fullmatch("user[0-9]+", canonical):
        return None
    numbered = NUMBERED.fullmatch(canonical)
    owner = _account(connection, "id", int(numbered[1]) + 1) if numbered else None
    if owner is None or canonical != owner.user.default_name:
        raise ValueError(f"{canonical!r} is reserved for a user to come")
    return owner


def set_password(connection: sqlite3.Connection, change: changes.SetPassword) -> User:
    connection.execute("UPDATE users SET password = ? WHERE id = ?", (change.password, change.user))
    return _get(connection, change.user)


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
