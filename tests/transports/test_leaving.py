"""Clients that leave during the handshake or send too early, and servers that stop during it."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any, cast

import pytest

from app.transports import hardened, protocol_selector
from app.transports.frames import Opcode
from app.transports.handover_protocol import HandoverProtocol
from app.transports.socket_channel import SocketChannel
from tests.clients import frame
from tests.transports.comparison import (
    GOODBYE,
    Application,
    Behaviour,
    Call,
    Outcome,
    Script,
    Visit,
    both,
    conversation,
    echo,
    echoing,
    faults,
)
from tests.transports.harness import HEAD, RecordingReceiver, client, on_every_loop, server, until
from tests.transports.test_applications import hands_over, returns_after_accept


async def asks_on(call: Call) -> None:
    await call.receive()
    call.application.held.set()
    await call.receive()


async def waits_to_ask(call: Call) -> None:
    await call.hold()
    await call.receive()
    await call.receive()


async def waits_to_accept(call: Call) -> None:
    await call.receive()
    await call.hold()
    await call.send("websocket.accept")


async def waits_to_accept_and_catches(call: Call) -> None:
    with suppress(OSError):
        await waits_to_accept(call)
    assert call.hand_over() is None
    await call.receive()
    assert call.hand_over() is None


async def accepts_and_waits_to_ask(call: Call) -> None:
    await returns_after_accept(call)
    await call.hold()
    await call.receive()
    assert call.hand_over() is None


async def accepts_and_waits_to_send(call: Call) -> None:
    await returns_after_accept(call)
    await call.hold()
    assert call.hand_over() is None
    await call.send("websocket.send", text="x")


async def waits_to_deny(call: Call) -> None:
    await call.receive()
    await call.send("websocket.http.response.start", status=429, headers=[(b"x-a", b"\xe9")])
    await call.hold()
    await call.send("websocket.http.response.body", body=b"no")


async def begins_to_deny_and_returns(call: Call) -> None:
    await call.receive()
    await call.send("websocket.http.response.start", status=429)


async def waits_to_raise(call: Call) -> None:
    await call.hold()
    raise ValueError("after the client has left")


async def leave(visit: Visit) -> None:
    """Leave while the application waits in `hold`."""
    visit.say(HEAD)
    await until(visit.application.held.is_set)
    visit.client.writer.close()
    await until(lambda: not visit.application.state.connections)
    visit.application.release.set()
    await until(lambda: not visit.application.state.tasks)


LEFT = [
    (asks_on, 1006), (waits_to_ask, 1006), (waits_to_accept, None), (waits_to_accept_and_catches, 1006),
    (accepts_and_waits_to_ask, 1005), (accepts_and_waits_to_send, None), (waits_to_raise, None),
    (waits_to_deny, None),
]  # fmt: skip


@pytest.mark.anyio
@on_every_loop
@pytest.mark.parametrize(("behave", "code"), LEFT, ids=[behave.__name__ for behave, _ in LEFT])
async def test_a_client_leaves_in_its_handshake(
    behave: Behaviour, code: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    outcome = await both(behave, leave, caplog)
    told = [one["code"] for one in outcome.seen if isinstance(one, dict) and one["type"] == "websocket.disconnect"]
    assert told == ([code] if code else [])
    assert bool(faults(outcome)) == (behave is waits_to_raise)


async def waits_and_echoes(call: Call) -> None:
    await waits_to_accept(call)
    assert call.hand_over() is None
    await echoing(call)


async def accepts_waits_and_echoes(call: Call) -> None:
    await returns_after_accept(call)
    await call.hold()
    assert call.hand_over() is None
    await echoing(call)


@pytest.mark.anyio
@on_every_loop
@pytest.mark.parametrize("behave", [waits_and_echoes, accepts_waits_and_echoes], ids=["before", "after"])
async def test_what_comes_before_the_application_listens_waits_for_it(
    behave: Behaviour, caplog: pytest.LogCaptureFixture
) -> None:
    async def script(visit: Visit) -> None:
        visit.say(HEAD)
        await until(visit.application.held.is_set)
        visit.say(frame(1, b"one") + frame(1, b"two"))
        await until(lambda: any(arrived(one) for one in visit.application.state.connections))
        visit.application.release.set()
        await conversation(b"", early=2)(visit)

    outcome = await both(behave, script, caplog)
    assert [text for _, text in outcome.frames[:3]] == [b"one", b"two", b"hello"]
    assert [one["type"] for one in outcome.seen if isinstance(one, dict)].count("websocket.connect") == 1
    assert not faults(outcome)


def arrived(connection: Any) -> bool:
    """Whether something that the client sent after its request has arrived."""
    return isinstance(connection, HandoverProtocol) and connection.early


async def accepts_and_waits(call: Call) -> None:
    await returns_after_accept(call)
    await call.hold()


async def hands_over_and_waits(call: Call) -> None:
    await returns_after_accept(call)
    channel = cast(SocketChannel, call.hand_over())
    await call.hold()
    channel.start(RecordingReceiver())


@pytest.mark.anyio
@on_every_loop
@pytest.mark.parametrize("behave", [accepts_and_waits, hands_over_and_waits])
async def test_the_answer_is_not_held_back(behave: Behaviour) -> None:
    """The kernel would hold it back for 200 ms every time; a busy machine is late now and then."""
    application = Application(behave)
    took = []
    async with server(application) as port:
        for _ in range(10):
            async with client(port, HEAD) as one:
                began = time.monotonic()
                assert b" 101 " in await one.head()
                took.append(time.monotonic() - began)
                application.release.set()
                application.release = asyncio.Event()
            if min(took) < 0.15:
                break
        application.release.set()
    assert min(took) < 0.15


@pytest.mark.anyio
@on_every_loop
async def test_who_is_let_in_and_not_handed_over_is_pinged() -> None:
    application = Application(accepts_and_waits)
    async with server(application) as port, client(port, HEAD) as one:
        assert b" 101 " in await one.head()
        await until(lambda: [getattr(each, "ping_timer", None) for each in application.state.connections] != [None])
        application.release.set()


async def stop(visit: Visit) -> None:
    """What uvicorn does to all connections as it stops."""
    for connection in list(visit.application.state.connections):
        connection.shutdown()


async def stopped_in_silence(visit: Visit) -> None:
    await until(lambda: visit.application.state.connections)
    await stop(visit)
    await visit.end()


async def stopped_in_its_handshake(visit: Visit) -> None:
    visit.say(HEAD)
    await until(visit.application.held.is_set)
    await stop(visit)
    await visit.answer()
    visit.application.release.set()


async def stopped_after_accept(visit: Visit) -> None:
    visit.say(HEAD)
    await visit.answer()
    await until(visit.application.held.is_set)
    await stop(visit)
    await visit.end()
    visit.application.release.set()


async def stopped_after_a_message(visit: Visit) -> None:
    visit.say(HEAD)
    await visit.answer()
    visit.say(frame(1, b"hello"))
    await visit.hear()
    await stop(visit)
    await visit.hear()
    visit.say(GOODBYE)
    await visit.end()


RESTARTING = (8, b"\x03\xf4")
STOPPED = [
    (stopped_in_silence, echo, []),
    (stopped_in_its_handshake, waits_to_ask, []),
    (stopped_in_its_handshake, waits_to_accept, []),
    (stopped_after_accept, accepts_and_waits, [RESTARTING]),
    (stopped_after_accept, accepts_and_waits_to_ask, [RESTARTING]),
    (stopped_after_a_message, echo, [(1, b"hello"), RESTARTING]),
    (stopped_after_a_message, hands_over, [(1, b"welcome"), RESTARTING]),
]


@pytest.mark.anyio
@on_every_loop
@pytest.mark.parametrize(
    ("script", "behave", "frames"),
    STOPPED,
    ids=[f"{script.__name__}-{behave.__name__}" for script, behave, _ in STOPPED],
)
async def test_the_server_stops(
    script: Script, behave: Behaviour, frames: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    outcome = await both(behave, script, caplog)
    assert outcome.frames == frames
    assert outcome.ended
    assert (b" 500 " in outcome.status) == (script is stopped_in_its_handshake)
    assert not faults(outcome)


async def speaks_too_early(visit: Visit) -> None:
    visit.say(HEAD)
    await until(visit.application.held.is_set)
    visit.say(frame(1, b"one"))
    await until(lambda: any(arrived(one) for one in visit.application.state.connections))
    visit.application.release.set()
    await visit.answer()


async def is_stopped(visit: Visit) -> None:
    visit.say(HEAD)
    await until(visit.application.held.is_set)
    await stop(visit)
    visit.application.release.set()
    await visit.end()


async def waits_for_the_end(visit: Visit) -> None:
    visit.say(HEAD)
    await visit.end()


@pytest.mark.anyio
@on_every_loop
@pytest.mark.parametrize(
    ("script", "behave"),
    [
        (speaks_too_early, waits_to_deny),
        (is_stopped, waits_to_deny),
        (waits_for_the_end, begins_to_deny_and_returns),
    ],
)
async def test_a_refusal_that_has_begun_goes_on_as_uvicorns(
    script: Script, behave: Behaviour, caplog: pytest.LogCaptureFixture
) -> None:
    outcome = await both(behave, script, caplog)
    assert outcome.ended
    assert [line.endswith(" 429") for line in outcome.logged if line.startswith('"WebSocket')] == [True]


@pytest.mark.anyio
@on_every_loop
async def test_who_is_refused_and_reads_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.transports.fast_handshake.LINGER", 0.01)
    application = Application(denies_at_length)
    async with server(application) as port, client(port, HEAD):
        await until(lambda: application.seen)
        await until(lambda: not application.state.connections)


async def denies_at_length(call: Call) -> None:
    await call.receive()
    await call.send("websocket.http.response.start", status=429)
    await call.send("websocket.http.response.body", body=bytes(64 * 1024 * 1024))


@pytest.mark.anyio
@on_every_loop
@pytest.mark.parametrize("behave", [waits_to_accept, waits_to_deny, accepts_and_waits, echo, hands_over])
async def test_whoever_asks_is_told_when_a_connection_is_gone(behave: Behaviour) -> None:
    application = Application(behave)
    async with server(application) as port:
        async with client(port):
            await until(lambda: application.seen)
            [connection] = cast("set[Any]", application.state.connections)
            gone = connection.closed()
            assert not gone.done()
        await until(gone.done)
        application.release.set()


@pytest.mark.anyio
@on_every_loop
@pytest.mark.parametrize(
    "said", [b"", HEAD[:1], HEAD[:-1], b"\r\n"], ids=["nothing", "a byte", "all but one", "a line"]
)
async def test_who_sends_no_request_is_cut_off(
    said: bytes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for module in (protocol_selector, hardened):
        monkeypatch.setattr(module, "REQUEST_DEADLINE", 0.05)

    async def script(visit: Visit) -> None:
        visit.say(said)
        await visit.end()

    outcome = await both(echo, script, caplog)
    assert outcome == Outcome(ended=True)


@pytest.mark.anyio
@on_every_loop
async def test_a_request_in_time_ends_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    application = Application(echo)
    async with server(application) as port, client(port) as there:
        monkeypatch.setattr(protocol_selector, "REQUEST_DEADLINE", 0.05)
        async with client(port) as one:
            assert b" 101 " in await one.head()
            async with client(port, b"") as silent:
                with suppress(ConnectionError):
                    assert await silent.end() == b""
            for client_ in (there, one):
                client_.writer.write(frame(9, b"there?"))
        assert b" 101 " in await there.head()
        assert await there.frame() == (Opcode.PONG, b"there?")
