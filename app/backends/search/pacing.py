"""How much of a core indexing takes when others want it too."""

from __future__ import annotations

import os
from time import monotonic, process_time
from typing import Final

SHARE = 0.04
"""The part of a core that indexing takes while other processes wait for the same core."""
CONTENDED = 0.25
"""From how much waiting, for each second of work, the core counts as contended."""
_SCHEDSTAT: Final = "/proc/self/schedstat"


class Pacer:
    """Measures a piece of work, and says for how long to rest after it."""

    def __init__(self) -> None:
        self.contended = False
        self._begin = self._measure()

    def start(self) -> None:
        """Note that the work begins."""
        self._begin = self._measure()

    def stop(self) -> float:
        """Note that the work ends. Return how many seconds to rest: none, unless the core is contended."""
        worked, waited = (after - before for after, before in zip(self._measure(), self._begin, strict=True))
        self.contended = waited > CONTENDED * worked
        return worked * (1 / SHARE - 1) if self.contended else 0.0

    @staticmethod
    def _measure() -> tuple[float, float]:
        """The seconds that this process has worked, and those that it was ready but another one had the core."""
        worked = process_time()
        try:
            file = os.open(_SCHEDSTAT, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return worked, monotonic() - worked  # not Linux: waiting for the disk is then counted too
        try:
            return worked, int(os.read(file, 100).split()[1]) / 1e9
        finally:
            os.close(file)
