"""AsgiChannel alone. What every channel promises is in `tests/contracts/test_channels.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from starlette.websockets import WebSocket

from app.chat.closing import CloseCode
from app.transports.asgi_channel import AsgiChannel
from app.transports.frames import encode_text
from app.transports.outboxes import Outboxes
from tests.clients import DEADLINE

pytestmark = pytest.mark.anyio

LONG = 3600.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Peer:
    """An ASGI server that records what it is sent. It can stop reading, send messages, and fail."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.reading = asyncio.Event()
        self.reading.set()
        self.fault: Exception | None = None
        self.speaks: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.websocket = WebSocket({"type": "websocket"}, self.speaks.get, self._send)

    async def _send(self, message: Any) -> None:
        await self.reading.wait()
        if self.fault is not None:
            raise self.fault
        self.got.append(message.get("text", message.get("code", message["type"])))

    def says(self, text: str) -> None:
        self.speaks.put_nowait({"type": "websocket.receive", "text": text})

    def leaves(self) -> None:
        self.speaks.put_nowait({"type": "websocket.disconnect", "code": 1000})


class RecordingReceiver:
    """A Receiver that counts the ends, and calls `do` with every message."""

    def __init__(self) -> None:
        self.ends = 0
        self.do: Callable[[str], None] = lambda text: None

    def text_received(self, text: str) -> None:
        self.do(text)

    def channel_closed(self) -> None:
        self.ends += 1


def batch(*texts: str) -> bytes:
    return b"".join(encode_text(text.encode()) for text in texts)


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(DEADLINE):
        while not condition():
            await anyio.lowlevel.checkpoint()


async def carried(outbox: AsgiChannel, peer: Peer, receiver: RecordingReceiver) -> asyncio.Task[None]:
    peer.speaks.put_nowait({"type": "websocket.connect"})
    await peer.websocket.accept()
    peer.got.clear()
    return asyncio.create_task(outbox.serve(peer.websocket, receiver))


async def over(carrying: asyncio.Task[None]) -> None:
    with anyio.fail_after(DEADLINE):
        await carrying


async def test_it_counts_the_bytes_that_wait_and_those_that_left() -> None:
    outbox, peer = AsgiChannel(1000, LONG), Peer()
    outbox.write(batch("0"))
    assert (outbox.pending(), outbox.sent) == (3, 0)
    carrying = await carried(outbox, peer, RecordingReceiver())
    outbox.write(batch(*map(str, range(1, 100))))
    await until(lambda: len(peer.got) == 100)
    assert peer.got == [str(number) for number in range(100)]
    assert (outbox.pending(), outbox.sent) == (0, 190 + 2 * 100)
    peer.leaves()
    await over(carrying)


async def all_read(peers: list[Peer], carrying: list[asyncio.Task[None]]) -> None:
    """Have all peers read the two messages for each of them, and leave."""
    for peer in peers:
        peer.reading.set()
    await until(lambda: all(len(peer.got) == 2 for peer in peers))
    for peer, one in zip(peers, carrying, strict=True):
        peer.leaves()
        await over(one)


