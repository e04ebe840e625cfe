"""What every answer tells browsers: errors, redirects and refusals too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from app import Application
from app.headers import DOCUMENT, NOTHING
from app.testing import Host, test_application
from tests.clients import Served, exchange

SAFE = {
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


def module(app: Application) -> None:
    async def fails(request: Request) -> PlainTextResponse:
        raise RuntimeError("a fault of a module")

    async def document(request: Request) -> HTMLResponse:
        return HTMLResponse("<script>1</script>")

    async def shared(request: Request) -> Response:
        own = {"Access-Control-Allow-Origin": "*", "ETag": '"1"', "Content-Security-Policy": "sandbox"}
        return Response("shared", headers=own)

    async def leads(request: Request) -> RedirectResponse:
        return RedirectResponse(request.query_params.get("to") or request.url_for("document"))

    app.add_route("/fails", fails)
    app.add_route("/document", document, name="document")
    app.add_route("/shared", shared)
    app.add_route("/leads", leads)


@pytest.fixture
def host() -> Iterator[Host]:
    with test_application(module, "app.modules.web.module", "app.modules.health.module") as host:
        host.http.follow_redirects = False
        yield host


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/worker.js", 200),
        ("/livez", 200),
        ("/healthz", 200),
        ("/nothing", 404),
        ("/assets/nothing.js", 404),
        ("/chat", 426),
        ("/healthz/", 307),
        ("/document", 200),
    ],
)
def test_every_answer_has_them(host: Host, path: str, status: int) -> None:
    answer = host.http.get(path)
    assert answer.status_code == status
    assert {name: answer.headers.get(name) for name in SAFE} == SAFE
    assert "frame-ancestors" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == ("no-cache" if path in ("/", "/worker.js") else "no-store")
    wrong = host.http.post(path)
    assert wrong.status_code >= 300
    assert {name: wrong.headers.get(name) for name in SAFE} == SAFE


def test_what_a_module_states_holds(host: Host) -> None:
    shared = host.http.get("/shared").headers
    assert shared["content-security-policy"] == "sandbox"
    assert "cache-control" not in shared, "it has a version to ask for again"
    assert "cross-origin-resource-policy" not in shared, "other sites may read it"
    assert host.http.get("/document").headers["content-security-policy"] == DOCUMENT, "it may have scripts of its own"
    assert host.http.get("/livez").headers["content-security-policy"] == NOTHING


def test_a_redirect_does_not_repeat_the_host(host: Host) -> None:
    for name in ("testserver", "localhost:8080"):
        headers = {"Host": name}
        assert host.http.get("/healthz/", headers=headers).headers["location"] == "/healthz"
        assert host.http.get("/leads", headers=headers).headers["location"] == "/document"
    away = "https://elsewhere.example/x"
    assert host.http.get("/leads", params={"to": away}).headers["location"] == away
    forged = host.http.get("/leads", params={"to": "http://testserver//evil.example/x"})
    assert forged.headers["location"] == "/evil.example/x", "two slashes would lead to another host"


def test_what_the_server_answers_itself_has_them() -> None:
    upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    with Served("-path=/team", "-P:app.modules=[app.modules.chat.module, app.modules.health.module]") as server:
        valid = upgrade + b"Sec-WebSocket-Version: 13\r\n\r\n"
        for request in (
            b"GET /team/chat HTTP/1.1\r\nHost: a\r\nOrigin: https://evil.example\r\n" + valid,
            b"GET /team/nothing HTTP/1.1\r\nHost: a\r\n" + valid,
            b"GET /elsewhere HTTP/1.1\r\nHost: a\r\n" + valid,
            b"GET /elsewhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            b"nonsense\r\n\r\n",
            b"GET /team/livez HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
            b"GET /team/chat HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Version: 12\r\n" + upgrade + b"\r\n",
            b"GET /team/chat HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Version: 13\r\n"
            + upgrade.replace(b"A==", b"==")
            + b"\r\n",
        ):
            head = exchange(server.port, request).partition(b"\r\n\r\n")[0].decode().lower()
            for name, value in SAFE.items():
                assert f"\r\n{name}: {value}" in head, (request[:60], head)
