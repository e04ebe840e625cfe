"""What the application makes of servers that leave out what ASGI leaves to them. `tests/servers` runs the real ones."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from starlette.websockets import WebSocket

from app import Application, create_app
from app.serving.any_server import server_of
from tests.clients import DEADLINE
from tests.serving.bare import BareWebSocket

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def greeted(app: Application, **how: Any) -> None:
    async with BareWebSocket(app, headers={"Host": "chat.example", **how}) as client:
        await client.opened()
        assert (await client.text()).startswith("You are connected!")


async def refused(app: Application, path: str = "/chat", headers: dict[str, str] | None = None) -> str:
    """The reason of the close that refuses a connection."""
    async with BareWebSocket(app, path, headers=headers) as client:
        message = await client.message()
    assert message["type"] == "websocket.close"
    return str(message["reason"])


@pytest.mark.parametrize("origin", ["http://chat.example", "https://chat.example"])
async def test_a_page_connects_where_the_scope_has_no_scheme(origin: str) -> None:
    await greeted(create_app(overrides={"app.deployment.host-names": ["chat.example"]}), Origin=origin)


async def test_a_foreign_page_does_not() -> None:
    assert await refused(create_app(), headers={"Host": "chat.example", "Origin": "https://evil.com"})


async def test_without_the_extension_a_refusal_closes() -> None:
    assert await refused(create_app(), "/chat?room=No Room") == (
        "'No Room' can't be a room: use 1 to 64 characters of a-z, 0-9 and . _ -, with a letter or digit first"
    )
    app = create_app(overrides={"app.websockets.connections": 1})
    async with BareWebSocket(app) as client:
        await client.opened()
        assert await refused(app) == "The server is full: it accepts 1 connections at most"
    app.draining = True
    assert "shutting down" in await refused(app)


async def test_without_the_extension_a_path_outside_of_the_root_path_closes() -> None:
    assert await refused(create_app(overrides={"app.deployment.root-path": "/team"}))


async def test_with_the_extension_a_refusal_has_its_status() -> None:
    async with BareWebSocket(create_app(), "/chat?room=No Room", denies=True) as client:
        assert (await client.message())["status"] == 400


@pytest.mark.parametrize(("said", "code"), [("/quit", 1000), ("x" * 70_000, 1009)])
async def test_close_codes_are_plain_integers(said: str, code: int) -> None:
    async with BareWebSocket(create_app()) as client:
        client.says(said)
        closed = (await client.close())["code"]
    assert closed == code
    assert type(closed) is int


async def test_a_server_that_sends_no_such_code_sends_ours() -> None:
    async with BareWebSocket(create_app(), refuses=range(1001, 3000)) as client:
        client.says("x" * 70_000)
        assert (await client.close())["code"] == 4009


async def test_a_route_that_returns_ends_with_1000() -> None:
    async def hello(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("hello")

    app = create_app(modules=[lambda app: app.add_websocket_route("/hello", hello)])
    async with BareWebSocket(app, "/hello") as client:
        await client.opened()
        assert await client.text() == "hello"
        assert (await client.close())["code"] == 1000


async def test_a_server_that_cancels_its_tasks_tells_clients_that_it_restarts() -> None:
    async with BareWebSocket(create_app()) as client:
        await client.opened()
        await client.text()
        client.task.cancel()
        assert (await client.close())["code"] == 1012


@contextmanager
def handled(number: signal.Signals, got: list[int]) -> Iterator[None]:
    """The handler that a server has for a signal, for the length of a block."""
    before = signal.signal(number, lambda number, _: got.append(number))
    try:
        yield
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_tells_clients_that_the_server_restarts_before_the_server_hears_it(
    number: signal.Signals,
) -> None:
    handlers: list[int] = []
    with handled(number, handlers):
        app = create_app()
        async with BareWebSocket(app) as client, BareWebSocket(app, "/echo") as other:
            await client.opened()
            await other.opened()
            os.kill(os.getpid(), number)
            assert [(await one.close())["code"] for one in (client, other)] == [1012, 1012]
            with anyio.fail_after(DEADLINE):
                while not handlers:
                    await anyio.lowlevel.checkpoint()
            assert "shutting down" in await refused(app)
            os.kill(os.getpid(), number)
            assert handlers == [number, number]


async def test_a_signal_without_a_handler_of_the_server_is_left_alone() -> None:
    before = signal.getsignal(signal.SIGINT)
    async with BareWebSocket(create_app()) as client:
        await client.opened()
        assert signal.getsignal(signal.SIGINT) is before


def started_by(server: str) -> Any:
    """The `send` of a lifespan in a server's package."""

    async def send(message: Any) -> None:
        assert message["type"] != "lifespan.startup.failed", message

    send.__module__ = f"{server}.asyncio.lifespan"
    return send


@pytest.mark.parametrize(
    ("server", "advice"),
    [
        ("hypercorn", "Start it with --websocket-ping-interval 15."),
        ("granian", "It has no option for that."),
        ("uvicorn", ""),
        ("daphne", ""),
    ],
)
async def test_a_server_without_pings_is_named_with_the_option_that_turns_them_on(
    server: str, advice: str, caplog: pytest.LogCaptureFixture
) -> None:
    messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    for kind in ("startup", "shutdown"):
        messages.put_nowait({"type": f"lifespan.{kind}"})
    with handled(signal.SIGTERM, []), handled(signal.SIGINT, []), caplog.at_level(logging.WARNING, "Application"):
        await create_app()({"type": "lifespan", "asgi": {"version": "3.0"}}, messages.get, started_by(server))
    assert [advice in line and server in line for line in caplog.messages] == ([True] if advice else [])


def test_the_server_is_known_by_what_it_gives_to_the_application() -> None:
    assert server_of(started_by("hypercorn")) == "hypercorn"
    assert server_of(functools.partial(started_by("daphne"), 1)) == "daphne"
    assert server_of(asyncio.Queue().put) == "asyncio"
