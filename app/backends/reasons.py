"""Errors of SQLite and of the system, in words."""

from __future__ import annotations

import errno
import sqlite3

_KNOWN = {
    "file is not a database": "the store is damaged, or not a store of Natter",
    "database disk image is malformed": "the store is damaged: restore a backup",
    "attempt to write a readonly database": "the store is read-only: make the file and its folder writable",
    "unable to open database file": "this can't be opened: expected a file, or a folder that one can be created in",
    "database is locked": "the store is in use by another process",
    "database or disk is full": "the disk is full",
}


def reason(error: sqlite3.Error | OSError) -> str:
    """What went wrong, in one line; for SQLite's usual errors also what to do."""
    if isinstance(error, OSError):
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return _KNOWN["database or disk is full"]
        return (error.strerror or str(error)).lower()
    text = str(error)
    return _KNOWN.get(text, text)
