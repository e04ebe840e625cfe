"""How many frames a client may send: of any kind, since each costs time, whatever is in it."""

from __future__ import annotations

from math import inf
from typing import NamedTuple

SETTING = "app.websockets.frames"
REASON = "Too many frames"
BURST = 3.0
"""How many seconds of its rate a client may send at once."""


class FrameLimit(NamedTuple):
    """`rate` frames a second, and up to `burst` at once. A connection counts its frames down from `burst`, and looks
    at the clock when none is left, so that counting takes next to no time."""

    rate: float
    burst: float

    @classmethod
    def of(cls, rate: float) -> FrameLimit:
        """The limit for a rate. 0 is no limit."""
        return cls(rate, BURST * rate) if rate else NO_LIMIT

    def refill(self, seconds: float) -> float:
        """How many frames there are `seconds` after the last refill."""
        return min(self.burst, self.rate * seconds)

    @property
    def reason(self) -> str:
        """What a client is told that sent more."""
        return f"{REASON}: the limit is {self.rate:g} a second"


NO_LIMIT = FrameLimit(inf, inf)


class FrameCount:
    """Counts the frames of one client against a limit."""

    __slots__ = ("_left", "_refilled", "limit")

    def __init__(self, limit: FrameLimit) -> None:
        self.limit = limit
        self._left, self._refilled = limit.burst, 0.0

    def take(self, frames: int, now: float) -> bool:
        """Count frames. False if the client sent too many."""
        self._left -= frames
        if self._left < 0:
            self._left += self.limit.refill(now - self._refilled if self._refilled else 1.0)
            self._refilled = now
        return self._left >= 0


class FrameSplitter:
    """Finds where the frames of a client begin, without reading them."""

    __slots__ = ("_head", "_payload")

    def __init__(self) -> None:
        self._head = b""
        """The beginning of a frame whose size isn't known yet."""
        self._payload = 0
        """The bytes of a frame that are yet to come."""

    def split(self, data: bytes, frames: int, size: int) -> tuple[int, int]:
        """Return how many bytes of `data` to take, `size` at most, so that no more than `frames` begin in them, and how
        many do."""
        position, found, end = 0, 0, min(len(data), size)
        while True:
            skipped = min(self._payload, end - position)
            position, self._payload = position + skipped, self._payload - skipped
            if position == end or (found == frames and not self._head):
                return position, found
            found += not self._head
            head = self._head + data[position : position + 14 - len(self._head)]
            header = _header_size(head)
            if len(head) < header or header > len(self._head) + end - position:
                self._head += data[position:end]
                return end, found
            position += header - len(self._head)
            self._head, self._payload = b"", _payload_size(head)


def _header_size(head: bytes) -> int:
    """The size of a frame's header, with the mask; 2 if it isn't known yet."""
    if len(head) < 2:
        return 2
    return 2 + {126: 2, 127: 8}.get(head[1] & 0x7F, 0) + (4 if head[1] & 0x80 else 0)


def _payload_size(head: bytes) -> int:
    size = head[1] & 0x7F
    if size < 126:
        return size
    return int.from_bytes(head[2:4] if size == 126 else head[2:10], "big")
