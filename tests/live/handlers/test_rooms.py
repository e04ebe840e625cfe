"""Rooms: presence, settings and moderation."""

from __future__ import annotations

from typing import Any

import pytest

from app import chat_of
from app.testing import Host, JsonClient, test_application
from tests.live.handlers.test_people import PASSWORD


def registered(chat: Host, name: str) -> str:
    """Register `name` and return its token."""
    with chat.connect(name) as client:
        client.answer("register", password=PASSWORD)
    return client.token


def test_the_joiner_is_told_who_is_there_and_the_others_who_came_and_went(chat: Host) -> None:
    with chat.connect("ann") as ann:
        assert ann.join()["people"] == [{"id": 1, "name": "ann"}]
        with chat.connect("bob") as bob:
            assert bob.join()["people"] == [{"id": 1, "name": "ann"}, {"id": 2, "name": "bob"}]
            while {"id": 2, "name": "bob"} not in (told := ann.hint("presence"))["came"]:
                pass
            assert told["members"] == 2
            bob.answer("away", why="lunch")
            assert ann.hint("presence")["changed"] == [{"id": 2, "name": "bob", "away": "lunch"}]
            assert ann.answer("who", room="lobby")["people"][1] == {"id": 2, "name": "bob", "away": "lunch"}
            bob.answer("back")
            assert ann.hint("presence")["changed"] == [{"id": 2, "name": "bob"}]
            bob.answer("nick", name="bert")
            assert ann.hint("presence")["changed"] == [{"id": 2, "name": "bert"}]
        told = ann.hint("presence")
        assert (told["went"], told["members"]) == ([{"id": 2, "name": "bert"}], 1)


def test_two_connections_of_one_user_are_one_person(chat: Host) -> None:
    with chat.connect("ann") as ann, chat.connect(token=ann.token) as also:
        ann.join()
        assert also.join()["members"] == 1


def test_typing_is_told_to_others_and_a_read_position_to_the_users_own_connections(chat: Host) -> None:
    with (
        chat.connect("ann") as ann,
        chat.connect("bob") as bob,
        chat.connect(token=ann.token) as also,
    ):
        for client in (ann, bob, also):
            client.join("@")
            client.join()
        ann.ask("typing", room="lobby")
        assert bob.hint("typing") == {"t": "typing", "room": "lobby", "from": "ann"}
        seq = bob.say("hi").seq
        assert ann.answer("read", room="lobby", seq=seq)["t"] == "done"
        assert also.receive()["text"] == "hi"
        assert also.hint("read") == {"t": "read", "room": "lobby", "seq": seq}
        assert also.join()["read"] == seq
        assert ann.refused("read", room="lobby", seq=seq + 1).code == "not_found"
        assert "read" not in bob.join()


def test_a_large_room_tells_only_how_many() -> None:
    with test_application(overrides={"chat.presence.roster": 1}) as chat:
        ann, bob = chat.connect(), chat.connect()
        assert "people" in ann.join()
        assert "people" not in bob.join()
        while (told := ann.hint("presence")).get("came"):
            pass
        assert told == {"t": "presence", "room": "lobby", "members": 2}
        assert ann.answer("who", room="lobby", rid=7) == {"t": "who", "rid": 7, "room": "lobby", "members": 2}


def test_the_first_registered_user_owns_a_room_and_appoints_operators(chat: Host) -> None:
    token = registered(chat, "bob")
    with chat.connect("ann") as ann, chat.connect(token=token) as bob:
        ann.join("den")
        assert ann.refused("kick", room="den", name="bob").code == "not_operator"
        ann.answer("register", password=PASSWORD)
        owner = ann.sees("owner")
        assert (owner.name, owner.whom) == ("*", "ann")
        bob.join("den")
        assert bob.refused("op", room="den", name="bob").code == "not_operator"
        assert ann.answer("op", room="den", name="bob")["t"] == "done"
        assert bob.sees("op").whom == "bob"
        assert bob.refused("kick", room="den", name="ann").code == "not_operator"
        assert bob.refused("op", room="den", name="ann").code == "not_operator"
        shown = ann.answer("room", room="den")
        assert (shown["owner"], shown["operators"], shown["rank"]) == ("ann", ["bob"], "owner")
        assert bob.answer("room", room="den")["rank"] == "operator"
        ann.answer("deop", room="den", name="bob")
        bob.sees("deop")
        assert "rank" not in bob.answer("room", room="den")
        assert bob.refused("topic", room="den", text="x").code == "not_operator"


