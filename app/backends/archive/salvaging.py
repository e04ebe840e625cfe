"""Saving what can still be read of a damaged store, in a new one.

What is read goes into the new store at once, so that a store of any size can be saved. What follows from it, such as
mailboxes and settings, is worked out there.
"""

from __future__ import annotations

import os
import sqlite3
import time
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
from app.backends.sequencing import Entry, Sequencer
from app.backends.statements import logs
from app.backends.statements.appending import row_of
from app.backends.statements.rows import COLUMNS, DAMAGED, event_of, transaction
from app.backends.storefile import StoreFile
from app.chat.events import SETTINGS, Detail, Draft, Kind, User
from app.chat.logs import CONVERSATION, participants
from app.chat.state import LIFTING, RoomState

EVENT = 12
"""How many columns an event has, its place among them."""
LISTS = ("trims", "marks", "ignores", "given_up", "operators")
"""Tables that are taken over as they are."""
COUNTERS = ("pos", "whisper", "user", "applied")
TABLES = ("meta", "counters", "users", "tokens", "state", "events", *LISTS)
"""What is read by name, from the roots of their trees. The rest can be made anew."""
AT_ONCE = 5000
"""Rows that one transaction writes."""
SERVER = User(0, "*", registered=True)
"""Who closes rooms that may have been private."""


def salvage(path: str, copy: Path, tell: Callable[[str], object]) -> None:
    """Save what can still be read of the store at `path` in a new store, the file `copy`, and say what that is.

    The store stays as it is; no server may have it open. It may be damaged in any way, and even have lost its
    beginning: then messages and users are still found, but not what people ignored or have read. A room that may have
    been private is private in the new store. ArchiveError or StoreError if there is nothing to read, or the new file
    can't be made.
    """
    if os.path.lexists(copy):
        raise ArchiveError(f"{copy}: this file exists already: choose the name of a new file")
    if not Path(path).exists():
        raise StoreError(f"{path}: there is no store: expected the file of a chat")
    target, done, held = StoreFile(str(copy)), False, 0
    try:
        held = lock(path)
        with closing(target.open()) as connection:
            found = _Found(File(os.path.realpath(path)), connection)
            if not connection.execute(
                "SELECT EXISTS (SELECT 1 FROM events) OR EXISTS (SELECT 1 FROM users)"
            ).fetchone()[0]:
                raise ArchiveError(f"{path}: nothing that can be read is a message or a user of Natter")
            with transaction(connection):
                _complete(connection, found)
            replayed = _replay(connection, path, found)
            lacking = dict(_lacking(connection))
            with transaction(connection):
                closed = _close_doubtful(connection, found)
            for line in _report(connection, found, replayed, lacking, closed):
                tell(line)
        done = True
    except OSError as error:
        raise StoreError(f"{path}: {reason(error)}") from None
    except sqlite3.Error as error:
        raise StoreError(f"{copy}: {reason(error)}") from None
    finally:
        if held:
            unlock(held)
        if not done:
            for ending in ("", "-wal", "-shm"):
                Path(f"{copy}{ending}").unlink(missing_ok=True)
        target.release()


