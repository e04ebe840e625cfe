"""Loading an export."""

from __future__ import annotations

import os
import re
import secrets
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

from msgspec.structs import astuple, replace

from app.backends import StoreError, copying
from app.backends.archive.lines import (
    ArchiveError,
    EventLine,
    GivenUpLine,
    Header,
    IgnoreLine,
    MarkLine,
    Reader,
    Record,
    StateLine,
    TrimLine,
    UserLine,
)
from app.backends.reasons import reason
from app.backends.statements import effects, users
from app.backends.statements.rows import COLUMNS, encode_detail, events, transaction, trimmed
from app.backends.storefile import StoreFile
from app.chat.events import Event, Kind
from app.chat.logs import CONVERSATION, MAILBOX, conversation, participants


def import_(path: str, file: BinaryIO, name: str) -> None:
    """Load the export in `file` into the store at `path`, all of it or nothing. `name` is what errors call the file.

    An export of everything needs a new store. That of a room can go into any store where its positions are above those
    of the room there, or hold the same events, and where its user ids and names belong to nobody or to the same people.
    The store gets a new epoch, because positions that were given out after the export was made may now be given out
    again, to other events; it also makes the search index build itself anew. ArchiveError or StoreError if it fails;
    the store is then as it was.
    """
    reader = Reader(file, name)
    header = reader.header()
    is_new = not Path(path).exists()
    store = StoreFile(path, reading=True)
    connection = store.open()
    done = False
    try:
        with closing(connection), transaction(connection):
            _Import(connection, reader, header, path).run()
        done = True
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {reason(error)}") from None
    finally:
        if is_new and not done:
            for ending in ("", "-wal", "-shm", "-log0", "-log1"):
                Path(os.path.realpath(path) + ending).unlink(missing_ok=True)
        store.release()


