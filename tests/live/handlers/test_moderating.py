"""Moderation goes by users, whatever they are called: then, now, and by someone else since."""

from __future__ import annotations

import re

import pytest

from app import chat_of
from app.chat.fitting import PAGE_BYTES
from app.live.handlers.moderating import MAX_LISTED
from app.testing import Host, JsonClient, test_application
from tests.live.handlers.test_people import PASSWORD

MONTH = 30 * 86_400
"""Seconds after which a name that was given up is free."""
FOLLOWED = "@"
"""The room of all whispers."""


@pytest.fixture
def ann(chat: Host) -> JsonClient:
    """Ann, who owns the room `den` and is in it."""
    ann = chat.connect("ann")
    ann.answer("register", password=PASSWORD)
    ann.join("den")
    ann.sees("owner")
    return ann


def listed(operator: JsonClient, what: str) -> list[tuple[int, str]]:
    return [(one["id"], one["name"]) for one in operator.answer("moderation", room="den")[what]]


def test_a_ban_is_lifted_by_the_name_at_the_time_and_by_the_name_now(chat: Host, ann: JsonClient) -> None:
    bob = chat.connect("bob7")
    for name in ("bob7", "rob"):
        ann.answer("ban", room="den", name=bob.name)
        bob.nick("rob")
        assert listed(ann, "bans") == [(bob.id, "rob")]
        ann.answer("unban", room="den", name=name)
        assert listed(ann, "bans") == []
        bob.nick("bob7")


def test_who_took_the_name_of_someone_banned_is_not_mistaken_for_them(chat: Host, ann: JsonClient) -> None:
    bob = chat.connect("bob7")
    ann.answer("ban", room="den", name="bob7")
    bob.nick("rob")
    chat.connect("bob7")
    ann.answer("unban", room="den", name="BOB7")
    assert ann.answer("history", room="den", limit=1)["events"][0]["about"] == bob.id
    bob.join("den")


def test_someone_is_banned_by_the_name_under_which_they_spoke(chat: Host, ann: JsonClient) -> None:
    bob = chat.connect("bob7")
    bob.join("den")
    bob.say("spam", room="den")
    bob.nick("rob")
    for command in ("invite", "op"):
        assert ann.refused(command, room="den", name="bob7").code == "unknown_name"
    ann.answer("ban", room="den", name="Bob7")
    assert listed(ann, "bans") == [(bob.id, "rob")]
    assert bob.sees("ban").whom == "rob"


