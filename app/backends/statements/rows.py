"""What the statements share: events as rows, positions that are gone, transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from msgspec import json

from app.backends import NameTaken, Trimmed
from app.chat.events import PLAIN, Detail, Event

COLUMNS = "room, seq, id, at, user, name, text, cid, kind, of, detail"
WRONG = (
    Trimmed,
    NameTaken,
    ValueError,
    OverflowError,
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
)

_detail = json.Decoder(Detail)


def encoded(detail: Detail) -> str:
    return "" if detail == PLAIN else json.encode(detail).decode()


def decoded(text: str) -> Detail:
    return _detail.decode(text) if text else PLAIN


def events(rows: Iterable[tuple[Any, ...]]) -> list[Event]:
    """The events in rows of COLUMNS."""
    return [_event(row) for row in rows]


def _event(row: tuple[Any, ...]) -> Event:
    values = list(row)
    values[-1] = decoded(row[-1])
    return Event(*values)


def trimmed(connection: sqlite3.Connection, log: str) -> int:
    """The position up to which a log is gone."""
    row = connection.execute("SELECT through FROM trims WHERE room = ?", (log,)).fetchone()
    return row[0] if row else 0


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of it is committed, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # some errors have ended it already
            connection.execute("ROLLBACK")
        raise


@contextmanager
def savepoint(connection: sqlite3.Connection) -> Iterator[None]:
    """A part of a transaction: all of it is done, or nothing."""
    connection.execute("SAVEPOINT part")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK TO part")
            connection.execute("RELEASE part")
        raise
    connection.execute("RELEASE part")
