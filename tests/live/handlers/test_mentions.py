"""@everyone and @here: who may notify a room, and how it is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app import chat_of
from app.testing import Host, JsonClient, test_application
from tests.live.handlers.test_people import PASSWORD


@pytest.fixture
def ann(chat: Host) -> JsonClient:
    """The owner of the lobby."""
    ann = chat.join("ann")
    ann.register(PASSWORD)
    ann.sees("owner")
    return ann


def notified(client: JsonClient) -> list[Any]:
    """Whom the messages in the history of the lobby notify, oldest first."""
    events = client.answer("history", room="lobby")["events"]
    return [event.get("notify") for event in events if event["t"] == "msg"]


@pytest.mark.parametrize(
    ("text", "whom"), [("@everyone lunch", "everyone"), ("lunch, @Here.", "here"), ("lunch for everyone", None)]
)
def test_an_operator_notifies_the_room(chat: Host, ann: JsonClient, text: str, whom: str | None) -> None:
    bob = chat.join("bob")
    ann.say(text)
    assert bob.hears(text).frame.get("notify") == whom
    ann.me(text)
    assert bob.hears(text).frame.get("notify") == whom
    assert notified(bob) == [whom, whom]


def test_a_deleted_message_notifies_nobody(ann: JsonClient) -> None:
    ann.say("@everyone wrong room")
    assert notified(ann) == ["everyone"]
    ann.answer("delete", room="lobby")
    assert notified(ann) == [None]


def test_a_member_only_names_the_room(chat: Host, ann: JsonClient) -> None:
    chat.join("bob").say("@everyone lunch")
    assert "notify" not in ann.hears("@everyone lunch").frame


def test_nobody_notifies_a_room_that_nobody_owns(chat: Host) -> None:
    bob = chat.join("bob", room="den")
    assert "notify" not in bob.say("@here lunch", room="den").frame
    assert bob.refused("mentions", room="den", who="all").code == "not_operator"


def test_a_room_may_let_everyone_notify_it(chat: Host, ann: JsonClient) -> None:
    bob, cy = chat.join("bob"), chat.join("cy", dialect="text")
    assert bob.refused("mentions", room="lobby", who="all").code == "not_operator"
    assert ann.refused("mentions", room="lobby", who="nobody").code == "bad_frame"
    assert "mentions" not in bob.answer("room", room="lobby")
    ann.answer("mentions", room="lobby", who="all")
    assert bob.sees("mentions").text == "all"
    assert cy.receive() == "*** ann allowed everyone to use @everyone and @here"
    assert bob.answer("room", room="lobby")["mentions"] == "all"
    bob.say("@here lunch")
    assert ann.hears("@here lunch").frame["notify"] == "here"
    assert cy.receive() == "[bob]: @here lunch"
    ann.answer("command", room="lobby", line="/mentions Operators")
    assert cy.receive() == "*** ann restricted @everyone and @here to operators"
    assert "mentions" not in bob.answer("room", room="lobby")
    bob.say("@here again")
    assert "notify" not in ann.hears("@here again").frame


def test_the_text_dialect_shows_and_sets_who_may_notify_everyone(chat: Host, ann: JsonClient) -> None:
    cy = chat.join("cy", dialect="text")
    ann.answer("mentions", room="lobby", who="all")
    assert cy.receive() == "*** ann allowed everyone to use @everyone and @here"
    cy.send("/room")
    lines = [cy.receive() for _ in range(4)]
    assert lines[-1] == "*** Everyone can use @everyone and @here"
    cy.send("/mentions bob")
    assert cy.receive() == "*** Expected all or operators, got 'bob'. Usage: /mentions WHO"
    cy.send("/mentions all")
    assert cy.receive() == "*** Only operators of lobby can do this"


def test_an_edit_notifies_nobody(chat: Host, ann: JsonClient) -> None:
    bob = chat.join("bob")
    seq = ann.say("lunch").seq
    ann.answer("edit", room="lobby", seq=seq, text="@everyone lunch")
    assert "notify" not in bob.sees("edit").frame
    assert notified(bob) == [None]


def test_a_whisper_notifies_nobody_else(chat: Host, ann: JsonClient) -> None:
    bob = chat.join("bob")
    ann.whisper(bob, "@everyone psst")
    assert "notify" not in bob.hears_whisper("@everyone psst").frame


def test_whom_a_message_notifies_outlives_an_edit_and_a_restart(tmp_path: Path) -> None:
    with test_application(store=tmp_path / "chat.db") as chat:
        ann = chat.join("ann")
        ann.register(PASSWORD)
        seq = ann.say("@everyone lunch").seq
        ann.answer("edit", room="lobby", seq=seq, text="@everyone dinner")
    with test_application(store=tmp_path / "chat.db") as chat:
        assert notified(chat.join("bob")) == ["everyone"]


@pytest.mark.parametrize("name", ["everyone", "Everyone", "here", "HERE.", "every0ne"])
def test_nobody_can_be_called_everyone_or_here(chat: Host, name: str) -> None:
    refusal = chat.join().refused("nick", name=name)
    assert (refusal.code, refusal.frame["reason"], refusal.frame["name"]) == ("bad_name", "reserved", name)


@pytest.mark.parametrize("name", ["\uff48\uff45\uff52\uff45", "here\u200b", "h\u0435r\u0435"])
def test_nobody_can_look_like_here_in_other_letters(name: str) -> None:
    with test_application(overrides={"chat.names.unicode": True}) as chat:
        assert chat.join().refused("nick", name=name).code == "bad_name"


def test_who_had_such_a_name_before_keeps_it(chat: Host) -> None:
    ann = chat.join("ann")
    chat.call(lambda: chat_of(chat.app).backend.claim(ann.id, "Here", "here"))
    again = chat.join("HERE", token=ann.token)
    assert again.name == "HERE"


def test_a_speaker_notifies_a_room_as_an_operator_of_it(chat: Host, ann: JsonClient) -> None:
    service = chat_of(chat.app)
    with pytest.raises(ValueError, match="would look like"):
        service.speaker("here")
    bot = service.speaker("bot")
    chat.call(bot.say, "lobby", "@everyone hi")
    assert "notify" not in ann.hears("@everyone hi").frame
    ann.answer("op", room="lobby", name="bot")
    chat.call(bot.say, "lobby", "@everyone hello")
    assert ann.hears("@everyone hello").frame["notify"] == "everyone"