class _Found:
    """Reads a store's file, as far as that works, into the new store behind `connection`."""

    def __init__(self, file: File, connection: sqlite3.Connection) -> None:
        self.unreadable = 0
        """How many events have something in them that can't be read."""
        self.values: dict[tuple[str, str], Any] = {}
        """What `meta` and `counters` have, by table and key."""
        self.settings_are_whole = False
        """Whether all that says which events make up the rooms' settings was read."""
        self._connection, self._count = connection, 0
        self._columns = {name: _names(connection, name) for name in TABLES}
        connection.execute("CREATE TEMP TABLE found_state (room, key, seq, PRIMARY KEY (room, key, seq))")
        connection.execute("BEGIN")
        self._read(file)
        connection.execute("COMMIT")

    def _read(self, file: File) -> None:
        seen = bytearray(file.count + 1)
        for name, root in self._roots(file, seen):
            unsound = file.unsound
            for row in file.rows(root, seen):
                self._take(name, row)
            if name == "state":
                self.settings_are_whole = file.unsound == unsound
        for number in range(1, file.count + 1):
            if not seen[number] and file.kind(number) in (LEAF_TABLE, LEAF_INDEX):
                for row in file.rows_of(number):
                    self._take(_recognized(row), row)

    @staticmethod
    def _roots(file: File, seen: bytearray) -> list[tuple[str, int]]:
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
                _, *rest = row_of(event, number)
                if not self._insert("events", [number, *rest]):
                    self._insert("events", [None, *rest])  # another event has its place, since one of them is wrong
        elif name == "users" and len(values) >= 5:
            if all(isinstance(value, str) for value in values[1:4]) and isinstance(values[4], int):
                self._insert("users", [number, *values[1:]])
        elif name in ("meta", "counters") and len(values) == 2 and isinstance(values[0], str):
            self.values.setdefault((name, values[0]), values[1])
        elif name == "state" and len(values) == 3 and None not in values:
            self._write("INSERT OR IGNORE INTO found_state VALUES (?, ?, ?)", values)
        elif name in (*LISTS, "tokens") and None not in values:
            self._insert(name, values)

    def _insert(self, table: str, values: Sequence[Any]) -> bool:
        """Insert a row, if it fits. Whether it did. Columns at the end may be missing."""
        names = self._columns[table][: len(values)]
        sql = f"INSERT OR IGNORE INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608
        return self._write(sql, values[: len(names)])

    def _write(self, sql: str, values: Sequence[Any]) -> bool:
        self._count += 1
        if self._count % AT_ONCE == 0:
            self._connection.execute("COMMIT")
            self._connection.execute("BEGIN")
        with suppress(sqlite3.DataError, sqlite3.IntegrityError, sqlite3.InterfaceError, OverflowError):
            return self._connection.execute(sql, values).rowcount > 0
        return False


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


def _complete(connection: sqlite3.Connection, found: _Found) -> None:
    """Write what follows from what was found."""
    connection.execute(
        """
        INSERT OR IGNORE INTO users (id, name, canonical)
        SELECT user, 'user' || (user - 1), 'user' || (user - 1)
        FROM (SELECT user FROM tokens UNION SELECT user FROM events) WHERE user > 0
        """
    )  # whom others refer to, and of whom nothing else is left
    connection.execute("DELETE FROM tokens WHERE user != 0 AND user NOT IN (SELECT id FROM users)")
    whispers = connection.execute(
        "SELECT pos, room, events.seq FROM events LEFT JOIN trims USING (room) "
        "WHERE room LIKE ? AND events.seq > coalesce(through, 0) ORDER BY pos",
        (f"{CONVERSATION}%",),
    )
    for pos, room, seq in whispers:
        people = participants(room)
        connection.executemany("INSERT OR IGNORE INTO mail VALUES (?, ?, ?)", [(user, seq, pos) for user in people])
        connection.executemany("INSERT OR IGNORE INTO talks VALUES (?, ?)", [(user, room) for user in people])
    _write_settings(connection)
    for name in COUNTERS:
        value = found.values.get(("counters", name))
        value = value if isinstance(value, int) else 0
        (least,) = connection.execute(_LEAST[name]).fetchone() if name in _LEAST else (0,)
        connection.execute("UPDATE counters SET value = ? WHERE name = ?", (max(value, least or 0), name))


_LEAST = {
    "pos": "SELECT max(pos) FROM events",
    "whisper": f"SELECT max(seq) FROM events WHERE room LIKE '{CONVERSATION}%'",  # noqa: S608
    "user": "SELECT max(id) FROM users",
}
"""What counters have to be at least."""


def _write_settings(connection: sqlite3.Connection) -> None:
    """Write which events make up the rooms' settings: those that did, and where that is lost the last of each key."""
    kinds = ", ".join("?" * len(SETTINGS))
    sql = f"SELECT {COLUMNS} FROM events WHERE kind IN ({kinds}) ORDER BY pos"  # noqa: S608
    for row in connection.execute(sql, sorted(SETTINGS)):
        event = event_of(row)
        where = (event.room, event.key)
        if (
            event.kind in LIFTING
            and not connection.execute(
                "SELECT 1 FROM found_state WHERE room = ? AND key = ? AND seq = ?", (*where, event.seq)
            ).fetchone()
        ):
            connection.execute("DELETE FROM state WHERE room = ? AND key = ?", where)
        else:
            connection.execute("INSERT OR REPLACE INTO state VALUES (?, ?, ?)", (*where, event.seq))


