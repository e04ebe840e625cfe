"""What every Channel promises (see app.transports): one suite over AsgiChannel, alone and above uvicorn's protocol, and
over SocketChannel, on the event loops of asyncio and uvloop.

The peers speak RFC 6455 where there is a socket, and ASGI messages where there is none. The tests see no difference.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, Protocol

import anyio
import anyio.lowlevel
import pytest
import uvicorn
from starlette.websockets import WebSocket
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from app.chat.closing import CloseCode
from app.transports import Channel
from app.transports.asgi_channel import AsgiChannel
from app.transports.frames import Opcode, WholeTexts, encode_text
from app.transports.heartbeat import Heartbeat
from app.transports.outboxes import Outboxes
from app.transports.socket_channel import SocketChannel
from tests.clients import DEADLINE, frame

pytestmark = pytest.mark.anyio

HIGH = 16 * 1024
LIMIT = 100_000
MORE_THAN_THE_KERNEL_HIDES = [str(number) * 50_000 for number in range(10)] * 4
LONG = 3600.0
"""A stall deadline that no test reaches."""


def batch(*texts: str) -> bytes:
    return b"".join(encode_text(text.encode()) for text in texts)


async def until(condition: Callable[[], object]) -> None:
    with anyio.fail_after(DEADLINE):
        while not condition():
            await anyio.lowlevel.checkpoint()


class RecordingReceiver:
    """A Receiver that records what it gets, and calls `do` with every message."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.ends = 0
        self.ended = asyncio.Event()
        self.do: Callable[[str], None] = lambda text: None

    def text_received(self, text: str) -> None:
        assert not self.ends, "something was heard after the end"
        self.texts.append(text)
        self.do(text)

    def channel_closed(self) -> None:
        self.ends += 1
        self.ended.set()


class Peer(Protocol):
    """The client. It reads only when asked to."""

    async def say(self, *texts: str | bytes) -> None:
        """Send each as a message of its own, bytes as a binary one, all at once."""

    async def texts(self, count: int) -> list[str]:
        """The next texts."""

    async def close_code(self) -> tuple[int, str]:
        """The next close code and reason, skipping texts. (0, "") if the connection just ends."""

    async def leave(self) -> None:
        """End the connection, with 1000 if there is time for a close frame."""


class Connection:
    """A channel with its peer and its receiver."""

    def __init__(self, channel: Channel, peer: Peer, receiver: RecordingReceiver) -> None:
        self.channel, self.peer, self.receiver = channel, peer, receiver

    async def over(self) -> None:
        """Wait for the end, and until everything involved is done."""
        with anyio.fail_after(DEADLINE):
            await self.receiver.ended.wait()
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        assert self.receiver.ends == 1


class AsgiPeer:
    """An ASGI server that accepts messages as fast as its client reads them."""

    def __init__(self) -> None:
        self.speaks: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.room = asyncio.Semaphore(0)
        self.websocket = WebSocket({"type": "websocket"}, self.speaks.get, self._send)

    async def _send(self, message: Any) -> None:
        if message["type"] == "websocket.send":
            await self.room.acquire()
        self.sent.put_nowait(message)

    async def say(self, *texts: str | bytes) -> None:
        for text in texts:
            kind = "text" if isinstance(text, str) else "bytes"
            self.speaks.put_nowait({"type": "websocket.receive", kind: text})

    async def texts(self, count: int) -> list[str]:
        found: list[str] = []
        with anyio.fail_after(DEADLINE):
            for _ in range(count):
                self.room.release()
                found.append((await self.sent.get())["text"])
        return found

    async def close_code(self) -> tuple[int, str]:
        with anyio.fail_after(DEADLINE):
            for _ in range(1000):
                self.room.release()
            while (message := await self.sent.get())["type"] != "websocket.close":
                pass
        return message["code"], message["reason"]

    async def leave(self) -> None:
        self.speaks.put_nowait({"type": "websocket.disconnect", "code": 1000})


