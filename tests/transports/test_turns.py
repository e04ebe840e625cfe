"""What one client sends at once is handled in turns with everyone else, and frames of every kind count."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, cast

import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.chat.closing import CloseCode
from app.testing import Host, test_application
from app.transports import frames, hardened_websocket, socket_channel
from app.transports.frame_limit import BURST, FrameLimit, FrameSplitter
from app.transports.frames import DEFLATED, Opcode, WholeTexts, deflate
from app.transports.heartbeat import Heartbeat
from app.transports.outboxes import Outboxes
from app.transports.reading_turns import CONNECTION, LEAVING, SIZE, TURN, ReadingTurns, reading_turns
from app.transports.socket_channel import SocketChannel
from tests.clients import DEADLINE, Raw, frame
from tests.transports.comparison import Application, echo
from tests.transports.harness import client, server

pytestmark = pytest.mark.anyio
TEXT, PING = Opcode.TEXT, Opcode.PING


class Transport(asyncio.Transport):
    """A transport whose client sends what a test passes to `data_received`."""

    def __init__(self) -> None:
        super().__init__()
        self.reading = self.ended = False
        self.written = b""

    def resume_reading(self) -> None:
        self.reading = True

    def pause_reading(self) -> None:
        self.reading = False

    def is_closing(self) -> bool:
        return self.ended

    def abort(self) -> None:
        self.ended = True

    def write(self, data: Any) -> None:
        self.written += data

    def can_write_eof(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0


OPENED: list[Client] = []


@pytest.fixture(autouse=True)
def _ended() -> Iterator[None]:
    """Leave no connection open, nor any of its timers."""
    yield
    for one in OPENED:
        one.channel._receiver = None  # nobody has to be told: there are no more turns
        one.channel.connection_lost(None)
    OPENED.clear()


class Client:
    """What a SocketChannel hears from its client."""

    def __init__(self, limit: float = 0, *, inflates: bool = False) -> None:
        self.texts: list[str] = []
        self.do: Callable[[], object] = lambda: None
        self.transport = Transport()
        heartbeat = Heartbeat(asyncio.get_running_loop(), 0, 0, 0)
        texts = WholeTexts(100_000, inflates=inflates)
        self.channel = SocketChannel(self.transport, set(), texts, heartbeat, FrameLimit.of(limit))
        self.channel.start(self)
        OPENED.append(self)

    def text_received(self, text: str) -> None:
        self.texts.append(text)
        self.do()

    def channel_closed(self) -> None:
        self.texts.append("closed")

    def send(self, *sent: bytes) -> None:
        self.channel.data_received(b"".join(sent))


async def test_a_turn_handles_so_many_frames_of_one_connection() -> None:
    one = Client()
    one.send(frame(TEXT, b"x") * 1000)
    while len(one.texts) < 1000:
        before = len(one.texts)
        assert not one.transport.reading, "nothing more is read meanwhile"
        await anyio.lowlevel.checkpoint()
        assert 0 < len(one.texts) - before <= CONNECTION
    await anyio.lowlevel.checkpoint()
    assert one.transport.reading


async def test_a_connection_has_a_frame_reader_only_while_a_message_is_incomplete() -> None:
    def readers() -> int:
        return sum(type(one) is frames.FrameReader for one in gc.get_objects())

    before, one = readers(), Client()
    half = frame(TEXT, b"in two pieces")
    for pieces in (
        [frame(TEXT, b"whole")],
        [frame(PING)],
        [frame(TEXT, b"a", fin=False), frame(0, b"b")],
        [half[:5], half[5:]],
    ):
        for piece in pieces[:-1]:
            one.send(piece)
            assert readers() == before + 1
        one.send(pieces[-1])
        assert readers() == before
    one.send(frame(TEXT, b"a") * (CONNECTION + 1))
    assert readers() == before + 1, "some of it waits for its turn"
    while one.texts[3:] != ["a"] * (CONNECTION + 1):
        await anyio.lowlevel.checkpoint()
    assert one.texts[:3] == ["whole", "ab", "in two pieces"]
    assert readers() == before


async def test_long_texts_count_for_more() -> None:
    one, said = Client(), [f"{number:{1 << SIZE}}" for number in range(100)]
    one.send(*(frame(TEXT, text.encode()) for text in said))
    while one.texts != said:
        before = len(one.texts)
        await anyio.lowlevel.checkpoint()
        assert 0 < len(one.texts) - before <= CONNECTION // 2


async def test_a_crowd_that_leaves_at_once_is_taken_leave_of_in_turns() -> None:
    """Each of them may be in many rooms. What is done to those who wait does no harm."""
    outboxes, crowd = Outboxes(0), [Client() for _ in range(100)]
    shares = [outboxes.share(str(number)) for number in range(2)]
    for number, one in enumerate(crowd):
        one.channel.share = shares[number % 2]
        one.send(frame(PING))
    await anyio.lowlevel.checkpoint()
    gone = [one.channel.closed() for one in crowd]
    for one in crowd:
        one.transport.ended = True
        one.channel.connection_lost(None)
        OPENED.remove(one)
        assert not await one.channel.writable()
    left = sum(one.texts == ["closed"] for one in crowd)
    assert left <= TURN // LEAVING + len(shares)
    waiting = [one for one in crowd if not one.texts]
    for one in waiting:
        assert not one.channel.closed().done()
        one.transport.written = b""
        one.channel.write(b"xx")
        one.channel.shutdown()
        assert not one.transport.written
    while left < len(crowd):
        await anyio.lowlevel.checkpoint()
        before, left = left, sum(one.texts == ["closed"] for one in crowd)
        assert 0 < left - before <= TURN // LEAVING
    for future in gone:
        await future


async def test_a_turn_handles_so_many_frames_of_all_connections() -> None:
    """Also if each connection has sent but one."""
    outboxes, crowd = Outboxes(0), [Client() for _ in range(100)]
    shares = [outboxes.share(str(number)) for number in range(2)]
    for number, one in enumerate(crowd):
        one.channel.share = shares[number % 2]
        one.send(frame(TEXT, b"x"))
    said = sum(len(one.texts) for one in crowd)
    assert said <= TURN + 2
    while said < len(crowd):
        await anyio.lowlevel.checkpoint()
        before, said = said, sum(len(one.texts) for one in crowd)
        assert 0 < said - before <= TURN
    for _ in range(2):
        await anyio.lowlevel.checkpoint()
    assert all(one.transport.reading for one in crowd)


async def test_while_there_is_nobody_else_a_turn_has_no_bound() -> None:
    crowd = [Client() for _ in range(100)]
    for one in crowd:
        one.send(frame(TEXT, b"x"))
    assert all(one.texts == ["x"] for one in crowd)
    assert all(one.transport.reading for one in crowd)


async def test_nobody_waits_behind_the_crowd_of_another_address() -> None:
    outboxes = Outboxes(0)
    crowd, bystander = [Client() for _ in range(100)], Client()
    theirs, bystander.channel.share = outboxes.share("crowd"), outboxes.share("bystander")
    bystander.send(frame(TEXT, b"before"))
    for one in crowd:
        one.channel.share = theirs
        one.send(frame(TEXT, b"x") * 50)
    bystander.send(frame(TEXT, b"at once"))
    assert bystander.texts == ["before", "at once"]
    bystander.send(frame(TEXT, b"next") * 2)
    for _ in range(4):
        await anyio.lowlevel.checkpoint()
    assert bystander.texts == ["before", "at once", "next", "next"]
    assert sum(len(one.texts) for one in crowd) <= 6 * TURN


async def test_what_is_left_of_a_connection_that_ended_is_dropped() -> None:
    one = Client()
    one.send(frame(TEXT, b"x") * 100)
    one.channel.connection_lost(None)
    OPENED.remove(one)
    said = len(one.texts)
    for _ in range(20):
        await anyio.lowlevel.checkpoint()
    assert len(one.texts) == said


async def test_what_is_sent_after_the_end_is_received_in_turn_too() -> None:
    outboxes, crowd = Outboxes(0), [Client(limit=1) for _ in range(100)]
    for number, one in enumerate(crowd):
        one.channel.share = outboxes.share(str(number % 2))
        one.send(frame(PING) * 10)
    for _ in range(1000):
        await anyio.lowlevel.checkpoint()
    assert all(one.texts == ["closed"] and one.transport.reading for one in crowd)
    for one in crowd:
        one.send(frame(PING) * 1000)
    assert not any(one.transport.reading for one in crowd)
    while not all(one.transport.reading for one in crowd):
        before = sum(one.transport.reading for one in crowd)
        await anyio.lowlevel.checkpoint()
        assert 0 < sum(one.transport.reading for one in crowd) - before <= TURN


async def test_a_turn_goes_on_after_a_connection_that_fails() -> None:
    loop, failures = asyncio.get_running_loop(), list[Any]()
    turns = reading_turns(loop)

    class Failing:
        def take_turn(self) -> None:
            raise RuntimeError

    loop.set_exception_handler(lambda _, context: failures.append(context["exception"]))
    one = Client()
    for _ in range(3):
        turns.wait(Failing(), "failing")
    one.send(frame(TEXT, b"x") * 100)
    for _ in range(100):
        await anyio.lowlevel.checkpoint()
    assert one.texts == ["x"] * 100
    assert len(failures) == 3
    assert reading_turns(loop) is turns


async def test_what_a_client_sends_meanwhile_waits_behind_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_channel, "CONNECTION", 1)
    one = Client()
    one.send(frame(TEXT, b"a"), frame(TEXT, b"b"))
    one.send(frame(TEXT, b"c"))
    one.send(frame(TEXT, b"d")[:3])
    one.send(frame(TEXT, b"d")[3:])
    for _ in range(20):
        await anyio.lowlevel.checkpoint()
    assert one.texts == ["a", "b", "c", "d"]


async def test_what_was_received_waits_while_the_receiver_reads_nothing() -> None:
    one = Client()
    one.do = one.channel.pause_reading
    one.send(*(frame(TEXT, b"x") for _ in range(3)))
    for number in (1, 2, 3):
        for _ in range(3):
            await anyio.lowlevel.checkpoint()
        assert one.texts == ["x"] * number
        assert not one.transport.reading
        one.channel.resume_reading()
    await anyio.lowlevel.checkpoint()
    assert one.transport.reading


async def test_nothing_is_inflated_or_handled_after_a_close(monkeypatch: pytest.MonkeyPatch) -> None:
    inflated = 0
    inflate = frames.inflate

    def counted(payload: bytes, limit: int) -> Any:
        nonlocal inflated
        inflated += 1
        return inflate(payload, limit)

    monkeypatch.setattr(frames, "inflate", counted)
    one = Client(inflates=True)
    one.do = lambda: one.channel.flush_and_close(CloseCode.POLICY)
    bomb = frame(TEXT | DEFLATED, deflate(b"x" * 60_000))
    one.send(*[bomb] * 500)
    for _ in range(20):
        await anyio.lowlevel.checkpoint()
    one.send(*[bomb] * 500)
    assert one.texts == ["x" * 60_000, "closed"]
    assert inflated == 1


async def test_a_close_frame_is_still_found_behind_what_is_skipped() -> None:
    one = Client()
    one.do = lambda: one.channel.flush_and_close(CloseCode.POLICY)
    closed = False

    def close() -> None:
        nonlocal closed
        closed = True

    cast(Any, one.transport).close = close
    one.send(frame(TEXT, b"x"), frame(PING), frame(TEXT, b"\xff"), frame(TEXT, b"y"), frame(8, b"\x03\xe8"))
    assert closed
    assert one.texts == ["x", "closed"]


KINDS = {
    "ping": frame(PING),
    "pong": frame(10),
    "binary": frame(2),
    "text": frame(TEXT, b'{"t":"typing","room":"x"}'),
    "fragment": frame(TEXT, fin=False) + frame(0, fin=False) * 9999,
    "mixed": frame(PING) + frame(2) + frame(10),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_frames_of_every_kind_count(kind: str) -> None:
    one = Client(limit=1)
    one.send(KINDS[kind] * 1000)
    for _ in range(1000):
        await anyio.lowlevel.checkpoint()
    closing = frames.encode_close(CloseCode.POLICY, "Too many frames: the limit is 1 a second")
    assert one.transport.written.endswith(closing)
    assert one.transport.written.count(b"\x8a") <= BURST + 1
    assert one.texts[-1] == "closed"
    one.send(KINDS[kind])
    assert one.texts[-1] == "closed"


async def test_a_client_gets_frames_for_the_time_that_passed() -> None:
    now, loop = 1000.0, asyncio.get_running_loop()
    one = Client(limit=2)
    limit = FrameLimit.of(2)
    assert limit.refill(1) == 2
    assert limit.refill(1000) == limit.burst == 2 * BURST
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "time", lambda: now)
        for _ in range(100):
            one.send(frame(TEXT, b"x"))
            await anyio.lowlevel.checkpoint()
            now += 0.5
        assert len(one.texts) == 100
        for _ in range(100):
            one.send(frame(TEXT, b"x"))
            await anyio.lowlevel.checkpoint()
    assert 100 + 2 <= len(one.texts) - 1 <= 100 + 2 * limit.burst
    assert one.texts[-1] == "closed"


@pytest.mark.parametrize("kind", ["ping", "pong", "binary"])
def test_a_client_that_sends_frames_without_end_is_closed_with_1008(kind: str) -> None:
    with test_application(overrides={"chat.limits.rate": 10}, server=True) as host, visit(host) as raw:
        raw.socket.sendall(KINDS[kind] * 3000 + frame(8, b"\x03\xe8"))
        assert raw.close_code() == CloseCode.POLICY


@pytest.mark.parametrize("kind", KINDS)
def test_frames_count_on_every_route(kind: str) -> None:
    """Also where uvicorn's protocol serves the connection."""
    with test_application("app.modules.echo.module", base=(), server=True) as host, visit(host, "/echo") as raw:
        raw.socket.sendall(KINDS[kind] * (1 if kind == "fragment" else 3000) + frame(8, b"\x03\xe8"))
        assert raw.close_code() == CloseCode.POLICY


