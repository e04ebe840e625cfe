from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from starlette.websockets import WebSocket

from app.chat.closing import CloseCode
from app.transports.stock import Frame, Outbox

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Peer:
    """The other side of a WebSocket: it may stop reading, speak, leave; it keeps what it got."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.reading = asyncio.Event()
        self.reading.set()
        self.speaks: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.websocket = WebSocket({"type": "websocket"}, self.speaks.get, self._send)

    async def _send(self, message: Any) -> None:
        await self.reading.wait()
        self.got.append(message.get("text", message.get("code", message["type"])))

    async def connected(self) -> WebSocket:
        self.speaks.put_nowait({"type": "websocket.connect"})
        await self.websocket.accept()
        self.got.clear()
        return self.websocket


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(5):
        while not condition():
            await anyio.lowlevel.checkpoint()


async def nothing(text: str) -> None:
    """Hear without a word."""


async def carried(outbox: Outbox, peer: Peer, hear: Callable[[str], Awaitable[None]] = nothing) -> asyncio.Task[None]:
    return asyncio.create_task(outbox.carry(await peer.connected(), hear))


async def test_frames_leave_in_order() -> None:
    outbox, peer = Outbox(1000, stall=5), Peer()
    outbox.put(Frame.of("0"))
    carrying = await carried(outbox, peer)
    for number in range(1, 100):
        outbox.put(Frame.of(str(number)))
    await until(lambda: len(peer.got) == 100)
    assert peer.got == [str(number) for number in range(100)]
    assert (outbox.waiting, outbox.sent) == (0, 190)
    peer.speaks.put_nowait({"type": "websocket.disconnect", "code": 1000})
    await carrying


async def test_what_the_peer_says_is_heard_in_order_and_binary_is_not() -> None:
    outbox, peer, heard = Outbox(1000, stall=5), Peer(), list[str]()

    async def hear(text: str) -> None:
        heard.append(text)

    carrying = await carried(outbox, peer, hear)
    for message in ({"text": "a"}, {"bytes": b"b"}, {"text": ""}, {"text": "c", "bytes": None}):
        peer.speaks.put_nowait({"type": "websocket.receive", **message})
    peer.speaks.put_nowait({"type": "websocket.disconnect", "code": 1000})
    with anyio.fail_after(5):
        await carrying
    assert heard == ["a", "", "c"]


async def test_it_is_full_at_its_bound_in_bytes_and_writable_when_half_empty() -> None:
    outbox, peer = Outbox(100, stall=5), Peer()
    carrying = await carried(outbox, peer)
    peer.reading.clear()
    outbox.put(Frame.of("é" * 49))
    assert not outbox.full
    outbox.put(Frame.of("xx"))
    assert outbox.full
    waiting = asyncio.create_task(outbox.writable())
    await until(lambda: outbox.waiting == 100)
    assert not waiting.done()
    peer.reading.set()
    with anyio.fail_after(5):
        assert await waiting
    assert not outbox.full
    carrying.cancel()


async def test_a_peer_that_reads_nothing_at_all_is_disconnected_after_the_stall() -> None:
    outbox, peer = Outbox(100, stall=0.05), Peer()
    carrying = await carried(outbox, peer)
    peer.reading.clear()
    outbox.put(Frame.of("x" * 200))
    with anyio.fail_after(5):
        assert not await outbox.writable()
        peer.reading.set()
        await carrying
    assert peer.got[-1] == CloseCode.SLOW_READER


async def test_a_peer_that_never_reads_again_does_not_hold_up_the_end() -> None:
    outbox, peer = Outbox(100, stall=5), Peer()
    carrying = await carried(outbox, peer)
    peer.reading.clear()
    outbox.put(Frame.of("x" * 80))
    outbox.close(CloseCode.POLICY)
    with anyio.fail_after(5):
        await carrying


async def test_a_fault_in_the_hearer_comes_out() -> None:
    outbox, peer = Outbox(100, stall=5), Peer()

    async def fail(text: str) -> None:
        raise ZeroDivisionError

    carrying = await carried(outbox, peer, fail)
    peer.speaks.put_nowait({"type": "websocket.receive", "text": "x"})
    with pytest.raises(ZeroDivisionError), anyio.fail_after(5):
        await carrying


async def test_a_cancelled_carry_leaves_no_task_behind() -> None:
    before = asyncio.all_tasks()
    outbox, peer = Outbox(100, stall=5), Peer()
    carrying = await carried(outbox, peer)
    await until(lambda: len(asyncio.all_tasks() - before) == 3)
    carrying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await carrying
    assert asyncio.all_tasks() == before
