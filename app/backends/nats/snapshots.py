"""Snapshots: the copy of one node at a position of the log, from which others go on. Then the log before it can go.

A snapshot is a stream of its own, `natter-snapshot-1200` for the position 1200: chunks of a SQLite file, and a manifest
as the last message. Without a manifest that fits it isn't whole, and nobody takes it. It is made in this order, and may
end at any step:

1. The file is copied, and its chunks are stored, then the manifest.
2. Once it is known that the node has what most others have, the log is purged up to its position.
3. Snapshots of lower positions are deleted. So is what an earlier attempt has left.

Until 2 is done, a node can begin with the snapshot before, or with the beginning of the log.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import sqlite3
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from hashlib import blake2b
from pathlib import Path
from time import monotonic
from typing import BinaryIO

from msgspec import MsgspecError, Struct, json

from app.backends import StoreError, copying, schema
from app.backends.digest import START
from app.backends.nats import copies
from app.backends.nats.engine import Engine
from app.backends.nats.errors import EngineError, Purged, Rejected
from app.backends.nats.streams import EPOCH, NOT_FOUND
from app.backends.reasons import reason
from app.backends.statements.rows import connect_read_only

log = logging.getLogger("store")

MAKER = "natter.maker"
"""The key of the attempt's name in the metadata of a snapshot's stream."""
CHUNK = 500_000
"""How many bytes of the file a message has. A server takes messages of 1 MB."""
UNDER_WAY = 4
"""How many chunks are stored at the same time."""
PATIENCE = 20.0
"""Seconds that the servers may take to store a chunk."""
OVERHEAD = 1 << 20
"""How many bytes a stream may have in addition to its chunks."""
RETRY = 0.25
"""Seconds between two looks for what a server may not have yet."""


class Manifest(Struct, frozen=True):
    """The last message of a snapshot: what the others are. Fields are added at the end, with a default."""

    position: int
    epoch: str
    size: int
    hash: str
    """BLAKE2b of the file, in hexadecimal."""
    chunks: int
    schema: int
    """The version of the schema."""
    digest: str
    """That of the copy, in hexadecimal: see `app.backends.digest`."""
    level: int = 1
    """What a node has to know to go on from here."""
    maker: str = ""
    """Tells the attempts to make a snapshot apart, by chance."""


NO_MESSAGE = 10037
"""JetStream's code for a position that has no message."""

_encode = json.Encoder().encode
_decode = json.Decoder(Manifest).decode


