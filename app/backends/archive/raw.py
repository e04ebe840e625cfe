"""Reading the pages of a SQLite file without SQLite, as far as they are sound.

A page that is damaged cuts off all that is below it in its tree. What can be read of it is read, and the pages that no
tree leads to any more are found by looking at each page of the file. See https://www.sqlite.org/fileformat2.html.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from mmap import ACCESS_READ, mmap
from os import SEEK_END
from pathlib import Path
from typing import Any

INNER_INDEX, INNER_TABLE, LEAF_INDEX, LEAF_TABLE = 2, 5, 10, 13
KINDS = (INNER_INDEX, INNER_TABLE, LEAF_INDEX, LEAF_TABLE)
FILE_HEADER = 100
PAGE_SIZES = tuple(512 << power for power in range(8))
DEFAULT_SIZE = 4096
WAL_HEADER, FRAME_HEADER = struct.Struct(">4I8s"), struct.Struct(">II8s")
FRAME = 24
WAL_MAGIC = (0x377F0682, 0x377F0683)
MAX_DEPTH = 40
"""No tree is deeper."""
INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
"""How many bytes an integer has, by its type."""

Row = tuple[int, list[Any]]
"""The number of a row, 0 in an index, and its columns. A text is bytes."""


class Unsound(Exception):
    """This can't be read."""


class File:
    """The pages of the SQLite file at `path`, the newest ones from its WAL."""

    def __init__(self, path: str) -> None:
        self._data, self._wal = _mapped(Path(path)), _mapped(Path(f"{path}-wal"))
        (size,) = struct.unpack_from(">H", self._data, 16) if len(self._data) > FILE_HEADER else (0,)
        self.size = 1 << 16 if size == 1 else size if size in PAGE_SIZES else DEFAULT_SIZE
        self.unsound = 0
        """How many pages and rows of trees could not be read so far."""
        self._newer = self._read_wal()
        """Where in the WAL the newer pages begin, by their numbers."""
        self.count = max([len(self._data) // self.size, *self._newer])

    def page(self, number: int) -> bytes:
        """Return a page. Unsound if the file has none of that number."""
        if (start := self._newer.get(number)) is not None:
            return self._wal[start : start + self.size]
        data = self._data[(number - 1) * self.size : number * self.size]
        if number < 1 or len(data) < self.size:
            raise Unsound
        return data

    def _read_wal(self) -> dict[int, int]:
        """Where the pages in the WAL begin, up to the last commit."""
        data = self._wal
        if len(data) < WAL_HEADER.size + 8:
            return {}
        magic, _, size, _, salts = WAL_HEADER.unpack_from(data)
        if magic not in WAL_MAGIC or size not in PAGE_SIZES:
            return {}
        self.size = size
        committed: dict[int, int] = {}
        pending: dict[int, int] = {}
        for start in range(32, len(data) - FRAME - size + 1, FRAME + size):
            number, commit, own_salts = FRAME_HEADER.unpack_from(data, start)
            if own_salts != salts:
                break
            pending[number] = start + FRAME
            if commit:
                committed.update(pending)
                pending.clear()
        return committed

    def rows(self, root: int, seen: bytearray) -> Iterator[Row]:
        """Read a tree from its root, as far as it is sound. Note in `seen` which pages it has, by their numbers."""
        below = [(root, 0)]
        while below:
            number, depth = below.pop()
            if not 0 < number < len(seen) or seen[number] or depth > MAX_DEPTH:
                self.unsound += 1
                continue
            seen[number] = 1
            self.unsound += self.kind(number) not in KINDS
            yield from self.rows_of(number)
            below += [(child, depth + 1) for child in reversed(self._children(number))]

    def kind(self, number: int) -> int:
        """The kind of a page, 0 if it can't be read."""
        try:
            return self.page(number)[FILE_HEADER if number == 1 else 0]
        except Unsound:
            return 0

    def rows_of(self, number: int) -> Iterator[Row]:
        """Read the rows in a page, those that can be read."""
        kind = self.kind(number)
        if kind in (LEAF_TABLE, LEAF_INDEX, INNER_INDEX):
            page = self.page(number)
            for cell in _cells(number, page):
                try:
                    yield self._row(page, cell + 4 * (kind == INNER_INDEX), kind == LEAF_TABLE)
                except (Unsound, IndexError, struct.error):
                    self.unsound += 1

    def _children(self, number: int) -> list[int]:
        if self.kind(number) not in (INNER_INDEX, INNER_TABLE):
            return []
        page = self.page(number)
        at = [*_cells(number, page), (FILE_HEADER if number == 1 else 0) + 8]
        return [struct.unpack_from(">I", page, cell)[0] for cell in at if cell + 4 <= len(page)]

    def _row(self, page: bytes, at: int, is_table: bool) -> Row:  # noqa: FBT001
        length, at = _varint(page, at)
        number, at = _varint(page, at) if is_table else (0, at)
        least = (self.size - 12) * 32 // 255 - 23
        most = self.size - 35 if is_table else (self.size - 12) * 64 // 255 - 23
        here = length
        if length > most:
            here = least + (length - least) % (self.size - 4)
            here = here if here <= most else least
        if length > len(self._data) + len(self._newer) * self.size or at + here > len(page):
            raise Unsound
        payload = page[at : at + here]
        if here < length:
            (follower,) = struct.unpack_from(">I", page, at + here)
            payload += self._overflow(follower, length - here)
        return number, _columns(payload)

    def _overflow(self, number: int, missing: int) -> bytes:
        parts = []
        while missing > 0:
            page = self.page(number)
            (number,) = struct.unpack_from(">I", page)
            parts.append(page[4 : 4 + missing])
            missing -= len(parts[-1])
        return b"".join(parts)


def _mapped(path: Path) -> bytes | mmap:
    """The content of a file, which needn't fit into memory. A file that is missing is empty."""
    try:
        with path.open("rb") as file:
            return mmap(file.fileno(), 0, access=ACCESS_READ) if file.seek(0, SEEK_END) else b""
    except FileNotFoundError:
        return b""


def _cells(number: int, page: bytes) -> list[int]:
    """Where the cells of a page are. A page whose head is damaged may say too many."""
    start = FILE_HEADER if number == 1 else 0
    (count,) = struct.unpack_from(">H", page, start + 3)
    first = start + (12 if page[start] in (INNER_INDEX, INNER_TABLE) else 8)
    count = min(count, (len(page) - first) // 2)
    return [cell for (cell,) in struct.iter_unpack(">H", page[first : first + 2 * count]) if first < cell < len(page)]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(9):
        byte = data[at + place]
        if place == 8:
            return value << 8 | byte, at + 9
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + place + 1
    raise Unsound


def _columns(payload: bytes) -> list[Any]:
    """The columns of a record. Texts stay bytes, since they may not be UTF-8."""
    end, at = _varint(payload, 0)
    types = []
    while at < end:
        kind, at = _varint(payload, at)
        types.append(kind)
    if at != end:
        raise Unsound
    values: list[Any] = []
    for kind in types:
        size = INTEGERS.get(kind, 8 if kind == 7 else (kind - 12) // 2 if kind >= 12 else 0)
        part = payload[at : at + size]
        if len(part) < size or kind in (10, 11):
            raise Unsound
        if kind in INTEGERS:
            values.append(int.from_bytes(part, "big", signed=True))
        elif kind >= 12:
            values.append(Text(part) if kind % 2 else part)
        else:
            values.append({0: None, 8: 0, 9: 1}.get(kind, 0.0))
        at += size
    if at != len(payload):
        raise Unsound
    return values


class Text(bytes):
    """A text of a record, which may not be UTF-8."""
