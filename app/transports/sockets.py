"""Sockets from accept on: how many there are, in all and from each address, before anyone asks for anything.

A socket that sends nothing, or a request that never ends, costs a file descriptor, and a process has only so many.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from app.addresses import network
from app.chat.budgets import Budgets
from app.clock import Clock
from app.headers import HEAD
from app.refusals import Refusal, RefusalLog

BURST = 10.0
"""How many seconds of its rate of new sockets an address may open at once."""
SPARE = 32
"""Sockets that an address may have besides its WebSockets: for requests, and for WebSockets that aren't open yet."""
PER_ADDRESS = "app.websockets.connections-per-address"


class Waiting(Protocol):
    """A socket whose client has asked for nothing yet."""

    def make_room(self) -> None:
        """End the connection, for another one."""


class Peer:
    """An address with its open sockets. Each of them leaves once."""

    __slots__ = ("_sockets", "key", "open")

    def __init__(self, sockets: Sockets, key: str | bytes) -> None:
        self._sockets, self.key, self.open = sockets, key, 0
        """`key` is the network of the address."""

    def leave(self) -> None:
        """Count one socket less."""
        self.open -= 1
        self._sockets.left(self)


def owner_of(peer: Peer | None) -> str | bytes | None:
    """Return whose turn it is when something comes from a peer."""
    return peer.key if peer is not None else None


class Sockets:
    """The open sockets. An address may have `per_address` WebSockets and SPARE others, and open `rate` sockets a
    second; 0 is no limit. There is no limit for addresses that are `trusted`: proxies, which have many clients.

    With `most` sockets in all, a new one takes the place of the oldest that has asked for nothing yet. It belongs to
    one event loop.
    """

    def __init__(
        self, per_address: int, rate: float, trusted: Callable[[str], bool], refusals: RefusalLog, clock: Clock
    ) -> None:
        self.per_address = per_address + SPARE if per_address else 0
        self.most = 0
        """Sockets at once; 0 is no limit. Who runs the server knows."""
        self.open = 0
        self.waiting: dict[Waiting, None] = {}
        """Sockets whose clients have asked for nothing yet, the oldest first."""
        self._trusted, self._refusals, self._clock = trusted, refusals, clock
        self._new = Budgets(rate if per_address else 0, BURST * rate)
        self._peers: dict[str | bytes, Peer] = {}

    def enter(self, address: str) -> Peer | Refusal:
        """Count a socket from an address, "" for none. If it is refused, it isn't counted, and that is logged."""
        key = network(address)
        refusal = self._too_many(address, key) if address and self.per_address and not self._trusted(address) else None
        if refusal is None and self.most and self.open >= self.most:
            refusal = self._make_room()
        if refusal is not None:
            self._refusals.add(refusal, address or "a client")
            return refusal
        self.open += 1
        peer = self._peers.get(key)
        if peer is None:
            peer = self._peers[key] = Peer(self, key)
        peer.open += 1
        return peer

    def left(self, peer: Peer) -> None:
        """Count one socket of a peer less."""
        self.open -= 1
        if not peer.open:
            del self._peers[peer.key]

    def _too_many(self, address: str, key: str | bytes) -> Refusal | None:
        peer, now = self._peers.get(key), self._clock.monotonic()
        if peer is not None and peer.open >= self.per_address:
            problem = f"Too many connections from {address}: the limit is {self.per_address}, whatever they are for"
            return Refusal(429, "sockets", problem, PER_ADDRESS)
        if wait := self._new.take(key, now):
            problem = f"Too many new connections from {address}: try again in {max(1, round(wait))} s"
            return Refusal(429, "sockets_rate", problem, "app.deployment.requests-per-address")
        return None

    def _make_room(self) -> Refusal | None:
        oldest = next(iter(self.waiting), None)
        if oldest is None:
            return Refusal(503, "full", f"The server is full: it has {self.most} connections open")
        del self.waiting[oldest]
        oldest.make_room()
        return None


def answer(refusal: Refusal) -> bytes:
    """The response to a client that is refused before its request is read."""
    text = f"{refusal.message}\n".encode()
    words = {429: b"Too Many Requests", 503: b"Service Unavailable"}[refusal.status]
    kind = b"Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\n" + HEAD
    return b"HTTP/1.1 %d %b\r\n%bContent-Length: %d\r\n\r\n%b" % (refusal.status, words, kind, len(text), text)
