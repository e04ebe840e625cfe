"""What a server's process uses, as the operating system accounts for it (Linux)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
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
        return sum(self._of_family(lambda pid: time.clock_gettime(~pid << 3 | 2)))  # clock_getcpuclockid(3)

    def kib(self) -> int:
        """Memory in KiB: the proportional set size."""
        return self._memory("Pss:")

    def resident_kib(self) -> int:
        """Memory in KiB: the resident set size, which doesn't depend on other processes."""
        return self._memory("Rss:")

    def _memory(self, field: str) -> int:
        return int(sum(self._of_family(lambda pid: _memory_of(pid, field))))

    def _of_family(self, measure: Callable[[int], float]) -> Iterator[float]:
        """Measure the process and its children. A child that has just ended counts nothing."""
        yield measure(self.pid)
        below = [self.pid]
        while below:
            for child in _children(below.pop()):
                with suppress(OSError):
                    yield measure(child)
                    below.append(child)


def _children(pid: int) -> list[int]:
    """Return the children of all threads of a process, as far as these haven't just ended."""
    children: list[str] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                children += (task / "children").read_text().split()
    return list(map(int, children))


def _memory_of(pid: int, field: str) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    found = [int(line.split()[1]) for line in lines if line.startswith(field)]
    return found[0] if found else 0  # nothing of a process that is ending
