"""Private rooms: who stays when the door closes, and what those lose who lose their right to be there."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from app import chat_of
from app.backends import Backend
from app.chat.events import Detail, Draft, Kind, User
from app.live import shard
from app.live.handlers.moderating import MAX_LISTED
from app.testing import Host, JsonClient, test_application
from tests.live.handlers.test_people import PASSWORD
from tests.live.handlers.test_rooms import registered


def member(chat: Host, name: str) -> JsonClient:
    """A registered user in the room."""
    one = chat.connect(token=registered(chat, name))
    one.join("den")
    return one


def assert_out(one: JsonClient, event: str, why: str) -> None:
    """Check that someone was told the event, had to leave, and reads nothing of the room any more."""
    assert one.sees(event).room == "den"
    assert one.receive() == {"t": "parted", "room": "den", "why": why}
    for request in ({"t": "history"}, {"t": "search", "words": "secret"}):
        assert one.refused(request.pop("t"), room="den", **request).code == "not_joined"
    assert one.answer("search", words="secret")["events"] == []
    assert one.refused("join", room="den").code == "invitation_only"
    one.expect_nothing()


def test_registered_people_stay_and_guests_go_however_many_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard, "REMOVED_AT_ONCE", 2)
    with test_application(overrides={"chat.presence.roster": 4}) as chat:
        ann = chat.join("ann", room="den")
        ann.register(PASSWORD)
        bob = member(chat, "bob")
        guests = [chat.join(f"guest{number}", room="den") for number in range(7)]
        text = chat.join("text", room="den", dialect="text")
        ann.answer("invite", room="den", name="guest3")
        ann.answer("private", room="den")
        ann.say("the secret", room="den")
        for number, guest in enumerate(guests):
            if number == 3:
                assert guest.hears().text == "the secret"
            else:
                assert_out(guest, "private", "ann made the room private")
        assert text.notice("You left den: ann made the room private")
        assert bob.hears().text == "the secret"
        assert ann.answer("who", room="den")["members"] == 3
        bob.leave()
        assert chat.connect(token=bob.token).join("den")["private"]


def test_who_comes_while_the_door_closes_has_to_be_invited_to_stay(chat: Host, ann: JsonClient) -> None:
    guests = [chat.connect(f"guest{number}") for number in range(5)]
    for number, guest in enumerate(guests):
        guest.ask("join", room="den", rid=1)
        if number == 2:
            ann.ask("private", room="den", rid=1)
    chat.settle()
    assert [person["name"] for person in ann.answer("who", room="den")["people"]] == ["ann"]


@pytest.mark.parametrize(
    ("takes", "why"),
    [
        ("uninvite", "ann withdrew your invitation: noise"),
        ("deop", "ann removed you as an operator, and you are not invited: noise"),
    ],
)
def test_a_right_that_is_taken_back_ends_every_connection_in_the_room(
    chat: Host, ann: JsonClient, takes: str, why: str
) -> None:
    token = registered(chat, "bob")
    ann.answer("private", room="den")
    ann.answer("invite" if takes == "uninvite" else "op", room="den", name="bob")
    bobs = [chat.connect(token=token) for _ in range(2)]
    for bob in bobs:
        bob.join("den")
    ann.say("the secret", room="den")
    ann.answer(takes, room="den", name="bob", why="noise")
    ann.say("another secret", room="den")
    for bob in bobs:
        assert_out(bob, takes, why)


def test_who_keeps_another_right_stays(chat: Host, ann: JsonClient) -> None:
    bob, cy = member(chat, "bob"), chat.connect("cy")
    cy.join("den")
    ann.answer("op", room="den", name="bob")
    ann.answer("uninvite", room="den", name="cy")
    cy.say("the room is public", room="den")
    ann.answer("invite", room="den", name="cy")
    ann.answer("private", room="den")
    ann.answer("uninvite", room="den", name="bob")
    ann.answer("invite", room="den", name="bob")
    ann.answer("deop", room="den", name="bob")
    for one in (bob, cy):
        one.say("still here", room="den")


@pytest.mark.parametrize(
    ("reading", "request_"),
    [
        ("read_backwards", {"t": "history"}),
        ("search", {"t": "search", "words": "secret"}),
        ("get", {"t": "edit", "seq": 3, "text": "changed"}),
    ],
)
def test_what_is_read_while_the_right_is_lost_is_not_sent(
    chat: Host, ann: JsonClient, monkeypatch: pytest.MonkeyPatch, reading: str, request_: dict[str, Any]
) -> None:
    ann.answer("private", room="den")
    bob = chat.connect("bob")
    ann.answer("invite", room="den", name=bob.name)
    bob.join("den")
    seq = bob.say("the secret", room="den").seq
    backend = chat_of(chat.app).backend
    read, whom = getattr(backend, reading), User(bob.id, bob.name)
    uninvited = Draft(
        "den", User(ann.id, "ann", registered=True), "", "id", 0, kind=Kind.UNINVITE, detail=Detail(whom=whom)
    )

    async def read_and_lose(*arguments: Any, **named: Any) -> Any:
        found = await read(*arguments, **named)
        await backend.append(uninvited)
        return found

    monkeypatch.setattr(backend, reading, read_and_lose)
    if "seq" in request_:
        request_ = {**request_, "seq": seq}
    bob.send({**request_, "room": "den", "rid": 1})
    assert bob.sees("uninvite")
    assert bob.receive()["t"] == "parted"
    assert bob.error("not_joined")
    assert [event["t"] for event in ann.answer("history", room="den", limit=1)["events"]] == ["uninvite"]


def test_those_who_stay_are_listed_as_invited_a_page_at_a_time(chat: Host, ann: JsonClient) -> None:
    bob, dora = member(chat, "bob"), chat.connect("dora")
    ann.answer("invite", room="den", name="bob")
    ann.answer("private", room="den")
    ann.answer("invite", room="den", name="dora")
    backend = chat_of(chat.app).backend
    many = tuple(range(1000, 1000 + MAX_LISTED + 20))
    closed = Draft(
        "den", User(ann.id, "ann", registered=True), "", "id", 0, kind=Kind.PRIVATE, detail=Detail(invited=many)
    )
    chat.call(partial(appended, backend, closed))
    answer = ann.answer("moderation", room="den")
    pages = [answer]
    while before := answer.get("next"):
        answer = ann.answer("moderation", room="den", before=before)
        pages.append(answer)
    seen = [one["id"] for page in pages for one in page["invitations"]]
    assert seen == [*reversed(many), dora.id, bob.id]
    assert [len(page["invitations"]) for page in pages] == [MAX_LISTED, 22]


async def appended(backend: Backend, draft: Draft) -> None:
    await backend.append(draft)


def test_to_open_a_room_and_close_it_again_keeps_its_invitations(chat: Host, ann: JsonClient) -> None:
    bob = member(chat, "bob")
    ann.answer("private", room="den")
    bob.leave()
    for change in ("private", "public", "private"):
        ann.answer(change, room="den")
    chat.connect(token=bob.token).join("den")
    ann.answer("uninvite", room="den", name="bob")
    ann.answer("private", room="den")
    assert chat.connect(token=bob.token).refused("join", room="den").code == "invitation_only"


def test_everyone_is_told_before_they_speak_that_a_private_room_may_be_opened(chat: Host, ann: JsonClient) -> None:
    with chat.join(dialect="text") as text:
        text.login("ann", PASSWORD)
        text.join("den")
        told = "If it becomes public again, everyone can read what was said in it"
        assert text.command("/private").endswith(f"ann made the room private. {told}")
        text.say("the secret")
        assert "Let everyone in, who can read what was said before" in text.command("/help public")
        assert text.command("/public") == "ann made the room public. Everyone can read what was said in it"
    bob = chat.connect("bob")
    bob.join("den", after=0)
    assert bob.hears().text == "the secret"


def test_positions_and_ids_tell_nothing_of_other_rooms(chat: Host, ann: JsonClient) -> None:
    bob = chat.join("bob")
    first = bob.say("one")
    for number in range(3):
        ann.say(f"secret {number}", room="den")
        ann.whisper("ann", "note")
    second = bob.say("two")
    assert second.seq == first.seq + 1
    assert bob.answer("history", room="lobby", after=0)["events"][-1]["seq"] == second.seq
    ids = [ann.say("x", room="den").id, second.id, first.id]
    assert len(set(ids)) == 3
    assert not [one for one in ids if one.isdecimal()]
