"""A connection at the speed of the kernel: uvicorn's protocol class for the handshake, then a lean one.

The handshake is uvicorn's, and routing, middleware and sign-in are ordinary Starlette. Once the endpoint has accepted
the connection it asks the ASGI scope's extension HANDOVER for a Line. The transport is then given to that, all that
served the handshake is freed, and no task waits for the connection. Where the scope has no such extension the endpoint
carries the connection itself, with `stock`.
"""

from __future__ import annotations

import asyncio
import socket
from _socket import socket as RawSocket  # noqa: N812  (a tenth of what the class of the socket module takes)
from asyncio.transports import Transport
from collections.abc import MutableSet
from typing import Any, cast

from uvicorn._types import ASGISendEvent
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.http11 import Request

from app.chat.closing import CloseCode
from app.transports import Batch, Listener
from app.transports.framing import WINDOW, Breach, Opcode, Reader, closing, encoded
from app.transports.strict import LINGER, WebSocketProtocol

HANDOVER = "natter.handover"
"""The key of the extension, `hand_over(high, stall) -> Line | None`."""
MOST_PONGS = 64 * 1024
"""Bytes that may wait for a client that sends pings and reads nothing."""
TICKS = 16
"""Into how many groups connections are parted, so that not all are pinged at once."""


class FastProtocol(WebSocketProtocol):
    """uvicorn's protocol class for `ws=`: it serves the handshake, and offers to hand the connection over."""

    early = False
    """Whether the client sent something before it was let in: such a connection is not handed over."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        if self.config.ws_per_message_deflate:
            self.conn.available_extensions = [
                ServerPerMessageDeflateFactory(server_no_context_takeover=True, client_no_context_takeover=True)
            ]

    def data_received(self, data: bytes) -> None:
        self.early = self.early or self.handshake_initiated
        super().data_received(data)

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if hasattr(self, "scope"):
            cast(dict[str, Any], self.scope)["extensions"][HANDOVER] = self.hand_over

    def hand_over(self, high: int, stall: float) -> Line | None:
        """Give the accepted connection to a Line, which reads nothing before it begins, or None where it can't be. Once
        the kernel keeps about `high` bytes the line is full; one that is, and takes nothing for `stall` seconds, is cut
        off."""
        if self.early or self.queue.qsize() or self.conn.reader.buffer or not self.handshake_complete:
            return None
        transport, self.transport = self._closing.plain, cast(Transport, _Gone())
        self.stop_keepalive()
        raw = transport.get_extra_info("socket")
        if raw is not None and high:  # the kernel doubles it; left alone it would keep megabytes for who reads nothing
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, high // 2)
        deflate = next((one for one in self.conn.extensions if isinstance(one, PerMessageDeflate)), None)
        reader = Reader(self.config.ws_max_size, inflates=deflate is not None)
        line = Line(transport, cast(Any, self.connections), reader, self._wheel(stall))
        line.deflated = deflate is not None and deflate.local_max_window_bits >= WINDOW
        self.connections.discard(self)
        self.connections.add(cast(Any, line))
        transport.set_protocol(line)
        transport.set_write_buffer_limits(high=0)  # uvloop may hold the handshake's answer yet: the line is told so
        transport.pause_reading()
        return line

    def _wheel(self, stall: float) -> Wheel:
        """The wheel of this loop for these deadlines. A server has one loop, and a wheel for each `stall`."""
        key = self.loop, stall
        wheel = _wheels.get(key)
        if wheel is None:
            config = self.config
            wheel = Wheel(self.loop, config.ws_ping_interval or 0, config.ws_ping_timeout or 0, stall)
            _wheels[key] = wheel
        return wheel

    async def send(self, message: ASGISendEvent) -> None:
        if isinstance(self.transport, _Gone):
            raise RuntimeError("the connection was handed over: expected nothing more through ASGI")
        await super().send(message)


_wheels: dict[tuple[asyncio.AbstractEventLoop, float], Wheel] = {}


class _Gone:
    """What is left of a transport after the hand-over. uvicorn closes it when the endpoint returns."""

    def close(self) -> None:
        """It is another's."""


