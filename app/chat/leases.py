"""What a node knows of the other nodes: who lives, who is connected to it, and what it has used of common limits.

A node is known from its first message on, until it says goodbye or nothing is heard of it for VALID seconds. Its news
are taken in their order. While some are missing, what was known before goes on to hold, and the whole is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Protocol

from app.chat.node_messages import Beat, Gone, Held, Key, News, Use, Whole
from app.chat.presence import Here

BEAT = 5.0
"""Seconds between two beats of a node."""
VALID = 12.0
"""Seconds for which what a node has told holds, after anything was heard of it."""
ASKING = 1.0
"""Seconds between two times that a node is asked for the same."""
MOST_USES = 20_000
"""Uses of limits that are remembered of each node, at most."""
MOST_ENDED = 1000
"""Nodes that ended and are remembered, at most."""


class Told(Protocol):
    """Who is told what other nodes are found to have told."""

    def user_told(self, node: str, user: int, there: Here | None) -> None:
        """Learn that a user has connections to a node, or has none any more."""

    def gone_told(self, node: str, gone: Gone) -> None:
        """Learn when a user's last connection to a node ended."""

    def use_told(self, use: Use, more: float) -> None:
        """Learn how much has been used of a limit on a node: so much `more` than was known, or less."""

    def use_ended(self, use: Use) -> None:
        """Learn that a node has died, or ends, which had used so much of a limit."""

    def held_told(self, held: Held) -> None:
        """Learn that a name is on hold."""

    def heard_told(self, heard: Mapping[str, int]) -> None:
        """Learn how far the listeners on another node are."""


class Lease:
    """What one node has told."""

    def __init__(self, node: str, started: int) -> None:
        self.node, self.started = node, started
        self.heard_at = self.asked_at = float("-inf")
        self.number = 0
        """The last news, as far as none are missing."""
        self.behind = True
        """Whether something is missing."""
        self.users: dict[int, Here] = {}
        self.uses: dict[tuple[str, Key], Use] = {}
        self.pending: dict[int, Here | None] = {}
        """What has come of users with the whole, and is yet to be taken: they may be many."""
        self.parts: dict[int, Whole] = {}
        """What has come of the whole, by part."""


class Leases:
    """The other nodes. Everything is called with the time, in seconds of a clock that never goes back."""

    def __init__(self, node: str, told: Told) -> None:
        self.node, self._told = node, told
        self.nodes: dict[str, Lease] = {}
        self._ended: dict[str, None] = {}
        """Nodes that said goodbye, of which something may still come."""

    def news(self, news: News, now: float) -> bool:
        """Take news. Return whether to ask their node for the whole."""
        lease = self._lease(news.node, news.started, now)
        if lease is None:
            return False
        if news.number <= lease.number and not lease.behind:
            return False
        if lease.behind or news.number != lease.number + 1:
            lease.behind = True
            return self._may_ask(lease, now)
        lease.number = news.number
        for here in news.here:
            self._set_user(lease, here.user, here)
        for gone in news.gone:
            self._set_user(lease, gone.user, None)
            self._told.gone_told(lease.node, gone)
        self._take(lease, news.uses, news.held, news.heard)
        return False

    def whole(self, whole: Whole, now: float) -> bool:
        """Take a part of the whole. With the last one, it replaces what was known, unless nothing was missing. Return
        whether there are users to `take` now."""
        lease = self._lease(whole.node, whole.started, now)
        if lease is None or not lease.behind or whole.number < lease.number:
            return False
        if any(part.number != whole.number or part.parts != whole.parts for part in lease.parts.values()):
            lease.parts = {}
        lease.parts[whole.part] = whole
        if len(lease.parts) < whole.parts:
            return False
        parts, lease.parts = [lease.parts[number] for number in sorted(lease.parts)], {}
        lease.number, lease.behind = whole.number, False
        here = {one.user: one for part in parts for one in part.here}
        lease.pending = dict.fromkeys(lease.users.keys() - here.keys())
        lease.pending.update((user, one) for user, one in here.items() if lease.users.get(user) != one)
        for part in parts:
            self._take(lease, part.uses, part.held, part.heard)
        return bool(lease.pending)

    def take(self, node: str, most: int) -> bool:
        """Take so many of the users that came with the whole. Return whether there are more."""
        lease = self.nodes.get(node)
        if lease is None:
            return False
        for user in list(islice(lease.pending, most)):
            self._set_user(lease, user, lease.pending[user])
        return bool(lease.pending)

    def beat(self, beat: Beat, now: float) -> bool:
        """Take a beat. Return whether to ask its node for the whole."""
        lease = self._lease(beat.node, beat.started, now)
        if lease is None:
            return False
        if beat.number > lease.number:
            lease.behind = True
        return lease.behind and self._may_ask(lease, now)

    def end(self, node: str, *, for_good: bool = False) -> Lease | None:
        """Forget a node that has died, or that ends `for_good`. Return what it had told last. Its users may be many:
        they are gone once `forget_user` was called for each."""
        if for_good:
            self._ended[node] = None
            while len(self._ended) > MOST_ENDED:
                del self._ended[next(iter(self._ended))]
        lease = self.nodes.pop(node, None)
        for use in lease.uses.values() if lease else ():
            self._told.use_ended(use)
        return lease

    def forget_user(self, node: str, user: int) -> None:
        """Forget a user of a node that has ended, unless the node was only taken for dead, and has told of it again."""
        lease = self.nodes.get(node)
        if lease is None or user not in lease.users:
            self._told.user_told(node, user, None)

    def expired(self, now: float) -> list[str]:
        """Return the nodes of which nothing was heard for too long."""
        return [node for node, lease in self.nodes.items() if now - lease.heard_at > VALID]

    def first(self, started: int) -> str:
        """Return the node that lives for the longest time, if this one has since `started`."""
        others = [(lease.started, lease.node) for lease in self.nodes.values()]
        return min([(started, self.node), *others])[1]

    def extend(self, now: float) -> None:
        """Take all nodes for alive as of now: nothing could be heard of them for a while."""
        for lease in self.nodes.values():
            lease.heard_at = now

    def _lease(self, node: str, started: int, now: float) -> Lease | None:
        if node in self._ended or node == self.node:
            return None
        lease = self.nodes.get(node)
        if lease is None:
            lease = self.nodes[node] = Lease(node, started)
        lease.heard_at = max(now, lease.heard_at)
        return lease

    def _may_ask(self, lease: Lease, now: float) -> bool:
        if now - lease.asked_at < ASKING:
            return False
        lease.asked_at = now
        return True

    def _set_user(self, lease: Lease, user: int, here: Here | None) -> None:
        lease.pending.pop(user, None)
        before = lease.users.pop(user, None)
        if here is not None:
            lease.users[user] = here
        if here != before:
            self._told.user_told(lease.node, user, here)

    def _take(self, lease: Lease, uses: Iterable[Use], held: Iterable[Held], heard: Mapping[str, int]) -> None:
        for use in uses:
            before = lease.uses.pop((use.limit, use.key), None)
            lease.uses[use.limit, use.key] = use
            known = before.amount if before is not None and before.since == use.since else 0.0
            if use.amount != known:
                self._told.use_told(use, use.amount - known)
        while len(lease.uses) > MOST_USES:
            del lease.uses[next(iter(lease.uses))]
        for one in held:
            self._told.held_told(one)
        if heard:
            self._told.heard_told(heard)
