"""Passwords: how they are compared, hashed with Argon2id, and how often they may be tried.

Passwords are the same if their OpaqueString (RFC 8265) is: an accented letter has several ways to be written, and which
one a keyboard chooses is up to the device.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from functools import cached_property
from typing import TYPE_CHECKING

from app.chat.errors import Code, Refused
from app.clock import Clock
from app.identity.attempts import Attempts
from app.identity.turns import Turns

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MAX_PREPARED = 1000
"""Characters of a password that is prepared, which takes time. A longer one is compared as it is."""


class Passwords:
    """Hashes and checks passwords, one at a time: each takes memory and a core for some hundredths of a second.

    Every call names the `account` that it is for and the `network` that asks, or an empty one if that has no address.
    They take turns, and their tries are counted.
    """

    def __init__(self, clock: Clock) -> None:
        self._attempts = Attempts(clock)

    async def hash(self, password: str, *, account: Hashable, network: Hashable) -> str:
        """Hash a prepared password for the store."""
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

    def _try(self, hashed: str, password: str, whose: tuple[Hashable, Hashable, Hashable]) -> bool:
        """Try a password when it is its turn. So it is known of all tries before whether they were wrong."""
        self._attempts.begin(*whose)
        if not self._matches(hashed, password):
            return False
        self._attempts.succeed(*whose)
        return True

    def _hash(self, password: str) -> str:
        return self.hasher.hash(password)

    def _matches(self, hashed: str, password: str) -> bool:
        try:
            prepared = prepare(password)
        except Refused:
            prepared = password
        if self._verify(hashed, prepared):
            return True
        # Passwords were once stored as they were typed.
        return prepared != password and self._verify(hashed, password)

    def _verify(self, hashed: str, password: str) -> bool:
        from argon2.exceptions import InvalidHashError, VerificationError

        try:
            return self.hasher.verify(hashed or self._dummy_hash, password) and bool(hashed)
        except (VerificationError, InvalidHashError, UnicodeEncodeError):
            return False

    @cached_property
    def hasher(self) -> PasswordHasher:
        """The hash function. Tests set a fast one. It is loaded with the first password, in the thread of that."""
        from argon2 import PasswordHasher

        return PasswordHasher()

    @cached_property
    def _dummy_hash(self) -> str:
        return self.hasher.hash("")

    @cached_property
    def _turns(self) -> Turns:
        return Turns("password")


def prepare(password: str) -> str:
    """Return a password as it is compared. Refused if it has characters that can't be in one, such as a tab."""
    if password.isascii() and password.isprintable():
        return password
    try:
        if len(password) > MAX_PREPARED:
            password.encode()
            return password
        from precis_i18n import get_profile  # loading its tables takes longer than anything else here

        prepared: str = get_profile("OpaqueString").enforce(password)
    except UnicodeEncodeError:
        problem = "A password can't have control characters or invisible ones. Use letters, digits, signs and spaces"
        raise Refused(Code.BAD_PASSWORD, problem, reason="characters") from None
    return prepared
