"""Limits that hold over all nodes: who spreads over them has at most 1.5 times what one node allows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

import pytest

from app.chat.budgets import Budgets
from app.chat.errors import Refused
from app.chat.node_messages import Key
from app.identity.attempts import MAX_WRONG, Attempts
from app.live import common_limits
from app.live.common_limits import Untold, share_attempts, share_budgets
from app.live.nodes import Nodes
from app.testing import Denied, Host, JsonClient, ManualClock
from tests.nodes import Cluster, cluster

RATE, BURST = 10.0, 20.0


class Told:
    """What a node tells, which reaches the others when `deliver` is called."""

    def __init__(self) -> None:
        self.others = 0
        self.limits: dict[str, Callable[[Key, float], None]] = {}
        self.told: list[tuple[str, Key, float]] = []
        self.count = 0

    def use(self, limit: str, key: Key, amount: float) -> None:
        self.told.append((limit, key, amount))
        self.count += 1


def deliver(nodes: list[Told]) -> None:
    for node in nodes:
        told, node.told = node.told, []
        for limit, key, amount in told:
            for other in nodes:
                if other is not node:
                    other.limits[limit](key, amount)


def spread(number: int, clock: ManualClock) -> tuple[list[Told], list[Budgets]]:
    nodes, budgets = [Told() for _ in range(number)], [Budgets(RATE, BURST) for _ in range(number)]
    for node, one in zip(nodes, budgets, strict=True):
        node.others = number - 1
        share_budgets("commands", one, cast(Nodes, node), clock)
    return nodes, budgets


@pytest.mark.parametrize("number", [2, 3, 5, 10])
@pytest.mark.parametrize("pace", [0.55, 0.8, 1.0, 3.0, 100.0])
def test_an_attacker_on_all_nodes_gets_no_more_than_half_as_much_again(number: int, pace: float) -> None:
    """It sends `pace` times what one node allows to each node."""
    clock = ManualClock()
    nodes, budgets = spread(number, clock)
    got, due, step = 0, 0.0, 0.02
    for turn in range(round(60 / step)):
        due += pace * RATE * step
        while due >= 1:
            due -= 1
            for one in budgets:
                got += not one.take("attacker", clock.monotonic())
                deliver(nodes)
        clock.advance(step)
        assert got <= 1.5 * (BURST + RATE * turn * step) + number
    assert got >= 0.5 * (BURST + RATE * 60)  # and one that asks for that much has it


@pytest.mark.parametrize("number", [2, 5])
def test_what_is_used_before_the_others_hear_of_it_is_owed(number: int) -> None:
    clock = ManualClock()
    nodes, budgets = spread(number, clock)
    got = 0
    for one in budgets:
        while not one.take("attacker", clock.monotonic()):
            got += 1
    assert got == number * BURST
    deliver(nodes)
    minute = 0.0
    while minute < 60:
        got += sum(not one.take("attacker", clock.monotonic()) for one in budgets)
        deliver(nodes)
        clock.advance(0.1)
        minute += 0.1
    assert got <= 1.5 * (BURST + RATE * 60)


def test_who_stays_on_one_node_has_all_of_it_and_usual_use_is_not_told() -> None:
    clock = ManualClock()
    nodes, budgets = spread(3, clock)
    for _ in range(100):
        assert not budgets[0].take("ann", clock.monotonic())
        deliver(nodes)
        clock.advance(0.5)
    assert [node.count for node in nodes] == [0, 0, 0]
    clock.advance(10)
    assert sum(not budgets[0].take("ann", clock.monotonic()) for _ in range(30)) == BURST


def test_what_is_untold_of_many_users_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common_limits, "MOST", 100)
    budgets, nodes = Budgets(RATE, BURST), Told()
    untold = Untold("commands", budgets, cast(Nodes, nodes), ManualClock())
    for user in range(1000):
        untold.use(user, 1.0, 1.0)
    assert len(untold) <= 100
    untold.use(1, 100.0, 1.0)
    for user in range(1000, 1100):
        untold.use(user, 100.0, 1.0)
    assert len(untold) <= 100
    assert nodes.count == 0


def attempts(number: int, clock: ManualClock) -> tuple[list[Told], list[Attempts]]:
    nodes, made = [Told() for _ in range(number)], [Attempts(clock) for _ in range(number)]
    for node, one in zip(nodes, made, strict=True):
        node.others = number - 1
        share_attempts(one, cast(Nodes, node), clock)
    return nodes, made


def tries(one: Attempts, account: str, network: str | bytes, device: bytes | None = None) -> bool:
    try:
        one.begin(account, network, device)
    except Refused:
        return False
    return True


def test_wrong_passwords_for_an_account_count_on_all_nodes() -> None:
    clock = ManualClock()
    nodes, made = attempts(3, clock)
    got = 0
    for number in range(60):
        for one in made:
            got += tries(one, "ann", f"10.0.0.{number}")
            deliver(nodes)
    assert got == MAX_WRONG
    clock.advance(2)
    assert tries(made[0], "ann", "10.1.0.1")  # after a pause
    deliver(nodes)
    assert not tries(made[1], "ann", "10.1.0.2")


@pytest.mark.parametrize("address", ["10.0.0.1", b"\x20\x01\x0d\xb8\0\0\0\1"])
def test_wrong_passwords_of_an_address_count_on_all_nodes(address: str | bytes) -> None:
    clock = ManualClock()
    nodes, made = attempts(2, clock)
    got = 0
    for number in range(60):
        for one in made:
            got += tries(one, f"account{number}", address)
            deliver(nodes)
    assert MAX_WRONG <= got <= 1.5 * MAX_WRONG


def test_a_right_password_frees_the_account_on_all_nodes_and_devices_are_apart() -> None:
    clock = ManualClock()
    nodes, made = attempts(2, clock)
    for _ in range(MAX_WRONG + 1):
        tries(made[0], "ann", "10.0.0.1", b"phone")
        deliver(nodes)
    assert not tries(made[1], "ann", "10.0.0.2", b"phone")
    assert tries(made[1], "ann", "10.0.0.2", b"tablet")
    made[1].succeed("ann", "10.0.0.2", b"phone")
    deliver(nodes)
    assert tries(made[0], "ann", "10.0.0.1", b"phone")


@pytest.fixture
def two() -> Iterator[Cluster]:
    with cluster() as nodes:
        nodes.settle()
        yield nodes


def is_checked(client: JsonClient, name: str) -> bool:
    """Try a wrong password. Return whether it was looked at."""
    code: str = client.refused("login", name=name, password="wrong horse").code
    return code == "wrong_password"


def test_wrong_passwords_are_counted_over_both_nodes(two: Cluster) -> None:
    owner = two.hosts[0].join("ann")
    owner.register("correct horse")
    clients = [host.connect() for host in two.hosts]
    looked_at = 0
    for _ in range(MAX_WRONG):
        for client in clients:
            looked_at += is_checked(client, "ann")
            two.settle()
    assert MAX_WRONG <= looked_at <= 1.5 * MAX_WRONG


def test_commands_of_a_user_are_counted_over_both_nodes() -> None:
    with cluster(overrides={"chat.limits.rate": 10, "chat.limits.burst": 20, "chat.limits.strikes": 0}) as nodes:
        ann = nodes.hosts[0].connect("ann")
        clients = [ann, *(host.connect(token=ann.token) for host in nodes.hosts for _ in range(3))]
        nodes.settle()
        nodes.clock.advance(10)  # type: ignore[attr-defined]
        done = 0
        for _ in range(20):
            for client in clients:
                client.ask("who", room="lobby", rid="x")
                done += client.receive().get("code") != "rate_limited"
            for host in nodes.hosts:
                host.call(nodes.nodes(host)._tell_news)
            for host in nodes.hosts:
                host.call(int)
        assert 20 <= done <= 30 + len(clients)


def test_connections_of_an_address_are_counted_over_both_nodes() -> None:
    with cluster(overrides={"app.websockets.connections-per-address": 8}) as nodes:
        a, b = nodes.hosts
        clients = [*_connect_all(nodes, a), *_connect_all(nodes, b)]
        assert 8 <= len(clients) <= 12
        clients.pop(0).leave()
        nodes.settle()
        nodes.clock.advance(60)  # type: ignore[attr-defined]
        assert _connect_all(nodes, b) or _connect_all(nodes, a)
        nodes.kill(a)
        nodes.pass_time(30)
        assert len(_connect_all(nodes, b)) >= 1  # those of the node that died are gone


def _connect_all(nodes: Cluster, host: Host) -> list[JsonClient]:
    """Connect until no more is let in."""
    clients = []
    while True:
        try:
            clients.append(host.connect())
        except Denied:
            return clients
        nodes.settle()