class SocketPeer:
    """A client at the other end of a socket."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self._buffer = b""

    async def _take(self, size: int) -> bytes:
        loop = asyncio.get_running_loop()
        while len(self._buffer) < size:
            data = await loop.sock_recv(self.end, 65_536)
            if not data:
                raise EOFError
            self._buffer += data
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    async def frame(self) -> tuple[int, bytes]:
        with anyio.fail_after(DEADLINE):
            first, size = await self._take(2)
            if size > 125:
                size = int.from_bytes(await self._take(2 if size == 126 else 8))
            return first & 15, await self._take(size)

    async def send(self, data: bytes) -> None:
        with anyio.fail_after(DEADLINE):
            await asyncio.get_running_loop().sock_sendall(self.end, data)

    async def say(self, *texts: str | bytes) -> None:
        said = [(Opcode.TEXT, one.encode()) if isinstance(one, str) else (Opcode.BINARY, one) for one in texts]
        await self.send(b"".join(frame(opcode, payload) for opcode, payload in said))

    async def texts(self, count: int) -> list[str]:
        found: list[str] = []
        while len(found) < count:
            opcode, payload = await self.frame()
            assert opcode == Opcode.TEXT
            found.append(payload.decode())
        return found

    async def close_code(self) -> tuple[int, str]:
        try:
            while (got := await self.frame())[0] != Opcode.CLOSE:
                pass
        except (EOFError, ConnectionError):
            return 0, ""
        return int.from_bytes(got[1][:2]), got[1][2:].decode()

    async def channel_closed(self) -> None:
        """Wait for the end of the TCP connection."""
        with suppress(EOFError, ConnectionError):
            while True:
                await self.frame()

    async def leave(self) -> None:
        with suppress(OSError):
            await self.send(frame(Opcode.CLOSE, b"\x03\xe8"))
        self.end.close()


Open = Callable[..., Any]
"""`async with open(stall=…) as connection`."""


@asynccontextmanager
async def asgi_channel(stall: float = LONG, **_: Any) -> AsyncIterator[Connection]:
    peer, receiver = AsgiPeer(), RecordingReceiver()
    peer.speaks.put_nowait({"type": "websocket.connect"})
    await peer.websocket.accept()
    await peer.sent.get()
    channel = AsgiChannel(HIGH, stall)
    carrying = asyncio.create_task(channel.serve(peer.websocket, receiver))
    yield Connection(channel, peer, receiver)
    await peer.leave()
    with anyio.fail_after(DEADLINE):
        await carrying
    assert receiver.ends == 1


@asynccontextmanager
async def asgi_channel_above_uvicorn(stall: float = LONG, **_: Any) -> AsyncIterator[Connection]:
    """AsgiChannel under plain uvicorn."""
    channels, receiver = asyncio.Queue[AsgiChannel](), RecordingReceiver()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        websocket = WebSocket(scope, receive, send)
        await websocket.accept()
        channel = AsgiChannel(HIGH, stall, send)
        channels.put_nowait(channel)
        await channel.serve(websocket, receiver)

    config = uvicorn.Config(app, lifespan="off", log_config=None)
    config.load()
    state = ServerState()
    ours, theirs = tcp_pair()
    await asyncio.get_running_loop().create_connection(lambda: WebSocketsSansIOProtocol(config, state, {}), sock=ours)
    peer = SocketPeer(theirs)
    await peer.send(
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    with anyio.fail_after(DEADLINE):
        channel = await channels.get()
        while not (await peer._take(1) == b"\n" and peer._buffer[:2] == b"\r\n"):
            pass
    await peer._take(2)
    yield Connection(channel, peer, receiver)
    await peer.leave()
    with anyio.fail_after(DEADLINE):
        await asyncio.wait(state.tasks or [asyncio.create_task(receiver.ended.wait())])
    assert receiver.ends == 1


@asynccontextmanager
async def socket_channel(stall: float = LONG, period: float = 0, patience: float = 0) -> AsyncIterator[Connection]:
    loop = asyncio.get_running_loop()
    heartbeat, connections, receiver = Heartbeat(loop, period, patience, stall), set[Any](), RecordingReceiver()
    ours, theirs = tcp_pair()
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
    channel = SocketChannel(transport, connections, WholeTexts(LIMIT), heartbeat)
    connections.add(channel)
    transport.set_protocol(channel)
    transport.set_write_buffer_limits(high=0)
    transport.pause_reading()
    gone = channel.closed()
    channel.start(receiver)
    peer = SocketPeer(theirs)
    yield Connection(channel, peer, receiver)
    peer.end.close()
    with anyio.fail_after(DEADLINE):
        await gone
    assert channel.sender.detach() == -1
    assert not connections
    assert receiver.ends == 1
    assert not heartbeat._slot_of
    assert not any((heartbeat._awaiting_pong, heartbeat._paused, *heartbeat._slots))


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """The two ends of a TCP connection, non-blocking, with small buffers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, HIGH // 2)
        theirs = socket.socket()
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        theirs.connect(server.getsockname())
        ours, _ = server.accept()
    ours.setblocking(False)
    theirs.setblocking(False)
    return ours, theirs


