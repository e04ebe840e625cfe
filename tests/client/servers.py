"""Servers for clients to talk to, and the other users in them."""

from __future__ import annotations

import logging
import signal
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from app.chat.dialects import JSON_SUBPROTOCOL
from app.clock import Clock
from app.testing import JsonClient, test_application
from app.testing.sockets import Opening, open_over_network
from benchmarks.ports import free_port
from tests.clients import DEADLINE, Served

NO_LIMITS = ("-P:chat.limits.rate=0",)


class _Errors(logging.Handler):
    """Collects what a server logs as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(self.format(record))


@contextmanager
def serving(**settings: Any) -> Iterator[str]:
    """A server in this process for the length of a block, and the address of its chat. It must log no errors. Settings
    have `__` for a dot, and `_` for a dash."""
    overrides = {key.replace("__", ".").replace("_", "-"): value for key, value in settings.items()}
    errors = _Errors()
    logging.getLogger().addHandler(errors)
    try:
        with test_application(overrides=overrides, clock=Clock(), server=True) as host:
            yield f"{host.url.replace('http', 'ws', 1)}/chat"
    finally:
        logging.getLogger().removeHandler(errors)
    assert errors.messages == []


class RestartableServer:
    """A server process with a store, which keeps its port when it is killed and started again."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.folder, self.flags = folder, flags
        self.port = free_port()
        self.url = f"ws://127.0.0.1:{self.port}/chat"
        self.store = str(folder / "chat.db")
        self.process = self._start()

    def _start(self) -> Served:
        return Served(f"-port={self.port}", *self.flags, cwd=self.folder, environment={"CHAT_STORE": self.store})

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.stop(signal.SIGKILL)

    def start_again(self) -> None:
        self.process = self._start()

    def close(self) -> None:
        if self.process.started.poll() is None:
            self.process.stop()
        assert "Traceback" not in "\n".join(self.process.log)


class Names:
    """A room and names of users that only one test uses, on a server that several share."""

    def __init__(self, chat: str, test: str) -> None:
        number = zlib.crc32(test.encode())
        self.room = test[:20].strip("_")
        self.chat = chat
        """The address of the server's chat."""
        self.url = f"{chat}?room={self.room}"
        """The same with the room."""
        self.ann, self.bob, self.cy = f"ann{number}", f"bob{number}", f"cy{number}"


@contextmanager
def other_user(url: str, name: str, room: str) -> Iterator[JsonClient]:
    """Another user in a room, who also gets whispers."""
    base = url.partition("?")[0].removesuffix("/chat")
    socket = open_over_network(base, Opening(f"/chat?name={name}", [JSON_SUBPROTOCOL], {}), DEADLINE)
    try:
        client = JsonClient(socket, lambda: None, name)
        client.join("@")
        client.join(room)
        yield client
    finally:
        socket.close()


class TextServer:
    """A server like that of Ktor's tutorial: it knows no subprotocol, and sends everything to everybody."""

    def __init__(self) -> None:
        self.connections: list[ServerConnection] = []
        self.received: list[str] = []
        self.url = ""
        self.hang_up = False
        """Whether to close the connection on the next text instead of sending it on."""
        self._users = 0

    async def carry(self, connection: ServerConnection) -> None:
        name, self._users = f"user{self._users}", self._users + 1
        self.connections.append(connection)
        await connection.send(f"You are connected! There are {len(self.connections)} users here.")
        try:
            async for text in connection:
                if isinstance(text, str):
                    self.received.append(text)
                    if self.hang_up:
                        self.hang_up = False
                        break
                    for one in list(self.connections):
                        await one.send(f"[{name}]: {text}")
        except ConnectionClosed:
            pass
        finally:
            self.connections.remove(connection)


@asynccontextmanager
async def text_server() -> AsyncIterator[TextServer]:
    """A TextServer, at its `url`."""
    made = TextServer()
    async with serve(made.carry, "127.0.0.1", 0, compression=None) as server:
        (socket,) = server.sockets
        made.url = f"ws://127.0.0.1:{socket.getsockname()[1]}/chat"
        yield made
