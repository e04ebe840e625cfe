"""What only `fast` has: the hand-over from uvicorn, and the wheel. What every way promises is in `tests/contracts`."""

from __future__ import annotations

import asyncio
import gc
import logging
import ssl
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol, cast

import anyio
import anyio.lowlevel
import pytest
import trustme
import uvicorn
from starlette.websockets import WebSocket
from uvicorn.server import ServerState

from app.chat.closing import CloseCode
from app.transports import Batch, Frame
from app.transports.asgi_channel import AsgiChannel
from app.transports.fast import FastProtocol
from app.transports.framing import Opcode
from app.transports.opening import Opening
from app.transports.socket_channel import HANDOVER, SocketChannel
from app.transports.wheel import TICKS, Wheel
from tests.clients import Served, frame, serving

DEADLINE = 20
LIMIT = 65_536
HEAD = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
LOOPS = [
    pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
    pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop"),
]
on_every_loop = pytest.mark.parametrize("anyio_backend", LOOPS)


class Ear:
    """A Receiver that keeps what it is told."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.over = asyncio.Event()

    def text_received(self, text: str) -> None:
        self.texts.append(text)

    def channel_closed(self) -> None:
        assert not self.over.is_set()
        self.over.set()


class Application(Protocol):
    """An application, and what uvicorn keeps of those who are connected to it."""

    state: ServerState

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


class Endpoint:
    """An application that takes each connection over if it can, and carries it itself if it can't."""

    def __init__(self) -> None:
        self.ears: list[Ear] = []
        self.lines: list[SocketChannel | None] = []
        self.protocols: list[weakref.ref[Any]] = []
        self.before_accept: Callable[[], Awaitable[object]] | None = None
        self.state = ServerState()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        websocket = WebSocket(scope, receive, send)
        ear = Ear()
        self.ears.append(ear)
        self.protocols.append(weakref.ref(scope["extensions"][HANDOVER].__self__))
        if self.before_accept is not None:
            await self.before_accept()
        await websocket.accept()
        line = scope["extensions"][HANDOVER](LIMIT, 30.0)
        self.lines.append(line)
        way = line or AsgiChannel(LIMIT, 30.0)
        way.put(Batch([Frame("welcome")]))
        if line is not None:
            line.begin(ear)
        else:
            await way.carry(websocket, ear)


class Client:
    """A client that sends bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def head(self) -> bytes:
        with anyio.fail_after(DEADLINE):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def frame(self) -> tuple[int, bytes]:
        with anyio.fail_after(DEADLINE):
            first, size = await self.reader.readexactly(2)
            if size > 125:
                size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8))
            return first & 15, await self.reader.readexactly(size)

    async def end(self) -> bytes:
        """What comes until the end."""
        with anyio.fail_after(DEADLINE):
            return await self.reader.read()


@asynccontextmanager
async def server(
    endpoint: Application, tls: ssl.SSLContext | None = None, way: Any = Opening, *, deflate: bool = False
) -> AsyncIterator[int]:
    """uvicorn's protocols without its server, the first of them `way`; the port."""
    config = uvicorn.Config(
        endpoint, http=way, ws=FastProtocol, ws_max_size=LIMIT, ws_per_message_deflate=deflate, log_config=None
    )
    config.load()
    loop = asyncio.get_running_loop()

    def protocol() -> asyncio.Protocol:
        return cast(asyncio.Protocol, way(config=config, server_state=endpoint.state, app_state={}))

    listening = await loop.create_server(protocol, "127.0.0.1", 0, ssl=tls)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
    with anyio.fail_after(DEADLINE):
        while endpoint.state.connections or endpoint.state.tasks:
            await anyio.lowlevel.checkpoint()