class Line(asyncio.Protocol):
    """A connection after its handshake: it reads frames, and writes each batch with one system call.

    What the socket does not take at once the transport keeps; as long as it keeps anything the line is `full`. It
    belongs to one event loop.
    """

    __slots__ = (
        "_closing",
        "_connections",
        "_drained",
        "_gone",
        "_left_over",
        "_listener",
        "_over",
        "_reader",
        "_transport",
        "_wheel",
        "deflated",
        "full",
        "sender",
    )

    def __init__(self, transport: Transport, connections: MutableSet[Any], reader: Reader, wheel: Wheel) -> None:
        self._transport, self._connections, self._wheel = transport, connections, wheel
        self._listener: Listener | None = None
        self._over = False
        self.full = self.deflated = False
        self._left_over = 0
        """Bytes that the transport was given, ever."""
        self._reader = reader
        self._closing: asyncio.TimerHandle | None = None
        self._drained: asyncio.Future[bool] | None = None
        self._gone: asyncio.Future[None] | None = None
        plain = transport.get_extra_info("socket") is not None and transport.get_extra_info("sslcontext") is None
        self.sender = RawSocket.__new__(RawSocket) if plain else _ByTransport()
        self._take_up()
        wheel.add(self)

    def begin(self, listener: Listener) -> None:
        """Read, and tell `listener`; it is told at once if the connection has ended meanwhile."""
        self._listener = listener
        if self._over:
            listener.ended()
        else:
            self._transport.resume_reading()

    def put(self, batch: Batch) -> None:
        self.write(batch)

    def write(self, data: bytes) -> None:
        """Write whole frames: to the socket where nothing waits before them, which is what makes `full` exact."""
        try:
            taken = self.sender.send(data)
        except OSError:
            taken = 0
        if taken < len(data):
            self._leave(data[taken:])

    def keep(self, batch: Batch, taken: int) -> None:
        self._leave(batch[taken:])

    async def writable(self) -> bool:
        while self.full and not self._over:
            if self._drained is None:
                self._drained = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._drained)
        return not self._over

    def pause(self) -> None:
        self._transport.pause_reading()

    def resume(self) -> None:
        self._transport.resume_reading()

    def close(self, code: CloseCode, reason: str = "") -> None:
        if self._closing is not None:
            return
        if self.full and code == CloseCode.SLOW_READER:
            self._abort()
            return
        self.finish(code, reason)

    def finish(self, code: CloseCode, reason: str = "") -> None:
        if self._closing is None:
            self.write(closing(code, reason))
            self._linger()

    def shutdown(self) -> None:
        """Tell the client that the server goes away; uvicorn's name for it."""
        self.close(CloseCode.RESTARTING)

    def gone(self) -> asyncio.Future[None]:
        """A future that is done once the connection is lost; to be asked for while it is not."""
        if self._gone is None:
            self._gone = asyncio.get_running_loop().create_future()
        return self._gone

    def data_received(self, data: bytes) -> None:
        for message in self._reader.read(data):
            if type(message) is Breach:
                self.close(message.code, message.reason)
                # What it answers is not read: it need not wait for more.
                if self._transport.can_write_eof() and not self._transport.is_closing():
                    self._transport.write_eof()
                return
            opcode, payload = message
            if opcode == Opcode.TEXT:
                if self._listener is not None and not self._over:
                    self._listener.heard(cast(str, payload))
            elif opcode == Opcode.PONG:
                self._wheel.answered(self)
            elif opcode == Opcode.PING:
                self._pong(cast(bytes, payload))
            elif opcode == Opcode.CLOSE:
                if self._closing is None:
                    self.write(encoded(Opcode.CLOSE, cast(bytes, payload)[:2]))
                    self._linger()
                self._transport.close()
                return

    def eof_received(self) -> None:
        """The client said that it says no more: the transport closes."""

    def pause_writing(self) -> None:
        self.full = True
        self.sender.detach()
        self._wheel.stalled(self)

    def resume_writing(self) -> None:
        self.full = False
        self._take_up()
        self._wheel.moved(self)
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.sender.detach()
        self._connections.discard(self)
        self._wheel.remove(self)
        self._end()
        if self._closing is not None:
            self._closing.cancel()
        if self._gone is not None:
            self._gone.set_result(None)

    def ping(self) -> None:
        """Ask whether the client is still there."""
        if not self.full:
            self.write(encoded(Opcode.PING, b""))

    def waiting(self) -> int:
        """Bytes that wait to be written."""
        return self._transport.get_write_buffer_size()

    def taken(self) -> int:
        """Bytes that waited once and were written: it grows as long as the client reads, whatever is put meanwhile."""
        return self._left_over - self.waiting()

    def give_up(self, code: CloseCode, reason: str) -> None:
        """Tell why, if the client can be told, or else cut the connection."""
        if self.full:
            self._abort()
        else:
            self.finish(code, reason)

    def _take_up(self) -> None:
        """Send through the transport's socket, as nothing waits before it. The descriptor stays the transport's, which
        closes it: the sender lets go of it before that."""
        if isinstance(self.sender, RawSocket) and not self._over and not self._transport.is_closing():
            raw = self._transport.get_extra_info("socket")
            RawSocket.__init__(self.sender, raw.family, raw.type, raw.proto, raw.fileno())

    def _leave(self, data: bytes) -> None:
        """Leave the rest to the transport. After the end there is nothing to do, and uvloop's would raise an error."""
        if not self._over and not self._transport.is_closing():
            self._left_over += len(data)
            self._transport.write(data)

    def _pong(self, payload: bytes) -> None:
        if self.full and self.waiting() > MOST_PONGS:
            self._abort()
        else:
            self.write(encoded(Opcode.PONG, payload))

    def _linger(self) -> None:
        """Wait a little for the client to end the connection, and end it then, whatever still waits for it."""
        self._closing = asyncio.get_running_loop().call_later(LINGER, self._abort)
        self._transport.resume_reading()
        self._end()

    def _abort(self) -> None:
        self.sender.detach()
        self._transport.abort()

    def _end(self) -> None:
        """Tell the listener that it is over, once."""
        if self._over:
            return
        self._over = True
        self.sender.detach()
        self._wake()
        if self._listener is not None:
            self._listener.ended()

    def _wake(self) -> None:
        if self._drained is not None:
            self._drained.set_result(True)
            self._drained = None


