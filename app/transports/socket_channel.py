"""A connection after its handshake: RFC 6455 on a transport, and nothing else."""

from __future__ import annotations

import asyncio
import socket
from _socket import socket as RawSocket  # noqa: N812  (a tenth of what the class of the socket module takes)
from asyncio.transports import Transport
from collections.abc import MutableSet
from contextlib import suppress
from typing import Any, cast

from uvicorn.config import Config

from app.chat.closing import CloseCode
from app.transports import Batch, Receiver
from app.transports.framing import Breach, Opcode, Reader, closing, encoded
from app.transports.strict import LINGER
from app.transports.wheel import Wheel, wheel_of

HANDOVER = "natter.handover"
"""The key of the extension, `hand_over(high, stall) -> SocketChannel | None`: give the accepted connection to a
SocketChannel, which reads nothing before `begin`, or None where that isn't possible. The channel is full once the
kernel holds about `high` bytes; if it then takes nothing for `stall` seconds, it is aborted."""
MOST_PONGS = 64 * 1024
"""Bytes that may wait for a client that sends pings and reads nothing."""


class SocketChannel(asyncio.Protocol):
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
        "_over",
        "_reader",
        "_receiver",
        "_transport",
        "_wheel",
        "deflated",
        "full",
        "sender",
    )

    def __init__(self, transport: Transport, connections: MutableSet[Any], reader: Reader, wheel: Wheel) -> None:
        self._transport, self._connections, self._wheel = transport, connections, wheel
        self._receiver: Receiver | None = None
        self._over = False
        self.full = self.deflated = False
        self._left_over = 0
        """Bytes that the transport was given, ever."""
        self._reader = reader
        self._closing: asyncio.TimerHandle | None = None
        self._drained: asyncio.Future[bool] | None = None
        self._gone: asyncio.Future[None] | None = None
        self.sender = RawSocket.__new__(RawSocket) if plain(transport) else _ByTransport(transport)
        self._take_up()
        wheel.add(self)

    def begin(self, receiver: Receiver) -> None:
        """Read, and tell `receiver`; it is told at once if the connection has ended meanwhile."""
        if self._over:
            receiver.channel_closed()
        else:
            self._receiver = receiver
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
                if self._receiver is not None and not self._over:
                    self._receiver.text_received(cast(str, payload))
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
            borrow(self.sender, self._transport)

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
        """Tell the receiver that it is over, once."""
        if self._over:
            return
        self._over = True
        self.sender.detach()
        self._wake()
        receiver, self._receiver = self._receiver, None  # they refer to each other, and would until a collection
        if receiver is not None:
            receiver.channel_closed()

    def _wake(self) -> None:
        if self._drained is not None:
            self._drained.set_result(True)
            self._drained = None


class _ByTransport:
    """In place of the socket where only the transport can send: over TLS."""

    __slots__ = ("_transport",)

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def send(self, data: bytes, /) -> int:  # noqa: ARG002
        return 0

    def setsockopt(self, level: int, option: int, value: int, /) -> None:
        self._transport.get_extra_info("socket").setsockopt(level, option, value)

    def detach(self) -> int:
        return -1


def plain(transport: Transport) -> bool:
    """Whether frames may be sent through the transport's socket itself: not over TLS."""
    return transport.get_extra_info("socket") is not None and transport.get_extra_info("sslcontext") is None


def borrowed(transport: Transport) -> RawSocket:
    """A socket to send through, on the descriptor of a transport that is not closing: to be detached again."""
    sender = RawSocket.__new__(RawSocket)
    borrow(sender, transport)
    return sender


def borrow(sender: RawSocket, transport: Transport) -> None:
    """Send through the descriptor of a transport that is not closing: to be detached before it is closed.

    The family makes no difference to who only sends, and not to ask for it saves as much as a send takes.
    """
    RawSocket.__init__(sender, socket.AF_INET, socket.SOCK_STREAM, 0, transport.get_extra_info("socket").fileno())


def handed_over(
    transport: Transport, config: Config, connections: MutableSet[Any], high: int, stall: float, *, inflates: bool
) -> SocketChannel:
    """A line on the transport of a connection that was let in, in place of the protocol that it had. See HANDOVER."""
    loop = asyncio.get_running_loop()
    wheel = wheel_of(loop, config.ws_ping_interval or 0, config.ws_ping_timeout or 0, stall)
    line = SocketChannel(transport, connections, Reader(config.ws_max_size, inflates=inflates), wheel)
    if high:  # the kernel doubles it; left alone it would keep megabytes for who reads nothing
        with suppress(OSError):  # the transport is closing
            line.sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, high // 2)
    connections.add(line)
    transport.set_protocol(line)
    transport.set_write_buffer_limits(high=0)  # uvloop may hold the handshake's answer yet: the line is told so
    transport.pause_reading()
    return line