def test_messages_count_on_other_servers() -> None:
    overrides = {"app.websockets.frames": 1}
    with test_application("app.modules.echo.module", base=(), overrides=overrides) as host:
        socket = host.websocket("/echo")
        assert socket.receive() == "You are connected!"
        for _ in range(100):
            socket.send(b"")
        assert socket.closed() == CloseCode.POLICY


@pytest.mark.parametrize("count", [1, 64])
async def test_an_application_gets_what_arrived_at_once_in_order_and_in_turns(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardened_websocket, "TURN_FRAMES", count)
    said = [frame(TEXT, b"a", fin=False) + frame(PING) + frame(0, b"b"), *[frame(TEXT, b"%d" % n) for n in range(200)]]

    async with server(Application(echo)) as port, client(port) as one:
        await one.head()
        one.writer.write(b"".join(said))
        assert await one.frame() == (Opcode.PONG, b"")
        assert await one.frame() == (TEXT, b"ab")
        for number in range(200):
            assert await one.frame() == (TEXT, b"%d" % number)
        one.writer.write(frame(Opcode.CLOSE, b"\x03\xe8"))
        assert await one.frame() == (Opcode.CLOSE, b"\x03\xe8")


@given(st.lists(st.tuples(st.sampled_from([0, 1, 125, 126, 127, 300, 66_000]), st.booleans()), max_size=8), st.data())
def test_frames_are_counted_where_they_begin(sizes: list[tuple[int, bool]], data: st.DataObject) -> None:
    parts = [frame(TEXT, bytes(size), masked=masked) for size, masked in sizes]
    whole, splitter, starts = b"".join(parts), FrameSplitter(), {0}
    for part in parts:
        starts.add(max(starts) + len(part))
    starts.discard(len(whole))
    position = counted = 0
    while position < len(whole):
        piece = whole[position : position + data.draw(st.integers(1, 70_000))]
        while piece:
            size, begun = splitter.split(piece, data.draw(st.integers(1, 3)), data.draw(st.integers(1, 70_000)))
            assert begun == len([start for start in starts if position <= start < position + size])
            assert size or not begun
            position, counted, piece = position + size, counted + begun, piece[size:]
    assert counted == len(parts)


