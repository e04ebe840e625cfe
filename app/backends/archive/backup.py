"""Backing up: a copy of the store's file."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from app.backends import copying
from app.backends.archive.lines import ArchiveError
from app.backends.archive.reading import open_to_read
from app.backends.locking import release
from app.backends.reasons import reason

UNFINISHED = ".natter-backup-"
"""What the name of a backup begins with until it is done. Who makes it holds a lock on it."""
NAME = re.compile(re.escape(UNFINISHED) + "[0-9a-f]{16}")


def back_up(path: str, copy: Path) -> None:
    """Copy the store at `path` to the new file `copy`, as a snapshot; a server may have the store open.

    The copy is on the disk once this returns. It is readable by its owner only, and is a history of its own: the first
    server that opens it gives it an epoch. ArchiveError if the file exists, or if it
    can't be made, which leaves nothing behind.
    """
    for ending in ("", "-wal", "-journal", "-log0", "-log1"):  # these would be taken for the copy's own
        file = Path(f"{copy}{ending}")
        if os.path.lexists(file):
            raise ArchiveError(f"{file}: this file exists already: choose the name of a new file")
    with open_to_read(path) as connection, _new_file(copy) as part:
        try:
            copying.copy(connection, part)
        except sqlite3.Error as error:
            raise ArchiveError(f"{copy}: can't copy the store: {reason(error)}") from None


@contextmanager
def _new_file(copy: Path) -> Iterator[Path]:
    """Make an empty file that only its owner can read. It becomes `copy` at the end of the block, or is removed if the
    block fails."""
    folder = copy.absolute().parent
    _remove_unfinished(folder)
    part, held = folder / f"{UNFINISHED}{secrets.token_hex(8)}", None
    try:  # from before the file exists, since a signal may raise anywhere
        held = _create(part, copy)
        yield part
        copying.publish(part, copy)
    finally:
        copying.discard(part)
        if held is not None:
            release(held)


def _create(part: Path, copy: Path) -> int:
    """Create a file, and hold it as long as the descriptor that is returned is open."""
    try:
        while True:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if part.exists():
                return descriptor
            release(descriptor)  # another backup took it for an unfinished one
    except OSError as error:
        raise ArchiveError(f"{copy}: {reason(error)}: choose a new file in a folder that you can write to") from None


def _remove_unfinished(folder: Path) -> None:
    """Remove what backups that were killed have left in a folder."""
    for file in folder.glob(f"{UNFINISHED}*"):
        if not NAME.fullmatch(file.name):
            continue
        with suppress(OSError):  # it is another user's, or a backup is under way
            descriptor = os.open(file, os.O_WRONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                copying.discard(file)
            finally:
                release(descriptor)
