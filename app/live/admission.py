"""Admission: how many connections the server accepts, in all and from one address."""

from __future__ import annotations

from collections import Counter

from app.refusals import Refusal


class Admission:
    """Counts connections; a limit of 0 is no limit.

    It belongs to one thread at a time. TestClient's event loops share it, and may exceed a limit by one at worst.
    """

    def __init__(self, max_connections: int, max_per_address: int) -> None:
        self.max_connections, self.max_per_address = max_connections, max_per_address
        self._per_address: Counter[str] = Counter()
        self._connections = 0

    def refusal(self, address: str) -> Refusal | None:
        """Return why another connection from `address` is refused, or None to accept it. Clients without an address,
        behind a Unix socket, aren't counted together: they have nothing in common."""
        if self.max_connections and self._connections >= self.max_connections:
            problem = f"The server is full: it accepts {self.max_connections} connections at most"
            return Refusal(503, "full", problem, "chat.limits.connections")
        if address and self.max_per_address and self._per_address[address] >= self.max_per_address:
            problem = f"Too many connections from {address}: the limit is {self.max_per_address}"
            return Refusal(429, "address", problem, "chat.limits.connections-per-address")
        return None

    def enter(self, address: str) -> None:
        """Count one connection from `address` more."""
        self._connections += 1
        self._per_address[address] += 1

    def leave(self, address: str) -> None:
        """Count one connection from `address` less."""
        self._connections -= 1
        self._per_address[address] -= 1
        if not self._per_address[address]:
            del self._per_address[address]
