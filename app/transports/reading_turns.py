"""Whose bytes are handled next: how much one turn of the event loop reads from all clients together.

Hundreds of connections may have sent something when a turn begins, and everyone else waits until it is over. So a turn
handles only so much, counted in units of work, and the rest waits for the next ones. Those that wait are served owner
by owner, one connection of each at a time: an owner is the network of an address (`app.addresses.network`), and has no
more of a turn for having more connections. Who has not waited yet need not wait behind a crowd: once a turn is used
up, each owner is still let in with one thing.

As long as everything comes from one owner, nobody else has to wait for it. Then only what one connection sends has a
bound, since large turns are cheaper: what arrives in one is committed together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from typing import Protocol
from weakref import WeakKeyDictionary

from app.chat.fair_queue import FairQueue

TURN = 16
"""Units in one turn. A frame is one, and takes 20 to 100 microseconds with all that follows from it."""
CONNECTION = 64
"""Units of one connection at a time, if nobody else has to wait."""
MESSAGE = 4
"""Units of a message for an application that reads it through ASGI."""
DISCARDED = 2
"""Units of what is received after the end, and dropped."""
LEAVING = 4
"""Units of a connection that has ended: its user leaves rooms."""
REQUEST = 8
"""Units of an HTTP request or a handshake."""
SIZE = 10
"""One more unit for each 2 ** SIZE bytes."""
REMEMBERED = 10_000
"""Turns after which it is forgotten that there is more than one owner."""


class Reader(Protocol):
    """A connection with something to handle: bytes, or its end."""

    def take_turn(self) -> None:
        """Handle some of it: at least one thing, and more for as long as units are left in the turn. Count it, and wait
        for another turn with the rest."""


class ReadingTurns:
    """The turns of one event loop. Before something is handled, `take` it, and wait if that isn't possible now."""

    __slots__ = ("_admitted", "_begun", "_loop", "_readers", "_scheduled", "_several", "_waiting", "last", "left")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.left = 0
        """Units that are left in this turn."""
        self.last: Hashable = None
        """The owner that something came from last."""
        self._several = 0
        """How many turns it is remembered that there are several owners."""
        self._begun = self._scheduled = False
        self._waiting: FairQueue[Reader] = FairQueue()
        self._readers: set[Reader] = set()
        """All that are in there."""
        self._admitted: set[Hashable] = set()
        """The owners that were let in after this turn was used up."""

    @property
    def shared(self) -> bool:
        """Whether there is more than one owner."""
        return self._several > 0

    def take(self, owner: Hashable, units: int) -> bool:
        """Count something of `owner`, and return whether it may be handled now. SocketChannel does the same in place,
        since it does it for every message."""
        if owner != self.last:
            self.met(owner)
        self.left -= units
        return self.left >= 0 or self.admits(owner)

    def met(self, owner: Hashable) -> None:
        """Note an owner that isn't the last one."""
        if self.last is not None:
            self._several = REMEMBERED
        self.last = owner

    def admits(self, owner: Hashable) -> bool:
        """Whether something of `owner` may be handled although no units seem to be left: the turn has only begun, the
        owner is the only one, or it hasn't had its one thing yet."""
        if not (self._begun and self.shared):
            self._begun = True
            self.left += TURN
            self._schedule()
            return True
        if owner in self._admitted or owner in self._waiting:
            return False
        self._admitted.add(owner)
        return True

    def wait(self, reader: Reader, owner: Hashable) -> None:
        """Let a connection take its turn when it comes. Who waits already keeps its place."""
        if reader not in self._readers:
            self._readers.add(reader)
            self._waiting.put(reader, owner)
            self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._serve)

    def _serve(self) -> None:
        """End the turn with those that wait, at least one of them."""
        self._scheduled = False
        if not self._begun:
            self._begun, self.left = True, TURN
        try:
            for number in range(len(self._readers)):
                if number and self.left <= 0 and self.shared:
                    break
                reader = self._waiting.take()
                assert reader is not None, "each reader waits once"
                self._readers.remove(reader)
                reader.take_turn()
        finally:
            self._begun, self.left = False, 0
            self._several -= self._several > 0
            self._admitted.clear()
            if self._readers:
                self._schedule()


_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, ReadingTurns] = WeakKeyDictionary()


def reading_turns(loop: asyncio.AbstractEventLoop) -> ReadingTurns:
    """The turns of an event loop."""
    turns = _turns.get(loop)
    if turns is None:
        turns = _turns[loop] = ReadingTurns(loop)
    return turns
