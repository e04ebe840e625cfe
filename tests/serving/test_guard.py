from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket

from app import Application, create_app
from app.testing import Denied, test_application


def opens(base: str, origin: str | None, *allowed: str) -> int:
    """The status of a handshake from `origin` to a server at `base`: 101, or the refusal's."""
    names = {"app.deployment.host-names": ["chat.example"]}
    app = create_app(overrides={"app.websockets.origins": list(allowed), **names})
    headers = {} if origin is None else {"Origin": origin}
    try:
        url = base.replace("http", "ws", 1) + "/echo"
        with TestClient(app).websocket_connect(url, headers=headers):
            return 101
    except WebSocketDenialResponse as denied:
        return denied.status_code


@pytest.mark.parametrize(
    ("base", "origin", "status"),
    [
        ("http://chat.example", None, 101),
        ("http://chat.example", "http://chat.example", 101),
        ("http://chat.example", "http://CHAT.example:80", 101),
        ("http://chat.example:8080", "http://chat.example:8080", 101),
        ("https://chat.example", "https://chat.example", 101),
        # behind a proxy that ends TLS, and that passes on the host without its port
        ("http://chat.example", "https://chat.example", 101),
        ("http://chat.example", "http://chat.example:8080", 101),
        ("http://chat.example", "https://chat.example:8443", 101),
        ("http://chat.example:443", "https://chat.example", 101),
        ("http://[::1]:8080", "http://[::1]:8080", 101),
        ("https://chat.example", "http://chat.example", 403),
        ("http://chat.example:8080", "http://chat.example:8081", 403),
        ("http://127.0.0.1:8080", "http://chat.example", 403),
        ("http://127.0.0.1:8080", "http://localhost:8080", 403),
        ("http://chat.example:8080", "http://chat.example", 403),
        ("http://chat.example", "http://chat.example.evil.com", 403),
        ("http://chat.example", "http://evilchat.example", 403),
        ("http://chat.example", "null", 403),
        ("http://chat.example", "", 403),
        ("http://chat.example", "chat.example", 403),
        ("http://chat.example", "http://chat.example@evil.com", 403),
        ("http://chat.example", "http://evil.com@chat.example", 403),
        ("http://chat.example", "http://chat.example/", 403),
        ("http://chat.example", "http://chat.example:99999", 403),
        ("http://chat.example", "http://[::1", 403),
        ("http://chat.example", "file://", 403),
    ],
)
def test_the_page_must_be_of_this_server(base: str, origin: str | None, status: int) -> None:
    assert opens(base, origin) == status


@pytest.mark.parametrize(
    ("allowed", "origin", "status"),
    [
        ("https://team.example", "https://team.example", 101),
        ("https://Team.Example:443/", "https://team.example", 101),
        ("https://team.example", "http://team.example", 403),
        ("https://team.example", "https://team.example.evil.com", 403),
        ("https://team.example", "http://chat.example", 101),
        ("*", "https://anything.example", 101),
        ("*", "null", 101),
    ],
)
def test_other_origins_by_setting(allowed: str, origin: str, status: int) -> None:
    assert opens("http://chat.example", origin, allowed) == status


def test_a_refused_page_is_told_the_origin_and_the_host_that_differ() -> None:
    with test_application("app.modules.echo.module", base=()) as host, pytest.raises(Denied) as denied:
        host.websocket("/echo", headers={"Origin": "https://evil.example", "Host": "chat.example:8080"})
    assert denied.value.status == 403
    assert denied.value.text == (
        "The page's Origin is https://evil.example, and the Host is chat.example:8080: "
        "they differ, and app.websockets.origins doesn't list this Origin"
    )


def test_a_refused_origin_is_logged_once_a_minute_and_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    with test_application("app.modules.echo.module", base=()) as host:

        def refused(origin: str) -> None:
            with pytest.raises(Denied):
                host.websocket("/echo", headers={"Origin": origin})

        for _ in range(3):
            refused("https://evil.example")
        refused("https://other.example\t\x1b[2J")
        host.clock.advance(60)
        host.app.refusals.tick()
        refused("https://evil.example")
    lines = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [line.partition(" with ")[0] for line in lines] == [
        "Refused a page of https://evil.example",
        "Refused a page of https://other.example\\t\\x1b[2J",
        "Refused",
        "Refused a page of https://evil.example",
    ]
    assert "the Host is testserver" in lines[0]
    assert "app.websockets.origins" in lines[0]
    assert lines[2] == "Refused with 403 (origin): … and 2 more from testclient"


def test_the_limit_counts_bytes_of_any_message_and_holds_for_any_module() -> None:
    seen: list[Any] = []

    async def listen(websocket: WebSocket) -> None:
        await websocket.accept()
        while (message := await websocket.receive())["type"] == "websocket.receive":
            seen.append(message.get("text") or message.get("bytes"))
            await websocket.send_text("heard")
        seen.append(message["code"])
        await websocket.send_text("too late")

    def module(app: Application) -> None:
        app.add_websocket_route("/listen", listen)

    with test_application(module, base=(), overrides={"app.websockets.max-frame-size": 200}) as host:
        for fits, too_long in (("x" * 200, "x" * 201), ("é" * 100, "é" * 101), (b"x" * 200, b"x" * 201)):
            socket = host.websocket("/listen")
            socket.send(fits)
            socket.send(too_long)
            assert socket.receive() == "heard"
            assert socket.closed() == 1009
            socket.close()
            assert seen[-2:] == [fits, 1009]
