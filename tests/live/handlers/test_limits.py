"""Limits: each is a setting with an error of its own, and 0 turns it off."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager, suppress
from typing import Any

import pytest

from app import create_app
from app.testing import Host, test_application
from tests.clients import Raw


def limited(**limits: Any) -> AbstractContextManager[Host]:
    """A chat with these limits."""
    return test_application(
        overrides={f"chat.limits.{name.replace('_', '-')}": value for name, value in limits.items()}
    )


def test_who_is_too_fast_is_told_when_to_try_again_and_then_closed() -> None:
    with limited(rate=0.001, burst=2, strikes=2) as chat, chat.connect() as ann:
        ann.join()
        ann.ask("msg", room="lobby", cid="1", text="x")
        assert [ann.receive()["t"] for _ in range(2)] == ["ack", "msg"]
        ann.ask("msg", room="lobby", cid="2", text="x")
        error = ann.receive()
        assert (error["code"], error["cid"], error["retry"]) == ("rate_limited", "2", True)
        assert error["after"] > 900_000
        ann.ask("part", rid=3, room="lobby")
        assert ann.receive()["code"] == "rate_limited"
        assert ann.closed() == 1008


def test_a_rate_of_nothing_is_no_limit() -> None:
    with limited(rate=0) as chat, chat.join(dialect="text") as ann:
        for number in range(200):
            ann.send(str(number))
        assert [ann.receive() for _ in range(200)] == [f"[user0]: {number}" for number in range(200)]


@pytest.mark.parametrize(
    ("limits", "frame", "code"),
    [
        ({"message": 5}, {"t": "msg", "room": "lobby", "cid": "1", "text": "éééé"}, "too_long"),
        ({"name": 3}, {"t": "nick", "name": "anna"}, "bad_name"),
        ({"topic": 3}, {"t": "topic", "room": "lobby", "text": "four"}, "too_long"),
        ({"why": 3}, {"t": "away", "why": "four"}, "too_long"),
        ({"rooms": 1}, {"t": "join", "room": "den"}, "too_many_rooms"),
        ({"recipients": 1}, {"t": "whisper", "to": ["a", "b"], "cid": "1", "text": "x"}, "too_many_recipients"),
        ({"password": 3}, {"t": "register", "password": "12345678"}, "bad_password"),
    ],
)
def test_each_limit_is_a_setting(limits: dict[str, int], frame: Any, code: str) -> None:
    with limited(**limits) as chat, chat.connect() as ann:
        ann.join()
        ann.ask(**frame)
        assert ann.receive()["code"] == code


def test_an_operator_that_can_be_no_name_is_a_wrong_configuration() -> None:
    from config import ConfigurationError

    with pytest.raises(ConfigurationError, match=r"chat\.operators.*a b"):
        create_app(overrides={"chat.operators": ["a b"]})


def test_clients_that_read_nothing_have_a_bound_together() -> None:
    overrides = {"chat.outbox": {"size": "16k", "total": "1M"}}
    with test_application(overrides=overrides, server=True) as chat:
        ann = chat.join("ann")
        for number in range(5):
            ann.say(f"{number}{'x' * 50_000}")
        port = int(chat.url.rpartition(":")[2])
        offer = "Sec-WebSocket-Protocol: chat.v1.json"
        slow = [Raw(port, "/chat", offer, receive_buffer=4096) for _ in range(12)]
        asks = [json.dumps({"t": t, "room": "lobby", "limit": 200}).encode() for t in ("join", "history")]
        for one in slow:
            with suppress(ConnectionError):  # it is closed already
                for ask in asks:
                    one.send(1, ask)
        for one in slow[:2]:
            assert one.ended()
        assert len(ann.answer("history", room="lobby", limit=5)["events"]) == 5
        for one in slow:
            one.socket.close()
