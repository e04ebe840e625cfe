"""Backing up: a copy of the store's file."""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.backends import copying
from app.backends.archive.lines import ArchiveError
from app.backends.archive.reading import open_to_read
from app.backends.reasons import reason


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
    part = copy.absolute().parent / f".{copy.name[:100]}-{secrets.token_hex(8)}"
    try:  # from before the file exists, since a signal may raise anywhere
        _create(part, copy)
        yield part
        copying.publish(part, copy)
    finally:
        copying.discard(part)


def _create(part: Path, copy: Path) -> None:
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise ArchiveError(f"{copy}: {reason(error)}: choose a new file in a folder that you can write to") from None
