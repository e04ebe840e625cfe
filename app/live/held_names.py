"""Names on hold: those of guests who left, which are kept for them for a while."""

from __future__ import annotations

from collections.abc import Hashable

from app.clock import Clock

MIN_SWEEP = 1000
"""Addresses are looked through for names that are free again when there are at least this many."""


class HeldNames:
    """Whose names are on hold, by address: at most `most` of each, for `hold` seconds; 0 is no limit. Clients without
    an address, behind a Unix socket, have nothing in common."""

    def __init__(self, most: int, hold: float, clock: Clock) -> None:
        self._most, self._hold, self._clock = most, hold, clock
        self._held: dict[Hashable, dict[int, float]] = {}
        """The users, and since when, the oldest first."""
        self._sweep_at = MIN_SWEEP

    def __len__(self) -> int:
        return len(self._held)

    def add(self, network: Hashable, user: int) -> list[int]:
        """Hold the name of a user who left. Return the users whose names are one too many for the address."""
        if not network or not self._most:
            return []
        if len(self._held) >= self._sweep_at:
            self._sweep()
        held = self._held.setdefault(network, {})
        held.pop(user, None)
        held[user] = self._clock.monotonic()
        self._drop_free(held)
        excess = list(held)[: max(0, len(held) - self._most)]
        for one in excess:
            del held[one]
        return excess

    def _drop_free(self, held: dict[int, float]) -> None:
        before = self._clock.monotonic() - self._hold
        while held and held[first := next(iter(held))] <= before:
            del held[first]

    def _sweep(self) -> None:
        for network, held in list(self._held.items()):
            self._drop_free(held)
            if not held:
                del self._held[network]
        self._sweep_at = max(MIN_SWEEP, 2 * len(self._held))
