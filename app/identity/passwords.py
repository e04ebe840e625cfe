"""Password hashing with Argon2id, on a thread of its own, and a limit on wrong passwords from one address."""

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

MAX_WRONG = 5
"""Wrong passwords that one address may try in PERIOD seconds."""
PERIOD = 60.0
MAX_ADDRESSES = 10_000
"""Addresses whose wrong passwords are remembered. With more, the oldest are forgotten."""


class Passwords:
    """Hashes and checks passwords, one at a time: each takes memory and a core for some hundredths of a second."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wrong: dict[str, deque[float]] = {}

    async def hash(self, password: str) -> str:
        """Hash a password for the store."""
        return await self._run(self.hasher.hash, password)

    async def check(self, address: str, hashed: str, password: str) -> None:
        """Refused unless the password matches `hashed`, or after too many wrong ones from `address`.

        An empty `hashed` matches nothing, but takes as long to check, so that the time does not tell who is registered.
        """
        wrong = self._recent_wrong(address)
        if len(wrong) >= MAX_WRONG:
            after = max(1, round(1000 * (wrong[0] + PERIOD - self._clock.monotonic())))
            problem = f"Too many wrong passwords. Try again in {-(-after // 1000)} s"
            raise Refused(Code.RATE_LIMITED, problem, retry=True, after=after, reason="password", limit=MAX_WRONG)
        wrong.append(self._clock.monotonic())  # before the check, so that tries at the same time count
        if not await self._run(self._matches, hashed, password):
            raise Refused(Code.WRONG_PASSWORD, "Wrong name or password")
        wrong.pop()

    def _recent_wrong(self, address: str) -> deque[float]:
        """Return the times of wrong passwords from `address` in the last PERIOD seconds."""
        wrong = self._wrong.pop(address, deque())
        while wrong and wrong[0] + PERIOD <= self._clock.monotonic():
            wrong.popleft()
        self._wrong[address] = wrong
        if len(self._wrong) > MAX_ADDRESSES:
            del self._wrong[next(iter(self._wrong))]
        return wrong

    def _matches(self, hashed: str, password: str) -> bool:
        try:
            return self.hasher.verify(hashed or self._dummy_hash, password) and bool(hashed)
        except (VerificationError, InvalidHashError):
            return False

    @cached_property
    def hasher(self) -> PasswordHasher:
        """The hash function. Tests set a fast one."""
        return PasswordHasher()

    @cached_property
    def _dummy_hash(self) -> str:
        return self.hasher.hash("")

    @cached_property
    def _executor(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(1, thread_name_prefix="password")

    async def _run(self, function: Callable[..., T], *arguments: str) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)
