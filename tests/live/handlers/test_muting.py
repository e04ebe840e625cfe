"""Mutes and slow mode: nothing that a person writes gets past them."""

from __future__ import annotations

from typing import Any

import pytest

from app import chat_of
from app.chat.events import Detail, Draft, Kind, User
from app.live.context import ChatContext
from app.testing import Host, JsonClient, Refusal
from tests.live.handlers.test_people import PASSWORD
from tests.live.handlers.test_rooms import registered


@pytest.fixture
def bob(chat: Host, ann: JsonClient) -> JsonClient:
    """Bob, an operator of the room and muted there."""
    bob = chat.connect(token=registered(chat, "bob"))
    bob.join("den")
    ann.answer("op", room="den", name="bob")
    ann.answer("mute", room="den", name="bob")
    bob.sees("mute")
    return bob


@pytest.mark.parametrize(
    ("t", "fields"),
    [
        ("topic", {"text": "words"}),
        ("topic", {"text": ""}),
        ("kick", {"name": "cy", "why": "words"}),
        ("mute", {"name": "cy", "why": "words"}),
        ("invite", {"name": "cy"}),
        ("unmute", {"name": "bob"}),
        ("slow", {"seconds": 10}),
        ("private", {}),
        ("public", {}),
        ("command", {"line": "/kick cy words"}),
        ("command", {"line": "/echo words"}),
        ("edit", {"text": "words"}),
    ],
)
def test_a_muted_operator_neither_speaks_by_moderating_nor_lifts_the_mute(
    chat: Host, ann: JsonClient, bob: JsonClient, t: str, fields: dict[str, Any]
) -> None:
    async def echo(call: Any) -> str:
        return str(call.arguments)

    chat_of(chat.app).command("echo", echo, help="Say it")
    cy = chat.connect("cy")
    cy.join("den")
    if t == "edit":
        ann.answer("unmute", room="den", name="bob")
        fields = {**fields, "seq": bob.say("said before", room="den").seq}
        ann.answer("mute", room="den", name="bob")
        cy.hears("said before")
        cy.sees("mute")
    assert bob.refused(t, room="den", **fields).code == "muted"
    cy.expect_nothing()
    ann.answer("unmute", room="den", name="bob")
    if t != "unmute":
        bob.answer(t, room="den", **fields)


def test_nothing_that_people_see_of_someone_muted_is_in_their_words(chat: Host, ann: JsonClient) -> None:
    bob = chat.connect("bob")
    bob.answer("away", why="words")
    bob.join("den")
    while not (told := [one for one in ann.hint("presence").get("came", ()) if one["name"] == "bob"]):
        pass
    assert told[0]["away"] == "words"
    ann.answer("mute", room="den", name="bob", seconds=60)
    while not (told := ann.hint("presence").get("changed", ())):
        pass
    assert told == [{"id": bob.id, "name": "bob", "away": ""}]
    assert bob.refused("away", why="words").code == bob.refused("nick", name="words").code == "muted"
    bob.answer("away")
    bob.ask("typing", room="den")
    bob.answer("part", room="den")
    bob.answer("away", why="words")
    bob.join("den")
    assert ann.answer("who", room="den")["people"][-1]["away"] == ""
    chat.clock.advance(61)
    bob.answer("away", why="lunch")
    bob.nick("rob")
    bob.ask("typing", room="den")
    assert ann.hint("typing") == {"t": "typing", "room": "den", "from": "rob"}


def test_an_owner_who_is_muted_speaks_on(chat: Host, ann: JsonClient) -> None:
    root = chat.connect("root")
    root.register(PASSWORD)
    root.join("den")
    root.answer("mute", room="den", name="ann")
    ann.answer("topic", room="den", text="tea")
    ann.answer("unmute", room="den", name="ann")
    ann.nick("anna")


@pytest.fixture
def slow(chat: Host, ann: JsonClient) -> JsonClient:
    """Cy, who has just spoken in the room, which is in slow mode."""
    ann.answer("slow", room="den", seconds=60)
    cy = chat.connect("cy")
    cy.join("den")
    cy.say("one", room="den")
    return cy


def test_an_edit_counts_as_a_message_in_slow_mode(chat: Host, slow: JsonClient) -> None:
    edit = {"room": "den", "text": "changed"}
    assert slow.refused("edit", **edit).code == "slow_mode"
    chat.clock.advance(60)
    slow.answer("edit", **edit)
    slow.ask("msg", room="den", text="two", cid="1")
    assert slow.error("slow_mode").frame["after"] == 60_000


