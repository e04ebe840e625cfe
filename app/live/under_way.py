"""What is being added at this moment, so that what runs at once keeps within a limit together.

A handler reads how many there are, and waits for the store while it adds one. Others do the same meanwhile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager


class UnderWay:
    """Counts what is being added, by what it is."""

    def __init__(self) -> None:
        self._counts: Counter[Hashable] = Counter()

    def __len__(self) -> int:
        return len(self._counts)

    @contextmanager
    def another(self, what: Hashable) -> Iterator[int]:
        """Count one more until the end of the block. The number is its place among those that are being added, from 1
        on: with those that are there already, it must not be above the limit."""
        self._counts[what] += 1
        try:
            yield self._counts[what]
        finally:
            self._counts[what] -= 1
            if not self._counts[what]:
                del self._counts[what]
