"""The handover of an accepted connection to a SocketChannel. What every channel promises is in `tests/contracts`."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
from typing import Any, cast

import anyio.lowlevel
import pytest
from starlette.websockets import WebSocket

from app.chat.closing import CloseCode
from app.transports.frames import Opcode, encode_text
from app.transports.handover import HANDOVER
from app.transports.outboxes import Outboxes
from tests.clients import DEADLINE, Served, frame, serving
from tests.transports.harness import (
    HEAD,
    LIMIT,
    Endpoint,
    RecordingReceiver,
    client,
    on_every_loop,
    server,
    tls_contexts,
    until,
)


@pytest.mark.anyio
@on_every_loop
async def test_a_connection_is_handed_over_and_what_served_the_handshake_is_freed() -> None:
    endpoint = Endpoint()
    async with server(endpoint) as port:
        async with client(port) as one:
            assert b"101" in await one.head()
            assert await one.frame() == (Opcode.TEXT, b"welcome"), "nothing comes before the answer to the handshake"
            [channel], [receiver] = endpoint.channels, endpoint.receivers
            assert channel is not None
            assert {channel} == cast("set[Any]", endpoint.state.connections)
            await until(lambda: not endpoint.state.tasks)
            gc.collect()
            await until(lambda: endpoint.protocols[0]() is None)
            one.writer.write(frame(1, b"hello") + frame(9, b"there?"))
            assert await one.frame() == (Opcode.PONG, b"there?")
            assert receiver.texts == ["hello"]
        await until(receiver.over.is_set)
    assert not endpoint.state.connections


@pytest.mark.anyio
@on_every_loop
async def test_what_is_written_in_the_turn_of_the_hand_over_comes_after_the_handshake() -> None:
    """uvloop writes at the end of a turn: the answer to the handshake may still be queued at the handover."""
    endpoint = Endpoint()
    async with server(endpoint) as port:
        for _ in range(20):
            async with client(port) as one:
                assert (await one.head()).startswith(b"HTTP/1.1 101 ")
                assert await one.frame() == (Opcode.TEXT, b"welcome")
        for channel in endpoint.channels:
            assert channel is not None
            await until(lambda channel=channel: not channel.full)  # type: ignore[misc]


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
            [channel], [receiver] = endpoint.channels, endpoint.receivers
            assert (channel is None) == (cut > 0)
            await until(lambda: receiver.texts == ["early", "late"])
            one.writer.write(frame(8, b"\x03\xe8"))
            assert await one.frame() == (Opcode.CLOSE, b"\x03\xe8")
        await until(receiver.over.is_set)


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
            await until(lambda: any(getattr(one, "_early_data", b"") for one in endpoint.state.connections))
            release.set()
            assert b"101" in await one.head()
            assert await one.frame() == (Opcode.PONG, b"1")
            assert await one.frame() == (Opcode.TEXT, b"welcome")
            await until(lambda: endpoint.receivers[0].texts == ["early"])
            one.writer.write(frame(9, b"2"))
            assert await one.frame() == (Opcode.PONG, b"2")
        await until(endpoint.receivers[0].over.is_set)


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
        await until(endpoint.receivers[0].over.is_set)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.anyio
@on_every_loop
async def test_nothing_more_goes_through_asgi_once_a_connection_is_handed_over() -> None:
    failed: list[BaseException] = []
    receiver = RecordingReceiver()

    class Twice(Endpoint):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await WebSocket(scope, receive, send).accept()
            channel = scope["extensions"][HANDOVER](LIMIT, 30.0)
            channel.start(receiver)
            try:
                await send({"type": "websocket.send", "text": "x"})
            except RuntimeError as error:
                failed.append(error)
            channel.write(encode_text(b"all the same"))

    async with server(Twice()) as port:
        async with client(port) as one:
            await one.head()
            assert await one.frame() == (Opcode.TEXT, b"all the same")
        await until(receiver.over.is_set)
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
            [channel], [receiver] = endpoint.channels, endpoint.receivers
            assert channel is not None
            assert channel.sender.send(b"x") == 0
            one.writer.write(frame(1, b"hello") + frame(9, b"there?"))
            assert await one.frame() == (Opcode.PONG, b"there?")
            assert receiver.texts == ["hello"]
            for text in texts:
                channel.write(encode_text(text.encode()))
            assert [(await one.frame())[1].decode() for _ in texts] == texts
            channel.flush_and_close(CloseCode.POLICY, "enough")
            assert await one.frame() == (Opcode.CLOSE, b"\x03\xf0enough")
            one.writer.write(frame(8, b"\x03\xf0"))
            assert await one.end() == b""
        await until(receiver.over.is_set)


@pytest.mark.anyio
@on_every_loop
async def test_over_tls_what_is_queued_of_a_broadcast_counts() -> None:
    ours, theirs = tls_contexts()
    endpoint, outboxes, text = Endpoint(), Outboxes(0), encode_text(b"x" * 60_000)
    async with server(endpoint, ours) as port:
        async with client(port, tls=theirs) as one:
            await one.head()
            await one.frame()
            [channel], [receiver] = endpoint.channels, endpoint.receivers
            assert channel is not None
            channel.share, written = outboxes.share("here"), 0
            channel.write(encode_text(b"short"))
            assert outboxes.size == 0  # it left at once
            while not channel.full:
                channel.write_rest(text, 0)
                written += 1
                await anyio.lowlevel.checkpoint()
            assert outboxes.size == len(text)
            channel.write_rest(text, 0)
            assert outboxes.size == 2 * len(text)
            assert (await one.frame())[1] == b"short"
            for _ in range(written + 1):
                await one.frame()
            await until(lambda: outboxes.size == 0)
        await until(receiver.over.is_set)


@pytest.fixture(scope="module")
def chat() -> Any:
    with serving("-P:chat.limits.rate=0") as server:
        yield server


def test_the_chat_works_for_who_speaks_before_it_is_let_in(chat: Served) -> None:
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
