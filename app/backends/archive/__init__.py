"""What is kept of the embedded store outside of it: an export in lines of JSON, and a copy of the file.

An export has a header, then users, events by position, state, trims, marks and ignores, in this order, and a last line
which says that nothing is missing. What follows from these (mailboxes, conversations, the index of words) an import
makes anew. The export of a room has of the users in it only who they are, and nothing that was whispered.

Positions that are given after an export was made may be given again after its import, to other events: so an import
makes a new epoch, and so does whoever first opens a copy.

ArchiveError
    A file of these that can't be taken in, or a place where none can be made. Its text is one line.
"""

from __future__ import annotations

import os
import re
import secrets
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Annotated, BinaryIO, TypeVar

from msgspec import DecodeError, Meta, Struct, ValidationError, json
from msgspec.structs import astuple

from app.backends import StoreError
from app.backends.statements import index
from app.backends.statements.rows import COLUMNS, decoded, encoded, events, transaction, trimmed
from app.backends.storefile import MIGRATIONS, InUse, StoreFile, inspect, reason
from app.chat.events import PLAIN, Detail, Event
from app.chat.logs import CONVERSATION, MAILBOX, conversation, participants

T = TypeVar("T")

VERSION = 1
LONGEST = 1 << 26
"""Bytes that a line of an export may have."""
CHUNK = 1 << 16
"""Bytes that are written at once."""
STEPS = 100_000
"""Steps of SQLite's between two looks for a signal that ends the process."""

Number = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Position = Annotated[int, Meta(ge=1, le=2**53 - 1)]
Words = Annotated[str, Meta(min_length=1)]


class ArchiveError(Exception):
    """See the module's docstring."""


class Line(Struct, omit_defaults=True, forbid_unknown_fields=True, tag_field="t"):
    """One line of an export."""


class Header(Line, tag="natter"):
    """The first line: of which history, of which room or of all, and what was given last of what is given once."""

    version: int
    epoch: str
    room: str = ""
    last_user: Number = 0
    last_position: Number = 0


class UserLine(Line, tag="user"):
    """A user, with the digests of the tokens in hexadecimal. Without `canonical` it is the name in lower case."""

    id: Position
    name: Words
    canonical: str = ""
    password: str = ""
    seen: Number = 0
    tokens: tuple[str, ...] = ()


class EventLine(Line, tag="event"):
    """An event; the fields are those of Event, in the order of COLUMNS."""

    room: Words
    seq: Position
    id: Words
    at: Number
    user: Number
    name: str
    text: str
    cid: str
    kind: Words
    of: Number = 0
    detail: Detail = PLAIN


class StateLine(Line, tag="state"):
    """At which position a room's state under a key was set."""

    room: Words
    key: Words
    seq: Position


class TrimLine(Line, tag="trim"):
    """Up to which position a room, a conversation or a mailbox is gone."""

    room: Words
    through: Position


class MarkLine(Line, tag="mark"):
    """Up to which position a user has read."""

    user: Position
    room: Words
    seq: Position


class IgnoreLine(Line, tag="ignore"):
    """Of whom a user wants to hear nothing."""

    user: Position
    whom: Position


class End(Line, tag="end"):
    """The last line: how many are before it."""

    lines: Number


Record = UserLine | EventLine | StateLine | TrimLine | MarkLine | IgnoreLine
ORDER = (UserLine, EventLine, StateLine, TrimLine, MarkLine, IgnoreLine)


class _Start(Struct):
    """As much of a header as every version has."""

    t: str
    version: int


_start = json.Decoder(_Start)
_header = json.Decoder(Header)
_line = json.Decoder(Record | End)
_encoder = json.Encoder()


@contextmanager
def reading(path: str) -> Iterator[sqlite3.Connection]:
    """A connection to the store at `path`, beside a server that has it open as well as without one. StoreError if
    there is none that can be used."""
    if not Path(path).exists():
        raise StoreError(f"{path}: there is no store: expected the file of a chat")
    file = StoreFile(path)
    try:
        try:
            connection = file.open()
        except InUse:
            connection = _beside(path)
        with closing(connection):
            yield connection
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {reason(error)}") from None
    finally:
        file.release()


