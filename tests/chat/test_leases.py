"""What a node knows of another, whatever becomes of its messages on their way: nothing wrong that lasts."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec import MsgspecError

from app.chat.leases import ASKING, BEAT, VALID, Leases
from app.chat.node_messages import (
    Ask,
    Beat,
    Bye,
    Gone,
    Held,
    News,
    NodeMessage,
    Use,
    Whole,
    as_text,
    decode,
    encode,
    from_text,
)
from app.chat.presence import Here, Read, Typing

USERS = st.integers(1, 3)


class Known:
    """What was told of other nodes, put together."""

    def __init__(self) -> None:
        self.users: dict[tuple[str, int], Here] = {}
        self.gone: list[tuple[str, int]] = []
        self.uses: dict[str, float] = {}
        self.ended: list[Use] = []
        self.held: list[int] = []
        self.heard: dict[str, int] = {}

    def user_told(self, node: str, user: int, there: Here | None) -> None:
        self.users.pop((node, user), None)
        if there is not None:
            self.users[node, user] = there

    def gone_told(self, node: str, gone: Gone) -> None:
        self.gone.append((node, gone.user))

    def use_told(self, use: Use, more: float) -> None:
        self.uses[use.limit] = self.uses.get(use.limit, 0.0) + more

    def use_ended(self, use: Use) -> None:
        self.ended.append(use)

    def held_told(self, held: Held) -> None:
        self.held.append(held.user)

    def heard_told(self, heard: Mapping[str, int]) -> None:
        self.heard |= heard


def here(user: int, *rooms: str) -> Here:
    return Here(user, f"name{user}", True, rooms)


class Lossy(RuleBasedStateMachine):
    """A node tells; what it tells is lost, doubled, kept back and delivered in any order. Then all goes well again."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.known = Known()
        self.leases = Leases("a", self.known)
        self.number = 0
        self.users: dict[int, Here] = {}
        self.used = 0.0
        self.way: list[NodeMessage] = []
        self.deliver(Beat("b", 1, 0))

    def deliver(self, message: NodeMessage) -> None:
        asks = False
        if isinstance(message, News):
            asks = self.leases.news(message, self.now)
        elif isinstance(message, Whole):
            self.leases.whole(message, self.now)
        elif isinstance(message, Beat):
            asks = self.leases.beat(message, self.now)
        if asks:
            self.way += self.whole()

    def whole(self) -> list[NodeMessage]:
        users = list(self.users.values())
        uses = (Use("commands", 1, self.used, 7),)
        return [Whole("b", 1, self.number, part, 2, tuple(users[part::2]), uses if part else ()) for part in (0, 1)]

    def news(self, *told: Here, gone: tuple[Gone, ...] = ()) -> None:
        self.number += 1
        self.way.append(News("b", 1, self.number, told, gone, (Use("commands", 1, self.used, 7),)))

    @rule(user=USERS, room=st.sampled_from(["red", "blue"]))
    def someone_comes(self, user: int, room: str) -> None:
        self.users[user] = here(user, room)
        self.used += 1
        self.news(self.users[user])

    @rule(user=USERS)
    def someone_goes(self, user: int) -> None:
        self.users.pop(user, None)
        self.news(gone=(Gone(user, 1),))

    @rule(which=st.integers(0, 5))
    def something_arrives(self, which: int) -> None:
        if self.way:
            self.deliver(self.way.pop(which % len(self.way)))

    @rule(which=st.integers(0, 5))
    def something_arrives_and_comes_again(self, which: int) -> None:
        if self.way:
            self.deliver(self.way[which % len(self.way)])

    @rule(which=st.integers(0, 5))
    def something_is_lost(self, which: int) -> None:
        if self.way:
            self.way.pop(which % len(self.way))

    @rule()
    def some_of_the_whole_is_taken(self) -> None:
        self.leases.take("b", 1)

    @rule()
    def time_passes(self) -> None:
        self.now += ASKING
        self.way.append(Beat("b", 1, self.number))

    @rule()
    def all_goes_well(self) -> None:
        while self.way:
            self.deliver(self.way.pop(0))
        for _ in range(2):
            self.now += BEAT
            self.way.append(Beat("b", 1, self.number))
            while self.way:
                self.deliver(self.way.pop(0))
        while self.leases.take("b", 1):
            pass
        assert {user: told for (_, user), told in self.known.users.items()} == self.users
        assert self.known.uses.get("commands", 0.0) == self.used

    @invariant()
    def counts_nothing_twice(self) -> None:
        assert self.known.uses.get("commands", 0.0) <= self.used


