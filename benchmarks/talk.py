"""Talk in one large room and in many small ones, in slices that lose no copy."""

from __future__ import annotations

from app.load import Crowd, LoadError, TalkFigures

LEVELS = {"room": (1, 8, 64), "rooms": (1, 64, 1000)}
"""How many messages are outstanding in one room of 1,000 clients, and over all of 1,000 rooms of 5."""


async def talk(crowd: Crowd, outstanding: int, *, seconds: float, warm: float, together: bool = False) -> TalkFigures:
    """Let the crowd talk for a slice of some seconds; in several rooms, in each of them in turn. LoadError if a copy
    doesn't arrive."""
    figures = await crowd.talk(outstanding=outstanding, together=together, seconds=seconds, warm=warm)
    if missing := figures.expected - figures.received:
        raise LoadError(f"{missing:,} copies of {figures.expected:,} did not arrive")
    return figures
