"""Requests through proxies: what is believed, by whom it was said, and what follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket

from app import Application, create_app
from app.testing import Denied, test_application

PROXY = ("10.0.0.1", 4711)
NAMES = {"app.deployment.host-names": ["chat.example"]}


def module(app: Application) -> None:
    async def seen(request: Request) -> JSONResponse:
        return JSONResponse([request.client and request.client.host, str(request.url)])

    async def seen_by_websocket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_json([websocket.client and websocket.client.host, str(websocket.url)])
        await websocket.close()

    app.add_route("/seen", seen)
    app.router.add_websocket_route("/seen", seen_by_websocket)


def seen(
    headers: dict[str, str], client: tuple[str, int] | None = PROXY, trusted: Sequence[str] = ("10.0.0.0/8",)
) -> list[Any]:
    """What the application sees of a request with these headers, by HTTP and by WebSocket."""
    app = create_app(overrides={**NAMES, "app.deployment.trusted-proxies": list(trusted)}, modules=[module])

    async def peer(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "client": client}, receive, send)

    visitor = TestClient(peer, base_url="http://inner:8080")
    with visitor.websocket_connect("ws://inner:8080/seen", headers=dict(headers)) as websocket:
        by_websocket = websocket.receive_json()
    by_http = visitor.get("/seen", headers=headers).json()
    assert by_websocket == [by_http[0], by_http[1].replace("http", "ws", 1)]
    return list(by_http)


USUAL = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "chat.example"}


def test_a_trusted_proxy_is_believed() -> None:
    assert seen(USUAL) == ["192.0.2.7", "https://chat.example/seen"]
    assert seen({"Forwarded": 'for="[2001:db8::7]:80";proto=https;host=chat.example'}) == [
        "2001:db8::7",
        "https://chat.example/seen",
    ]
    assert seen({"X-Forwarded-Proto": "HTTPS, http"}) == ["10.0.0.1", "https://inner:8080/seen"]


def test_nobody_else_is() -> None:
    assert seen(USUAL, client=("11.0.0.1", 1)) == ["11.0.0.1", "http://inner:8080/seen"]
    assert seen(USUAL, client=None) == [None, "http://inner:8080/seen"]
    assert seen(USUAL, trusted=[]) == ["10.0.0.1", "http://inner:8080/seen"]


def test_behind_a_unix_socket_the_proxy_is_named_unix() -> None:
    assert seen(USUAL, client=None, trusted=["unix"]) == ["192.0.2.7", "https://chat.example/seen"]
    assert seen(USUAL, client=("/run/natter.sock", 0), trusted=["unix"])[0] == "192.0.2.7"
    assert seen(USUAL, trusted=["unix"]) == ["10.0.0.1", "http://inner:8080/seen"]


@pytest.mark.parametrize(
    ("said", "client"),
    [
        ("1.2.3.4, 192.0.2.7", "192.0.2.7"),
        ("1.2.3.4, 192.0.2.7, 10.0.0.9", "192.0.2.7"),
        ("10.0.0.8, 10.0.0.9", "10.0.0.8"),
        ("1.2.3.4, unknown", "10.0.0.1"),
        ("1.2.3.4, unknown, 10.0.0.9", "10.0.0.9"),
        ("1.2.3.4, _x7", "_x7"),
    ],
)
def test_the_client_is_the_last_one_that_is_no_proxy_of_ours(said: str, client: str) -> None:
    assert seen({"X-Forwarded-For": said})[0] == client


def opens(origin: str, headers: dict[str, str], trusted: Sequence[str] = ("10.0.0.0/8",)) -> int:
    """The status of a handshake of a page, through a proxy that asks for 127.0.0.1:8080."""
    overrides = {**NAMES, "app.deployment.trusted-proxies": list(trusted)}
    app = create_app(overrides=overrides, modules=["app.modules.echo.module"])

    async def peer(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "client": PROXY}, receive, send)

    try:
        url = "ws://127.0.0.1:8080/echo"
        with TestClient(peer).websocket_connect(url, headers={"Origin": origin, **headers}):
            return 101
    except WebSocketDenialResponse as denied:
        return denied.status_code


def test_a_page_of_the_host_that_a_trusted_proxy_was_asked_for_may_connect() -> None:
    assert opens("https://chat.example", USUAL) == 101
    assert opens("https://chat.example", {**USUAL, "X-Forwarded-Proto": "http"}) == 101
    assert opens("http://chat.example", USUAL) == 403
    assert opens("https://evil.example", USUAL) == 403
    assert opens("http://127.0.0.1:8080", USUAL) == 403
    assert opens("https://chat.example", USUAL, trusted=[]) == 403


def test_behind_a_unix_socket_there_is_no_limit_per_address() -> None:
    app = create_app(
        overrides={"app.websockets.connections-per-address": 1, "app.deployment.trusted-proxies": ["unix"]}
    )

    async def peer(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "client": None}, receive, send)

    known, other = {"X-Forwarded-For": "192.0.2.7"}, {"X-Forwarded-For": "192.0.2.8"}
    with TestClient(peer) as host, ExitStack() as stack:
        for headers in ({}, {}, known, other):
            stack.enter_context(host.websocket_connect("/chat", headers=headers))
        with pytest.raises(WebSocketDenialResponse) as denied:
            stack.enter_context(host.websocket_connect("/chat", headers=known))
        assert denied.value.status_code == 429


def test_too_many_connections_from_a_proxy_are_logged_with_the_settings(caplog: pytest.LogCaptureFixture) -> None:
    overrides = {"app.websockets.connections-per-address": 1}
    with test_application(overrides=overrides) as host, host.join("ann"):
        for headers in ({}, {"X-Forwarded-For": "192.0.2.7"}):
            with pytest.raises(Denied):
                host.join("bob", headers=headers)
            host.clock.advance(60)
    lines = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    refused = (
        "Refused testclient with 429: Too many connections from testclient: the limit is 1 "
        "(app.websockets.connections-per-address)"
    )
    assert lines == [
        refused,
        f"{refused}; if this is your proxy, list it in app.deployment.trusted-proxies",
    ]
