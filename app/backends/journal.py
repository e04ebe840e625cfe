"""The journal: what is acknowledged, on the disk before anyone hears of it.

A commit writes one record: the changes of one turn, with one `pwrite` and one `fdatasync`. SQLite gets the changes
later, many in one transaction, and without a sync of its own. After a crash, the records that SQLite has not applied
are replayed.

The records are in two files beside the store, `chat.db-log0` and `chat.db-log1`, one of which is written at a time.
Ahead of what is written, a file is filled with zeros, since a write inside of a file needs no update of its metadata:
that takes a sixth off a commit. Once all that is in the other file is applied and SQLite has synced it, writing goes on
at the start of that file, over what was there.

A file starts with a header that names the store's epoch, and the number of the last record that was in the store when
the file was begun: a store that lacks it is an older one. A record is its length (32 bits), its checksum (32 bits), its
number (64 bits), all little endian, and its payload. The numbers of records count up by one. The checksum includes the
number. Reading a file ends at the first record that isn't whole or doesn't have the next number: what comes after it is
older.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from zlib import crc32

from app.backends.copying import sync

MAGIC = b"natter1\n"
HEADER = struct.Struct("<8s16sQ")
RECORD = struct.Struct("<IIQ")
_NUMBER = struct.Struct("<II")
"""What comes before the number of a record."""
SIZE = 16 << 20
"""How many bytes a file has before writing goes on in the other one, if that is free."""
STEP = 1 << 18
"""How many bytes of zeros are written at once."""
AHEAD = 1 << 20
"""How far ahead of what is written there should be zeros. To fill the files at once would hold up commits."""
USED = 1 << 16
"""From how many bytes on the files are filled with zeros. Most stores that are opened for a moment never need that."""


class Journal:
    """The journal of the store at `path`, whose last record has the number `last`.

    `write` is for one thread at a time. Another thread may prepare and scrub the files meanwhile. The first write
    creates the files.
    """

    def __init__(self, path: str, epoch: str, last: int) -> None:
        self._paths, self._epoch = paths(path), epoch
        self.last = last
        """The number of the last record."""
        self.durable = last
        """Up to which number SQLite has applied everything and synced it."""
        self._files = [_File(), _File()]
        self._active = self._files[0]
        self._lock = Lock()

    def begin(self) -> None:
        """Create the first file, so that the journal is seen to be there before anything is in it. OSError if that
        fails."""
        with self._lock:
            if self._active.descriptor < 0:
                self._create(self._active)

    def write(self, payload: bytes) -> None:
        """Write one record and sync it. OSError if that fails: then there is none, and its number is used again."""
        with self._lock:
            number = self.last + 1
            if self._active.end + len(payload) > SIZE:
                self._change_files()
            file = self._active
            if file.descriptor < 0:
                self._create(file)
            record = RECORD.pack(len(payload), crc32(payload, number & 0xFFFFFFFF), number) + payload
            if os.pwrite(file.descriptor, record, file.end) < len(record):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fdatasync(file.descriptor)
            self.last = file.last = number
            file.end += len(record)

    def misplaced(self) -> list[str]:
        """Return the paths of its files that are no longer there, or are others now."""
        with self._lock:
            held = [(path, file.descriptor) for path, file in zip(self._paths, self._files, strict=True)]
            return [str(path) for path, descriptor in held if descriptor >= 0 and not _is_at(path, descriptor)]

    @property
    def wants_zeros(self) -> bool:
        """Whether `prepare` has something to do."""
        return self._next_to_fill() is not None

    @property
    def wants_checkpoint(self) -> bool:
        """Whether more of it should become durable, since its files fill up."""
        return self.durable < self.last and self._active.end > SIZE // 2

    def prepare(self) -> None:
        """Add some zeros ahead of what is written. OSError if that fails, which does no harm."""
        with self._lock:
            file = self._next_to_fill()
            if file is None:
                return
            if file.descriptor < 0:
                self._create(file)
            start = max(file.filled, file.end)
            os.pwrite(file.descriptor, bytes(STEP), start)
            file.filled = start + STEP
        os.fdatasync(file.descriptor)

    def scrub(self) -> bool:
        """Overwrite all records with zeros. False if some aren't durable yet; then some may be left. OSError if it
        fails."""
        with self._lock:
            former, other = self._active, self._other
            if other.last > self.durable:
                return False
            other.reserved = True
        try:
            self._clear(other)
            with self._lock:
                if former.last > self.durable:
                    return False
                self._active, former.reserved = other, True
            self._clear(former)
        finally:
            other.reserved = former.reserved = False
        return True

    def close(self, *, remove: bool) -> None:
        """Close the files. Remove them, if everything in them is durable."""
        for file in self._files:
            file.close()
        if remove:
            discard(self._paths)

    @property
    def _other(self) -> _File:
        """The file that isn't written at the moment."""
        return next(file for file in self._files if file is not self._active)

    def _next_to_fill(self) -> _File | None:
        """Return the file that lacks zeros: the one that is written or, once half of that is full, the other one."""
        end = self._active.end
        wanted = [(self._active, end + AHEAD)] if end > USED else []
        if end > SIZE // 2:
            wanted.append((self._other, AHEAD))
        for file, until in wanted:
            if file.filled < min(SIZE, until) and not file.reserved:
                return file
        return None

    def _change_files(self) -> None:
        other = self._other
        if other.last <= self.durable and not other.reserved:
            other.end = HEADER.size
            self._active = other

    def _clear(self, file: _File) -> None:
        if file.descriptor >= 0:
            os.pwrite(file.descriptor, HEADER.pack(MAGIC, self._epoch.encode(), self.durable), 0)
            file.clear()

    def _create(self, file: _File) -> None:
        """Create a file, and sync it with the folder: a file that no folder names is lost in a crash."""
        path = self._paths[self._files.index(file)]
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(descriptor, HEADER.pack(MAGIC, self._epoch.encode(), self.durable), 0)
            os.fsync(descriptor)
            sync(path.parent)
        except BaseException:
            os.close(descriptor)
            raise
        file.descriptor = descriptor


