"""The embedded backend: SQLite, one connection on one thread.

All that is asked for while a commit is under way becomes the next commit: the cost of an fsync is shared by those who
wait. WAL with `synchronous=FULL` survives a loss of power; NORMAL does not (measured: 40 of 40 simulated losses).
One connection alone writes and checkpoints, which also keeps clear of SQLite's WAL-reset bug (before 3.51.3).
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import secrets
import sqlite3
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock, Thread, current_thread
from typing import Any

from app.backends import Follower, StoreError, Trimmed, Unavailable
from app.chat.events import Appended, Bounds, Draft, Event, User

log = logging.getLogger("store")

APPLICATION_ID = 0x4E617474  # "Natt", in the header of the file
MIGRATIONS = (
    """
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE users (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        secret BLOB NOT NULL UNIQUE
    );
    CREATE TABLE events (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        room TEXT NOT NULL,
        id TEXT NOT NULL,
        at INTEGER NOT NULL,
        user INTEGER NOT NULL,
        name TEXT NOT NULL,
        text TEXT NOT NULL,
        cid TEXT NOT NULL
    );
    CREATE TABLE trims (room TEXT PRIMARY KEY, through INTEGER NOT NULL) WITHOUT ROWID;
    CREATE INDEX events_by_room ON events (room, seq);
    CREATE UNIQUE INDEX events_by_cid ON events (user, cid) WHERE cid != '';
    """,
)
"""SQL by version: `PRAGMA user_version` counts those that were applied."""

COLUMNS = "room, seq, id, at, user, name, text, cid"
ROW = "(?, ?, ?, ?, ?, ?, ?)"
ROWS = 64
"""Drafts that one statement stores."""
WRONG = (
    Trimmed,
    ValueError,
    OverflowError,
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
)
"""What concerns the one call that raised it; any other error of SQLite's concerns the store."""
MAX_CHECKED = 1 << 20
"""Bytes up to which the whole file is checked at the start; of a larger one damage shows when it is read."""
BATCH = 1000
"""How many calls are answered between two looks at the queue."""


@dataclass(slots=True)
class _Call:
    """Something to do with the connection, or a draft to append. A write is done inside the batch's transaction, a
    read after it."""

    run: Draft | Callable[[sqlite3.Connection], Any]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    writes: bool


