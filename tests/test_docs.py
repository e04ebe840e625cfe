"""`docs/protocol.md`, held against the server: each exchange on the page happens as it is written."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from starlette.testclient import TestClient

from app import create_app
from app.chat.closing import CloseCode
from app.chat.errors import Code
from tests.clients import ROOT, hear

PAGE = (ROOT / "docs/protocol.md").read_text()
EXCHANGES = re.findall(r"```(json|text)\n(.*?)```", PAGE, re.S)
VARIES = {"token", "epoch", "id", "ts"}


def alike(shown: Any, got: Any) -> bool:
    """Whether `got` is what the page shows; what varies from run to run is shown as `…`."""
    if isinstance(shown, dict):
        return set(shown) == set(got) and all(
            alike(shown[key], got[key]) or (key in VARIES and shown[key] == "…" and bool(got[key])) for key in shown
        )
    if isinstance(shown, list):
        return len(shown) == len(got) and all(map(alike, shown, got))
    return bool(shown == got)


@pytest.mark.parametrize(("kind", "exchange"), EXCHANGES)
def test_an_exchange(kind: str, exchange: str) -> None:
    client = TestClient(create_app())
    subprotocols = ["chat.v1.json"] if kind == "json" else None
    with client.websocket_connect("/chat", subprotocols=subprotocols) as session:
        lines = exchange.splitlines()
        if kind == "json" and '"welcome"' not in exchange:
            hear(session)
        for line in lines:
            direction, _, frame = line.partition(" ")
            if direction == ">":
                session.send_text(frame)
            elif kind == "text":
                assert hear(session) == frame
            else:
                got = json.loads(hear(session))
                assert alike(json.loads(frame), got), got


def test_the_check_catches_a_wrong_page() -> None:
    assert alike({"id": "…", "a": [1]}, {"id": "x", "a": [1]})
    assert not alike({"a": 1}, {"a": 2})
    assert not alike({"a": "…"}, {"a": "x"})
    assert not alike({"a": 1}, {"a": 1, "b": 2})


def test_every_code_is_on_the_page() -> None:
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.M) == list(Code)
    table = re.findall(r"^\| (\d{4}) \| .* \| (yes|no) \|$", PAGE, re.M)
    assert table == [(str(int(code)), "yes" if code.reconnect else "no") for code in CloseCode]
