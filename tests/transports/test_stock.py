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


async def carried(outbox: Outbox, peer: Peer, hear: Callable[[str], None] = lambda text: None) -> Awaitable[None]:
    return asyncio.create_task(outbox.carry(await peer.connected(), hear))


async def test_frames_leave_in_order() -> None:
    outbox, peer = Outbox(1000), Peer()
    outbox.put(Frame.of("0"))
    carrying = await carried(outbox, peer)
    for number in range(1, 100):
        outbox.put(Frame.of(str(number)))
    await until(lambda: len(peer.got) == 100)
    assert peer.got == [str(number) for number in range(100)]
    assert outbox.waiting == 0
    peer.speaks.put_nowait({"type": "websocket.disconnect", "code": 1000})
    await carrying


async def test_what_the_peer_says_is_heard_in_order_and_binary_is_not() -> None:
    outbox, peer, heard = Outbox(1000), Peer(), list[str]()
    carrying = await carried(outbox, peer, heard.append)
    for message in ({"text": "a"}, {"bytes": b"b"}, {"text": ""}, {"text": "c", "bytes": None}):
        peer.speaks.put_nowait({"type": "websocket.receive", **message})
    peer.speaks.put_nowait({"type": "websocket.disconnect", "code": 1000})
    with anyio.fail_after(5):
        await carrying
    assert heard == ["a", "", "c"]


async def test_a_peer_that_reads_too_slowly_is_disconnected_and_putting_never_waits() -> None:
    outbox, peer = Outbox(100), Peer()
    carrying = await carried(outbox, peer)
    peer.reading.clear()
    for _ in range(1000):
        outbox.put(Frame.of("x" * 10))
        assert outbox.waiting <= 100
    await until(outbox._closing.done)
    peer.reading.set()
    with anyio.fail_after(5):
        await carrying
    assert peer.got[-1] == CloseCode.SLOW_READER


async def test_a_peer_that_never_reads_again_does_not_hold_it_up() -> None:
    outbox, peer = Outbox(100), Peer()
    carrying = await carried(outbox, peer)
    peer.reading.clear()
    outbox.put(Frame.of("x" * 80))
    outbox.put(Frame.of("x" * 80))
    with anyio.fail_after(5):
        await carrying


async def test_the_bound_is_in_bytes_of_utf_8() -> None:
    outbox = Outbox(100)
    outbox.put(Frame.of("é" * 50))
    assert outbox.waiting == 100
    outbox.put(Frame.of("x"))
    assert outbox._closing.done()


async def test_a_frame_larger_than_the_bound_fits_alone() -> None:
    outbox = Outbox(10)
    outbox.put(Frame.of("x" * 50))
    assert not outbox._closing.done()


async def test_it_can_be_filled_from_another_thread() -> None:
    outbox, peer = Outbox(1 << 20), Peer()
    carrying = await carried(outbox, peer)
    for number in range(100):
        await anyio.to_thread.run_sync(outbox.put, Frame.of(str(number)))
    await until(lambda: len(peer.got) == 100)
    assert peer.got == [str(number) for number in range(100)]
    await anyio.to_thread.run_sync(outbox.close, CloseCode.POLICY)
    with anyio.fail_after(5):
        await carrying
    assert peer.got[-1] == CloseCode.POLICY


async def test_a_fault_in_the_hearer_comes_out() -> None:
    outbox, peer = Outbox(100), Peer()

    def fail(text: str) -> None:
        raise ZeroDivisionError

    carrying = await carried(outbox, peer, fail)
    peer.speaks.put_nowait({"type": "websocket.receive", "text": "x"})
    with pytest.raises(ZeroDivisionError), anyio.fail_after(5):
        await carrying


async def test_a_cancelled_carry_leaves_no_task_behind() -> None:
    before = asyncio.all_tasks()
    outbox, peer = Outbox(100), Peer()
    carrying = asyncio.ensure_future(await carried(outbox, peer))
    await until(lambda: len(asyncio.all_tasks() - before) == 3)
    carrying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await carrying
    assert asyncio.all_tasks() == before