def test_a_kick_puts_out_and_a_ban_keeps_out(chat: Host) -> None:
    token = registered(chat, "ann")
    with chat.connect(token=token) as ann, chat.connect("bob") as bob:
        ann.join("den")
        ann.sees("owner")
        bob.join("den")
        ann.answer("kick", room="den", name="bob", why="loud")
        kick = bob.receive()
        assert (kick["t"], kick["from"], kick["whom"], kick["text"]) == ("kick", "ann", "bob", "loud")
        assert bob.receive() == {"t": "parted", "room": "den", "why": "kicked by ann: loud"}
        bob.join("den")
        ann.answer("ban", room="den", name="bob", seconds=3600)
        assert bob.receive()["t"] == "ban"
        assert bob.receive()["t"] == "parted"
        error = bob.refused("join", room="den").frame
        assert (error["code"], "until" in error["message"]) == ("banned", True)
        ann.answer("unban", room="den", name="bob")
        bob.join("den")


def test_a_mute_silences_and_a_slow_room_makes_wait(chat: Host) -> None:
    token = registered(chat, "ann")
    with chat.connect(token=token) as ann, chat.connect("bob") as bob:
        ann.join("den")
        ann.sees("owner")
        bob.join("den")
        bob.ask("msg", room="den", cid="0", text="said before")
        said = bob.ack("0")
        ann.answer("mute", room="den", name="bob")
        bob.sees("mute")
        bob.ask("msg", room="den", cid="1", text="x")
        assert bob.receive()["code"] == "muted"
        bob.ask("msg", room="den", cid="0", text="said before")
        assert bob.receive() == said
        ann.answer("unmute", room="den", name="bob")
        bob.sees("unmute")
        ann.answer("slow", room="den", seconds=60)
        bob.sees("slow")
        bob.say("one", room="den")
        bob.ask("msg", room="den", cid="3", text="two")
        error = bob.receive()
        assert (error["code"], error["cid"], error["retry"], error["after"] > 0) == ("slow_mode", "3", True, True)
        ann.ask("msg", room="den", cid="1", text="operators don't wait")
        ann.ask("msg", room="den", cid="2", text="at all")
        assert bob.sees("msg").text == "operators don't wait"
        assert bob.sees("msg").text == "at all"


def test_a_private_room_is_for_who_was_there_and_who_is_invited(chat: Host) -> None:
    token = registered(chat, "ann")
    with chat.connect(token=token) as ann, chat.connect(token=registered(chat, "bob")) as bob:
        ann.join("den")
        bob.join("den")
        ann.answer("private", room="den")
        bob.sees("private")
        bob.join("den")
        with chat.connect("cy") as cy:
            assert cy.refused("join", room="den").code == "invitation_only"
            assert cy.refused("who", room="den").code == "invitation_only"
            assert [entry["room"] for entry in cy.answer("rooms")["rooms"]] == []
            ann.answer("invite", room="den", name="cy")
            assert cy.join("den")["private"]
            ann.answer("uninvite", room="den", name="cy")
            assert cy.sees("uninvite").whom == "cy"
            assert cy.receive() == {"t": "parted", "room": "den", "why": "ann withdrew your invitation"}
            assert cy.refused("join", room="den").code == "invitation_only"
            ann.answer("public", room="den")
            cy.join("den")


