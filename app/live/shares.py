"""What one user, one address and all guests may send together, on however many connections.

Each connection has a limit of its own on its commands. Here are those of all that belong together: the commands of a
user and of an address, and the bytes of long texts of a user, of an address and of all guests. Guests share what they
store with all other guests, so that a crowd of strangers can't fill the disk.
"""

from __future__ import annotations

from collections.abc import Hashable

import msgspec

from app.addresses import network
from app.chat.budgets import Budgets
from app.chat.errors import Code, Refused
from app.chat.events import User
from app.clock import Clock

BURST = 3.0
"""How many seconds of its rate an address may send at once."""
BURST_OF_BYTES = 3.0
"""How many seconds of its rate a budget of bytes holds."""
SHORT = 512
"""Characters up to which a text isn't counted: then the number of commands is a bound."""
GUESTS = "guests"
MOST = 50_000
"""Users or addresses that are remembered at most."""


class Rates(msgspec.Struct, frozen=True):
    """The rate limit of each connection, and of each user: `rate` commands a second after `burst` at once. After
    `strikes` refusals for its own rate, of which one is forgiven each second, a connection is closed. `work` and
    `work_per_address` are the milliseconds of work that one user and one address may cause a second, `per_address` the
    commands of one address, and `bytes` those of long texts of one user, one address and all guests. `guests` and
    `registrations` are how many of them one address may make an hour. 0 means no limit."""

    rate: float
    burst: float
    strikes: int
    work: float = 0.0
    work_per_address: float = 0.0
    guests: float = 0.0
    registrations: float = 0.0
    per_address: float = 0.0
    bytes: float = 0.0
    bytes_per_address: float = 0.0
    bytes_of_guests: float = 0.0


class Shares:
    """The budgets of what is sent: `rate` commands a second of a user, with `burst` at once; commands a second of an
    address; bytes a second of a user, of an address, and of all guests together. 0 is no limit."""

    def __init__(
        self,
        clock: Clock,
        *,
        rate: float,
        burst: float,
        per_address: float,
        text: float,
        text_per_address: float,
        text_of_guests: float,
    ) -> None:
        self._clock = clock
        self.users, self.addresses = Budgets(rate, burst, MOST), Budgets(per_address, BURST * per_address, MOST)
        self.texts = Budgets(text, BURST_OF_BYTES * text, MOST)
        self.texts_by_address = Budgets(text_per_address, BURST_OF_BYTES * text_per_address, MOST)
        self.texts_of_guests = Budgets(text_of_guests, BURST_OF_BYTES * text_of_guests)

    def count(self, user: int, address: str, now: float) -> Refused | None:
        """Count a command. Return the error if the user or the address sends too many."""
        wait = self.users.take(user, now)
        if wait:
            return _too_fast(self.users.rate, wait, "user", "All your connections together are too fast")
        wait = self.addresses.take(network(address), now) if address else 0.0
        if wait:
            return _too_fast(self.addresses.rate, wait, "address", "Too much comes from your address")
        return None

    def count_text(self, user: User, address: str, text: str) -> None:
        """Count the bytes of a text. Refused if the user, the address or all guests have stored too many; then it
        doesn't count."""
        if len(text) <= SHORT:
            return
        now = self._clock.monotonic()
        budgets: list[tuple[Budgets, Hashable]] = [(self.texts, user.id)]
        if address:
            budgets.append((self.texts_by_address, network(address)))
        if not user.registered:
            budgets.append((self.texts_of_guests, GUESTS))
        wait = max(budget.owes(key, now) for budget, key in budgets)
        if wait:
            after = max(1, round(1000 * wait))
            problem = f"Too much text is sent. Try again in {after} ms"
            raise Refused(Code.RATE_LIMITED, problem, reason="bytes", retry=True, after=after)
        size = len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))
        for budget, key in budgets:
            budget.spend(key, now, size)


def _too_fast(rate: float, wait: float, reason: str, problem: str) -> Refused:
    after = max(1, round(1000 * wait))
    limit = int(rate) if rate == int(rate) else rate
    problem += f": the limit is {limit} a second. Try again in {after} ms"
    return Refused(Code.RATE_LIMITED, problem, reason=reason, retry=True, after=after, limit=limit)
