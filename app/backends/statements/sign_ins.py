"""Sign-ins: the tokens that users sign in with, and the passwords that protect their names.

The token of a guest has no `first`: it ends when the guest signs in or registers. Sign-ins of a former version have 1
as `last` until they are used. A sign-in that has ended is nobody's.
It stays for a while, so that the device is known when someone signs in there again: `known` is whose it was.
"""

from __future__ import annotations

import sqlite3

from app.backends import changes
from app.backends.statements.names import check_lookalike
from app.backends.statements.users import USER, get, insert, make_user, stored_account
from app.chat.events import User

ADD = "INSERT OR REPLACE INTO tokens (secret, user, first, last, known) VALUES (?, ?, ?, ?, ?)"
END = "UPDATE tokens SET known = iif(first > 0, user, known), user = 0, last = ?"
KNOWN_DEVICES = 90 * 24 * 60 * 60 * 1000
"""For how many milliseconds after its end a sign-in is remembered."""


def create_user(connection: sqlite3.Connection, change: changes.CreateUser) -> User:
    found = user_by_token(connection, change.token) if change.token else None
    if found is not None:
        return found
    user = User.newcomer(change.user or _last(connection) + 1)
    insert(connection, [user])
    if change.token:
        known = device_of(connection, change.offered) if change.offered else 0
        connection.execute(ADD, (change.token, user.id, 0, 0, known))
    return user


def _last(connection: sqlite3.Connection) -> int:
    number: int
    (number,) = connection.execute(
        "SELECT max(value, (SELECT coalesce(max(id), 0) FROM users)) FROM counters WHERE name = 'user'"
    ).fetchone()
    return number


def user_by_token(connection: sqlite3.Connection, token: bytes, since: int = 0) -> User | None:
    sql = (
        f"SELECT {USER} FROM users WHERE id = "  # noqa: S608
        "(SELECT user FROM tokens WHERE secret = ? AND (first = 0 OR last <= 1 OR last >= ?))"
    )
    row = connection.execute(sql, (token, since)).fetchone()
    return make_user(row) if row else None


def device_of(connection: sqlite3.Connection, token: bytes) -> int:
    sql = "SELECT iif(first > 0 AND user > 0, user, known) FROM tokens WHERE secret = ?"
    row = connection.execute(sql, (token,)).fetchone()
    return row[0] if row else 0


def bind_token(connection: sqlite3.Connection, change: changes.BindToken) -> None:
    signed_in = int(get(connection, change.user).registered)
    connection.execute(ADD, (change.token, change.user, signed_in, signed_in, 0))


def revoke_token(connection: sqlite3.Connection, change: changes.RevokeToken) -> None:
    connection.execute("DELETE FROM tokens WHERE secret = ?", (change.token,))


def sign_in(connection: sqlite3.Connection, change: changes.SignIn) -> User | None:
    account = stored_account(connection, change.user)
    if account.password != change.password:
        return None
    _replace_token(connection, change)
    return account.user


def sign_out(connection: sqlite3.Connection, change: changes.SignOut) -> None:
    connection.execute(f"{END} WHERE secret = ? AND user > 0", (change.at, change.token))
    connection.execute("DELETE FROM tokens WHERE secret = ? AND user = 0 AND known = 0", (change.token,))
    connection.execute("DELETE FROM tokens WHERE user = 0 AND last < ?", (change.at - KNOWN_DEVICES,))


def use_token(connection: sqlite3.Connection, change: changes.UseToken) -> None:
    connection.execute(
        "UPDATE tokens SET last = max(last, ?) WHERE secret = ? AND user > 0 AND first > 0", (change.at, change.token)
    )


def register(connection: sqlite3.Connection, change: changes.Register) -> User | None:
    account = stored_account(connection, change.user)
    if account.password:
        return None
    check_lookalike(connection, change.user, change.skeleton)
    sql = "UPDATE users SET password = ?, skeleton = iif(skeleton != '', skeleton, ?) WHERE id = ?"
    connection.execute(sql, (change.password, change.skeleton, change.user))
    if change.operator:
        connection.execute(
            "INSERT OR IGNORE INTO operators SELECT canonical, id FROM users WHERE id = ?", (change.user,)
        )
    _replace_token(connection, change)
    return get(connection, change.user)


def change_password(connection: sqlite3.Connection, change: changes.ChangePassword) -> User | None:
    account = stored_account(connection, change.user)
    if account.password != change.before:
        return None
    connection.execute("UPDATE users SET password = ? WHERE id = ?", (change.password, change.user))
    connection.execute(f"{END} WHERE user = ? AND first > 0", (change.at, change.user))
    if change.token:
        connection.execute(ADD, (change.token, change.user, change.at, change.at, 0))
    return account.user


def set_password(connection: sqlite3.Connection, change: changes.SetPassword) -> User:
    connection.execute("UPDATE users SET password = ? WHERE id = ?", (change.password, change.user))
    connection.execute("UPDATE tokens SET first = 1, last = 1 WHERE user = ? AND first = 0", (change.user,))
    return get(connection, change.user)


def _replace_token(connection: sqlite3.Connection, change: changes.SignIn | changes.Register) -> None:
    """End the token that the connection came with, and give the device a new one."""
    if change.ends:
        connection.execute("DELETE FROM tokens WHERE secret = ?", (change.ends,))
    if change.token:
        connection.execute(ADD, (change.token, change.user, change.at, change.at, 0))
