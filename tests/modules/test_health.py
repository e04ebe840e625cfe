from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.backends import stored
from app.backends.journal import Journal
from app.backends.readers import Readers
from app.modules import chat as chat_module
from app.testing import Denied, Host, test_application


@pytest.fixture
def chat() -> Iterator[Host]:
    with test_application("app.modules.health.module") as chat:
        yield chat


def test_live_and_ready(chat: Host) -> None:
    assert [chat.http.get(path).status_code for path in ("/livez", "/readyz", "/healthz")] == [200, 200, 200]
    assert chat.http.get("/readyz").text == "ready\n"


def test_what_the_chat_would_answer_is_told_before_it_is_asked() -> None:
    limit = {"app.websockets.connections-per-address": 1}
    with test_application("app.modules.health.module", overrides=limit) as chat:

        def told(origin: str = "") -> dict[str, Any]:
            answer = chat.http.get("/healthz", params={"origin": origin} if origin else {})
            assert answer.status_code == 200, "it says how the server is, whatever this client would get"
            assert answer.headers["cache-control"] == "no-store"
            assert answer.json()["status"] == "ready"
            return dict(answer.json()["chat"])

        assert told() == told("http://testserver") == {"status": 101}
        foreign = told("https://evil.example")
        assert (foreign["status"], foreign["reason"]) == (403, "origin")
        assert "Origin is https://evil.example, and the Host is testserver" in foreign["message"]
        with chat.join("ann"):
            crowded = told("http://testserver")
            assert (crowded["status"], crowded["reason"]) == (429, "address")
            with pytest.raises(Denied) as denied:
                chat.join("bob")
            assert denied.value.text == crowded["message"]
        assert told() == {"status": 101}


def test_a_full_server_says_so(caplog: pytest.LogCaptureFixture) -> None:
    limit = {"app.websockets.connections": 1}
    with test_application("app.modules.health.module", overrides=limit) as chat, chat.join("ann"):
        assert chat.http.get("/healthz").json()["chat"]["reason"] == "full"
        with pytest.raises(Denied):
            chat.join("bob")
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "Refused testclient with 503: The server is full: it accepts 1 connections at most (app.websockets.connections)"
    ]


def test_not_ready_but_alive_while_draining(chat: Host) -> None:
    chat.app.draining = True
    assert [chat.http.get(path).status_code for path in ("/livez", "/readyz", "/healthz")] == [200, 503, 503]
    assert chat.http.get("/healthz").json()["chat"]["reason"] == "draining"


def test_no_websocket_is_let_in_while_draining(chat: Host) -> None:
    chat.app.draining = True
    with pytest.raises(Denied) as denied:
        chat.join()
    assert denied.value.status == 503


def no_space(journal: Journal, payload: bytes) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_not_ready_while_the_store_can_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Newcomers are answered alike in both dialects, and who is here can read."""
    monkeypatch.setattr(stored, "FRESH", -1.0)
    problem = "the store can't be written: the disk is full (ENOSPC)"
    with test_application("app.modules.health.module", store=tmp_path / "chat.db") as chat:
        ann = chat.join("ann")
        ann.say("before")
        with monkeypatch.context() as patch:
            patch.setattr(Journal, "write", no_space)
            answer = chat.http.get("/readyz")
            assert (answer.status_code, answer.text) == (503, f"unavailable: {problem}\n")
            assert chat.http.get("/livez").status_code == 200
            health = chat.http.get("/healthz")
            assert (health.status_code, health.json()["status"]) == (503, "unavailable")
            assert health.json()["chat"] == {"status": 503, "reason": "unavailable", "message": problem}
            for dialect in ("json", "text"):
                with pytest.raises(Denied) as denied:
                    chat.connect(dialect=dialect)
                assert (denied.value.status, denied.value.text) == (503, problem)
            assert chat.join(token=ann.token, after=0).hears("before")
        while chat.http.get("/readyz").status_code != 200:
            pass
        ann.say("after")


def test_not_ready_while_the_store_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_module, "PATIENCE", 0.01)
    with (
        test_application("app.modules.health.module", store=tmp_path / "chat.db") as chat,
        monkeypatch.context() as patch,
    ):
        patch.setattr(Readers, "submit", lambda readers, read: None)  # not earlier: it reads at the start too
        answer = chat.http.get("/readyz")
        assert (answer.status_code, answer.text) == (503, "unavailable: the store has not answered for 0.01 s\n")