def test_a_topic_is_told_and_kept(chat: Host) -> None:
    with chat.connect("ann") as ann, chat.join("bob", room="den", dialect="text") as bob:
        ann.join("den")
        ann.answer("topic", room="den", text="tea")
        assert bob.receive() == "*** ann set the topic: tea"
        assert ann.join("den")["topic"] == "tea"
        assert ann.answer("rooms")["rooms"] == [{"room": "den", "members": 2, "topic": "tea"}]
        assert ann.refused("topic", room="den", text="x" * 301).code == "too_long"
        bob.send("/topic")
        assert [bob.receive(), bob.receive()] == ["*** den: 2 users, public", "*** Topic: tea"]


def test_a_server_operator_is_named_in_the_configuration(chat: Host) -> None:
    token = registered(chat, "ann")
    with chat.connect(token=token) as ann, chat.connect("root") as root:
        ann.join("den")
        root.join("den")
        assert root.refused("kick", room="den", name="ann").code == "not_operator"
        root.answer("register", password=PASSWORD)
        assert ann.refused("kick", room="den", name="root").code == "not_operator"
        root.answer("kick", room="den", name="ann")
        assert ann.sees("kick").whom == "ann"


def test_state_outlives_a_room_without_people(chat: Host) -> None:
    token = registered(chat, "ann")
    with chat.connect(token=token) as ann, chat.connect("bob") as bob:
        ann.join("den")
        ann.sees("owner")
        ann.answer("ban", room="den", name="bob")
        ann.answer("part", room="den")
        assert bob.refused("join", room="den").code == "banned"


def test_a_message_is_edited_by_its_author_and_deleted_by_operators_too(chat: Host) -> None:
    token = registered(chat, "ann")
    with chat.connect(token=token) as ann, chat.connect("bob") as bob:
        ann.join("den")
        ann.sees("owner")
        bob.join("den")
        seq = bob.say("helo", room="den").seq
        assert ann.refused("edit", room="den", seq=seq, text="x").code == "not_yours"
        done = bob.answer("edit", room="den", seq=seq, text="hello")
        edit = ann.sees("edit")
        assert (edit.of, edit.text, edit.seq) == (seq, "hello", done["seq"])
        ann.answer("delete", room="den", seq=seq)
        assert bob.sees("delete").of == seq
        assert bob.refused("edit", room="den", seq=seq, text="x").code == "not_found"
        assert bob.refused("delete", room="den", seq=10**6).code == "not_found"
        texts = [event.get("text") for event in bob.answer("history", room="den")["events"] if event["t"] == "msg"]
        assert texts == [""]


def test_the_text_dialect_moves_from_room_to_room(chat: Host) -> None:
    with chat.join("ann", dialect="text") as ann, chat.connect("bob") as bob:
        bob.join()
        ann.send("/join den")
        assert ann.receive() == "You are connected! There are 1 users here."
        ann.send("in den")
        assert ann.receive() == "[ann]: in den"
        ann.send("/me waves")
        assert ann.receive() == "[ann] waves"
        ann.send("//me waves")
        assert ann.receive() == "[ann]: /me waves"
        ann.send("/part")
        assert ann.receive() == "*** You left den"
        ann.send("lost")
        assert ann.receive().startswith("*** ")
        ann.send("/dance")
        assert ann.receive().startswith("*** There is no command 'dance'")
        ann.send("/help who")
        assert "/who" in ann.receive()
        bob.expect_nothing()


def test_a_person_who_changed_is_told_once_however_many_rooms_are_shared(chat: Host) -> None:
    ann, bob, cy = (chat.connect(name) for name in ("ann", "bob", "cy"))
    for number in range(5):
        for one in (ann, bob):
            one.join(f"room{number}")
    hear_of(ann, "bob", 5)
    bob.answer("away", why="lunch")
    while "changed" not in (told := ann.hint("presence")):
        pass
    assert told["changed"] == [{"id": bob.id, "name": "bob", "away": "lunch"}]
    cy.join("room3")
    assert not any("changed" in frame for frame in hear_of(ann, "cy", 1))


