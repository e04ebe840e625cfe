"""When a guest has left, on several nodes: once, after its last connection to any of them has ended."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.backends.changes import Depart
from app.testing import Host, JsonClient, ManualClock
from tests.nodes import Cluster, LinkedBackend, cluster


@pytest.fixture
def two() -> Iterator[Cluster]:
    with cluster() as nodes:
        nodes.pass_time(7)  # each has had the time to hear of the other
        yield nodes


def departures(nodes: Cluster) -> list[int]:
    """Have whom the nodes said to have left noted in a list that grows."""
    noted: list[int] = []
    for host in nodes.hosts:
        link = nodes.chat(host).backend
        assert isinstance(link, LinkedBackend)
        link.on_submit.append(lambda change: noted.append(change.user) if isinstance(change, Depart) else None)
    return noted


def settled(nodes: Cluster) -> None:
    """Let the time pass that it takes to know who has left."""
    nodes.settle()
    nodes.pass_time(3)
    nodes.settle()


def is_free(host: Host, name: str) -> bool:
    with host.connect() as other:
        other.ask("nick", name=name, rid=1)
        return bool(other.receive()["t"] == "named")


def guest(host: Host, name: str, *, says: str = "hi") -> JsonClient:
    client = host.join(name)
    if says:
        client.say(says)
    return client


def test_a_guest_who_left_one_of_two_nodes_has_not_left(two: Cluster) -> None:
    noted = departures(two)
    ann = guest(two.hosts[0], "ann", says="")
    also = two.hosts[1].join(token=ann.token)
    settled(two)
    ann.leave()
    settled(two)
    assert noted == []
    assert not is_free(two.hosts[0], "ann")
    assert also.say("still here").name == "ann"


def test_a_guest_who_moves_to_another_node_keeps_a_name_under_which_nothing_was_said(two: Cluster) -> None:
    noted = departures(two)
    ann = guest(two.hosts[0], "ann", says="")
    ann.leave()
    also = two.hosts[1].join(token=ann.token)
    settled(two)
    assert noted == []
    assert also.say("hi").name == "ann"


@pytest.mark.parametrize("lost", [False, True])
def test_a_guest_who_leaves_two_nodes_at_once_has_left_once(two: Cluster, lost: bool) -> None:
    noted = departures(two)
    ann = guest(two.hosts[0], "ann")
    also = two.hosts[1].join(token=ann.token)
    settled(two)
    if lost:
        two.bus.loses = lambda payload: True
    ann.leave()
    also.leave()
    settled(two)
    if lost:
        assert noted == []  # each takes the guest to be on the other node
        two.bus.loses = lambda payload: False
        two.pass_time(6)
        settled(two)
        assert set(noted) == {ann.id}
    else:
        assert noted == [ann.id]
    two.clock.advance(400)  # type: ignore[attr-defined]
    assert is_free(two.hosts[0], "ann")


class Ticking(ManualClock):
    """A clock that goes on by some milliseconds whenever it is asked, as if everything took that long."""

    def now(self) -> int:
        self.advance(0.003)
        return super().now()


def test_who_leaves_two_nodes_within_the_time_that_news_take_has_left() -> None:
    with cluster(clock=Ticking()) as nodes:
        nodes.pass_time(7)
        noted = departures(nodes)
        people = [guest(nodes.hosts[0], name) for name in ("ann", "bob", "cy", "dan")]
        also = [nodes.hosts[1].join(token=one.token) for one in people]
        settled(nodes)
        for one, other in zip(people, also, strict=True):
            one.leave()
            other.leave()
        settled(nodes)
        assert sorted(noted) == sorted(one.id for one in people)


def test_the_guests_of_a_node_that_was_killed_have_left_once(two: Cluster) -> None:
    noted = departures(two)
    third = two.start()
    ann, bob = guest(third, "ann"), guest(third, "bob", says="")
    also = two.hosts[0].join(token=bob.token)
    settled(two)
    two.kill(third)
    two.pass_time(16)
    settled(two)
    assert noted == [ann.id]
    assert not is_free(two.hosts[1], "ann")  # its name is on hold from now on
    assert also.say("hi").name == "bob"
    two.pass_time(300)
    assert is_free(two.hosts[1], "ann")


def test_who_had_left_a_node_right_before_that_was_killed_has_left(two: Cluster) -> None:
    noted = departures(two)
    third = two.start()
    ann = guest(third, "ann")
    settled(two)
    ann.leave()
    two.settle()
    two.kill(third)
    two.pass_time(16)
    settled(two)
    assert noted == [ann.id]


def test_a_node_that_ends_deals_with_its_guests(two: Cluster) -> None:
    third = two.start()
    ann = guest(third, "ann", says="")
    ann.leave()
    two.stop(third)
    assert is_free(two.hosts[0], "ann")


def test_a_node_that_has_just_started_takes_nobody_for_gone(two: Cluster) -> None:
    ann = guest(two.hosts[0], "ann")
    two.pass_time(400)
    two.bus.loses = lambda payload: True
    third = two.start()
    assert not is_free(third, "ann")
    two.bus.loses = lambda payload: False
    two.pass_time(7)
    two.settle()
    assert not is_free(third, "ann")
    assert ann.say("still here").name == "ann"


def test_names_on_hold_are_counted_over_all_nodes() -> None:
    with cluster(overrides={"chat.names.held-per-address": 2}) as nodes:
        nodes.pass_time(7)
        people = []
        for number, name in enumerate(("ann", "bob", "cy", "dan")):
            people.append(guest(nodes.hosts[number % 2], name))
            people[-1].leave()
            settled(nodes)
        assert [is_free(nodes.hosts[0], name) for name in ("ann", "bob", "cy", "dan")] == [True, True, False, False]


def test_names_on_hold_are_known_to_a_node_that_starts() -> None:
    with cluster(overrides={"chat.names.held-per-address": 2}) as nodes:
        nodes.pass_time(7)
        for name in ("ann", "bob"):
            guest(nodes.hosts[0], name).leave()
        settled(nodes)
        third = nodes.start()
        settled(nodes)
        guest(third, "cy").leave()
        settled(nodes)
        assert [is_free(nodes.hosts[1], name) for name in ("ann", "bob", "cy")] == [True, False, False]


def test_a_guest_has_the_time_to_come_back_after_all_nodes_were_killed() -> None:
    """It had left long ago, and was there again when they were killed."""
    with cluster(nodes=1) as nodes:
        ann = guest(nodes.hosts[0], "ann")
        ann.leave()
        settled(nodes)
        nodes.pass_time(400)
        back = nodes.hosts[0].join(token=ann.token)
        nodes.kill(nodes.hosts[0])
        again = nodes.start()
        nodes.pass_time(20)
        assert not is_free(again, "ann")
        nodes.pass_time(300)
        assert is_free(again, "ann")
        del back