class _ByTransport:
    """In place of the socket where only the transport can send: over TLS."""

    __slots__ = ()

    def send(self, data: bytes, /) -> int:  # noqa: ARG002
        return 0

    def detach(self) -> int:
        return -1


class Wheel:
    """One timer for all lines of a loop: it pings them in turn, and cuts off those that do not answer or do not read.

    `period` is how often each is pinged, in seconds, 0 for never; `timeout` how long it may take to answer, and `stall`
    how long it may read nothing while something waits for it, 0 for ever.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, period: float, timeout: float, stall: float) -> None:
        self._loop, self._period, self._timeout, self._stall = loop, period, timeout, stall
        self._groups: list[dict[Line, None]] = [{} for _ in range(TICKS)]
        self._group_of: dict[Line, int] = {}
        self._asked: dict[Line, tuple[float, int]] = {}
        """Whose answer is awaited: since when, and what it had taken by then."""
        self._stalled: dict[Line, tuple[float, int]] = {}
        self._next = self._turn = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, line: Line) -> None:
        """Look after a line from now on."""
        self._group_of[line] = self._next
        self._groups[self._next][line] = None
        self._next = (self._next + 1) % TICKS
        if self._timer is None:
            self._timer = self._loop.call_later(self._tick_length(), self._tick)

    def remove(self, line: Line) -> None:
        """Look after it no longer."""
        del self._groups[self._group_of.pop(line)][line]
        self._asked.pop(line, None)
        self._stalled.pop(line, None)

    def answered(self, line: Line) -> None:
        """The client is there."""
        self._asked.pop(line, None)

    def stalled(self, line: Line) -> None:
        """Something waits for the client from now on."""
        self._stalled[line] = self._loop.time(), line.taken()

    def moved(self, line: Line) -> None:
        """Nothing waits for it any more: it is there, whether or not there was room to ask."""
        self._stalled.pop(line, None)
        self._asked.pop(line, None)

    def _tick_length(self) -> float:
        """An answer that is late is noticed within a tick."""
        lengths = [length / TICKS for length in (self._period, self._timeout, self._stall) if length]
        return min([1.0, *lengths])

    def _tick(self) -> None:
        self._timer = self._loop.call_later(self._tick_length(), self._tick) if self._group_of else None
        now = self._loop.time()
        if self._timeout:
            self._cut_silent(now)
        if self._stall:
            self._cut_stalled(now)
        if self._period:
            self._ping(now)

    def _ping(self, now: float) -> None:
        """Ping the groups whose turn came since the last tick."""
        turn = int(now / self._period * TICKS)
        first = max(self._turn + 1, turn - TICKS + 1) if self._turn else turn
        for group in range(first, turn + 1):
            for line in self._groups[group % TICKS]:
                if line not in self._asked:
                    self._asked[line] = now, line.taken()
                    line.ping()
        self._turn = turn

    def _cut_silent(self, now: float) -> None:
        """One that is full was not asked, or the question waits: it is there as long as it reads."""
        for line in _overdue(self._asked, now - self._timeout):
            before = self._asked.pop(line)[1]
            if line.full and line.taken() > before:
                self._asked[line] = now, line.taken()
            else:
                line.give_up(CloseCode.PING_TIMEOUT, "no answer to a ping")

    def _cut_stalled(self, now: float) -> None:
        stalled = [line for line, (since, _) in self._stalled.items() if now - since >= self._stall]
        for line in stalled:
            before = self._stalled[line][1]
            if line.taken() > before:
                self._stalled[line] = now, line.taken()
            else:
                line.give_up(CloseCode.SLOW_READER, "nothing was read for too long")


def _overdue(asked: dict[Line, tuple[float, int]], before: float) -> list[Line]:
    """Those asked before a time. They are in the order in which they were asked."""
    found = []
    for line, (at, _) in asked.items():
        if at > before:
            break
        found.append(line)
    return found