def hear_of(client: JsonClient, name: str, rooms: int) -> list[dict[str, Any]]:
    """Return what a client is told of people until it is told in so many rooms that someone came."""
    told: list[dict[str, Any]] = []
    while sum(person["name"] == name for frame in told for person in frame.get("came", [])) < rooms:
        told.append(client.hint("presence"))
    return told


def test_own_rooms_come_first_in_the_list(chat: Host) -> None:
    ann = chat.connect("ann")
    ann.join("small")
    for name in ("bob", "cy"):
        other = chat.connect(name)
        other.join("large")
        other.join(name)
    listed = [entry["room"] for entry in ann.answer("rooms")["rooms"]]
    assert listed == ["small", "large", "bob", "cy"]


def test_rooms_are_found_by_a_part_of_their_name_a_page_at_a_time(chat: Host) -> None:
    ann = chat.connect("ann")
    for number in range(7):
        ann.join(f"tea{number}")
    ann.join("coffee")
    first = ann.answer("rooms", find="TEA", limit=4)
    assert [entry["room"] for entry in first["rooms"]] == [f"tea{number}" for number in range(4)]
    assert (first["more"], first["next"]) == (True, "tea3")
    rest = ann.answer("rooms", find="tea", limit=4, after="tea3")
    assert [entry["room"] for entry in rest["rooms"]] == ["tea4", "tea5", "tea6"]
    assert "more" not in rest
    tom = chat.join("tom", dialect="text")
    assert tom.command("/rooms coff") == "coffee: 1 user"


def test_a_private_room_is_in_no_page_for_others(chat: Host) -> None:
    token = registered(chat, "ann")
    ann, bob = chat.connect(token=token), chat.connect("bob")
    for room in ("den", "hall"):
        ann.join(room)
    ann.sees("owner")
    ann.answer("private", room="den")
    assert [entry["room"] for entry in bob.answer("rooms", find="")["rooms"]] == ["hall"]
    assert [entry["room"] for entry in ann.answer("rooms", find="")["rooms"]] == ["den", "hall"]
    everything = bob.answer("rooms")
    assert [entry["room"] for entry in everything["rooms"]] == ["hall"]
    assert "more" not in everything


def test_looking_at_rooms_does_not_walk_over_all_of_them() -> None:
    with test_application(overrides={"chat.limits.rooms": 0, "chat.presence.period": "1h"}) as chat:
        ann, bob = chat.connect("ann"), chat.connect("bob")
        for number in range(300):
            ann.join(f"room{number}")
        bob.join("den")
        roster = chat.call(lambda: chat_of(chat.app).hub._roster)
        looked: list[str] = []
        members = roster.members
        with pytest.MonkeyPatch.context() as patch:

            def recorded(room: str) -> int:
                looked.append(room)
                return int(members(room))

            patch.setattr(roster, "members", recorded)
            answer = bob.answer("rooms")
            assert (len(answer["rooms"]), answer["more"]) == (201, True)
            assert len(looked) <= 201
            looked.clear()
            bob.nick("rob")
            bob.answer("away")
            assert set(looked) <= {"den"}


def test_a_user_owns_a_limited_number_of_rooms() -> None:
    with test_application(overrides={"chat.limits.rooms-owned": 2}) as chat:
        ann = chat.connect("ann")
        ann.register(PASSWORD)
        for number in range(3):
            ann.join(f"room{number}")
        owners = [ann.answer("room", room=f"room{number}")["owner"] for number in range(3)]
        assert owners == ["ann", "ann", ""]
        bob = chat.connect("bob")
        bob.register(PASSWORD)
        bob.join("room2")
        assert bob.sees("owner").whom == "bob"
