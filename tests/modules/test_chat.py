"""The chat on its own: like the tutorial to the letter, and right where the original is broken."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.chat import text
from app.testing import Host, test_application


@pytest.fixture(params=["with lifespan", "without lifespan"])
def chat(request: pytest.FixtureRequest) -> Iterator[Host]:
    """A chat with one event loop, or with one for each connection."""
    with test_application(lifespan=request.param == "with lifespan") as chat:
        yield chat


def test_joiner_is_told_how_many_are_there_and_nobody_else_is(chat: Host) -> None:
    with chat.join(dialect="text") as first, chat.join(dialect="text") as second:
        assert first.greeting == "You are connected! There are 1 users here."
        assert second.greeting == "You are connected! There are 2 users here."
        second.send("Hello")
        assert first.receive() == "[user1]: Hello"


def test_everyone_hears_a_message_its_sender_included(chat: Host) -> None:
    sessions = [chat.join(dialect="text") for _ in range(4)]
    sessions[2].send("Hello")
    assert [session.receive() for session in sessions] == ["[user2]: Hello"] * 4


def test_messages_of_many_arrive_in_one_order(chat: Host) -> None:
    sessions = [chat.join(dialect="text") for _ in range(5)]
    for number in range(20):
        for session in sessions:
            session.send(str(number))
    heard = [[session.receive() for _ in range(100)] for session in sessions]
    assert all(one == heard[0] for one in heard)
    for index in range(5):
        own = [line for line in heard[0] if line.startswith(f"[user{index}]")]
        assert own == [f"[user{index}]: {number}" for number in range(20)]


def test_a_client_is_told_where_to_begin_and_how_much_a_frame_may_have() -> None:
    overrides = {"chat.room": "hall", "chat.limits.message": 0, "app.websockets.max-frame-size": "1KiB"}
    with test_application(overrides=overrides) as chat, chat.connect() as ann:
        assert (ann.welcome["room"], ann.welcome["limits"]["frame"]) == ("hall", 1024)
        ann.join("hall")
        frame = {"t": "msg", "room": "hall", "cid": "c1", "text": ""}
        most = 1024 - len(json.dumps(frame))
        assert ann.say("x" * most, room="hall", cid="c1").seq == 1
        ann.ask("msg", room="hall", cid="c2", text="x" * (most + 1))
        assert ann.closed() == 1009


def test_names_are_never_given_twice(chat: Host) -> None:
    with chat.join(dialect="text"):
        pass
    with chat.join(dialect="text") as second:
        assert second.greeting == "You are connected! There are 1 users here."
        second.send("x")
        assert second.receive() == "[user1]: x"


def test_leaving_is_silent(chat: Host) -> None:
    with chat.join(dialect="text") as first:
        with chat.join(dialect="text"):
            pass
        first.send("alone again")
        assert first.receive() == "[user0]: alone again"


def test_binary_is_ignored(chat: Host) -> None:
    with chat.join(dialect="text") as session:
        session.send(b"\x00\xff")
        session.send("x")
        assert session.receive() == "[user0]: x"


@pytest.mark.parametrize("said", ["", "a\nb", "🙂 é \u202e", "x" * 65_536])
def test_text_is_unchanged(chat: Host, said: str) -> None:
    with chat.join(dialect="text") as session:
        session.send(said)
        assert session.receive() == f"[user0]: {said}"


def test_control_characters_are_shown(chat: Host) -> None:
    with chat.join(dialect="text") as session:
        session.send("nul\x00nul\r\x1b[2K[bob]: hi")
        assert session.receive() == "[user0]: nul\\x00nul\\r\\x1b[2K[bob]: hi"


@pytest.mark.parametrize("said", ["x" * 65_537, "é" * 32_769])
def test_too_long_a_message_is_closed_1009_and_nobody_hears_it(chat: Host, said: str) -> None:
    with chat.join(dialect="text") as other, chat.join(dialect="text") as session:
        session.send(said)
        assert session.closed() == 1009
        other.send("x")
        assert other.receive() == "[user0]: x"


def test_joins_and_leaves_during_a_broadcast_harm_nobody(chat: Host) -> None:
    with chat.join(dialect="text") as sender:
        for number in range(30):
            sender.send(str(number))
            with chat.join(dialect="text") as visitor:
                assert visitor.greeting.startswith("You are connected!")
            assert sender.receive() == f"[user0]: {number}"


@given(st.text())
@settings(max_examples=300)
def test_a_message_can_not_look_like_another_or_like_a_notice(said: str) -> None:
    first, *rest = text.message("user0", said).splitlines() or [""]
    assert first.startswith("[user0]: ")
    assert not any(line.startswith(("[", "*** ")) for line in rest)


@pytest.mark.parametrize("said", ["hi\n[user1]: I give up", "hi\r\n[user1]: I give up", "hi\u2028*** banned"])
def test_a_forged_line_is_indented(said: str) -> None:
    assert " [user1]" in text.message("user0", said) or " ***" in text.message("user0", said)