def test_where_messages_have_no_rate_frames_have_none() -> None:
    with test_application(overrides={"chat.limits.rate": 0}, server=True) as host, visit(host) as raw:
        raw.socket.sendall(frame(PING) * 3000 + frame(8, b"\x03\xe8"))
        assert raw.close_code() == CloseCode.BYE


def visit(host: Host, path: str = "/chat") -> Raw:
    return Raw(int(host.url.rpartition(":")[2]), path)


async def test_pings_are_a_part_of_the_turn() -> None:
    clients = [Client() for _ in range(20)]
    for one in clients:
        one.send(frame(PING) * 50, frame(TEXT, b"x"))
    before = sum(one.transport.written.count(b"\x8a\x00") for one in clients)
    while before < 20 * 50:
        await anyio.lowlevel.checkpoint()
        pongs = sum(one.transport.written.count(b"\x8a\x00") for one in clients)
        assert 0 <= pongs - before <= TURN
        before = pongs
    for _ in range(3):
        await anyio.lowlevel.checkpoint()
    assert all(one.texts == ["x"] for one in clients)


def test_everything_is_answered_however_little_a_turn_handles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Handshakes, requests and messages wait in turn, and none is lost or out of order."""
    monkeypatch.setattr("app.transports.reading_turns.TURN", 1)
    monkeypatch.setattr(ReadingTurns, "shared", True)
    modules = "app.modules.echo.module", "app.modules.health.module"
    with test_application(*modules, base=(), server=True) as host, ExitStack() as stack:
        port = int(host.url.rpartition(":")[2])
        requests = [stack.enter_context(socket.create_connection(("127.0.0.1", port), DEADLINE)) for _ in range(10)]
        for request in requests:
            request.sendall(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 3)
        sockets = [visit(host, "/echo") for _ in range(10)]
        for one in sockets:
            stack.enter_context(one.socket)
            one.socket.sendall(b"".join(frame(TEXT, b"%d" % number) for number in range(30)))
        for one in sockets:
            said = [one.frame() for _ in range(31)]
            assert said[1:] == [(TEXT, b"You said: %d" % number) for number in range(30)]
        for request in requests:
            answered = b""
            while answered.count(b"HTTP/1.1 200 OK") < 3:
                answered += request.recv(65536)
