"""How often passwords may be tried: by one address, and for one account.

An address has MAX_WRONG tries a minute. An account has as many from everyone together, and then a pause that doubles
with each wrong one, since one attacker may have many addresses. Neither may keep out the people whose account it is:
a device that was signed in to the account before has pauses of its own, and goes by nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from threading import Lock

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
    """Counts tries, one after another: each counts as wrong until it is known to be right. For one thread, but for what
    other nodes tell."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.of_networks = Budgets(MAX_WRONG / PERIOD, MAX_WRONG)
        self.on_try: Callable[[Hashable, Hashable, int], None] | None = None
        """Called with an account, a device, and how many tries more it has had, or 0 if one was right; to tell other
        nodes."""
        self._of_accounts: dict[Hashable, tuple[int, float]] = {}
        """How many were wrong, and when the last one was. In the order of time."""
        self._lock = Lock()

    def begin(self, account: Hashable, network: Hashable, device: Hashable = None) -> None:
        """Count a try for an account. Refused if it comes too early. `network` is where it comes from, or empty if that
        has no address. `device` is set for a device that was signed in to this account before."""
        now = self._clock.monotonic()
        wrong, at = self._wrong(account, device, now)
        wait = at + _pause(wrong) - now
        if wait <= 0 and network and device is None:
            wait = self.of_networks.take(network, now)
        if wait > 0:
            after = max(1, round(1000 * wait))
            problem = f"Too many wrong passwords. Try again in {-(-after // 1000)} s"
            raise Refused(Code.RATE_LIMITED, problem, retry=True, after=after, reason="password", limit=MAX_WRONG)
        self.count(account, device, 1)
        self._tell(account, device, 1)

    def count(self, account: Hashable, device: Hashable, more: int) -> None:
        """Count more tries, perhaps on another node, or take some back. For any thread."""
        now = self._clock.monotonic()
        with self._lock:
            wrong, at = self._wrong(account, device, now)
            self._of_accounts.pop((account, device), None)
            if wrong + more > 0:
                self._of_accounts[account, device] = wrong + more, now if more > 0 else at
            if len(self._of_accounts) > MAX_REMEMBERED:
                del self._of_accounts[next(iter(self._of_accounts))]

    def succeed(self, account: Hashable, network: Hashable, device: Hashable = None) -> None:
        """Take back a try, whose password was right."""
        self.forget(account, device)
        self._tell(account, device, 0)
        if network and device is None:
            self.of_networks.give_back(network, self._clock.monotonic())

    def forget(self, account: Hashable, device: Hashable) -> None:
        """Forget all tries: one was right. For any thread."""
        with self._lock:
            self._of_accounts.pop((account, device), None)

    def take_back(self, account: Hashable, network: Hashable, device: Hashable = None) -> None:
        """Take back a try of which it isn't known whether it was wrong."""
        self.count(account, device, -1)
        self._tell(account, device, -1)
        if network and device is None:
            self.of_networks.give_back(network, self._clock.monotonic())

    def _tell(self, account: Hashable, device: Hashable, more: int) -> None:
        if self.on_try is not None:
            self.on_try(account, device, more)

    def __len__(self) -> int:
        return len(self._of_accounts)

    def _wrong(self, account: Hashable, device: Hashable, now: float) -> tuple[int, float]:
        wrong, at = self._of_accounts.get((account, device), (0, now))
        return (wrong, at) if now - at < FORGOTTEN else (0, now)


def _pause(wrong: int) -> float:
    """Seconds to wait after so many wrong passwords."""
    extra = wrong - MAX_WRONG
    return 0.0 if extra < 0 else min(LONGEST, 2.0 ** min(extra, 20))
