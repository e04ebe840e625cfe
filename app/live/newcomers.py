"""How many newcomers one address may make: new guests, and guests who register.

Both leave something in the store, and a registered name is gone for everyone else. An address gets an hour's worth at
once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from app.addresses import network
from app.chat.budgets import Budgets
from app.chat.errors import Code, Refused
from app.clock import Clock
from app.refusals import Refusal

HOUR = 3600.0
REGISTRATIONS = "chat.limits.registrations-per-address"
"""The setting that says how many may register."""


class Newcomers:
    """The budgets of all addresses: `guests` and `registrations` an hour; 0 is no limit. Clients without an address,
    behind a Unix socket, have none: they have nothing in common."""

    def __init__(self, guests: float, registrations: float, clock: Clock) -> None:
        self._max_guests, self._max_registrations, self._clock = guests, registrations, clock
        self.guests = Budgets(guests / HOUR, guests)
        self.registrations = Budgets(registrations / HOUR, registrations)

    def admit_guest(self, address: str) -> Refusal | None:
        """Count a new guest from `address`. Return why it is refused, if it is."""
        if not address or not self.guests.take(network(address), self._clock.monotonic()):
            return None
        return self._too_many_guests(address)

    def guest_refusal(self, address: str) -> Refusal | None:
        """Return why another guest from `address` would be refused, if it would be."""
        if not address or not self.guests.wait(network(address), self._clock.monotonic()):
            return None
        return self._too_many_guests(address)

    def _too_many_guests(self, address: str) -> Refusal:
        problem = f"Too many new guests from {address}: the limit is {self._max_guests:g} an hour"
        return Refusal(429, "guests", problem, "chat.limits.guests-per-address")

    @contextmanager
    def registering(self, address: str) -> Iterator[None]:
        """Count a registration from `address`, unless it comes to nothing. Refused if there were too many."""
        now = self._clock.monotonic
        wait = self.registrations.take(network(address), now()) if address else 0.0
        if wait:
            after, limit = max(1, round(1000 * wait)), self._max_registrations
            problem = f"Too many people registered from your address: the limit is {limit:g} an hour"
            problem += f". Try again in {-(-after // 60_000)} min"
            raise Refused(Code.RATE_LIMITED, problem, retry=True, after=after, reason="registrations", limit=limit)
        try:
            yield
        except BaseException:
            self.registrations.give_back(network(address), now())
            raise