LOOPS = {"asyncio": ("asyncio", {"use_uvloop": False}), "uvloop": ("asyncio", {"use_uvloop": True})}
SOCKET_CHANNELS = [pytest.param(socket_channel, LOOPS[loop], id=f"fast on {loop}") for loop in LOOPS]
ABOVE_UVICORN = [
    pytest.param(asgi_channel_above_uvicorn, LOOPS[loop], id=f"stock beside uvicorn on {loop}") for loop in LOOPS
]
CHANNELS = [pytest.param(asgi_channel, LOOPS["asyncio"], id="stock"), *ABOVE_UVICORN, *SOCKET_CHANNELS]
on_every_channel = pytest.mark.parametrize(("opened", "anyio_backend"), CHANNELS)
on_socket_channels = pytest.mark.parametrize(("opened", "anyio_backend"), SOCKET_CHANNELS)


@on_every_channel
async def test_frames_leave_in_order_and_whole(opened: Open) -> None:
    async with opened() as one:
        texts = ["", "é🙂", *map(str, range(200)), "x" * 125, "y" * 126, "z" * 65_536]
        for start in range(0, len(texts), 3):
            one.channel.write(batch(*texts[start : start + 3]))
        assert await one.peer.texts(len(texts)) == texts
        one.channel.write(batch("later"))
        assert await one.peer.texts(1) == ["later"]


@on_every_channel
async def test_what_the_peer_says_is_heard_in_order_and_binary_is_not(opened: Open) -> None:
    async with opened() as one:
        await one.peer.say("a", b"b", "", "é", b"", "c")
        await until(lambda: len(one.receiver.texts) == 4)
        await one.peer.say(*map(str, range(100)))
        await until(lambda: len(one.receiver.texts) == 104)
        assert one.receiver.texts == ["a", "", "é", "c", *map(str, range(100))]


@on_every_channel
async def test_it_is_full_for_a_peer_that_does_not_read_and_writable_once_it_reads(opened: Open) -> None:
    async with opened() as one:
        assert not one.channel.full
        with anyio.fail_after(DEADLINE):
            assert await one.channel.writable()
        for text in MORE_THAN_THE_KERNEL_HIDES:
            one.channel.write(batch(text))
        assert one.channel.full
        waiters = [asyncio.create_task(one.channel.writable()) for _ in range(3)]
        waiters[0].cancel()
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        assert [waiter.done() for waiter in waiters] == [True, False, False]
        one.channel.write(batch("put all the same"))
        assert await one.peer.texts(len(MORE_THAN_THE_KERNEL_HIDES)) == MORE_THAN_THE_KERNEL_HIDES
        assert await one.peer.texts(1) == ["put all the same"]
        with anyio.fail_after(DEADLINE):
            assert [await waiter for waiter in waiters[1:]] == [True, True]
        assert not one.channel.full
        one.channel.write(batch("and on"))
        assert await one.peer.texts(1) == ["and on"]


@on_every_channel
async def test_a_peer_that_reads_nothing_is_ended_after_the_stall_and_the_listener_told_once(opened: Open) -> None:
    async with opened(stall=0.05) as one:
        for text in MORE_THAN_THE_KERNEL_HIDES:
            one.channel.write(batch(text))
        with anyio.fail_after(DEADLINE):
            assert not await one.channel.writable()
        await one.over()
        one.channel.write(batch("nobody reads that"))
        code, _ = await one.peer.close_code()
        assert code in (0, CloseCode.SLOW_READER)  # a socket that is full has no room for a close frame