def _beside(path: str) -> sqlite3.Connection:
    """A connection to a store that another process writes to.

    SQLite's WAL-reset bug (before 3.51.3) needs two connections that write or checkpoint, and the other process has
    one. This one can do neither, since `mode=ro` has the file open for reading only: nothing is committed here that
    could set off a checkpoint, and the checkpoint of a last connection that closes needs the file's exclusive lock,
    which the system does not give on such a descriptor. It only keeps the other from reusing the log meanwhile.
    """
    file = Path(path).resolve()
    connection = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, isolation_level=None)
    try:
        inspect(Path(path), connection)
    except BaseException:
        connection.close()
        raise
    return connection


def export(path: str, write: Callable[[bytes], object], room: str = "") -> None:
    """Write the store at `path`, or one room of it, as it is at this moment."""
    with reading(path) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version < len(MIGRATIONS):
            wanted = len(MIGRATIONS)
            raise StoreError(f"{path}: an older Natter has the store open: expected version {wanted}, not {version}")
        connection.execute("BEGIN")  # all that is read up to its end is of one moment
        if room and not _is_known(connection, room):
            raise StoreError(f"{path}: there is no room {room!r}")
        for chunk in _chunks(_lines(connection, room)):
            write(chunk)


def _is_known(connection: sqlite3.Connection, room: str) -> bool:
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
        yield from _people(connection, room)
        here, whose = " WHERE room = ?", [room]
    else:
        last = dict(connection.execute("SELECT name, seq FROM sqlite_sequence"))
        yield Header(VERSION, epoch, last_user=last.get("users", 0), last_position=last.get("events", 0))
        yield from _users(connection)
        here, whose = "", []
    for row in connection.execute(f"SELECT {COLUMNS} FROM events{here} ORDER BY seq", whose):  # noqa: S608
        yield EventLine(*(*row[:-1], decoded(row[-1])))
    sql = f"SELECT room, key, seq FROM state{here} ORDER BY room, key"  # noqa: S608
    yield from (StateLine(*row) for row in connection.execute(sql, whose))
    sql = f"SELECT room, through FROM trims{here} ORDER BY room"  # noqa: S608
    yield from (TrimLine(*row) for row in connection.execute(sql, whose))
    if not room:
        sql = "SELECT user, room, seq FROM marks ORDER BY user, room"
        yield from (MarkLine(*row) for row in connection.execute(sql))
        sql = "SELECT user, whom FROM ignores ORDER BY user, whom"
        yield from (IgnoreLine(*row) for row in connection.execute(sql))


def _users(connection: sqlite3.Connection) -> Iterator[Line]:
    """All users, and beside them their tokens, both by the id: SQLite would look through all tokens for each user."""
    of_users = groupby(connection.execute("SELECT user, secret FROM tokens ORDER BY user, secret"), itemgetter(0))
    owner, tokens = next(of_users, (0, iter(())))
    for user in connection.execute("SELECT id, name, canonical, password, seen FROM users ORDER BY id"):
        while owner and owner < user[0]:
            owner, tokens = next(of_users, (0, iter(())))
        yield UserLine(*(*user, tuple(secret.hex() for _, secret in tokens) if owner == user[0] else ()))


def _people(connection: sqlite3.Connection, room: str) -> Iterator[Line]:
    """Who spoke in a room or is concerned by what was done there: no more than what everybody there can see."""
    sql = """
        SELECT id, name, canonical FROM users WHERE id IN (
            SELECT user FROM events WHERE room = ?
            UNION SELECT json_extract(detail, '$.whom.id') FROM events WHERE room = ? AND detail != ''
        ) ORDER BY id
    """
    for user, name, canonical in connection.execute(sql, (room, room)):
        yield UserLine(user, name, "" if canonical == name.lower() else canonical)


