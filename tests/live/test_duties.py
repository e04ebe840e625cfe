"""What one node does for all: it calls the listeners, trims logs, and looks for guests who were left behind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from app import Application, Event, chat_of
from app.backends.changes import Trim
from app.live import retention
from tests.nodes import Cluster, LinkedBackend, cluster


class Bots:
    """A module that answers on every node, and notes on which."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, str]] = []
        self.nodes = 0
        self.before: Callable[[int, Event], Awaitable[None]] | None = None

    def module(self, app: Application) -> None:
        node, self.nodes = self.nodes, self.nodes + 1
        chat = chat_of(app)
        bot = chat.speaker("bot")

        async def answer(event: Event) -> None:
            if event.name == bot.name:
                return
            self.heard.append((node, event.text))
            if self.before is not None:
                await self.before(node, event)
            await bot.say(event.room, f"hello {event.text}")
            await bot.say(event.room, f"goodbye {event.text}")

        chat.hear(answer)


def lead(nodes: Cluster) -> None:
    """Let the nodes find out which of them leads."""
    nodes.pass_time(7)
    assert [nodes.nodes(host).leads for host in nodes.hosts] == [True] + [False] * (len(nodes.hosts) - 1)


def test_one_node_calls_the_listeners() -> None:
    bots = Bots()
    with cluster(bots.module) as nodes:
        lead(nodes)
        ann = nodes.hosts[1].join("ann")
        for text in ("one", "two"):
            ann.say(text)
            assert ann.hears().text == f"hello {text}"
            assert ann.hears().text == f"goodbye {text}"
        assert bots.heard == [(0, "one"), (0, "two")]


def test_what_is_said_before_a_node_leads_is_heard() -> None:
    bots = Bots()
    with cluster(bots.module) as nodes:
        ann = nodes.hosts[1].join("ann")
        ann.say("early")
        assert bots.heard == []
        lead(nodes)
        assert ann.hears().text == "hello early"


def test_another_node_goes_on_where_one_died() -> None:
    bots = Bots()
    with cluster(bots.module) as nodes:
        lead(nodes)
        ann = nodes.hosts[1].join("ann")
        ann.say("one")
        assert [ann.hears().text for _ in range(2)] == ["hello one", "goodbye one"]
        nodes.hosts[0].settle()
        nodes.settle()
        nodes.kill(nodes.hosts[0])
        ann.say("two")
        nodes.pass_time(14)
        assert [ann.hears().text for _ in range(2)] == ["hello two", "goodbye two"]
        ann.expect_nothing()
        assert [text for node, text in bots.heard if node == 1] == ["two"]


def test_an_answer_that_the_dead_node_gave_is_not_given_again() -> None:
    """The node dies between its answers, and before it tells how far it is."""
    bots = Bots()
    with cluster(bots.module) as nodes:
        lead(nodes)
        ann = nodes.hosts[1].join("ann")
        first = nodes.hosts[0]
        nodes.bus.loses = lambda payload: b"bot" in payload or b"answer" in payload

        ann.say("one")
        assert [ann.hears().text for _ in range(2)] == ["hello one", "goodbye one"]
        nodes.kill(first)
        nodes.bus.loses = lambda payload: False
        ann.say("two")
        nodes.pass_time(14)
        assert [ann.hears().text for _ in range(2)] == ["hello two", "goodbye two"]
        ann.expect_nothing()
        assert bots.heard == [(0, "one"), (1, "one"), (1, "two")]


def test_a_new_node_does_not_take_over_from_one_that_lives() -> None:
    bots = Bots()
    with cluster(bots.module) as nodes:
        lead(nodes)
        nodes.start(bots.module)
        lead(nodes)
        ann = nodes.hosts[2].join("ann")
        ann.say("one")
        assert [ann.hears().text for _ in range(2)] == ["hello one", "goodbye one"]
        assert bots.heard == [(0, "one")]


def test_a_node_that_ends_is_followed_at_once() -> None:
    bots = Bots()
    with cluster(bots.module) as nodes:
        lead(nodes)
        ann = nodes.hosts[1].join("ann")
        nodes.stop(nodes.hosts[0])
        nodes.pass_time(1)
        ann.say("one")
        assert [ann.hears().text for _ in range(2)] == ["hello one", "goodbye one"]
        assert bots.heard == [(1, "one")]


def test_a_node_that_stood_still_leads_only_once_it_knows_the_others() -> None:
    bots = Bots()
    with cluster(bots.module) as nodes:
        lead(nodes)
        first, second = nodes.hosts
        nodes.pass_time(20, but=first)
        assert nodes.nodes(second).leads
        first.call(nodes.nodes(first).tick)
        assert not nodes.nodes(first).leads
        nodes.settle()
        lead(nodes)


def test_one_node_trims(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "TRIM_PERIOD", 0.01)
    with cluster(overrides={"chat.retention.count": 5}) as nodes:
        trims: list[list[Trim]] = []
        for host in nodes.hosts:
            link = nodes.chat(host).backend
            assert isinstance(link, LinkedBackend)
            own: list[Trim] = []
            trims.append(own)
            link.on_submit.append(lambda change, own=own: own.append(change) if isinstance(change, Trim) else None)  # type: ignore[misc]
        ann = nodes.hosts[1].join("ann")
        for number in range(20):
            ann.say(str(number))
        lead(nodes)
        cy = nodes.hosts[1].connect("cy")
        while cy.answer("join", room="lobby", after=1)["recovered"]:
            cy.answer("part", room="lobby")
        assert trims[0]
        assert not trims[1]
