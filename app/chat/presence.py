"""Who is online, and in which rooms. These are hints: they are never stored and may get lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from heapq import nsmallest
from itertools import chain, islice
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


class Here(Struct, frozen=True, array_like=True, gc=False):
    """A user who has connections to a node, and the rooms that these are in.

    `away` is why the user is away, or None. `since` is when it last said that it is away or back, in milliseconds
    since 1970; 0 if it never did. `place` stands for the address it came from last.
    """

    user: int
    name: str
    guest: bool
    rooms: tuple[str, ...] = ()
    away: str | None = None
    since: int = 0
    place: int = 0


class Typing(Struct, frozen=True, array_like=True, tag="typing"):
    """Someone is typing in `room`."""

    room: str
    user: int
    name: str


class Read(Struct, frozen=True, array_like=True, tag="read"):
    """A user has read `room` up to `seq` on one of its connections."""

    room: str
    user: int
    seq: int


Hint = Typing | Read


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
    """Who is online on this node and in which rooms, and what other nodes told about theirs.

    A user counts once, however many connections it has, and is present as long as one of them is.
    """

    def __init__(self) -> None:
        self._people: dict[int, Person] = {}
        self._further: dict[int, int] = {}
        """How many connections users have beside their first, if they have any."""
        self._rooms: dict[str, Counter[int]] = {}
        self._since: dict[int, int] = {}
        """When users on this node last said that they are away or back."""
        self._elsewhere: dict[int, dict[str, Here]] = {}
        """Users who have connections to other nodes, as each of these told, the latest last."""
        self._rooms_elsewhere: dict[str, Counter[int]] = {}
        """How many other nodes have each user in a room."""
        self._only_elsewhere: Counter[str] = Counter()
        """How many users are in a room on other nodes, and not on this one."""
        self.directory = Directory()
        """The rooms that have people in them."""

    def connect(self, user: int, name: str) -> None:
        """Count one more connection of the user."""
        if user in self._people:
            self._further[user] = self._further.get(user, 0) + 1
        else:
            self._people[user] = Person(user, name)
            if user in self._elsewhere:
                for there in self._elsewhere[user].values():
                    self._take_away(there)

    def disconnect(self, user: int) -> bool:
        """Count one connection less, which has left its rooms already. Return whether it was the last to this node."""
        further = self._further.pop(user, 0)
        if further > 1:
            self._further[user] = further - 1
        elif not further:
            del self._people[user]
            self._since.pop(user, None)
        return not further

    def is_here(self, user: int) -> bool:
        """Whether the user has a connection to this node."""
        return user in self._people

    def is_present(self, user: int) -> bool:
        """Whether the user has a connection, to this node or another."""
        return user in self._people or user in self._elsewhere

    def is_in(self, user: int, room: str) -> bool:
        """Whether the user is in the room, on this node or another."""
        return user in self._rooms.get(room, ()) or user in self._rooms_elsewhere.get(room, ())

    def join(self, user: int, room: str) -> None:
        """Count one more connection of the user in the room."""
        here = self._rooms.setdefault(room, Counter())
        here[user] += 1
        if here[user] == 1:
            if user in self._rooms_elsewhere.get(room, ()):
                self._only_elsewhere[room] -= 1
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
        if user in self._rooms_elsewhere.get(room, ()):
            self._only_elsewhere[room] += 1
        self.directory.resize(room, self.members(room))

    def rename(self, user: int, name: str) -> None:
        """Change the user's name."""
        if user in self._people:
            self._people[user] = Person(user, name, self._people[user].away)

    def set_away(self, user: int, why: str | UnsetType, at: int = 0) -> None:
        """Show the user as away, or as back if `why` is unset, as of the time `at`."""
        if user in self._people:
            self._people[user] = Person(user, self._people[user].name, why)
            self._note(user, at)

    def _note(self, user: int, at: int) -> None:
        """Note when something was last said of a user's being away: after all before, even if clocks differ."""
        if at:
            self._since[user] = max(at, self._since.get(user, 0) + 1)

    def hush(self, user: int, at: int = 0) -> bool:
        """Forget why the user is away, as of the time `at`. Return whether it had said why."""
        person = self._people.get(user)
        if person is None or isinstance(person.away, UnsetType) or not person.away:
            return False
        self._people[user] = Person(user, person.name, "")
        self._note(user, at)
        return True

    def here(self, user: int, rooms: Iterable[str], *, guest: bool, place: int) -> Here | None:
        """Return what to tell other nodes about a user; None if it has no connection to this one."""
        person = self._people.get(user)
        if person is None:
            return None
        away = None if isinstance(person.away, UnsetType) else person.away
        return Here(user, person.name, guest, tuple(rooms), away, self._since.get(user, 0), place)

    def tell(self, node: str, user: int, there: Here | None) -> list[str]:
        """Take what another node tells about a user, or that it has none of its connections any more. Return the rooms
        that look different now."""
        nodes = self._elsewhere.setdefault(user, {})
        person = self._person_elsewhere(user) if nodes else None
        before = nodes.pop(node, None)
        if there is not None:
            nodes[node] = there
        if not nodes:
            del self._elsewhere[user]
        left, entered = set(before.rooms if before else ()), set(there.rooms if there else ())
        for room in left - entered:
            self._count_elsewhere(user, room, -1)
        for room in entered - left:
            self._count_elsewhere(user, room, 1)
        changed = left | entered
        if nodes and person != self._person_elsewhere(user):
            changed.update(self.rooms_elsewhere(user))
        if there is not None and self._take_away(there):
            changed.update(room for room, here in self._rooms.items() if user in here)
            changed.update(self.rooms_elsewhere(user))
        return list(changed)

    def _count_elsewhere(self, user: int, room: str, by: int) -> None:
        there = self._rooms_elsewhere.setdefault(room, Counter())
        before = there[user]
        there[user] += by
        if not there[user]:
            del there[user]
            if not there:
                del self._rooms_elsewhere[room]
        if not (before and there.get(user)) and user not in self._rooms.get(room, ()):
            self._only_elsewhere[room] += by
            if not self._only_elsewhere[room]:
                del self._only_elsewhere[room]
        self.directory.resize(room, self.members(room))

    def _take_away(self, there: Here) -> bool:
        """Show a user as it is on another node, if it said there last whether it is away. Return whether it differs."""
        person = self._people.get(there.user)
        if person is None or there.since <= self._since.get(there.user, 0):
            return False
        self._since[there.user] = there.since
        self._people[there.user] = Person(there.user, person.name, UNSET if there.away is None else there.away)
        return self._people[there.user] != person

    def people_here(self, room: str) -> tuple[Person, ...]:
        """Return the room's people on this node, in the order in which they came."""
        return tuple(self._people[user] for user in self._rooms.get(room, ()))

    def people(self, room: str) -> tuple[Person, ...]:
        """Return the room's people: those on this node in the order in which they came, then the others."""
        if room not in self._rooms_elsewhere:
            return self.people_here(room)
        here = self._rooms.get(room) or Counter()
        others = (user for user in self._rooms_elsewhere[room] if user not in here)
        return self.people_here(room) + tuple(self._people.get(user) or self._person_elsewhere(user) for user in others)

    def _person_elsewhere(self, user: int) -> Person:
        there = list(self._elsewhere[user].values())
        away = max(there, key=lambda one: one.since).away
        return Person(user, there[-1].name, UNSET if away is None else away)

    def rooms_elsewhere(self, user: int) -> list[str]:
        """Return the rooms that the user is in on other nodes."""
        return [room for there in self._elsewhere.get(user, {}).values() for room in there.rooms]

    def members(self, room: str) -> int:
        """Return how many people are in the room."""
        return len(self._rooms.get(room, ())) + (self._only_elsewhere[room] if self._only_elsewhere else 0)

    def some(self, room: str, most: int) -> list[int]:
        """Return the users in the room, at most so many: those on this node first."""
        here: Collection[int] = self._rooms.get(room, ())
        others = (user for user in self._rooms_elsewhere.get(room, ()) if user not in here)
        return list(islice(chain(here, others), most))

    def place(self, user: int) -> int:
        """Return what stands for the address of a user on another node; 0 if that isn't known."""
        return next((there.place for there in self._elsewhere.get(user, {}).values()), 0)
