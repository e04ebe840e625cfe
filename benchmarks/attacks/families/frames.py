"""Frames that cost the sender nothing: control frames, empty ones, fragments."""

from __future__ import annotations

from app.load.frames import PING, frame
from benchmarks.attacks.attack import Connection, Target, attack, on_each

WRITE = 1024 * 1024
"""Bytes of one write."""


@attack("one connection writes pings as fast as the server reads them")
async def pings(target: Target) -> None:
    await flood(target, frame(b"", PING))


async def flood(target: Target, one: bytes, *, connections: int = 1) -> None:
    """Write the same bytes over and over, and come back once closed."""
    data = one * (WRITE // len(one))

    async def write(connection: Connection) -> None:
        while True:
            await connection.write(data)

    while True:
        await on_each(await target.crowd(connections), write)
