"""Nodes against a plain model: people come, move and leave, messages between nodes get lost, nodes die and start."""

from __future__ import annotations

from random import Random

import pytest

from app.testing import Host, JsonClient
from tests.nodes import Cluster, cluster

STEPS = 60
NAMES = ("ann", "bob", "cy", "dan", "eve")


class World:
    """What is done to some nodes, and who is connected where."""

    def __init__(self, nodes: Cluster, chance: Random) -> None:
        self.nodes, self.chance = nodes, chance
        self.connections: list[tuple[Host, JsonClient, str]] = []
        self.tokens: dict[str, str] = {}

    def step(self) -> None:
        """Do something."""
        act = self.chance.choices(
            [self.come, self.go, self.lose, self.lose_nothing, self.kill, self.start, self.pass_time, self.check],
            [30, 15, 5, 10, 3, 3, 10, 5],
        )[0]
        act()

    def come(self) -> None:
        host, name = self.chance.choice(self.nodes.hosts), self.chance.choice(NAMES)
        client = host.join("" if name in self.tokens else name, token=self.tokens.get(name, ""))
        if name not in self.tokens:
            self.tokens[name] = client.token
            client.say("so that the name is mine")
        self.connections.append((host, client, name))

    def go(self) -> None:
        if self.connections:
            _, client, _ = self.connections.pop(self.chance.randrange(len(self.connections)))
            client.leave()

    def lose(self) -> None:
        chance = Random(self.chance.random())
        self.nodes.bus.loses = lambda payload: chance.random() < 0.3

    def lose_nothing(self) -> None:
        self.nodes.bus.loses = lambda payload: False

    def kill(self) -> None:
        if len(self.nodes.hosts) > 1:
            host = self.chance.choice(self.nodes.hosts)
            self.nodes.kill(host)
            self.connections = [one for one in self.connections if one[0] is not host]

    def start(self) -> None:
        if len(self.nodes.hosts) < 3:
            self.nodes.start()

    def pass_time(self) -> None:
        self.nodes.pass_time(self.chance.randrange(1, 8))

    def check(self) -> None:
        """Once all goes well for a while, every node knows who is there, and one of them leads."""
        self.lose_nothing()
        for _ in range(2):
            self.nodes.settle()
            self.nodes.pass_time(10)
        self.nodes.settle()
        expected = {client.welcome["id"] for _, client, _ in self.connections}
        for host in self.nodes.hosts:
            people = self.nodes.chat(host).hub.all_people("lobby")
            assert {person.id for person in people} == expected
            assert len(people) == self.nodes.chat(host).hub.members("lobby")
        assert sum(self.nodes.nodes(host).leads for host in self.nodes.hosts) == 1
        for _, client, name in self.connections:
            assert client.say("still me").name == name


@pytest.mark.parametrize("seed", range(3))
def test_every_node_knows_who_is_there_in_the_end(seed: int) -> None:
    with cluster(overrides={"app.websockets.connections-per-address": 0, "chat.limits.rate": 0}) as nodes:
        world = World(nodes, Random(seed))
        for _ in range(STEPS):
            world.step()
        world.check()
