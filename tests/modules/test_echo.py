from __future__ import annotations

from starlette.testclient import TestClient

from app import create_app
from tests.clients import hear


def test_it_greets_and_says_back_what_it_hears() -> None:
    with TestClient(create_app()).websocket_connect("/echo") as session:
        assert hear(session) == "You are connected!"
        for said in ("Hello", "", "é🙂"):
            session.send_bytes(b"ignored")
            session.send_text(said)
            assert hear(session) == f"You said: {said}"