def tls_contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What a server and its client need."""
    authority = trustme.CA()
    ours, theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(ours)
    authority.configure_trust(theirs)
    return ours, theirs


@asynccontextmanager
async def client(port: int, said: bytes = HEAD, tls: ssl.SSLContext | None = None) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    writer.write(said)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
    await writer.wait_closed()


async def until(condition: Callable[[], object]) -> None:
    with anyio.fail_after(DEADLINE):
        while not condition():
            await anyio.lowlevel.checkpoint()


@pytest.mark.anyio
@on_every_loop
async def test_a_connection_is_handed_over_and_what_served_the_handshake_is_freed() -> None:
    endpoint = Endpoint()
    async with server(endpoint) as port:
        async with client(port) as one:
            assert b"101" in await one.head()
            assert await one.frame() == (Opcode.TEXT, b"welcome"), "nothing comes before the answer to the handshake"
            [line], [ear] = endpoint.lines, endpoint.ears
            assert line is not None
            assert {line} == cast("set[Any]", endpoint.state.connections)
            await until(lambda: not endpoint.state.tasks)
            gc.collect()
            await until(lambda: endpoint.protocols[0]() is None)
            one.writer.write(frame(1, b"hello") + frame(9, b"there?"))
            assert await one.frame() == (Opcode.PONG, b"there?")
            assert ear.texts == ["hello"]
        await until(ear.over.is_set)
    assert not endpoint.state.connections


@pytest.mark.anyio
@on_every_loop
async def test_what_is_written_in_the_turn_of_the_hand_over_comes_after_the_handshake() -> None:
    """uvloop writes at the end of a turn: the answer to the handshake may still wait when the line takes over."""
    endpoint = Endpoint()
    async with server(endpoint) as port:
        for _ in range(20):
            async with client(port) as one:
                assert (await one.head()).startswith(b"HTTP/1.1 101 ")
                assert await one.frame() == (Opcode.TEXT, b"welcome")
        for line in endpoint.lines:
            assert line is not None
            await until(lambda line=line: not line.full)  # type: ignore[misc]


@pytest.mark.anyio
@on_every_loop
@pytest.mark.parametrize("cut", range(len(frame(1, b"early")) + 1))
async def test_what_comes_with_the_handshake_is_heard_and_such_a_connection_not_handed_over(cut: int) -> None:
    endpoint = Endpoint()
    early = frame(1, b"early")
    async with server(endpoint) as port:
        async with client(port, HEAD + early[:cut]) as one:
            assert b"101" in await one.head()
            assert await one.frame() == (Opcode.TEXT, b"welcome")
            one.writer.write(early[cut:] + frame(1, b"late") + frame(9, b"there?"))
            assert await one.frame() == (Opcode.PONG, b"there?")
            [line], [ear] = endpoint.lines, endpoint.ears
            assert (line is None) == (cut > 0)
            await until(lambda: ear.texts == ["early", "late"])
            one.writer.write(frame(8, b"\x03\xe8"))
            assert await one.frame() == (Opcode.CLOSE, b"\x03\xe8")
        await until(ear.over.is_set)


@pytest.mark.anyio
@on_every_loop
async def test_what_comes_before_the_answer_to_the_handshake_waits_for_it() -> None:
    endpoint = Endpoint()
    entered, release = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        entered.set()
        await release.wait()

    endpoint.before_accept = wait
    async with server(endpoint) as port:
        async with client(port) as one:
            await until(entered.is_set)
            one.writer.write(frame(9, b"1") + frame(1, b"early"))
            await until(lambda: any(getattr(one, "_early", b"") for one in endpoint.state.connections))
            release.set()
            assert b"101" in await one.head()
            assert await one.frame() == (Opcode.PONG, b"1")
            assert await one.frame() == (Opcode.TEXT, b"welcome")
            await until(lambda: endpoint.ears[0].texts == ["early"])
            one.writer.write(frame(9, b"2"))
            assert await one.frame() == (Opcode.PONG, b"2")
        await until(endpoint.ears[0].over.is_set)


@pytest.mark.anyio
@on_every_loop
@pytest.mark.parametrize(("wrong", "code"), [(frame(3), 1002), (frame(1, b"\xff"), 1007), (b"\x81\x01x", 1002)])
async def test_a_wrong_frame_with_the_handshake_leaves_no_trace(
    wrong: bytes, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint = Endpoint()
    async with server(endpoint) as port:
        async with client(port, HEAD + wrong) as one:
            assert b"101" in await one.head()
            while (got := await one.frame())[0] != Opcode.CLOSE:
                pass
            assert int.from_bytes(got[1][:2]) == code
            assert await one.end() == b""
        await until(endpoint.ears[0].over.is_set)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.anyio
@on_every_loop
async def test_nothing_more_goes_through_asgi_once_a_connection_is_handed_over() -> None:
    failed: list[BaseException] = []
    ear = Ear()

    class Twice(Endpoint):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await WebSocket(scope, receive, send).accept()
            line = scope["extensions"][HANDOVER](LIMIT, 30.0)
            line.begin(ear)
            try:
                await send({"type": "websocket.send", "text": "x"})
            except RuntimeError as error:
                failed.append(error)
            line.put(Batch([Frame("all the same")]))

    async with server(Twice()) as port:
        async with client(port) as one:
            await one.head()
            assert await one.frame() == (Opcode.TEXT, b"all the same")
        await until(ear.over.is_set)
    assert "handed over" in str(failed[0])


@pytest.mark.anyio
@on_every_loop
async def test_tls_goes_through_the_transport() -> None:
    ours, theirs = tls_contexts()
    endpoint = Endpoint()
    texts = [str(number) * 30_000 for number in range(10)]
    async with server(endpoint, ours) as port:
        async with client(port, tls=theirs) as one:
            assert b"101" in await one.head()
            assert await one.frame() == (Opcode.TEXT, b"welcome")
            [line], [ear] = endpoint.lines, endpoint.ears
            assert line is not None
            assert line.sender.send(b"x") == 0
            one.writer.write(frame(1, b"hello") + frame(9, b"there?"))
            assert await one.frame() == (Opcode.PONG, b"there?")
            assert ear.texts == ["hello"]
            for text in texts:
                line.put(Batch([Frame(text)]))
            assert [(await one.frame())[1].decode() for _ in texts] == texts
            line.finish(CloseCode.POLICY, "enough")
            assert await one.frame() == (Opcode.CLOSE, b"\x03\xf0enough")
            one.writer.write(frame(8, b"\x03\xf0"))
            assert await one.end() == b""
        await until(ear.over.is_set)


class Clock:
    """A loop in which time passes when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, call: Callable[[], None]) -> Any:
        self.timers.append((self.now + delay, call))
        return self.timers[-1]

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.timers and min(at for at, _ in self.timers) <= end:
            timer = min(self.timers, key=lambda timer: timer[0])
            self.timers.remove(timer)
            self.now = max(self.now, timer[0])
            timer[1]()
        self.now = end


