"""How passwords are prepared, and hashed with Argon2id.

HashingError    a password can't be hashed or checked now; the message says why
"""

from __future__ import annotations

from base64 import b64encode
from typing import Protocol

from app.chat.errors import Refused
from app.identity.preparing import prepare


class HashingError(Exception):
    """A password can't be hashed or checked now."""


class Hasher(Protocol):
    """Prepares and hashes one password at a time. It may take long, and is called in one thread."""

    def prepare(self, password: str) -> str:
        """Return a password as it is compared. Refused if it has characters that can't be in one. HashingError if it
        can't be prepared now."""

    def hash(self, password: str) -> str:
        """Hash a prepared password for the store. HashingError if that isn't possible now."""

    def matches(self, hashed: str, password: str) -> bool:
        """Whether a password, as it was typed, matches `hashed`. HashingError if that can't be checked now.

        An empty `hashed` matches nothing, but takes as long to check, so that the time does not tell who is registered.
        """

    def rest(self) -> None:
        """Free what is only needed while there are passwords to hash."""

    def interrupt(self) -> None:
        """Let the present call end at once, with HashingError. Any thread may call this. Until `rest`, further calls
        end so as well."""


class Argon2id:
    """Hashes in this thread, at a cost that RFC 9106 recommends: 3 passes over 64 MiB, in 4 lanes."""

    def __init__(self, *, time_cost: int = 3, memory_cost: int = 65_536, parallelism: int = 4) -> None:
        from argon2 import PasswordHasher  # takes as long to load as some of the server's starting

        self._hasher = PasswordHasher(time_cost, memory_cost, parallelism)
        # Of an account that there isn't: nothing is known to match it.
        salt, digest = (b64encode(bytes(size)).decode().rstrip("=") for size in (16, 32))
        self._of_nobody = f"$argon2id$v=19$m={memory_cost},t={time_cost},p={parallelism}${salt}${digest}"

    def prepare(self, password: str) -> str:
        return prepare(password)

    def hash(self, password: str) -> str:
        from argon2.exceptions import HashingError as Failed

        try:
            return self._hasher.hash(password)
        except Failed as error:
            raise HashingError(str(error)) from None

    def matches(self, hashed: str, password: str) -> bool:
        try:
            prepared = prepare(password)
        except Refused:
            prepared = password
        if self._verify(hashed, prepared):
            return True
        # Passwords were once stored as they were typed.
        return prepared != password and self._verify(hashed, password)

    def rest(self) -> None:
        pass

    def interrupt(self) -> None:
        pass

    def _verify(self, hashed: str, password: str) -> bool:
        from argon2.exceptions import InvalidHashError, VerificationError
        from argon2.low_level import error_to_str

        try:
            return self._hasher.verify(hashed or self._of_nobody, password) and bool(hashed)
        except (InvalidHashError, UnicodeEncodeError):
            return False
        except VerificationError as error:
            if str(error) in map(error_to_str, _LACKING):
                raise HashingError(str(error)) from None
            return False


_LACKING = -22, -33
"""What Argon2 answers if there is no memory for it, or no thread."""
