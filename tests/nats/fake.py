"""A server that says what a test wants, and keeps what it was told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

INFO = {"server_id": "X", "version": "2.15.1", "proto": 1, "headers": True, "max_payload": 1 << 20, "jetstream": True}


@dataclass
class Fake:
    url: str
    told: bytearray = field(default_factory=bytearray)
    """Everything that clients have sent."""


@asynccontextmanager
async def fake_server(greeting: bytes = b"", **info: object) -> AsyncIterator[Fake]:
    """Greet clients as a NATS server does, with other values in what it says of itself, or with `greeting`."""
    greeting = greeting or b"INFO " + json.dumps(INFO | info).encode() + b"\r\n"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        while data := await reader.read(1 << 16):
            fake.told += data
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    fake = Fake(f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    async with server:
        yield fake