@pytest.mark.parametrize("said", ["msg", "me", "edit"])
def test_slow_mode_goes_on_when_the_room_was_empty_for_a_moment(
    chat: Host, ann: JsonClient, slow: JsonClient, said: str
) -> None:
    if said != "msg":
        chat.clock.advance(60)
        slow.me("waves", room="den") if said == "me" else slow.answer("edit", room="den", text="changed")
    slow.part("den")
    ann.answer("part", room="den")
    chat.clock.advance(10)
    slow.join("den")
    slow.ask("msg", room="den", text="two", cid="1")
    assert slow.error("slow_mode").frame["after"] == 50_000
    chat.clock.advance(50)
    slow.say("two", room="den")


def test_slow_mode_counts_from_when_it_was_turned_on(chat: Host, ann: JsonClient, slow: JsonClient) -> None:
    ann.answer("slow", room="den", seconds=90)
    slow.part("den")
    ann.answer("part", room="den")
    slow.join("den")
    slow.say("two", room="den")


def wrong(chat: Host, hours: int) -> None:
    """Set the clock of the machine wrong, which the time since its start is not affected by."""
    chat.clock._start += hours * 3_600_000


def test_a_clock_that_was_wrong_silences_nobody(chat: Host, ann: JsonClient) -> None:
    ann.answer("slow", room="den", seconds=60)
    cy = chat.connect("cy")
    cy.join("den")
    wrong(chat, 48)
    cy.say("one", room="den")
    wrong(chat, -48)
    chat.clock.advance(60)
    cy.say("two", room="den")
    wrong(chat, 48)
    chat.clock.advance(60)
    cy.say("three", room="den")
    wrong(chat, -48)
    cy.part("den")
    ann.answer("part", room="den")
    cy.join("den")
    chat.clock.advance(60)
    cy.say("four", room="den")


def names(ann: JsonClient, person: JsonClient) -> list[str]:
    """The names of a person that the room sees."""
    return [one["name"] for one in ann.answer("who", room="den")["people"] if one["id"] == person.id]


def test_someone_muted_comes_back_under_the_same_name_only(chat: Host, ann: JsonClient) -> None:
    bob = chat.connect("bob")
    bob.join("den")
    ann.answer("mute", room="den", name="bob", seconds=60)
    bob.sees("mute")
    bob.part("den")
    bob.nick("words")
    refused = bob.refused("join", room="den").frame
    assert (refused["code"], refused["reason"], refused["name"]) == ("muted", "name", "bob")
    assert names(ann, bob) == []
    bob.nick(f"user{bob.id - 1}")  # which the server gave, so it says nothing
    bob.join("den")
    bob.part("den")
    bob.nick("bob")
    bob.join("den")
    assert names(ann, bob) == ["bob"]
    bob.part("den")
    bob.nick("words")
    chat.clock.advance(61)
    bob.join("den")


def test_another_connection_is_no_way_around_a_mute(chat: Host, ann: JsonClient) -> None:
    bob = chat.connect("bob")
    bob.join("den")
    ann.answer("mute", room="den", name="bob")
    bob.sees("mute")
    with pytest.raises(Refusal, match="muted"):
        chat.connect("words", token=bob.token)
    assert names(ann, bob) == ["bob"]


def test_someone_who_renames_while_being_muted_leaves_the_room(
    chat: Host, ann: JsonClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = chat.connect("bob")
    other = chat.connect(token=bob.token)
    other.join("den")
    claim = ChatContext.claim_name
    muting = Draft("den", User(ann.id, "ann"), "", "m1", 0, kind=Kind.MUTE, detail=Detail(whom=User(bob.id, "bob")))

    async def mute_meanwhile(context: ChatContext, user: User, text: str) -> User:
        named = await claim(context, user, text)
        await context.backend.append(muting)
        return named

    monkeypatch.setattr(ChatContext, "claim_name", mute_meanwhile)
    bob.nick("words")
    other.sees("mute")
    while (frame := other.frame())["t"] != "parted":
        pass
    assert frame["why"] == "muted by ann under another name"
    assert names(ann, bob) == []


def test_nobody_gets_rid_of_a_mute_by_owning_the_room(chat: Host) -> None:
    bob = chat.connect(token=registered(chat, "bob"))
    muting = Draft("yard", User(9, "root"), "", "m1", 0, kind=Kind.MUTE, detail=Detail(whom=User(bob.id, "bob")))
    chat.call(chat_of(chat.app).backend.append, muting)
    bob.join("yard")
    assert bob.answer("room", room="yard")["owner"] == ""
