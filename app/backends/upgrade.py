"""Upgrading a store to the newest schema, and the copy that is made before.

The copy, `chat.db.before-v3`, is the store as it was before the upgrade to version 3, to go back to with the Natter
that was used before. It still has what is deleted from the store after the upgrade, so it doesn't stay for good: once
the store has run for a day without an error, the copy is removed.
"""

from __future__ import annotations

import glob
import logging
import os
import re
import sqlite3
from contextlib import suppress
from pathlib import Path
from time import monotonic

from app.backends import StoreError, copying, schema
from app.backends.reasons import reason
from app.backends.statements.rows import transaction
from app.clock import Clock

log = logging.getLogger("store")

CLEAN_DAY = 24 * 60 * 60.0
"""How many seconds a store runs without an error before its copies are removed. They may be spread over several runs,
and an error starts the count again."""
SAVE_INTERVAL = 10 * 60.0
"""How often the count is saved, in seconds. A process that is killed loses no more of it."""
SPACE = 3
"""How many times the size of a store an upgrade takes on the disk, at most: for the copy, for the WAL of a migration
that rewrites everything, and for the space that it leaves unused in the file (measured: 2.7)."""
COUNT = "clean_seconds"
"""The key of the count in `meta`."""
NAME = re.compile(r"\.before-v[0-9]+(-part)?(-search)?(-journal|-wal|-shm|-lock|-log[01])?")
"""What the name of a copy, finished or not, or of a file that was left beside it has after the store's name."""
VERSION = slice(60, 64)
"""Where a SQLite file has its `user_version`."""


def migrate(connection: sqlite3.Connection, path: str) -> None:
    """Upgrade the store at `path` to the newest schema: all the way, or not at all.

    A store with content is copied first. StoreError if it can't be copied or a migration fails; the store is then as it
    was, and no copy stays. The upgraded store is on the disk once this returns.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    newest = len(schema.MIGRATIONS)
    if version >= newest:
        return
    copy = _copy_aside(connection, path, version) if version else None
    steps = [*schema.MIGRATIONS[version:], f"PRAGMA user_version = {newest};"]
    if copy:
        steps.append(f"INSERT OR REPLACE INTO meta VALUES ('{COUNT}', '0');")  # noqa: S608
    else:
        steps.append(f"PRAGMA application_id = {schema.APPLICATION_ID};")
    began = monotonic()
    connection.set_progress_handler(lambda: 0, copying.STEPS)  # Python handles signals only while it runs something
    try:
        connection.executescript("\n".join(["BEGIN IMMEDIATE;", *steps, "COMMIT;"]))
    except BaseException as error:
        if copy:
            copying.discard(copy)
        if isinstance(error, sqlite3.Error):
            raise _failed(path, version, error) from None
        raise
    finally:
        connection.set_progress_handler(None, 0)
    if copy:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()  # the WAL is larger than the store now
        log.info("%s: upgraded to version %d in %.1f s", path, newest, monotonic() - began)


def _failed(path: str, version: int, error: sqlite3.Error) -> StoreError:
    """Return the error for an upgrade that SQLite could not carry out."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    why = f"because of this: {reason(error, path)}"
    if code in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH):
        why = f"because it isn't as Natter leaves a store of version {version} ({error}): restore a backup"
    return StoreError(
        f"{path}: not upgraded from version {version} to {len(schema.MIGRATIONS)}, {why}; it is as it was before"
    )


def newer_version(path: Path, version: int) -> StoreError:
    """Return the error for a store of a version that only a newer Natter can read."""
    newest = len(schema.MIGRATIONS)
    remedy = "install that Natter again, or restore a backup"
    for copy in copies(str(path)):
        if copy.suffix.removeprefix(".before-v").isdigit() and 0 < _version(copy) <= newest:
            remedy = f"install that Natter again, or go back to {copy} from before the upgrade"
    return StoreError(
        f"{path}: the store has version {version}, of a newer Natter; this one reads versions up to {newest}: {remedy}"
    )


