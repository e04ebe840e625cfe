"""Sockets are counted from accept on, whatever becomes of them, and a request has to arrive within a time."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Any

import anyio.lowlevel
import pytest
from uvicorn.server import ServerState

from app.refusals import Refusal, RefusalLog
from app.testing import ManualClock
from app.transports import hardened, tls_listener
from app.transports.handover import HANDOVER
from app.transports.sockets import BURST, SPARE, Peer, Sockets
from tests.clients import frame
from tests.transports.comparison import Application, echo
from tests.transports.harness import HEAD, LOOPS, Client, Endpoint, client, on_every_loop, server, tls_contexts, until

pytestmark = pytest.mark.anyio
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
PROXY = "192.0.2.1"


def counted(per_address: int = 0, rate: float = 0, clock: ManualClock | None = None) -> Sockets:
    clock = clock or ManualClock()
    return Sockets(per_address, rate, lambda address: address == PROXY, RefusalLog(clock), clock)


def entered(sockets: Sockets, address: str) -> Peer:
    peer = sockets.enter(address)
    assert isinstance(peer, Peer)
    return peer


def refused(sockets: Sockets, address: str) -> Refusal:
    refusal = sockets.enter(address)
    assert isinstance(refusal, Refusal)
    return refusal


async def test_an_address_has_a_number_of_sockets() -> None:
    sockets = counted(per_address=2)
    peers = [entered(sockets, "2001:db8::1") for _ in range(2 + SPARE)]
    assert refused(sockets, "2001:db8::2").status == 429
    entered(sockets, "2001:db8:0:1::1").leave()
    for address in (PROXY, ""):
        for _ in range(100):
            entered(sockets, address)
    for peer in peers:
        peer.leave()
    entered(sockets, "2001:db8::2").leave()
    assert sockets.open == 200


async def test_an_address_opens_a_number_of_sockets_a_second() -> None:
    clock = ManualClock()
    sockets = counted(per_address=1, rate=2, clock=clock)
    for _ in range(int(2 * BURST)):
        entered(sockets, "10.0.0.1").leave()
    assert refused(sockets, "10.0.0.1").message == "Too many new connections from 10.0.0.1: try again in 1 s"
    entered(sockets, "10.0.0.2").leave()
    clock.advance(1)
    entered(sockets, "10.0.0.1").leave()
    assert sockets.open == 0
    assert not sockets._peers


def has(sockets: Sockets, count: int) -> bool:
    return sockets.open == count


@asynccontextmanager
async def serving(application: Any, sockets: Sockets, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    application.sockets, application.refusals = sockets, sockets._refusals
    async with server(application, tls) as port:
        yield port
    assert sockets.open == 0
    assert not sockets.waiting
    assert not sockets._peers


async def text_of(one: Client) -> bytes:
    return (await one.end()).partition(b"\r\n\r\n")[2]


@on_every_loop
async def test_sockets_that_ask_for_nothing_are_counted_and_leave_again() -> None:
    sockets = counted(per_address=1)
    async with serving(Application(echo), sockets) as port, AsyncExitStack() as stack:
        for number in range(1 + SPARE):
            await stack.enter_async_context(client(port, b""))
            await until(partial(has, sockets, number + 1))
        async with client(port, b"") as one:
            assert await text_of(one) == (
                f"Too many connections from 127.0.0.1: the limit is {1 + SPARE}, whatever they are for\n".encode()
            )


@on_every_loop
async def test_over_tls_sockets_are_counted_before_the_handshake() -> None:
    ours, theirs = tls_contexts()
    sockets = counted(per_address=1)
    async with serving(Application(echo), sockets, ours) as port, AsyncExitStack() as stack:
        for number in range(1 + SPARE):
            await stack.enter_async_context(client(port, b"\x16\x03" if number % 2 else b""))
            await until(partial(has, sockets, number + 1))
        with pytest.raises(ConnectionError):
            await asyncio.open_connection("127.0.0.1", port, ssl=theirs)
        await stack.aclose()
        await until(lambda: sockets.open == 0)
        async with client(port, tls=theirs) as one:
            assert (await one.head()).startswith(b"HTTP/1.1 101")
            assert sockets.open == 1


class CountedTurns(Sockets):
    """Counts how many sockets enter in each turn of the event loop."""

    def __init__(self) -> None:
        clock = ManualClock()
        super().__init__(0, 0, lambda _: True, RefusalLog(clock), clock)
        self.turn, self.turns = 0, Counter[int]()

    def tick(self) -> None:
        self.turn += 1
        asyncio.get_running_loop().call_soon(self.tick)

    def enter(self, address: str) -> Peer | Refusal:
        self.turns[self.turn] += 1
        return super().enter(address)


@pytest.mark.parametrize("anyio_backend", LOOPS[1:])
@pytest.mark.parametrize("secured", [False, True])
async def test_of_sockets_that_come_at_once_a_few_are_accepted_in_each_turn(secured: bool) -> None:
    sockets, count = CountedTurns(), 100
    async with serving(Application(echo), sockets, tls_contexts()[0] if secured else None) as port:
        with ExitStack() as stack:
            for _ in range(count):
                one = stack.enter_context(socket.socket())
                one.settimeout(0)
                one.connect_ex(("127.0.0.1", port))
            sockets.tick()
            await until(lambda: sockets.open == count)
        await until(lambda: sockets.open == 0)
    assert max(sockets.turns.values()) <= tls_listener.AT_ONCE


@on_every_loop
async def test_over_tls_accepting_goes_on_once_there_are_descriptors_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_listener, "PAUSE", 0.01)
    ours, theirs = tls_contexts()
    accept = socket.socket.accept
    failed: list[socket.socket] = []

    def without_descriptors(self: socket.socket) -> Any:
        if len(failed) < 3:
            failed.append(self)
            raise OSError(errno.EMFILE, "Too many open files")
        return accept(self)

    monkeypatch.setattr(socket.socket, "accept", without_descriptors)
    async with serving(Application(echo), counted(), ours) as port, client(port, tls=theirs) as one:
        assert (await one.head()).startswith(b"HTTP/1.1 101")
    assert len(failed) == 3


@on_every_loop
@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01", GET])
async def test_a_tls_listener_has_a_deadline(monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    monkeypatch.setattr(tls_listener, "REQUEST_DEADLINE", 0.01)
    sockets = counted()
    async with serving(Application(echo), sockets, tls_contexts()[0]) as port, client(port, said) as one:
        with suppress(ConnectionError):
            await one.end()
        await until(lambda: sockets.open == 0)


@on_every_loop
async def test_over_tls_who_has_to_make_room_before_the_handshake_begins_is_counted_no_longer() -> None:
    ours, _ = tls_contexts()
    sockets = counted()
    sockets.most = 1
    async with serving(Application(echo), sockets, ours) as port:
        with ExitStack() as stack:
            for _ in range(5):  # all are accepted in one turn
                stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            await until(partial(has, sockets, 1))
        await until(partial(has, sockets, 0))


@on_every_loop
async def test_a_tls_listener_gives_its_place_to_another_one_if_all_are_taken() -> None:
    ours, theirs = tls_contexts()
    sockets = counted()
    sockets.most = 1
    async with serving(Application(echo), sockets, ours) as port, client(port, b"") as silent:
        await until(lambda: sockets.open == 1)
        async with client(port, tls=theirs) as newcomer:
            assert (await newcomer.head()).startswith(b"HTTP/1.1 101")
            with suppress(ConnectionError):
                assert await silent.end() == b""


SAID = {
    "nothing": b"",
    "half": HEAD[:20],
    "http": GET,
    "fast": HEAD,
    "early": HEAD + frame(1, b"x"),
    "junk": b"\x16\x03",
}


@on_every_loop
@pytest.mark.parametrize("kind", SAID)
@pytest.mark.parametrize("application", [Endpoint, lambda: Application(echo)], ids=["taken over", "through ASGI"])
async def test_a_socket_is_counted_until_it_closes(kind: str, application: Any) -> None:
    sockets, served = counted(), application()
    async with serving(served, sockets) as port:
        async with client(port, SAID[kind]) as one:
            if kind in ("http", "fast", "early") and (kind != "http" or isinstance(served, Application)):
                await one.head()
                assert sockets.open == 1
            await until(lambda: sockets.open == 1 or kind == "junk")
        await until(lambda: sockets.open == 0)


@on_every_loop
async def test_where_all_places_are_taken_the_one_that_waited_longest_for_nothing_gives_its_own() -> None:
    sockets = counted()
    sockets.most = 2
    async with serving(Application(echo), sockets) as port, client(port) as busy, client(port, b"") as silent:
        await busy.head()
        await until(lambda: sockets.open == 2)
        async with client(port) as newcomer:
            assert (await newcomer.head()).startswith(b"HTTP/1.1 101")
            with suppress(ConnectionError):
                assert await silent.end() == b""
            async with client(port) as late:
                assert (await late.head()).startswith(b"HTTP/1.1 503 ")


@on_every_loop
async def test_a_request_whose_body_comes_too_slowly_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(hardened, "BODY_SECONDS", 0.01)
    sockets = counted()
    request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nx"
    async with serving(Application(echo), sockets) as port, client(port, request) as one:
        await one.head()
        await until(lambda: sockets.open == 0)
    assert "Refused 127.0.0.1 with 408: the body of its request comes too slowly" in caplog.messages


@on_every_loop
async def test_a_request_whose_body_comes_fast_enough_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardened, "MIN_BODY", 0)
    monkeypatch.setattr(hardened, "BODY_SECONDS", 0.001)
    request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\n"
    async with serving(Application(echo), counted()) as port, client(port, request) as one:
        await one.head()
        for _ in range(40):
            one.writer.write(b"x")
            await anyio.lowlevel.checkpoint()
        one.writer.write(GET)
        assert (await one.reader.readexactly(9)) == b"two words"
        assert (await one.head()).startswith(b"HTTP/1.1 200")


@on_every_loop
async def test_requests_sent_ahead_have_a_number(caplog: pytest.LogCaptureFixture) -> None:
    application = Application(echo)
    async with serving(application, counted()) as port, client(port, GET * 1000) as one:
        assert b"HTTP/1.1 400" in await one.end()
    assert len(application.scopes) <= hardened.MAX_PIPELINED + 1


@on_every_loop
async def test_junk_is_logged_with_its_address(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    async with serving(Application(echo), counted()) as port:
        for _ in range(3):
            async with client(port, b"\x16\x03\x01\x00\r\n\r\n") as one:
                await one.end()
    assert {*caplog.messages} == {"Refused 127.0.0.1 with 400: what it sends isn't an HTTP request"}


class LateListener:
    """An application that listens on once its client has gone, before it is told of that."""

    def __init__(self) -> None:
        self.state = ServerState()
        self.heard: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.heard.append((await receive())["type"])
        handshake = scope["extensions"][HANDOVER].__self__
        while not handshake._transport.is_closing():
            await anyio.lowlevel.checkpoint()
        self.heard.append((await receive())["type"])


@on_every_loop
@pytest.mark.parametrize("secured", [False, True])
async def test_a_client_that_leaves_during_its_handshake_is_let_go_of(*, secured: bool) -> None:
    ours, theirs = tls_contexts() if secured else (None, None)
    application = LateListener()
    async with serving(application, counted(), ours) as port:
        async with client(port, tls=theirs) as one:
            await until(lambda: application.heard)
            one.writer.transport.abort()
        await until(lambda: not application.state.connections)
    assert application.heard == ["websocket.connect", "websocket.disconnect"]
