"""Users: their tokens, names and passwords, what they have read and whom they ignore."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence

from msgspec import json

from app.backends import NameTaken
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


def last(connection: sqlite3.Connection) -> int:
    """Return the highest id that was ever given out; 0 if there was none."""
    sql = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'users'"
    number: int
    (number,) = connection.execute(sql).fetchone()
    return number


def insert(connection: sqlite3.Connection, new_users: Sequence[User]) -> None:
    """Insert users under their default names."""
    sql = "INSERT INTO users (id, name, canonical) VALUES (?, ?, ?)"
    connection.executemany(sql, [(user.id, user.name, user.name) for user in new_users])


def create_user(connection: sqlite3.Connection, token: bytes, ids: Iterator[int]) -> User:
    known = user_by_token(connection, token)
    if known is not None:  # the caller asks again, because the first answer got lost
        return known
    user = User.newcomer(next(ids))
    insert(connection, [user])
    bind_token(connection, token, user.id)
    return user


def user_by_token(connection: sqlite3.Connection, token: bytes) -> User | None:
    sql = f"SELECT {USER} FROM users WHERE id = (SELECT user FROM tokens WHERE secret = ?)"  # noqa: S608
    row = connection.execute(sql, (token,)).fetchone()
    return _user(row) if row else None


def bind_token(connection: sqlite3.Connection, token: bytes, user: int) -> None:
    _get(connection, user)
    connection.execute("INSERT OR REPLACE INTO tokens VALUES (?, ?)", (token, user))


def revoke_token(connection: sqlite3.Connection, token: bytes) -> None:
    connection.execute("DELETE FROM tokens WHERE secret = ?", (token,))


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


def claim(connection: sqlite3.Connection, user: int, name: str, canonical: str, evict: int) -> User:
    _get(connection, user)
    holder = _reserved_for(connection, canonical) or account(connection, canonical)
    if holder is not None and holder.user.id != user:
        if holder.user.id != evict or holder.password or NUMBERED.fullmatch(canonical):
            raise NameTaken(holder)
        back = holder.user.default_name
        connection.execute("UPDATE users SET name = ?, canonical = ? WHERE id = ?", (back, back, evict))
    connection.execute("UPDATE users SET name = ?, canonical = ? WHERE id = ?", (name, canonical, user))
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


def set_password(connection: sqlite3.Connection, user: int, password: str) -> User:
    connection.execute("UPDATE users SET password = ? WHERE id = ?", (password, user))
    return _get(connection, user)


def record_seen(connection: sqlite3.Connection, user: int, at: int) -> None:
    connection.execute("UPDATE users SET seen = max(seen, ?) WHERE id = ?", (at, user))


def mark_read(connection: sqlite3.Connection, user: int, room: str, seq: int) -> int:
    row = connection.execute("SELECT seq FROM marks WHERE user = ? AND room = ?", (user, room)).fetchone()
    known: int = row[0] if row else 0
    if seq > known:
        connection.execute("INSERT OR REPLACE INTO marks VALUES (?, ?, ?)", (user, room, seq))
    return max(seq, known)


def ignore(connection: sqlite3.Connection, user: int, whom: int, *, on: bool) -> None:
    sql = "INSERT OR IGNORE INTO ignores VALUES (?, ?)" if on else "DELETE FROM ignores WHERE user = ? AND whom = ?"
    connection.execute(sql, (user, whom))


def ignored(connection: sqlite3.Connection, user: int) -> frozenset[int]:
    return frozenset(whom for (whom,) in connection.execute("SELECT whom FROM ignores WHERE user = ?", (user,)))
