"""DirectWriter, below uvicorn's protocol. What every channel promises is in `tests/contracts/test_channels.py`."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from starlette.websockets import WebSocket
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from app.chat.closing import CloseCode
from app.transports.asgi_channel import AsgiChannel
from app.transports.direct_writer import DirectWriter, _TransportProxy
from app.transports.frames import Opcode
from tests.clients import DEADLINE, frame
from tests.contracts.test_channels import LONG, LOOPS, Open, RecordingReceiver, asgi_channel_above_uvicorn, batch, until
from tests.transports.harness import client, made_from_now_on, server, tls_contexts

pytestmark = pytest.mark.anyio

on_every_loop = pytest.mark.parametrize("anyio_backend", LOOPS.values(), ids=LOOPS)
opened: Open = asgi_channel_above_uvicorn
RESET = b"\1\0\0\0\0\0\0\0"
"""For SO_LINGER: closing resets the connection."""


def protocol_of(one: Any) -> Any:
    return one.channel._direct._protocol


def descriptor(one: Any) -> int:
    """The descriptor of the sender, -1 if it is detached."""
    assert isinstance(one.channel.sender, socket.SocketType)
    return one.channel.sender.fileno()


def tell(one: Any, text: str) -> None:
    """Send as a broadcast does."""
    told = batch(text)
    try:
        taken = one.channel.sender.send(told)
    except OSError:
        taken = 0
    if taken != len(told):
        one.channel.write_rest(told, taken)


@on_every_loop
async def test_nothing_waits_for_a_task_and_all_goes_through_one_socket() -> None:
    async with opened() as one:
        sender = one.channel.sender
        one.channel.write(batch("a", "b"))
        assert descriptor(one) >= 0
        assert sender.send(batch("c")) == 3
        assert one.channel.sender is sender
        assert not one.channel._frames
        assert await one.peer.texts(3) == ["a", "b", "c"]


@on_every_loop
async def test_what_uvicorn_writes_keeps_its_place() -> None:
    async with opened() as one:
        tell(one, "before")
        protocol_of(one).send_keepalive_ping()
        tell(one, "after")
        assert await one.peer.frame() == (Opcode.TEXT, b"before")
        assert (await one.peer.frame())[0] == Opcode.PING
        assert await one.peer.frame() == (Opcode.TEXT, b"after")
        tell(one, "and on")
        assert descriptor(one) >= 0
        assert await one.peer.texts(1) == ["and on"]


def fill(one: Any) -> int:
    """Send "x" until the kernel accepts no more and holds whole frames only. Returns how many."""
    short, count, rest = batch("x"), 0, b""
    while True:
        try:
            rest = rest[one.channel.sender.send(rest) :]
        except BlockingIOError:
            if rest == short:
                return count - 1
            one.peer._buffer += one.peer.end.recv(4096)
        if not rest:
            rest, count = bytes(short), count + 1


@on_every_loop
async def test_nothing_overtakes_what_uvicorn_writes_while_the_kernel_has_no_room() -> None:
    async with opened() as one:
        tell(one, "x")
        count = 1 + fill(one)
        protocol_of(one).send_keepalive_ping()
        with suppress(BlockingIOError):
            while True:
                one.peer._buffer += one.peer.end.recv(65_536)
        tell(one, "after")
        assert await one.peer.texts(count) == ["x"] * count
        assert (await one.peer.frame())[0] == Opcode.PING
        assert await one.peer.texts(1) == ["after"]


@on_every_loop
async def test_frames_stay_whole_and_in_order_while_a_client_stops_reading_and_goes_on() -> None:
    async with opened() as one:
        told = asked = 0
        texts: list[bytes] = []
        pongs: list[bytes] = []
        for _ in range(5):
            while not one.channel.full:
                tell(one, f"{told} " + "x" * 3000)
                told += 1
                if told % 7 == 0:
                    await one.peer.send(frame(Opcode.PING, b"%d " % asked + bytes(100)))
                    asked += 1
                await anyio.lowlevel.checkpoint()
            assert descriptor(one) == -1, "something is queued"
            while len(texts) < told or len(pongs) < asked:
                opcode, payload = await one.peer.frame()
                (texts if opcode == Opcode.TEXT else pongs).append(payload)
                if len(texts) % 5 == 0 and not one.channel.full:
                    tell(one, f"{told} between")
                    told += 1
                    if told % 50 == 0:
                        break
            await until(lambda: not one.channel.full)
        while len(texts) < told or len(pongs) < asked:
            opcode, payload = await one.peer.frame()
            (texts if opcode == Opcode.TEXT else pongs).append(payload)
        assert [int(text.split()[0]) for text in texts] == list(range(told))
        assert [int(pong.split()[0]) for pong in pongs] == list(range(asked))
        tell(one, "the end")
        assert descriptor(one) >= 0
        assert await one.peer.texts(1) == ["the end"]


@on_every_loop
@pytest.mark.parametrize("end", ["shutdown", "keepalive_timeout"])
async def test_nothing_follows_a_close_frame_of_uvicorns(end: str) -> None:
    async with opened() as one:
        tell(one, "before")
        getattr(protocol_of(one), end)()
        for text in ("a", "b"):
            tell(one, text)
            one.channel.write(batch(text))
        assert descriptor(one) == -1
        assert await one.peer.texts(1) == ["before"]
        assert (await one.peer.frame())[0] == Opcode.CLOSE
        with pytest.raises(EOFError):
            await one.peer.frame()


@on_every_loop
async def test_nothing_follows_a_close_frame_that_another_part_of_the_application_sent() -> None:
    async with opened() as one:
        tell(one, "before")
        await protocol_of(one).send({"type": "websocket.close", "code": 1001})
        tell(one, "after")
        one.channel.write(batch("after"))
        assert descriptor(one) == -1
        assert await one.peer.texts(1) == ["before"]
        assert (await one.peer.frame())[0] == Opcode.CLOSE
        await one.peer.send(frame(Opcode.CLOSE, b"\x03\xe9"))
        with pytest.raises(EOFError):
            await one.peer.frame()


@on_every_loop
async def test_nothing_follows_the_answer_to_a_close_frame() -> None:
    async with opened() as one:
        closing = protocol_of(one).handle_close

        def noted(event: Any) -> None:
            closing(event)
            tell(one, "after")

        protocol_of(one).handle_close = noted
        tell(one, "before")
        await one.peer.send(frame(Opcode.CLOSE, b"\x03\xe8"))
        assert await one.peer.texts(1) == ["before"]
        assert (await one.peer.frame())[0] == Opcode.CLOSE
        with pytest.raises(EOFError):
            await one.peer.frame()
        del protocol_of(one).handle_close


@on_every_loop
@pytest.mark.parametrize("end", [AsgiChannel.close, AsgiChannel.flush_and_close], ids=["close", "finish"])
async def test_nothing_is_sent_after_the_end(end: Callable[..., None]) -> None:
    async with opened() as one:
        tell(one, "before")
        end(one.channel, CloseCode.BYE)
        tell(one, "after")
        assert descriptor(one) == -1
        assert await one.peer.texts(1) == ["before"]
        assert (await one.peer.frame())[0] == Opcode.CLOSE
        await one.over()


def reset(one: Any) -> None:
    one.peer.end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    one.peer.end.close()


def hang_up(one: Any) -> None:
    one.peer.end.close()


def abort(one: Any) -> None:
    protocol_of(one).transport.abort()


@on_every_loop
@pytest.mark.parametrize("end", [reset, hang_up, abort])
async def test_a_descriptor_that_the_transport_closes_is_never_used_again(end: Callable[[Any], None]) -> None:
    """The kernel reuses the lowest free number: a write after the end would reach somebody else."""
    async with opened() as one:
        tell(one, "before")
        await one.peer.texts(1)
        number, protocol = descriptor(one), protocol_of(one)
        assert number >= 0
        at_the_end: list[int] = []
        lost = protocol.connection_lost

        def noted(exc: Exception | None) -> None:
            at_the_end.append(descriptor(one))
            lost(exc)

        protocol.connection_lost = noted
        end(one)
        await one.over()
        del protocol.connection_lost
        assert at_the_end == [-1]
        with bystanders(number):
            for _ in range(20):
                tell(one, "a secret")
                one.channel.write(batch("a secret"))


@contextmanager
def bystanders(number: int) -> Iterator[None]:
    """Open sockets until one has that descriptor, and check that nothing arrives at any of them."""
    pairs: list[tuple[socket.socket, socket.socket]] = []
    while number not in [end.fileno() for pair in pairs for end in pair]:
        pairs.append(socket.socketpair())
        assert len(pairs) < 1000
    yield
    for end in [end for pair in pairs for end in pair]:
        end.setblocking(False)
        with pytest.raises(BlockingIOError):
            end.recv(1)
    for pair in pairs:
        for end in pair:
            end.close()


async def leave(one: Any) -> None:
    await one.peer.leave()


async def finish(one: Any) -> None:
    one.channel.flush_and_close(CloseCode.BYE)
    assert (await one.peer.close_code())[0] == CloseCode.BYE
    await one.peer.leave()


async def stall(one: Any) -> None:
    while not one.channel.full:
        tell(one, "x" * 5000)
    reset(one)


@on_every_loop
@pytest.mark.parametrize("end", [leave, finish, stall])
async def test_a_closed_connection_leaves_neither_a_descriptor_nor_garbage(
    end: Callable[[Any], Awaitable[None]],
) -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    async def live() -> None:
        async with opened() as one:
            tell(one, "x")
            assert await one.peer.texts(1) == ["x"]
            protocol_of(one).stop_keepalive()
            protocol_of(one).send_keepalive_ping()
            tell(one, "y")
            assert len(left()) == 4
            await end(one)
            await one.over()

    gc.collect()
    left = made_from_now_on(AsgiChannel, DirectWriter, _TransportProxy, WebSocketsSansIOProtocol)
    gc.disable()
    try:
        counts = []
        for _ in range(4):
            await live()
            await until(lambda: not left())
            counts.append(descriptors())
        assert counts[-1] <= counts[0], "the loop has opened its own descriptors by then"
    finally:
        gc.enable()


class Served:
    """An application that serves one connection through ASGI."""

    def __init__(self) -> None:
        self.state, self.receiver = ServerState(), RecordingReceiver()
        self.channels: asyncio.Queue[AsgiChannel] = asyncio.Queue()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        websocket = WebSocket(scope, receive, send)
        await websocket.accept()
        channel = AsgiChannel(1000, LONG, send)
        self.channels.put_nowait(channel)
        await channel.serve(websocket, self.receiver)


@on_every_loop
async def test_tls_goes_through_the_transport() -> None:
    ours, theirs = tls_contexts()
    app = Served()
    async with server(app, ours, WebSocketsSansIOProtocol) as port, client(port, tls=theirs) as one:
        await one.head()
        with anyio.fail_after(DEADLINE):
            channel = await app.channels.get()
        assert channel.sender is channel
        assert channel.sender.send(batch("a", "b")) == 6
        assert not channel._frames
        channel.write(batch("c"))
        assert [await one.frame() for _ in "abc"] == [(Opcode.TEXT, b"a"), (Opcode.TEXT, b"b"), (Opcode.TEXT, b"c")]
        one.writer.write(frame(Opcode.CLOSE, b"\x03\xe8"))
        assert await one.frame() == (Opcode.CLOSE, b"\x03\xe8")
        assert await one.end() == b""
    assert app.receiver.ends == 1