def _close_doubtful(connection: sqlite3.Connection, found: _Found) -> list[str]:
    """Make those rooms private that may have been, since what closed or opened them last may be lost. Return them."""
    rooms = connection.execute(
        "SELECT room FROM events WHERE room NOT LIKE ? UNION SELECT room FROM found_state WHERE key = 'access'",
        (f"{CONVERSATION}%",),
    ).fetchall()
    doubtful = [room for (room,) in rooms if isinstance(room, str) and _may_be_private(connection, found, room)]
    applied, now, sequencer = machine.last_applied(connection), round(time.time() * 1000), Sequencer(connection)
    for room in doubtful:
        kept = tuple(RoomState(logs.state(connection, room)).kept())
        id_ = f"salvaged:{room}"
        closing_it = Draft(room, SERVER, "", id_, now, id_, Kind.PRIVATE, detail=Detail(invited=kept))
        machine.run(connection, sequencer, [Entry(closing_it)], applied)
    return doubtful


def _may_be_private(connection: sqlite3.Connection, found: _Found, room: str) -> bool:
    """Whether a room is public now, and may not have been."""
    row = connection.execute(
        "SELECT seq, kind FROM state JOIN events USING (room, seq) WHERE room = ? AND key = 'access'", (room,)
    ).fetchone()
    known, kind = row or (0, Kind.PUBLIC)
    if kind == Kind.PRIVATE:
        return False
    sql = "SELECT max(seq) FROM found_state WHERE room = ? AND key = 'access'"
    (last,) = connection.execute(sql, (room,)).fetchone()
    return last > known if isinstance(last, int) else not found.settings_are_whole


def _names(connection: sqlite3.Connection, table: str) -> list[str]:
    return [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")]


def _replay(connection: sqlite3.Connection, path: str, found: _Found) -> int:
    """Apply what the journal has beyond the store. Return how many records that was."""
    epoch, applied = found.values.get(("meta", "epoch")), found.values.get(("counters", "applied"))
    if not isinstance(epoch, str) or not isinstance(applied, int):
        return 0
    sequencer, last = Sequencer(connection), applied
    with suppress(OSError, MsgspecError, sqlite3.IntegrityError), transaction(connection):
        for number, record in journal.records(path, epoch, applied):
            machine.replay(connection, sequencer, record, number)
            last = number
    return last - applied


def _lacking(connection: sqlite3.Connection) -> Iterator[tuple[str, int]]:
    """Return the rooms in which positions are missing, and how many."""
    sql = """
        SELECT room, max(seq) - through - count(*) FROM (
            SELECT events.room, seq, coalesce(through, 0) AS through FROM events LEFT JOIN trims USING (room)
        ) WHERE room NOT LIKE ? AND seq > through GROUP BY room ORDER BY room
    """
    for room, missing in connection.execute(sql, (f"{CONVERSATION}%",)):
        if missing > 0:
            yield room, missing


def _report(
    connection: sqlite3.Connection, found: _Found, replayed: int, lacking: dict[str, int], closed: Sequence[str]
) -> Iterator[str]:
    (messages,) = connection.execute("SELECT count(*) FROM events").fetchone()
    (users,) = connection.execute("SELECT count(*) FROM users").fetchone()
    yield f"saved {messages - len(closed):,} messages and changes, and {users:,} users"
    if replayed:
        yield f"applied {replayed:,} records of the journal"
    if found.unreadable:
        yield f"left out {found.unreadable:,} messages that can't be read"
    for room, missing in lacking.items():
        yield f"room {room!r} lacks {missing:,} positions: check its settings, such as who is banned"
    for room in closed:
        remedy = "its owner or an operator opens it with /public"
        yield f"room {room!r} may have been private, so it is private now: {remedy}"
