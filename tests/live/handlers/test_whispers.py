"""Whispers: for those named and for nobody else, live, later, in history and in search."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from starlette.testclient import TestClient

from tests.clients import hear
from tests.live.handlers.test_people import PASSWORD
from tests.talking import Client, connected


@pytest.fixture
def people(server: TestClient) -> Iterator[tuple[Client, Client, Client]]:
    """Ann, Bob and Cy, who follow what is whispered to them and are in the lobby."""
    with ExitStack() as stack:
        found = [stack.enter_context(connected(server, query=f"?name={name}")) for name in ("ann", "bob", "cy")]
        for client in found:
            client.join("@")
            client.join()
        yield found[0], found[1], found[2]


def whisper(client: Client, to: list[str], text: str, cid: str) -> tuple[dict, dict]:  # type: ignore[type-arg]
    client.ask("whisper", to=to, text=text, cid=cid)
    ack, event = client.next(), client.next()
    assert (ack["t"], ack["cid"], event["seq"]) == ("ack", cid, ack["seq"])
    return ack, event


def test_a_whisper_is_for_those_named_and_for_nobody_else(people: tuple[Client, Client, Client]) -> None:
    ann, bob, cy = people
    _, event = whisper(ann, ["bob"], "psst", "1")
    assert (event["room"], event["from"], event["to"], event["text"]) == ("@1,2", "ann", ["bob"], "psst")
    assert bob.next() == event
    cy.quiet()
    for room in ("@1,2", "@"):
        events = cy.answer("history", room=room)
        assert events.get("code") == "not_joined" or events["events"] == []
        assert cy.answer("search", room=room, words="psst").get("events", []) == []
    assert cy.answer("search", room="lobby", words="psst")["events"] == []
    assert cy.answer("history", room="lobby")["events"] == []


def test_a_whisper_for_several_is_one_message_whose_readers_see_each_other(
    people: tuple[Client, Client, Client],
) -> None:
    ann, bob, cy = people
    _, event = whisper(bob, ["cy", "ANN", "ann"], "both", "1")
    assert (event["room"], event["to"]) == ("@1,2,3", ["cy", "ann"])
    assert ann.next() == cy.next() == event


def test_a_whisper_is_all_or_nothing(people: tuple[Client, Client, Client]) -> None:
    ann, bob, _ = people
    ann.ask("whisper", to=["bob", "nobody"], text="x", cid="1")
    error = ann.next()
    assert (error["code"], error["cid"]) == ("unknown_name", "1")
    assert "nobody" in error["message"]
    bob.quiet()
    ann.ask("whisper", to=[], text="x", cid="2")
    assert ann.next()["code"] == "unknown_name"
    ann.ask("whisper", to=["bob"] * 21, text="x", cid="3")
    assert ann.next()["code"] == "too_many_recipients"


def test_a_retried_whisper_is_stored_once(people: tuple[Client, Client, Client]) -> None:
    ann, bob, _ = people
    ack, event = whisper(ann, ["bob"], "once", "1")
    ann.ask("whisper", to=["bob"], text="once", cid="1")
    assert ann.next() == ack
    assert bob.next() == event
    bob.quiet()


def test_a_whisper_waits_for_who_is_away(server: TestClient) -> None:
    with connected(server, query="?name=bob") as bob:
        token = bob.welcome["token"]
    with connected(server, query="?name=ann") as ann:
        ann.join("@")
        ack, event = whisper(ann, ["bob"], "later", "1")
    with connected(server, token) as bob:
        assert bob.join("@", after=0)["recovered"]
        assert bob.next() == event
        assert bob.join("@", after=ack["seq"])["head"] == ack["seq"]
        bob.quiet()


def test_a_conversation_is_answered_and_listed(people: tuple[Client, Client, Client]) -> None:
    ann, bob, cy = people
    whisper(ann, ["bob"], "one", "1")
    bob.next()
    bob.ask("msg", room="@1,2", text="two", cid="1")
    assert (bob.next()["t"], bob.next()["to"], ann.next()["text"]) == ("ack", ["ann"], "two")
    bob.ask("reply", text="three", cid="2")
    assert (bob.next()["t"], bob.next()["room"], ann.next()["text"]) == ("ack", "@1,2", "three")
    ann.answer("nick", name="anna")
    listed = bob.answer("conversations")["conversations"]
    assert [(one["room"], one["with"]) for one in listed] == [("@1,2", ["anna"])]
    assert cy.answer("conversations")["conversations"] == []
    assert [event["text"] for event in bob.answer("history", room="@1,2")["events"]] == ["one", "two", "three"]
    cy.ask("msg", room="@1,2", text="me too", cid="1")
    assert cy.next()["code"] == "not_joined"
    cy.ask("reply", text="to whom", cid="2")
    assert cy.next()["code"] == "not_found"


def test_a_whisper_to_oneself_is_a_note(people: tuple[Client, Client, Client]) -> None:
    ann, _, _ = people
    _, event = whisper(ann, ["ann"], "note", "1")
    assert (event["room"], event["to"]) == ("@1", ["ann"])


def test_the_text_dialect_whispers(server: TestClient) -> None:
    with ExitStack() as stack:
        texts = [stack.enter_context(server.websocket_connect(f"/chat?name={name}")) for name in ("ann", "bob", "cy")]
        for text in texts:
            hear(text)
        ann, bob, cy = texts
        ann.send_text("/w bob,@cy  psst")
        assert hear(ann) == hear(bob) == hear(cy) == "[ann → bob, cy]:  psst"
        bob.send_text("/r yes?")
        assert hear(ann) == hear(bob) == hear(cy) == "[bob → ann, cy]: yes?"
        ann.send_text("/w dora hi")
        assert hear(ann) == "*** Nobody is called 'dora'"
        bob.send_text("still here")
        assert hear(bob) == hear(cy) == "[bob]: still here"


def test_the_text_dialect_gets_what_waited_on_login_and_once(server: TestClient) -> None:
    with connected(server, query="?name=bob") as bob:
        bob.answer("register", password=PASSWORD)
    with connected(server, query="?name=ann") as ann:
        ann.join("@")
        whisper(ann, ["bob"], "later", "1")
        with server.websocket_connect("/chat") as text:
            hear(text)
            text.send_text(f"/login bob {PASSWORD}")
            told = [hear(text) for _ in range(4)]  # with the greeting, and that bob owns the lobby
            assert "[ann → bob]: later" in told
        whisper(ann, ["bob"], "again", "2")
        with server.websocket_connect("/chat") as text:
            hear(text)
            text.send_text(f"/login bob {PASSWORD}")
            told = [hear(text) for _ in range(3)]
            assert "[ann → bob]: again" in told
            assert "[ann → bob]: later" not in told


def test_a_whisper_is_edited_and_deleted_by_its_author_only(people: tuple[Client, Client, Client]) -> None:
    ann, bob, cy = people
    ack, _ = whisper(ann, ["bob"], "wrogn", "1")
    bob.next()
    assert bob.refused("edit", room="@1,2", seq=ack["seq"], text="x") == "not_yours"
    assert cy.refused("edit", room="@1,2", seq=ack["seq"], text="x") == "not_joined"
    assert ann.answer("edit", room="@1,2", seq=ack["seq"], text="right")["t"] == "done"
    assert (bob.next()["text"]) == "right"
    (event, _) = bob.answer("history", room="@1,2")["events"]
    assert (event["text"], event["edited"], event["to"]) == ("right", True, ["bob"])
    ann.answer("delete", room="@1,2", seq=ack["seq"])
    assert bob.next()["t"] == "delete"
    assert bob.answer("search", room="@", words="right")["events"] == []
    cy.quiet()
