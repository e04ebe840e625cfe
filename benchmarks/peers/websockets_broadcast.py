"""`websockets`, with its broadcast(), on uvloop."""

from __future__ import annotations

import asyncio
import itertools
import os

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

connections: set[ServerConnection] = set()
numbers = itertools.count()


async def chat(connection: ServerConnection) -> None:
    connections.add(connection)
    name = f"user{next(numbers)}"
    try:
        await connection.send(f"You are connected! There are {len(connections)} users here.")
        async for text in connection:
            broadcast(connections, f"[{name}]: {text!s}")
    finally:
        connections.discard(connection)


async def main() -> None:
    async with serve(chat, "127.0.0.1", int(os.environ["PORT"]), compression=None, backlog=2048):
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
