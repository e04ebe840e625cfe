"""The rooms that have people in them, by size and by name, without looking through all of them for each list."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterable, Iterator
from itertools import islice

REFRESH = 1.0
"""Seconds for which an order that takes a look at many rooms is used, even if it has changed."""
SMALL = 200
"""Up to so many rooms, an order is always made anew."""
SCANNED = 20_000
"""Names that a page of rooms is looked for in, at most."""
CANDIDATES = 1_000
"""The largest rooms that are looked at for the list of rooms."""
OF_ONE = 20
"""Rooms whose people all have one address that come first in the list, for each address."""

Owners = Callable[[str], Iterable[Hashable]]
"""Returns the addresses of some people in a room."""


class Directory:
    """The rooms that have people in them. A change takes the same time however many there are."""

    def __init__(self) -> None:
        self._sizes: dict[str, int] = {}
        self._by_size: dict[int, dict[str, None]] = {}
        """The rooms of each size, in the order in which they came to have it."""
        self._names: list[str] = []
        """Names of rooms, sorted. Some may have gone since."""
        self._added: dict[str, None] = {}
        """Names of rooms that came since."""
        self._sorted_at = self._ranked_at = float("-inf")
        self._ranked: list[str] = []

    def __len__(self) -> int:
        return len(self._sizes)

    def __contains__(self, room: str) -> bool:
        return room in self._sizes

    def resize(self, room: str, members: int) -> None:
        """Take the number of people that a room has now."""
        before = self._sizes.get(room, 0)
        if members == before:
            return
        if before:
            same = self._by_size[before]
            del same[room]
            if not same:
                del self._by_size[before]
        else:
            self._added[room] = None
        if members:
            self._sizes[room] = members
            self._by_size.setdefault(members, {})[room] = None
        else:
            del self._sizes[room]
            self._added.pop(room, None)

    def largest(self) -> Iterator[str]:
        """Return the rooms, the largest first."""
        for size in sorted(self._by_size, reverse=True):
            yield from self._by_size[size]

    def ranked(self, limit: int, owners: Owners, now: float) -> list[str]:
        """Return the rooms to list first: the largest, but those in which people of several addresses meet before
        those that one address may have made up. If there are many, this may be a second old."""
        if len(self._sizes) <= min(SMALL, limit):
            return list(self.largest())
        if not 0 <= now - self._ranked_at < REFRESH:
            self._ranked, self._ranked_at = self._rank(limit, owners), now
        return [room for room in self._ranked if room in self._sizes]

    def page(self, limit: int, *, find: str, after: str, now: float) -> tuple[list[str], str]:
        """Return the first rooms by name that come after the name `after` and have `find` in theirs, at most `limit`,
        and after which name to go on; nothing if there are no more. If there are many rooms, this may miss those of
        the last second."""
        if len(self._sizes) <= SMALL or not 0 <= now - self._sorted_at < REFRESH:
            self._sort()
            self._sorted_at = now
        start = bisect_right(self._names, after)
        found: list[str] = []
        for name in islice(self._names, start, start + SCANNED):
            if find in name and name in self._sizes:
                if len(found) == limit:
                    return found, found[-1]
                found.append(name)
        rest = start + SCANNED < len(self._names)
        return found, self._names[start + SCANNED - 1] if rest else ""

    def _sort(self) -> None:
        if self._added or len(self._names) > len(self._sizes):
            kept = [name for name in self._names if name in self._sizes]
            kept += self._added.keys() - set(kept) if self._added else ()
            kept.sort()
            self._names, self._added = kept, {}

    def _rank(self, limit: int, owners: Owners) -> list[str]:
        shared: list[str] = []
        single: list[str] = []
        rest: list[str] = []
        counts: dict[Hashable, int] = {}
        for room in islice(self.largest(), max(CANDIDATES, limit)):
            known = set(owners(room))
            if len(known) > 1:
                shared.append(room)
                continue
            owner = next(iter(known), room)
            counts[owner] = counts.get(owner, 0) + 1
            (single if counts[owner] <= OF_ONE else rest).append(room)
        return [*shared, *single, *rest][:limit]
