"""Shared by the tests here: a server of uvicorn's protocol classes alone, and a client that sends raw bytes."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

import anyio
import anyio.lowlevel
import pytest
import trustme
import uvicorn
from starlette.websockets import WebSocket
from uvicorn.server import ServerState

from app.transports.asgi_channel import AsgiChannel
from app.transports.frames import encode_text
from app.transports.handover import HANDOVER
from app.transports.handover_protocol import HandoverProtocol
from app.transports.protocol_selector import ProtocolSelector
from app.transports.socket_channel import SocketChannel
from app.transports.tls_listener import TlsListener
from tests.clients import DEADLINE

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


class RecordingReceiver:
    """A Receiver that records what it gets."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.over = asyncio.Event()

    def text_received(self, text: str) -> None:
        self.texts.append(text)

    def channel_closed(self) -> None:
        assert not self.over.is_set()
        self.over.set()


class Application(Protocol):
    """An application, and uvicorn's state of its connections."""

    state: ServerState

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


class Endpoint:
    """An application that asks for the handover of each connection, and serves it through ASGI if there is none."""

    def __init__(self) -> None:
        self.receivers: list[RecordingReceiver] = []
        self.channels: list[SocketChannel | None] = []
        self.protocols: list[weakref.ref[Any]] = []
        self.before_accept: Callable[[], Awaitable[object]] | None = None
        self.state = ServerState()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        websocket = WebSocket(scope, receive, send)
        receiver = RecordingReceiver()
        self.receivers.append(receiver)
        self.protocols.append(weakref.ref(scope["extensions"][HANDOVER].__self__))
        if self.before_accept is not None:
            await self.before_accept()
        await websocket.accept()
        taken_over: SocketChannel | None = scope["extensions"][HANDOVER](LIMIT, 30.0)
        self.channels.append(taken_over)
        channel = taken_over or AsgiChannel(LIMIT, 30.0)
        channel.write(encode_text(b"welcome"))
        if isinstance(channel, SocketChannel):
            channel.start(receiver)
        else:
            await channel.serve(websocket, receiver)


class Client:
    """A client that sends raw bytes."""

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
        """Everything up to the end."""
        with anyio.fail_after(DEADLINE):
            return await self.reader.read()


@asynccontextmanager
async def server(
    endpoint: Application, tls: ssl.SSLContext | None = None, first: Any = ProtocolSelector, *, deflate: bool = False
) -> AsyncIterator[int]:
    """Serve `endpoint`, with `first` as the first protocol of each connection. Yields the port."""
    config = uvicorn.Config(
        endpoint, http=first, ws=HandoverProtocol, ws_max_size=LIMIT, ws_per_message_deflate=deflate, log_config=None
    )
    config.load()
    loop = asyncio.get_running_loop()

    def protocol() -> Any:
        return first(config=config, server_state=endpoint.state, app_state={})

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listening: Any
        if tls and first is ProtocolSelector:
            listening = TlsListener(listener, protocol, tls)
        else:
            listening = await loop.create_server(protocol, sock=listener, ssl=tls)
        try:
            yield listener.getsockname()[1]
        finally:
            listening.close()
    with anyio.fail_after(DEADLINE):
        while endpoint.state.connections or endpoint.state.tasks:
            await anyio.lowlevel.checkpoint()


def tls_contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The contexts of a server and its client."""
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


def made_from_now_on(*kinds: type) -> Callable[[], list[Any]]:
    """Return a function that finds the objects of these types, but for those that there are now: a test that failed
    keeps what it had."""
    there = [one for one in gc.get_objects() if issubclass(type(one), kinds)]

    def found() -> list[Any]:
        known = set(map(id, there))
        return [one for one in gc.get_objects() if issubclass(type(one), kinds) and id(one) not in known]

    return found


async def until(condition: Callable[[], object]) -> None:
    with anyio.fail_after(DEADLINE):
        while not condition():
            await anyio.lowlevel.checkpoint()
