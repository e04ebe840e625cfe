"""Names: who has one, whom one is kept for, and the rank that comes with some."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence

from app.backends import NameTaken, changes
from app.backends.statements.users import ACCOUNT, account, get, make_account, stored_account
from app.chat.events import Account, User

NUMBERED = re.compile("user([0-9]{1,18})")


def claim(connection: sqlite3.Connection, change: changes.Claim) -> User:
    user, canonical, evict = change.user, change.canonical, change.evict
    own = stored_account(connection, user)
    sql = "SELECT canonical, skeleton FROM users WHERE id = ?"
    (before, skeleton) = connection.execute(sql, (user,)).fetchone()
    holder = _reserved_for(connection, canonical) or account(connection, canonical)
    if holder is not None and holder.user.id != user:
        if holder.user.id != evict or holder.password or NUMBERED.fullmatch(canonical):
            raise NameTaken(holder)
        _rename(connection, evict, holder.user.default_name, holder.user.default_name, "")
    if canonical != before:
        check_lookalike(connection, user, change.skeleton)
        _check_given_up(connection, change)
        _give_up(connection, change, own, before, skeleton)
    _rename(connection, user, change.name, canonical, change.skeleton)
    if change.operator:
        make_operator(connection, changes.MakeOperator(canonical))
    return get(connection, user)


def _rename(connection: sqlite3.Connection, user: int, name: str, canonical: str, skeleton: str) -> None:
    sql = "UPDATE users SET name = ?, canonical = ?, skeleton = ? WHERE id = ?"
    connection.execute(sql, (name, canonical, skeleton, user))


def _reserved_for(connection: sqlite3.Connection, canonical: str) -> Account | None:
    """Return the account that a default name is reserved for, whatever it is called now; None for any other name."""
    if not re.fullmatch("user[0-9]+", canonical):
        return None
    numbered = NUMBERED.fullmatch(canonical)
    row = None
    if numbered:
        row = connection.execute(f"{ACCOUNT} WHERE id = ?", (int(numbered[1]) + 1,)).fetchone()
    owner = make_account(row) if row else None
    if owner is None or canonical != owner.user.default_name:
        raise ValueError(f"{canonical!r} is reserved for a user to come")
    return owner


def check_lookalike(connection: sqlite3.Connection, user: int, skeleton: str) -> None:
    """NameTaken if another registered user has a name with this skeleton."""
    sql = f"{ACCOUNT} WHERE skeleton = ? AND password != '' AND skeleton != '' AND id != ? LIMIT 1"
    row = connection.execute(sql, (skeleton, user)).fetchone()
    if row:
        raise NameTaken(make_account(row), "lookalike")


def _check_given_up(connection: sqlite3.Connection, change: changes.Claim) -> None:
    """NameTaken if the name, or one that looks like it, is kept for another user who gave it up."""
    sql = (
        "SELECT user FROM given_up WHERE canonical = ? AND at > ? AND user != ? "
        "UNION ALL SELECT user FROM given_up WHERE skeleton = ? AND skeleton != '' AND at > ? AND user != ? LIMIT 1"
    )
    values = [each for key in (change.canonical, change.skeleton) for each in (key, change.since, change.user)]
    row = connection.execute(sql, values).fetchone()
    if row:
        raise NameTaken(stored_account(connection, row[0]), "given_up")


def _give_up(connection: sqlite3.Connection, change: changes.Claim, own: Account, before: str, skeleton: str) -> None:
    """Keep the former name of a registered user, who may take it back. NameTaken if that are too many."""
    sql = "DELETE FROM given_up WHERE canonical = ? OR (user = ? AND at <= ?)"
    connection.execute(sql, (change.canonical, change.user, change.since))
    if not own.password or not change.at or NUMBERED.fullmatch(before):
        return
    (given_up,) = connection.execute("SELECT count(*) FROM given_up WHERE user = ?", (change.user,)).fetchone()
    if given_up >= change.most:
        raise NameTaken(own, "often")
    connection.execute(
        "INSERT OR REPLACE INTO given_up VALUES (?, ?, ?, ?)", (before, skeleton, change.user, change.at)
    )


def make_operator(connection: sqlite3.Connection, change: changes.MakeOperator) -> int:
    sql = "INSERT OR IGNORE INTO operators SELECT canonical, id FROM users WHERE canonical = ? AND password != ''"
    connection.execute(sql, (change.canonical,))
    return operators(connection).get(change.canonical, 0)


def operators(connection: sqlite3.Connection) -> dict[str, int]:
    return dict(connection.execute("SELECT canonical, user FROM operators"))


def set_skeletons(connection: sqlite3.Connection, change: changes.SetSkeletons) -> None:
    pairs = [(skeleton, canonical) for canonical, skeleton in change.skeletons]
    connection.executemany("UPDATE users SET skeleton = ? WHERE canonical = ?", pairs)


def names_without_skeleton(connection: sqlite3.Connection, limit: int) -> Sequence[str]:
    sql = "SELECT canonical FROM users WHERE password != '' AND skeleton = '' LIMIT ?"
    return [canonical for (canonical,) in connection.execute(sql, (limit,))]
