"""Names: asked for, taken, changed, protected; and of whom one hears."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from app import create_app
from app.chat.closing import CloseCode
from tests.clients import hear, receive
from tests.talking import connected

PASSWORD = "correct horse"


def test_a_name_is_asked_for_in_the_url(server: TestClient) -> None:
    with connected(server, query="?name=Ann") as ann, server.websocket_connect("/chat?name=bob") as bob:
        assert ann.name == "Ann"
        assert hear(bob) == "You are connected! There are 1 users here."
        ann.join()
        bob.send_text("hi")
        assert ann.next()["from"] == "bob"


@pytest.mark.parametrize(
    ("name", "code"),
    [("ann", "name_taken"), ("ANN", "name_taken"), ("user7", "name_taken"), ("a b", "bad_name"), ("é", "bad_name")],
)
def test_a_name_that_can_not_be_had_is_told_after_the_welcome(server: TestClient, name: str, code: str) -> None:
    with connected(server, query="?name=Ann"):
        with connected(server, query=f"?name={name}") as bob:
            assert bob.name == "user1"
            error = bob.next()
            assert (error["t"], error["code"]) == ("error", code)
        with server.websocket_connect(f"/chat?name={name}") as cy:
            assert hear(cy) == "You are connected! There are 1 users here."
            assert hear(cy).startswith("*** ")


def test_a_name_is_changed_on_all_connections_of_its_user(server: TestClient) -> None:
    with connected(server) as ann, connected(server) as bob, connected(server, ann.welcome["token"]) as also:
        assert ann.answer("nick", name="Ann") == {"t": "named", "id": 1, "name": "Ann", "rid": 7}
        assert also.next() == {"t": "named", "id": 1, "name": "Ann"}
        assert bob.refused("nick", name="aNN") == "name_taken"
        assert ann.answer("nick", name="ANN")["name"] == "ANN"
        assert ann.answer("nick", name="user0")["name"] == "user0"
        assert bob.answer("nick", name="ann")["name"] == "ann"
        bob.join()
        assert bob.say("hi", "1")[1]["from"] == "ann"


def test_of_a_hundred_who_want_one_name_one_gets_it(server: TestClient) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(connected(server)) for _ in range(100)]
        with ThreadPoolExecutor(20) as pool:
            list(pool.map(lambda client: client.ask("nick", name="Ann", rid=1), clients))
        answers = [client.next() for client in clients]
        assert [answer["t"] for answer in answers].count("named") == 1
        assert [answer.get("code") for answer in answers].count("name_taken") == 99


def test_a_name_is_kept_for_who_holds_the_token(server: TestClient) -> None:
    with connected(server, query="?name=ann") as ann:
        token = ann.welcome["token"]
    with connected(server) as bob:
        assert bob.refused("nick", name="ann") == "name_taken"
    with connected(server, token) as ann:
        assert ann.name == "ann"


def test_a_name_without_a_token_is_free_once_its_holder_left(server: TestClient) -> None:
    with server.websocket_connect("/chat?name=ann") as ann:
        hear(ann)
    with connected(server) as bob:
        while bob.answer("nick", name="ann")["t"] == "error":  # the server notices the end in its own time
            pass


def test_a_name_is_not_kept_for_ever(tmp_path: Path) -> None:
    overrides = {"chat.store": str(tmp_path / "chat.db"), "chat.names.hold": 0, "chat.limits.rate": 0}
    with TestClient(create_app(overrides=overrides)) as server:
        with connected(server, query="?name=ann") as ann:
            token = ann.welcome["token"]
            with connected(server) as bob:
                assert bob.refused("nick", name="ann") == "name_taken"
        with connected(server) as bob:
            while bob.answer("nick", name="ann")["t"] == "error":
                pass
            with connected(server, token) as again:
                assert again.name == "user0"


def test_a_password_protects_a_name_and_gives_it_back(server: TestClient) -> None:
    with connected(server, query="?name=ann") as ann:
        assert ann.answer("register", password=PASSWORD)["registered"]
    with connected(server) as bob, server.websocket_connect("/chat") as text:
        assert bob.refused("nick", name="ann") == "name_taken"
        assert bob.refused("login", name="ann", password="another") == "wrong_password"
        assert bob.refused("login", name="nobody", password=PASSWORD) == "wrong_password"
        bob.join()
        named = bob.answer("login", name="Ann", password=PASSWORD)
        assert (named["name"], named["registered"], named["id"]) == ("ann", True, 1)
        bob.ask("msg", room="lobby", cid="1", text="x")
        assert bob.next()["code"] == "not_joined"
        hear(text)
        text.send_text(f"/login ann {PASSWORD}")
        assert hear(text) == "*** You are ann now"
        assert hear(text) == "You are connected! There are 1 users here."
        assert hear(text) == "*** ann owns the room now"
        text.send_text("hi")
        assert hear(text) == "[ann]: hi"
    with connected(server, bob.welcome["token"]) as again:
        assert (again.name, again.welcome["registered"]) == ("ann", True)


def test_after_five_wrong_passwords_an_address_waits(server: TestClient) -> None:
    with connected(server, query="?name=ann") as ann, connected(server) as bob:
        ann.answer("register", password=PASSWORD)
        for _ in range(5):
            assert bob.refused("login", name="ann", password="wrong") == "wrong_password"
        error = bob.answer("login", name="ann", password=PASSWORD)
        assert (error["code"], error["retry"]) == ("rate_limited", True)
        assert 0 < error["after"] <= 60_000


@pytest.mark.parametrize("password", ["", "short", "x" * 129])
def test_what_can_not_be_a_password(server: TestClient, password: str) -> None:
    with connected(server) as ann:
        assert ann.refused("register", password=password) == "bad_password"


def test_who_logs_out_can_not_come_back_by_token(server: TestClient) -> None:
    with connected(server, query="?name=ann") as ann:
        ann.answer("register", password=PASSWORD)
        token = ann.welcome["token"]
        assert ann.answer("logout")["t"] == "done"
        assert receive(ann.session)["code"] == CloseCode.BYE
    with connected(server, token) as other:
        assert other.welcome["id"] != ann.welcome["id"]


def test_who_quits_is_gone_but_may_come_back(server: TestClient) -> None:
    with connected(server) as ann:
        assert ann.answer("quit")["t"] == "done"
        with pytest.raises((WebSocketDisconnect, AssertionError)):
            ann.next()
    with connected(server, ann.welcome["token"]) as again:
        assert again.welcome["id"] == ann.welcome["id"]


def test_of_who_is_ignored_nothing_is_heard_on_any_connection(server: TestClient) -> None:
    with (
        connected(server, query="?name=ann") as ann,
        connected(server, query="?name=bob") as bob,
        connected(server, ann.welcome["token"]) as also,
    ):
        for client in (ann, bob, also):
            client.join()
        assert ann.answer("ignore", name="Bob")["t"] == "done"
        assert ann.refused("ignore", name="ann") == "bad_name"
        assert ann.refused("ignore", name="nobody") == "unknown_name"
        bob.say("hidden", "1")
        bob.ask("whisper", to=["ann"], cid="2", text="hidden")
        assert bob.next()["t"] == "ack"
        ann.say("seen", "1")
        assert also.next()["text"] == "seen"
        assert [event["text"] for event in ann.answer("history", room="lobby")["events"]] == ["seen"]
        assert ann.answer("search", room="lobby", words="hidden")["events"] == []
        ann.answer("unignore", name="bob")
        assert [event["text"] for event in ann.answer("history", room="lobby")["events"]] == ["hidden", "seen"]


def test_names_of_other_scripts_are_for_who_wants_them(tmp_path: Path) -> None:
    overrides = {"chat.store": str(tmp_path / "chat.db"), "chat.names.unicode": True, "chat.limits.rate": 0}
    with TestClient(create_app(overrides=overrides)) as server, connected(server) as ann, connected(server) as bob:
        assert ann.answer("nick", name="Ännchen")["name"] == "Ännchen"
        assert bob.refused("nick", name="ännchen") == "name_taken"
        assert ann.answer("nick", name="ape")["name"] == "ape"
        assert bob.refused("nick", name="\u0430\u0440\u0435") == "name_taken"  # the same to the eye, in Cyrillic
        assert bob.refused("nick", name="\u0430nn") == "bad_name"
        ann.join("@")
        bob.ask("whisper", to=["APE"], text="psst", cid="1")
        assert ann.next()["text"] == "psst"
