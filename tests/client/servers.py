"""Servers for clients to talk to: one that is killed and comes back, and one that speaks only text."""

from __future__ import annotations

import json
import signal
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.clients import DEADLINE, Served, dial
from tests.test_kill import free_port

NO_LIMITS = ("-P:chat.limits.rate=0",)


class Town:
    """A server with a store of its own, on one port through all of its lives."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.folder, self.flags = folder, flags
        self.port = free_port()
        self.url = f"ws://127.0.0.1:{self.port}/chat"
        self.store = str(folder / "chat.db")
        self.server = self._serve()

    def _serve(self) -> Served:
        return Served(f"-port={self.port}", *self.flags, cwd=self.folder, environment={"CHAT_STORE": self.store})

    def kill(self) -> None:
        """As a power cut would."""
        self.server.stop(signal.SIGKILL)

    def begin_again(self) -> None:
        self.server = self._serve()

    def close(self) -> None:
        if self.server.started.poll() is None:
            self.server.stop()
        assert "Traceback" not in "\n".join(self.server.log)


class Quarter:
    """A room of a server, and names for those who are there, which no other test has."""

    def __init__(self, server: Served, purpose: str) -> None:
        number = zlib.crc32(purpose.encode())
        self.room = purpose[:20].strip("_")
        self.chat = f"{server.ws}/chat"
        self.url = f"{self.chat}?room={self.room}"
        self.ann, self.bob, self.cy = f"ann{number}", f"bob{number}", f"cy{number}"


class Friend:
    """Somebody else in a room."""

    def __init__(self, connection: ClientConnection, room: str) -> None:
        self._connection, self.room, self._said = connection, room, 0
        self.name = json.loads(connection.recv(DEADLINE))["name"]
        self.does("join", room=room)

    def does(self, t: str, **fields: Any) -> Any:
        """Ask for something, and wait for the answer."""
        self._said += 1
        self._connection.send(json.dumps({"t": t, "rid": self._said, "cid": f"c{self._said}", **fields}))
        while True:
            frame = json.loads(self._connection.recv(DEADLINE))
            if frame.get("rid") == self._said or frame.get("cid") == f"c{self._said}":
                return frame

    def hears(self) -> Any:
        """The next message."""
        while (frame := json.loads(self._connection.recv(DEADLINE)))["t"] != "msg":
            pass
        return frame

    def says(self, text: str, **fields: Any) -> int:
        return int(self.does("msg", room=self.room, text=text, **fields)["seq"])


@contextmanager
def befriended(url: str, name: str, room: str) -> Iterator[Friend]:
    with dial(f"{url.partition('?')[0]}?name={name}", subprotocols=["chat.v1.json"]) as connection:
        yield Friend(connection, room)


class Tutorial:
    """A server that behaves as that of Ktor's tutorial: it knows no subprotocol, and says everything to everybody."""

    def __init__(self) -> None:
        self.connections: list[ServerConnection] = []
        self.heard: list[str] = []
        self.url = ""
        self.silent = False
        """Whether it hangs up on the next text instead of saying it."""
        self._users = 0

    async def carry(self, connection: ServerConnection) -> None:
        name, self._users = f"user{self._users}", self._users + 1
        self.connections.append(connection)
        await connection.send(f"You are connected! There are {len(self.connections)} users here.")
        try:
            async for text in connection:
                if isinstance(text, str):
                    self.heard.append(text)
                    if self.silent:
                        self.silent = False
                        break
                    for one in list(self.connections):
                        await one.send(f"[{name}]: {text}")
        except ConnectionClosed:
            pass
        finally:
            self.connections.remove(connection)


@asynccontextmanager
async def tutorial() -> AsyncIterator[Tutorial]:
    """A Tutorial, at its `url`."""
    town = Tutorial()
    async with serve(town.carry, "127.0.0.1", 0, compression=None) as server:
        (socket,) = server.sockets
        town.url = f"ws://127.0.0.1:{socket.getsockname()[1]}/chat"
        yield town
