"""The NATS servers as the rest sees them: append to the log, read it, listen to what is published.

Everything here runs in one event loop. An answer that doesn't come is an EngineError, and so is a connection that ends
before it came: then nobody knows whether the servers did it. A Rejected is an EngineError after which they surely did
not, and never will.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable, Coroutine, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from app.backends import StoreError
from app.backends.nats import streams
from app.backends.nats.asking import Calls
from app.backends.nats.calls import Answer, Call, Messages
from app.backends.nats.errors import EngineError, Purged, Rejected
from app.backends.nats.settings import NatsSettings
from app.backends.outage import Outage, Source

log = logging.getLogger("store")

if TYPE_CHECKING:
    from nats.aio.msg import Msg

    from app.backends.nats.connection import Connection
    from app.backends.nats.streams import Founding

T = TypeVar("T")
Heard = Callable[[bytes, int], None]
"""Called with a payload and the position that it has in the log, or 0. It must not block and must not raise."""

START_PATIENCE, LAST_ATTEMPT = 18.0, 5.0
"""Seconds that the servers may take to be there when a node starts, and that the attempt after them may take."""
ANSWER_PATIENCE = 5.0
"""Seconds that an answer may take, and the next message of a batch."""
BATCH = 512
"""Messages that a read gets at most."""
RETRY, LONGEST_PAUSE = 0.25, 2.0
"""Seconds between two attempts to connect to the servers, each of them in turn: the first, and later ones."""
PATIENCE, LONGEST_PATIENCE = 5.0, 60.0
"""A server that has stored nothing that it was told to in so many seconds is left for another one: it may be cut off
from the others."""
NO_PEM = "expected PEM files: certificates in ca, and in certificate and key one and the private key that belongs to it"
TOLD = 10_000
"""Hints that wait to be sent at most. Further ones are dropped."""


class Engine:
    """The servers in `settings`. `reconnected` is called when messages may have been missed."""

    def __init__(self, settings: NatsSettings, *, reconnected: Callable[[], None] = lambda: None) -> None:
        self.settings, self.reconnected = settings, reconnected
        self.epoch = ""
        """Identifies the log. Known once the engine is open."""
        self.outage = Outage(f"nats stream {settings.stream}", "reached")
        self._connection: Connection | None = None
        self._listeners: list[tuple[str, Heard]] = []
        self._listened = 0
        """How many of them the present connection knows of."""
        self._calls = Calls()
        self._told: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(TOLD)
        self._tasks: set[asyncio.Task[None]] = set()
        self._subscribing: set[asyncio.Task[None]] = set()
        self._failing_since, self._patience = 0.0, PATIENCE

    @property
    def problem(self) -> str | None:
        """Why the servers can't be reached now, in one line. None while there is a connection."""
        return self.outage.problem

    @property
    def server(self) -> str:
        """The address of the server that is used; empty if there is none."""
        connection = self._connection
        return connection.address if connection and not connection.lost.is_set() else ""

    @property
    def encrypted(self) -> bool:
        """Whether what is said to the servers is encrypted."""
        return self._connection is not None and self._connection.encrypted

    async def open(self, founding: Founding | None = None) -> None:
        """Connect, and find the log or create it: empty, or as `founding` says. StoreError after 20 s, or at once if
        waiting doesn't help."""
        try:
            from app.backends.nats.connection import tls_context
        except ModuleNotFoundError:
            raise StoreError(
                "chat.backend = nats needs nats-py: install Natter with it (pip install '.[nats]')"
            ) from None
        try:
            self._context = tls_context(self.settings.tls)
        except OSError as error:
            names = ", ".join(
                filter(None, (self.settings.tls.ca, self.settings.tls.certificate, self.settings.tls.key))
            )
            problem = NO_PEM if isinstance(error, ssl.SSLError) else error.strerror or error
            raise StoreError(f"chat.nats.tls: can't use {names}: {problem}") from None
        deadline = monotonic() + START_PATIENCE
        try:
            await self._find_server(deadline)
            self._start(self._supervise())
            self._start(self._tell())
            self.epoch = await streams.find_log(self.request, self.settings, deadline, founding or streams.found_empty)
        except BaseException:
            await self.close()
            raise

    async def _find_server(self, deadline: float) -> None:
        """Connect for the first time."""
        problem, waits = "no server can be used: none of them answers", False
        try:
            async with asyncio.timeout(START_PATIENCE + LAST_ATTEMPT):
                while True:
                    try:
                        await self._connect()
                        return
                    except Rejected as error:
                        raise StoreError(f"chat.nats: {error}") from None
                    except EngineError as error:
                        problem = str(error)
                        if monotonic() >= deadline:
                            break
                        if not waits:
                            log.warning("chat.nats: %s: waiting for up to %d s", problem, START_PATIENCE)
                            waits = True
                        await asyncio.sleep(RETRY)
        except TimeoutError:  # many servers that say nothing take their time
            pass
        raise StoreError(f"chat.nats: {problem}: start the servers, or correct chat.nats.servers")

    async def close(self) -> None:
        """End the connection."""
        while tasks := set(self._tasks):  # asyncio.wait_for, which nats-py uses, may lose a cancellation in Python 3.11
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=RETRY)
        if self._connection:
            await self._connection.close()
        self._calls.fail("the connection is closed")

    async def bounds(self) -> tuple[int, int]:
        """Return the first and the last position of the log. An empty one has its next position as the first."""
        return await self.bounds_of(self.settings.stream)

    async def append(self, batch: bytes, *, patience: float) -> int:
        """Append to the log, and return the position: a quorum has it."""
        return await self.publish(self.settings.stream, f"{self.settings.stream}.log", batch, patience=patience)

    async def read(self, position: int, *, size: int = 4 << 20) -> list[tuple[int, bytes]]:
        """Return what is in the log from `position` on, in order and without a gap, up to about `size` bytes. It is
        empty if there is nothing yet. Purged if `position` is gone."""
        return await self.fetch(self.settings.stream, position, size=size)

    async def purge(self, before: int) -> None:
        """Remove what is in the log before a position, which may be one after the last at most."""
        _, last = await self.bounds()
        await self.request(f"STREAM.PURGE.{self.settings.stream}", {"seq": min(before, last + 1)})

    def listen(self, subject: str, heard: Heard) -> None:
        """Call `heard` with everything that is published to a subject, as long as there is a connection."""
        self._listeners.append((subject, heard))
        if self._connection and not self._connection.lost.is_set():
            self._catch_up(self._connection)

    async def flushed(self) -> None:
        """Wait until the servers know of everything that was asked of them, such as what is listened to."""
        await asyncio.gather(*self._subscribing)
        if self._connection:
            await self._connection.flush()

    def tell(self, subject: str, payload: bytes) -> None:
        """Publish to those who listen. It is lost if there is no connection."""
        with contextlib.suppress(asyncio.QueueFull):
            self._told.put_nowait((subject, payload))

    async def request(
        self, name: str, question: Mapping[str, Any] | None = None, *, patience: float = 0
    ) -> dict[str, Any]:
        """Ask JetStream's interface, and return the answer. Rejected if it says no."""
        payload = msgspec.json.encode(question) if question is not None else b""
        patience = patience or ANSWER_PATIENCE
        return await self._ask(f"$JS.API.{name}", payload, patience, Answer())

    async def publish(self, stream: str, subject: str, payload: bytes, *, patience: float = ANSWER_PATIENCE) -> int:
        """Store a message in a stream, and return its position."""
        try:
            answer = await self._ask(subject, payload, patience, Answer())
        except EngineError as error:
            await self._turn_away(error)
            if isinstance(error, Rejected) and error.code == streams.FULL:
                problem = f"the stream {stream} is full: run `nats stream edit {stream} --max-bytes=…` with more"
                raise Rejected(problem, error.code) from None
            raise
        self._failing_since, self._patience = 0.0, PATIENCE
        if answer.get("stream") != stream:
            raise Rejected(f"the subject {subject} belongs to the stream {answer.get('stream')}, not to {stream}")
        return int(answer["seq"])

    async def bounds_of(self, stream: str) -> tuple[int, int]:
        """Return the first and the last position of a stream."""
        state = (await self.request(f"STREAM.INFO.{stream}"))["state"]
        last = int(state["last_seq"])
        return (int(state["first_seq"]) if state["messages"] else last + 1), last

    async def fetch(self, stream: str, position: int, *, size: int = 4 << 20) -> list[tuple[int, bytes]]:
        """Like `read`, of any stream."""
        question = msgspec.json.encode({"seq": position, "batch": BATCH, "max_bytes": size})
        call = Messages(position)
        messages = await self._ask(f"$JS.API.DIRECT.GET.{stream}", question, ANSWER_PATIENCE, call)
        if not messages:
            first, last = await self.bounds_of(stream)
            if position < first:
                raise Purged(first)
            if call.gap:
                raise EngineError(f"position {position} of the stream {stream} is missing")
            if position <= last:  # a server that was away answers from what it has
                raise EngineError(f"the server that was asked has no position {position} of the stream {stream} yet")
        return messages

    async def _ask(self, subject: str, payload: bytes, patience: float, call: Call[T]) -> T:
        connection = self._connection
        if connection is None or connection.lost.is_set():
            raise Rejected(self.problem or "there is no connection to the servers")
        return await self._calls.ask(connection, subject, payload, patience, call)

    async def _connect(self, *, without: str = "") -> None:
        """Connect to one of the servers, last to the one at the address `without`."""
        from app.backends.nats.choosing import connect

        self._connection = await connect(self.settings, self._context, self._prepare, without=without)
        self._failing_since = 0.0
        self._catch_up(self._connection)

    async def _prepare(self, connection: Connection) -> None:
        """Listen on a connection that is new."""
        await self._calls.prepare(connection)
        self._listened = 0
        while self._listened < len(self._listeners):
            self._listened += 1
            await self._subscribe(connection, *self._listeners[self._listened - 1])

    def _catch_up(self, connection: Connection) -> None:
        """Listen to what was added since the connection was made."""

        async def subscribe(subject: str, heard: Heard) -> None:
            with contextlib.suppress(Exception):  # the connection is lost, and the next one knows of it
                await self._subscribe(connection, subject, heard)

        for subject, heard in self._listeners[self._listened :]:
            subscribing = self._start(subscribe(subject, heard))
            self._subscribing.add(subscribing)
            subscribing.add_done_callback(self._subscribing.discard)
        self._listened = len(self._listeners)

    async def _subscribe(self, connection: Connection, subject: str, heard: Heard) -> None:
        async def pass_on(message: Msg) -> None:
            heard(message.data, int((message.headers or {}).get("Nats-Sequence", 0)))

        await connection.subscribe(subject, cb=pass_on, pending_msgs_limit=0, pending_bytes_limit=0)

    async def _supervise(self) -> None:
        """Make a new connection whenever there is none."""
        while True:
            assert self._connection is not None
            connection = self._connection
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await connection.lost.wait()
            if connection.lost.is_set():
                if connection.left:
                    reason = f"{connection.address} stores nothing, and was left for another server"
                    log.warning("%s: %s", self.outage.path, reason)
                else:
                    reason = f"{connection.address}: {connection.reason}"
                    self.outage.fail(Source.SERVERS, reason)
                self._calls.fail(reason)
                await self._reconnect(connection.address)
            self.outage.tick()

    async def _reconnect(self, without: str) -> None:
        pause = RETRY
        while True:
            try:
                await self._connect(without=without)
            except EngineError as error:
                self.outage.fail(Source.SERVERS, str(error))
                self.outage.tick()
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                self.outage.recover(Source.SERVERS)
                self.reconnected()
                return

    async def _turn_away(self, error: EngineError) -> None:
        """Leave a server that does nothing for us. Each time in a row, the next one gets more patience."""
        connection, now = self._connection, monotonic()
        if connection is None or connection.lost.is_set() or (isinstance(error, Rejected) and error.code):
            return
        self._failing_since = self._failing_since or now
        if now - self._failing_since >= self._patience and len(self.settings.servers) > 1:
            connection.left = True
            await connection.close()
            self._patience = min(2 * self._patience, LONGEST_PATIENCE)

    async def _tell(self) -> None:
        while True:
            subject, payload = await self._told.get()
            connection = self._connection
            if connection and not connection.lost.is_set():
                with contextlib.suppress(Exception):
                    await connection.publish(subject, payload)

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
