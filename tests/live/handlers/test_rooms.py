"""Rooms: who is there, what they are about, and who keeps order in them."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from tests.clients import hear
from tests.live.handlers.test_people import PASSWORD
from tests.talking import Client, connected


def registered(server: TestClient, name: str) -> tuple[str, str]:
    """Register `name`: its token."""
    with connected(server, query=f"?name={name}") as client:
        client.answer("register", password=PASSWORD)
    return name, client.welcome["token"]


def settled(client: Client, t: str) -> dict:  # type: ignore[type-arg]
    """The next event of a kind; those before it are passed over."""
    while (frame := client.next())["t"] != t:
        assert "seq" in frame, frame
    return frame  # type: ignore[no-any-return]


def test_the_joiner_is_told_who_is_there_and_the_others_who_came_and_went(server: TestClient) -> None:
    with connected(server, query="?name=ann") as ann:
        assert ann.join()["people"] == [{"id": 1, "name": "ann"}]
        with connected(server, query="?name=bob") as bob:
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


def test_two_connections_of_one_user_are_one_person(server: TestClient) -> None:
    with connected(server, query="?name=ann") as ann, connected(server, ann.welcome["token"]) as also:
        ann.join()
        assert also.join()["members"] == 1


def test_typing_is_told_to_others_and_a_read_position_to_the_users_own_connections(server: TestClient) -> None:
    with (
        connected(server, query="?name=ann") as ann,
        connected(server, query="?name=bob") as bob,
        connected(server, ann.welcome["token"]) as also,
    ):
        for client in (ann, bob, also):
            client.join("@")
            client.join()
        ann.ask("typing", room="lobby")
        assert bob.hint("typing") == {"t": "typing", "room": "lobby", "from": "ann"}
        ack, _ = bob.say("hi", "1")
        assert ann.answer("read", room="lobby", seq=ack["seq"])["t"] == "done"
        assert also.next()["text"] == "hi"
        assert also.hint("read") == {"t": "read", "room": "lobby", "seq": ack["seq"]}
        assert also.join()["read"] == ack["seq"]
        assert ann.refused("read", room="lobby", seq=ack["seq"] + 1) == "not_found"
        assert "read" not in bob.join()


def test_a_large_room_tells_only_how_many(tmp_path_factory: pytest.TempPathFactory) -> None:
    from app import create_app

    overrides = {"chat.presence.roster": 1, "chat.presence.period": "10ms", "chat.limits.rate": 0}
    with TestClient(create_app(overrides=overrides)) as server, connected(server) as ann, connected(server) as bob:
        assert "people" in ann.join()
        assert "people" not in bob.join()
        while (told := ann.hint("presence")).get("came"):
            pass
        assert told == {"t": "presence", "room": "lobby", "members": 2}
        assert ann.answer("who", room="lobby") == {"t": "who", "rid": 7, "room": "lobby", "members": 2}


def test_the_first_registered_user_owns_a_room_and_appoints_operators(server: TestClient) -> None:
    _, token = registered(server, "bob")
    with connected(server, query="?name=ann") as ann, connected(server, token) as bob:
        ann.join("den")
        assert ann.refused("kick", room="den", name="bob") == "not_operator"
        ann.answer("register", password=PASSWORD)
        owner = settled(ann, "owner")
        assert (owner["from"], owner["whom"]) == ("*", "ann")
        bob.join("den")
        assert bob.refused("op", room="den", name="bob") == "not_operator"
        assert ann.answer("op", room="den", name="bob")["t"] == "done"
        assert settled(bob, "op")["whom"] == "bob"
        assert bob.refused("kick", room="den", name="ann") == "not_operator"
        assert bob.refused("op", room="den", name="ann") == "not_operator"
        shown = ann.answer("room", room="den")
        assert (shown["owner"], shown["operators"], shown["rank"]) == ("ann", ["bob"], "owner")
        assert bob.answer("room", room="den")["rank"] == "operator"
        ann.answer("deop", room="den", name="bob")
        settled(bob, "deop")
        assert "rank" not in bob.answer("room", room="den")
        assert bob.refused("topic", room="den", text="x") == "not_operator"


def test_a_kick_puts_out_and_a_ban_keeps_out(server: TestClient) -> None:
    _, token = registered(server, "ann")
    with connected(server, token) as ann, connected(server, query="?name=bob") as bob:
        ann.join("den")
        settled(ann, "owner")
        bob.join("den")
        ann.answer("kick", room="den", name="bob", why="loud")
        kick = bob.next()
        assert (kick["t"], kick["from"], kick["whom"], kick["text"]) == ("kick", "ann", "bob", "loud")
        assert bob.next() == {"t": "parted", "room": "den", "why": "kicked by ann: loud"}
        bob.join("den")
        ann.answer("ban", room="den", name="bob", seconds=3600)
        assert bob.next()["t"] == "ban"
        assert bob.next()["t"] == "parted"
        error = bob.answer("join", room="den")
        assert (error["code"], "until" in error["message"]) == ("banned", True)
        ann.answer("unban", room="den", name="bob")
        bob.join("den")


def test_a_mute_silences_and_a_slow_room_makes_wait(server: TestClient) -> None:
    _, token = registered(server, "ann")
    with connected(server, token) as ann, connected(server, query="?name=bob") as bob:
        ann.join("den")
        settled(ann, "owner")
        bob.join("den")
        said, _ = bob.say("said before", "0", "den")
        ann.answer("mute", room="den", name="bob")
        settled(bob, "mute")
        bob.ask("msg", room="den", cid="1", text="x")
        assert bob.next()["code"] == "muted"
        bob.ask("msg", room="den", cid="0", text="said before")
        assert bob.next() == said
        ann.answer("unmute", room="den", name="bob")
        settled(bob, "unmute")
        ann.answer("slow", room="den", seconds=60)
        settled(bob, "slow")
        bob.say("one", "2", "den")
        bob.ask("msg", room="den", cid="3", text="two")
        error = bob.next()
        assert (error["code"], error["cid"], error["retry"], error["after"] > 0) == ("slow_mode", "3", True, True)
        ann.ask("msg", room="den", cid="1", text="operators don't wait")
        ann.ask("msg", room="den", cid="2", text="at all")
        assert settled(bob, "msg")["text"] == "operators don't wait"
        assert settled(bob, "msg")["text"] == "at all"


def test_a_private_room_is_for_who_was_there_and_who_is_invited(server: TestClient) -> None:
    _, token = registered(server, "ann")
    with connected(server, token) as ann, connected(server, query="?name=bob") as bob:
        ann.join("den")
        bob.join("den")
        ann.answer("private", room="den")
        settled(bob, "private")
        bob.join("den")
        with connected(server, query="?name=cy") as cy:
            assert cy.refused("join", room="den") == "invitation_only"
            assert cy.refused("who", room="den") == "invitation_only"
            assert [entry["room"] for entry in cy.answer("rooms")["rooms"]] == []
            ann.answer("invite", room="den", name="cy")
            assert cy.join("den")["private"]
            ann.answer("uninvite", room="den", name="cy")
            cy.answer("part", room="den")
            assert cy.refused("join", room="den") == "invitation_only"
            ann.answer("public", room="den")
            cy.join("den")


def test_a_topic_is_told_and_kept(server: TestClient) -> None:
    with connected(server, query="?name=ann") as ann, server.websocket_connect("/chat?room=den&name=bob") as bob:
        hear(bob)
        ann.join("den")
        ann.answer("topic", room="den", text="tea")
        assert hear(bob) == "*** ann set the topic: tea"
        assert ann.join("den")["topic"] == "tea"
        assert ann.answer("rooms")["rooms"] == [{"room": "den", "members": 2, "topic": "tea"}]
        assert ann.refused("topic", room="den", text="x" * 301) == "too_long"
        bob.send_text("/topic")
        assert [hear(bob), hear(bob)] == ["*** den: 2 users, public", "*** Topic: tea"]


def test_a_server_operator_is_named_in_the_configuration(server: TestClient) -> None:
    _, token = registered(server, "ann")
    with connected(server, token) as ann, connected(server, query="?name=root") as root:
        ann.join("den")
        root.join("den")
        assert root.refused("kick", room="den", name="ann") == "not_operator"
        root.answer("register", password=PASSWORD)
        assert ann.refused("kick", room="den", name="root") == "not_operator"
        root.answer("kick", room="den", name="ann")
        assert settled(ann, "kick")["whom"] == "ann"


def test_state_outlives_a_room_without_people(server: TestClient) -> None:
    _, token = registered(server, "ann")
    with connected(server, token) as ann, connected(server, query="?name=bob") as bob:
        ann.join("den")
        settled(ann, "owner")
        ann.answer("ban", room="den", name="bob")
        ann.answer("part", room="den")
        assert bob.refused("join", room="den") == "banned"


def test_a_message_is_edited_by_its_author_and_deleted_by_operators_too(server: TestClient) -> None:
    _, token = registered(server, "ann")
    with connected(server, token) as ann, connected(server, query="?name=bob") as bob:
        ann.join("den")
        settled(ann, "owner")
        bob.join("den")
        ack, _ = bob.say("helo", "1", "den")
        seq = ack["seq"]
        assert ann.refused("edit", room="den", seq=seq, text="x") == "not_yours"
        done = bob.answer("edit", room="den", seq=seq, text="hello")
        edit = settled(ann, "edit")
        assert (edit["of"], edit["text"], edit["seq"]) == (seq, "hello", done["seq"])
        ann.answer("delete", room="den", seq=seq)
        assert settled(bob, "delete")["of"] == seq
        assert bob.refused("edit", room="den", seq=seq, text="x") == "not_found"
        assert bob.refused("delete", room="den", seq=10**6) == "not_found"
        texts = [event.get("text") for event in bob.answer("history", room="den")["events"] if event["t"] == "msg"]
        assert texts == [""]


def test_search_finds_what_was_said_in_the_room(server: TestClient) -> None:
    with connected(server) as ann:
        ann.join()
        ann.join("den")
        ann.say("The quick brown fox", "1")
        ann.say("the quick red fox", "2")
        ann.say("a quick fox elsewhere", "3", "den")
        found = ann.answer("search", room="lobby", words="QUICK fox")
        assert ([event["text"] for event in found["events"]], found["more"]) == (
            ["The quick brown fox", "the quick red fox"],
            False,
        )
        found = ann.answer("search", room="lobby", words="fox", limit=1)
        assert ([event["text"] for event in found["events"]], found["more"]) == (["the quick red fox"], True)
        assert ann.answer("search", room="lobby", words='"fox* AND (')["t"] == "found"


def test_the_text_dialect_moves_from_room_to_room(server: TestClient) -> None:
    with server.websocket_connect("/chat?name=ann") as ann, connected(server, query="?name=bob") as bob:
        hear(ann)
        bob.join()
        ann.send_text("/join den")
        assert hear(ann) == "You are connected! There are 1 users here."
        ann.send_text("in den")
        assert hear(ann) == "[ann]: in den"
        ann.send_text("/me waves")
        assert hear(ann) == "[ann] waves"
        ann.send_text("//me waves")
        assert hear(ann) == "[ann]: /me waves"
        ann.send_text("/part")
        assert hear(ann) == "*** You left den"
        ann.send_text("lost")
        assert hear(ann).startswith("*** ")
        ann.send_text("/dance")
        assert hear(ann).startswith("*** There is no command 'dance'")
        ann.send_text("/help who")
        assert "/who" in hear(ann)
        bob.quiet()
