"""The roster against a plain model, and the differences that presence sends."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from msgspec import UNSET, UnsetType

from app.chat.presence import Here, Person, Roster, difference

USERS = st.integers(1, 4)
ROOMS = st.sampled_from(["red", "blue"])
people = st.builds(Person, USERS, st.sampled_from(["a", "b"]), st.sampled_from([UNSET, "", "lunch"]))
rooms = st.lists(people, unique_by=lambda person: person.id).map(tuple)


@given(rooms, rooms)
def test_a_difference_makes_the_one_into_the_other(before: tuple[Person, ...], after: tuple[Person, ...]) -> None:
    change = difference(before, after)
    told = {person.id: person for person in before}
    for person in change.went:
        assert told.pop(person.id) == person
    assert not {person.id for person in change.came} & set(told)
    assert {person.id for person in change.changed} <= set(told)
    told.update({person.id: person for person in (*change.came, *change.changed)})
    assert told == {person.id: person for person in after}
    assert bool(change) == (set(before) != set(after))


class Coming(RuleBasedStateMachine):
    """Connections of some users open, join rooms, leave them and close; other nodes report their people."""

    connections = Bundle("connections")

    def __init__(self) -> None:
        super().__init__()
        self.roster = Roster()
        self.open: list[tuple[int, set[str]]] = []
        self.away: dict[int, tuple[int, str | UnsetType]] = {}
        self.elsewhere: dict[tuple[str, int], Here] = {}
        self.times = 0

    @rule(target=connections, user=USERS)
    def enter(self, user: int) -> tuple[int, set[str]]:
        if user not in [one for one, _ in self.open]:
            said = [(told.since, told.away) for (_, other), told in self.elsewhere.items() if other == user]
            if said:
                since, why = max(said, key=lambda one: one[0])
                self.away[user] = since, UNSET if why is None else why
        self.roster.connect(user, f"name{user}")
        connection = user, set[str]()
        self.open.append(connection)
        return connection

    @rule(connection=connections, room=ROOMS)
    def join(self, connection: tuple[int, set[str]], room: str) -> None:
        if room not in connection[1]:
            connection[1].add(room)
            self.roster.join(connection[0], room)

    @rule(connection=connections, room=ROOMS)
    def part(self, connection: tuple[int, set[str]], room: str) -> None:
        if room in connection[1]:
            connection[1].remove(room)
            self.roster.part(connection[0], room)

    @rule(connection=connections, why=st.sampled_from([UNSET, "", "lunch"]))
    def go_away(self, connection: tuple[int, set[str]], why: str | UnsetType) -> None:
        self.times += 1
        self.roster.set_away(connection[0], why, self.times)
        self.away[connection[0]] = self.times, why

    @rule(connection=consumes(connections))
    def leave(self, connection: tuple[int, set[str]]) -> None:
        for room in connection[1]:
            self.roster.part(connection[0], room)
        self.open = [other for other in self.open if other is not connection]
        last = self.roster.disconnect(connection[0])
        assert last == (connection[0] not in [user for user, _ in self.open])
        if last:
            self.away.pop(connection[0], None)

    @rule(node=st.sampled_from(["b", "c"]), user=USERS, joined=st.frozensets(ROOMS), why=st.sampled_from([None, "tea"]))
    def hear_of_another(self, node: str, user: int, joined: frozenset[str], why: str | None) -> None:
        self.times += 1
        there = self.elsewhere[node, user] = Here(user, f"name{user}", True, tuple(joined), why, self.times)
        before = {room: self.roster.people(room) for room in ("red", "blue")}
        changed = self.roster.tell(node, user, there)
        assert {room for room, people in before.items() if people != self.roster.people(room)} <= set(changed)
        if user in [one for one, _ in self.open]:
            self.away[user] = self.times, UNSET if why is None else why

    @rule(node=st.sampled_from(["b", "c"]), user=USERS)
    def hear_of_an_end(self, node: str, user: int) -> None:
        self.elsewhere.pop((node, user), None)
        self.roster.tell(node, user, None)

    @invariant()
    def agrees(self) -> None:
        online = {user for user, _ in self.open}
        elsewhere = {user for _, user in self.elsewhere}
        for user in range(1, 5):
            assert self.roster.is_here(user) == (user in online)
            assert self.roster.is_present(user) == (user in online | elsewhere)
        for room in ("red", "blue"):
            here = {user for user, joined in self.open if room in joined}
            there = {user for (_, user), told in self.elsewhere.items() if room in told.rooms}
            people = self.roster.people(room)
            assert {person.id for person in people} == here | there == set(self.roster.some(room, 9))
            assert len(people) == self.roster.members(room) == len(here | there)
            assert (room in self.roster.directory) == bool(here | there)
            for person in people:
                said = [
                    (told.since, UNSET if told.away is None else told.away)
                    for (_, user), told in self.elsewhere.items()
                    if user == person.id
                ]
                if person.id in online:
                    said = [self.away.get(person.id, (0, UNSET))]
                assert person.away == max(said, key=lambda one: one[0])[1]


TestComing = Coming.TestCase
TestComing.settings = settings(max_examples=150, stateful_step_count=25)
