"""The room on the disk that has the store. Some is kept free, so that what is acknowledged can be applied."""

from __future__ import annotations

import errno
import os
from time import monotonic

from app.backends.journal import SIZE
from app.backends.outage import Outage, Source
from app.backends.reasons import reason

RESERVE = 32 << 20
"""How many bytes of the disk are left free, so that what is acknowledged can be applied. Less on a small disk."""
INTERVAL = 0.1
"""How often the free space is looked at, in seconds."""


class Space:
    """Looks for room, and tells the outage when there is too little."""

    def __init__(self, outage: Outage) -> None:
        self._outage, self._looked = outage, float("-inf")
        self.spacious = False
        """Whether there is room for a journal that is filled with zeros ahead."""

    @property
    def due(self) -> bool:
        """Whether it is time to look."""
        return monotonic() > self._looked + INTERVAL

    def look(self) -> None:
        """Look how much room there is."""
        self._looked, outage = monotonic(), self._outage
        try:
            system = os.statvfs(os.path.dirname(os.path.realpath(outage.path)))  # noqa: PTH120
        except OSError as error:
            outage.fail(Source.SPACE, reason(error, outage.path))
            return
        free, reserve = system.f_bavail * system.f_frsize, min(RESERVE, system.f_blocks * system.f_frsize // 20)
        self.spacious = free > RESERVE + 2 * SIZE
        if system.f_flag & os.ST_RDONLY:
            outage.fail(Source.SPACE, reason(OSError(errno.EROFS, "")))
        elif free < reserve:
            outage.fail(Source.SPACE, reason(OSError(errno.ENOSPC, "")))
        elif outage.causes:
            outage.recover(Source.SPACE)
