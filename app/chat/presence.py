"""Who is where, as far as is known: hints, which are never stored and may get lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from msgspec import UNSET, Struct, UnsetType


class Person(Struct, frozen=True, omit_defaults=True, gc=False):
    """Somebody in a room; `away` says why not at the keyboard, and may be empty."""

    id: int
    name: str
    away: str | UnsetType = UNSET


class Here(Struct, frozen=True):
    """The people in `room` on the other nodes: all of them, as of now."""

    room: str
    people: tuple[Person, ...]


class Typing(Struct, frozen=True):
    """Somebody types in `room`."""

    room: str
    user: int
    name: str


class Read(Struct, frozen=True):
    """A user has read `room` up to `seq` in one of its connections."""

    room: str
    user: int
    seq: int


Hint = Here | Typing | Read


class Change(Struct, frozen=True):
    """What differs between two looks at a room: who came, who went, who has another name or is away or back."""

    came: tuple[Person, ...]
    went: tuple[Person, ...]
    changed: tuple[Person, ...]

    def __bool__(self) -> bool:
        return bool(self.came or self.went or self.changed)


def difference(before: Iterable[Person], after: Iterable[Person]) -> Change:
    """How `after` differs from `before`; people are the same by their id."""
    old, new = {person.id: person for person in before}, {person.id: person for person in after}
    both = [(person, new[id_]) for id_, person in old.items() if id_ in new]
    return Change(
        came=tuple(person for id_, person in new.items() if id_ not in old),
        went=tuple(person for id_, person in old.items() if id_ not in new),
        changed=tuple(other for one, other in both if one != other),
    )


class Roster:
    """Who is on this node, in which rooms, and what other nodes said of theirs. A user counts once, however many
    connections it has; it is there as long as one of them is."""

    def __init__(self) -> None:
        self._people: dict[int, Person] = {}
        self._connections: Counter[int] = Counter()
        self._rooms: dict[str, Counter[int]] = {}
        self._elsewhere: dict[str, tuple[Person, ...]] = {}

    def enter(self, user: int, name: str) -> None:
        """One more connection of the user."""
        self._connections[user] += 1
        if user not in self._people:
            self._people[user] = Person(user, name)

    def leave(self, user: int) -> bool:
        """One connection less; it has left its rooms before. The answer is whether it was the last."""
        self._connections[user] -= 1
        gone = not self._connections[user]
        if gone:
            del self._connections[user], self._people[user]
        return gone

    def present(self, user: int) -> bool:
        """Whether the user has a connection, here or elsewhere."""
        return user in self._people or any(user == one.id for people in self._elsewhere.values() for one in people)

    def join(self, user: int, room: str) -> None:
        """A connection of the user enters the room."""
        self._rooms.setdefault(room, Counter())[user] += 1

    def part(self, user: int, room: str) -> None:
        """A connection of the user leaves the room."""
        here = self._rooms[room]
        here[user] -= 1
        if not here[user]:
            del here[user]
        if not here:
            del self._rooms[room]

    def rename(self, user: int, name: str) -> None:
        """The user has another name."""
        if user in self._people:
            self._people[user] = Person(user, name, self._people[user].away)

    def away(self, user: int, why: str | UnsetType) -> None:
        """The user is away, or back."""
        if user in self._people:
            self._people[user] = Person(user, self._people[user].name, why)

    def elsewhere(self, room: str, people: tuple[Person, ...]) -> None:
        """These people are in the room on other nodes, and no others."""
        self._elsewhere[room] = people
        if not people:
            del self._elsewhere[room]

    def here(self, room: str) -> tuple[Person, ...]:
        """Who is in the room on this node, in the order in which they came."""
        return tuple(self._people[user] for user in self._rooms.get(room, ()))

    def people(self, room: str) -> tuple[Person, ...]:
        """Who is in the room: those here in the order in which they came, then those elsewhere."""
        here = self._rooms.get(room) or Counter()
        return self.here(room) + tuple(one for one in self._elsewhere.get(room, ()) if one.id not in here)

    def members(self, room: str) -> int:
        """How many are in the room."""
        if room not in self._elsewhere:
            return len(self._rooms.get(room, ()))
        return len(self.people(room))

    def rooms(self) -> list[str]:
        """The rooms with somebody in them."""
        return [*self._rooms, *(room for room in self._elsewhere if room not in self._rooms)]

    def rooms_of(self, user: int) -> list[str]:
        """The rooms that a user is in on this node."""
        return [room for room, here in self._rooms.items() if user in here]
