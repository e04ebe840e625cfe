"""Holding a store's file: one process at a time, whatever name it knows the file by.

The lock is on the file itself, not on another one beside it, which could be removed or lie in another container.
"""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import suppress
from pathlib import Path
from threading import Lock

from app.backends import StoreError
from app.backends.reasons import reason

MOUNTS = Path("/proc/self/mountinfo")
"""Where Linux lists what is mounted. The fifth word of a line is where."""
OLDER = "-lock"
"""What an older Natter locked had this after the store's name."""

_held: set[tuple[int, int]] = set()
"""The files that this process holds. Another descriptor of them must not be closed: with it, all locks that SQLite has
on the file would go."""
_guard = Lock()


class InUse(StoreError):
    """Another process has the store open."""


def lock(path: str) -> int:
    """Open the store at `path` and lock it until `unlock`. Return its descriptor. OSError if the file can't be opened,
    InUse if another process, or another object of this one, has it open."""
    remedy = "stop that one, or choose another file in chat.store"
    in_use = InUse(f"{path}: the store is in use by another process: {remedy}")
    with _guard:
        identity = _identity(Path(path).stat())
        if identity in _held:
            raise in_use
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _lock_as_before(path)
        except BlockingIOError:
            release(descriptor)
            raise in_use from None
        except BaseException:
            release(descriptor)
            raise
        _held.add(_identity(os.fstat(descriptor)))
        return descriptor


def unlock(descriptor: int) -> None:
    """Close what `lock` opened, and end the lock."""
    with _guard:
        _held.discard(_identity(os.fstat(descriptor)))
        release(descriptor)


def release(descriptor: int) -> None:
    """Close a file that this process has locked with `flock`, and end the lock. Closing it alone would not do: a
    program that is being started has every descriptor of this process for a moment, and the lock with it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def check_mount(path: str) -> None:
    """StoreError if the file at `path` is mounted by itself: its journal would be left behind in the folder that is not
    mounted, with what was acknowledged last."""
    store = os.path.realpath(path)
    places: list[str] = []
    with suppress(OSError):
        places = [line.split(" ")[4] for line in MOUNTS.read_text("utf-8", "surrogateescape").splitlines()]
    if store in (re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), place) for place in places):
        raise StoreError(
            f"{path}: this file is mounted by itself, so what is acknowledged last would stay outside of the mount: "
            "mount its folder"
        )


def check_folder(path: str) -> None:
    """StoreError if no file can be created beside the store at `path`."""
    folder = Path(os.path.realpath(path)).parent
    try:
        folder.stat()
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise StoreError(f"{path}: {reason(error)}: choose a folder that you can write to") from None


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _lock_as_before(path: str) -> None:
    """Remove the lock of an older Natter. BlockingIOError if one has the store open."""
    older = f"{os.path.realpath(path)}{OLDER}"
    with suppress(FileNotFoundError):
        descriptor = os.open(older, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(older)  # noqa: PTH108
        finally:
            release(descriptor)
