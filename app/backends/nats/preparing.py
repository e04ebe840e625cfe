"""What a node does before it opens its copy: it begins the log if there is none, and fetches a snapshot if it has to.

A store that was embedded becomes the beginning of a new log: its content is the first snapshot, and the log goes on
from there. Its epoch stays, so clients continue where they were.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import sqlite3
from contextlib import closing
from time import monotonic

from app.backends import StoreError, copying
from app.backends.digest import START
from app.backends.nats import copies
from app.backends.nats.copies import Found
from app.backends.nats.engine import Engine
from app.backends.nats.errors import EngineError, Rejected
from app.backends.nats.snapshots import Snapshots
from app.backends.nats.streams import NOT_FOUND
from app.backends.reasons import reason
from app.backends.statements.rows import transaction
from app.backends.storefile import StoreFile

log = logging.getLogger("store")

PATIENCE = 15.0
"""Seconds that another node may take to begin the log, once it has stored the first snapshot."""
RETRY = 0.25
"""Seconds between two looks for the log."""
FAR = 100_000
"""From so many positions on, a snapshot is fetched rather than apply them one by one."""


async def found_log(engine: Engine, path: str) -> tuple[str, int]:
    """Return the epoch and the first position of a log that is to be created, since there is none. If there is a store
    at `path` that was embedded so far, the log begins with what it has.

    StoreError if that must not be: this node has a copy of a log that was lost, or others may have one.
    """
    stream, snapshots = engine.settings.stream, Snapshots(engine)
    found = await asyncio.to_thread(_look, path)
    if found and found.is_copy:
        raise StoreError(
            f"{path}: this is a node's copy of a log, but the servers have no stream {stream}: restore their files; "
            "or, to begin a new log with this copy, run `natter backup FILE` and put that file in its place"
        )
    if found is None or found.is_new:
        positions = await snapshots.positions()
        if positions and not await _appears(engine):
            raise StoreError(
                f"chat.nats.stream: the servers have the snapshot {stream}-snapshot-{positions[-1]}, but no stream "
                f"{stream}: start the node first that has the store, or delete the snapshot to begin with nothing"
            )
        return secrets.token_hex(8), 1
    for position in await snapshots.positions():  # of an attempt that was interrupted, unless they are of another log
        if await snapshots.epoch_of(position) != found.epoch:
            raise StoreError(
                f"chat.nats.stream: the servers have the snapshot {stream}-snapshot-{position} of another history: "
                "choose another name, or delete the snapshot"
            )
    try:
        position, epoch, size = await asyncio.to_thread(_copy_own, path)
        log.info("%s: this store becomes the beginning of the log %s", path, stream)
        await snapshots.store(copies.part_of(path), size, position, epoch, START.hex())
    except EngineError as error:
        raise StoreError(f"chat.nats: {error}") from None
    finally:
        await asyncio.to_thread(copying.discard, copies.part_of(path))
    return epoch, position + 1


async def prepare(engine: Engine, path: str, *, level: int = 1) -> None:
    """See to it that this node can go on in the log from the copy at `path`, or from nothing if there is none. Call it
    once the engine is open, and before the copy is. StoreError if that is not possible."""
    try:
        first, last = await engine.bounds()
        found = await asyncio.to_thread(_look, path)
        snapshots = Snapshots(engine, level=level)
        if found and found.epoch != engine.epoch:
            if not found.is_new:
                raise _foreign(path, engine, found)
            await asyncio.to_thread(copies.drop, path)
            found = None
        if found and not found.is_copy:
            usable = {manifest.position for manifest in await snapshots.usable(first)}
            if first - 1 != _position(found) or _position(found) not in usable:
                raise _foreign(path, engine, found)
            await asyncio.to_thread(_adopt, path)
            return
        applied = found.applied if found else 0
        far = last - applied >= FAR and any(one.position >= applied + FAR for one in await snapshots.usable(first))
        if applied + 1 < first or far:
            await snapshots.take(path, first)
    except EngineError as error:
        raise StoreError(f"chat.nats: {error}") from None
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"{path}: {reason(error, path)}") from None


async def _appears(engine: Engine) -> bool:
    """Wait until there is a log, which another node may be about to begin with its store. False if none appears."""
    deadline = monotonic() + PATIENCE
    while monotonic() < deadline:
        try:
            await engine.bounds()
        except Rejected as error:
            if error.code != NOT_FOUND:
                raise
            await asyncio.sleep(RETRY)
        else:
            return True
    return False


def _look(path: str) -> Found | None:
    copies.finish(path)
    try:
        return copies.look(path)
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {reason(error, path)}") from None


def _foreign(path: str, engine: Engine, found: Found) -> StoreError:
    stream = engine.settings.stream
    if found.is_copy:
        return StoreError(
            f"{path}: this is a copy of another log than {stream} on the servers: move it away, and this node makes a "
            "new one, or choose another stream"
        )
    return StoreError(
        f"{path}: this store has messages of its own, and the servers have the log {stream} already: move the file "
        "away to join the others, or choose another stream to begin one with it"
    )


def _position(found: Found) -> int:
    """The position of the log at which a store of its own is its beginning: 1 at least, since nobody may take the log
    for one that begins with nothing."""
    return max(found.applied, 1)


def _copy_own(path: str) -> tuple[int, str, int]:
    """Copy a store of its own as the snapshot that a log begins with. Return its position, its epoch and its size."""
    file = StoreFile(path)
    try:
        with closing(file.open()) as connection:  # upgraded, and with what its journal has
            part = copies.part_of(path)
            copies.create_part(path).close()
            position = max(copying.copy_for_nodes(connection, part), 1)
            with closing(sqlite3.connect(part)) as made, made:
                _mark(made, position)
            return position, file.epoch, part.stat().st_size
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"{path}: the store can't be copied for the log: {reason(error, path)}") from None
    finally:
        file.release()


def _adopt(path: str) -> None:
    """Make a copy of the log of the store that it began with."""
    file = StoreFile(path)
    try:
        with closing(file.open()) as connection, transaction(connection):
            (applied,) = connection.execute("SELECT value FROM counters WHERE name = 'applied'").fetchone()
            _mark(connection, max(applied, 1))
    finally:
        file.release()


def _mark(connection: sqlite3.Connection, position: int) -> None:
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, '')", (copying.COPY,))
    connection.execute("UPDATE counters SET value = ? WHERE name = 'applied'", (position,))
