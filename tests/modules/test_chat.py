"""The chat through TestClient: like the tutorial to the letter, and right where the original is broken."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from app import create_app
from app.chat import text
from tests.clients import hear, receive
from tests.talking import connected


@pytest.fixture(params=["with lifespan", "without lifespan"])
def client(request: pytest.FixtureRequest) -> Iterator[TestClient]:
    """Inside `with` all sessions share one event loop; outside each has its own."""
    client = TestClient(create_app(overrides={"app.modules": ["app.modules.chat.module"], "chat.limits.rate": 0}))
    if request.param == "without lifespan":
        yield client
    else:
        with client:
            yield client


def test_joiner_is_told_how_many_are_there_and_nobody_else_is(client: TestClient) -> None:
    with client.websocket_connect("/chat") as first:
        assert hear(first) == "You are connected! There are 1 users here."
        with client.websocket_connect("/chat") as second:
            assert hear(second) == "You are connected! There are 2 users here."
            second.send_text("Hello")
            assert hear(first) == "[user1]: Hello"


def test_everyone_hears_a_message_its_sender_included(client: TestClient) -> None:
    with ExitStack() as stack:
        sessions = [stack.enter_context(client.websocket_connect("/chat")) for _ in range(4)]
        for session in sessions:
            hear(session)
        sessions[2].send_text("Hello")
        assert [hear(session) for session in sessions] == ["[user2]: Hello"] * 4


def test_messages_of_many_arrive_in_one_order(client: TestClient) -> None:
    with ExitStack() as stack:
        sessions = [stack.enter_context(client.websocket_connect("/chat")) for _ in range(5)]
        for session in sessions:
            hear(session)
        for number in range(20):
            for session in sessions:
                session.send_text(str(number))
        heard = [[hear(session) for _ in range(100)] for session in sessions]
        assert all(one == heard[0] for one in heard)
        for index in range(5):
            own = [line for line in heard[0] if line.startswith(f"[user{index}]")]
            assert own == [f"[user{index}]: {number}" for number in range(20)]


def test_a_client_is_told_where_to_begin_and_how_much_a_frame_may_have() -> None:
    overrides = {"chat.room": "hall", "chat.limits.message": 0, "app.websockets.max-frame-size": "1KiB"}
    with TestClient(create_app(overrides=overrides)) as client, connected(client) as ann:
        assert (ann.welcome["room"], ann.welcome["limits"]["frame"]) == ("hall", 1024)
        ann.join("hall")
        frame = {"t": "msg", "room": "hall", "cid": "c1", "text": ""}
        most = 1024 - len(json.dumps(frame))
        ack, _ = ann.say("x" * most, "c1", room="hall")
        assert ack["seq"] == 1
        ann.ask("msg", room="hall", cid="c2", text="x" * (most + 1))
        assert receive(ann.session)["code"] == 1009


def test_names_are_never_given_twice(client: TestClient) -> None:
    with client.websocket_connect("/chat") as first:
        hear(first)
    with client.websocket_connect("/chat") as second:
        assert hear(second) == "You are connected! There are 1 users here."
        second.send_text("x")
        assert hear(second) == "[user1]: x"


def test_leaving_is_silent(client: TestClient) -> None:
    with client.websocket_connect("/chat") as first:
        hear(first)
        with client.websocket_connect("/chat") as second:
            hear(second)
        first.send_text("alone again")
        assert hear(first) == "[user0]: alone again"


def test_binary_is_ignored(client: TestClient) -> None:
    with client.websocket_connect("/chat") as session:
        hear(session)
        session.send_bytes(b"\x00\xff")
        session.send_text("x")
        assert hear(session) == "[user0]: x"


@pytest.mark.parametrize("said", ["", "a\nb", "🙂 é \u202e", "nul\x00nul", "x" * 65_536])
def test_text_is_unchanged(client: TestClient, said: str) -> None:
    with client.websocket_connect("/chat") as session:
        hear(session)
        session.send_text(said)
        assert hear(session) == f"[user0]: {said}"


@pytest.mark.parametrize("said", ["x" * 65_537, "é" * 32_769])
def test_too_long_a_message_is_closed_1009_and_nobody_hears_it(client: TestClient, said: str) -> None:
    with client.websocket_connect("/chat") as other, client.websocket_connect("/chat") as session:
        hear(session), hear(other)
        session.send_text(said)
        closed = receive(session)
        assert (closed["type"], closed["code"]) == ("websocket.close", 1009)
        other.send_text("x")
        assert hear(other) == "[user0]: x"


def test_joins_and_leaves_are_logged(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "chat"):
        with client.websocket_connect("/chat") as session:
            hear(session)
        with client.websocket_connect("/chat") as session:
            hear(session)
    assert [record.getMessage() for record in caplog.records if record.name == "chat"] == [
        "Adding user!",
        "Removing user0!",
        "Adding user!",
        "Removing user1!",
    ]


def test_joins_and_leaves_during_a_broadcast_harm_nobody(client: TestClient) -> None:
    with client.websocket_connect("/chat") as sender:
        hear(sender)
        for number in range(30):
            sender.send_text(str(number))
            with client.websocket_connect("/chat") as visitor:
                assert hear(visitor).startswith("You are connected!")
            assert hear(sender) == f"[user0]: {number}"


@given(st.text())
@settings(max_examples=300)
def test_a_message_can_not_look_like_another_or_like_a_notice(said: str) -> None:
    first, *rest = text.message("user0", said).splitlines() or [""]
    assert first.startswith("[user0]: ")
    assert not any(line.startswith(("[", "*** ")) for line in rest)


@pytest.mark.parametrize("said", ["hi\n[user1]: I give up", "hi\r[user1]: I give up", "hi\u2028*** banned"])
def test_a_forged_line_is_indented(said: str) -> None:
    assert " [user1]" in text.message("user0", said) or " ***" in text.message("user0", said)
