"""Reference counting frees a connection that has ended: a collection would visit the objects of thousands of others."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from app.transports.fast_handshake import FastHandshake
from app.transports.frames import Opcode, encode_text
from app.transports.handover_protocol import HandoverProtocol
from app.transports.protocol_selector import ProtocolSelector
from app.transports.socket_channel import SocketChannel
from tests.transports.comparison import Application, Behaviour, Call, echo, on_uvloop
from tests.transports.harness import HEAD, RecordingReceiver, client, made_from_now_on, server, until
from tests.transports.test_applications import denies_and_listens, returns_after_accept
from tests.transports.test_leaving import (
    hands_over_and_waits,
    waits_to_ask,
)


@pytest.fixture
def kept() -> Iterator[Callable[[], list[Any]]]:
    """Finds what served a connection of the test and wasn't freed. The garbage collector is off: only reference
    counting frees objects."""
    gc.collect()
    gc.disable()
    yield made_from_now_on(ProtocolSelector, FastHandshake, SocketChannel, HandoverProtocol)
    gc.enable()


async def raises_for_who_left(call: Call) -> None:
    await call.receive()
    await call.hold()
    await call._send({"type": "websocket.accept"})


async def hands_over_to_a_receiver(call: Call) -> None:
    await returns_after_accept(call)
    channel = cast(SocketChannel, call.hand_over())
    channel.write(encode_text(b"welcome"))
    channel.start(RecordingReceiver())


# Connections that wait after the accept are uvicorn's, whose objects form cycles.
LEAVES_NOTHING = [
    waits_to_ask,
    raises_for_who_left,
    hands_over_and_waits,
]


@pytest.mark.anyio
@on_uvloop
@pytest.mark.parametrize("behave", LEAVES_NOTHING)
async def test_a_client_that_leaves_in_its_handshake_leaves_nothing(
    behave: Behaviour, kept: Callable[[], list[Any]]
) -> None:
    application = Application(behave)
    async with server(application) as port:
        async with client(port) as one:
            await until(application.held.is_set)
            one.writer.close()
            if behave is not hands_over_and_waits:  # its channel reads nothing before it starts
                await until(lambda: not application.state.connections)
        application.release.set()
        await until(lambda: not application.state.tasks)
        await until(lambda: not kept())


@pytest.mark.anyio
@on_uvloop
async def test_who_was_handed_over_leaves_nothing(kept: Callable[[], list[Any]]) -> None:
    application = Application(hands_over_to_a_receiver)
    async with server(application) as port:
        async with client(port) as one:
            assert b" 101 " in await one.head()
            assert await one.frame() == (Opcode.TEXT, b"welcome")
            await until(lambda: [type(each) for each in kept()] == [SocketChannel])
        await until(lambda: not kept())


@pytest.mark.anyio
@on_uvloop
async def test_who_is_refused_needs_nothing_of_uvicorn_and_leaves_nothing(
    kept: Callable[[], list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To load uvicorn's protocol takes 10 ms, in which everyone else waits."""
    monkeypatch.setattr(FastHandshake, "_fall_back", None)
    application = Application(denies_and_listens)
    async with server(application) as port:
        async with client(port, HEAD) as one:
            assert b" 429 " in await one.head()
            assert await one.reader.read() == b"no!\n"
        await until(lambda: not kept())
    assert application.seen == [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1006}]


@pytest.mark.anyio
@on_uvloop
async def test_who_says_nothing_leaves_nothing(kept: Callable[[], list[Any]]) -> None:
    application = Application(echo)
    async with server(application) as port:
        async with client(port, b""):
            await until(lambda: application.state.connections)
            assert len(kept()) == 1
        await until(lambda: not kept())