TestLossy = Lossy.TestCase
TestLossy.settings = settings(max_examples=200, stateful_step_count=30)


def leases() -> tuple[Leases, Known]:
    known = Known()
    made = Leases("a", known)
    assert made.beat(Beat("b", 5, 0), 0.0)
    made.whole(Whole("b", 5, 0, 0, 1), 0.0)
    return made, known


def test_a_node_is_known_until_nothing_is_heard_of_it() -> None:
    made, known = leases()
    made.news(News("b", 5, 1, (here(1, "red"),)), 3.0)
    assert made.expired(3.0 + VALID) == []
    assert made.expired(3.1 + VALID) == ["b"]
    lease = made.end("b")
    assert lease is not None
    assert list(lease.users) == [1]
    made.forget_user("b", 1)
    assert known.users == {}


def test_a_node_that_said_goodbye_does_not_come_back() -> None:
    made, _ = leases()
    made.end("b", for_good=True)
    assert not made.news(News("b", 5, 1, (here(1, "red"),)), 1.0)
    assert not made.beat(Beat("b", 5, 1), 1.0)
    assert made.nodes == {}


def test_a_node_that_was_taken_for_dead_does() -> None:
    made, known = leases()
    made.end("b")
    assert made.beat(Beat("b", 5, 3), 20.0)
    assert made.whole(Whole("b", 5, 3, 0, 1, (here(1, "red"),)), 20.0)
    assert not made.take("b", 10)
    assert list(known.users) == [("b", 1)]
    made.forget_user("b", 1)  # which comes late
    assert list(known.users) == [("b", 1)]
    made.forget_user("b", 2)


def test_a_node_is_asked_for_the_same_once_a_second() -> None:
    made, _ = leases()
    assert made.news(News("b", 5, 2), 1.0)
    assert not made.news(News("b", 5, 3), 1.5)
    assert made.news(News("b", 5, 4), 2.0)


def test_the_node_that_has_lived_longest_is_the_first() -> None:
    made, _ = leases()
    assert made.first(6) == "b"
    assert made.first(4) == "a"
    assert made.first(5) == "a"  # by name, so that all nodes agree
    made.end("b")
    assert made.first(6) == "a"


def test_a_count_that_begins_anew_is_not_taken_for_the_old_one() -> None:
    made, known = leases()
    made.news(News("b", 5, 1, uses=(Use("commands", 1, 10.0, 1),)), 1.0)
    made.news(News("b", 5, 2, uses=(Use("commands", 1, 4.0, 2),)), 1.0)
    assert known.uses == {"commands": 14.0}


def test_what_is_used_of_a_limit_is_told_when_its_node_ends() -> None:
    made, known = leases()
    made.news(News("b", 5, 1, uses=(Use("connections", "10.0.0.1", 3.0),)), 1.0)
    made.end("b")
    assert known.ended == [Use("connections", "10.0.0.1", 3.0)]


@pytest.mark.parametrize(
    "message",
    [
        News("b", 1, 2, (here(1, "red"),), (Gone(2, 3),), (Use("x", (4, "ff"), 1.0),), (Held("::", 5),), {"red": 6}),
        Whole("b", 1, 2, 0, 1, (Here(1, "ann", False, (), "lunch", 5, 6),)),
        Beat("b", 1, 2),
        Ask("b"),
        Bye("b"),
        Typing("red", 1, "ann"),
        Read("red", 1, 2),
    ],
)
def test_messages_are_what_they_were(message: NodeMessage) -> None:
    assert decode(encode(message)) == message


def test_what_no_node_of_this_version_tells_is_refused() -> None:
    for payload in (b"", b"\xc1", encode(["newer", 1]), encode({"t": "news"})):
        with pytest.raises(MsgspecError):
            decode(payload)


@pytest.mark.parametrize("address", ["10.0.0.1", "testclient", b"\x20\x01\x0d\xb8\0\0\0\1"])
def test_addresses_of_both_kinds_are_told(address: str | bytes) -> None:
    assert from_text(as_text(address)) == address
