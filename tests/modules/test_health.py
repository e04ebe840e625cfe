from __future__ import annotations

import pytest
from starlette.testclient import TestClient, WebSocketDenialResponse

from app import create_app


def test_live_and_ready() -> None:
    client = TestClient(create_app())
    assert [client.get(path).status_code for path in ("/livez", "/readyz", "/healthz")] == [200, 200, 200]
    assert client.get("/readyz").text == "ready\n"


def test_not_ready_but_alive_while_draining() -> None:
    app = create_app()
    app.draining = True
    client = TestClient(app)
    assert [client.get(path).status_code for path in ("/livez", "/readyz", "/healthz")] == [200, 503, 503]


def test_no_websocket_is_let_in_while_draining() -> None:
    app = create_app()
    app.draining = True
    with pytest.raises(WebSocketDenialResponse) as denied, TestClient(app).websocket_connect("/chat"):
        pass
    assert denied.value.status_code == 503
