"""`chat.v1.json` and the log behind both dialects, through TestClient: acks, retries, resume, history, errors."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient, WebSocketDenialResponse

from app import create_app
from app.backends import statements
from app.chat.events import Draft
from tests.clients import hear
from tests.talking import connected


@pytest.fixture(params=["with lifespan", "without lifespan"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TestClient]:
    client = TestClient(create_app(overrides={"chat.store": str(tmp_path / "chat.db"), "chat.limits.rate": 0}))
    if request.param == "without lifespan":
        yield client
    else:
        with client:
            yield client


def test_what_is_said_is_acknowledged_and_then_seen_by_all(server: TestClient) -> None:
    with connected(server) as ann, connected(server) as bob:
        assert ann.join()["members"] == 1
        assert bob.join()["members"] == 2
        ack, event = ann.say("hi", "c1")
        assert bob.next() == event
        assert (event["from"], event["text"], event["room"]) == (ann.welcome["name"], "hi", "lobby")
        assert event["ts"] == ack["ts"]


def test_an_author_is_the_same_one_under_another_name(server: TestClient) -> None:
    with connected(server) as ann, connected(server) as bob:
        ann.join(), bob.join()
        ann.answer("nick", name="ann")
        ann.say("first", "c1")
        ann.answer("nick", name="anna")
        ann.say("second", "c2")
        mine, its = ann.welcome["id"], bob.welcome["id"]
        assert ann.answer("edit", room="lobby", seq=1, text="first of all")["seq"] == 3
        events = bob.answer("history", room="lobby")["events"]
        assert [(event["from"], event["user"]) for event in events] == [("ann", mine), ("anna", mine), ("anna", mine)]
        found = bob.answer("search", room="lobby", words="first")["events"]
        assert [event["user"] for event in found] == [mine]
        ann.ask("join", room="@")
        assert ann.next()["t"] == "joined"
        bob.ask("whisper", to=["anna"], cid="w1", text="psst")
        assert ann.next()["user"] == its


def test_both_dialects_are_one_chat(server: TestClient) -> None:
    with connected(server) as ann, server.websocket_connect("/chat") as bob:
        assert hear(bob) == "You are connected! There are 1 users here."
        ann.join()
        ann.say("from json", "c1")
        assert hear(bob) == "[user0]: from json"
        bob.send_text("from text")
        assert hear(bob) == "[user1]: from text"
        assert ann.next()["text"] == "from text"


def test_a_retry_gets_the_same_ack_and_is_stored_once(server: TestClient) -> None:
    with connected(server) as ann:
        ann.join()
        first, _ = ann.say("hi", "c1")
        ann.ask("msg", room="lobby", cid="c1", text="hi")
        assert ann.next() == first
        token = ann.welcome["token"]
    with connected(server, token) as again:
        assert again.welcome["name"] == ann.welcome["name"]
        again.join(after=0)
        assert again.texts(1) == ["hi"]
        again.ask("msg", room="lobby", cid="c1", text="hi")
        assert again.next() == first
        again.say("next", "c2")


def test_the_same_cid_of_another_user_is_another_message(server: TestClient) -> None:
    with connected(server) as ann, connected(server) as bob:
        ann.join()
        bob.join()
        ann.say("of ann", "c1")
        bob.next()
        bob.say("of bob", "c1")


def test_many_said_at_once_are_acknowledged_in_order(server: TestClient) -> None:
    with connected(server) as ann:
        ann.join()
        for number in range(500):
            ann.ask("msg", room="lobby", cid=str(number), text=str(number))
        frames = [ann.next() for _ in range(1000)]
        assert [frame["cid"] for frame in frames if frame["t"] == "ack"] == [str(number) for number in range(500)]
        assert [frame["text"] for frame in frames if frame["t"] == "msg"] == [str(number) for number in range(500)]
        positions = [frame["seq"] for frame in frames if frame["t"] == "msg"]
        assert positions == sorted(set(positions))


@pytest.mark.parametrize("missed", [0, 1, 99, 100, 101, 350])
def test_resume_from_any_position_brings_what_was_missed_and_nothing_twice(server: TestClient, missed: int) -> None:
    with connected(server) as ann:
        epoch = ann.join()["epoch"]
        _, last = ann.say("before", "0")
        with connected(server) as bob:
            bob.join()
            for number in range(missed):
                bob.ask("msg", room="lobby", cid=str(number), text=str(number))
            for _ in range(2 * missed):
                bob.next()
            with connected(server) as cy:
                joined = cy.join(epoch=epoch, after=last["seq"])
                assert joined["recovered"]
                assert cy.texts(missed) == [str(number) for number in range(missed)]
                bob.say("live", "live")
                assert cy.texts(1) == ["live"]


def test_resume_while_others_speak_has_no_hole_and_no_double(server: TestClient) -> None:
    with ExitStack() as stack:
        ann = stack.enter_context(connected(server))
        ann.join()
        latecomers = []
        for number in range(300):
            ann.ask("msg", room="lobby", cid=str(number), text=str(number))
            if number % 50 == 0:
                latecomers.append(stack.enter_context(connected(server)))
                latecomers[-1].join(after=0)
        for late in latecomers:
            assert late.texts(300) == [str(number) for number in range(300)]


def test_resume_from_nothing_from_the_future_and_of_another_epoch(server: TestClient) -> None:
    with connected(server) as ann:
        ann.join()
        ann.say("one", "1")
        ack, _ = ann.say("two", "2")
        assert ann.join(after=0)["recovered"]
        assert ann.texts(2) == ["one", "two"]
        for fields in ({"after": ack["seq"] + 1}, {"after": 0, "epoch": "another"}):
            joined = ann.join(**fields)
            assert (joined["recovered"], joined["head"]) == (False, ack["seq"])
            ann.say("live goes on", json.dumps(fields))
            ack = {"seq": ann.join()["head"]}


def test_resume_of_a_trimmed_range_is_told_and_goes_on_from_the_head(tmp_path: Path) -> None:
    app = create_app(overrides={"chat.store": str(tmp_path / "chat.db"), "chat.retention.count": 2})
    with TestClient(app) as server, connected(server) as ann:
        ann.join()
        positions = [ann.say(str(number), str(number))[0]["seq"] for number in range(5)]
    with TestClient(create_app(app.settings)) as server, connected(server) as bob:
        while bob.join(after=positions[0])["recovered"]:  # trimming runs beside the first joins
            bob.texts(4)
        joined = bob.join(after=0)
        assert (joined["recovered"], joined["head"]) == (False, positions[4])
        assert bob.join(after=positions[2])["recovered"]
        assert bob.texts(2) == ["3", "4"]
        bob.ask("history", room="lobby", after=0)
        assert [event["text"] for event in bob.next()["events"]] == ["3", "4"]
        with server.websocket_connect("/chat?after=1") as cy:
            assert [hear(cy), hear(cy)][1] == "*** Some messages you missed are no longer kept"


def test_rooms_are_apart(server: TestClient) -> None:
    with connected(server) as ann, connected(server) as bob:
        ann.join("red")
        bob.join("blue")
        ann.say("in red", "1", "red")
        bob.say("in blue", "1", "blue")
        bob.join("red", after=0)
        assert bob.texts(1) == ["in red"]


def test_who_left_a_room_hears_it_no_more(server: TestClient) -> None:
    with connected(server) as ann, connected(server) as bob:
        ann.join()
        bob.join()
        bob.ask("part", room="lobby", rid="p")
        assert bob.next() == {"t": "parted", "room": "lobby", "rid": "p"}
        ann.say("x", "1")
        assert bob.join()["members"] == 2
        ann.say("y", "2")
        assert bob.texts(1) == ["y"]


def test_history_in_pages_both_ways(server: TestClient) -> None:
    with connected(server) as ann:
        ann.join()
        positions = [ann.say(str(number), str(number))[0]["seq"] for number in range(5)]

        def page(**fields: Any) -> tuple[list[str], bool]:
            ann.ask("history", room="lobby", rid=9, limit=2, **fields)
            answer = ann.next()
            assert (answer["t"], answer["rid"]) == ("history", 9)
            return [event["text"] for event in answer["events"]], answer["more"]

        assert page() == (["3", "4"], True)
        assert page(before=positions[3]) == (["1", "2"], True)
        assert page(before=positions[1]) == (["0"], False)
        assert page(after=positions[2]) == (["3", "4"], False)
        assert page(after=0) == (["0", "1"], True)


def test_the_text_dialect_resumes_by_its_url(server: TestClient) -> None:
    with connected(server) as ann:
        ann.join("red")
        ann.say("one", "1", "red")
        ack, _ = ann.say("two", "2", "red")
        with server.websocket_connect(f"/chat?room=red&after={ack['seq'] - 1}") as bob:
            assert hear(bob) == "You are connected! There are 2 users here."
            assert hear(bob) == "[user0]: two"
        with server.websocket_connect("/chat?room=red&after=0") as bob:
            assert [hear(bob) for _ in range(3)][1:] == ["[user0]: one", "[user0]: two"]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"t": "dance", "rid": 3}, "unknown_type"),
        ({"t": "join", "rid": 3}, "bad_frame"),
        ({"t": "join", "rid": 3, "room": "No Room"}, "bad_room"),
        ({"t": "part", "rid": 3, "room": "lobby"}, "not_joined"),
        ({"t": "history", "rid": 3, "room": "lobby"}, "not_joined"),
    ],
)
def test_an_error_has_a_code_and_the_request_s_own_id(server: TestClient, frame: Any, code: str) -> None:
    with connected(server) as ann:
        ann.ask(**frame)
        error = ann.next()
        assert (error["t"], error["rid"], error["code"], error["retry"]) == ("error", 3, code, False)


def test_a_message_that_is_refused_names_its_cid(server: TestClient) -> None:
    with connected(server) as ann:
        ann.ask("msg", room="lobby", cid="c", text="x")
        error = ann.next()
        assert (error["code"], error["cid"]) == ("not_joined", "c")


def test_a_connection_may_be_in_fifty_rooms(server: TestClient) -> None:
    with connected(server) as ann:
        for number in range(50):
            ann.join(f"room{number}")
        ann.ask("join", room="another")
        assert ann.next()["code"] == "too_many_rooms"
        ann.join("room7")


def test_an_unknown_token_makes_somebody_new(server: TestClient) -> None:
    with connected(server) as ann, connected(server, "guess") as bob:
        assert (ann.welcome["name"], bob.welcome["name"]) == ("user0", "user1")
        assert len({ann.welcome["token"], bob.welcome["token"], "guess"}) == 3


def test_a_url_that_names_no_room_is_400(server: TestClient) -> None:
    with pytest.raises(WebSocketDenialResponse) as denied, server.websocket_connect("/chat?room=No%20Room"):
        pass
    assert denied.value.status_code == 400


def test_a_closed_store_answers_that_it_is_unavailable(tmp_path: Path) -> None:
    app = create_app(overrides={"chat.store": str(tmp_path / "chat.db")})
    with TestClient(app) as server:
        pass
    with pytest.raises(WebSocketDenialResponse) as denied, server.websocket_connect("/chat"):
        pass
    assert denied.value.status_code == 503


def test_a_store_that_fails_is_told_in_both_dialects_and_closes_nobody(tmp_path: Path) -> None:
    app = create_app(overrides={"chat.store": str(tmp_path / "chat.db")})
    with TestClient(app) as server, connected(server) as ann, server.websocket_connect("/chat") as bob:
        hear(bob)
        ann.join()
        with failing():
            ann.ask("msg", room="lobby", cid="c1", text="hi")
            error = ann.next()
            assert (error["code"], error["cid"], error["retry"]) == ("unavailable", "c1", True)
            bob.send_text("hi")
            assert hear(bob) == "*** the store can't be written: database or disk is full"
        assert ann.say("hi", "c1")[1]["text"] == "hi"
        assert hear(bob) == "[user0]: hi"


@contextmanager
def failing() -> Iterator[None]:
    """Make the store fail to write, as on a full disk."""

    def full(connection: sqlite3.Connection, drafts: Sequence[Draft]) -> Any:
        raise sqlite3.OperationalError("database or disk is full")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statements, "append", full)
        yield


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    def server() -> TestClient:
        return TestClient(create_app(overrides={"chat.store": str(tmp_path / "chat.db")}))

    with server() as first, connected(first) as ann:
        epoch = ann.join()["epoch"]
        ack, _ = ann.say("hi", "c1")
        token = ann.welcome["token"]
    with server() as second, connected(second, token) as again, connected(second) as newcomer:
        assert (again.welcome["name"], newcomer.welcome["name"]) == ("user0", "user1")
        assert again.join(epoch=epoch, after=0)["recovered"]
        assert again.texts(1) == ["hi"]
        again.ask("msg", room="lobby", cid="c1", text="hi")
        assert again.next() == ack
        assert again.say("later", "c2")[0]["seq"] > ack["seq"]


def test_a_session_that_ends_leaves_nothing_behind(server: TestClient) -> None:
    with connected(server) as ann, connected(server) as bob:
        ann.join()
        assert bob.join()["members"] == 2
        bob.session.close()
        with connected(server) as cy:
            while (members := cy.join()["members"]) > 2:
                pass
        assert members == 2


def test_a_binary_frame_is_ignored(server: TestClient) -> None:
    with connected(server) as ann:
        ann.session.send_bytes(b"{}")
        ann.join()
