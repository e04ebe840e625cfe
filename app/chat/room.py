"""Who is connected, and under which name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

C = TypeVar("C")


class Room(Generic[C]):
    """The connections of a chat by name, in the order they came.

    Names count up from `user0` and none is ever given twice, whoever leaves. Joining and leaving are O(1). It is not
    safe for threads by itself: one owner calls it at a time, and nobody joins or leaves during an iteration.
    """

    def __init__(self) -> None:
        self._connections: dict[str, C] = {}
        self._next = 0

    def __len__(self) -> int:
        return len(self._connections)

    def __iter__(self) -> Iterator[C]:
        return iter(self._connections.values())

    def join(self, connection: C) -> str:
        """Let `connection` in; the answer is its name."""
        name = f"user{self._next}"
        self._next += 1
        self._connections[name] = connection
        return name

    def leave(self, name: str) -> None:
        """Let the connection called `name` go. Leaving twice is leaving once."""
        self._connections.pop(name, None)