def test_a_former_name_is_looked_for_as_far_as_a_page_goes(chat: Host, ann: JsonClient) -> None:
    bob = chat.connect("bob7")
    bob.join("den")
    bob.say("spam", room="den")
    bob.nick("rob")
    for _ in range(PAGE_BYTES // 60_000 + 1):
        ann.say("x" * 60_000, room="den")
    assert ann.refused("ban", room="den", name="bob7").code == "unknown_name"


def test_a_name_that_fits_two_is_refused_with_both_ids(chat: Host, ann: JsonClient) -> None:
    bob = chat.connect("bob7")
    ann.answer("mute", room="den", name="bob7")
    bob.nick("rob")
    other = chat.connect("bob7")
    ann.answer("mute", room="den", name="bob7")
    refused = ann.refused("unmute", room="den", name="bob7")
    assert (refused.code, refused.frame["reason"]) == ("refused", "ambiguous")
    assert f"#{bob.id} (rob) and #{other.id} (bob7)" in refused.message
    ann.answer("unmute", room="den", user=bob.id)
    assert listed(ann, "mutes") == [(other.id, "bob7")]
    ann.answer("unmute", room="den", name="bob7")
    assert listed(ann, "mutes") == []


@pytest.mark.parametrize("takes_back", ["uninvite", "deop"])
def test_what_was_given_is_taken_back_by_the_name_at_the_time(chat: Host, ann: JsonClient, takes_back: str) -> None:
    bob = chat.connect("bob")
    bob.answer("register", password=PASSWORD)
    ann.answer(takes_back.removeprefix("un").removeprefix("de"), room="den", name="bob")
    bob.nick("rob")
    chat.clock.advance(MONTH)
    chat.connect("bob")
    ann.answer(takes_back, room="den", name="bob")
    assert listed(ann, "invitations") == []
    assert ann.answer("room", room="den")["operators"] == []


def test_a_user_is_meant_by_id(chat: Host, ann: JsonClient) -> None:
    bob = chat.connect("bob")
    bob.nick("rob")
    chat.connect("bob")
    ann.answer("ban", room="den", user=bob.id, name="bob")
    assert listed(ann, "bans") == [(bob.id, "rob")]
    assert ann.refused("ban", room="den", user=99).frame["name"] == "#99"
    assert ann.refused("ban", room="den").code == "bad_frame"
    ann.answer("command", room="den", line=f"/unban #{bob.id}")
    assert listed(ann, "bans") == []


def test_only_operators_learn_who_a_name_means(chat: Host, ann: JsonClient) -> None:
    bob, cy = chat.connect("bob"), chat.connect("cy")
    cy.join("den")
    ann.answer("ban", room="den", name="bob")
    bob.nick("rob")
    for command in (("unban", {"name": "bob"}), ("unban", {"name": "nobody"}), ("moderation", {})):
        assert cy.refused(command[0], room="den", **command[1]).code == "not_operator"


def test_operators_see_who_is_banned_muted_and_invited_with_why_and_until(chat: Host, ann: JsonClient) -> None:
    bob, cy, dora = (chat.connect(name) for name in ("bob", "cy", "dora"))
    ann.answer("ban", room="den", name="bob", why="noise")
    ann.answer("mute", room="den", name="cy", seconds=600)
    ann.answer("invite", room="den", name="dora")
    bob.nick("rob")
    answer = ann.answer("moderation", room="den")
    (ban,), (mute,), (invitation,) = answer["bans"], answer["mutes"], answer["invitations"]
    assert {name: ban[name] for name in ban if name not in ("ts", "seq")} == {
        "id": bob.id, "name": "rob", "was": "bob", "by": "ann", "why": "noise",
    }  # fmt: skip
    assert (mute["id"], "until" in mute, "was" in mute, "why" in mute) == (cy.id, True, False, False)
    assert (invitation["id"], "until" in invitation) == (dora.id, False)
    chat.clock.advance(601)
    assert listed(ann, "mutes") == []


def test_a_typed_time_ends_a_mute_and_the_event_says_when(chat: Host, ann: JsonClient) -> None:
    bob = chat.connect("bob")
    bob.join("den")
    with chat.join(room="den", dialect="text") as text:
        ann.answer("command", room="den", line="/mute bob 1h30m 3 strikes")
        assert re.fullmatch(r"ann muted bob until .* UTC: 3 strikes", text.notice())
        chat.clock.advance(5_399)
        bob.ask("msg", room="den", cid="1", text="x")
        assert bob.error("muted")
        chat.clock.advance(2)
        bob.say("again", room="den")
        text.hears("again")
        ann.answer("command", room="den", line="/mute bob permanently 3 strikes")
        assert text.notice() == "ann muted bob permanently: 3 strikes"
        assert ["until" in bob.sees("mute").frame for _ in range(2)] == [True, False]
        refused = ann.refused("command", room="den", line="/ban bob 3 strikes")
        assert (refused.code, refused.frame["reason"]) == ("bad_command", "duration")
        assert listed(ann, "bans") == []


def test_a_long_list_of_bans_comes_in_pages(chat: Host, ann: JsonClient) -> None:
    people = [chat.connect(f"guest{number}") for number in range(MAX_LISTED + 2)]
    for person in people:
        ann.answer("ban", room="den", user=person.id)
    first = ann.answer("moderation", room="den")
    second = ann.answer("moderation", room="den", before=first["next"])
    seen = [one["id"] for page in (first, second) for one in page["bans"]]
    assert seen == [person.id for person in reversed(people)]
    assert (len(first["bans"]), "next" in second) == (MAX_LISTED, False)


def test_the_owner_and_operators_are_shown_by_their_names_now(chat: Host, ann: JsonClient) -> None:
    bob = chat.connect("bob")
    bob.answer("register", password=PASSWORD)
    ann.answer("op", room="den", name="bob")
    ann.nick("anna")
    bob.nick("rob")
    chat.clock.advance(MONTH)
    chat.connect("ann")
    shown = ann.answer("room", room="den")
    assert (shown["owner"], shown["operators"]) == ("anna", ["rob"])


def test_someone_invited_while_away_is_told_and_it_counts_as_unread(chat: Host, ann: JsonClient) -> None:
    with chat.join("bob", room="hall") as bob:
        bob.say("hi")
        token = bob.token
    ann.answer("invite", room="den", name="bob")
    with chat.connect(token=token) as bob:
        bob.join(FOLLOWED, after=0)
        told = bob.sees("invite")
        assert (told.name, told.text, told.whom, told.frame["about"]) == ("ann", "den", "bob", bob.id)
        (conversation,) = bob.answer("conversations")["conversations"]
        assert (conversation["room"], conversation["head"]) == (told.room, told.seq)
        assert "read" not in conversation
        assert bob.answer("history", room=told.room)["events"] == [told.frame]


def test_someone_invited_is_told_in_text_and_the_operator_is_not_told_twice(chat: Host, ann: JsonClient) -> None:
    bob, also = chat.join("bob", room="hall", dialect="text"), chat.connect(token=ann.token)
    also.join(FOLLOWED)
    with chat.join(dialect="text") as text:
        text.login("ann", PASSWORD)
        text.join("den")
        told = text.command("/invite bob").splitlines()
        assert [line for line in told if "invited" in line] == ["ann invited bob"]
    assert bob.notice() == "ann invited you to den. /join den"
    assert also.sees("invite").text == "den"


def test_someone_invited_who_is_there_sees_it_in_the_room_alone(chat: Host, ann: JsonClient) -> None:
    bob = chat.connect("bob")
    bob.join("den")
    bob.join(FOLLOWED)
    ann.answer("invite", room="den", name="bob")
    assert bob.sees("invite").room == "den"
    bob.expect_nothing()


def test_a_module_that_forbids_the_invitation_stops_all_of_it(chat: Host, ann: JsonClient) -> None:
    chat_of(chat.app).refuse(lambda draft: "no" if draft.room.startswith("@") else None)
    chat.connect("bob")
    assert ann.refused("invite", room="den", name="bob").code == "refused"
    assert listed(ann, "invitations") == []


def test_someone_banned_is_not_told_of_an_invitation_that_is_of_no_use(chat: Host, ann: JsonClient) -> None:
    bob = chat.connect("bob")
    bob.join(FOLLOWED)
    ann.answer("ban", room="den", name="bob")
    ann.answer("invite", room="den", name="bob")
    bob.expect_nothing()
    ann.answer("unban", room="den", name="bob")
    ann.answer("invite", room="den", name="bob")
    assert bob.sees("invite").text == "den"


@pytest.mark.parametrize(
    ("add", "lift", "many"),
    [("ban", "unban", "bans"), ("mute", "unmute", "mutes"), ("invite", "uninvite", "invitations")],
)
def test_a_room_has_a_limited_number_of_each(add: str, lift: str, many: str) -> None:
    with test_application(overrides={"chat.limits.moderation": 2}) as chat:
        ann = chat.join("ann", room="den")
        ann.register(PASSWORD)
        people = [chat.connect(f"p{number}") for number in range(3)]
        for one in people[:2]:
            ann.answer(add, room="den", name=one.name)
        ann.answer(add, room="den", name=people[0].name)
        refused = ann.refused(add, room="den", name=people[2].name)
        assert (refused.code, refused.frame["reason"], refused.frame["limit"]) == ("too_many", many, 2)
        ann.answer(lift, room="den", name=people[0].name)
        ann.answer(add, room="den", name=people[2].name)


def test_bans_that_have_ended_are_not_counted() -> None:
    with test_application(overrides={"chat.limits.moderation": 1}) as chat:
        ann = chat.join("ann", room="den")
        ann.register(PASSWORD)
        for number in range(3):
            other = chat.connect(f"p{number}")
            ann.answer("ban", room="den", name=other.name, seconds=60)
            chat.clock.advance(61)
