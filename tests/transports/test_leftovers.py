"""Nothing is left to the garbage collector: it would have to look at all that thousands of connections hold."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any, cast

import pytest

from app.transports import Batch, Frame
from app.transports.fast_handshake import FastHandshake
from app.transports.frames import Opcode
from app.transports.handover import HandoverProtocol
from app.transports.protocol_selector import ProtocolSelector
from app.transports.socket_channel import SocketChannel
from tests.transports.comparison import Application, Behaviour, Call, echo, on_uvloop
from tests.transports.harness import Ear, client, server, until
from tests.transports.test_applications import returns_after_accept
from tests.transports.test_leaving import (
    hands_over_and_waits,
    waits_to_ask,
)


@pytest.fixture
def uncollected() -> Iterator[None]:
    """References alone are counted."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def kept() -> list[Any]:
    """What served a connection and was not freed."""
    return [
        one
        for one in gc.get_objects()
        if type(one) in (ProtocolSelector, FastHandshake, SocketChannel, HandoverProtocol)
    ]


async def raises_for_who_left(call: Call) -> None:
    await call.receive()
    await call.hold()
    await call._send({"type": "websocket.accept"})


async def hands_over_to_an_ear(call: Call) -> None:
    await returns_after_accept(call)
    line = cast(SocketChannel, call.hand_over())
    line.write(Batch([Frame("welcome")]))
    line.start(Ear())


# Whoever waits once the client is let in is uvicorn's, whose objects refer to each other.
LEAVES_NOTHING = [
    waits_to_ask,
    raises_for_who_left,
    hands_over_and_waits,
]


@pytest.mark.anyio
@on_uvloop
@pytest.mark.parametrize("behave", LEAVES_NOTHING)
async def test_a_client_that_leaves_in_its_handshake_leaves_nothing(behave: Behaviour, uncollected: None) -> None:
    application = Application(behave)
    async with server(application) as port:
        async with client(port) as one:
            await until(application.held.is_set)
            one.writer.close()
            if behave is not hands_over_and_waits:  # whose line reads nothing before it begins
                await until(lambda: not application.state.connections)
        application.release.set()
        await until(lambda: not application.state.tasks)
        await until(lambda: not kept())


@pytest.mark.anyio
@on_uvloop
async def test_who_was_handed_over_leaves_nothing(uncollected: None) -> None:
    application = Application(hands_over_to_an_ear)
    async with server(application) as port:
        async with client(port) as one:
            assert b" 101 " in await one.head()
            assert await one.frame() == (Opcode.TEXT, b"welcome")
            await until(lambda: [type(each) for each in kept()] == [SocketChannel])
        await until(lambda: not kept())


@pytest.mark.anyio
@on_uvloop
async def test_who_says_nothing_leaves_nothing(uncollected: None) -> None:
    application = Application(echo)
    async with server(application) as port:
        async with client(port, b""):
            await until(lambda: application.state.connections)
            assert len(kept()) == 1
        await until(lambda: not kept())
