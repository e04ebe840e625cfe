from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.testing import Denied, Host, test_application


@pytest.fixture
def chat() -> Iterator[Host]:
    with test_application("app.modules.health.module") as chat:
        yield chat


def test_live_and_ready(chat: Host) -> None:
    assert [chat.http.get(path).status_code for path in ("/livez", "/readyz", "/healthz")] == [200, 200, 200]
    assert chat.http.get("/readyz").text == "ready\n"


def test_not_ready_but_alive_while_draining(chat: Host) -> None:
    chat.app.draining = True
    assert [chat.http.get(path).status_code for path in ("/livez", "/readyz", "/healthz")] == [200, 503, 503]


def test_no_websocket_is_let_in_while_draining(chat: Host) -> None:
    chat.app.draining = True
    with pytest.raises(Denied) as denied:
        chat.join()
    assert denied.value.status == 503