@on_every_channel
async def test_a_peer_that_reads_slowly_is_not_ended(opened: Open) -> None:
    async with opened(stall=1) as one:
        for text in MORE_THAN_THE_KERNEL_HIDES:
            one.channel.write(batch(text))
        end = asyncio.get_running_loop().time() + 2.5
        read = 0
        while asyncio.get_running_loop().time() < end:
            if read < len(MORE_THAN_THE_KERNEL_HIDES) - 20:
                assert await one.peer.texts(1) == [MORE_THAN_THE_KERNEL_HIDES[read]]
                read += 1
            tick = asyncio.Event()
            asyncio.get_running_loop().call_later(0.1, tick.set)
            await tick.wait()
        assert one.channel.full
        assert not one.receiver.ends


@on_every_channel
async def test_a_peer_that_reads_nothing_is_ended_when_too_much_is_queued_for_all(opened: Open) -> None:
    outboxes = Outboxes(1_000_000)
    async with opened() as slow, opened() as other:
        slow.channel.share, other.channel.share = outboxes.share("there"), outboxes.share("here")
        for text in MORE_THAN_THE_KERNEL_HIDES:
            slow.channel.write(batch(text))
        await slow.over()
        assert slow.channel.ending[:2] == (CloseCode.SLOW_READER, "too much was queued for all connections")
        other.channel.write(batch("it goes on"))
        assert await other.peer.texts(1) == ["it goes on"]
        await until(lambda: not outboxes.size)


@on_every_channel
async def test_a_close_has_a_code_and_a_reason(opened: Open) -> None:
    async with opened() as one:
        reason = "é" * 61 + "x"
        one.channel.close(CloseCode.POLICY, reason)
        one.channel.close(CloseCode.BYE, "another")
        one.channel.flush_and_close(CloseCode.BYE, "another")
        assert await one.peer.close_code() == (1008, reason)
        await one.over()


