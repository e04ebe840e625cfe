"""Brings the connections of this node up to date with what other nodes had changed about their users.

It goes by the changes that every node applies, so nothing of it can get lost. What this node asked for itself is done
by the handler that asked.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from app.backends import Backend, Unavailable
from app.backends.user_changes import UserChange, What
from app.live.hub import Hub
from app.live.shard import Shard
from app.live.subscriber import Subscriber

log = logging.getLogger("chat")

RETRY_DELAY = 1.0
"""Seconds to wait before the store is asked again when it is unavailable."""
AT_ONCE = 500
"""Users who are read at once."""


class UserUpdates:
    """Follows the changes of users. `forget_ranks` is called, in any thread, when someone became a server operator, and
    `load_ranks` then finds out who."""

    def __init__(
        self,
        backend: Backend,
        hub: Hub,
        *,
        forget_ranks: Callable[[], None],
        load_ranks: Callable[[], Awaitable[None]],
    ) -> None:
        self._backend, self._hub = backend, hub
        self._forget_ranks, self._load_ranks = forget_ranks, load_ranks
        self._refreshing: dict[Shard, _Refreshing] = {}
        backend.follow_users(self._changed)

    def _changed(self, changes: Sequence[UserChange]) -> None:
        """Take what was changed, in any thread."""
        others = [change for change in changes if not change.own]
        if any(one.what is What.RANK for one in others):
            self._forget_ranks()
        if others:
            self._hub.mark_changed([one.user for one in others if one.what in (What.NAME, What.SIGN_INS)])
            self._hub.in_shards(self._update, others)

    def _update(self, shard: Shard, changes: Sequence[UserChange]) -> None:
        """Update the connections of an event loop, in that."""
        names: list[int] = []
        ignoring: list[int] = []
        ranks = False
        for change in changes:
            here = shard.connections.get(change.user, ())
            if change.what is What.RANK:
                ranks = True
            elif change.what is What.SIGN_INS:
                for one in here:
                    one.end_sign_in(change.token, change.but)
            elif here:
                (names if change.what is What.NAME else ignoring).append(change.user)
        if names or ignoring or ranks:
            refreshing = self._refreshing.get(shard)
            if refreshing is None:
                refreshing = self._refreshing[shard] = _Refreshing()
                task = asyncio.create_task(self._refresh(shard, refreshing))
                refreshing.task = task
            refreshing.names.update(dict.fromkeys(names))
            refreshing.ignoring.update(dict.fromkeys(ignoring))
            refreshing.ranks = refreshing.ranks or ranks

    async def _refresh(self, shard: Shard, due: _Refreshing) -> None:
        """Read what is due from the store, until nothing is."""
        try:
            while due.names or due.ignoring or due.ranks:
                try:
                    await self._refresh_some(shard, due)
                except Unavailable:
                    await asyncio.sleep(RETRY_DELAY)
        except Exception:
            log.exception("Connections could not be told what was changed about their users")
        finally:
            del self._refreshing[shard]

    async def _refresh_some(self, shard: Shard, due: _Refreshing) -> None:
        while due.ranks:
            due.ranks = False
            try:
                await self._load_ranks()
            except BaseException:
                due.ranks = True
                raise
        for id_ in list(due.ignoring)[:AT_ONCE]:
            del due.ignoring[id_]  # now, since it may be changed again meanwhile
            try:
                await self._read_ignored(id_)
            except BaseException:
                due.ignoring[id_] = None
                raise
        ids, asked = list(due.names)[:AT_ONCE], self._hub.changes
        found = await self._backend.users(ids) if ids else []
        for id_ in ids:
            if not self._hub.has_changed(id_, asked):  # otherwise this may be what it was before
                del due.names[id_]
        for user in found:
            if user.id not in due.names and any(one.user != user for one in shard.connections.get(user.id, ())):
                self._hub.update_user(user)

    async def _read_ignored(self, user: int) -> None:
        """Read whom a user ignores, again if a handler of this node was at it as well."""
        known = None
        while (ignored := await self._backend.ignored(user)) != known:
            known = ignored
            await self._hub.for_connections_in_turn(user, partial(_ignore, users=ignored))


def _ignore(subscriber: Subscriber, users: frozenset[int]) -> None:
    subscriber.ignore(users)


class _Refreshing:
    """What is to be read for the connections of an event loop."""

    def __init__(self) -> None:
        self.names: dict[int, None] = {}
        self.ignoring: dict[int, None] = {}
        self.ranks = False
        self.task: asyncio.Task[None] | None = None
