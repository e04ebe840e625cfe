"""What people type by accident: blanks before a command, and a password where others would read it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from app import Application, Call, chat_of
from app.testing import Host, test_application
from tests.live.handlers.test_people import PASSWORD

BLANKS = [" ", "\t", "\n ", "\u00a0", "\u3000", "\u200b", "\ufeff "]
SAID = [
    " /login ann secret", "\u00a0/login ann secret", "\u200b/register secret word", "//login ann secret",
    "／login ann secret", " //REGISTER\u00a0secret", "/ login ann secret",
]  # fmt: skip


def history(chat: Host) -> list[Any]:
    with chat.connect() as reader:
        reader.join("lobby")
        return [event.get("text") for event in reader.answer("history", room="lobby")["events"]]


@pytest.mark.parametrize("blanks", BLANKS)
def test_blanks_before_a_known_command_make_no_difference(chat: Host, blanks: str) -> None:
    with chat.join("ann", dialect="text") as ann, chat.join("bob") as bob:
        assert ann.command(f"{blanks}/who").startswith("lobby: 2 users")
        bob.answer("command", room="lobby", line=f"{blanks}/nick rob")
        ann.send(f"{blanks}/register {PASSWORD}")
        assert ann.notice("You are ann now")
    assert PASSWORD not in str(history(chat))


def test_the_commands_of_modules_are_known_too() -> None:
    async def dice(call: Call) -> str:
        return f"you rolled a {call.arguments}"

    def module(app: Application) -> None:
        chat_of(app).command("dice", dice, help="roll a die")

    with test_application(module) as chat, chat.join("ann", dialect="text") as ann:
        assert ann.command(" /dice 20") == "you rolled a 20"


@pytest.mark.parametrize("text", [" /etc/passwd is a file", " /", "\u00a0//who", "see /login ann secret"])
def test_a_slash_after_blanks_that_is_no_command_is_said(chat: Host, text: str) -> None:
    with chat.join("ann", dialect="text") as ann, chat.join("bob") as bob:
        ann.send(text)
        assert bob.hears().text == text


@pytest.mark.parametrize("said", SAID)
def test_a_text_that_looks_like_a_password_command_is_never_said_in_json(chat: Host, said: str) -> None:
    with chat.join("ann") as ann, chat.join("bob") as bob:
        seq = ann.say("hello").seq
        bob.hears("hello")
        ann.whisper(bob, "psst")
        bob.hears_whisper("psst")
        for frame in (
            {"t": "msg", "room": "lobby", "text": said},
            {"t": "msg", "room": "@1,2", "text": said},
            {"t": "msg", "room": "lobby", "text": said, "me": True},
            {"t": "whisper", "to": ["bob"], "text": said},
        ):
            ann.send({**frame, "cid": "c1"})
            assert ann.error("refused").frame["reason"] == "password"
        requests: tuple[dict[str, Any], ...] = (
            {"t": "edit", "seq": seq, "text": said},
            {"t": "topic", "text": said},
            {"t": "away", "why": said},
            {"t": "command", "line": f"/me {said}"},
            {"t": "command", "line": f"/w bob {said}"},
        )
        for request in requests:
            refused = ann.refused(**{"room": "lobby", **request})
            assert (refused.code, refused.frame["reason"]) == ("refused", "password")
        bob.expect_nothing()


@pytest.mark.parametrize("said", SAID)
def test_a_text_that_looks_like_a_password_command_is_never_said_in_text(chat: Host, said: str) -> None:
    with chat.join("ann", dialect="text") as ann, chat.join("bob") as bob:
        ann.send(said)
        assert ann.notice()
        ann.send(f"/w bob {said}")
        ann.notice(re.compile("looks like a command with a password"))
        assert bob.answer("conversations")["conversations"] == []
    assert "secret" not in str(history(chat))
