from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
from starlette.applications import Starlette
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket

from app import Application, create_app
from app.errors import StartupError
from app.testing import test_application
from config import ConfigurationError, load


def bare() -> Application:
    return Application(load([], environment={}))


def test_it_needs_no_argument_and_is_a_starlette() -> None:
    app = create_app()
    assert isinstance(app, Starlette)
    assert [getattr(route, "path", "") for route in app.routes].count("/chat") == 2


def test_overrides_for_tests() -> None:
    app = create_app(overrides={"app.websockets.max-frame-size": 200, "app.modules": ["app.modules.echo.module"]})
    assert app.settings.app.websockets.max_frame_size == 200
    app = create_app(overrides=["app.modules=[app.modules.echo.module]"])
    assert TestClient(app).get("/livez").status_code == 404


def test_a_module_can_do_what_a_starlette_can() -> None:
    async def shout(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text((await websocket.receive_text()).upper())

    def module(app: Application) -> None:
        app.add_websocket_route("/shout", shout)
        app.add_route("/", lambda request: PlainTextResponse("home"))
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=["testserver"])

    with test_application(module, base=()) as host:
        socket = host.websocket("/shout")
        socket.send("hi")
        assert socket.receive() == "HI"
        assert host.http.get("/").text == "home"
        assert host.http.get("/", headers={"Host": "evil"}).status_code == 400


def test_resources_open_in_order_and_close_in_the_opposite_order() -> None:
    app = bare()
    happened: list[str] = []

    @contextmanager
    def plain(name: str) -> Iterator[None]:
        happened.append(f"open {name}")
        yield
        happened.append(f"close {name}")

    @asynccontextmanager
    async def asynchronous(name: str) -> AsyncIterator[None]:
        with plain(name):
            yield

    app.during(plain("a"))
    app.during(asynchronous("b"))
    with TestClient(app):
        happened.append("serve")
    assert happened == ["open a", "open b", "serve", "close b", "close a"]


def test_a_resource_that_does_not_open_closes_those_before_it() -> None:
    app = bare()
    happened: list[str] = []

    @contextmanager
    def good() -> Iterator[None]:
        yield
        happened.append("closed")

    @contextmanager
    def bad() -> Iterator[None]:
        raise OSError("no database here")
        yield

    app.during(good())
    app.during(bad())
    with (
        pytest.raises(StartupError, match=r"^can't open a resource: OSError: no database here \("),
        TestClient(app),
    ):
        pass
    assert happened == []


def test_a_plain_get_of_a_websocket_says_what_to_do() -> None:
    answer = TestClient(create_app()).get("/chat?x=1")
    assert answer.status_code == 426
    assert answer.headers["upgrade"] == "websocket"
    assert answer.text == (
        "This is a WebSocket endpoint. Connect with a WebSocket client, for example: websocat ws://testserver/chat\n"
    )


def test_a_websocket_that_is_not_there_is_404() -> None:
    with pytest.raises(WebSocketDenialResponse) as denied, TestClient(create_app()).websocket_connect("/chatt"):
        pass
    assert denied.value.status_code == 404


def test_a_root_path_moves_every_route_also_below_a_proxy_s_own() -> None:
    app = create_app(overrides={"app.deployment.root-path": "/team"})
    client = TestClient(app)
    assert client.get("/team/livez").status_code == 200
    assert client.get("/team/").status_code == 200
    assert [client.get(path).status_code for path in ("/livez", "/teamlivez", "/")] == [404, 404, 404]
    with client.websocket_connect("/team/chat") as session:
        assert session.receive_text() == "You are connected! There are 1 users here."
    assert TestClient(app, root_path="/proxy").get("/proxy/team/livez").status_code == 200


def test_a_handler_sees_paths_below_the_root() -> None:
    app = Application(load([], {"app.deployment.root-path": "/team"}, environment={}))

    async def where(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(request.url_for("where")))

    app.add_route("/where", where, name="where")
    assert TestClient(app).get("/team/where").text == "http://testserver/team/where"


def test_the_settings_of_a_module_by_path_count_as_read() -> None:
    app = create_app(overrides={"app.modules": ["tests.test_application.reading_module"], "bot.name": "x"})
    assert app.state.read == ["x", None]


def reading_module(app: Application) -> None:
    app.state.read = [app.property("bot.name"), app.property_or_none("bot.none")]


def test_several_workers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "2")
    with pytest.raises(ConfigurationError, match='WEB_CONCURRENCY = "2": expected 1 or nothing'):
        create_app()
    monkeypatch.setenv("WEB_CONCURRENCY", "1")
    create_app()
