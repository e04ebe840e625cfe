"""Limits that hold for one user or address over all nodes, and not on each.

Each node keeps whole budgets, and takes from them what others tell that was used with them. Most use is never told. Of
N nodes, each may leave 1 / (2 (N - 1)) of a budget untold: of what it holds at once, and of the rate at which that
comes back. So all nodes together give a client that spreads over them 1.5 times what one gives: burst and rate, both.
What is used in the moment before the others hear of it is owed by the client then.
"""

from __future__ import annotations

from collections.abc import Hashable
from itertools import islice

from app.chat.budgets import Budgets
from app.chat.node_messages import Key, as_text, from_text
from app.clock import Clock
from app.identity.attempts import Attempts
from app.live.nodes import Nodes

MOST = 20_000
"""Keys of a limit whose use was not told yet and is remembered, at most."""
CONNECTIONS = "connections"


class Untold:
    """What was used here and nobody was told, for one limit."""

    def __init__(self, name: str, budgets: Budgets, nodes: Nodes, clock: Clock) -> None:
        self._name, self._budgets, self._nodes, self._clock = name, budgets, nodes, clock
        self._amounts: dict[Hashable, tuple[float, float]] = {}
        """How much, as of a time, beyond the rate that nobody is told of."""

    def __len__(self) -> int:
        return len(self._amounts)

    def use(self, key: Hashable, now: float, amount: float) -> None:
        """Count what was used here, and tell it once it is more than a share. Each message comes by here."""
        others = self._nodes.others
        share = 0.5 / others if others else 0.5
        known = self._amounts.get(key)
        if known is not None:
            before = known[0] - (now - known[1]) * share * self._budgets.rate
            if before > 0.0:
                amount += before
        elif len(self._amounts) >= MOST:
            self._sweep(now, share)
        if 0.0 <= amount <= share * self._budgets.burst:
            self._amounts[key] = amount, now
            return
        self._amounts.pop(key, None)
        self._nodes.use(self._name, _told(key), amount)

    def _sweep(self, now: float, share: float) -> None:
        """Forget what is nothing by now, and the first of the rest if that is too much still."""
        least = share * self._budgets.rate
        self._amounts = {key: one for key, one in self._amounts.items() if one[0] > (now - one[1]) * least}
        for key in list(islice(self._amounts, max(0, len(self._amounts) - MOST // 2))):
            del self._amounts[key]

    def learn(self, key: Key, more: float) -> None:
        """Take from a budget what was used on another node."""
        self._budgets.spend_elsewhere(_untold(key), self._clock.monotonic(), more)


def share_budgets(name: str, budgets: Budgets, nodes: Nodes, clock: Clock) -> None:
    """Have budgets hold over all nodes, under a name."""
    if budgets.rate > 0:
        untold = Untold(name, budgets, nodes, clock)
        budgets.on_use = untold.use
        nodes.limits[name] = untold.learn


def share_attempts(attempts: Attempts, nodes: Nodes, clock: Clock) -> None:
    """Have wrong passwords count on all nodes. Each is told before it is known to be wrong."""
    share_budgets("passwords of an address", attempts.of_networks, nodes, clock)

    def tried(account: Hashable, device: Hashable, by: int) -> None:
        key = (account if isinstance(account, int) else str(account), device.hex() if isinstance(device, bytes) else "")
        nodes.use("passwords" if by else "right passwords", key, by or 1)

    def learn(key: Key, more: float) -> None:
        if isinstance(key, tuple):
            attempts.count(key[0], bytes.fromhex(key[1]) or None, round(more))

    def learn_right(key: Key, _: float) -> None:
        if isinstance(key, tuple):
            attempts.forget(key[0], bytes.fromhex(key[1]) or None)

    attempts.on_try = tried
    nodes.limits["passwords"], nodes.limits["right passwords"] = learn, learn_right


class ConnectionsElsewhere:
    """How many connections addresses have to other nodes, as far as these told. A node tells of an address that has
    more than a share of what it may have."""

    def __init__(self, nodes: Nodes, most: int) -> None:
        self._nodes, self._most = nodes, most
        self._counts: dict[Hashable, int] = {}
        self._told: set[Hashable] = set()
        nodes.limits[CONNECTIONS] = self._learn
        nodes.given_back.add(CONNECTIONS)

    def count(self, address: str | bytes) -> int:
        """Return how many connections an address has to other nodes."""
        return self._counts.get(address, 0)

    def tell(self, address: str | bytes, count: int) -> None:
        """Learn how many it has to this node."""
        share = count * 2 * max(1, self._nodes.others) > self._most
        if share or address in self._told:
            self._nodes.set_use(CONNECTIONS, as_text(address), count if share else 0)
            (self._told.add if share else self._told.discard)(address)

    def _learn(self, key: Key, more: float) -> None:
        address = _untold(key)
        count = self._counts.get(address, 0) + round(more)
        if count > 0:
            self._counts[address] = count
        else:
            self._counts.pop(address, None)


def _told(key: Hashable) -> Key:
    return key if isinstance(key, int) else as_text(key if isinstance(key, bytes) else str(key))


def _untold(key: Key) -> int | str | bytes:
    assert not isinstance(key, tuple)
    return key if isinstance(key, int) else from_text(key)
