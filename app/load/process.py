"""What a server's process uses, as the operating system accounts for it (Linux)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from app.load.errors import LoadError


class Process:
    """A process and its children. LoadError if the system doesn't tell about it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        try:
            self.kib()
            self.cpu_seconds()
        except OSError as error:
            problem = (error.strerror or str(error)).lower()
            raise LoadError(f"--cpu-of {pid}: can't read {error.filename or '/proc'}: {problem}") from None

    def cpu_seconds(self) -> float:
        """CPU time so far, of all threads, exact to the nanosecond."""
        return sum(time.clock_gettime(~pid << 3 | 2) for pid in self._family(self.pid))  # clock_getcpuclockid(3)

    def kib(self) -> int:
        """Memory in KiB: the proportional set size."""
        return self._memory("Pss:")

    def resident_kib(self) -> int:
        """Memory in KiB: the resident set size, which doesn't depend on other processes."""
        return self._memory("Rss:")

    def _memory(self, field: str) -> int:
        total = 0
        for process in self._family(self.pid):
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
            total += next(int(line.split()[1]) for line in lines if line.startswith(field))
        return total

    def _family(self, pid: int) -> Iterator[int]:
        yield pid
        for task in Path(f"/proc/{pid}/task").iterdir():
            children = ""
            with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has just ended
                children = (task / "children").read_text()
            for child in children.split():
                yield from self._family(int(child))
