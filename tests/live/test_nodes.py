"""Nodes that share a history: who is where, as each of them sees it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from app.testing import JsonClient
from tests.clients import DEADLINE, ROOT
from tests.nodes import Cluster, cluster


@pytest.fixture
def two() -> Iterator[Cluster]:
    with cluster() as nodes:
        yield nodes


def who(client: JsonClient, room: str = "lobby") -> dict[str, Any]:
    """Return the people in a room: their names, and why they are away."""
    client.ask("who", room=room, rid="who")
    while (told := client.receive()).get("rid") != "who":
        pass
    return {one["name"]: one.get("away") for one in told["people"]}


def until_present(client: JsonClient, **people: Any) -> None:
    """Ask until a room has these people. Who has come and gone between two hints is in none of them."""
    end = time.monotonic() + DEADLINE
    while (seen := who(client)) != people:
        assert time.monotonic() < end, seen


def until_told(client: JsonClient, change: str, name: str) -> None:
    """Wait for a hint that someone came or went."""
    while name not in [one["name"] for one in client.hint("presence").get(change, ())]:
        pass


def test_people_of_both_nodes_see_each_other(two: Cluster) -> None:
    a, b = two.hosts
    ann = a.join("ann")
    bob = b.join("bob")
    until_present(ann, ann=None, bob=None)
    until_present(bob, ann=None, bob=None)
    bob.ask("part", room="lobby")
    until_present(ann, ann=None)


def test_who_comes_and_goes_on_another_node_is_told_in_hints(two: Cluster) -> None:
    a, b = two.hosts
    ann = a.join("ann")
    bob = b.join("bob")
    until_told(ann, "came", "bob")
    bob.answer("part", room="lobby")
    until_told(ann, "went", "bob")


def test_a_node_that_starts_learns_who_is_there(two: Cluster) -> None:
    ann = two.hosts[0].join("ann")
    bob = two.hosts[1].join("bob")
    until_present(ann, ann=None, bob=None)
    cy = two.start().join("cy")
    until_present(cy, ann=None, bob=None, cy=None)
    until_present(bob, ann=None, bob=None, cy=None)


def test_who_is_away_is_away_on_all_nodes(two: Cluster) -> None:
    a, b = two.hosts
    ann, bob = a.join("ann"), b.join("bob")
    until_present(bob, ann=None, bob=None)
    also = b.join(token=ann.token)
    two.clock.advance(1)  # type: ignore[attr-defined]
    ann.ask("away", why="lunch")
    until_present(bob, ann="lunch", bob=None)
    ann.leave()
    until_present(bob, ann="lunch", bob=None)
    two.clock.advance(1)  # type: ignore[attr-defined]
    also.ask("back")
    until_present(bob, ann=None, bob=None)


def test_a_user_on_two_nodes_is_there_once_and_until_both_connections_end(two: Cluster) -> None:
    a, b = two.hosts
    ann, cy = a.join("ann"), a.join("cy")
    also = b.join(token=ann.token)
    bob = b.join("bob")
    until_present(bob, ann=None, bob=None, cy=None)
    ann.leave()
    until_present(cy, ann=None, bob=None, cy=None)
    also.leave()
    until_present(cy, bob=None, cy=None)


def test_the_people_of_a_node_that_was_killed_leave_within_15_seconds(two: Cluster) -> None:
    a, b = two.hosts
    ann, bob = a.join("ann"), b.join("bob")
    until_present(ann, ann=None, bob=None)
    two.kill(b)
    two.pass_time(10)
    assert who(ann) == {"ann": None, "bob": None}
    two.pass_time(4)
    until_present(ann, ann=None)
    del bob


def test_what_is_lost_is_told_again(two: Cluster) -> None:
    a, b = two.hosts
    ann = a.join("ann")
    two.settle()
    two.bus.loses = lambda payload: True
    bob = b.join("bob")
    two.settle()
    two.bus.loses = lambda payload: False
    assert who(ann) == {"ann": None}
    two.pass_time(6)
    until_present(ann, ann=None, bob=None)
    until_present(bob, ann=None, bob=None)


def test_what_comes_late_changes_nothing(two: Cluster) -> None:
    a, b = two.hosts
    ann = a.join("ann")
    two.settle()
    two.bus.late = []
    bob = b.join("bob")
    two.settle()
    bob.ask("part", room="lobby")
    b.settle()
    two.settle()
    two.bus.deliver_late()
    two.pass_time(6)
    cy = b.join("cy")
    until_present(ann, ann=None, cy=None)
    until_present(cy, ann=None, cy=None)


def test_a_node_that_stood_still_takes_nobody_for_dead(two: Cluster) -> None:
    a, b = two.hosts
    ann, bob = a.join("ann"), b.join("bob")
    until_present(ann, ann=None, bob=None)
    ann.say("keeps the name for a while")
    two.pass_time(30, but=a)
    assert who(bob) == {"bob": None}  # nothing was heard of the other one
    a.call(two.nodes(a).tick)
    two.settle()
    assert who(ann) == {"ann": None, "bob": None}
    until_present(bob, ann=None, bob=None)


def test_typing_and_read_markers_reach_the_other_node(two: Cluster) -> None:
    a, b = two.hosts
    ann, bob = a.join("ann"), b.join("bob")
    also = b.join(token=ann.token)
    bob.ask("typing", room="lobby")
    assert ann.hint("typing")["from"] == "bob"
    seq = bob.say("hi").seq
    ann.ask("read", room="lobby", seq=seq)
    assert also.hint("read")["seq"] == seq


def test_many_people_are_told_in_several_messages(two: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.live.node_parts.PART", 200)
    monkeypatch.setattr("app.live.nodes.SLICE", 2)
    a, _ = two.hosts
    people = [a.join(name) for name in ("ann", "bob", "cy", "dan", "eve")]
    fox = two.start().join("fox")
    until_present(fox, ann=None, bob=None, cy=None, dan=None, eve=None, fox=None)
    people[0].leave()
    until_present(fox, bob=None, cy=None, dan=None, eve=None, fox=None)


def test_a_room_lists_people_of_all_nodes_in_its_size(two: Cluster) -> None:
    a, b = two.hosts
    ann, _bob = a.join("ann", room="den"), b.join("bob", room="den")
    two.settle()
    ann.ask("rooms", rid=1)
    while (told := ann.receive()).get("rid") != 1:
        pass
    assert [(room["room"], room["members"]) for room in told["rooms"]] == [("den", 2)]


def test_a_node_alone_has_nothing_of_this() -> None:
    """It loads no module, and asks no hook, of what nodes tell each other."""
    asked = (
        "import sys; from app import create_app; app = create_app(overrides={'chat.store': ':memory:'});"
        "print(app.state.chat.hub.nodes, app.state.chat.departures, app.admission.elsewhere,"
        "      app.state.chat.shares.users.on_use, *(name for name in sys.modules if name in sys.argv))"
    )
    unwanted = [f"app.live.{name}" for name in ("nodes", "sharing", "departures", "duties", "user_updates")]
    unwanted += ["app.live.common_limits", "app.chat.leases", "app.chat.node_messages"]
    command = [sys.executable, "-c", asked, *unwanted]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE, check=True)
    assert told.stdout.split() == ["None"] * 4
