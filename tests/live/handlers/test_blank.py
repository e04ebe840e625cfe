"""Blank texts: nobody can say one, except an empty frame of the text dialect, as in the tutorial."""

from __future__ import annotations

from typing import Any

import pytest

from app import Refused, chat_of
from app.testing import Host, JsonClient

BLANKS = ["", "  ", "\n\t", "\u00a0\u3000", "\u200b\u2060", "\u3164\ufe0f", "\x00"]
SPOKEN: list[dict[str, Any]] = [
    {"t": "msg", "room": "lobby"},
    {"t": "msg", "room": "lobby", "me": True},
    {"t": "msg", "room": "@1,2"},
    {"t": "whisper", "to": ["bob"]},
    {"t": "reply"},
]


def pair(chat: Host) -> tuple[JsonClient, JsonClient]:
    """Ann and Bob, who whispered before."""
    ann, bob = chat.join("ann"), chat.join("bob")
    bob.whisper(ann, "hi")
    ann.hears_whisper("hi")
    return ann, bob


@pytest.mark.parametrize("frame", SPOKEN, ids=lambda frame: "-".join(map(str, frame.values())))
@pytest.mark.parametrize("text", BLANKS, ids=ascii)
def test_a_blank_text_is_said_to_nobody(chat: Host, frame: dict[str, Any], text: str) -> None:
    ann, bob = pair(chat)
    ann.send({**frame, "cid": "1", "text": text})
    refusal = ann.error("blank")
    assert (refusal.frame["cid"], refusal.frame["retry"]) == ("1", False)
    bob.expect_nothing()


@pytest.mark.parametrize("text", BLANKS, ids=ascii)
def test_an_edit_leaves_no_blank(chat: Host, text: str) -> None:
    ann = chat.join("ann")
    seq = ann.say("hi").seq
    assert ann.refused("edit", room="lobby", seq=seq, text=text).code == "blank"
    assert [event["text"] for event in ann.answer("history", room="lobby")["events"]] == ["hi"]


def test_a_typed_command_says_no_blank(chat: Host) -> None:
    ann, text = chat.join("ann"), chat.join("tom", dialect="text")
    assert ann.refused("command", room="lobby", line="/me \u200b").code == "blank"
    for line in ("/me \u200b", "/whisper ann \u200b"):
        text.send(line)
        assert text.receive() == "*** There is nothing to say. Write some text"
    ann.expect_nothing()


def test_a_module_says_no_blank(chat: Host) -> None:
    bot = chat_of(chat.app).speaker("bot")
    for say in (bot.say("lobby", " "), bot.whisper("bot", "\u200b")):
        with pytest.raises(Refused, match="nothing to say"):
            chat.call(lambda say=say: say)


def test_an_empty_frame_of_the_text_dialect_is_a_message_as_in_the_tutorial(chat: Host) -> None:
    ann, text = chat.join("ann"), chat.join(dialect="text")
    for blank in ("", "  ", "\u200b"):
        text.send(blank)
        assert text.receive() == f"[user1]: {blank}"
        assert ann.receive()["text"] == blank


def test_a_blank_message_that_was_stored_before_is_acknowledged_again(chat: Host) -> None:
    ann = chat.join("ann")
    said = ann.say("hi", cid="old")
    ann.ask("msg", room="lobby", cid="old", text=" ")
    assert ann.ack("old")["seq"] == said.seq
