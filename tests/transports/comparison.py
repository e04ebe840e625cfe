"""Our handshake compared with uvicorn's.

Whatever a client sends and whatever an application does, a connection served by `ProtocolSelector` must be
indistinguishable from one served by uvicorn's own protocols (`HardenedHttpProtocol`, then `HandoverProtocol`). `both`
serves the same visit both ways and compares the answer, the frames, the application's calls, and the log.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from uvicorn.server import ServerState

from app.transports.handover import HANDOVER
from app.transports.hardened import HardenedHttpProtocol
from app.transports.protocol_selector import ProtocolSelector
from app.transports.socket_channel import SocketChannel
from tests.clients import frame
from tests.transports.harness import HEAD, LIMIT, LOOPS, Client, client, server, until

on_uvloop = pytest.mark.parametrize("anyio_backend", LOOPS[1:])
GOODBYE = frame(8, b"\x03\xe8")
NOT_COMPARED = {b"date"}
LINES = {
    b"Host": b"x",
    b"Upgrade": b"websocket",
    b"Connection": b"Upgrade",
    b"Sec-WebSocket-Version": b"13",
    b"Sec-WebSocket-Key": b"AAAAAAAAAAAAAAAAAAAAAA==",
}


# The application: a function of a call.


class Call:
    """One call of the application; everything it receives is recorded."""

    def __init__(self, scope: Any, receive: Any, send: Any, application: Application) -> None:
        self.scope, self._receive, self._send, self.application = scope, receive, send, application

    async def receive(self) -> Any:
        message = await self._receive()
        self.application.seen.append(message)
        return message

    async def send(self, kind: str, **more: Any) -> None:
        try:
            await self._send({"type": kind, **more})
        except Exception as error:
            self.application.seen.append(f"{type(error).__name__}: {error}")
            raise

    def hand_over(self) -> SocketChannel | None:
        channel = cast("SocketChannel | None", self.scope["extensions"][HANDOVER](LIMIT, 30.0))
        self.application.seen.append(f"a channel: {channel is not None}")
        return channel

    async def hold(self) -> None:
        """Wait until the test sets `release`."""
        self.application.held.set()
        await self.application.release.wait()


Behaviour = Callable[[Call], Awaitable[object]]


class Application:
    """An application that runs `behave` for each WebSocket and answers HTTP requests with `two words`."""

    def __init__(self, behave: Behaviour) -> None:
        self.behave = behave
        self.state = ServerState()
        self.scopes: list[dict[str, Any]] = []
        self.seen: list[Any] = []
        self.held, self.release = asyncio.Event(), asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        self.scopes.append(comparable(scope))
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
            await send({"type": "http.response.body", "body": b"two words"})
            return None
        return await self.behave(Call(scope, receive, send, self))


def comparable(scope: dict[str, Any]) -> dict[str, Any]:
    """A scope without the values that differ from connection to connection."""
    same = {**scope, "client": scope["client"][:1], "server": scope["server"][:1]}
    if "extensions" in same:
        same["extensions"] = sorted(same["extensions"])
    return same


async def echo(call: Call) -> None:
    await call.receive()
    await call.send("websocket.accept", subprotocol=next(iter(call.scope["subprotocols"]), None))
    await echoing(call)


async def echoing(call: Call) -> None:
    while (message := await call.receive())["type"] == "websocket.receive":
        await call.send("websocket.send", text=message.get("text"), bytes=message.get("bytes"))


# The client, and the comparison.


@dataclass
class Outcome:
    """Everything that a visit shows from outside."""

    status: bytes = b""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    frames: list[tuple[int, bytes]] = field(default_factory=list)
    rest: bytes = b""
    ended: bool = False
    scopes: list[dict[str, Any]] = field(default_factory=list)
    seen: list[Any] = field(default_factory=list)
    logged: list[str] = field(default_factory=list)


class Visit:
    """A client that records what it receives."""

    def __init__(self, one: Client, application: Application, outcome: Outcome) -> None:
        self.client, self.application, self.outcome = one, application, outcome

    def say(self, data: bytes) -> None:
        self.client.writer.write(data)

    async def answer(self) -> None:
        """Read the response: its head, and its body if it is a denial."""
        head = (await self.client.head())[:-4]
        self.outcome.status, *lines = head.split(b"\r\n")
        pairs = [line.split(b": ", 1) for line in lines]
        self.outcome.headers = sorted(
            (name.lower(), value) for name, value in pairs if name.lower() not in NOT_COMPARED
        )
        headers = dict(self.outcome.headers)
        if b" 101 " not in self.outcome.status:
            if b"content-length" in headers:
                self.outcome.body = await self.client.reader.readexactly(int(headers[b"content-length"]))
            if headers.get(b"connection") == b"close":
                await self.end()

    async def hear(self) -> None:
        self.outcome.frames.append(await self.client.frame())

    async def end(self) -> None:
        """Read to the end. A reset counts as one."""
        try:
            while True:
                await self.hear()
        except asyncio.IncompleteReadError as cut:
            self.outcome.rest = cut.partial
        except ConnectionError:
            pass
        self.outcome.ended = True


Script = Callable[[Visit], Awaitable[None]]


def conversation(said: bytes = HEAD, early: int = 0) -> Script:
    """Send `said`, which contains `early` messages; after the handshake send one frame of every kind, step by step."""

    async def script(visit: Visit) -> None:
        visit.say(said)
        try:
            await visit.answer()
            if b" 101 " in visit.outcome.status:
                for _ in range(early):
                    await visit.hear()
                for step in (frame(1, b"hello"), frame(2, b"\xff\x00"), frame(9, b"there?"), GOODBYE):
                    visit.say(step)
                    await visit.hear()
                await visit.end()
        except (asyncio.IncompleteReadError, ConnectionError):
            visit.outcome.ended = True

    return script


async def visited(
    first: Any,
    behave: Behaviour,
    script: Script,
    caplog: pytest.LogCaptureFixture,
    tls: Tls | None,
    deflate: bool,
) -> Outcome:
    caplog.clear()
    caplog.set_level(logging.INFO, "uvicorn.error")
    outcome, application = Outcome(), Application(behave)
    with suppress(ConnectionError):  # from closing a connection that was reset already
        async with (
            server(application, tls.ours if tls else None, first, deflate=deflate) as port,
            client(port, b"", tls.theirs if tls else None) as one,
        ):
            await script(Visit(one, application, outcome))
    with suppress(ConnectionError):
        await until(lambda: not application.state.connections and not application.state.tasks)
    outcome.scopes, outcome.seen = application.scopes, application.seen
    outcome.logged = [
        record.getMessage().partition(" - ")[2] or record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.WARNING or '"WebSocket' in record.getMessage()
    ]
    return outcome


@dataclass
class Tls:
    """The TLS contexts of both sides."""

    ours: ssl.SSLContext
    theirs: ssl.SSLContext


async def both(
    behave: Behaviour,
    script: Script,
    caplog: pytest.LogCaptureFixture,
    tls: Tls | None = None,
    *,
    deflate: bool = False,
) -> Outcome:
    """The outcome of a visit, after checking that it is the same both ways."""
    ours, uvicorns = [
        await visited(first, behave, script, caplog, tls, deflate) for first in (ProtocolSelector, HardenedHttpProtocol)
    ]
    assert ours == uvicorns
    return ours


def faults(outcome: Outcome) -> list[str]:
    return [line for line in outcome.logged if not line.startswith('"WebSocket')]
