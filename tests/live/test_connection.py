"""`chat.v1.json` and the log behind both dialects, through TestClient: acks, retries, resume, history, errors."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient, WebSocketDenialResponse

from app import create_app
from app.backends.journal import Journal
from app.live import delivery
from app.testing import Denied, Host, JsonClient, test_application
from app.transports import frames


@pytest.fixture(params=["with lifespan", "without lifespan"])
def chat(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    """A chat with one event loop, or with one for each connection."""
    with test_application(store=tmp_path / "chat.db", lifespan=request.param == "with lifespan") as chat:
        yield chat


def said(client: JsonClient, text: str, cid: str) -> tuple[Any, Any]:
    """Say something: the ack, and the event, which comes right after it."""
    client.ask("msg", room="lobby", cid=cid, text=text)
    ack, event = client.receive(), client.receive()
    assert (ack["t"], ack["cid"]) == ("ack", cid)
    assert (event["t"], event["seq"], event["id"]) == ("msg", ack["seq"], ack["id"])
    return ack, event


def texts(client: JsonClient, count: int) -> list[str]:
    return [client.receive()["text"] for _ in range(count)]


def test_what_is_said_is_acknowledged_and_then_seen_by_all(chat: Host) -> None:
    with chat.connect() as ann, chat.connect() as bob:
        assert ann.join()["members"] == 1
        assert bob.join()["members"] == 2
        ack, event = said(ann, "hi", "c1")
        assert bob.receive() == event
        assert (event["from"], event["text"], event["room"]) == (ann.name, "hi", "lobby")
        assert event["ts"] == ack["ts"]


def test_an_author_is_the_same_one_under_another_name(chat: Host) -> None:
    with chat.connect() as ann, chat.connect() as bob:
        ann.join(), bob.join()
        ann.answer("nick", name="ann")
        ann.say("first")
        ann.answer("nick", name="anna")
        ann.say("second")
        mine, its = ann.id, bob.id
        assert ann.answer("edit", room="lobby", seq=1, text="first of all")["seq"] == 3
        events = bob.answer("history", room="lobby")["events"]
        assert [(event["from"], event["user"]) for event in events] == [("ann", mine), ("anna", mine), ("anna", mine)]
        found = bob.answer("search", room="lobby", words="first")["events"]
        assert [event["user"] for event in found] == [mine]
        assert ann.join("@")["t"] == "joined"
        bob.whisper("anna", "psst")
        assert ann.receive()["user"] == its


def test_both_dialects_are_one_chat(chat: Host) -> None:
    with chat.connect() as ann, chat.join(dialect="text") as bob:
        assert bob.greeting == "You are connected! There are 1 users here."
        ann.join()
        ann.say("from json")
        assert bob.receive() == "[user0]: from json"
        bob.send("from text")
        assert bob.receive() == "[user1]: from text"
        assert ann.receive()["text"] == "from text"


def test_a_retry_gets_the_same_ack_and_is_stored_once(chat: Host) -> None:
    with chat.connect() as ann:
        ann.join()
        first, _ = said(ann, "hi", "c1")
        ann.ask("msg", room="lobby", cid="c1", text="hi")
        assert ann.receive() == first
        token = ann.token
    with chat.connect(token=token) as again:
        assert again.name == ann.name
        again.join(after=0)
        assert texts(again, 1) == ["hi"]
        again.ask("msg", room="lobby", cid="c1", text="hi")
        assert again.receive() == first
        again.say("next")


def test_the_same_cid_of_another_user_is_another_message(chat: Host) -> None:
    with chat.connect() as ann, chat.connect() as bob:
        ann.join()
        bob.join()
        said(ann, "of ann", "c1")
        bob.receive()
        said(bob, "of bob", "c1")


def test_many_said_at_once_are_acknowledged_in_order(chat: Host) -> None:
    with chat.connect() as ann:
        ann.join()
        for number in range(500):
            ann.ask("msg", room="lobby", cid=str(number), text=str(number))
        frames = [ann.receive() for _ in range(1000)]
        assert [frame["cid"] for frame in frames if frame["t"] == "ack"] == [str(number) for number in range(500)]
        assert [frame["text"] for frame in frames if frame["t"] == "msg"] == [str(number) for number in range(500)]
        positions = [frame["seq"] for frame in frames if frame["t"] == "msg"]
        assert positions == sorted(set(positions))


@pytest.mark.parametrize("missed", [0, 1, 99, 100, 101, 350])
def test_resume_from_any_position_brings_what_was_missed_and_nothing_twice(chat: Host, missed: int) -> None:
    with chat.connect() as ann:
        epoch = ann.join()["epoch"]
        _, last = said(ann, "before", "0")
        with chat.connect() as bob:
            bob.join()
            for number in range(missed):
                bob.ask("msg", room="lobby", cid=str(number), text=str(number))
            for _ in range(2 * missed):
                bob.receive()
            with chat.connect() as cy:
                joined = cy.join(epoch=epoch, after=last["seq"])
                assert joined["recovered"]
                assert texts(cy, missed) == [str(number) for number in range(missed)]
                bob.say("live")
                assert texts(cy, 1) == ["live"]


def test_resume_while_others_speak_has_no_hole_and_no_double(chat: Host) -> None:
    ann = chat.connect()
    ann.join()
    latecomers = []
    for number in range(300):
        ann.ask("msg", room="lobby", cid=str(number), text=str(number))
        if number % 50 == 0:
            latecomers.append(chat.connect())
            latecomers[-1].join(after=0)
    for late in latecomers:
        assert texts(late, 300) == [str(number) for number in range(300)]


def test_resume_from_nothing_from_the_future_and_of_another_epoch(chat: Host) -> None:
    with chat.connect() as ann:
        ann.join()
        ann.say("one")
        ack, _ = said(ann, "two", "2")
        assert ann.join(after=0)["recovered"]
        assert texts(ann, 2) == ["one", "two"]
        for fields in ({"after": ack["seq"] + 1}, {"after": 0, "epoch": "another"}):
            joined = ann.join(**fields)
            assert (joined["recovered"], joined["head"]) == (False, ack["seq"])
            ann.say("live goes on")
            ack = {"seq": ann.join()["head"]}


def test_resume_of_a_trimmed_range_is_told_and_goes_on_from_the_head(tmp_path: Path) -> None:
    store, overrides = tmp_path / "chat.db", {"chat.retention.count": 2}
    with test_application(store=store, overrides=overrides) as chat, chat.connect() as ann:
        ann.join()
        positions = [ann.say(str(number)).seq for number in range(5)]
    with test_application(store=store, overrides=overrides) as chat, chat.connect() as bob:
        while bob.join(after=positions[0])["recovered"]:  # trimming runs beside the first joins
            texts(bob, 4)
        joined = bob.join(after=0)
        assert (joined["recovered"], joined["head"]) == (False, positions[4])
        assert bob.join(after=positions[2])["recovered"]
        assert texts(bob, 2) == ["3", "4"]
        assert [event["text"] for event in bob.answer("history", room="lobby", after=0)["events"]] == ["3", "4"]
        with chat.join(after=1, dialect="text") as cy:
            assert cy.receive() == "*** Some messages you missed are no longer kept"


def test_rooms_are_apart(chat: Host) -> None:
    with chat.connect() as ann, chat.connect() as bob:
        ann.join("red")
        bob.join("blue")
        ann.say("in red", room="red")
        bob.say("in blue", room="blue")
        bob.join("red", after=0)
        assert texts(bob, 1) == ["in red"]


def test_who_left_a_room_hears_it_no_more(chat: Host) -> None:
    with chat.connect() as ann, chat.connect() as bob:
        ann.join()
        bob.join()
        bob.ask("part", room="lobby", rid="p")
        assert bob.receive() == {"t": "parted", "room": "lobby", "rid": "p"}
        ann.say("x")
        assert bob.join()["members"] == 2
        ann.say("y")
        assert texts(bob, 1) == ["y"]


def test_history_in_pages_both_ways(chat: Host) -> None:
    with chat.connect() as ann:
        ann.join()
        positions = [ann.say(str(number)).seq for number in range(5)]

        def page(**fields: Any) -> tuple[list[str], bool]:
            ann.ask("history", room="lobby", rid=9, limit=2, **fields)
            answer = ann.receive()
            assert (answer["t"], answer["rid"]) == ("history", 9)
            return [event["text"] for event in answer["events"]], answer["more"]

        assert page() == (["3", "4"], True)
        assert page(before=positions[3]) == (["1", "2"], True)
        assert page(before=positions[1]) == (["0"], False)
        assert page(after=positions[2]) == (["3", "4"], False)
        assert page(after=0) == (["0", "1"], True)


def test_the_text_dialect_resumes_by_its_url(chat: Host) -> None:
    with chat.connect() as ann:
        ann.join("red")
        ann.say("one", room="red")
        seq = ann.say("two", room="red").seq
        with chat.join(room="red", after=seq - 1, dialect="text") as bob:
            assert bob.greeting == "You are connected! There are 2 users here."
            assert bob.receive() == "[user0]: two"
        with chat.join(room="red", after=0, dialect="text") as bob:
            assert [bob.receive() for _ in range(2)] == ["[user0]: one", "[user0]: two"]


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
def test_an_error_has_a_code_and_the_request_s_own_id(chat: Host, frame: Any, code: str) -> None:
    with chat.connect() as ann:
        ann.ask(**frame)
        error = ann.receive()
        assert (error["t"], error["rid"], error["code"], error["retry"]) == ("error", 3, code, False)


def test_a_message_that_is_refused_names_its_cid(chat: Host) -> None:
    with chat.connect() as ann:
        ann.ask("msg", room="lobby", cid="c", text="x")
        error = ann.receive()
        assert (error["code"], error["cid"]) == ("not_joined", "c")


def test_a_connection_may_be_in_fifty_rooms(chat: Host) -> None:
    with chat.connect() as ann:
        for number in range(50):
            ann.join(f"room{number}")
        ann.ask("join", room="another")
        assert ann.receive()["code"] == "too_many_rooms"
        ann.join("room7")


def test_an_unknown_token_makes_somebody_new(chat: Host) -> None:
    with chat.connect() as ann, chat.connect(token="guess") as bob:
        assert (ann.name, bob.name) == ("user0", "user1")
        assert len({ann.token, bob.token, "guess"}) == 3


def test_a_url_that_names_no_room_is_400(chat: Host) -> None:
    with pytest.raises(Denied) as denied:
        chat.join(room="No Room", dialect="text")
    assert denied.value.status == 400


def test_a_closed_store_answers_that_it_is_unavailable(tmp_path: Path) -> None:
    app = create_app(overrides={"chat.store": str(tmp_path / "chat.db")})
    with TestClient(app) as server:
        pass
    with pytest.raises(WebSocketDenialResponse) as denied, server.websocket_connect("/chat"):
        pass
    assert denied.value.status_code == 503


def test_a_store_that_fails_is_told_in_both_dialects_and_closes_nobody(tmp_path: Path) -> None:
    with test_application(store=tmp_path / "chat.db") as chat:
        ann, bob = chat.connect(), chat.join(dialect="text")
        ann.join()
        with failing():
            ann.ask("msg", room="lobby", cid="c1", text="hi")
            error = ann.receive()
            assert (error["code"], error["cid"], error["retry"]) == ("unavailable", "c1", True)
            bob.send("hi")
            assert bob.receive() == "*** the store can't be written: the disk is full (ENOSPC)"
        assert said(ann, "hi", "c1")[1]["text"] == "hi"
        assert bob.receive() == "[user0]: hi"


def test_a_text_client_that_can_not_have_its_name_now_is_told_and_stays(tmp_path: Path) -> None:
    with test_application(store=tmp_path / "chat.db") as chat:
        with failing():
            bob = chat.websocket("/chat?name=bob")
            assert bob.receive() == "You are connected! There are 1 users here."
            assert bob.receive() == "*** the store can't be written: the disk is full (ENOSPC)"
        bob.send("/nick bob")
        assert bob.receive() == "*** You are bob now"


@contextmanager
def failing() -> Iterator[None]:
    """Make the store fail to write, as on a full disk."""

    def full(journal: Journal, payload: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "write", full)
        yield


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    with test_application(store=tmp_path / "chat.db") as first, first.connect() as ann:
        epoch = ann.join()["epoch"]
        ack, _ = said(ann, "hi", "c1")
        token = ann.token
    with test_application(store=tmp_path / "chat.db") as second:
        again, newcomer = second.connect(token=token), second.connect()
        assert (again.name, newcomer.name) == ("user0", "user1")
        assert again.join(epoch=epoch, after=0)["recovered"]
        assert texts(again, 1) == ["hi"]
        again.ask("msg", room="lobby", cid="c1", text="hi")
        assert again.receive() == ack
        assert again.say("later").seq > ack["seq"]


def test_a_session_that_ends_leaves_nothing_behind(chat: Host) -> None:
    with chat.connect() as ann, chat.connect() as bob:
        ann.join()
        assert bob.join()["members"] == 2
        bob.leave()
        with chat.connect() as cy:
            assert cy.join()["members"] == 2


def test_a_binary_frame_is_ignored(chat: Host) -> None:
    with chat.connect() as ann:
        ann.send(b"{}")
        ann.join()


@pytest.mark.parametrize("dialect", ["json", "text"])
def test_what_can_not_be_sent_at_once_comes_from_the_log(dialect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flush that fails leaves no hole."""
    failures = [MemoryError()]

    def encode_text(payload: bytes) -> bytes:
        if failures:
            raise failures.pop()
        return frames.encode_text(payload)

    with test_application() as chat:
        ann, bob = chat.join("ann"), chat.join("bob", dialect=dialect)
        monkeypatch.setattr(delivery, "encode_text", encode_text)
        ann.say("one")
        ann.say("two")
        assert not failures
        bob.hears("one")
        bob.hears("two")
