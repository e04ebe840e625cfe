"""How long to wait before the next try to connect: a random part of a delay that doubles, up to a cap."""

from __future__ import annotations

from collections.abc import Callable

FIRST = 0.5
"""The most seconds before the first retry."""
CAP = 15.0
"""The most seconds before any."""


class Backoff:
    """Full jitter: of all who lost one server, no two come back at the same time for long."""

    def __init__(self, draw: Callable[[], float], *, first: float = FIRST, cap: float = CAP) -> None:
        self._draw, self._first, self._cap = draw, first, cap
        self._tries = 0

    def next(self) -> float:
        """Seconds to wait; `draw` gives the random part, from 0 to 1."""
        most = min(self._cap, self._first * 2.0 ** min(self._tries, 16))
        self._tries += 1
        return most * self._draw()

    def succeeded(self) -> None:
        """Begin anew."""
        self._tries = 0
