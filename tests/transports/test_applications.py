"""Whatever an application does with a connection, our protocols treat it as uvicorn's do."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import cast

import pytest

from app.transports.frames import Opcode, encode_text
from app.transports.socket_channel import SocketChannel
from tests.clients import frame
from tests.transports.comparison import (
    GOODBYE,
    Behaviour,
    Call,
    Script,
    Tls,
    Visit,
    both,
    conversation,
    echo,
    echoing,
    faults,
)
from tests.transports.harness import HEAD, RecordingReceiver, on_every_loop, tls_contexts


async def with_headers(call: Call) -> None:
    headers = [
        (b"X-One", b"1"),
        (b"set-cookie", b"a=b"),
        (b"set-cookie", b"c=d"),
        (b"x-latin", b"\xe9"),
        (b"x-none", b""),
    ]
    await call.receive()
    await call.send("websocket.accept", subprotocol="chat", headers=headers)
    await echoing(call)


async def without_connect(call: Call) -> None:
    await call.send("websocket.accept")
    await echoing(call)


async def without_receive(call: Call) -> None:
    await call.send("websocket.accept")
    await call.send("websocket.send", text="welcome")
    await call.send("websocket.close", code=4001, reason="bye")


async def greets_and_echoes(call: Call) -> None:
    await call.receive()
    await call.send("websocket.accept")
    await call.send("websocket.send", text="x" * 1_000_000)
    await echoing(call)


async def closes(call: Call) -> None:
    await call.receive()
    await call.send("websocket.accept")
    await call.receive()
    await call.send("websocket.close", code=4001, reason="bye")
    await call.receive()


async def refuses(call: Call) -> None:
    await call.receive()
    await call.send("websocket.close", code=4001, reason="no")


async def refuses_and_says_more(call: Call) -> None:
    await refuses(call)
    await call.send("websocket.accept")


async def denies(call: Call) -> None:
    await call.receive()
    headers = [(b"content-type", b"text/html"), (b"x-a", b"1"), (b"x-a", b"2")]
    await call.send("websocket.http.response.start", status=418, headers=headers)
    for part, more in ((b"one ", True), (b"", True), (b"two", False)):
        await call.send("websocket.http.response.body", body=part, more_body=more)


async def denies_without_a_word(call: Call) -> None:
    await call.send("websocket.http.response.start", status=401)
    await call.send("websocket.http.response.body", body=b"")


async def denies_and_listens(call: Call) -> None:
    await call.receive()
    headers = [(b"Content-Length", b"4"), (b"content-type", b"text/plain"), (b"x-a", b"1"), (b"x-a", b"\xe9")]
    await call.send("websocket.http.response.start", status=429, headers=headers)
    await call.send("websocket.http.response.body", body=b"no!\n")
    await call.receive()


async def denies_by_an_unknown_status(call: Call) -> None:
    await call.send("websocket.http.response.start", status=599)
    await call.send("websocket.http.response.body", body=b"no")


async def denies_and_raises(call: Call) -> None:
    await denies_and_listens(call)
    raise ValueError("after a denial")


async def denies_by_no_status(call: Call) -> None:
    await call.send("websocket.http.response.start", status=99)


async def raises_at_once(call: Call) -> None:
    raise ValueError("at once")


async def raises_before_accept(call: Call) -> None:
    await call.receive()
    raise ValueError("before accept")


async def raises_after_accept(call: Call) -> None:
    await call.receive()
    await call.send("websocket.accept")
    raise ValueError("after accept")


async def raises_later(call: Call) -> None:
    await raises_late(call, "after a message")


async def raises_late(call: Call, why: str) -> None:
    await call.receive()
    await call.send("websocket.accept")
    await call.receive()
    raise ValueError(why)


async def returns_at_once(call: Call) -> None:
    await call.receive()


async def returns_after_accept(call: Call) -> None:
    await call.receive()
    await call.send("websocket.accept")


async def returns_something(call: Call) -> object:
    await call.receive()
    await call.send("websocket.accept")
    return 1


async def accepts_twice(call: Call) -> None:
    await returns_after_accept(call)
    await call.send("websocket.accept")


async def sends_before_accept(call: Call) -> None:
    await call.receive()
    await call.send("websocket.send", text="too early")


async def sends_what_is_unknown(call: Call) -> None:
    await call.receive()
    await call.send("websocket.unknown")


async def splits_the_answer(call: Call) -> None:
    await call.receive()
    await call.send("websocket.accept", headers=[(b"x-a", b"a\r\nset-cookie: b")])


async def splits_the_answer_by_its_subprotocol(call: Call) -> None:
    await call.receive()
    await call.send("websocket.accept", subprotocol="a\r\nset-cookie: b")


async def hands_over(call: Call) -> None:
    await call.receive()
    await call.send("websocket.accept", headers=[(b"x-one", b"1")])
    take_over(call)


def take_over(call: Call) -> None:
    """Echo every text through a channel."""

    class Echo(RecordingReceiver):
        def text_received(self, text: str) -> None:
            channel.write(encode_text(text.encode()))

    channel = cast(SocketChannel, call.hand_over())
    channel.write(encode_text(b"welcome"))
    channel.start(Echo())


async def raises_after_the_hand_over(call: Call) -> None:
    await hands_over(call)
    raise ValueError("after the hand-over")


async def sends_after_the_hand_over(call: Call) -> None:
    await hands_over(call)
    await call.send("websocket.send", text="x")


async def hands_over_too_early(call: Call) -> None:
    assert call.hand_over() is None
    await call.receive()
    assert call.hand_over() is None
    await hands_over_late(call)


async def hands_over_late(call: Call) -> None:
    await call.send("websocket.accept")
    await call.send("websocket.send", text="through ASGI")
    take_over(call)


async def hands_over_who_was_refused(call: Call) -> None:
    await refuses(call)
    assert call.hand_over() is None


async def hands_over_a_refusal_that_is_under_way(call: Call) -> None:
    await call.send("websocket.http.response.start", status=401)
    assert call.hand_over() is None
    await call.send("websocket.http.response.body", body=b"no")


AT_NO_FAULT = [
    echo, with_headers, without_connect, without_receive, greets_and_echoes, closes, refuses, denies,
    denies_without_a_word, denies_and_listens, denies_by_an_unknown_status, returns_after_accept, hands_over,
    hands_over_too_early, hands_over_who_was_refused, hands_over_a_refusal_that_is_under_way,
]  # fmt: skip
AT_FAULT = [
    refuses_and_says_more, denies_by_no_status, denies_and_raises, raises_at_once, raises_before_accept,
    raises_after_accept, raises_later, returns_at_once, returns_something, accepts_twice, sends_before_accept,
    sends_what_is_unknown, splits_the_answer, splits_the_answer_by_its_subprotocol, raises_after_the_hand_over,
    sends_after_the_hand_over,
]  # fmt: skip


def talk(*steps: bytes) -> Script:
    """Send each step and read one frame for it. Answer a close frame, then read to the end."""

    async def script(visit: Visit) -> None:
        visit.say(HEAD)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await visit.answer()
            for step in steps:
                visit.say(step)
                await visit.hear()
                if visit.outcome.frames[-1][0] == Opcode.CLOSE:
                    visit.say(b"" if step == GOODBYE else GOODBYE)
                    break
            await visit.end()
        visit.outcome.ended = True

    return script


@pytest.mark.anyio
@on_every_loop
@pytest.mark.parametrize("behave", [*AT_NO_FAULT, *AT_FAULT], ids=lambda behave: str(behave.__name__))
async def test_an_application_is_served_as_uvicorn_serves_it(
    behave: Behaviour, caplog: pytest.LogCaptureFixture
) -> None:
    greeted = behave in (greets_and_echoes, hands_over, raises_after_the_hand_over, sends_after_the_hand_over)
    steps = [b"", frame(1, b"hello")] if greeted else [frame(1, b"hello")]
    outcome = await both(behave, talk(*steps, GOODBYE), caplog)
    assert outcome.status
    assert outcome.ended
    assert bool(faults(outcome)) == (behave in AT_FAULT)


@pytest.fixture(scope="module")
def tls() -> Tls:
    return Tls(*tls_contexts())


@pytest.mark.anyio
@on_every_loop
async def test_over_tls_all_is_the_same(tls: Tls, caplog: pytest.LogCaptureFixture) -> None:
    outcome = await both(echo, conversation(), caplog, tls)
    assert outcome.scopes[0]["scheme"] == "wss"
    outcome = await both(hands_over, talk(b"", frame(1, b"hello"), GOODBYE), caplog, tls)
    assert outcome.frames == [(1, b"welcome"), (1, b"hello"), (8, b"\x03\xe8")]
    assert not faults(outcome)