class _Import:
    """One import. It runs in a transaction, which is rolled back if it raises."""

    def __init__(self, connection: sqlite3.Connection, reader: Reader, header: Header, path: str) -> None:
        self.connection, self.reader, self.header, self.path = connection, reader, header, path
        self.room = header.room
        self.users: set[int] = set()
        self.user = 0
        """The user id that was read last: they come in ascending order."""
        self.seqs: dict[str, int] = {}
        """The position that was read last, by counter: they come in ascending order in each."""
        last = dict(connection.execute("SELECT name, value FROM counters"))
        self.last_user: int = max(last["user"], header.last_user)
        self.last_whisper: int = max(last["whisper"], header.last_whisper, header.last_position)
        self.last_pos: int = last["pos"]
        (epoch,) = connection.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
        self.same_history = epoch == header.epoch
        self.trimmed = trimmed(connection, self.room) if self.room else 0
        (head,) = connection.execute("SELECT max(seq) FROM events WHERE room = ?", (self.room,)).fetchone()
        self.head: int = max(head or 0, self.trimmed)
        """How far the room of this export went in the store before."""

    def run(self) -> None:
        if copying.is_copy(self.connection):
            raise self._error(
                f"{self.path} is a node's copy of a log, which an import can't go into: import into a new file, with "
                "-P:chat.store=FILE, and begin a new log with that"
            )
        if self.room:
            if self.room.startswith((CONVERSATION, MAILBOX)):
                raise self._error(f"{self.room!r} is not the name of a room")
        else:
            self._check_new()
        for line in self.reader.records():
            self._load(line)
        # An event that was trimmed from a conversation may still be there as a state, but is in no mailbox.
        self.connection.execute(
            "DELETE FROM mail WHERE seq IN (SELECT seq FROM trims JOIN events USING (room) "
            "WHERE trims.room LIKE ? AND seq <= through)",
            (f"{CONVERSATION}%",),
        )
        effects.clear_replaced(self.connection)
        users.note_all_in_log(self.connection)
        counters = (self.last_user, "user"), (self.last_whisper, "whisper"), (self.last_pos, "pos")
        self.connection.executemany("UPDATE counters SET value = ? WHERE name = ?", counters)
        self.connection.execute("UPDATE meta SET value = ? WHERE key = 'epoch'", (secrets.token_hex(4),))

    def _check_new(self) -> None:
        (used,) = self.connection.execute(
            "SELECT EXISTS (SELECT 1 FROM counters WHERE name != 'applied' AND value > 0) "
            "OR EXISTS (SELECT 1 FROM trims)"
        ).fetchone()
        if used:
            raise self._error(
                f"this is an export of everything, which needs a new store: {self.path} has content already"
            )

    def _error(self, problem: str) -> ArchiveError:
        return self.reader.error(problem)

    def _load(self, line: Record) -> None:
        if self.room and getattr(line, "room", self.room) != self.room:
            raise self._error(f"expected nothing but {self.room!r}, which is the room of this export")
        match line:
            case UserLine():
                self._load_user(line)
            case GivenUpLine():
                self._load_given_up(line)
            case EventLine():
                self._load_event(line)
            case StateLine():
                self._load_state(line)
            case TrimLine():
                self._load_trim(line)
            case MarkLine() | IgnoreLine():
                self._load_personal(line)

    def _load_user(self, line: UserLine) -> None:
        canonical = line.canonical or line.name.lower()
        if line.id <= self.user:
            raise self._error(f"user {line.id} is out of order: expected each once, by ascending id")
        self.user, self.last_user = line.id, max(self.last_user, line.id)
        self.users.add(line.id)
        if self.room and (line.password or line.tokens):
            raise self._error("expected no secret of a user in the export of a room")
        if self.room and line.operator:
            raise self._error("expected no rank of a user in the export of a room")
        if re.fullmatch("user[0-9]+", canonical) and canonical != f"user{line.id - 1}":
            raise self._error(f"{line.name!r} is kept for another user: expected user{line.id - 1} or a chosen name")
        sql = "SELECT name, canonical FROM users WHERE id = ?"
        known = self.connection.execute(sql, (line.id,)).fetchone()
        if known:
            if known[1] != canonical and not self.same_history:  # within one history an id is one person for good
                raise self._error(
                    f"user {line.id} is {known[0]!r} in {self.path}: expected nobody there, or {line.name!r}"
                )
            return
        holder = self.connection.execute("SELECT id FROM users WHERE canonical = ?", (canonical,)).fetchone()
        if holder:
            raise self._error(
                f"the name {line.name!r} is that of user {holder[0]} in {self.path}, not of user {line.id}"
            )
        self.connection.execute(
            "INSERT INTO users (id, name, canonical, password, seen) VALUES (?, ?, ?, ?, ?)",
            (line.id, line.name, canonical, line.password, line.seen),
        )
        try:
            first = int(bool(line.password))
            tokens = [(bytes.fromhex(token), line.id, first, first) for token in line.tokens]
            sql = "INSERT INTO tokens (secret, user, first, last) VALUES (?, ?, ?, ?)"
            self.connection.executemany(sql, tokens)
        except ValueError:
            raise self._error("expected the digests of tokens in hexadecimal") from None
        except sqlite3.IntegrityError:
            raise self._error("a token appears twice: expected each to belong to one user") from None
        try:
            ranks = [(canonical, line.id) for canonical in line.operator]
            self.connection.executemany("INSERT INTO operators VALUES (?, ?)", ranks)
        except sqlite3.IntegrityError:
            raise self._error("two users have the rank of one name: expected one") from None

    def _load_given_up(self, line: GivenUpLine) -> None:
        if self.room or line.user not in self.users:
            problem = "no such line in the export of a room" if self.room else "a user who is in this export"
            raise self._error(f"expected {problem}")
        try:
            values = line.canonical, line.skeleton, line.user, line.at
            self.connection.execute("INSERT INTO given_up VALUES (?, ?, ?, ?)", values)
        except sqlite3.IntegrityError:
            raise self._error(f"the name {line.canonical!r} was given up twice: expected each once") from None

    def _load_event(self, line: EventLine) -> None:
        self._check_log(line.room)
        people = participants(line.room)
        counter = CONVERSATION if people else line.room
        if line.seq <= self.seqs.get(counter, 0):
            raise self._error(f"position {line.seq} is out of order: expected one above {self.seqs[counter]}")
        self.seqs[counter] = line.seq
        whom = line.detail.whom
        if self.room and not {line.user, *line.detail.invited, *([whom.id] if whom else [])} <= self.users:
            raise self._error("this event names someone who is not among the users of this export")
        if self.room and self._is_stored(line):
            return
        self.last_pos += 1
        try:
            self.connection.execute(
                f"INSERT INTO events (pos, {COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                (self.last_pos, *astuple(line)[:-1], encode_detail(line.detail)),
            )
        except sqlite3.IntegrityError:
            raise self._error(f"the cid {line.cid!r} of user {line.user} is already used: expected each once") from None
        if people:
            self.last_whisper = max(self.last_whisper, line.seq)
            mails = [(user, line.seq, self.last_pos) for user in people]
            self.connection.executemany("INSERT INTO mail (user, seq, pos) VALUES (?, ?, ?)", mails)
            talks = [(user, line.room) for user in people]
            self.connection.executemany("INSERT OR IGNORE INTO talks VALUES (?, ?)", talks)

    def _check_log(self, room: str) -> None:
        try:
            right = not room.startswith(CONVERSATION) or room == conversation(set(participants(room)))
        except ValueError:
            right = False
        if not right or room.startswith(MAILBOX):
            raise self._error(f"{room!r} is neither a room nor a conversation")

    def _is_stored(self, line: EventLine) -> bool:
        """Whether the store has this event already. ArchiveError if its position was trimmed or holds another event, or
        if the room has gone on beyond it."""
        stored = self._at(line.room, line.seq)
        if stored is None and line.seq > self.head:
            return False
        if stored is None and line.seq > self.trimmed:
            raise self._error(f"position {line.seq} is before the last in {self.path}: expected one above {self.head}")
        event = Event(*astuple(line))
        if stored and stored.kind == Kind.EDIT and not stored.text:
            event = replace(event, text="")  # an older Natter kept the texts of edits that were replaced
        if stored != event:
            found = f"held by another event in {self.path}" if stored else f"no longer kept in {self.path}"
            raise self._error(f"position {line.seq} is {found}: expected it free")
        return True

    def _at(self, room: str, seq: int) -> Event | None:
        sql = f"SELECT {COLUMNS} FROM events WHERE room = ? AND seq = ?"  # noqa: S608
        return next(iter(events(self.connection.execute(sql, (room, seq)))), None)

    def _load_state(self, line: StateLine) -> None:
        event = self._at(line.room, line.seq)
        if event is None or event.key != line.key:
            raise self._error(
                f"position {line.seq} does not set {line.key!r} of {line.room!r}: expected the event that does"
            )
        self.connection.execute(
            "INSERT INTO state VALUES (?, ?, ?) ON CONFLICT (room, key) DO UPDATE SET seq = max(seq, excluded.seq)",
            (line.room, line.key, line.seq),
        )

    def _load_trim(self, line: TrimLine) -> None:
        kept = self.connection.execute(
            "SELECT seq FROM events WHERE room = ? AND seq <= ? AND seq NOT IN (SELECT seq FROM state WHERE room = ?)",
            (line.room, line.through, line.room),
        ).fetchone()
        if kept:
            raise self._error(f"position {kept[0]} of {line.room!r} is kept: expected nothing up to {line.through}")
        self.connection.execute(
            "INSERT INTO trims VALUES (?, ?) ON CONFLICT (room) DO UPDATE SET through = max(through, excluded.through)",
            (line.room, line.through),
        )
        if line.room.startswith((CONVERSATION, MAILBOX)):
            self.last_whisper = max(self.last_whisper, line.through)

    def _load_personal(self, line: MarkLine | IgnoreLine) -> None:
        if self.room or line.user not in self.users:
            problem = "no such line in the export of a room" if self.room else "a user who is in this export"
            raise self._error(f"expected {problem}")
        table = "marks VALUES (?, ?, ?)" if isinstance(line, MarkLine) else "ignores VALUES (?, ?)"
        try:
            self.connection.execute(f"INSERT INTO {table}", astuple(line))
        except sqlite3.IntegrityError:
            raise self._error("this repeats an earlier line: expected each once") from None