class _File:
    """One file of the journal."""

    __slots__ = ("descriptor", "end", "filled", "last", "reserved")

    def __init__(self) -> None:
        self.descriptor = -1
        self.end = HEADER.size
        """Where the next record goes."""
        self.filled = HEADER.size
        """Up to where it has bytes."""
        self.last = 0
        """The number of its last record."""
        self.reserved = False
        """Whether it is being scrubbed."""

    def clear(self) -> None:
        """Overwrite all records with zeros, and sync that."""
        size = os.fstat(self.descriptor).st_size
        for start in range(HEADER.size, size, STEP):
            os.pwrite(self.descriptor, bytes(min(STEP, size - start)), start)
        os.fdatasync(self.descriptor)
        self.end, self.filled = HEADER.size, max(self.filled, size)

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except OSError:
        return False


def paths(path: str) -> tuple[Path, Path]:
    """Return the files of the journal of the store at `path`."""
    store = os.path.realpath(path)
    return Path(f"{store}-log0"), Path(f"{store}-log1")


def records(path: str, epoch: str, after: int) -> Iterator[tuple[int, bytes]]:
    """Read the records of the store at `path` that come after a number, in order, without a gap: number and payload.
    Files of another epoch are left out. OSError if a file can't be read."""
    found = {number: payload for file in paths(path) for number, payload in _read(file, epoch)}
    while after + 1 in found:
        after += 1
        yield after, found[after]


def is_damaged(path: str, epoch: str, last: int) -> bool:
    """Whether there are records after number `last`, which `records` could not read up to: one before them is damaged
    or missing. A crash cuts off the last record at most. OSError if a file can't be read."""
    for file in paths(path):
        if any(number > last for number, _ in _read(file, epoch)):
            return True
        data = file.read_bytes() if file.exists() else b""
        if (header := _header(data)) and header[0] == epoch and header[1] > last:
            return True
        at = data.find(struct.pack("<Q", last + 2)) - _NUMBER.size
        if at >= HEADER.size and next(_records(data, at), None) is not None:
            return True
    return False


def belongs(path: str, epoch: str) -> bool:
    """Whether the store at `path` has a journal of this epoch beside it, with records or not. OSError if a file can't
    be read."""
    return any(_epoch(file) == epoch for file in paths(path))


def is_foreign(path: str, epoch: str) -> bool:
    """Whether the journal beside the store at `path` has records of another epoch. OSError if a file can't be read."""
    others = [file for file in paths(path) if _epoch(file) not in ("", epoch)]
    return any(next(_records(file.read_bytes(), HEADER.size), None) is not None for file in others)


def keep_aside(path: str) -> list[str]:
    """Rename the files of a journal, so that nothing reads or removes them. Return their new names."""
    return [file.rename(f"{file}.damaged").name for file in paths(path) if file.exists()]


def last_number(path: str, epoch: str) -> int:
    """Return the number of the last record of the store at `path`; 0 if there is none."""
    return max((number for file in paths(path) for number, _ in _read(file, epoch)), default=0)


def discard(files: tuple[Path, Path]) -> None:
    """Remove the files of a journal."""
    for file in files:
        file.unlink(missing_ok=True)


def _read(path: Path, epoch: str) -> Iterator[tuple[int, bytes]]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    if (header := _header(data)) and header[0] == epoch:
        yield from _records(data, HEADER.size)


def _epoch(path: Path) -> str:
    """The epoch that a file of the journal names; empty if there is no such file."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        header = _header(file.read(HEADER.size))
    return header[0] if header else ""


def _header(data: bytes) -> tuple[str, int] | None:
    """The epoch that the header in `data` names, and the number of the record that the store had before."""
    if len(data) < HEADER.size:
        return None
    magic, epoch, before = HEADER.unpack_from(data)
    return (epoch.rstrip(b"\0").decode("utf-8", "replace"), before) if magic == MAGIC else None


def _records(data: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """Read the records from `at` on, up to the first that isn't whole or doesn't have the next number."""
    expected = 0
    while at + RECORD.size <= len(data):
        size, checksum, number = RECORD.unpack_from(data, at)
        at += RECORD.size
        payload = data[at : at + size]
        whole = size and len(payload) == size and crc32(payload, number & 0xFFFFFFFF) == checksum
        if not whole or (expected and number != expected):
            return
        yield number, payload
        at, expected = at + size, number + 1