class Reader:
    """The lines of an export that is called `name`, checked one by one, and where it is among them."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.file, self.name = file, name
        self.number = 0

    def wrong(self, problem: str) -> ArchiveError:
        """What is wrong with the line that was read last."""
        return ArchiveError(f"{self.name}:{self.number}: {' '.join(problem.split())}")

    def header(self) -> Header:
        """The first line."""
        line = self._next()
        try:
            start = _start.decode(line)
        except (DecodeError, UnicodeDecodeError):
            start = _Start("", 0)
        if start.t != "natter":
            raise self.wrong("this is no export: expected a first line that begins with " + '{"t":"natter"')
        if start.version > VERSION:
            raise self.wrong(f"the export has version {start.version}, of a newer Natter: expected {VERSION}")
        return self._decoded(_header, line)

    def records(self) -> Iterator[Record]:
        """The lines after the header, but for the last, which has to be there."""
        before = 0
        while not isinstance(line := self._decoded(_line, self._next()), End):
            order = ORDER.index(type(line))
            if order < before:
                raise self.wrong("the lines are out of order: expected users, events, state, trims, marks, ignores")
            before = order
            yield line
        if line.lines != self.number - 1:
            raise self.wrong(f"lines are missing or too many: expected {line.lines} before this one")
        if self.file.readline(1):
            self.number += 1
            raise self.wrong("something comes after the end: expected nothing more")

    def _next(self) -> bytes:
        self.number += 1
        line = self.file.readline(LONGEST)
        if not line:
            raise self.wrong("the file ends here: expected " + ("an export" if self.number == 1 else "its last line"))
        return line

    def _decoded(self, decoder: json.Decoder[T], line: bytes) -> T:
        try:
            return decoder.decode(line)
        except ValidationError as error:
            raise self.wrong(f"expected a line of an export: {error}") from None
        except (DecodeError, UnicodeDecodeError):
            raise self.wrong("expected a line of JSON; the file is damaged or cut off") from None


def take_in(path: str, file: BinaryIO, name: str) -> None:
    """Put the export in `file` into the store at `path`, which no server has open: all of it, or nothing.

    The export of a whole store goes into a new one. That of a room goes into any store where its positions are free,
    and its users are the same or nobody. ArchiveError or StoreError otherwise; the store is then as it was.
    """
    reader = Reader(file, name)
    header = reader.header()
    is_new = not Path(path).exists()
    store = StoreFile(path)
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
            for ending in ("", "-wal", "-shm"):
                Path(os.path.realpath(path) + ending).unlink(missing_ok=True)
        store.release()


class _Import:
    """One import, inside of a transaction that is undone when it raises."""

    def __init__(self, connection: sqlite3.Connection, reader: Reader, header: Header, path: str) -> None:
        self.connection, self.reader, self.header, self.path = connection, reader, header, path
        self.room = header.room
        self.users: set[int] = set()
        self.last_user, self.last_position = header.last_user, header.last_position
        self.user = self.position = 0
        """The last of each that was read: they come in order."""
        (indexed,) = connection.execute(f"SELECT {index.INDEXED}").fetchone()
        self.indexed: int = indexed
        (epoch,) = connection.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
        self.same_history = epoch == header.epoch
        self.gone = trimmed(connection, self.room) if self.room else 0

    def run(self) -> None:
        if self.room:
            if self.room.startswith((CONVERSATION, MAILBOX)):
                raise self._wrong(f"{self.room!r} is not the name of a room")
        else:
            self._expect_new()
        for line in self.reader.records():
            self._take(line)
        # A mailbox does not show what is gone from a conversation, though an event may be kept for being a state.
        self.connection.execute(
            "DELETE FROM mail WHERE seq IN (SELECT seq FROM trims JOIN events USING (room) "
            "WHERE trims.room LIKE ? AND seq <= through)",
            (f"{CONVERSATION}%",),
        )
        self._go_on_after("users", self.last_user)
        self._go_on_after("events", self.last_position)
        self.connection.execute("UPDATE meta SET value = ? WHERE key = 'epoch'", (secrets.token_hex(4),))

    def _expect_new(self) -> None:
        (used,) = self.connection.execute(
            "SELECT EXISTS (SELECT 1 FROM sqlite_sequence WHERE seq > 0) OR EXISTS (SELECT 1 FROM trims)"
        ).fetchone()
        if used:
            raise self._wrong(
                f"this is everything of a store: expected {self.path} to be new, and it is in use already"
            )

    def _go_on_after(self, table: str, last: int) -> None:
        """What is given next is over `last`, and over all that was given in this store before."""
        found = self.connection.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (last, table))
        if not found.rowcount and last:
            self.connection.execute("INSERT INTO sqlite_sequence VALUES (?, ?)", (table, last))

    def _wrong(self, problem: str) -> ArchiveError:
        return self.reader.wrong(problem)

    def _take(self, line: Record) -> None:
        if self.room and getattr(line, "room", self.room) != self.room:
            raise self._wrong(f"expected nothing but {self.room!r}, which is the room of this export")
        match line:
            case UserLine():
                self._user(line)
            case EventLine():
                self._event(line)
            case StateLine():
                self._state(line)
            case TrimLine():
                self._trim(line)
            case MarkLine() | IgnoreLine():
                self._of_a_user(line)

    def _user(self, line: UserLine) -> None:
        canonical = line.canonical or line.name.lower()
        if line.id <= self.user:
            raise self._wrong(f"user {line.id} is out of order: expected each once, by id")
        self.user = line.id
        self.users.add(line.id)
        if self.room and (line.password or line.tokens):
            raise self._wrong("expected no secret of a user in the export of a room")
        if re.fullmatch("user[0-9]+", canonical) and canonical != f"user{line.id - 1}":
            raise self._wrong(f"{line.name!r} is kept for another user: expected user{line.id - 1}, or a chosen name")
        sql = "SELECT name, canonical FROM users WHERE id = ?"
        known = self.connection.execute(sql, (line.id,)).fetchone()
        if known:
            if known[1] != canonical and not self.same_history:  # within one history an id is one person for good
                raise self._wrong(
                    f"user {line.id} is {known[0]!r} in {self.path}: expected nobody there, or {line.name!r}"
                )
            return
        holder = self.connection.execute("SELECT id FROM users WHERE canonical = ?", (canonical,)).fetchone()
        if holder:
            theirs = f"that of user {holder[0]} in {self.path}"
            raise self._wrong(f"the name {line.name!r} is {theirs}: expected nobody's, or that of user {line.id}")
        self.connection.execute(
            "INSERT INTO users (id, name, canonical, password, seen) VALUES (?, ?, ?, ?, ?)",
            (line.id, line.name, canonical, line.password, line.seen),
        )
        try:
            tokens = [(bytes.fromhex(token), line.id) for token in line.tokens]
            self.connection.executemany("INSERT INTO tokens VALUES (?, ?)", tokens)
        except ValueError:
            raise self._wrong("expected the digests of tokens in hexadecimal") from None
        except sqlite3.IntegrityError:
            raise self._wrong("a token is here twice: expected each to be one user's") from None

    def _event(self, line: EventLine) -> None:
        if line.seq <= self.position:
            raise self._wrong(f"position {line.seq} is out of order: expected each once, the next over {self.position}")
        self.position = line.seq
        self._expect_a_log(line.room)
        whom = line.detail.whom
        if self.room and not {line.user, *([whom.id] if whom else [])} <= self.users:
            raise self._wrong("expected who is in this event among the users before it")
        if self.room and self._is_there(line):
            return
        try:
            self.connection.execute(
                f"INSERT INTO events ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                (*astuple(line)[:-1], encoded(line.detail)),
            )
        except sqlite3.IntegrityError:
            raise self._wrong(f"the cid {line.cid!r} of user {line.user} is there already: expected it once") from None
        people = participants(line.room)
        if people:
            sql = "INSERT INTO mail VALUES (?, ?)"
            self.connection.executemany(sql, [(user, line.seq) for user in people])
            sql = "INSERT OR IGNORE INTO talks VALUES (?, ?)"
            self.connection.executemany(sql, [(user, line.room) for user in people])
        if line.seq <= self.indexed:  # what is after that is indexed in its turn
            index.learn(self.connection, line.seq)

    def _expect_a_log(self, room: str) -> None:
        try:
            right = not room.startswith(CONVERSATION) or room == conversation(set(participants(room)))
        except ValueError:
            right = False
        if not right or room.startswith(MAILBOX):
            raise self._wrong(f"{room!r} is no room and no conversation: expected one of these")

    def _is_there(self, line: EventLine) -> bool:
        """Whether the store has the event already; ArchiveError if it has another one there, or forgot what it had."""
        there = self._at(line.seq)
        if there is None and line.seq > self.gone:
            return False
        if there != Event(*astuple(line)):
            found = f"held by another event in {self.path}" if there else f"no longer kept in {self.path}"
            raise self._wrong(f"position {line.seq} is {found}: expected it free")
        return True

    def _at(self, seq: int) -> Event | None:
        sql = f"SELECT {COLUMNS} FROM events WHERE seq = ?"  # noqa: S608
        return next(iter(events(self.connection.execute(sql, (seq,)))), None)

    def _state(self, line: StateLine) -> None:
        event = self._at(line.seq)
        if event is None or (event.room, event.key) != (line.room, line.key):
            raise self._wrong(
                f"position {line.seq} does not set {line.key!r} of {line.room!r}: expected where it was set"
            )
        self.connection.execute(
            "INSERT INTO state VALUES (?, ?, ?) ON CONFLICT (room, key) DO UPDATE SET seq = max(seq, excluded.seq)",
            (line.room, line.key, line.seq),
        )

    def _trim(self, line: TrimLine) -> None:
        kept = self.connection.execute(
            "SELECT seq FROM events WHERE room = ? AND seq <= ? AND seq NOT IN (SELECT seq FROM state WHERE room = ?)",
            (line.room, line.through, line.room),
        ).fetchone()
        if kept:
            raise self._wrong(f"position {kept[0]} of {line.room!r} is kept: expected nothing up to {line.through}")
        self.connection.execute(
            "INSERT INTO trims VALUES (?, ?) ON CONFLICT (room) DO UPDATE SET through = max(through, excluded.through)",
            (line.room, line.through),
        )
        self.last_position = max(self.last_position, line.through)

    def _of_a_user(self, line: MarkLine | IgnoreLine) -> None:
        if self.room or line.user not in self.users:
            raise self._wrong("expected a user who is in this export" if not self.room else "expected no such line")
        table = "marks VALUES (?, ?, ?)" if isinstance(line, MarkLine) else "ignores VALUES (?, ?)"
        try:
            self.connection.execute(f"INSERT INTO {table}", astuple(line))
        except sqlite3.IntegrityError:
            raise self._wrong("expected this once: a line before says the same or another") from None


def back_up(path: str, copy: Path) -> None:
    """Make `copy` a copy of the store at `path`, as it is at this moment. A copy that is there is safe on the disk."""
    for file in (copy, Path(f"{copy}-wal"), Path(f"{copy}-journal")):  # a log beside a store is taken for its own
        if os.path.lexists(file):
            raise ArchiveError(f"{file}: this is there already: expected the name of a new file")
    with reading(path) as connection, _becoming(copy) as part:
        # Python answers a signal between two of its own instructions only: this gives it some.
        connection.set_progress_handler(lambda: 0, STEPS)
        try:
            connection.execute("VACUUM INTO ?", (str(part),))
            with closing(sqlite3.connect(part, isolation_level=None)) as made:
                made.execute("PRAGMA synchronous = FULL")
                # Who opens a store without an epoch gives it one, so each copy of this copy becomes its own history.
                made.execute("DELETE FROM meta WHERE key = 'epoch'")
        except sqlite3.Error as error:
            raise ArchiveError(f"{copy}: the copy can't be made: {reason(error)}") from None


@contextmanager
def _becoming(copy: Path) -> Iterator[Path]:
    """An empty file that only its owner may read, which becomes `copy` when the block ends, or vanishes if it fails."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{copy.name[:100]}-", dir=copy.absolute().parent)
    except OSError as error:
        problem = (error.strerror or str(error)).lower()
        raise ArchiveError(f"{copy}: {problem}: expected the name of a new file in a folder to write to") from None
    os.close(handle)
    part = Path(name)
    try:
        yield part
        _sync(part)
        part.rename(copy)
        _sync(copy.absolute().parent)
    finally:
        for ending in ("", "-journal", "-wal"):
            Path(name + ending).unlink(missing_ok=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
