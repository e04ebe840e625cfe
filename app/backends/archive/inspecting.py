"""Checking a store, whether a server has it open or not."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from app.backends import StoreError, journal, machine, schema, upgrade
from app.backends.checking import Checker, integrity
from app.backends.damage import is_damage
from app.backends.ending import read as ending
from app.backends.reasons import reason
from app.backends.statements.rows import connect_read_only

MAX_LINES = 100
"""How much of the damage is told."""


def check(path: str, tell: Callable[[str], object]) -> bool:
    """Look for damage in the store at `path`, and say what is found and what was looked at. Return whether it is sound.

    Nothing is written. StoreError if this is no store, or can't be read at all.
    """
    if not Path(path).exists():
        raise StoreError(f"{path}: there is no store: expected the file of a chat")
    problems: dict[str, None] = {}
    checker = Checker()
    try:
        with closing(_connect(path)) as connection:
            version = _version(path, connection)
            problems |= dict.fromkeys(integrity(connection))
            if version == len(schema.MIGRATIONS):
                while not checker.done:
                    problems |= dict.fromkeys(checker.step(connection))
                problems |= dict.fromkeys(_in_journal(path, connection))
    except sqlite3.Error as error:
        if not is_damage(error):
            raise StoreError(f"{path}: {reason(error)}") from None
        problems["the beginning of the file can't be read"] = None
    for line in list(problems)[:MAX_LINES]:
        tell(line)
    if len(problems) > MAX_LINES:
        tell(f"and {len(problems) - MAX_LINES:,} more")
    tell(f"looked at {checker.events:,} messages and changes: {'this is damaged' if problems else 'all is sound'}")
    return not problems


def _connect(path: str) -> sqlite3.Connection:
    """Connect without changing any file, the one of shared memory included."""
    if Path(f"{os.path.realpath(path)}-wal").exists():
        return connect_read_only(path)
    return sqlite3.connect(f"{Path(path).resolve().as_uri()}?immutable=1", uri=True, isolation_level=None)


def _version(path: str, connection: sqlite3.Connection) -> int:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != schema.APPLICATION_ID:
        raise StoreError(f"{path}: this is not a store of Natter, or its beginning is damaged: try to salvage it")
    if version > len(schema.MIGRATIONS):
        raise upgrade.newer_version(Path(path), version)
    return int(version)


def _in_journal(path: str, connection: sqlite3.Connection) -> list[str]:
    """What is wrong with the journal of a store that no server has open."""
    (epoch,) = connection.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone() or ("",)
    last = machine.last_applied(connection)
    for number, _ in journal.records(path, epoch, last):
        last = number
    if ending(connection) and journal.is_damaged(path, epoch, last):
        return [f"the journal is damaged after record {last}"]
    return []
