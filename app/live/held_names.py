"""Names on hold: those of guests who left, which are kept for them for a while."""

from __future__ import annotations

from collections.abc import Callable

from app.clock import Clock

MIN_SWEEP = 1000
"""Addresses are looked through for names that are free again when there are at least this many."""


class HeldNames:
    """Whose names are on hold, by address: at most `most` of each, for `hold` seconds; 0 is no limit. Clients without
    an address, behind a Unix socket, have nothing in common."""

    def __init__(self, most: int, hold: float, clock: Clock) -> None:
        self._most, self._hold, self._clock = most, hold, clock
        self._held: dict[str | bytes, dict[int, float]] = {}
        """The users, and since when, the oldest first."""
        self._sweep_at = MIN_SWEEP
        self.on_hold: Callable[[str | bytes, int], None] | None = None
        """Called with an address and a user whose name `hold` has put on hold, to tell other nodes."""

    def __len__(self) -> int:
        return len(self._held)

    def all(self) -> list[tuple[str | bytes, int, float]]:
        """Return the addresses, users and seconds for which their names have been on hold."""
        now = self._clock.monotonic()
        return [(network, user, now - since) for network, held in self._held.items() for user, since in held.items()]

    def hold(self, network: str | bytes, user: int) -> list[int]:
        """Hold the name of a user who left this node now. Otherwise like `add`."""
        if self.on_hold is not None and network:
            self.on_hold(network, user)
        return self.add(network, user)

    def add(self, network: str | bytes, user: int, age: float = 0.0) -> list[int]:
        """Hold the name of a user who left `age` seconds ago. Return the users whose names are one too many for the
        address."""
        if not network or not self._most:
            return []
        if len(self._held) >= self._sweep_at:
            self._sweep()
        held = self._held.setdefault(network, {})
        held.pop(user, None)
        held[user] = self._clock.monotonic() - age
        if age:
            held = self._held[network] = dict(sorted(held.items(), key=lambda one: one[1]))
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
