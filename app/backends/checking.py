"""Going through a store to find damage before someone reads it: a step at a time, while a server runs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from app.backends.damage import is_corrupt, is_damage, lenient
from app.backends.statements import holes
from app.backends.statements.rows import COLUMNS, DAMAGED, event_of, snapshot
from app.chat.logs import CONVERSATION, participants

BATCH = 250
"""How many events a step looks at, in the table and in the index each."""


class Checker:
    """Goes through all events, in the order of the table: whether each can be read, and is in the index and in the
    mailboxes of its people. Then through the index, whether positions are missing. Then through the mailboxes, whether
    whispers are missing."""

    def __init__(self) -> None:
        self.done = False
        self.events = 0
        """How many events were looked at in the table."""
        self._pos = 0
        self._place: tuple[str, int] = ("", 0)
        self._letter = (0, 0)
        """The user and the position of the last whisper of a mailbox."""
        self._table_done = self._index_done = self._undecodable = False

    def step(self, connection: sqlite3.Connection) -> list[str]:
        """Look at the next events. Return what is damaged, without any text. sqlite3.Error if it isn't about that."""
        found: list[str] = []
        connection.text_factory = self._text
        try:
            with snapshot(connection):
                part = self._mailboxes if self._index_done else self._index if self._table_done else self._table
                found += part(connection)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            found.append("a page can't be read")
            self._skip()
        finally:
            connection.text_factory = str
        return found

    def _text(self, text: bytes) -> str:
        try:
            return text.decode()
        except UnicodeDecodeError:
            self._undecodable = True
            return lenient(text)

    def _skip(self) -> None:
        """Go on behind a page that can't be read: with what comes after the next events, or the next part."""
        if self._index_done:
            self.done = True
        elif self._table_done:
            self._index_done = True
        else:
            self._pos += BATCH

    def _table(self, connection: sqlite3.Connection) -> Iterator[str]:
        sql = f"SELECT pos, {COLUMNS} FROM events WHERE pos > ? ORDER BY pos LIMIT ?"  # noqa: S608
        rows = []
        for row in connection.execute(sql, (self._pos, BATCH)):
            rows.append((*row, self._undecodable))
            self._undecodable = False
        if not rows:
            (last,) = connection.execute("SELECT value FROM counters WHERE name = 'pos'").fetchone()
            self._table_done = self._pos >= last
            self._pos = min(self._pos + BATCH, last)
        for pos, *row, undecodable in rows:
            self._pos, self.events = pos, self.events + 1
            room, seq = row[0], row[1]
            if undecodable or event_of(tuple(row)).text is DAMAGED:
                yield f"message {seq} of {_where(room)} can't be read"
            elif connection.execute(
                "SELECT pos FROM events INDEXED BY events_by_room WHERE room = ? AND seq = ?", (room, seq)
            ).fetchone() != (pos,):
                yield f"messages of {_where(room)} are not in the index"
            elif room.startswith(CONVERSATION) and not _is_delivered(connection, room, seq):
                yield "whispers are not in a mailbox"

    def _index(self, connection: sqlite3.Connection) -> Iterator[str]:
        sql = """
            SELECT room, seq, pos FROM events INDEXED BY events_by_room WHERE (room, seq) > (?, ?)
            ORDER BY room, seq LIMIT ?
        """
        rows = connection.execute(sql, (*self._place, BATCH)).fetchall()
        before = connection.execute("SELECT pos FROM events WHERE room = ? AND seq = ?", self._place).fetchone()
        last: tuple[str, int, int] | None = (*self._place, before[0]) if before else None
        for room, seq, pos in rows:
            skips = last is not None and last[0] == room and seq > last[1] + 1 and not room.startswith(CONVERSATION)
            if skips and last is not None and holes.is_hole(connection, room, last[1:], (seq, pos)):
                yield f"messages {last[1] + 1} to {seq - 1} of {_where(room)} are missing"
            last = (room, seq, pos)
        if last is not None:
            self._place = last[:2]
        self._index_done = not rows

    def _mailboxes(self, connection: sqlite3.Connection) -> Iterator[str]:
        sql = """
            SELECT user, seq, EXISTS (SELECT 1 FROM events WHERE events.pos = mail.pos) FROM mail
            WHERE (user, seq) > (?, ?) ORDER BY user, seq LIMIT ?
        """
        rows = connection.execute(sql, (*self._letter, BATCH)).fetchall()
        if not all(is_there for *_, is_there in rows):
            yield "whispers of a conversation are missing"
        if rows:
            self._letter = rows[-1][:2]
        self.done = not rows


def _is_delivered(connection: sqlite3.Connection, room: str, seq: int) -> bool:
    sql = "SELECT 1 FROM mail WHERE user = ? AND seq = ?"
    return all(connection.execute(sql, (user, seq)).fetchone() for user in participants(room))


def integrity(connection: sqlite3.Connection) -> list[str]:
    """Return what SQLite finds wrong in the pages of the file. That takes as long as to read all of it."""
    try:
        lines = [line for (line,) in connection.execute("PRAGMA integrity_check(50)")]
    except sqlite3.DatabaseError as error:
        if not is_corrupt(error):
            raise
        return ["a page can't be read"]
    return [" ".join(part.split()) for line in lines if line != "ok" for part in line.split("\n") if "***" not in part]


def _where(room: object) -> str:
    return "a conversation" if isinstance(room, str) and room.startswith(CONVERSATION) else f"room {room!r}"
