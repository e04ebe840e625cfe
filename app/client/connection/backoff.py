"""How long to wait before connecting again: a random part of a delay that doubles up to a cap."""

from __future__ import annotations

from collections.abc import Callable

FIRST = 0.5
"""The most seconds before the first retry."""
CAP = 15.0
"""The most seconds before any retry."""


class Backoff:
    """Exponential backoff with full jitter: clients that lost the same server don't all return at once.

    `random` returns a number from 0 to 1.
    """

    def __init__(self, random: Callable[[], float], *, first: float = FIRST, cap: float = CAP) -> None:
        self._random, self._first, self._cap = random, first, cap
        self._tries = 0

    def next(self) -> float:
        """Seconds to wait before the next try."""
        longest = min(self._cap, self._first * 2.0 ** min(self._tries, 16))
        self._tries += 1
        return longest * self._random()

    def reset(self) -> None:
        """Start over, after a try that succeeded."""
        self._tries = 0
