"""Saving what can still be read of a damaged store, in a new one."""

from __future__ import annotations

import os
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from msgspec import MsgspecError

from app.backends import StoreError, journal, machine
from app.backends.archive.lines import ArchiveError
from app.backends.archive.raw import LEAF_INDEX, LEAF_TABLE, File, Row, Text
from app.backends.locking import lock, unlock
from app.backends.reasons import reason
from app.backends.sequencing import Sequencer
from app.backends.statements.appending import row_of
from app.backends.statements.rows import DAMAGED, event_of, transaction
from app.backends.storefile import StoreFile
from app.chat.events import Event
from app.chat.logs import CONVERSATION, participants
from app.chat.state import LIFTING

EVENT = 12
"""How many columns an event has, its place among them."""
LISTS = ("trims", "marks", "ignores", "given_up", "operators")
"""Tables that are taken over as they are."""
TABLES = ("meta", "counters", "users", "tokens", "state", "events", *LISTS)
"""What is read by name, from the roots of their trees. The rest can be made anew."""


def salvage(path: str, copy: Path, tell: Callable[[str], object]) -> None:
    """Save what can still be read of the store at `path` in a new store, the file `copy`, and say what that is.

    The store stays as it is; no server may have it open. It may be damaged in any way, and even have lost its
    beginning: then messages and users are still found, but not what people ignored or have read. ArchiveError or
    StoreError if there is nothing to read, or the new file can't be made.
    """
    if os.path.lexists(copy):
        raise ArchiveError(f"{copy}: this file exists already: choose the name of a new file")
    if not Path(path).exists():
        raise StoreError(f"{path}: there is no store: expected the file of a chat")
    try:
        held = lock(path)
        try:
            found = _Found(File(os.path.realpath(path)))
        finally:
            unlock(held)
    except OSError as error:
        raise StoreError(f"{path}: {reason(error)}") from None
    if not found.events and not found.users:
        raise ArchiveError(f"{path}: nothing that can be read is a message or a user of Natter")
    target = StoreFile(str(copy))
    done = False
    try:
        with closing(target.open()) as connection:
            with transaction(connection):
                _write(connection, found)
            replayed = _replay(connection, path, found)
            for line in _report(connection, found, replayed):
                tell(line)
        done = True
    except sqlite3.Error as error:
        raise StoreError(f"{copy}: {reason(error)}") from None
    finally:
        if not done:
            for ending in ("", "-wal", "-shm"):
                Path(f"{copy}{ending}").unlink(missing_ok=True)
        target.release()


class _Found:
    """What could be read of a store's file."""

    def __init__(self, file: File) -> None:
        self.events: dict[int, Event] = {}
        """By their places over all logs."""
        self.unreadable = 0
        """How many events have something in them that can't be read."""
        self.users: dict[int, list[Any]] = {}
        self.rows: dict[str, list[list[Any]]] = {name: [] for name in TABLES}
        seen: set[int] = set()
        for name, root in self._roots(file, seen):
            for row in file.rows(root, seen):
                self._take(name, row)
        for number in range(1, file.count + 1):
            if number not in seen and file.kind(number) in (LEAF_TABLE, LEAF_INDEX):
                for row in file.rows_of(number):
                    self._take(_recognized(row), row)

    @staticmethod
    def _roots(file: File, seen: set[int]) -> list[tuple[str, int]]:
        """Where the trees begin. Those of indexes are only marked as seen."""
        roots = []
        for _, row in file.rows(1, seen):
            if len(row) == 5 and isinstance(row[1], Text) and isinstance(row[3], int):
                roots.append((row[1].decode("utf-8", "replace"), row[3]))
        return sorted(roots, key=lambda root: root[0] not in TABLES)

    def _take(self, name: str, row: Row) -> None:
        number, values = row
        values = [value.decode("utf-8", "replace") if isinstance(value, Text) else value for value in values]
        if name == "events" and len(values) == EVENT:
            event = event_of(tuple(values[1:]))
            if event.text is DAMAGED:
                self.unreadable += 1
            else:
                self.events.setdefault(number, event)
        elif name == "users" and len(values) >= 5 and number not in self.users:
            if all(isinstance(value, str) for value in values[1:4]) and isinstance(values[4], int):
                self.users[number] = [number, *values[1:]]
        elif name in self.rows and None not in values:
            self.rows[name].append(values)

    def value(self, table: str, key: str) -> Any:
        return next((row[1] for row in self.rows[table] if len(row) == 2 and row[0] == key), None)


def _recognized(row: Row) -> str:
    """What a row is that is in no tree any more, as far as that can be told by its columns."""
    types = [type(value) for value in row[1]]
    if len(types) == EVENT and types[1:4] == [Text, int, Text]:
        return "events"
    if types[:5] == [type(None), Text, Text, Text, int] and len(types) <= 6:
        return "users"
    if len(types) >= 2 and types[:2] == [bytes, int] and len(row[1][0]) == 32:
        return "tokens"
    return "state" if types == [Text, Text, int] else ""


