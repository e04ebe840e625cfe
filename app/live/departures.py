"""When a guest has left: not before its last connection to any node has ended, and then on one node alone.

What a node does when its own last connection of a guest ends waits for GRACE seconds: the guest may have come to
another node, which has told that by then. If it is there, it goes on waiting until it isn't. Of several nodes that a
guest left, the one that it left last deals with it. What the guests of a node that died have left is dealt with by the
node that leads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from app.chat.leases import VALID, Lease
from app.chat.node_messages import Gone
from app.clock import Clock

if TYPE_CHECKING:
    from app.live.hub import Hub
    from app.live.nodes import Nodes

GRACE = 1.0
"""Seconds between the end of the last connection to this node and what follows from it."""
REMEMBERED = 2 * VALID
"""Seconds for which it is remembered who left other nodes, and whom nodes had that died."""


class Departures:
    """The guests who left this node. Everything happens in one event loop, but guests may leave in any."""

    def __init__(self, nodes: Nodes, hub: Hub, clock: Clock) -> None:
        self._nodes, self._hub, self._clock = nodes, hub, clock
        self.on_death: Callable[[int], None] | None = None
        """Called for each guest of a node that died, if this node is the one that deals with that."""
        self._left: dict[int, _Left] = {}
        self._gone: dict[int, tuple[int, str, float]] = {}
        """Who left another node: when by its clock, which one, and when that was heard."""
        self._orphans: dict[int, float] = {}
        """Guests of nodes that died, and when that was found."""
        nodes.on_gone.append(self._gone_elsewhere)
        nodes.on_user.append(self._consider)
        nodes.on_death.append(self._died)
        nodes.on_tick.append(self._tick)

    def __len__(self) -> int:
        return len(self._left) + len(self._gone) + len(self._orphans)

    def left(self, user: int, act: Callable[[], None]) -> None:
        """Call `act` once a guest, whose last connection to this node has ended, has left."""
        self._gone.pop(user, None)  # what was heard before is of before
        self._left[user] = _Left(self._nodes.changed_at(user), self._clock.monotonic() + GRACE, act)

    def finish(self) -> None:
        """Don't wait any longer, since this node ends."""
        for user, left in list(self._left.items()):
            left.due = float("-inf")
            self._consider(user)

    def _tick(self) -> None:
        now = self._clock.monotonic()
        for user, left in list(self._left.items()):
            if left.due <= now:
                self._consider(user)
        for user, (_, _, heard_at) in list(self._gone.items()):
            if now - heard_at > REMEMBERED:
                del self._gone[user]
        for user, found_at in list(self._orphans.items()):
            if now - found_at > REMEMBERED:
                del self._orphans[user]
            elif now - found_at >= GRACE and self._nodes.leads and not self._hub.is_present(user):
                del self._orphans[user]
                if self.on_death is not None:
                    self.on_death(user)

    def _consider(self, user: int) -> None:
        """Act if a guest is on no node any more, unless another node does."""
        left = self._left.get(user)
        if left is None or left.due > self._clock.monotonic():
            return
        if self._hub.is_present(user):
            if self._hub.is_here(user):
                del self._left[user]  # it came back, and will leave again
            return
        del self._left[user]
        at, node, _ = self._gone.get(user, (0, "", 0.0))
        if (left.at, self._nodes.name) > (at, node):
            left.act()

    def _gone_elsewhere(self, node: str, gone: Gone) -> None:
        self._gone[gone.user] = gone.at, node, self._clock.monotonic()

    def _died(self, lease: Lease) -> None:
        now = self._clock.monotonic()
        for here in lease.users.values():
            if here.guest:
                self._orphans[here.user] = now
        for user, (_, node, heard_at) in self._gone.items():
            if node == lease.node and now - heard_at <= VALID + 2 * GRACE:
                self._orphans[user] = now  # it may have died before it dealt with that


class _Left:
    """A guest who left this node: when, by the clock that others compare, when to look where it is, and what to do."""

    __slots__ = ("act", "at", "due")

    def __init__(self, at: int, due: float, act: Callable[[], None]) -> None:
        self.at, self.due, self.act = at, due, act
