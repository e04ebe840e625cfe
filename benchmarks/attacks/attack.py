"""What attacks are made of: a target, and connections that note what the server does to them."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from app.load.frames import CLOSE, PING, PONG, TEXT, close_reason, frame, frame_at, handshake
from benchmarks.clients import SUBPROTOCOL

CODE = re.compile(rb'"code":"(\w+)"')
ADDRESSES = "127.0.0.{}"
AGAIN = 0.001
FIRST_ADDRESS = 10
"""The last number of the first attacker's address. The bystander is at 127.0.0.1."""


@dataclass
class Target:
    """The server to attack, and what happened to the attacker."""

    host: str
    port: int
    outcomes: Counter[str] = field(default_factory=Counter)
    """How often it was refused (`refused 429`), told (`told rate_limited`), or closed (`closed 1008`)."""
    open: set[Connection] = field(default_factory=set)
    kept: set[Connection] = field(default_factory=set)

    async def connect(
        self, address: int = 0, *, path: str = "/chat", json: bool = True, token: str = "", wants_token: bool = False
    ) -> Connection:
        """Open a WebSocket from the attacker's address number `address`, and wait for the answer; with `wants_token`,
        for the welcome too. ConnectionError if it is refused."""
        offer = f"{SUBPROTOCOL}, token.{token}" if token else SUBPROTOCOL
        request = handshake(f"{self.host}:{self.port}", path, *((offer,) if json else ()))
        connection = await self.dial(address, request)
        await connection.answered
        while wants_token and not connection.token:
            if connection.ended.is_set():
                raise ConnectionError("the server closed the connection")
            await asyncio.sleep(0.001)
        return connection

    async def dial(self, address: int = 0, request: bytes = b"", *, http: bool = False) -> Connection:
        """Open a connection, and send `request`. What the server sends is not looked at if it speaks `http`.
        ConnectionError if it isn't accepted."""
        source = (ADDRESSES.format(FIRST_ADDRESS + address), 0)
        connection = Connection(self, request, http=http)
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: connection, self.host, self.port, local_addr=source)
        except OSError as error:
            self.outcomes[f"not accepted: {error.strerror or type(error).__name__}"] += 1
            raise ConnectionError(str(error)) from None
        return connection

    async def crowd(self, count: int, addresses: int = 1, *, first: int = 0, **options: Any) -> list[Connection]:
        """Open `count` WebSockets, one after the other, evenly from several addresses. Refused ones are left out."""
        found = []
        for number in range(count):
            with until_closed():
                found.append(await self.connect(first + number % addresses, **options))
        return found

    def keep(self, connections: Iterable[Connection]) -> None:
        """Let these connections be there in every slice."""
        self.kept.update(connections)

    def leave(self) -> None:
        """End all connections at once, but those that are kept."""
        for connection in self.open - self.kept:
            connection.transport.abort()

    @staticmethod
    async def pause(seconds: float) -> None:
        """Wait, as a client does that keeps to a rate."""
        await asyncio.sleep(seconds)