async def test_what_only_one_client_gets_counts_from_the_first_byte() -> None:
    outboxes = Outboxes(2000)
    channels, peers = [AsgiChannel(1000, LONG) for _ in range(3)], [Peer() for _ in range(3)]
    carrying = [await carried(*one, RecordingReceiver()) for one in zip(channels, peers, strict=True)]
    for number, (channel, peer) in enumerate(zip(channels, peers, strict=True)):
        channel.share = outboxes.share(number // 2)
        peer.reading.clear()
        channel.write(batch("x" * 100, "x" * 700))
    assert outboxes.size <= 2000
    with anyio.fail_after(DEADLINE):
        await carrying[0]  # the first of those that have the most
    await all_read(peers[1:], carrying[1:])
    assert outboxes.size == 0


async def test_a_broadcast_is_in_memory_once_and_counts_while_it_is_sent() -> None:
    outboxes, data = Outboxes(0), batch("x" * 100, "y" * 100)
    channels, peers = [AsgiChannel(1000, LONG) for _ in range(2)], [Peer(), Peer()]
    carrying = [await carried(*one, RecordingReceiver()) for one in zip(channels, peers, strict=True)]
    for channel, peer in zip(channels, peers, strict=True):
        channel.share = outboxes.share("here")
        peer.reading.clear()
        assert channel.sender.send(data) == len(data)
    first, second = ([frame for frame, _ in channel._frames] for channel in channels)
    assert all(one is other for one, other in zip(first, second, strict=True))
    assert outboxes.size == 0
    await until(lambda: outboxes.size == len(data))  # of each client, the first frame is at the server
    await all_read(peers, carrying)
    assert outboxes.size == 0


async def test_it_is_full_at_its_bound_in_bytes_and_writable_when_half_empty() -> None:
    outbox, peer = AsgiChannel(104, LONG), Peer()
    carrying = await carried(outbox, peer, RecordingReceiver())
    peer.reading.clear()
    outbox.write(batch("é" * 49))
    assert not outbox.full
    outbox.write(batch("xx"))
    assert outbox.full
    waiting = asyncio.create_task(outbox.writable())
    await until(lambda: outbox.pending() == 104)
    assert not waiting.done()
    peer.reading.set()
    with anyio.fail_after(DEADLINE):
        assert await waiting
    assert not outbox.full
    peer.leaves()
    await over(carrying)


async def test_it_is_watched_once_however_often_it_fills_up(monkeypatch: pytest.MonkeyPatch) -> None:
    outbox, peer = AsgiChannel(10, LONG), Peer()
    timers: list[float] = []
    loop = asyncio.get_running_loop()
    call_later = loop.call_later

    def noted(after: float, *rest: Any) -> asyncio.TimerHandle:
        timers.append(after)
        return call_later(after, *rest)

    monkeypatch.setattr(loop, "call_later", noted)
    carrying = await carried(outbox, peer, RecordingReceiver())
    for number in range(1, 20):
        outbox.write(batch("x" * 20))
        await until(lambda number=number: len(peer.got) == number)  # type: ignore[misc]
        assert not outbox.full
    assert timers.count(LONG) == 1
    peer.leaves()
    await over(carrying)


async def test_what_is_put_after_the_end_is_not_kept() -> None:
    outbox, peer = AsgiChannel(10, LONG), Peer()
    carrying = await carried(outbox, peer, RecordingReceiver())
    peer.leaves()
    await over(carrying)
    outbox.write(batch("x" * 20))
    assert outbox.pending() == 0
    assert not outbox.full


async def test_a_fault_in_the_listener_comes_out() -> None:
    outbox, peer, receiver = AsgiChannel(100, LONG), Peer(), RecordingReceiver()

    def fail(text: str) -> None:
        raise ZeroDivisionError

    receiver.do = fail
    carrying = await carried(outbox, peer, receiver)
    peer.says("x")
    with pytest.raises(ZeroDivisionError):
        await over(carrying)
    assert receiver.ends == 1


async def test_a_fault_in_sending_comes_out_and_a_peer_that_left_is_none() -> None:
    for fault, raised in ((ZeroDivisionError(), True), (OSError(), False)):
        outbox, peer, receiver = AsgiChannel(100, LONG), Peer(), RecordingReceiver()
        carrying = await carried(outbox, peer, receiver)
        peer.fault = fault
        outbox.write(batch("x"))
        if raised:
            with pytest.raises(ZeroDivisionError):
                await over(carrying)
        else:
            await over(carrying)
        assert receiver.ends == 1


async def test_a_cancelled_carry_leaves_no_task_behind() -> None:
    before = asyncio.all_tasks()
    outbox, peer, receiver = AsgiChannel(100, LONG), Peer(), RecordingReceiver()
    carrying = await carried(outbox, peer, receiver)
    await until(lambda: len(asyncio.all_tasks() - before) == 3)
    carrying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await over(carrying)
    assert asyncio.all_tasks() == before
    assert receiver.ends == 1


async def test_writers_get_a_turn_while_much_is_heard() -> None:
    outbox, peer, receiver = AsgiChannel(1000, LONG), Peer(), RecordingReceiver()
    carrying = await carried(outbox, peer, receiver)
    fullest: list[int] = []

    def answer(text: str) -> None:
        outbox.write(batch(text * 40))
        fullest.append(outbox.pending())

    receiver.do = answer
    for _ in range(200):
        peer.says("x")
    await until(lambda: len(peer.got) == 200)
    assert max(fullest) < 500
    outbox.flush_and_close(CloseCode.BYE)
    await over(carrying)
    assert peer.got[-1] == 1000
