"""The roster against a plain model, and the differences that presence sends."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from msgspec import UNSET

from app.chat.presence import Person, Roster, difference

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
        self.away: dict[int, str] = {}
        self.elsewhere: dict[str, tuple[Person, ...]] = {}

    @rule(target=connections, user=USERS)
    def enter(self, user: int) -> tuple[int, set[str]]:
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

    @rule(connection=connections, why=st.sampled_from(["", "lunch"]))
    def go_away(self, connection: tuple[int, set[str]], why: str) -> None:
        self.away[connection[0]] = why
        self.roster.set_away(connection[0], why)

    @rule(connection=consumes(connections))
    def leave(self, connection: tuple[int, set[str]]) -> None:
        for room in connection[1]:
            self.roster.part(connection[0], room)
        self.open = [other for other in self.open if other is not connection]
        last = self.roster.disconnect(connection[0])
        assert last == (connection[0] not in [user for user, _ in self.open])
        if last:
            self.away.pop(connection[0], None)

    @rule(room=ROOMS, there=rooms)
    def hear_of_others(self, room: str, there: tuple[Person, ...]) -> None:
        self.elsewhere[room] = there
        self.roster.set_people_elsewhere(room, there)

    @invariant()
    def agrees(self) -> None:
        for room in ("red", "blue"):
            here = {user for user, joined in self.open if room in joined}
            there = {person.id for person in self.elsewhere.get(room, ())}
            told = self.roster.people(room)
            assert {person.id for person in told} == here | there
            assert len(told) == self.roster.members(room) == len(here | there)
            assert (room in self.roster.directory) == bool(here | there)
            assert {one.id: one.away for one in self.roster.people_here(room)} == {
                user: self.away.get(user, UNSET) for user in here
            }


TestComing = Coming.TestCase
TestComing.settings = settings(max_examples=150, stateful_step_count=25)
