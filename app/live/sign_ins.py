"""Sign-ins that nobody uses: they end after a while, since old devices get into other hands."""

from __future__ import annotations

import asyncio

from app.backends import Backend
from app.chat.events import User
from app.clock import Clock

DAY = 24 * 60 * 60 * 1000
"""Milliseconds. The use of a sign-in is recorded once a day."""
MOST = 50_000
"""Sign-ins whose use was recorded today and that are remembered, at most. The use of others is recorded again."""


class SignIns:
    """Who is signed in with a token. A sign-in that was not used for `unused` seconds has ended; 0 is no limit."""

    def __init__(self, backend: Backend, unused: float, clock: Clock) -> None:
        self._backend, self._unused, self._clock = backend, round(1000 * unused), clock
        self._day = 0
        self._used: set[bytes] = set()

    async def user_by_token(self, token: bytes) -> User | None:
        """Return the user whose token has this digest, or None."""
        since = self._clock.now() - self._unused if self._unused else 0
        return await self._backend.user_by_token(token, since=since)

    def used(self, token: bytes) -> None:
        """Record that a sign-in is used, without waiting for it."""
        now = self._clock.now()
        if now // DAY != self._day or len(self._used) >= MOST:
            self._day, self._used = now // DAY, set()
        if token not in self._used and not self._backend.problem:
            self._used.add(token)
            asyncio.ensure_future(self._backend.use_token(token, at=now)).add_done_callback(_ignore_failure)


def _ignore_failure(future: asyncio.Future[None]) -> None:
    """The use of a sign-in is recorded again tomorrow, or after a restart."""
    if not future.cancelled():
        future.exception()
