"""Who is online, and in which rooms. These are hints: they are never stored and may get lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from heapq import nsmallest
from itertools import islice
from operator import itemgetter

from msgspec import UNSET, Struct, UnsetType

from app.chat.directory import Directory
from app.chat.fitting import ESCAPED, PAGE_BYTES, fit

_PERSON = 64
"""Bytes of JSON that a person has at most beside its texts."""


class Person(Struct, frozen=True, omit_defaults=True, gc=False):
    """Someone in a room. `away` is set while they are away; it is their reason and may be empty."""

    id: int
    name: str
    away: str | UnsetType = UNSET


class PeopleElsewhere(Struct, frozen=True):
    """Everyone who is in `room` on other nodes now."""

    room: str
    people: tuple[Person, ...]


class Typing(Struct, frozen=True):
    """Someone is typing in `room`."""

    room: str
    user: int
    name: str


class Read(Struct, frozen=True):
    """A user has read `room` up to `seq` on one of its connections."""

    room: str
    user: int
    seq: int


Hint = PeopleElsewhere | Typing | Read


class Difference(Struct, frozen=True):
    """How the people of a room changed: who came, who went, and who has another name, is away or is back."""

    came: tuple[Person, ...]
    went: tuple[Person, ...]
    changed: tuple[Person, ...]

    def __bool__(self) -> bool:
        return bool(self.came or self.went or self.changed)


def difference(before: Iterable[Person], after: Iterable[Person]) -> Difference:
    """Compare two lists of people by id."""
    old, new = {person.id: person for person in before}, {person.id: person for person in after}
    both = [(person, new[id_]) for id_, person in old.items() if id_ in new]
    return Difference(
        came=tuple(person for id_, person in new.items() if id_ not in old),
        went=tuple(person for id_, person in old.items() if id_ not in new),
        changed=tuple(other for one, other in both if one != other),
    )


def by_name(
    people: Iterable[Person], limit: int, *, find: str = "", after: str = ""
) -> tuple[tuple[Person, ...], bool]:
    """Return the first people by name, at most `limit`, and whether there are more: those whose name contains `find`
    and comes after the name `after`. Case makes no difference."""
    find, after = find.casefold(), after.casefold()
    keyed = ((person.name.casefold(), person) for person in people)
    found = [(key, person) for key, person in keyed if key > after and find in key]
    first = nsmallest(limit, found, key=itemgetter(0))
    return tuple(person for _, person in first), len(found) > limit


def people_fit(people: Collection[Person]) -> bool:
    """Return whether a list of people fits in a frame."""
    texts = sum(len(one.name) + (0 if isinstance(one.away, UnsetType) else len(one.away)) for one in people)
    if ESCAPED * texts + _PERSON * len(people) <= PAGE_BYTES:
        return True
    return len(fit(tuple(people))) == len(people)


class Roster:
    """Who is online on this node and in which rooms, and what other nodes said about theirs.

    A user counts once, however many connections it has, and is present as long as one of them is.
    """

    def __init__(self) -> None:
        self._people: dict[int, Person] = {}
        self._further: dict[int, int] = {}
        """How many connections users have beside their first, if they have any."""
        self._rooms: dict[str, Counter[int]] = {}
        self._elsewhere: dict[str, tuple[Person, ...]] = {}
        self.directory = Directory()
        """The rooms that have people in them."""

    def connect(self, user: int, name: str) -> None:
        """Count one more connection of the user."""
        if user in self._people:
            self._further[user] = self._further.get(user, 0) + 1
        else:
            self._people[user] = Person(user, name)

    def disconnect(self, user: int) -> bool:
        """Count one connection less, which has left its rooms already. Return whether it was the user's last."""
        further = self._further.pop(user, 0)
        if further > 1:
            self._further[user] = further - 1
        elif not further:
            del self._people[user]
        return not further

    def is_present(self, user: int) -> bool:
        """Whether the user has a connection, on this node or another."""
        return user in self._people or any(user == one.id for people in self._elsewhere.values() for one in people)

    def is_in(self, user: int, room: str) -> bool:
        """Whether the user is in the room, on this node or another."""
        return user in self._rooms.get(room, ()) or any(user == one.id for one in self._elsewhere.get(room, ()))

    def join(self, user: int, room: str) -> None:
        """Count one more connection of the user in the room."""
        here = self._rooms.setdefault(room, Counter())
        here[user] += 1
        if here[user] == 1:
            self.directory.resize(room, self.members(room))

    def part(self, user: int, room: str) -> None:
        """Count one connection of the user in the room less."""
        here = self._rooms[room]
        here[user] -= 1
        if here[user]:
            return
        del here[user]
        if not here:
            del self._rooms[room]
        self.directory.resize(room, self.members(room))

    def rename(self, user: int, name: str) -> None:
        """Change the user's name."""
        if user in self._people:
            self._people[user] = Person(user, name, self._people[user].away)

    def set_away(self, user: int, why: str | UnsetType) -> None:
        """Show the user as away, or as back if `why` is unset."""
        if user in self._people:
            self._people[user] = Person(user, self._people[user].name, why)

    def hush(self, user: int) -> bool:
        """Forget why the user is away. Return whether it had said why."""
        person = self._people.get(user)
        if person is None or isinstance(person.away, UnsetType) or not person.away:
            return False
        self._people[user] = Person(user, person.name, "")
        return True

    def set_people_elsewhere(self, room: str, people: tuple[Person, ...]) -> None:
        """Replace what is known of the room's people on other nodes."""
        self._elsewhere[room] = people
        if not people:
            del self._elsewhere[room]
        self.directory.resize(room, self.members(room))

    def people_here(self, room: str) -> tuple[Person, ...]:
        """Return the room's people on this node, in the order in which they came."""
        return tuple(self._people[user] for user in self._rooms.get(room, ()))

    def people(self, room: str) -> tuple[Person, ...]:
        """Return the room's people: those on this node in the order in which they came, then the others."""
        here = self._rooms.get(room) or Counter()
        return self.people_here(room) + tuple(one for one in self._elsewhere.get(room, ()) if one.id not in here)

    def members(self, room: str) -> int:
        """Return how many people are in the room."""
        if room not in self._elsewhere:
            return len(self._rooms.get(room, ()))
        return len(self.people(room))

    def some(self, room: str, most: int) -> list[int]:
        """Return the users in the room on this node, at most so many: those who came first."""
        return list(islice(self._rooms.get(room, ()), most))
