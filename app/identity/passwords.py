"""Passwords: hashed with Argon2id, on a thread of its own, and only so many wrong ones from one address."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.chat.errors import Code, Refused
from app.clock import Clock

T = TypeVar("T")

WRONG_ONES = 5
"""Wrong passwords that one address may try in PERIOD seconds."""
PERIOD = 60.0
MOST_ADDRESSES = 10_000
"""Addresses whose wrong passwords are remembered; the oldest are forgotten first."""


class Passwords:
    """Hashes and checks passwords. One at a time: each takes memory and a core for some hundredths of a second."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wrong: dict[str, deque[float]] = {}

    async def hash(self, password: str) -> str:
        """What the store keeps of a password."""
        return await self._run(self.hasher.hash, password)

    async def check(self, address: str, hashed: str, password: str) -> None:
        """Refused unless `hashed` is of `password`, or after too many wrong ones from `address`. What takes long takes
        as long where there is no hash, so that nobody learns who is registered."""
        wrong = self._tries(address)
        if len(wrong) >= WRONG_ONES:
            after = max(1, round(1000 * (wrong[0] + PERIOD - self._clock.monotonic())))
            problem = f"too many wrong passwords: try again in {-(-after // 1000)} s"
            raise Refused(Code.RATE_LIMITED, problem, retry=True, after=after, reason="password", limit=WRONG_ONES)
        wrong.append(self._clock.monotonic())  # before the check, so that tries that run side by side count
        if not await self._run(self._fits, hashed, password):
            raise Refused(Code.WRONG_PASSWORD, "the name is not registered, or its password is another")
        wrong.pop()

    def _tries(self, address: str) -> deque[float]:
        """When wrong passwords came from `address` of late."""
        wrong = self._wrong.pop(address, deque())
        while wrong and wrong[0] + PERIOD <= self._clock.monotonic():
            wrong.popleft()
        self._wrong[address] = wrong
        if len(self._wrong) > MOST_ADDRESSES:
            del self._wrong[next(iter(self._wrong))]
        return wrong

    def _fits(self, hashed: str, password: str) -> bool:
        try:
            return self.hasher.verify(hashed or self._nobodys, password) and bool(hashed)
        except (VerificationError, InvalidHashError):
            return False

    @cached_property
    def hasher(self) -> PasswordHasher:
        """What hashes. Tests set one that is fast."""
        return PasswordHasher()

    @cached_property
    def _nobodys(self) -> str:
        return self.hasher.hash("")

    @cached_property
    def _executor(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(1, thread_name_prefix="password")

    async def _run(self, function: Callable[..., T], *arguments: str) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)
