"""What the statements share: rows and events, trimmed positions, transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import MsgspecError, json

from app.backends import NameTaken, Trimmed
from app.backends.damage import StoreConnection
from app.chat.events import LAST_TIME, PLAIN, Detail, Event, Kind

COLUMNS = "room, seq, id, at, user, name, text, cid, kind, of, detail"
"""The columns of an event, in the order of the fields of Event."""
CALL_ERRORS = (
    Trimmed,
    NameTaken,
    ValueError,
    OverflowError,
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
)
"""Errors that concern one call alone, and not the store."""

DAMAGED = "(This message is damaged in the server's store.)"
"""The text of an event that can't be read."""
KINDS = frozenset(map(str, Kind))
_detail = json.Decoder(Detail)


def encode_detail(detail: Detail) -> str:
    """A detail as it is stored."""
    return "" if detail == PLAIN else json.encode(detail).decode()


def decode_detail(text: str) -> Detail:
    """A stored detail."""
    return _detail.decode(text) if text else PLAIN


def events(rows: Iterable[tuple[Any, ...]]) -> list[Event]:
    """Turn rows of COLUMNS into events."""
    return [event_of(row) for row in rows]


def event_of(row: tuple[Any, ...]) -> Event:
    """Turn a row of COLUMNS into an event. One that isn't right becomes an event that says so."""
    room, seq, id_, at, user, name, text, cid, kind, of, detail = row
    try:
        "".join((room, id_, name, cid, detail))  # the cheapest way to see that all are texts
        right = type(seq + at + user + of) is int and type(text) is str and kind in KINDS and 0 <= at <= LAST_TIME
        if right and not detail:
            return Event(*row[:10])
        decoded = decode_detail(detail)
    except (TypeError, MsgspecError):
        return damaged_event(room, seq)
    return Event(*row[:10], decoded) if right else damaged_event(room, seq)  # type: ignore[call-arg]


def damaged_event(room: Any, seq: Any) -> Event:
    """Return what is shown in the place of an event that can't be read."""
    place = seq if isinstance(seq, int) else 0
    return Event(room if isinstance(room, str) else "", place, f"damaged-{place}", 0, 0, "", DAMAGED)


def trimmed(connection: sqlite3.Connection, log: str) -> int:
    """Return the position up to which a log was trimmed."""
    row = connection.execute("SELECT through FROM trims WHERE room = ?", (log,)).fetchone()
    return row[0] if row else 0


def counter(connection: sqlite3.Connection, name: str) -> int:
    """Return a counter of the store: the last `pos`, `whisper` or `user` given out, or the last record `applied`."""
    number: int
    (number,) = connection.execute("SELECT value FROM counters WHERE name = ?", (name,)).fetchone()
    return number


def connect_read_only(path: str, *, timeout: float = 5.0) -> sqlite3.Connection:
    """Connect to the store at `path` so that nothing can be written. A read waits up to `timeout` seconds for a lock.

    Such a connection never checkpoints: `PRAGMA wal_checkpoint` would fail, after work for nothing.
    """
    uri = f"{Path(path).resolve().as_uri()}?mode=ro"
    connection = sqlite3.connect(
        uri, uri=True, isolation_level=None, timeout=timeout, check_same_thread=False, factory=StoreConnection
    )
    connection.found = []
    connection.execute("PRAGMA cell_size_check = ON")  # notices more of what is wrong in a page
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit all that the block does, or roll all of it back if it raises."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # some errors roll back by themselves
            connection.execute("ROLLBACK")
        raise


@contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """Let the block read one state of the store."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:  # not COMMIT, which fails once SQLite has met damage
            connection.execute("ROLLBACK")


@contextmanager
def savepoint(connection: sqlite3.Connection) -> Iterator[None]:
    """Like `transaction`, for a part of one."""
    connection.execute("SAVEPOINT part")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK TO part")
            connection.execute("RELEASE part")
        raise
    connection.execute("RELEASE part")
