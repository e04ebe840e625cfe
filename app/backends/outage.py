"""A time in which the store can't be written, or read: why, and what the log says about it.

However often clients try, there is one line when it begins, one for each new cause, one a minute, and one when it is
over.
"""

from __future__ import annotations

import logging
from enum import Enum
from threading import Lock
from time import monotonic

log = logging.getLogger("store")

LINE_INTERVAL = 60.0
"""How many seconds lie between two lines about the same outage."""
CALM = 5.0
"""How many seconds nothing has to fail until an outage is over. One that comes and goes would fill the log."""
MAX_CAUSES = 10
"""How many causes of an outage are logged as soon as they are met. Further ones show once a minute."""


class Source(Enum):
    """What fails. Each has one cause at a time, and goes on by itself."""

    JOURNAL = "the last commit"
    STORE = "applying to SQLite what is committed"
    SPACE = "the room on the disk"
    LOG = "going on in the log of all nodes"
    PACE = "applying as fast as changes come"
    SYNC = "syncing to the disk what is applied"
    FILE = "the file that the store is in"
    READ = "a read"
    UPKEEP = "a step of upkeep"
    SERVERS = "the connection to the servers"
    READER = "another program that reads for long"


class Outage:
    """What fails at the moment. `verb` is what can't be done to the store at `path`: `written`, `read` or `cleaned up`.

    Any thread may call any method.
    """

    def __init__(self, path: str, verb: str) -> None:
        self.path, self._verb = path, verb
        self.causes: dict[Source, str] = {}
        """Why it fails, in words. Empty while everything works."""
        self.lasts = False
        """Whether the log has said that it began, and not yet that it is over. `tick` is to be called meanwhile."""
        self._lock = Lock()
        self._told: set[str] = set()
        self._refused = self._refused_in_all = 0
        self._began = self._failed_at = self._line_at = 0.0

    @property
    def problem(self) -> str | None:
        """Why the store can't be used, in one line, or None if it can."""
        causes = self.causes
        return f"the store can't be {self._verb}: {next(iter(causes.values()))}" if causes else None

    def problem_but(self, *sources: Source) -> str | None:
        """Return the problem without what is wrong with `sources`."""
        others = [cause for source, cause in self.causes.items() if source not in sources]
        return f"the store can't be {self._verb}: {others[0]}" if others else None

    def fail(self, source: Source, cause: str, *, logged: bool = False) -> str:
        """Note that something failed, and log it unless that was done. Return the problem."""
        with self._lock:
            now = monotonic()
            self.causes = {**self.causes, source: cause}
            self._failed_at = now
            if not self.lasts:
                self.lasts, self._began, self._line_at = True, now, now + LINE_INTERVAL
                self._told.clear()
                self._refused_in_all = 0
            problem = f"the store can't be {self._verb}: {cause}"
            new = cause not in self._told and len(self._told) < MAX_CAUSES
            if new:
                self._told.add(cause)
        if new and not logged:
            log.error("%s: %s", self.path, problem)
        return problem

    def count(self, failed: int) -> None:
        """Count calls that failed."""
        if failed:
            with self._lock:
                self._refused += failed
                self._failed_at = monotonic()

    def recover(self, source: Source) -> None:
        """Note that something works. Cheap if it did before."""
        if source in self.causes:
            with self._lock:
                self.causes = {known: cause for known, cause in self.causes.items() if known is not source}

    def tick(self) -> None:
        """Log that it lasts, or that it is over, if it is time for that."""
        with self._lock:
            now, problem = monotonic(), self.problem
            over = problem is None and now - self._failed_at >= CALM
            if not self.lasts or not (over or now >= self._line_at):
                return
            refused, self._refused = self._refused, 0
            self._refused_in_all += refused
            self._line_at, self.lasts = now + LINE_INTERVAL, not over
            length, in_all = _length(now - self._began), self._refused_in_all
        if over:
            what = f"the store can be {self._verb} again"
            log.warning("%s: %s, after %s (%d calls failed)", self.path, what, length, in_all)
        else:
            what = problem or f"the store can't always be {self._verb}"
            log.error("%s: %s: for %s now (%d calls failed since the last line)", self.path, what, length, refused)


def _length(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 2 * LINE_INTERVAL else f"{seconds / 60:.0f} min"