class Connection(asyncio.Protocol):
    """One connection of an attacker. It answers no pings unless `polite`."""

    def __init__(self, target: Target, request: bytes, *, http: bool = False) -> None:
        self.target = target
        self.token = ""
        self._http = http
        self.transport: asyncio.Transport
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done once the server has opened the WebSocket; ConnectionError if it refused."""
        self.ended = asyncio.Event()
        self.heard = asyncio.Event()
        """Set whenever something comes from the server, and at its end."""
        self.polite = True
        self._request, self._open, self._data, self._rid = request, False, b"", 0
        self._writable = asyncio.Event()
        self._writable.set()
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # a stream's
        self.target.open.add(self)
        if self._request:
            self.transport.write(self._request)

    def connection_lost(self, _: Exception | None) -> None:
        self.target.open.discard(self)
        self.ended.set()
        self.heard.set()
        self._writable.set()
        waiting: list[asyncio.Future[Any]] = [self.answered, *self._waiting.values()]
        for future in waiting:
            if not future.done():
                future.set_exception(ConnectionError("the server closed the connection"))
                future.exception()  # nobody may be waiting

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        self.heard.set()
        if self._http:
            if not data.startswith(b"HTTP/1.1 200") and data.startswith(b"HTTP/1.1 "):
                self.target.outcomes[f"refused {data[9:12].decode('latin-1')}"] += 1
            return
        self._data += data
        if not self._open:
            head, end, rest = self._data.partition(b"\r\n\r\n")
            if not end:
                return
            status = head[9:12].decode("latin-1")
            if status != "101":
                self.target.outcomes[f"refused {status}"] += 1
                self.transport.abort()
                return
            self._open, self._data = True, rest
            self.answered.set_result(None)
        at = 0
        while (found := frame_at(self._data, at)) is not None:
            opcode, start, at = found
            self._take(opcode, self._data[start:at])
        self._data = self._data[at:]

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == CLOSE:
            self.target.outcomes[f"closed {close_reason(payload)[:4]}"] += 1
        elif opcode == PING and self.polite:
            self.transport.write(frame(payload, PONG))
        elif opcode == TEXT and payload.startswith(b'{"t":"error"') and (code := CODE.search(payload)):
            self.target.outcomes[f"told {code[1].decode()}"] += 1
        elif opcode == TEXT and not self.token and payload.startswith(b'{"t":"welcome"'):
            self.token = json.loads(payload).get("token", "")
        if opcode == TEXT and self._waiting:
            answer = json.loads(payload)
            if future := self._waiting.pop(str(answer.get("rid")), None):
                future.set_result(answer)

    async def write(self, data: bytes) -> None:
        """Write bytes as they are, as fast as the server takes them. ConnectionError once it has closed."""
        if self.transport.is_closing():
            await self.ended.wait()
        if not self.ended.is_set():
            self.transport.write(data)
            await self._writable.wait()
        if self.ended.is_set():
            raise ConnectionError("the server closed the connection")
        await asyncio.sleep(0)

    async def send(self, **fields: Any) -> None:
        """Send a frame of `chat.v1.json`."""
        await self.write(frame(json.dumps(fields).encode()))

    async def ask(self, **fields: Any) -> dict[str, Any]:
        """Send a frame, and wait for its answer."""
        self._rid += 1
        rid = str(self._rid)
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[rid] = future
        await self.send(**fields, rid=rid)
        return await future


Run = Callable[[Target], Awaitable[None]]


@dataclass(frozen=True)
class Attack:
    """One attack. `run` goes on until it is cancelled, or nothing is left that it could do. It is started anew in every
    slice; `prepare`, if there is one, runs once before them, on the fresh server."""

    name: str
    about: str
    run: Run
    prepare: Run | None = None
    past: int = 0
    """How many messages are in the lobby before it starts."""


ATTACKS: dict[str, Attack] = {}


def attack(about: str, *, prepare: Run | None = None, past: int = 0) -> Callable[[Run], Run]:
    """Add an attack: a function with a target. `about` says what it does, in a few words for the table."""

    def add(run: Run) -> Run:
        name = run.__name__.replace("_", "-")
        ATTACKS[name] = Attack(name, about, run, prepare, past)
        return run

    return add


@contextmanager
def until_closed() -> Iterator[None]:
    """Go on after the block if the server closes a connection in it."""
    try:
        yield
    except ConnectionError:
        return


async def once_more() -> None:
    """Pause before another try, as long as it takes others to come first."""
    await asyncio.sleep(AGAIN)


async def on_each(connections: list[Connection], do: Callable[[Connection], Awaitable[None]]) -> None:
    """Do something on each connection at once, for as long as the server lets it."""

    async def one(connection: Connection) -> None:
        with until_closed():
            await do(connection)

    await asyncio.gather(*map(one, connections))
