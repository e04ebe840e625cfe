"""A queue in which owners take turns."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """What waits, by owner: after one of an owner, it is the next owner's turn. So those who ask for much wait for
    themselves. Owners may have owners: the accounts of an address take turns within the turns of the address."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: dict[Hashable, FairQueue[T] | deque[T]] = {}
        """In the order of their turns. None of them is empty."""

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def __contains__(self, owner: Hashable) -> bool:
        """Whether an owner waits for something."""
        return owner in self._waiting

    def put(self, item: T, owner: Hashable, *within: Hashable) -> None:
        """Add what an owner waits for; `within` are the owners below it. An owner has either such owners, always as
        many, or none."""
        waiting = self._waiting.get(owner)
        if waiting is None:
            waiting = self._waiting[owner] = FairQueue() if within else deque()
        if isinstance(waiting, FairQueue):
            waiting.put(item, *within)
        else:
            waiting.append(item)

    def take(self, busy: Collection[Hashable] = ()) -> T | None:
        """Return what is next, without owners who are `busy`; None if there is nothing."""
        for owner in self._waiting:
            if owner not in busy:
                break
        else:
            return None
        waiting = self._waiting.pop(owner)
        item = waiting.take() if isinstance(waiting, FairQueue) else waiting.popleft()
        if waiting:
            self._waiting[owner] = waiting  # at the end
        return item
