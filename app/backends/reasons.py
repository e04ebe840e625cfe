"""Errors of SQLite and of the system, in words."""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import suppress

from app.backends import StoreError

_KNOWN = {
    "file is not a database": "the store is damaged, or not a store of Natter",
    "database disk image is malformed": "the store is damaged: restore a backup",
    "attempt to write a readonly database": "the store is read-only: make the file and its folder writable",
    "database is locked": "the store is in use by another process",
    "database or disk is full": "the disk is full (ENOSPC)",
}
_WORDS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota of disk space is used up",
    errno.EROFS: "the file system is read-only",
    errno.EIO: "the disk reports an error",
    errno.EFBIG: "files may not get this large",
    errno.EMFILE: "the process has too many open files: raise its limit (ulimit -n)",
    errno.ENFILE: "the system has too many open files",
    errno.EISDIR: "this is a folder: expected a file",
}
_OF_THE_SYSTEM = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_FULL)
"""SQLite's codes for what the system has refused, without a word about why."""
_PAGE = 4096


def reason(error: sqlite3.Error | OSError, path: str = "") -> str:
    """What went wrong, in one line, with the number of the system's error by its name; for SQLite's usual errors also
    what to do.

    SQLite doesn't tell that number. For an error with the store at `path`, it is found by trying the same beside it.
    """
    if isinstance(error, OSError):
        return _in_words(error.errno, path) if error.errno else str(error).lower()
    text, code = str(error), getattr(error, "sqlite_errorcode", 0) & 0xFF
    if path not in ("", ":memory:") and code in _OF_THE_SYSTEM and (number := _tried(os.path.realpath(path))):
        return _in_words(number, path)
    if code == sqlite3.SQLITE_IOERR:
        return f"{_WORDS[errno.EIO]} ({error.sqlite_errorname})"
    if text.startswith("Could not decode"):  # what follows is the text
        return "the store is damaged: a text in it isn't UTF-8"
    return _KNOWN.get(text, text)


def one_line(error: Exception, path: str = "") -> str:
    """What went wrong, in one line, for any exception. The line has nothing of what people wrote."""
    if isinstance(error, (sqlite3.Error, OSError)):
        return reason(error, path)
    if isinstance(error, StoreError):
        return str(error)
    return "the server is out of memory" if isinstance(error, MemoryError) else "the server's log has the details"


def _in_words(number: int, path: str) -> str:
    words = _WORDS.get(number, os.strerror(number).lower())
    if number == errno.ENOSPC and path and _lacks_inodes(path):
        words = "no inodes are left, so no file can be created"
    return f"{words} ({errno.errorcode.get(number, number)})"


def _lacks_inodes(path: str) -> bool:
    with suppress(OSError):
        system = os.statvfs(os.path.dirname(os.path.realpath(path)))  # noqa: PTH120
        return system.f_files > 0 and not system.f_favail
    return False


def _tried(path: str) -> int:
    """Write to a new file beside the one at `path`. Return the number of the error, or 0 if it works."""
    try:
        if os.path.isdir(path):  # noqa: PTH112
            return errno.EISDIR
        # Not the file itself: closing a descriptor of it would drop the locks that SQLite has on it.
        handle = os.open(f"{path}-try", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.unlink(f"{path}-try")  # noqa: PTH108
            if os.pwrite(handle, bytes(_PAGE), 0) < _PAGE:
                return errno.ENOSPC
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        return error.errno or 0
    return 0
