"""Beside uvicorn's protocol as it is: whole frames, made once for all who get them, straight to the socket."""

from __future__ import annotations

import asyncio
from _socket import socket as RawSocket  # noqa: N812
from asyncio.transports import Transport
from typing import Any, cast

from starlette.types import Send
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

from app.transports.socket_channel import borrow, plain


class Beside:
    """Writes to a connection that uvicorn's protocol goes on to serve: what that writes itself, as its pings, pongs and
    close frames, keeps its place among the frames written here.

    They are uncompressed, which is allowed whatever was agreed on. It belongs to one event loop.
    """

    __slots__ = ("_protocol", "_transport", "sender")

    def __init__(self, protocol: WebSocketsSansIOProtocol) -> None:
        self._protocol, self._transport = protocol, protocol.transport
        self.sender: RawSocket | None = None
        """Takes bytes as long as nothing waits before them in the transport and uvicorn sent no close frame. None where
        only the transport can send: over TLS."""
        if plain(self._transport) and not protocol.disconnected:
            self.sender = RawSocket.__new__(RawSocket)
            _Between(protocol, self.sender)

    def write(self, data: bytes, taken: int = 0) -> bool:
        """Write whole frames, of which the sender took the first bytes, as uvicorn would in this moment. False if it
        would wait or refuse: then nothing is written."""
        taken = taken or self._send(data)
        if taken == len(data):
            return True
        self.let_go()
        if not taken and not (self._open() and self._protocol.writable.is_set()):
            return False
        self._transport.write(data[taken:])
        return True

    def let_go(self) -> None:
        """Send no more through the socket, until something is written."""
        if self.sender is not None:
            self.sender.detach()

    def _send(self, data: bytes) -> int:
        if self.sender is None or (self.sender.fileno() < 0 and not self._take_up(self.sender)):
            return 0
        try:
            return self.sender.send(data)
        except OSError:
            return 0

    def _take_up(self, sender: RawSocket) -> bool:
        """Send through the socket again, if nothing waits before it."""
        if not self._open() or self._transport.is_closing() or self._transport.get_write_buffer_size():
            return False
        borrow(sender, self._transport)
        return True

    def _open(self) -> bool:
        """Whether data may follow what uvicorn wrote: after a close frame none may."""
        return not self._protocol.disconnected and self._protocol.conn.state is State.OPEN


class _Between(asyncio.Protocol):
    """Stands between uvicorn's protocol and its transport, to each in the other's place: so the socket is let go of
    before anything else is written, and before the transport closes the descriptor, which is its own."""

    __slots__ = (
        "_protocol",
        "_sender",
        "_transport",
        "data_received",
        "eof_received",
        "get_extra_info",
        "is_closing",
        "pause_reading",
        "pause_writing",
        "resume_reading",
        "resume_writing",
    )

    def __init__(self, protocol: WebSocketsSansIOProtocol, sender: RawSocket) -> None:
        self._protocol, self._transport, self._sender = protocol, protocol.transport, sender
        for name in ("data_received", "eof_received", "pause_writing", "resume_writing"):
            setattr(self, name, getattr(protocol, name))
        for name in ("get_extra_info", "is_closing", "pause_reading", "resume_reading"):
            setattr(self, name, getattr(self._transport, name))
        self._transport.set_protocol(self)
        protocol.transport = cast(Transport, self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._sender.detach()
        self._protocol.transport = self._transport  # they would refer to each other until a collection
        self._protocol.connection_lost(exc)

    def write(self, data: bytes) -> None:
        self._sender.detach()
        self._transport.write(data)

    def close(self) -> None:
        self._sender.detach()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        """Whatever else uvicorn asks of its transport may write."""
        self._sender.detach()
        return getattr(self._transport, name)


def beside(send: Send | None) -> Beside | None:
    """A way past uvicorn's protocol, if `send` is its own method and not that of a middleware around the application;
    for a connection that is accepted and not over."""
    protocol = getattr(send, "__self__", None)
    return Beside(protocol) if isinstance(protocol, WebSocketsSansIOProtocol) else None
