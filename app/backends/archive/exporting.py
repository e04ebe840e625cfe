"""Writing an export."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from operator import itemgetter

from msgspec import json

from app.backends import StoreError, schema
from app.backends.archive.lines import (
    VERSION,
    End,
    EventLine,
    GivenUpLine,
    Header,
    IgnoreLine,
    Line,
    MarkLine,
    StateLine,
    TrimLine,
    UserLine,
)
from app.backends.archive.reading import open_to_read
from app.backends.statements.rows import COLUMNS, decode_detail

CHUNK = 1 << 16
"""How many bytes are written at once, at least."""

_encoder = json.Encoder()


def export(path: str, write: Callable[[bytes], object], room: str = "") -> None:
    """Pass an export of the store at `path` to `write`, chunk by chunk: of everything, or of one room.

    It is a snapshot, whatever a server does meanwhile. An export of everything has the digests of passwords and tokens;
    that of a room has no secrets, no whispers, and only the ids and names of those who appear in it. StoreError if the
    store can't be used or doesn't have the room.
    """
    with open_to_read(path) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version < len(schema.MIGRATIONS):
            wanted = len(schema.MIGRATIONS)
            raise StoreError(f"{path}: an older Natter has the store open: expected version {wanted}, not {version}")
        connection.execute("BEGIN")  # until the connection is closed, all reads are of one snapshot
        if room and not _has_room(connection, room):
            raise StoreError(f"{path}: there is no room {room!r}")
        for chunk in _chunks(_lines(connection, room)):
            write(chunk)


def _has_room(connection: sqlite3.Connection, room: str) -> bool:
    sql = "SELECT EXISTS (SELECT 1 FROM events WHERE room = ?) OR EXISTS (SELECT 1 FROM trims WHERE room = ?)"
    return bool(connection.execute(sql, (room, room)).fetchone()[0])


def _chunks(lines: Iterable[Line]) -> Iterator[bytes]:
    buffer, count = bytearray(), 0
    for line in lines:
        _encoder.encode_into(line, buffer, -1)
        buffer += b"\n"
        count += 1
        if len(buffer) >= CHUNK:
            yield bytes(buffer)
            buffer.clear()
    yield bytes(buffer) + _encoder.encode(End(count)) + b"\n"


def _lines(connection: sqlite3.Connection, room: str) -> Iterator[Line]:
    (epoch,) = connection.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
    if room:
        yield Header(VERSION, epoch, room)
        yield from _users_in(connection, room)
        where, values, order = " WHERE room = ?", [room], "seq"
    else:
        last = dict(connection.execute("SELECT name, value FROM counters"))
        yield Header(VERSION, epoch, last_user=last["user"], last_whisper=last["whisper"])
        yield from _users(connection)
        sql = "SELECT user, canonical, at, skeleton FROM given_up ORDER BY user, canonical"
        yield from (GivenUpLine(*row) for row in connection.execute(sql))
        where, values, order = "", [], "pos"
    for row in connection.execute(f"SELECT {COLUMNS} FROM events{where} ORDER BY {order}", values):  # noqa: S608
        yield EventLine(*(*row[:-1], decode_detail(row[-1])))
    sql = f"SELECT room, key, seq FROM state{where} ORDER BY room, key"  # noqa: S608
    yield from (StateLine(*row) for row in connection.execute(sql, values))
    sql = f"SELECT room, through FROM trims{where} ORDER BY room"  # noqa: S608
    yield from (TrimLine(*row) for row in connection.execute(sql, values))
    if not room:
        sql = "SELECT user, room, seq FROM marks ORDER BY user, room"
        yield from (MarkLine(*row) for row in connection.execute(sql))
        sql = "SELECT user, whom FROM ignores ORDER BY user, whom"
        yield from (IgnoreLine(*row) for row in connection.execute(sql))


def _users(connection: sqlite3.Connection) -> Iterator[Line]:
    """All users with their tokens. Both are read in the order of user ids and merged: a query for each user's tokens
    would go through all tokens every time, since SQLite has no index on the users of guests' tokens."""
    ranks = _ranks(connection)
    by_user = groupby(
        connection.execute("SELECT user, secret FROM tokens WHERE user > 0 ORDER BY user, secret"), itemgetter(0)
    )
    owner, tokens = next(by_user, (0, iter(())))
    for user in connection.execute("SELECT id, name, canonical, password, seen FROM users ORDER BY id"):
        while owner and owner < user[0]:
            owner, tokens = next(by_user, (0, iter(())))
        digests = tuple(digest.hex() for _, digest in tokens) if owner == user[0] else ()
        yield UserLine(*(*user, digests, tuple(ranks.get(user[0], ()))))


def _ranks(connection: sqlite3.Connection) -> dict[int, list[str]]:
    """Each operator's names whose rank it has."""
    ranks: dict[int, list[str]] = {}
    for canonical, user in connection.execute("SELECT canonical, user FROM operators ORDER BY canonical"):
        ranks.setdefault(user, []).append(canonical)
    return ranks


def _users_in(connection: sqlite3.Connection, room: str) -> Iterator[Line]:
    """Those who spoke in a room or were moderated there, with no more than everyone there can see."""
    sql = """
        SELECT id, name, canonical FROM users WHERE id IN (
            SELECT user FROM events WHERE room = ?
            UNION SELECT json_extract(detail, '$.whom.id') FROM events WHERE room = ? AND detail != ''
            UNION SELECT value
                FROM events, json_each(CASE detail WHEN '' THEN '{}' ELSE detail END, '$.invited') WHERE room = ?
        ) ORDER BY id
    """
    for user, name, canonical in connection.execute(sql, (room, room, room)):
        yield UserLine(user, name, "" if canonical == name.lower() else canonical)