class Embedded:
    """A Backend in the file at `path`, or in memory for `:memory:`."""

    def __init__(self, path: str) -> None:
        self._worker = _Worker(path)
        self._opening = Lock()
        self._opened = False
        self._finalizer = weakref.finalize(self, self._worker.stop)

    @property
    def epoch(self) -> str:
        return self._worker.epoch

    def open(self) -> None:
        with self._opening:
            if not self._opened:
                self._worker.start()
                self._opened = True

    def close(self) -> None:
        self._finalizer()

    def append(self, draft: Draft) -> asyncio.Future[Appended]:
        return self._call(draft, writes=True)

    def read(self, room: str, *, after: int, limit: int) -> asyncio.Future[list[Event]]:
        return self._call(lambda connection: _read_on(connection, room, after, limit))

    def read_back(self, room: str, *, before: int, limit: int) -> asyncio.Future[list[Event]]:
        sql = f"SELECT {COLUMNS} FROM events WHERE room = ? AND seq < ? ORDER BY seq DESC LIMIT ?"  # noqa: S608
        return self._call(lambda connection: _events(connection.execute(sql, (room, before, limit)))[::-1])

    def bounds(self, room: str) -> asyncio.Future[Bounds]:
        return self._call(lambda connection: _bounds(connection, room))

    def trim(self, room: str, *, keep: int, since: int, limit: int) -> asyncio.Future[int]:
        return self._call(lambda connection: _trim(connection, room, keep, since, limit), writes=True)

    def rooms(self) -> asyncio.Future[list[str]]:
        return self._call(_rooms)

    def follow(self, follower: Follower) -> Callable[[], None]:
        return self._worker.follow(follower)

    def enlist(self, secret: bytes) -> asyncio.Future[User]:
        return self._call(lambda connection: _enlist(connection, secret), writes=True)

    def identify(self, secret: bytes) -> asyncio.Future[User | None]:
        return self._call(lambda connection: _identify(connection, secret))

    def _call(self, run: Draft | Callable[[sqlite3.Connection], Any], *, writes: bool = False) -> asyncio.Future[Any]:
        """Ask for `run`, which must not refer to this object: forgetting it is what stops its thread."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        if not self._worker.ask(_Call(run, future, loop, writes)):
            future.set_exception(Unavailable("the store is closed"))
        return future


class _Worker:
    """The thread with the connection. It does not know the Embedded that it serves, which can so be forgotten."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.epoch = ""
        self.queue: SimpleQueue[_Call | None] = SimpleQueue()
        self.followers: dict[object, Follower] = {}
        self.committed: list[Event] = []
        self.asking, self.closed = Lock(), False
        self.following = Lock()
        self.thread: Thread | None = None
        self.lock: int | None = None

    def start(self) -> None:
        connection = self._open()
        self.thread = Thread(target=self._serve, args=(connection,), name="store", daemon=True)
        self.thread.start()

    def stop(self) -> None:
        with self.asking:
            self.closed = True
            self.queue.put(None)
        if self.thread is not None and self.thread is not current_thread():  # the collector may run in any thread
            self.thread.join()

    def ask(self, call: _Call) -> bool:
        """Have `call` answered; False, and it never is, once the store is closed."""
        with self.asking:
            if not self.closed:
                self.queue.put(call)
            return not self.closed

    def follow(self, follower: Follower) -> Callable[[], None]:
        key = object()
        with self.following:
            self.followers = {**self.followers, key: follower}

        def unfollow() -> None:
            with self.following:
                self.followers = {known: other for known, other in self.followers.items() if known is not key}

        return unfollow

    def append(self, connection: sqlite3.Connection, drafts: Sequence[Draft]) -> list[Appended | Exception]:
        """Inside a transaction: store drafts in order, or find what their `cid` stored before."""
        answers: list[Appended | Exception] = []
        for first in range(0, len(drafts), ROWS):
            answers += self._append(connection, drafts[first : first + ROWS])
        return answers

    def _append(self, connection: sqlite3.Connection, drafts: Sequence[Draft]) -> list[Appended | Exception]:
        """One statement for all: a thread that runs SQL gives up and gets back the interpreter once for each."""
        try:
            stored = _insert(connection, drafts)
        except WRONG as error:
            if len(drafts) == 1:
                return [error]
            return [answer for draft in drafts for answer in self._append(connection, [draft])]
        answers: list[Appended | Exception] = []
        for draft in drafts:
            positions = stored.get(draft.id)
            if positions:
                user, seq = draft.user, positions.popleft()
                event = Event(draft.room, seq, draft.id, draft.at, user.id, user.name, draft.text, draft.cid)
                self.committed.append(event)
                answers.append(Appended(event, duplicate=False))
            else:
                sql = f"SELECT {COLUMNS} FROM events WHERE user = ? AND cid = ? AND cid != ''"  # noqa: S608
                (event,) = _events(connection.execute(sql, (draft.user.id, draft.cid)))
                answers.append(Appended(event, duplicate=True))
        return answers

    def _open(self) -> sqlite3.Connection:
        if self.path == ":memory:":
            connection = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        else:
            self._lock()
            try:
                connection = self._open_file()
            except StoreError:
                self._unlock()
                raise
        try:
            self._migrate(connection)
        except sqlite3.DatabaseError as error:
            connection.close()
            self._unlock()
            raise StoreError(f"{self.path}: {_reason(error)}") from None
        except StoreError:
            connection.close()
            self._unlock()
            raise
        return connection

    def _open_file(self) -> sqlite3.Connection:
        path = Path(self.path)
        try:
            if path.exists():
                _inspect(path)
            connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=0)
        except sqlite3.DatabaseError as error:
            raise StoreError(f"{path}: {_reason(error)}") from None
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            connection.execute("PRAGMA synchronous = FULL")
        except sqlite3.DatabaseError as error:
            connection.close()
            raise StoreError(f"{path}: {_reason(error)}") from None
        return connection

    def _migrate(self, connection: sqlite3.Connection) -> None:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        connection.execute("PRAGMA secure_delete = ON").fetchone()
        for number in range(version, len(MIGRATIONS)):
            connection.executescript(
                f"BEGIN; {MIGRATIONS[number]} PRAGMA user_version = {number + 1}; "
                f"PRAGMA application_id = {APPLICATION_ID}; COMMIT;"
            )
        connection.execute("INSERT OR IGNORE INTO meta VALUES ('epoch', ?)", (secrets.token_hex(4),))
        (self.epoch,) = connection.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()

    def _lock(self) -> None:
        """Hold a lock beside the file for as long as it is open: two servers on one store would split the chat."""
        try:
            self.lock = os.open(f"{os.path.realpath(self.path)}-lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._unlock()
            raise StoreError(f"{self.path}: the store is in use by another process") from None
        except OSError as error:
            self._unlock()
            raise StoreError(
                f"{self.path}: {(error.strerror or str(error)).lower()}: expected a place to write to"
            ) from None

    def _unlock(self) -> None:
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None

    def _serve(self, connection: sqlite3.Connection) -> None:
        running = True
        while running:
            calls: list[_Call] = []
            call = self.queue.get()
            while call is not None:
                calls.append(call)
                if len(calls) == BATCH:
                    break
                try:
                    call = self.queue.get_nowait()
                except Empty:
                    break
            running = call is not None
            self._answer(connection, calls)
            del calls, call
        connection.close()
        self._unlock()

    def _answer(self, connection: sqlite3.Connection, calls: Sequence[_Call]) -> None:
        answers: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
        writes = [call for call in calls if call.writes]
        for call, answer in [*self._written(connection, writes), *_read(connection, calls)]:
            answers.setdefault(call.loop, []).append((call.future, answer))
        for loop, settled in answers.items():
            with suppress(RuntimeError):  # that loop has ended, and nobody waits in it
                loop.call_soon_threadsafe(_settle, settled)

    def _written(self, connection: sqlite3.Connection, writes: Sequence[_Call]) -> list[tuple[_Call, Any]]:
        """One transaction for all writes: each has its answer, or all have Unavailable."""
        if not writes:
            return []
        self.committed = []
        try:
            connection.execute("BEGIN IMMEDIATE")
            answers = self._outcomes(connection, writes)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            log.error("%s: %s", self.path, _reason(error))
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            return [(call, Unavailable(f"the store can't be written: {_reason(error)}")) for call in writes]
        if self.committed:
            for follower in self.followers.values():
                follower(self.committed)
        return answers

    def _outcomes(self, connection: sqlite3.Connection, writes: Sequence[_Call]) -> list[tuple[_Call, Any]]:
        """Do the writes in order, drafts that follow each other together."""
        answers: list[tuple[_Call, Any]] = []
        for _, group in groupby(writes, key=lambda call: isinstance(call.run, Draft)):
            calls = list(group)
            drafts = [call.run for call in calls if isinstance(call.run, Draft)]
            outcomes = self.append(connection, drafts) if drafts else [_outcome(call, connection) for call in calls]
            answers += zip(calls, outcomes, strict=True)
        return answers


def _insert(connection: sqlite3.Connection, drafts: Sequence[Draft]) -> dict[str, deque[int]]:
    """Store drafts in order, but for those whose `cid` is there; the positions of the stored, in order, by id."""
    values: list[str | int] = []
    for draft in drafts:
        user = draft.user
        values += draft.room, draft.id, draft.at, user.id, user.name, draft.text, draft.cid
    rows = connection.execute(
        f"INSERT INTO events (room, id, at, user, name, text, cid) VALUES {', '.join([ROW] * len(drafts))} "  # noqa: S608
        "ON CONFLICT (user, cid) WHERE cid != '' DO NOTHING RETURNING id, seq",
        values,
    )
    stored: dict[str, deque[int]] = {}
    for id_, seq in rows:
        stored.setdefault(id_, deque()).append(seq)
    return stored


def _inspect(path: Path) -> None:
    """Refuse what is no store of ours, or a damaged one, without a change to it: by a connection that only reads."""
    if not os.access(path, os.W_OK):
        raise StoreError(f"{path}: the store is read-only: expected a file that can be written")
    # Without a log beside it the file can be read as if it never changed, which leaves no file of ours beside it.
    how = "mode=ro" if Path(f"{path.resolve()}-wal").exists() else "immutable=1"
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?{how}", uri=True, timeout=0)) as connection:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if application != APPLICATION_ID and (tables or application or version):
            raise StoreError(f"{path}: this is another program's database: expected a store of Natter's or no file")
        if version > len(MIGRATIONS):
            newest = len(MIGRATIONS)
            raise StoreError(f"{path}: the store has version {version}, of a newer Natter: expected {newest} or less")
        if path.stat().st_size <= MAX_CHECKED:
            (check,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if check != "ok":
                raise StoreError(f"{path}: the store is damaged: {' '.join(check.split())}")


def _read(connection: sqlite3.Connection, calls: Sequence[_Call]) -> list[tuple[_Call, Any]]:
    answers: list[tuple[_Call, Any]] = []
    for call in calls:
        if not call.writes:
            try:
                answers.append((call, _outcome(call, connection)))
            except sqlite3.Error as error:
                log.error("the store can't be read: %s", _reason(error))
                answers.append((call, Unavailable(f"the store can't be read: {_reason(error)}")))
    return answers


def _outcome(call: _Call, connection: sqlite3.Connection) -> Any:
    """A call's answer. What it alone got wrong is its answer too; an error of the store concerns all who wait."""
    assert not isinstance(call.run, Draft)
    try:
        return call.run(connection)
    except WRONG as error:
        return error


def _settle(settled: Sequence[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, answer in settled:
        if future.done():
            continue
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)


def _events(rows: sqlite3.Cursor) -> list[Event]:
    return [Event(*row) for row in rows]


def _bounds(connection: sqlite3.Connection, room: str) -> Bounds:
    (head,) = connection.execute("SELECT max(seq) FROM events WHERE room = ?", (room,)).fetchone()
    trimmed = _trimmed(connection, room)
    return Bounds(trimmed, head or trimmed)


def _trimmed(connection: sqlite3.Connection, room: str) -> int:
    row = connection.execute("SELECT through FROM trims WHERE room = ?", (room,)).fetchone()
    return row[0] if row else 0


def _read_on(connection: sqlite3.Connection, room: str, after: int, limit: int) -> list[Event]:
    trimmed = _trimmed(connection, room)
    if after < trimmed:
        raise Trimmed(trimmed)
    sql = f"SELECT {COLUMNS} FROM events WHERE room = ? AND seq > ? ORDER BY seq LIMIT ?"  # noqa: S608
    return _events(connection.execute(sql, (room, after, limit)))


def _trim(connection: sqlite3.Connection, room: str, keep: int, since: int, limit: int) -> int:
    through = 0
    if keep:
        sql = "SELECT seq FROM events WHERE room = ? ORDER BY seq DESC LIMIT 1 OFFSET ?"
        through = (connection.execute(sql, (room, keep)).fetchone() or (0,))[0]
    # Clocks may jump, so an old event can stand behind a newer one: only a run of old ones at the start goes.
    sql = "SELECT seq, at FROM events WHERE room = ? ORDER BY seq LIMIT ?"
    going = []
    for seq, at in connection.execute(sql, (room, limit)):
        if seq > through and at >= since:
            break
        going.append(seq)
    if going:
        connection.execute("DELETE FROM events WHERE room = ? AND seq <= ?", (room, going[-1]))
        connection.execute("INSERT OR REPLACE INTO trims VALUES (?, ?)", (room, going[-1]))
    return len(going)


def _rooms(connection: sqlite3.Connection) -> list[str]:
    sql = """
        WITH RECURSIVE named (room) AS (
            SELECT min(room) FROM events
            UNION ALL SELECT (SELECT min(room) FROM events WHERE room > named.room) FROM named WHERE room IS NOT NULL
        )
        SELECT room FROM named WHERE room IS NOT NULL
    """  # a jump from room to room in the index, which does not touch the events
    return [room for (room,) in connection.execute(sql)]


def _enlist(connection: sqlite3.Connection, secret: bytes) -> User:
    known = _identify(connection, secret)
    if known is not None:  # asked again, since the first answer got lost
        return known
    (last,) = connection.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'users'").fetchone()
    name = f"user{last}"
    cursor = connection.execute("INSERT INTO users (name, secret) VALUES (?, ?)", (name, secret))
    return User(cursor.lastrowid or 0, name)


def _identify(connection: sqlite3.Connection, secret: bytes) -> User | None:
    row = connection.execute("SELECT id, name FROM users WHERE secret = ?", (secret,)).fetchone()
    return User(*row) if row else None


def _reason(error: sqlite3.Error) -> str:
    text = str(error)
    known = {
        "file is not a database": "the store is damaged, or not a store: expected a file of Natter's",
        "database disk image is malformed": "the store is damaged",
        "attempt to write a readonly database": "the store is read-only: expected a file that can be written",
        "unable to open database file": "this can't be opened: expected a file, or a place for one",
        "database is locked": "the store is in use by another process",
    }
    return known.get(text, text)