class Snapshots:
    """The snapshots of the log that `engine` has. Use it in the engine's loop. `level` is what this Natter knows."""

    def __init__(self, engine: Engine, *, level: int = 1) -> None:
        self._engine, self._level = engine, level
        self._stream = engine.settings.stream

    async def make(self, path: str) -> Manifest:
        """Make a snapshot of the copy at `path`, which may be in use. EngineError if the servers don't take it now,
        StoreError if the file can't be copied. Then nothing of it stays, or it is deleted when another one is made."""
        connection = connect_read_only(path)
        copying_it = asyncio.ensure_future(asyncio.to_thread(_copy, connection, path))
        try:
            position, digest, size = await asyncio.shield(copying_it)
            return await self.store(copies.part_of(path), size, position, self._engine.epoch, digest)
        finally:
            with suppress(sqlite3.Error):
                connection.interrupt()
            with suppress(StoreError):
                await copying_it
            connection.close()
            await asyncio.to_thread(copying.discard, copies.part_of(path))

    async def store(self, file: Path, size: int, position: int, epoch: str, digest: str) -> Manifest:
        """Store a file of this size as the snapshot at a position. If there was an attempt before, it is replaced."""
        name, subject = self._name(position), f"{self._stream}.snapshot.{position}"
        maker = secrets.token_hex(8)
        config = {
            "name": name,
            "subjects": [subject],
            "retention": "limits",
            "storage": "file",
            "discard": "new",
            "num_replicas": self._engine.settings.replicas,
            "max_bytes": size + size // 100 + OVERHEAD,
            "allow_direct": True,
            "metadata": {EPOCH: epoch, MAKER: maker},
        }
        await self._delete(name)
        await self._engine.request(f"STREAM.CREATE.{name}", config)
        try:
            hash_, chunks = await self._put_all(name, subject, file)
            manifest = Manifest(
                position, epoch, size, hash_, chunks, len(schema.MIGRATIONS), digest, self._level, maker
            )
            await self._put(name, subject, _encode(manifest), chunks + 1)
            if await self._manifest(name) != manifest:
                raise EngineError(f"the snapshot {name} is not what was stored: another node makes one as well")
        except BaseException:
            await asyncio.shield(self._delete_own(name, maker))
            raise
        return manifest

    async def settle(self, manifest: Manifest) -> None:
        """Purge the log up to a snapshot that is right, and delete those before it. EngineError if the servers don't
        do all of that now, or the snapshot is gone; the rest is done with the next one."""
        if await self._manifest(self._name(manifest.position)) != manifest:
            raise EngineError(f"the snapshot at position {manifest.position} is gone: another node makes one as well")
        await self._engine.purge(manifest.position + 1)
        for position in await self.positions():
            if position < manifest.position:
                await self._delete(self._name(position))

    async def discard(self, manifest: Manifest) -> None:
        """Delete a snapshot that may be wrong."""
        await self._delete_own(self._name(manifest.position), manifest.maker)

    async def positions(self) -> list[int]:
        """Return the positions of all snapshots, whole or not, in ascending order."""
        prefix, found = f"{self._stream}-snapshot-", list[str]()
        while True:
            question = {"subject": f"{self._stream}.snapshot.>", "offset": len(found)}
            names = (await self._engine.request("STREAM.NAMES", question)).get("streams") or []
            found += names
            if not names:
                break
        numbers = [name.removeprefix(prefix) for name in found if name.startswith(prefix)]
        return sorted(int(number) for number in numbers if number.isdecimal())

    async def epoch_of(self, position: int) -> str:
        """Return the epoch of the log that a snapshot was made of, whether it is whole or not."""
        info = await self._engine.request(f"STREAM.INFO.{self._name(position)}")
        return str((info["config"].get("metadata") or {}).get(EPOCH, ""))

    async def usable(self, first: int) -> list[Manifest]:
        """Return the whole snapshots from which this node can go on in a log that begins at the position `first`, the
        lowest first: that is the one up to which the log was purged, so most nodes agreed with it. StoreError if only a
        newer Natter can use one of them."""
        found = []
        for position in await self.positions():
            manifest = await self._manifest(self._name(position))
            if manifest and manifest.epoch == self._engine.epoch and manifest.position >= first - 1:
                if manifest.schema > len(schema.MIGRATIONS) or manifest.level > self._level:
                    raise StoreError(
                        f"the snapshot at position {position} of the log {self._stream} is of a newer Natter: install "
                        "that one on this node"
                    )
                found.append(manifest)
        return found

    async def take(self, path: str, first: int) -> Manifest:
        """Fetch a snapshot for a log that begins at the position `first`, and put it in the place of the copy at
        `path`, which must not be open. StoreError if there is none that is whole, or it can't be written."""
        problem = "there is no whole snapshot"
        for manifest in await self.usable(first):
            try:
                await self._fetch(manifest, path)
            except (EngineError, Purged) as error:  # deleted meanwhile, perhaps, because there is a newer one
                problem = f"the snapshot at position {manifest.position} can't be read: {error}"
                continue
            await asyncio.to_thread(copies.install, path)
            log.info("%s: this node goes on from the snapshot at position %d", path, manifest.position)
            return manifest
        raise StoreError(
            f"the log {self._stream} begins at position {first}, and {problem}: start a node that has a copy, which "
            "makes one"
        )

    async def _fetch(self, manifest: Manifest, path: str) -> None:
        """Fetch a snapshot to the place from which it is installed."""
        try:
            if missing := copies.missing_room(path, manifest.size):
                size = -(-missing // 2**20)
                raise StoreError(f"{path}: the snapshot does not fit on the disk: free {size} MiB there")
            with copies.create_part(path) as file:
                hash_, size = blake2b(digest_size=32), 0
                async for chunk in self._chunks(manifest):
                    size += len(chunk)
                    hash_.update(chunk)
                    await asyncio.to_thread(file.write, chunk)
            if size != manifest.size or hash_.hexdigest() != manifest.hash:
                raise EngineError("its content is not what its manifest says")
            await asyncio.to_thread(copies.ready, path)
        except OSError as error:
            raise StoreError(f"{path}: {reason(error)}") from None
        finally:
            copying.discard(copies.part_of(path))

    async def _chunks(self, manifest: Manifest) -> AsyncIterator[bytes]:
        name, position = self._name(manifest.position), 1
        deadline = monotonic() + PATIENCE
        while position <= manifest.chunks:
            found = await self._engine.fetch(name, position)
            if found:
                deadline = monotonic() + PATIENCE
            elif monotonic() < deadline:
                await asyncio.sleep(RETRY)  # the server that answers may not have it yet
            else:
                raise EngineError(f"chunk {position} is missing")
            for number, chunk in found:
                if number <= manifest.chunks:
                    yield chunk
                position = number + 1

    async def _put_all(self, name: str, subject: str, path: Path) -> tuple[str, int]:
        """Store a file, and return its hash and the number of chunks."""
        hash_, chunks = blake2b(digest_size=32), 0
        with path.open("rb") as file:
            while group := await asyncio.to_thread(_read, file):
                for chunk in group:
                    hash_.update(chunk)
                async with _together() as tasks:
                    for number, chunk in enumerate(group, chunks + 1):
                        tasks.create_task(self._put(name, subject, chunk, number))
                chunks += len(group)
        return hash_.hexdigest(), chunks

    async def _put(self, name: str, subject: str, payload: bytes, number: int) -> None:
        stored = await self._engine.publish(name, subject, payload, patience=PATIENCE)
        if stored != number:
            raise EngineError(f"the snapshot {name} is out of order")

    async def _manifest(self, name: str) -> Manifest | None:
        """Return the manifest of a whole snapshot, or None."""
        try:
            state = (await self._engine.request(f"STREAM.INFO.{name}"))["state"]
            if not (last := state["last_seq"]) or state["messages"] != last:
                return None
            message = (await self._engine.request(f"STREAM.MSG.GET.{name}", {"seq": last}))["message"]
            manifest = _decode(b64decode(message["data"]))
        except MsgspecError:
            return None
        except Rejected as error:
            if error.code in (NOT_FOUND, NO_MESSAGE):
                return None
            raise
        return manifest if manifest.chunks == last - 1 else None

    async def _delete(self, name: str) -> None:
        try:
            await self._engine.request(f"STREAM.DELETE.{name}")
        except Rejected as error:
            if error.code != NOT_FOUND:
                raise

    async def _delete_own(self, name: str, maker: str) -> None:
        """Delete what is left of an attempt, unless another node has made the snapshot meanwhile."""
        try:
            info = await self._engine.request(f"STREAM.INFO.{name}")
            if (info["config"].get("metadata") or {}).get(MAKER) == maker:
                await self._delete(name)
        except EngineError as error:
            log.warning("The unfinished snapshot %s stays until the next one is made: %s", name, error)

    def _name(self, position: int) -> str:
        return f"{self._stream}-snapshot-{position}"


@asynccontextmanager
async def _together() -> AsyncIterator[asyncio.TaskGroup]:
    """A group of tasks whose first EngineError is raised as such."""
    try:
        async with asyncio.TaskGroup() as tasks:
            yield tasks
    except BaseExceptionGroup as group:
        errors = group.subgroup(EngineError)
        raise (errors.exceptions[0] if errors else group) from None


def _copy(connection: sqlite3.Connection, path: str) -> tuple[int, str, int]:
    """Copy a copy, and return how far it is in the log, its digest, and its size."""
    part = copies.part_of(path)
    try:
        copies.create_part(path).close()
        position = copying.copy_for_nodes(connection, part)
        with closing(sqlite3.connect(part)) as made:
            row = made.execute("SELECT value FROM meta WHERE key = 'digest'").fetchone()
        return position, row[0] if row else START.hex(), part.stat().st_size
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"{path}: the store can't be copied for a snapshot: {reason(error, path)}") from None


def _read(file: BinaryIO) -> list[bytes]:
    """The next chunks of a file, as many as are stored together."""
    chunks = (file.read(CHUNK) for _ in range(UNDER_WAY))
    return [chunk for chunk in chunks if chunk]