class Watched:
    """As much of a SocketChannel as a Wheel sees; what is done to it is kept, with the time."""

    def __init__(self, clock: Clock, wheel: Wheel) -> None:
        self.clock, self.wheel = clock, wheel
        self.full = False
        self.read = 0
        self.pings: list[float] = []
        self.given_up: list[tuple[float, CloseCode]] = []
        self.answers = True
        self.stays = True
        wheel.add(self.line)

    @property
    def line(self) -> SocketChannel:
        return cast(SocketChannel, self)

    def ping(self) -> None:
        self.pings.append(self.clock.now)
        if self.answers:
            self.wheel.answered(self.line)

    def taken(self) -> int:
        return self.read

    def give_up(self, code: CloseCode, reason: str) -> None:
        self.given_up.append((self.clock.now, code))
        if self.stays:
            self.leave()

    def leave(self) -> None:
        self.wheel.remove(self.line)


def wheel(clock: Clock, period: float = 20, patience: float = 20, stall: float = 30) -> Wheel:
    return Wheel(cast(asyncio.AbstractEventLoop, clock), period, patience, stall)


def test_each_is_pinged_once_a_period_and_not_all_at_once() -> None:
    clock = Clock()
    one = wheel(clock)
    lines = [Watched(clock, one) for _ in range(10 * TICKS)]
    clock.run(205)
    assert {len(line.pings) for line in lines} <= {10, 11}
    for line in lines:
        gaps = [after - before for before, after in zip(line.pings, line.pings[1:], strict=False)]
        assert all(gap == pytest.approx(20, abs=1.3) for gap in gaps)
    busiest = [[line.pings[3] for line in lines].count(at) for at in {line.pings[3] for line in lines}]
    assert max(busiest) <= 20
    assert not [line for line in lines if line.given_up]
    assert len(clock.timers) == 1


