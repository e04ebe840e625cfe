"""A WebSocket client that costs next to nothing, so that it is the server that is measured.

It sends with a mask of zeros, and looks into what it gets only for the bytes that it counts.
"""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Callable
from urllib.parse import urlsplit


class Client(asyncio.Protocol):
    """One connection. `heard(data)` is called with what comes after the handshake, as it comes: frames, in pieces."""

    __slots__ = ("_head", "_open", "heard", "transport")

    def __init__(self, heard: Callable[[bytes], None]) -> None:
        self.heard = heard
        self._open: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._head = b""
        self.transport: asyncio.Transport

    def data_received(self, data: bytes) -> None:
        if self._open.done():
            self.heard(data)
            return
        self._head += data
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if end:
            if not head.startswith(b"HTTP/1.1 101 "):
                self._open.set_exception(ConnectionError(head.partition(b"\r")[0].decode("latin-1")))
                return
            self._open.set_result(None)
            if rest:
                self.heard(rest)

    def connection_lost(self, error: Exception | None) -> None:
        if not self._open.done():
            self._open.set_exception(error or ConnectionError("closed during the handshake"))

    async def opened(self) -> None:
        """Wait for the answer to the handshake. ConnectionError for any but 101."""
        await self._open

    def send(self, *texts: bytes) -> None:
        """Send texts, in one write."""
        self.transport.write(b"".join(map(frame, texts)))


def frame(text: bytes) -> bytes:
    """A text frame, masked with zeros."""
    if len(text) < 126:
        return bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text
    return b"\x81\xfe" + len(text).to_bytes(2, "big") + b"\0\0\0\0" + text


async def connect(url: str, heard: Callable[[bytes], None], subprotocol: str = "") -> Client:
    """Connect to `url`, such as ws://127.0.0.1:8080/chat."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    client = Client(heard)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(lambda: client, parts.hostname, parts.port)
    client.transport = transport
    offer = f"Sec-WebSocket-Protocol: {subprotocol}\r\n" if subprotocol else ""
    key = base64.b64encode(os.urandom(16)).decode()
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    head = (
        f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{offer}\r\n"
    )
    transport.write(head.encode())
    await client.opened()
    return client
