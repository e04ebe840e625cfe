"""A node's copy of the log, as a file: how far it is, and how another one takes its place.

The log has everything that a copy has, or begins with a snapshot that has it. So a copy can be dropped at any time. It
is replaced in steps, each of which can be the last one before a crash: `finish` does the rest at the next start.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from app.backends import copying
from app.backends.locking import lock, unlock
from app.backends.search import index_path
from app.backends.statements.rows import connect_read_only, counter

DROPPED = ".dropped"
"""What a copy that is being removed has after its name."""
SNAPSHOT = ".snapshot"
"""What a whole snapshot that is to take the place of a copy has after the copy's name."""
PART = ".snapshot-part"
"""What a snapshot has after the copy's name while it is fetched, or made."""
RESERVE = 32 << 20
"""How many bytes stay free on a disk that gets a snapshot."""


class Found(Struct, frozen=True):
    """What is in the place of a copy."""

    epoch: str
    applied: int
    """How far in its log or journal it is."""
    is_copy: bool
    """Whether it is a copy of a log, and not a store of its own."""
    is_new: bool
    """Whether nothing was ever written to it."""


def look(path: str) -> Found | None:
    """Return what the store at `path` is, or None if there is none. sqlite3.Error if it can't be read."""
    if not Path(path).exists() or not Path(path).stat().st_size:
        return None
    with closing(connect_read_only(path)) as connection:
        with suppress(sqlite3.OperationalError):  # an older Natter had no counters
            meta = dict(connection.execute("SELECT key, value FROM meta"))
            applied, last = counter(connection, "applied"), counter(connection, "pos") + counter(connection, "user")
            return Found(meta.get("epoch", ""), applied, copying.COPY in meta, is_new=not applied and not last)
        return Found("", 0, is_copy=False, is_new=False)


def part_of(path: str) -> Path:
    """Where a snapshot for the copy at `path`, or of it, is written."""
    return Path(f"{_resolved(path)}{PART}")


def create_part(path: str) -> BinaryIO:
    """Begin to write there, in a file that only its owner can read."""
    part = part_of(path)
    copying.discard(part)
    return os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")


def missing_room(path: str, size: int) -> int:
    """Return how many bytes are missing on the disk of a copy for a file of this size."""
    system = os.statvfs(_resolved(path).parent)
    return max(0, size + RESERVE - system.f_bavail * system.f_frsize)


def ready(path: str) -> None:
    """Make what was written the whole snapshot that `install` takes."""
    copying.publish(part_of(path), Path(f"{_resolved(path)}{SNAPSHOT}"))


def finish(path: str) -> None:
    """Complete what a crash has interrupted, before the store at `path` is opened."""
    store = _resolved(path)
    copying.discard(part_of(path))
    if (diverged := Path(f"{store}{copying.DIVERGED}")).exists():
        drop(path)
        diverged.unlink()
    dropped, snapshot = Path(f"{store}{DROPPED}"), Path(f"{store}{SNAPSHOT}")
    if dropped.exists():
        _remove(store, dropped)
    if snapshot.exists():
        install(path)


def install(path: str) -> None:
    """Have the whole snapshot beside the copy at `path` take its place."""
    drop(path)
    store = _resolved(path)
    copying.publish(Path(f"{store}{SNAPSHOT}"), store)


def drop(path: str) -> None:
    """Remove the copy at `path`, which must not be open, with all that is beside it. InUse if another process has it
    open."""
    store = _resolved(path)
    if not store.exists():
        return
    held = lock(path)
    try:
        dropped = Path(f"{store}{DROPPED}")
        store.rename(dropped)
        copying.sync(store.parent)
        _remove(store, dropped)
    finally:
        unlock(held)


def doom(path: str) -> None:
    """Have `finish` drop the copy at `path`, which may be open, before it is opened the next time."""
    store = _resolved(path)
    Path(f"{store}{copying.DIVERGED}").touch()
    copying.sync(store.parent)


def _remove(store: Path, dropped: Path) -> None:
    """Remove what is beside a copy, and then the copy. In this order SQLite never finds the WAL of another file."""
    for file in (str(store), index_path(str(store))):
        for ending in ("-wal", "-shm", "-journal"):
            Path(f"{file}{ending}").unlink(missing_ok=True)
    Path(index_path(str(store))).unlink(missing_ok=True)
    copying.sync(store.parent)
    dropped.unlink()


def _resolved(path: str) -> Path:
    return Path(os.path.realpath(path))
