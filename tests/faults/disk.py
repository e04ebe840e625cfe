"""A folder as its disk may have it after a power loss.

A `Folder` is told what was done to its files, and when: at which entry of a recording a call began and ended. What a
finished `fsync` of a file covers is on the disk; of what came later, any part may be. The same goes for the names in
the folder, and an `fsync` of the folder. `image` builds one of the possible folders, as a random generator chooses.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

SECTOR = 512
"""Bytes that a disk writes as a whole."""
NEVER = float("inf")


@dataclass(slots=True)
class Write:
    """A write of `data` at `offset`. `durable` is the entry at which the `fsync` ended that covers it."""

    offset: int
    data: bytes
    began: int
    ended: int
    durable: float = NEVER

    def apply(self, content: bytearray, keeps: Callable[[], bool] | None = None, *, until: int | None = None) -> None:
        """Write to `content`: all of it, or the sectors that `keeps` chooses, or those before byte `until` of it."""
        if keeps is None and until is None:
            _put(content, self.offset, self.data)
            return
        start, end = 0, len(self.data) if until is None else until
        while start < end:
            stop = start + SECTOR - (self.offset + start) % SECTOR
            if keeps is None or keeps():
                _put(content, self.offset + start, self.data[start:stop])
            start = stop


@dataclass(slots=True)
class Truncate:
    """A change of a file's size. If not `shrinks`, it only lets the file grow."""

    size: int
    began: int
    ended: int
    shrinks: bool = True
    durable: float = NEVER

    def apply(self, content: bytearray, keeps: Callable[[], bool] | None = None, *, until: int | None = None) -> None:
        if until == 0 or (keeps is not None and not keeps()):
            return
        if self.shrinks:
            del content[self.size :]
        _put(content, self.size, b"")


@dataclass(slots=True)
class Rename:
    """A change of the names of a folder: `file` gets the name `to`, and loses the name `name`. A new file has no name
    before, a removed one none after."""

    file: File
    name: str
    to: str
    began: int
    ended: int
    durable: float = NEVER


Change = TypeVar("Change", Write | Truncate, Rename)


@dataclass(slots=True, eq=False)
class File:
    """What was done to a file. `base` is what it had on the disk before."""

    base: bytes = b""
    changes: list[Write | Truncate] = field(default_factory=list)
    _unsynced: list[Write | Truncate] = field(default_factory=list)

    def add(self, change: Write | Truncate, *, durable: bool = False) -> None:
        """Note a change. It is `durable` at once if the file was opened for that."""
        if durable:
            change.durable = change.ended
        else:
            self._unsynced.append(change)
        self.changes.append(change)

    def synced(self, began: int, ended: int) -> None:
        """Note an `fsync`. It covers what had ended when it began."""
        self._unsynced = _cover(self._unsynced, began, ended)

    def image(self, at: int, chance: random.Random, *, ignore_syncs: bool = False) -> bytes:
        """Return what the disk may have if the power goes out after entry `at`."""
        content = bytearray(self.base)
        changes = sorted((change for change in self.changes if change.began <= at), key=lambda change: change.began)
        pending = [change for change in changes if ignore_syncs or change.durable > at]
        mode = chance.choice(["all", "none", "prefix", "sectors"])
        whole, share = chance.randint(0, len(pending)), chance.random()
        number = 0
        for change in changes:
            if mode == "all" or not (ignore_syncs or change.durable > at):
                change.apply(content)
            elif mode == "sectors":
                change.apply(content, lambda: chance.random() < share)
            elif mode == "prefix":
                if number < whole:
                    change.apply(content)
                elif number == whole:
                    size = len(change.data) if isinstance(change, Write) else 0
                    change.apply(content, until=chance.randint(0, size // SECTOR) * SECTOR)
                number += 1
        return bytes(content)


class Folder:
    """The files of a folder. `files` has them as programs see them, by their names."""

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        self._base = {name: File(content) for name, content in contents.items()}
        self.files = dict(self._base)
        self._renames: list[Rename] = []
        self._unsynced: list[Rename] = []

    def create(self, name: str, began: int, ended: int) -> None:
        """Note a new file."""
        self.files[name] = File()
        self._note(Rename(self.files[name], "", name, began, ended))

    def rename(self, name: str, to: str, began: int, ended: int) -> None:
        """Note that a file was renamed."""
        self.files[to] = self.files.pop(name)
        self._note(Rename(self.files[to], name, to, began, ended))

    def remove(self, name: str, began: int, ended: int) -> None:
        """Note that a file was removed."""
        self._note(Rename(self.files.pop(name), name, "", began, ended))

    def synced(self, began: int, ended: int) -> None:
        """Note an `fsync` of the folder."""
        self._unsynced = _cover(self._unsynced, began, ended)

    def image(self, at: int, chance: random.Random, *, ignore_syncs: bool = False) -> dict[str, bytes]:
        """Return the files that the disk may have if the power goes out after entry `at`, by their names. With
        `ignore_syncs` it is as if no `fsync` of a file had done anything."""
        names = dict(self._base)
        share = chance.choice([0.0, 0.5, 1.0])
        for change in self._renames:
            if change.began <= at and (change.durable <= at or chance.random() < share):
                if names.get(change.name) is change.file:
                    del names[change.name]
                if change.to:
                    names[change.to] = change.file
        return {name: file.image(at, chance, ignore_syncs=ignore_syncs) for name, file in names.items()}

    def _note(self, change: Rename) -> None:
        self._renames.append(change)
        self._unsynced.append(change)


def _put(content: bytearray, offset: int, data: bytes) -> None:
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def _cover(unsynced: list[Change], began: int, ended: int) -> list[Change]:
    """Make durable what an `fsync` covers, and return the rest."""
    for change in unsynced:
        if change.ended < began:
            change.durable = min(change.durable, ended)
    return [change for change in unsynced if change.durable == NEVER]