@on_every_channel
async def test_a_close_for_a_peer_that_does_not_read_comes_to_an_end(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.transports.socket_channel.LINGER", 0.05)
    monkeypatch.setattr("app.transports.asgi_channel.CLOSE_DEADLINE", 0.05)
    for code in (CloseCode.POLICY, CloseCode.SLOW_READER):
        async with opened() as one:
            for text in MORE_THAN_THE_KERNEL_HIDES:
                one.channel.write(batch(text))
            one.channel.close(code)
            with anyio.fail_after(DEADLINE):
                assert not await one.channel.writable()
            await one.over()


@on_every_channel
async def test_a_finish_sends_first_what_waits(opened: Open) -> None:
    async with opened() as one:
        texts = ["x" * 50_000] * 4
        for text in texts:
            one.channel.write(batch(text))
        one.channel.flush_and_close(CloseCode.POLICY, "too much at once")
        one.channel.write(batch("too late"))
        await one.peer.say("too late")
        assert await one.peer.texts(4) == texts
        assert await one.peer.close_code() == (1008, "too much at once")
        await one.over()
        assert one.receiver.texts == []


@on_every_channel
async def test_a_finish_for_a_peer_that_does_not_read_comes_to_an_end(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.transports.socket_channel.LINGER", 0.05)
    monkeypatch.setattr("app.transports.asgi_channel.LINGER", 0.05)
    async with opened() as one:
        one.channel.write(batch(*MORE_THAN_THE_KERNEL_HIDES))
        one.channel.flush_and_close(CloseCode.POLICY)
        await one.over()
        with anyio.fail_after(DEADLINE):
            assert not await one.channel.writable()


@on_every_channel
async def test_what_is_paused_is_not_read_on_before_it_is_resumed(opened: Open) -> None:
    async with opened() as one:
        one.receiver.do = lambda text: one.channel.pause_reading() if text == "pause" else None
        await one.peer.say("pause")
        await until(lambda: one.receiver.texts == ["pause"])
        await one.peer.say("a", "b")
        for _ in range(100):
            await anyio.lowlevel.checkpoint()
        assert one.receiver.texts == ["pause"]
        one.channel.write(batch("it is written to all the same"))
        assert await one.peer.texts(1) == ["it is written to all the same"]
        one.channel.resume_reading()
        await until(lambda: one.receiver.texts == ["pause", "a", "b"])


@on_every_channel
async def test_the_listener_may_end_the_connection_from_what_it_hears(opened: Open) -> None:
    async with opened() as one:
        one.receiver.do = lambda text: one.channel.close(CloseCode.POLICY, text)
        await one.peer.say("enough", "not heard", "nor that")
        assert await one.peer.close_code() == (1008, "enough")
        await one.over()
        assert one.receiver.texts == ["enough"]


@on_every_channel
async def test_a_paused_connection_ends_too(opened: Open) -> None:
    async with opened() as one:
        one.channel.pause_reading()
        one.channel.close(CloseCode.RESTARTING)
        assert await one.peer.close_code() == (1012, "")
        await one.over()


@on_every_channel
async def test_the_end_is_told_once_whoever_ends_it(opened: Open) -> None:
    async with opened() as one:
        await one.peer.say("bye")
        await until(lambda: one.receiver.texts)
        await one.peer.leave()
        await one.over()
        one.channel.close(CloseCode.BYE)
        one.channel.flush_and_close(CloseCode.BYE)
    async with opened() as one:
        one.channel.close(CloseCode.POLICY)
        await one.peer.leave()
        await one.over()


@on_every_channel
async def test_nothing_happens_after_the_end(opened: Open) -> None:
    async with opened() as one:
        await one.peer.leave()
        await one.over()
        for _ in range(20):
            one.channel.write(batch("x", "y"))
        one.channel.pause_reading()
        one.channel.resume_reading()
        with anyio.fail_after(DEADLINE):
            assert not await one.channel.writable()
        one.channel.flush_and_close(CloseCode.BYE)
        one.channel.close(CloseCode.BYE)
        one.channel.write(batch("x"))


@on_socket_channels
async def test_a_line_never_writes_to_a_descriptor_that_is_anothers_by_now(opened: Open) -> None:
    """The kernel reuses the lowest free number: a write after the end would reach somebody else."""
    async with opened() as one:
        assert isinstance(one.channel.sender, socket.SocketType)
        descriptor = one.channel.sender.fileno()
        assert descriptor >= 0
        one.peer.end.close()
        await one.over()
        await until(one.channel._closed.done)
        assert one.channel.sender.fileno() == -1
        pairs: list[tuple[socket.socket, socket.socket]] = []
        while descriptor not in [end.fileno() for pair in pairs for end in pair]:
            pairs.append(socket.socketpair())
            assert len(pairs) < 1000
        for _ in range(20):
            one.channel.write(batch("a secret"))
            one.channel.write(b"a secret")
            one.channel.ping()
        ends = [end for pair in pairs for end in pair]
        for end in ends:
            end.setblocking(False)
            with pytest.raises(BlockingIOError):
                end.recv(1)
        for end in ends:
            end.close()


@on_socket_channels
async def test_a_line_whose_peer_has_gone_is_written_to_without_harm(opened: Open) -> None:
    """The kernel reports it at a write, before the event loop does. A broadcast must not stop there."""
    async with opened() as one:
        await one.peer.say("x")
        await until(lambda: one.receiver.texts)
        one.channel.write(batch("x" * 3000))
        one.peer.end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        one.peer.end.close()
        for _ in range(50):
            one.channel.write(batch("x"))
        assert not one.receiver.ends, "not in the middle of somebody else's work"
        await one.over()
        await until(one.channel._closed.done)
        assert one.channel.sender.fileno() == -1


@on_socket_channels
async def test_pings_are_answered_also_between_fragments(opened: Open) -> None:
    async with opened() as one:
        await one.peer.send(frame(Opcode.PING, b"there?") + frame(Opcode.TEXT, b"Hel", fin=False))
        await one.peer.send(frame(Opcode.PING, b"\xff" * 125) + frame(Opcode.CONTINUATION, b"lo"))
        assert await one.peer.frame() == (Opcode.PONG, b"there?")
        assert await one.peer.frame() == (Opcode.PONG, b"\xff" * 125)
        await until(lambda: one.receiver.texts == ["Hello"])


@on_socket_channels
async def test_a_close_is_answered_with_its_code_and_the_connection_ended(opened: Open) -> None:
    for payload in (b"\x03\xe8bye", b"\x0f\xa1", b""):
        async with opened() as one:
            await one.peer.send(frame(Opcode.CLOSE, payload) + frame(Opcode.TEXT, b"after"))
            assert await one.peer.frame() == (Opcode.CLOSE, payload[:2])
            with pytest.raises(EOFError):
                await one.peer.frame()
            await one.over()
            assert one.receiver.texts == []


@on_socket_channels
async def test_a_wrong_frame_is_closed_with_its_code_and_nothing_is_read_after_it(opened: Open) -> None:
    for wrong, code in ((frame(3), 1002), (frame(1, b"\xff"), 1007), (frame(1, bytes(LIMIT + 1)), 1009)):
        async with opened() as one:
            with suppress(ConnectionError):
                await one.peer.send(frame(1, b"before") + wrong[:5000] + frame(1, b"after") + frame(9))
            assert (await one.peer.close_code())[0] == code
            with pytest.raises(EOFError):
                await one.peer.frame()
            assert one.receiver.texts == ["before"]


@on_socket_channels
async def test_a_peer_that_answers_pings_stays(opened: Open) -> None:
    async with opened(period=0.05, patience=2) as one:
        for _ in range(10):
            assert await one.peer.frame() == (Opcode.PING, b"")
            await one.peer.send(frame(Opcode.PONG))
        assert not one.receiver.ends


@on_socket_channels
async def test_a_peer_that_does_not_answer_a_ping_is_ended_with_1011(opened: Open) -> None:
    async with opened(period=0.05, patience=0.1) as one:
        assert await one.peer.frame() == (Opcode.PING, b"")
        assert await one.peer.close_code() == (1011, "no answer to a ping")
        await one.over()


@on_socket_channels
async def test_a_peer_that_is_full_and_reads_nothing_is_ended_for_want_of_an_answer(opened: Open) -> None:
    async with opened(period=0.05, patience=0.1) as one:
        one.channel.write(batch(*MORE_THAN_THE_KERNEL_HIDES))
        assert one.channel.full
        await one.over()


@on_socket_channels
async def test_a_peer_that_reads_is_there_even_if_there_is_no_room_to_ask(opened: Open) -> None:
    """It has more to read than it can within the ping timeout."""
    async with opened(period=0.1, patience=1) as one:
        one.channel.write(batch(*MORE_THAN_THE_KERNEL_HIDES))
        loop = asyncio.get_running_loop()
        end = loop.time() + 2.5
        while loop.time() < end:
            await loop.sock_recv(one.peer.end, 8192)
            tick = asyncio.Event()
            loop.call_later(0.03, tick.set)
            await tick.wait()
        assert one.channel.full
        assert not one.receiver.ends


@on_socket_channels
async def test_a_thousand_pings_from_a_peer_that_reads_nothing_cut_it_off(opened: Open) -> None:
    async with opened() as one:
        one.channel.write(batch(*MORE_THAN_THE_KERNEL_HIDES[:4]))
        before = one.channel.pending()
        assert before
        pings = frame(Opcode.PING, bytes(125)) * 1000
        with suppress(ConnectionError):
            await one.peer.send(pings)
        await one.over()


@on_socket_channels
async def test_who_begins_after_the_end_is_told_it_at_once(anyio_backend: Any, opened: Open) -> None:
    loop = asyncio.get_running_loop()
    ours, theirs = tcp_pair()
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
    channel, receiver = (
        SocketChannel(transport, set(), WholeTexts(LIMIT), Heartbeat(loop, 0, 0, 0)),
        RecordingReceiver(),
    )
    transport.set_protocol(channel)
    gone = channel.closed()
    theirs.close()
    with anyio.fail_after(DEADLINE):
        await gone
    assert not receiver.ended.is_set()
    channel.start(receiver)
    assert receiver.ended.is_set()


@on_every_channel
async def test_many_at_once_do_not_disturb_each_other(opened: Open) -> None:
    async with AsyncExitStack() as stack:
        many = [await stack.enter_async_context(opened(stall=0.2)) for _ in range(8)]
        shared = batch("for", "all")
        for text in MORE_THAN_THE_KERNEL_HIDES:
            many[3].channel.write(batch(text))
        await many[5].peer.leave()
        await many[3].over()
        await many[5].over()
        for one in many:
            one.channel.write(shared)
        for number, one in enumerate(many):
            if number not in (3, 5):
                assert await one.peer.texts(2) == ["for", "all"]
                assert not one.receiver.ends
