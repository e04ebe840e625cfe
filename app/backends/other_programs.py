"""Other programs that have the store open."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_READING = range(123, 128)
"""The bytes of the file with shared memory that SQLite locks while it reads."""


def reading(path: str) -> str:
    """Name the other programs that read the store at `path` now, as far as the system tells: `sqlite3 (process 12)`."""
    found = []
    with suppress(OSError, ValueError):
        inode = Path(f"{os.path.realpath(path)}-shm").stat().st_ino
        for line in Path("/proc/locks").read_text().splitlines():
            *_, process, file, first, _last = line.split()
            if int(file.rpartition(":")[2]) == inode and int(first) in _READING and int(process) != os.getpid():
                name = Path(f"/proc/{process}/comm").read_text().strip()
                found.append(f"{name} (process {process})")
    return ", ".join(dict.fromkeys(found))
