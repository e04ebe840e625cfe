"""Guests who never said anything are forgotten some time after they left, and so are their tokens.

A guest's token is forgotten first, and the guest a round later: someone who comes back at this very moment is there by
then. What earlier runs left behind is looked for once, when those who want to come back have had the time to; by one
node, if several share the history, and again after one has died.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from app.backends import Backend, Unavailable
from app.clock import Clock
from app.live.hub import Hub

log = logging.getLogger("chat")

AFTER = 600.0
"""Seconds after which a guest who left is forgotten."""
PERIOD = 60.0
"""Seconds between two rounds."""
STEP = 200
"""The most guests of one change, so that others need not wait long for the store."""
PAGE = 1000
"""The most users that one read looks at."""
MOST = 20_000
"""Guests who are remembered until they can be forgotten. With more, the first of them are forgotten earlier."""


class Forgetting:
    """Forgets the guests of a store. Everything happens in one event loop, but guests may leave in any."""

    def __init__(self, backend: Backend, hub: Hub, clock: Clock) -> None:
        self._backend, self._hub, self._clock = backend, hub, clock
        self._left: deque[tuple[float, int, bytes]] = deque()
        """When guests left, who, and their token."""
        self._without_token: list[int] = []
        """Those whose token is forgotten."""
        self._look_at: float | None = clock.monotonic() + AFTER
        """When to look for guests of earlier runs; None once that is done."""

    def __len__(self) -> int:
        return len(self._left)

    def left(self, user: int, token: bytes) -> None:
        """Note that a guest has no connection any more. It is forgotten only if no log knows it by then."""
        self._left.append((self._clock.monotonic(), user, token))

    def look_again(self) -> None:
        """Look through the store again after some time: guests were left behind that nobody has noted."""
        if self._look_at is None:
            self._look_at = self._clock.monotonic() + AFTER

    async def forget(self) -> None:
        """Do one round."""
        await self._forget_users(self._without_token)
        self._without_token = []
        before, crowd = self._clock.monotonic() - AFTER, len(self._left) - MOST
        due = [one for number, one in enumerate(self._left) if number < crowd or one[0] <= before]
        await self._forget_tokens([(token, user) for _, user, token in due])
        for _ in due:
            self._left.popleft()
        self._without_token = [user for _, user, _ in due]
        leads = self._hub.nodes is None or self._hub.nodes.leads
        if leads and self._look_at is not None and self._clock.monotonic() >= self._look_at:
            await self._look()
            self._look_at = None

    async def _look(self) -> None:
        """Look through the whole store."""
        token = b""
        while True:
            token, found = await self._backend.tokens_of_silent_guests(token, PAGE)
            await self._forget_tokens(found)
            if not token:
                break
        user = 0
        while True:
            user, silent = await self._backend.silent_guests(user, PAGE)
            self._without_token += silent
            if not user:
                break

    async def _forget_tokens(self, found: Sequence[tuple[bytes, int]]) -> None:
        gone = [token for token, user in found if token and not self._hub.is_present(user)]
        for first in range(0, len(gone), STEP):
            await self._backend.forget(tokens=gone[first : first + STEP])

    async def _forget_users(self, users: Sequence[int]) -> None:
        gone = [user for user in users if not self._hub.is_present(user)]
        for first in range(0, len(gone), STEP):
            await self._backend.forget(gone[first : first + STEP])


@asynccontextmanager
async def forgetting(forgetting: Forgetting) -> AsyncIterator[None]:
    """Forget guests as long as the block runs."""
    task = asyncio.create_task(_forget_forever(forgetting))
    yield
    task.cancel()
    await asyncio.wait({task})


async def _forget_forever(forgetting: Forgetting) -> None:
    while True:
        await asyncio.sleep(PERIOD)
        try:
            await forgetting.forget()
        except Unavailable as error:
            log.warning("Forgetting guests who said nothing failed and is tried again in a minute: %s", error)
