"""Whether the files of an open store are still in their places. A server keeps writing to a file that was deleted or
moved, and nobody would find there what it acknowledges."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path
from threading import Lock
from time import monotonic

from app.backends.journal import Journal
from app.backends.outage import Outage, Source
from app.backends.reasons import reason

log = logging.getLogger("store")

INTERVAL = 1.0
"""How many seconds lie between two looks, at most."""
RESCUED = ".saved"
"""What a server has of a store that was deleted gets this after its name when it ends."""


class Places:
    """Looks for the files of the store at `path`, whose descriptor is `file`. Any thread may call `look`."""

    def __init__(self, path: str, file: int, journal: Journal) -> None:
        self._path, self._file, self._journal = path, file, journal
        self._store = os.path.realpath(path)
        self._wal = _identity(f"{self._store}-wal")
        self._problem, self._looked = "", 0.0
        self._names = os.fstat(file).st_nlink
        self._lock = Lock()

    @property
    def problem(self) -> str:
        """Why nothing may be written, in words for clients, as of the last look; empty if all is well."""
        return self._problem

    def due(self) -> float:
        """In how many seconds `look` is due."""
        return max(0.0, self._looked + INTERVAL - monotonic())

    def look(self, outage: Outage) -> bool:
        """Look whether all files are there, and tell `outage`. Return whether something began to be missing."""
        with self._lock:
            self._looked = monotonic()
            problem, remedy = self._look()
            if problem:
                outage.fail(Source.FILE, problem, logged=True)
            elif outage.causes:
                outage.recover(Source.FILE)
            if problem == self._problem:
                return False
            self._problem = problem
            if problem:
                log.error("%s: nothing is written any more: %s: %s", self._path, problem, remedy)
            else:
                log.warning("%s: the store is in its place again: writing goes on", self._path)
            return bool(problem)

    def rescue(self) -> None:
        """Before the store is closed: if it was deleted, copy what it has. Call this once all is in the file."""
        if os.fstat(self._file).st_nlink:
            return
        copy = f"{self._store}{RESCUED}"
        try:
            os.lseek(self._file, 0, os.SEEK_SET)
            written = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with open(written, "wb") as target, open(self._file, "rb", closefd=False) as source:  # noqa: PTH123
                shutil.copyfileobj(source, target)
                target.flush()
                os.fsync(written)
        except OSError as error:
            log.error("%s: it was deleted, and %s could not be written: %s", self._path, copy, reason(error))
        else:
            log.error("%s: it was deleted; what it had is in %s", self._path, copy)

    def _look(self) -> tuple[str, str]:
        """What is wrong, in words for clients, and what to do about it."""
        held = os.fstat(self._file)
        found = _identity(self._store)
        if found != (held.st_dev, held.st_ino):
            if found:
                return "another file is in the place of the store", f"put {self._name()} back, or restart the server"
            if held.st_nlink:
                return "the store was moved", f"put {self._name()} back"
            return "the store was deleted", f"stop the server: it then saves what it has as {self._store}{RESCUED}"
        self._count_names(held.st_nlink)
        for file in (*self._journal.misplaced(), *([f"{self._store}-wal"] if self._is_wal_gone() else [])):
            name = os.path.basename(file)  # noqa: PTH119
            return "a file beside the store was deleted", f"{name} is missing: restart the server, nothing is lost then"
        return "", ""

    def _name(self) -> str:
        return os.path.basename(self._store)  # noqa: PTH119

    def _is_wal_gone(self) -> bool:
        return self._wal is not None and _identity(f"{self._store}-wal") != self._wal

    def _count_names(self, names: int) -> None:
        if names > max(1, self._names):
            text = "%s: this file has got another name (a hard link): its journal is found by this one only"
            log.warning(text, self._path)
        self._names = names


def _identity(path: str) -> tuple[int, int] | None:
    """What tells a file from any other; None if there is none."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
