"""Where the next page of a search begins, as clients get to know it."""

from __future__ import annotations

import os
from hashlib import blake2b


class PageNumbers:
    """Hides the `pos` where the next page of a search over several logs begins: it would tell how much is said in all
    rooms. What `seal` returns means something to `open` of the same process only; anything else opens as any number.

    Four rounds of a Feistel network over two halves of HALF bits, so a sealed number fits into a JSON number.
    """

    HALF = 26
    ROUNDS = 4

    def __init__(self) -> None:
        self._key = os.urandom(16)

    def seal(self, pos: int) -> int:
        """Hide a `pos` above 0. 0 stays 0."""
        left, right = divmod(pos, 1 << self.HALF)
        for number in range(self.ROUNDS):
            left, right = right, left ^ self._scramble(number, right)
        return left << self.HALF | right if pos else 0

    def open(self, sealed: int) -> int:
        """Return the `pos` that was sealed. A number that none can be sealed to is a position after all others."""
        if sealed >> 2 * self.HALF:
            return sealed
        left, right = divmod(sealed, 1 << self.HALF)
        for number in reversed(range(self.ROUNDS)):
            left, right = right ^ self._scramble(number, left), left
        return left << self.HALF | right

    def _scramble(self, number: int, half: int) -> int:
        data = half.to_bytes(8, "big")
        digest = blake2b(data, digest_size=8, key=self._key, salt=bytes([number])).digest()
        return int.from_bytes(digest, "big") >> 64 - self.HALF