def test_time_that_jumps_pings_each_once() -> None:
    clock = Clock()
    one = wheel(clock)
    lines = [Watched(clock, one) for _ in range(TICKS)]
    clock.run(30)
    before = [len(line.pings) for line in lines]
    clock.now += 1000
    clock.run(0)
    assert [len(line.pings) for line in lines] == [count + 1 for count in before]


def test_who_does_not_answer_is_given_up_after_the_timeout_and_removed_meanwhile() -> None:
    clock = Clock()
    one = wheel(clock)
    silent, there = [Watched(clock, one) for _ in range(20)], [Watched(clock, one) for _ in range(20)]
    for line in silent:
        line.answers = False
    clock.run(45)
    for line in silent:
        [(at, code)] = line.given_up
        assert code == CloseCode.PING_TIMEOUT
        assert at - line.pings[0] == pytest.approx(20.6, abs=0.7)
        assert len(line.pings) == 1
    assert not [line for line in there if line.given_up]


def test_who_lingers_after_it_was_given_up_is_in_nobodys_way() -> None:
    clock = Clock()
    one = wheel(clock)
    line = Watched(clock, one)
    line.answers = line.stays = False
    clock.run(100)
    assert line.given_up
    line.leave()
    clock.run(2)
    assert not clock.timers, "no timer for nobody"
    again = Watched(clock, one)
    clock.run(25)
    assert again.pings


def test_who_is_full_and_reads_nothing_is_given_up_after_the_stall() -> None:
    clock = Clock()
    one = wheel(clock, period=0)
    still, slow, moved = (Watched(clock, one) for _ in range(3))
    for line in (still, slow, moved):
        line.full = True
        one.stalled(line.line)
    clock.run(20)
    slow.read += 1
    one.moved(moved.line)
    clock.run(15)
    assert [code for _, code in still.given_up] == [CloseCode.SLOW_READER]
    assert still.given_up[0][0] == pytest.approx(1030, abs=1)
    assert not slow.given_up
    clock.run(35)
    assert slow.given_up
    clock.run(100)
    assert not moved.given_up


def test_who_is_full_and_reads_need_not_answer_what_it_can_t_have_got() -> None:
    clock = Clock()
    one = wheel(clock, stall=0)
    slow, drained, still = (Watched(clock, one) for _ in range(3))
    for line in (slow, drained, still):
        line.full, line.answers = True, False
        one.stalled(line.line)
    for _ in range(20):
        clock.run(10)
        slow.read += 1
        if not drained.given_up:
            one.moved(drained.line)
            one.stalled(drained.line)
    assert not slow.given_up
    assert not drained.given_up
    assert [code for _, code in still.given_up] == [CloseCode.PING_TIMEOUT]


def test_a_wheel_without_periods_does_nothing() -> None:
    clock = Clock()
    one = wheel(clock, 0, 0, 0)
    line = Watched(clock, one)
    one.stalled(line.line)
    clock.run(1000)
    assert not line.pings
    assert not line.given_up


@pytest.fixture(scope="module")
def chat() -> Any:
    with serving("-P:chat.limits.rate=0") as server:
        yield server


def test_the_chat_works_for_who_speaks_before_it_is_let_in(chat: Served) -> None:
    import socket

    head = HEAD.replace(b"GET / ", b"GET /chat ").replace(b"Host: x", f"Host: 127.0.0.1:{chat.port}".encode())
    with socket.create_connection(("127.0.0.1", chat.port), DEADLINE) as early:
        early.sendall(head + frame(1, b"one") + frame(1, b"two")[:3])
        with early.makefile("rb") as answers:
            while answers.readline() != b"\r\n":
                pass
            early.sendall(frame(1, b"two")[3:])

            def text() -> str:
                first, size = answers.read(2)
                assert first == 0x81
                return answers.read(size).decode()

            assert "You are connected!" in text()
            assert [text()[-3:], text()[-3:]] == ["one", "two"]
