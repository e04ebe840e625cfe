"""Clients of `chat.v1.json` that cost next to nothing, so that a benchmark measures the server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from app.load.frames import PING, PONG, TEXT, frame, frame_at, handshake

SUBPROTOCOL = "Sec-WebSocket-Protocol: chat.v1.json"


class Client(asyncio.Protocol):
    """One connection. Either ask() and wait for answers, or set `on_texts` to a function that takes the payloads of the
    texts that a read brought."""

    def __init__(self, request: bytes) -> None:
        self._payloads: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.on_texts: Callable[[list[bytes]], None] = self._keep
        self.transport: asyncio.Transport
        self._request = request
        self._open = False
        self._data = b""
        self._rid = 0
        self._ended = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # a stream's
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self._open:
            head, end, rest = self._data.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 101 "):
                self.transport.abort()
                return
            self._open, self._data = True, rest
        at, data, texts = 0, self._data, []
        while (found := frame_at(data, at)) is not None:
            opcode, start, at = found
            if opcode == TEXT:
                texts.append(data[start:at])
            elif opcode == PING:
                self.transport.write(frame(data[start:at], PONG))
        self._data = data[at:]
        self.on_texts(texts)

    def connection_lost(self, _: Exception | None) -> None:
        self._payloads.put_nowait(None)
        self._ended.set()

    def send(self, *payloads: bytes) -> None:
        """Send texts, in one write."""
        self.transport.write(b"".join(map(frame, payloads)))

    async def next(self) -> bytes:
        """The payload of the next text. ConnectionError if the connection has ended."""
        payload = await self._payloads.get()
        if payload is None:
            raise ConnectionError("the server closed the connection")
        return payload

    async def ask(self, type_: str, **fields: Any) -> dict[str, Any]:
        """Send a frame and wait for its answer, which is the next frame with its `rid`."""
        self._rid += 1
        self.send(json.dumps({"t": type_, "rid": self._rid, **fields}).encode())
        while True:
            answer: dict[str, Any] = json.loads(await self.next())
            if answer.get("rid") == self._rid:
                return answer

    def ignore_texts(self) -> None:
        """Take what arrives, and forget it."""
        self.on_texts = lambda _: None

    async def close(self) -> None:
        """Close the connection, and wait until what was sent has left."""
        self.ignore_texts()
        self.transport.close()
        await self._ended.wait()

    def _keep(self, texts: list[bytes]) -> None:
        for text in texts:
            self._payloads.put_nowait(text)


async def connect(url: str, address: str | None = None) -> Client:
    """Connect to `url`, such as ws://127.0.0.1:8080/chat, and wait for the welcome. `address` is where the client comes
    from. ConnectionError if refused."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    client = Client(handshake(parts.netloc, parts.path + (f"?{parts.query}" if parts.query else ""), SUBPROTOCOL))
    local = (address, 0) if address else None
    await asyncio.get_running_loop().create_connection(lambda: client, parts.hostname, parts.port, local_addr=local)
    await client.next()
    return client


async def wait_for_index(client: Client, room: str) -> None:
    """Wait until a search in `room`, where the client is, misses no message. TimeoutError if that takes too long."""
    for _ in range(INDEXING):
        if not (await client.ask("search", room=room, words="a")).get("behind"):
            return
        await asyncio.sleep(1)
    raise TimeoutError(f"the index is not complete after {INDEXING} s")


PADDING = "x" * 100
ACK = b'{"t":"ack"'
OUTSTANDING = 500
"""Messages outstanding while a room is filled."""
INDEXING = 600
"""Seconds after which the index should have all messages."""


class Sender:
    """A client alone in its room, which sends messages and counts their acknowledgements."""

    def __init__(self, number: int) -> None:
        self.room = f"room{number}"
        self.client: Client
        self.sent = self.acked = 0
        self.on_acks: Callable[[int], None] = self.refill
        """Called with the number of acknowledgements that a read brought. They come in the order of the messages."""
        self._outstanding = 0
        self._finished: asyncio.Future[None] | None = None

    async def connect(self, url: str) -> None:
        self.client = await connect(url)
        await self.client.ask("join", room=self.room)
        self.client.on_texts = self._count

    def start(self, outstanding: int) -> None:
        """From now on, keep this many messages outstanding."""
        self._outstanding = outstanding
        self.send(outstanding)

    async def finish(self) -> None:
        """Send nothing more, and wait until all messages are acknowledged."""
        self._outstanding = 0
        if self.acked < self.sent:
            self._finished = asyncio.get_running_loop().create_future()
            await self._finished

    def send(self, count: int) -> None:
        """Send `count` messages, in one write."""
        first, self.sent = self.sent, self.sent + count
        self.client.send(*(message(self.room, f"c{number}") for number in range(first, self.sent)))

    def _count(self, texts: list[bytes]) -> None:
        if count := sum(text.startswith(ACK) for text in texts):
            self.acked += count
            self.on_acks(count)
            if self._finished and self.acked == self.sent and not self._finished.done():
                self._finished.set_result(None)

    def refill(self, count: int) -> None:
        """Send a message for each acknowledgement, after start()."""
        if self._outstanding:
            self.send(count)


def message(room: str, cid: str, text: str = PADDING) -> bytes:
    """The payload of a message."""
    return f'{{"t":"msg","room":"{room}","cid":"{cid}","text":"{text}"}}'.encode()


async def fill(url: str, count: int, text: Callable[[int], str]) -> None:
    """Send `count` messages to the lobby, with the texts that `text` makes of their numbers, and wait until all are
    stored."""
    client = await connect(url)
    await client.ask("join", room="lobby")
    for number in range(count):
        client.send(message("lobby", f"m{number}", text(number)))
        if number % OUTSTANDING == OUTSTANDING - 1 or number == count - 1:
            cid = f'"cid":"m{number}"'.encode()
            while not ((frame := await client.next()).startswith(ACK) and cid in frame):
                pass
    await client.close()
