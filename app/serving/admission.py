"""Admission: how many WebSockets and requests the server accepts, in all and from one address."""

from __future__ import annotations

from asyncio import sleep
from collections import Counter
from typing import Protocol

from app.addresses import network
from app.chat.budgets import Budgets
from app.clock import Clock
from app.refusals import Refusal

REFILL = 10.0
"""Seconds until an address that has opened as many WebSockets as it may at once may open as many again."""
MIN_OPENED = 10
"""How many an address may open within that time at least: a person who reloads a page opens some."""
BURST = 10.0
"""How many seconds of its rate of requests an address may send at once."""
REFUSED_AT_ONCE, REFUSED_A_SECOND = 20, 2
"""How often an address is refused at once. After that, it has to wait for the answer."""
DELAY = 1.0
"""Seconds that it waits: it has few sockets, so that it can't keep the server busy with refusals."""
SETTING = "app.websockets.connections"
SETTING_PER_ADDRESS = "app.websockets.connections-per-address"
SETTING_REQUESTS = "app.deployment.requests-per-address"


class Elsewhere(Protocol):
    """The connections to other nodes."""

    def count(self, address: str | bytes) -> int:
        """Return how many connections an address has to other nodes."""

    def tell(self, address: str | bytes, count: int) -> None:
        """Learn how many it has to this node."""


class Admission:
    """Counts WebSockets and plain requests; a limit of 0 is no limit. An address may have `per_address` WebSockets at
    once, and open as many within REFILL seconds, or MIN_OPENED. It may send `requests` a second, unless it may have any
    number of WebSockets. Of IPv6, each /64 network counts as one address. Clients without an address, behind a Unix
    socket, aren't counted together: they have nothing in common.

    It belongs to one thread at a time. TestClient's event loops share it, and may exceed a limit by one at worst.
    """

    def __init__(self, connections: int, per_address: int, requests: float, clock: Clock) -> None:
        self.max_connections, self.max_per_address = connections, per_address
        self.max_requests = requests if per_address else 0
        self._clock = clock
        self._per_address: Counter[str | bytes] = Counter()
        self._connections = 0
        opened = max(per_address, MIN_OPENED) if per_address else 0
        self.handshakes = Budgets(opened / REFILL, opened)
        self.requests = Budgets(self.max_requests, BURST * requests)
        self.elsewhere: Elsewhere | None = None
        """The connections to other nodes, if several share a history."""
        self._refusals = Budgets(REFUSED_A_SECOND, REFUSED_AT_ONCE)

    def refusal(self, address: str) -> Refusal | None:
        """Return why another WebSocket from `address` is refused, or None to accept it."""
        if self.max_connections and self._connections >= self.max_connections:
            problem = f"The server is full: it accepts {self.max_connections} connections at most"
            return Refusal(503, "full", problem, SETTING)
        if not address or not self.max_per_address:
            return None
        key = network(address)
        elsewhere = 0 if self.elsewhere is None else self.elsewhere.count(key)
        if self._per_address[key] + elsewhere >= self.max_per_address:
            problem = f"Too many connections from {address}: the limit is {self.max_per_address}"
            return Refusal(429, "address", problem, SETTING_PER_ADDRESS)
        if wait := self.handshakes.wait(key, self._clock.monotonic()):
            problem = f"Too many new connections from {address}: try again in {_seconds(wait)}"
            return Refusal(429, "handshakes", problem, SETTING_PER_ADDRESS)
        return None

    def enter(self, address: str) -> None:
        """Count one WebSocket from `address` more."""
        self._connections += 1
        if address:
            key = network(address)
            self._per_address[key] += 1
            self._tell(key)
            self.handshakes.take(key, self._clock.monotonic())

    def leave(self, address: str) -> None:
        """Count one WebSocket from `address` less."""
        self._connections -= 1
        if address:
            key = network(address)
            self._per_address[key] -= 1
            self._tell(key)
            if not self._per_address[key]:
                del self._per_address[key]

    def _tell(self, key: str | bytes) -> None:
        if self.elsewhere is not None:
            self.elsewhere.tell(key, self._per_address[key])

    def request(self, address: str) -> Refusal | None:
        """Count a plain request. Return why it is refused, or None to serve it."""
        if not address or not self.max_requests:
            return None
        key, now = network(address), self._clock.monotonic()
        if wait := self.requests.take(key, now):
            problem = f"Too many requests from {address}: try again in {_seconds(wait)}"
            return Refusal(429, "requests", problem, SETTING_REQUESTS)
        return None

    async def delay(self, address: str) -> None:
        """Wait before `address` is told that it has too much, if it asks again and again."""
        if address and self._refusals.take(network(address), self._clock.monotonic()):
            await sleep(DELAY)


def _seconds(wait: float) -> str:
    return f"{max(1, round(wait))} s"
