"""Clients of a server that sends no pings are asked by the chat whether they are still there."""

from __future__ import annotations

import pytest

from app import Application, create_app
from app.testing import test_application
from tests.serving.bare import BareWebSocket

pytestmark = pytest.mark.anyio
JOIN = {"t": "join", "rid": 1, "room": "lobby"}
WHO = {"t": "who", "rid": 2, "room": "lobby"}
PONG = {"t": "pong"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def asking(**settings: object) -> Application:
    pings = {"app.websockets.ping-period": "100ms", "app.websockets.timeout": "100ms"}
    return create_app(overrides={**pings, "chat.presence.period": "10ms", **settings})


async def test_a_client_that_answered_once_and_falls_silent_leaves_the_roster() -> None:
    app = asking()
    async with BareWebSocket(app, json=True) as ann, BareWebSocket(app, json=True) as bob:
        for one in (ann, bob):
            await one.opened()
            one.says(JOIN)
            await one.frame("joined")
        bob.says(PONG)
        assert await bob.close() == {"type": "websocket.close", "code": 1011, "reason": "no answer to a ping"}
        ann.says(WHO)
        assert (await ann.frame("who"))["members"] == 1


async def test_a_client_that_answers_stays() -> None:
    async with BareWebSocket(asking(), json=True) as ann:
        await ann.opened()
        for _ in range(4):
            await ann.frame("ping")
            ann.says(PONG)
        ann.says(JOIN)
        await ann.frame("joined")


async def test_a_client_that_knows_no_pings_stays() -> None:
    async with BareWebSocket(asking(), json=True) as ann:
        await ann.opened()
        for _ in range(4):
            await ann.frame("ping")
        ann.says(JOIN)
        await ann.frame("joined")


async def test_an_answer_counts_against_no_limit_and_gets_no_answer() -> None:
    async with BareWebSocket(asking(**{"chat.limits.rate": 0.001, "chat.limits.burst": 1}), json=True) as ann:
        await ann.opened()
        for _ in range(3):
            await ann.frame("ping")
            ann.says(PONG)
        ann.says(JOIN)
        await ann.frame("joined")


async def test_answers_to_nothing_count_against_the_rate_limit() -> None:
    with test_application(overrides={"chat.limits.rate": 1, "chat.limits.burst": 4, "chat.limits.strikes": 4}) as chat:
        ann = chat.join("ann")
        for _ in range(10):
            ann.send(PONG)
        assert ann.closed() == 1008


async def test_text_clients_and_those_of_a_server_that_pings_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    app = asking()
    async with BareWebSocket(app) as text, BareWebSocket(app, json=True) as ann:
        await text.opened()
        assert (await text.text()).startswith("You are connected!")
        await ann.opened()
        for _ in range(3):
            await ann.frame("ping")
        text.says("hi")
        assert await text.text() == "[user0]: hi"
    monkeypatch.setattr("app.serving.any_server.PINGING", {"tests"})
    async with BareWebSocket(app, json=True) as bob:
        await bob.opened()
        assert "natter.ask" not in bob.scope


async def test_nobody_is_asked_if_pings_are_off() -> None:
    async with BareWebSocket(asking(**{"app.websockets.ping-period": 0}), json=True) as ann:
        await ann.opened()
        assert "natter.ask" not in ann.scope
