"""Passwords: how they are prepared, hashed and checked, in turn, and how often they may be tried."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from functools import cached_property

from app.chat.errors import Code, Refused
from app.clock import Clock
from app.identity.attempts import Attempts
from app.identity.hashing import Hasher, HashingError
from app.identity.preparing import prepare, takes_time
from app.identity.turns import Turns

IDLE = 60.0
"""Seconds without a password after which the process that hashes them ends. Starting it takes as long as a hash."""


class Passwords:
    """Prepares, hashes and checks passwords, one at a time: a hash takes 64 MiB, and all of a core for some time.

    Every call names the `account` that it is for and the `network` that asks, or an empty one if that has no address.
    They take turns, and their tries are counted.
    """

    def __init__(self, clock: Clock) -> None:
        self.attempts = Attempts(clock)

    async def prepare(self, password: str, *, account: Hashable, network: Hashable) -> str:
        """Return a password as it is compared. Refused if it has characters that can't be in one."""
        if not takes_time(password):
            return prepare(password)
        return await asyncio.wrap_future(self._turns.run(network, account, self._prepare, password))

    async def hash(self, password: str, *, account: Hashable, network: Hashable) -> str:
        """Hash a prepared password for the store. Refused if that isn't possible now."""
        return await asyncio.wrap_future(self._turns.run(network, account, self._hash, password))

    async def check(
        self, hashed: str, password: str, *, account: Hashable, network: Hashable, device: Hashable = None
    ) -> None:
        """Refused unless the password matches `hashed`, or if it was tried too often. `device` is set for a device that
        was signed in to this account before, which the tries of others don't concern.

        An empty `hashed` matches nothing, but takes as long to check, so that the time does not tell who is registered.
        """
        turn = self._turns.run(network, account, self._try, hashed, password, (account, network, device))
        if not await asyncio.wrap_future(turn):
            raise Refused(Code.WRONG_PASSWORD, "Wrong name or password")

    def close(self) -> None:
        """End the process that hashes. What waits is cancelled. The next password starts it again."""
        if "_turns" in self.__dict__:  # there was a password
            self.hasher.interrupt()
            self._turns.close()
            self.hasher.rest()

    def _prepare(self, password: str) -> str:
        try:
            return self.hasher.prepare(password)
        except HashingError:
            raise _unavailable() from None

    def _hash(self, password: str) -> str:
        try:
            return self.hasher.hash(password)
        except HashingError:
            raise _unavailable() from None

    def _try(self, hashed: str, password: str, whose: tuple[Hashable, Hashable, Hashable]) -> bool:
        """Try a password when it is its turn. So it is known of all tries before whether they were wrong."""
        self.attempts.begin(*whose)
        try:
            matches = self.hasher.matches(hashed, password)
        except HashingError:
            self.attempts.take_back(*whose)
            raise _unavailable() from None
        if matches:
            self.attempts.succeed(*whose)
        return matches

    @cached_property
    def hasher(self) -> Hasher:
        """Hashes in a process of its own. Tests set a fast one, which needs none."""
        from app.identity.hashing_client import HashingProcess

        return HashingProcess()

    @cached_property
    def _turns(self) -> Turns:
        return Turns("passwords", lambda: self.hasher.rest(), IDLE)


def _unavailable() -> Refused:
    problem = "Passwords can't be checked at the moment. Try again in some seconds"
    return Refused(Code.UNAVAILABLE, problem, retry=True)
