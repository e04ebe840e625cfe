"""Whispers: only for their recipients, whether live, on resume, in history or in search."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.chat.logs import MAX_PEOPLE
from app.live.handlers import reading
from app.testing import Host, JsonClient, test_application
from tests.live.handlers.test_people import PASSWORD

People = tuple[JsonClient, JsonClient, JsonClient]


@pytest.fixture
def people(chat: Host) -> People:
    """Ann, Bob and Cy, who follow their whispers and are in the lobby."""
    return chat.join("ann"), chat.join("bob"), chat.join("cy")


def test_a_whisper_is_for_those_named_and_for_nobody_else(people: People) -> None:
    ann, bob, cy = people
    event = ann.whisper(["bob"], "psst").frame
    assert (event["room"], event["from"], event["to"], event["text"]) == ("@1,2", "ann", ["bob"], "psst")
    assert bob.receive() == event
    cy.expect_nothing()
    assert cy.refused("history", room="@1,2").code == "not_joined"
    assert cy.answer("history", room="@")["events"] == []
    assert cy.refused("search", room="@1,2", words="psst").code == "not_joined"
    assert cy.answer("search", room="@", words="psst")["events"] == []
    assert cy.answer("search", room="lobby", words="psst")["events"] == []
    assert cy.answer("history", room="lobby")["events"] == []


def test_a_whisper_for_several_is_one_message_whose_readers_see_each_other(people: People) -> None:
    ann, bob, cy = people
    event = bob.whisper(["cy", "ANN", "ann"], "both").frame
    assert (event["room"], event["to"]) == ("@1,2,3", ["cy", "ann"])
    assert ann.receive() == cy.receive() == event


def test_a_whisper_is_all_or_nothing(people: People) -> None:
    ann, bob, _ = people
    ann.ask("whisper", to=["bob", "nobody"], text="x", cid="1")
    error = ann.receive()
    assert (error["code"], error["cid"]) == ("unknown_name", "1")
    assert "nobody" in error["message"]
    bob.expect_nothing()
    ann.ask("whisper", to=[], text="x", cid="2")
    assert ann.receive()["code"] == "unknown_name"
    ann.ask("whisper", to=["bob"] * 21, text="x", cid="3")
    assert ann.receive()["code"] == "too_many_recipients"


def test_a_retried_whisper_is_stored_once(people: People) -> None:
    ann, bob, _ = people
    ann.ask("whisper", to=["bob"], text="once", cid="1")
    ack, event = ann.receive(), ann.receive()
    assert (ack["t"], ack["cid"], event["seq"]) == ("ack", "1", ack["seq"])
    ann.ask("whisper", to=["bob"], text="once", cid="1")
    assert ann.receive() == ack
    assert bob.receive() == event
    bob.expect_nothing()


def test_a_whisper_waits_for_who_is_away(chat: Host) -> None:
    with chat.join("bob") as bob:
        bob.say("hi")
        token = bob.token
    with chat.connect("ann") as ann:
        ann.join("@")
        event = ann.whisper(["bob"], "later").frame
    with chat.connect(token=token) as bob:
        assert bob.join("@", after=0)["recovered"]
        assert bob.receive() == event
        assert bob.join("@", after=event["seq"])["head"] == event["seq"]
        bob.expect_nothing()


def test_a_conversation_is_answered_and_listed(people: People) -> None:
    ann, bob, cy = people
    ann.whisper(["bob"], "one")
    bob.receive()
    bob.ask("msg", room="@1,2", text="two", cid="1")
    assert (bob.receive()["t"], bob.receive()["to"], ann.receive()["text"]) == ("ack", ["ann"], "two")
    bob.ask("reply", text="three", cid="2")
    assert (bob.receive()["t"], bob.receive()["room"], ann.receive()["text"]) == ("ack", "@1,2", "three")
    ann.answer("nick", name="anna")
    listed = bob.answer("conversations")["conversations"]
    assert [(one["room"], one["with"]) for one in listed] == [("@1,2", ["anna"])]
    assert cy.answer("conversations")["conversations"] == []
    assert [event["text"] for event in bob.answer("history", room="@1,2")["events"]] == ["one", "two", "three"]
    cy.ask("msg", room="@1,2", text="me too", cid="1")
    assert cy.receive()["code"] == "not_joined"
    cy.ask("reply", text="to whom", cid="2")
    assert cy.receive()["code"] == "not_found"


def test_a_whisper_to_oneself_is_a_note(people: People) -> None:
    ann, _, _ = people
    event = ann.whisper(["ann"], "note").frame
    assert (event["room"], event["to"]) == ("@1", ["ann"])


def test_the_text_dialect_whispers(chat: Host) -> None:
    ann, bob, cy = (chat.join(name, dialect="text") for name in ("ann", "bob", "cy"))
    ann.send("/w bob,@cy  psst")
    assert ann.receive() == bob.receive() == cy.receive() == "[ann → bob, cy]:  psst"
    bob.send("/r yes?")
    assert ann.receive() == bob.receive() == cy.receive() == "[bob → ann, cy]: yes?"
    ann.send("/w dora hi")
    assert ann.receive() == "*** Nobody is called 'dora'"
    bob.send("still here")
    assert bob.receive() == cy.receive() == "[bob]: still here"


def test_the_text_dialect_gets_what_waited_on_login_and_once(chat: Host) -> None:
    with chat.connect("bob") as bob:
        bob.answer("register", password=PASSWORD)
    with chat.connect("ann") as ann:
        ann.join("@")
        ann.whisper(["bob"], "later")
        with chat.join(dialect="text") as text:
            text.send(f"/login bob {PASSWORD}")
            told = [text.receive() for _ in range(4)]  # with the greeting, and that bob owns the lobby
            assert "[ann → bob]: later" in told
        ann.whisper(["bob"], "again")
        with chat.join(dialect="text") as text:
            text.send(f"/login bob {PASSWORD}")
            told = [text.receive() for _ in range(3)]
            assert "[ann → bob]: again" in told
            assert "[ann → bob]: later" not in told


def test_a_whisper_is_edited_and_deleted_by_its_author_only(people: People) -> None:
    ann, bob, cy = people
    seq = ann.whisper(["bob"], "wrogn").seq
    bob.receive()
    assert bob.refused("edit", room="@1,2", seq=seq, text="x").code == "not_yours"
    assert cy.refused("edit", room="@1,2", seq=seq, text="x").code == "not_joined"
    assert ann.answer("edit", room="@1,2", seq=seq, text="right")["t"] == "done"
    assert (bob.receive()["text"]) == "right"
    (event, _) = bob.answer("history", room="@1,2")["events"]
    assert (event["text"], event["edited"], event["to"]) == ("right", True, ["bob"])
    ann.answer("delete", room="@1,2", seq=seq)
    assert bob.receive()["t"] == "delete"
    assert bob.answer("search", room="@", words="right")["events"] == []
    cy.expect_nothing()


def test_a_list_of_ids_reaches_nobody_until_one_of_them_whispers(people: People) -> None:
    ann, bob, cy = people
    for room in ("@1,2", "@2,1", "@1,3", "@1,99"):
        ann.ask("msg", room=room, text="psst", cid="1")
        refused = ann.error("not_found")
        assert (refused.frame["reason"], refused.frame["cid"]) == ("conversation", "1")
        ann.ask("typing", room=room)
        ann.answer("rooms")
    assert ann.answer("conversations")["conversations"] == []
    bob.whisper("ann", "psst")
    ann.hears_whisper("psst")
    ann.ask("msg", room="@2,1", text="yes?", cid="2")
    assert (ann.ack("2")["t"], bob.hears_whisper().room) == ("ack", "@1,2")
    cy.ask("typing", room="@1,3")
    bob.ask("typing", room="@1,2")
    assert ann.hint("typing") == {"t": "typing", "room": "@1,2", "from": "bob"}


def test_a_conversation_is_no_larger_than_a_whisper_may_be(tmp_path: Path) -> None:
    overrides = {"chat.limits.recipients": 3}
    with test_application(store=tmp_path / "chat.db", overrides=overrides) as chat:
        ann, *others = [chat.join(name) for name in ("ann", "bob", "cy", "dora")]
        room = ann.whisper(others, "psst").room
        others[0].hears_whisper()
    overrides = {"chat.limits.recipients": 2}
    with test_application(store=tmp_path / "chat.db", overrides=overrides) as chat:
        ann, bob = chat.connect(token=ann.token), chat.connect(token=others[0].token)
        for one in (ann, bob):
            one.join("@", after=0)
            one.hears_whisper("psst")
        for number, frame in enumerate(({"t": "msg", "room": room}, {"t": "reply"})):
            ann.send({**frame, "text": "on", "cid": str(number)})
            assert ann.error("too_many_recipients").frame["limit"] == 2
        bob.expect_nothing()
        assert [event["text"] for event in bob.answer("history", room=room)["events"]] == ["psst"]
        ids = ",".join(str(id_) for id_ in range(1, MAX_PEOPLE))
        ann.ask("msg", room=f"@{ids}", text="everyone", cid="2")
        assert ann.error("too_many_recipients")
        ann.ask("typing", room=f"@{ids}", rid=7)
        assert ann.error("too_many_recipients")


def test_a_list_of_thousands_of_ids_is_no_conversation(people: People) -> None:
    ann, _, _ = people
    room = f"@{','.join(str(id_) for id_ in range(1, MAX_PEOPLE + 2))}"
    for t in ("history", "search", "read", "edit"):
        assert ann.refused(t, room=room, words="x", seq=1, text="x").code == "not_joined"


def test_conversations_are_listed_a_page_at_a_time(chat: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_CONVERSATIONS", 2)
    ann = chat.join("ann")
    for number in range(5):
        other = chat.connect(f"p{number}")
        ann.whisper(other.name, "psst")
    listed: list[str] = []
    place: dict[str, int] = {}
    while True:
        page = ann.answer("conversations", **place)
        listed += [name for one in page["conversations"] for name in one["with"]]
        if "more" not in page:
            break
        place = {"before": page["conversations"][-1]["head"]}
    assert listed == [f"p{number}" for number in reversed(range(5))]
