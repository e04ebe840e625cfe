"""How often passwords may be tried: by one address, and for one account.

An address has MAX_WRONG tries a minute. An account has as many from everyone together, and then a pause that doubles
with each wrong one, since one attacker may have many addresses. Neither may keep out the people whose account it is:
a device that was signed in to the account before has pauses of its own, and goes by nothing else.
"""

from __future__ import annotations

from collections.abc import Hashable

from app.chat.budgets import Budgets
from app.chat.errors import Code, Refused
from app.clock import Clock

MAX_WRONG = 5
"""Wrong passwords from one address in PERIOD seconds, and for one account before there are pauses."""
PERIOD = 60.0
LONGEST = 900.0
"""The longest pause, in seconds."""
FORGOTTEN = 86_400.0
"""Seconds without a wrong password after which an account has all its tries again."""
MAX_REMEMBERED = 10_000
"""Accounts that pauses are remembered for. With more, those that were tried longest ago are forgotten."""


class Attempts:
    """Counts tries, one after another: each counts as wrong until it is known to be right. For one thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._of_networks = Budgets(MAX_WRONG / PERIOD, MAX_WRONG)
        self._of_accounts: dict[Hashable, tuple[int, float]] = {}
        """How many were wrong, and when the last one was. In the order of time."""

    def begin(self, account: Hashable, network: Hashable, device: Hashable = None) -> None:
        """Count a try for an account. Refused if it comes too early. `network` is where it comes from, or empty if that
        has no address. `device` is set for a device that was signed in to this account before."""
        now = self._clock.monotonic()
        wrong, at = self._wrong(account, device, now)
        wait = at + _pause(wrong) - now
        if wait <= 0 and network and device is None:
            wait = self._of_networks.take(network, now)
        if wait > 0:
            after = max(1, round(1000 * wait))
            problem = f"Too many wrong passwords. Try again in {-(-after // 1000)} s"
            raise Refused(Code.RATE_LIMITED, problem, retry=True, after=after, reason="password", limit=MAX_WRONG)
        key = account, device
        self._of_accounts.pop(key, None)
        self._of_accounts[key] = wrong + 1, now
        if len(self._of_accounts) > MAX_REMEMBERED:
            del self._of_accounts[next(iter(self._of_accounts))]

    def succeed(self, account: Hashable, network: Hashable, device: Hashable = None) -> None:
        """Take back a try, whose password was right."""
        self._of_accounts.pop((account, device), None)
        if network and device is None:
            self._of_networks.give_back(network, self._clock.monotonic())

    def take_back(self, account: Hashable, network: Hashable, device: Hashable = None) -> None:
        """Take back a try of which it isn't known whether it was wrong."""
        key = account, device
        wrong, at = self._of_accounts.pop(key, (0, 0.0))
        if wrong > 1:
            self._of_accounts[key] = wrong - 1, at
        if network and device is None:
            self._of_networks.give_back(network, self._clock.monotonic())

    def __len__(self) -> int:
        return len(self._of_accounts)

    def _wrong(self, account: Hashable, device: Hashable, now: float) -> tuple[int, float]:
        wrong, at = self._of_accounts.get((account, device), (0, now))
        return (wrong, at) if now - at < FORGOTTEN else (0, now)


def _pause(wrong: int) -> float:
    """Seconds to wait after so many wrong passwords."""
    extra = wrong - MAX_WRONG
    return 0.0 if extra < 0 else min(LONGEST, 2.0 ** min(extra, 20))
