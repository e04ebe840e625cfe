"""The names that a server is opened under. A name of somebody else's may point to it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from app import Application
from app.serving.hosts import HostNames, split_host
from app.testing import Denied, Host, test_application
from tests.clients import Served, exchange

EVIL = "evil.example"
PAGE = {"Host": f"{EVIL}:8080", "Origin": f"http://{EVIL}:8080"}
"""What a browser sends for a page whose name was made to point here."""


def module(app: Application) -> None:
    async def kept(request: Request) -> PlainTextResponse:
        return PlainTextResponse("kept here")

    app.add_route("/kept", kept, methods=["GET", "POST"])


@pytest.fixture
def host() -> Any:
    with test_application(module, "app.modules.web.module", "app.modules.health.module") as host:
        yield host


def connects(host: Host, headers: dict[str, str]) -> int:
    with ExitStack() as stack:
        try:
            socket = host.websocket("/chat", headers=headers)
        except Denied as denied:
            return denied.status
        stack.callback(socket.close)
    return 101


def test_a_page_of_a_name_that_was_made_to_point_here_may_not_connect(
    host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Denied) as denied:
        host.websocket("/chat", headers=PAGE)
    assert denied.value.status == 403
    remedy = f"add {EVIL} to app.deployment.host-names"
    assert denied.value.text == f"This server isn't known as {EVIL}. If it should be, {remedy}"
    assert [remedy in record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [True]
    told = host.http.get("/healthz", params={"origin": PAGE["Origin"]}, headers=PAGE).json()["chat"]
    assert (told["status"], told["reason"]) == (403, "host")
    assert remedy in told["message"]


def test_it_gets_the_page_that_says_so_and_nothing_else(host: Host) -> None:
    page = host.http.get("/", headers=PAGE)
    assert page.status_code == 200
    script = page.text.partition('type="module" src="')[2].partition('"')[0]
    assert host.http.get(f"/{script}", headers=PAGE).status_code == 200
    for path in ("/livez", "/readyz", "/healthz"):
        assert host.http.get(path, headers=PAGE).status_code == 200
    for method in ("GET", "HEAD", "POST"):
        answer = host.http.request(method, "/kept", headers=PAGE)
        assert (answer.status_code, "kept here" in answer.text) == (403, False)
    assert host.http.get("/kept", headers={"Host": EVIL}).status_code == 403, "a browser states no Origin here"
    assert host.http.get("/chat", headers={"Host": EVIL}).status_code == 403


def test_a_program_may_use_any_name(host: Host) -> None:
    assert connects(host, {"Host": EVIL}) == 101
    assert host.http.post("/kept", headers={"Host": EVIL}).status_code == 200


@pytest.mark.parametrize(
    ("names", "status"),
    [([EVIL], 101), (["*.example"], 101), (["*"], 101), (["*.evil.example"], 403), (["vil.example"], 403)],
)
def test_other_names_by_setting(names: list[str], status: int) -> None:
    with test_application(module, overrides={"app.deployment.host-names": names}) as host:
        assert connects(host, PAGE) == status
        assert host.http.get("/kept", headers=PAGE).status_code == (200 if status == 101 else status)


def test_what_other_settings_name_is_known() -> None:
    for overrides in ({"app.websockets.origins": [f"https://{EVIL}"]}, {"app.deployment.host": [EVIL]}):
        with test_application(module, overrides=overrides) as host:
            assert connects(host, PAGE) == 101


def test_names_that_need_no_setting() -> None:
    names = HostNames(["chat.example.com", "*.team.example"])
    for name in (
        *("localhost", "chat", "127.0.0.1", "192.168.1.7", "::1", "[2001:db8::7]", "::ffff:10.0.0.1"),
        *("chat.local", "chat.localhost", "chat.internal", "chat.home.arpa"),
        *("chat.example.com", "CHAT.example.com.", "a.team.example", "a.b.team.example"),
    ):
        assert name in names, name
    for name in (
        "team.example",
        "example.com",
        "xchat.example.com",
        "evil.com",
        "local.evil.com",
        "127.0.0.1.evil.com",
    ):
        assert name not in names, name


@pytest.mark.parametrize(
    "value", ["", "a b", "a,b", "a/b", "a@b", "a:b", "a:123456", "::1", "[::1", "a\\b", "a?b", "a#b"]
)
def test_what_is_no_host(value: str) -> None:
    assert split_host(value) is None


def test_a_request_states_one_host() -> None:
    upgrade = (
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    )
    with Served() as server:
        for lines, status in (
            ("Host: localhost\r\n", 200),
            ("Host: localhost\r\nHost: localhost\r\n", 400),
            ("Host: localhost\r\nHost: evil.example\r\n", 400),
            ("Host: evil.example/@localhost\r\n", 400),
            ("Host: \r\n", 400),
        ):
            head = f"GET /livez HTTP/1.1\r\n{lines}Connection: close\r\n\r\n"
            assert exchange(server.port, head.encode()).startswith(f"HTTP/1.1 {status} ".encode()), lines
            if status == 400:
                head = f"GET /chat HTTP/1.1\r\n{lines}{upgrade}\r\n"
                assert exchange(server.port, head.encode()).startswith(b"HTTP/1.1 400 "), lines
