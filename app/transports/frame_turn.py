"""How many frames other than texts are handled in one turn of the event loop, from all clients together.

A client sends a ping or a pong now and then, and texts have a rate. Only a client that wants to disturb sends very many
of the others, and as it may do that on many connections, these share what there is.
"""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

MOST = 100
"""Frames in one turn. Each takes a few microseconds."""


class FrameTurn:
    """Counts the frames of the present turn."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = MOST

    def take(self) -> bool:
        """Count a frame. False if this turn has had enough."""
        if self._left == MOST:
            asyncio.get_running_loop().call_soon(self._end)
        self._left -= 1
        return self._left > 0

    def _end(self) -> None:
        self._left = MOST


_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, FrameTurn] = WeakKeyDictionary()


def frame_turn(loop: asyncio.AbstractEventLoop) -> FrameTurn:
    """The turn of an event loop."""
    turn = _turns.get(loop)
    if turn is None:
        turn = _turns[loop] = FrameTurn()
    return turn
