"""Budgets by key, such as an address: how often each may do something."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from itertools import islice

from app.chat.limits import Budget

MOST = 10_000
"""Keys that are remembered at most. With more, those that were first are forgotten."""

SWEPT = 1000
"""Budgets are looked through for full ones when there are at least this many."""


class Budgets:
    """A budget for each key: `burst` at once, then `rate` a second. A `rate` of 0 is no limit.

    A budget that is full is as good as none, so only those that are in use are kept. Times are in seconds of any clock.
    """

    __slots__ = ("_budgets", "_most", "_sweep_at", "burst", "on_use", "rate")

    def __init__(self, rate: float, burst: float, most: int = MOST) -> None:
        self.rate, self.burst, self._most = rate, burst, most
        self.on_use: Callable[[Hashable, float, float], None] | None = None
        """Called with a key, a time, and how much was used then, to tell other nodes."""
        self._budgets: dict[Hashable, Budget] = {}
        self._sweep_at = min(most, SWEPT)

    def __len__(self) -> int:
        return len(self._budgets)

    def take(self, key: Hashable, now: float) -> float:
        """Take one from a key's budget. Return 0.0 if there was one, otherwise the seconds until there is."""
        if self.rate <= 0:
            return 0.0
        wait = self._of(key, now).take(now)
        if self.on_use is not None and not wait:
            self.on_use(key, now, 1.0)
        return wait

    def spend(self, key: Hashable, now: float, amount: float) -> None:
        """Take from a key's budget, whether there is so much in it or not."""
        if self.rate > 0:
            self._of(key, now).spend(now, amount)
            if self.on_use is not None:
                self.on_use(key, now, amount)

    def spend_elsewhere(self, key: Hashable, now: float, amount: float) -> None:
        """Take what was used on another node."""
        if self.rate > 0:
            self._of(key, now).spend(now, amount)

    def owes(self, key: Hashable, now: float) -> float:
        """Return the seconds until a key's budget owes nothing; 0.0 if it owes nothing now."""
        budget = self._budgets.get(key)
        return 0.0 if budget is None else budget.wait(now)

    def wait(self, key: Hashable, now: float) -> float:
        """Return the seconds until a key's budget has one; 0.0 if it has."""
        budget = self._budgets.get(key)
        return 0.0 if budget is None else budget.until_one(now)

    def give_back(self, key: Hashable, now: float) -> None:
        """Give back what was taken."""
        budget = self._budgets.get(key)
        if budget is not None:
            budget.spend(now, -1)
            if self.on_use is not None:
                self.on_use(key, now, -1.0)

    def _of(self, key: Hashable, now: float) -> Budget:
        budget = self._budgets.get(key)
        if budget is None:
            if len(self._budgets) >= self._sweep_at:
                self._sweep(now)
            budget = self._budgets[key] = Budget(self.rate, self.burst)
        return budget

    def _sweep(self, now: float) -> None:
        for key, budget in list(self._budgets.items()):
            if budget.is_full(now):
                del self._budgets[key]
        if len(self._budgets) >= self._most:  # several, so that the next key isn't looked for again
            for key in list(islice(self._budgets, max(1, self._most // 10))):
                del self._budgets[key]
        self._sweep_at = min(self._most, max(SWEPT, 2 * len(self._budgets)))