def _write(connection: sqlite3.Connection, found: _Found) -> None:
    """Write what was found."""
    columns = {name: _names(connection, name) for name in TABLES}
    users = [*found.users.values(), *([id_, f"user{id_ - 1}", f"user{id_ - 1}"] for id_ in _unknown_users(found))]
    _insert(connection, "users", columns["users"], users)
    known = {row[0] for row in users}
    tokens = [row for row in found.rows["tokens"] if row[1] in known or not row[1]]
    _insert(connection, "tokens", columns["tokens"], tokens)
    for name in LISTS:
        _insert(connection, name, columns[name], found.rows[name])
    for pos, event in sorted(found.events.items()):
        _insert(connection, "events", columns["events"], [row_of(event, pos)])
    trims = dict(connection.execute("SELECT room, through FROM trims"))
    for pos, event in sorted(found.events.items()):
        people = participants(event.room) if event.room.startswith(CONVERSATION) else ()
        if people and event.seq > trims.get(event.room, 0):
            _insert(connection, "mail", ["user", "seq", "pos"], [[user, event.seq, pos] for user in people])
            _insert(connection, "talks", ["user", "room"], [[user, event.room] for user in people])
    _write_settings(connection, found)
    whispers = [event.seq for event in found.events.values() if event.room.startswith(CONVERSATION)]
    least = {"pos": max(found.events, default=0), "whisper": max(whispers, default=0), "user": max(known, default=0)}
    for name in ("pos", "whisper", "user", "applied"):
        value = found.value("counters", name)
        value = max(value if isinstance(value, int) else 0, least.get(name, 0))
        connection.execute("UPDATE counters SET value = ? WHERE name = ?", (value, name))


def _write_settings(connection: sqlite3.Connection, found: _Found) -> None:
    """Write which events make up the rooms' settings: those that did, and where that is lost the last of each key."""
    did = {tuple(row) for row in found.rows["state"]}
    last: dict[tuple[str, str], Event] = {}
    for _, event in sorted(found.events.items()):
        if event.key:
            last[event.room, event.key] = event
    for (room, key), event in last.items():
        if event.kind not in LIFTING or (room, key, event.seq) in did:
            connection.execute("INSERT OR REPLACE INTO state VALUES (?, ?, ?)", (room, key, event.seq))


def _unknown_users(found: _Found) -> list[int]:
    """The users that others refer to, and of whom nothing else is left. They get their default names."""
    tokens = {row[1] for row in found.rows["tokens"] if len(row) > 1 and isinstance(row[1], int)}
    speakers = {event.user for event in found.events.values()}
    return sorted(id_ for id_ in (tokens | speakers) - found.users.keys() if id_ > 0)


def _insert(connection: sqlite3.Connection, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Insert rows, those that fit. Columns at the end may be missing."""
    for row in rows:
        names = columns[: len(row)]
        sql = f"INSERT OR IGNORE INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608
        with suppress(sqlite3.DataError, sqlite3.IntegrityError, sqlite3.InterfaceError, OverflowError):
            connection.execute(sql, row[: len(names)])


def _names(connection: sqlite3.Connection, table: str) -> list[str]:
    return [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")]


def _replay(connection: sqlite3.Connection, path: str, found: _Found) -> int:
    """Apply what the journal has beyond the store. Return how many records that was."""
    epoch, applied = found.value("meta", "epoch"), found.value("counters", "applied")
    if not isinstance(epoch, str) or not isinstance(applied, int):
        return 0
    sequencer, last = Sequencer(connection), applied
    with suppress(OSError, MsgspecError, sqlite3.IntegrityError), transaction(connection):
        for number, record in journal.records(path, epoch, applied):
            machine.replay(connection, sequencer, record, number)
            last = number
    return last - applied


def _report(connection: sqlite3.Connection, found: _Found, replayed: int) -> Iterator[str]:
    (messages,) = connection.execute("SELECT count(*) FROM events").fetchone()
    (users,) = connection.execute("SELECT count(*) FROM users").fetchone()
    yield f"saved {messages:,} messages and changes, and {users:,} users"
    if replayed:
        yield f"applied {replayed:,} records of the journal"
    if found.unreadable:
        yield f"left out {found.unreadable:,} messages that can't be read"
    seqs: defaultdict[str, list[int]] = defaultdict(list)
    for event in found.events.values():
        if not event.room.startswith(CONVERSATION):
            seqs[event.room].append(event.seq)
    trims = dict(connection.execute("SELECT room, through FROM trims"))
    for room, known in sorted(seqs.items()):
        after = trims.get(room, 0)
        kept = [seq for seq in known if seq > after]
        missing = max(kept, default=after) - after - len(kept)
        if missing:
            yield f"room {room!r} lacks {missing:,} positions: check its settings, such as who may join"
