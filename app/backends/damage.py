"""Damage in a store's file: what is found of it, and who is told.

A disk or another program may change a page of the file. SQLite notices much of that, but not all: a page that lost its
place in a tree takes thousands of rows along, and a read ends early or skips them without an error. So what is read is
held against what has to be there. Damage is an error to the one who reads, and a line to the operator, who is told
where it is, but never a text that was read.
"""

from __future__ import annotations

import logging
import sqlite3
from threading import Lock

from app.backends import Unavailable

log = logging.getLogger("store")

MAX_LINES = 20
"""How many places are told in the log, at most, while a server runs."""
_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class Damaged(Unavailable):
    """A part of the store can't be read, and trying again doesn't help. What comes after position `through` may be
    readable; 0 if that isn't known."""

    def __init__(self, through: int = 0) -> None:
        super().__init__("the store is damaged here: the operator of this server has to repair it")
        self.through = through


class StoreConnection(sqlite3.Connection):
    """A connection to a store, with what reads on it have found."""

    found: list[str]
    """What is damaged."""
    at_once = 8
    """How many events the next page of a log reads at once first: few after one with long texts."""


class DamageLog:
    """What is known of the damage in the store at `path`. Any thread may use it."""

    def __init__(self, path: str) -> None:
        self.problem: str | None = None
        """That something is damaged, in words for everyone; None if nothing is known to be."""
        self._path = path
        self._told: set[str] = set()
        self._lock = Lock()

    def tell(self, what: str) -> None:
        """Tell the operator what is damaged, once."""
        with self._lock:
            if what in self._told or len(self._told) > MAX_LINES:
                return
            self._told.add(what)
            self.problem = "a part of the store is damaged: the server's log says where"
            if len(self._told) > MAX_LINES:
                what = "more than is told here"
            log.error("%s: the store is damaged: %s: run `natter store check`", self._path, what)


def note(connection: sqlite3.Connection, what: str) -> None:
    """Have the operator told what is damaged, once the read is over."""
    if isinstance(connection, StoreConnection):
        connection.found.append(what)


def is_corrupt(error: sqlite3.Error) -> bool:
    """Whether SQLite says that the file is damaged."""
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF in _CORRUPT


def is_damage(error: sqlite3.Error) -> bool:
    """Whether an error says that the file is damaged: SQLite's, or Python's about a text that isn't UTF-8, which has
    the text in it."""
    return is_corrupt(error) or str(error).startswith("Could not decode")


def lenient(text: bytes) -> str:
    """Read a text that isn't UTF-8, with a sign for what is wrong."""
    return text.decode("utf-8", "replace")