def copies(path: str) -> list[Path]:
    """The copies beside the store at `path`, with all that is left of unfinished ones."""
    store = Path(os.path.realpath(path))
    found = store.parent.glob(f"{glob.escape(store.name)}.before-v*")
    return sorted(file for file in found if NAME.fullmatch(file.name, len(store.name)))


class CopyRetention:
    """Counts how long the store at `path` has run without an error, and then removes its copies."""

    def __init__(self, path: str, connection: sqlite3.Connection, clock: Clock) -> None:
        self._path, self._connection, self._clock = path, connection, clock
        self._copies = copies(path)
        self._started = clock.monotonic()
        self._before = 0.0
        """Seconds without an error in earlier runs."""
        if self._copies:
            with suppress(sqlite3.Error):  # an error starts the count again
                row = connection.execute("SELECT value FROM meta WHERE key = ?", (COUNT,)).fetchone()
                self._before = float(row[0]) if row else 0.0
        self._next = self._started
        self._schedule(self._started)

    @property
    def done(self) -> bool:
        """Whether there is no copy, or none any more."""
        return not self._copies

    def due(self) -> float:
        """In how many seconds `step` has something to do."""
        return max(0.0, self._next - self._clock.monotonic())

    def step(self) -> None:
        """Save the count, or remove the copies if it is complete. sqlite3.Error if that fails."""
        now = self._clock.monotonic()
        if self._clean(now) < CLEAN_DAY:
            self.save()
            return
        try:
            self._remove()
        except OSError as error:
            log.error("%s: can't remove the copies from before the upgrade: %s", self._path, error)
            self._next = now + SAVE_INTERVAL

    def save(self) -> None:
        """Save the count. sqlite3.Error if that fails."""
        now = self._clock.monotonic()
        self._schedule(now)
        with transaction(self._connection):
            count = str(self._clean(now))
            self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (COUNT, count))

    def restart(self) -> None:
        """Count from the beginning, because there was an error."""
        self._before, self._started = 0.0, self._clock.monotonic()
        self._next = self._started  # what is saved is wrong now

    def _clean(self, now: float) -> float:
        return self._before + now - self._started

    def _schedule(self, now: float) -> None:
        self._next = now + min(SAVE_INTERVAL, CLEAN_DAY - self._clean(now))

    def _remove(self) -> None:
        for copy in self._copies:
            copy.unlink(missing_ok=True)
        copying.sync(self._copies[0].parent)
        names = ", ".join(copy.name for copy in self._copies)
        self._copies = []
        log.info("%s: removed %s, since the upgraded store has run for a day without an error", self._path, names)
        with transaction(self._connection):
            self._connection.execute("DELETE FROM meta WHERE key = ?", (COUNT,))


def _copy_aside(connection: sqlite3.Connection, path: str, version: int) -> Path:
    newest = len(schema.MIGRATIONS)
    copy = Path(f"{os.path.realpath(path)}.before-v{newest}")
    part = Path(f"{copy}-part")
    problem = f"{path}: not upgraded from version {version} to {newest}"
    size = _size(connection)
    system = os.statvfs(copy.parent)
    missing = SPACE * size - system.f_bavail * system.f_frsize
    if missing > 0:
        raise StoreError(
            f"{problem}, because that takes {SPACE} times its size: free {_mib(missing)} MiB in {copy.parent}"
        )
    log.info("%s: copying the store to %s before the upgrade", path, copy)
    try:
        copying.discard(part)  # a process that was killed may have left it
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        copying.copy(connection, part)
        copying.publish(part, copy)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"{problem}, because it can't be copied to {copy}: {reason(error)}") from None
    finally:
        copying.discard(part)
    log.warning(
        "%s: upgrading from version %d to %d, which rewrites %d MiB; %s has the store as it was, until it has run for "
        "a day without an error",
        path,
        version,
        newest,
        _mib(size),
        copy,
    )
    return copy


def _size(connection: sqlite3.Connection) -> int:
    """How many bytes a copy has, at most."""
    pages, unused, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - unused) * size)


def _mib(size: int) -> int:
    return -(-size // 2**20)


def _version(copy: Path) -> int:
    with copy.open("rb") as file:
        return int.from_bytes(file.read(VERSION.stop)[VERSION], "big")
