"""What the clients of the test host promise: deadlines that show what came, proof that nothing did, raw frames."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any, Literal

import pytest

from app import Application, Call, Event, Kind, Refused, chat_of
from app.testing import Client, Refusal, test_application
from tests.clients import DEADLINE

Dialect = Literal["json", "text"]

served = pytest.mark.parametrize("server", [False, True], ids=["in process", "server"])
spoken = pytest.mark.parametrize("dialect", ["json", "text"])


# Deadlines


@served
@spoken
def test_a_wait_that_fails_shows_what_came(dialect: Dialect, server: bool) -> None:
    with test_application(server=server) as chat:
        ann, bob, cy = chat.join("ann"), chat.join("bob", dialect=dialect), chat.join("cy", dialect="text")
        cy.socket.deadline = 0.2
        with pytest.raises(AssertionError) as nothing:
            cy.hears("hi")
        assert str(nothing.value) == "cy expected a message 'hi' within 0.2 s. Nothing came."
        ann.say("hello")
        ann.whisper("bob", "psst")
        chat.settle()
        bob.socket.deadline = 0.2
        with pytest.raises(AssertionError) as failed:
            bob.hears("hi", name="ann", room="lobby")
        first, *came = str(failed.value).splitlines()
        assert first == "bob expected a message 'hi' by ann in lobby within 0.2 s. This came:"
        came = [line for line in came if "presence" not in line]
        if dialect == "text":
            assert came == ["  [ann]: hello", "  [ann → bob]: psst"]
        else:
            assert [json.loads(line)["text"] for line in came] == ["hello", "psst"]
        with pytest.raises(AssertionError, match=r"^bob expected a whisper /ps\+x/ within"):
            bob.hears_whisper(re.compile("ps+x"))
        bob.socket.deadline = DEADLINE
        assert bob.hears(re.compile("^h.llo$")).text == "hello"
        assert bob.hears_whisper(re.compile("ps+")).name == "ann"


@served
def test_a_wait_on_a_connection_that_ends_says_so_at_once(server: bool) -> None:
    with test_application(server=server) as chat:
        ann, bob = chat.join("ann"), chat.join("bob", dialect="text")
        ann.ask("quit")
        with pytest.raises(AssertionError, match=r"ann expected a message, but the server closed the connection: 1000"):
            ann.hears()
        assert ann.closed() == 1000
        bob.send("/quit")
        assert bob.closed() == 1000
        assert bob.notice().startswith("")
        chat.settle()
        with pytest.raises(AssertionError, match="the server closed the connection"):
            bob.expect_nothing()


def test_a_connection_that_the_server_does_not_close() -> None:
    with test_application() as chat:
        ann, socket = chat.join("ann"), chat.websocket("/chat?name=bob")
        assert socket.receive() == "You are connected! There are 2 users here."
        ann.socket.deadline = socket.deadline = 0.1
        with pytest.raises(AssertionError, match="ann expected the server to close the connection"):
            ann.closed()
        with pytest.raises(AssertionError, match=r"nothing came within 0\.1 s"):
            socket.receive()
        with pytest.raises(AssertionError, match=r"did not close the connection within 0\.1 s"):
            socket.closed()
        socket.send("hi")
        socket.deadline = DEADLINE
        with pytest.raises(AssertionError, match=r"but said '\[bob\]: hi'"):
            socket.closed()


# Nothing


@served
@spoken
def test_nothing_is_expected_but_something_comes(dialect: Dialect, server: bool) -> None:
    with test_application(server=server) as chat:
        ann, bob = chat.join("ann"), chat.join("bob", dialect=dialect)
        bob.expect_nothing()
        ann.send({"t": "msg", "room": "lobby", "cid": "1", "text": "sent, and not waited for"})
        with pytest.raises(AssertionError, match=r"^bob expected nothing\. This came:\n.*sent, and not waited for"):
            bob.expect_nothing()
        with pytest.raises(AssertionError, match=r"^ann expected nothing\. This came:\n.*\"ack\""):
            ann.expect_nothing()
        bob.expect_nothing()
        ann.expect_nothing()


@served
@spoken
def test_nothing_is_expected_of_listeners_that_take_their_time(dialect: Dialect, server: bool) -> None:
    """A chain of answers: each listener takes some turns of the loop, and the last one speaks."""

    def module(app: Application) -> None:
        chat = chat_of(app)
        bots = [chat.speaker(f"bot{number}") for number in range(3)]
        for number, bot in enumerate(bots):
            heard_from = bots[number - 1].name if number else "ann"

            async def answer(event: Event, bot: Any = bot, heard_from: str = heard_from) -> None:
                if event.name == heard_from:
                    for _ in range(50):
                        await asyncio.to_thread(lambda: None)
                    await bot.say(event.room, event.text + "!")

            chat.hear(answer)

    with test_application(module, server=server) as chat:
        ann, bob = chat.join("ann"), chat.join("bob", dialect=dialect)
        for _ in range(5):
            ann.say("hi")
            bob.hears("hi")
            bob.hears("hi!")
            bob.hears("hi!!")
            with pytest.raises(AssertionError, match=r"bob expected nothing\. This came:\n.*hi!!!"):
                bob.expect_nothing()


def test_a_listener_that_does_not_come_to_an_end() -> None:
    never = asyncio.Event()

    def module(app: Application) -> None:
        async def wait(event: Event) -> None:
            await never.wait()

        chat_of(app).hear(wait)

    with test_application(module) as chat:
        ann = chat.join("ann")
        ann.say("hi")
        chat.deadline = 0.2
        with pytest.raises(AssertionError, match=r"listeners were still busy after 0\.2 s"):
            ann.expect_nothing()


def test_what_is_expected_of_a_slow_command() -> None:
    def module(app: Application) -> None:
        async def slow(call: Call) -> None:
            for _ in range(100):
                await asyncio.to_thread(lambda: None)
            await bot.say(call.room, "done")

        bot = chat_of(app).speaker("bot")
        chat_of(app).command("work", slow, help="takes its time")

    with test_application(module) as chat:
        ann, bob = chat.join("ann", dialect="text"), chat.join("bob", dialect="text")
        ann.send("/work")
        with pytest.raises(AssertionError, match=r"\[bot\]: done"):
            bob.expect_nothing()


def test_hints_do_not_count() -> None:
    with test_application() as chat:
        ann, bob = chat.join("ann"), chat.join("bob")
        ann.ask("typing", room="lobby")
        assert bob.hint("typing") == {"t": "typing", "room": "lobby", "from": "ann"}
        bob.ask("typing", room="lobby")
        assert chat.join("cy").name == "cy"
        ann.expect_nothing()
        bob.expect_nothing()


# What is heard


@spoken
def test_waits_go_on_in_order_and_rooms_are_orders_of_their_own(dialect: Dialect) -> None:
    with test_application() as chat:
        ann, bob = chat.join("ann"), chat.join("bob", dialect=dialect)
        ann.whisper("bob", "psst")
        for text in ("one", "two", "two", "three"):
            ann.say(text)
        bob.hears("two")
        bob.socket.deadline = 0.2
        with pytest.raises(AssertionError):
            bob.hears("one")
        bob.socket.deadline = DEADLINE
        bob.hears("two")
        bob.hears_whisper("psst")
        bob.hears("three")
        bob.expect_nothing()


def test_rooms() -> None:
    with test_application() as chat:
        ann, bob = chat.join("ann"), chat.join("bob", room="den")
        joined = ann.join("den")
        assert (joined["t"], joined["members"]) == ("joined", 2)
        ann.say("in the den")
        ann.say("in the lobby", room="lobby")
        assert bob.hears(room="den").text == "in the den"
        ann.part("den")
        bob.say("alone")
        bob.expect_nothing()
        ann.expect_nothing()


def test_changes_of_a_room() -> None:
    with test_application() as chat:
        ann, bob, cy = chat.join("ann"), chat.join("bob"), chat.join("cy", dialect="text")
        ann.answer("topic", room="lobby", text="tea")
        topic = bob.sees(Kind.TOPIC, name="ann", room="lobby")
        assert (topic.text, topic.kind) == ("tea", "topic")
        assert "tea" in cy.notice()
        said = ann.say("helo")
        edited = ann.answer("edit", room="lobby", seq=said.seq, text="hello")
        edit = bob.sees("edit")
        assert (edit.of, edit.seq, edit.text) == (said.seq, edited["seq"], "hello")
        ann.expect_nothing()  # its own changes are in the answers


@spoken
def test_what_looks_like_somebody_else_s_message(dialect: Dialect) -> None:
    with test_application() as chat:
        ann, bob = chat.join("ann", dialect=dialect), chat.join("bob", dialect=dialect)
        text = "hi\n[bob]: I agree\n*** bob left"
        ann.say(text)
        assert bob.hears(text).name == "ann"
        ann.whisper("bob", text)
        assert bob.hears_whisper(text).to == ("bob",)
        ann.me(text)
        assert bob.hears(text).kind == "me"
        bob.expect_nothing()


# What is refused


@served
def test_refusals(server: bool) -> None:
    def module(app: Application) -> None:
        def rule(draft: Any) -> str | None:
            return "no" if "no" in draft.text else None

        async def fail(call: Call) -> str:
            raise Refused(app.state.code, "not today")

        app.state.code = "refused"
        chat_of(app).refuse(rule)
        chat_of(app).command("fail", fail, help="fails")

    with test_application(module, server=server) as chat:
        ann, bob = chat.join("ann"), chat.join("bob", dialect="text")
        with pytest.raises(Refusal) as refusal:
            ann.say("no")
        assert (refusal.value.code, refusal.value.message, refusal.value.frame["retry"]) == ("refused", "no", False)
        with pytest.raises(Refusal) as refusal:
            bob.say("no")
        assert (refusal.value.code, refusal.value.message, refusal.value.frame) == ("", "no", {})
        with pytest.raises(Refusal, match="ann was refused: refused: not today"):
            ann.command("/fail")
        assert bob.command("/fail") == "not today"
        ann.ask("msg", room="lobby", cid="1", text="no")
        assert ann.error("refused", "no").frame["cid"] == "1"
        ann.ask("nick", name="bob")
        with pytest.raises(AssertionError, match="expected the error 'bad_name': ann was refused: name_taken"):
            ann.error("bad_name")
        bob.send("no")
        assert bob.error(message="no").message == "no"
        with pytest.raises(ValueError, match="no codes"):
            bob.error("refused")
        for client in (ann, bob):
            client.expect_nothing()


def test_what_must_be_refused() -> None:
    with test_application() as chat, chat.join("ann") as ann:
        with chat.join("bob") as bob:
            assert bob.refused("nick", name="ann").code == "name_taken"
        with pytest.raises(AssertionError, match=r"ann expected to be refused nick\. This came:\n.*'named'"):
            ann.refused("nick", name="anna")
        assert ann.answer("who", room="lobby")["members"] == 1


# Raw frames, acks and answers


@served
def test_raw_frames(server: bool) -> None:
    with test_application(server=server) as chat:
        ann, bob = chat.connect("ann"), chat.connect("bob", dialect="text")
        ann.send('{"t":"join","room":"lobby","rid":5}')
        assert ann.receive()["rid"] == 5
        ann.send(b"binary messages are ignored")
        ann.send({"t": "msg", "room": "lobby", "cid": "c1", "text": "raw"})
        assert ann.ack("c1")["seq"] == ann.receive()["seq"]
        assert bob.receive() == "[ann]: raw"
        bob.send("raw too")
        assert bob.frame() == "[bob]: raw too"
        while (frame := ann.frame())["t"] == "presence":
            pass
        assert (frame["from"], frame["text"]) == ("bob", "raw too")
        ann.send("{")
        assert ann.error().code == "bad_frame"
        with pytest.raises(TypeError, match="dialect='json'"):
            bob.send({"t": "msg"})
        with pytest.raises(ValueError, match="join red first"):
            bob.say("hi", room="red")


def test_the_same_cid_again() -> None:
    with test_application() as chat:
        ann, bob = chat.join("ann"), chat.join("bob")
        first = ann.say("once", cid="c1")
        again = chat.rejoin(ann)
        assert again.say("once", cid="c1").seq == first.seq
        bob.hears("once")
        bob.expect_nothing()
        again.expect_nothing()


def test_what_is_said_where_the_client_does_not_follow() -> None:
    with test_application() as chat:
        ann, bob = chat.connect("ann"), chat.join("bob")
        said = ann.whisper(bob, "psst")
        assert (said.name, said.text, bob.hears_whisper().seq) == ("ann", "psst", said.seq)
        with pytest.raises(Refusal, match="not_joined"):
            ann.say("hi", room="lobby")


def test_a_client_of_another_dialect(monkeypatch: pytest.MonkeyPatch) -> None:
    from app.testing import json_client

    with test_application() as chat:
        monkeypatch.setattr(json_client, "JSON_SUBPROTOCOL", "chat.v2.json")
        with pytest.raises(AssertionError, match=r"does not speak chat\.v2\.json"):
            chat.join()


def test_a_client_shows_its_name() -> None:
    with test_application() as chat:
        clients: list[Client] = [chat.join("ann"), chat.join(), chat.join(dialect="text")]
        assert list(map(repr, clients)) == ["ann", "user1", "a guest"]
