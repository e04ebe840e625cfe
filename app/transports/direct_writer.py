"""Writes to the socket below uvicorn's own WebSocket protocol: whole frames, encoded once for all their recipients."""

from __future__ import annotations

import asyncio
from _socket import socket as RawSocket  # noqa: N812
from asyncio.transports import Transport
from typing import Any, cast

from starlette.types import Send
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

from app.transports.senders import attach, is_plain_socket


class DirectWriter:
    """Writes frames to a connection that uvicorn's protocol goes on serving. The frames that uvicorn writes itself
    (pings, pongs, close frames) keep their order among the frames written here.

    Frames are uncompressed, which is allowed even if compression was negotiated. It belongs to one event loop.
    """

    __slots__ = ("_protocol", "_transport", "sender")

    def __init__(self, protocol: WebSocketsSansIOProtocol) -> None:
        self._protocol, self._transport = protocol, protocol.transport
        self.sender: RawSocket | None = None
        """Accepts bytes as long as nothing is queued in the transport and uvicorn has sent no close frame. None where
        only the transport can send: over TLS."""
        if is_plain_socket(self._transport) and not protocol.disconnected:
            self.sender = RawSocket.__new__(RawSocket)
            _TransportProxy(protocol, self.sender)

    def write(self, data: bytes, sent: int = 0) -> bool:
        """Write whole frames, of which the sender accepted the first `sent` bytes, if uvicorn would write at once too.
        False, and nothing is written, if it would wait or refuse."""
        sent = sent or self._send(data)
        if sent == len(data):
            return True
        self.detach()
        if not sent and not (self._open() and self._protocol.writable.is_set()):
            return False
        self._transport.write(data[sent:])
        return True

    def detach(self) -> None:
        """Let go of the socket until the next write."""
        if self.sender is not None:
            self.sender.detach()

    def _send(self, data: bytes) -> int:
        if self.sender is None or (self.sender.fileno() < 0 and not self._attach(self.sender)):
            return 0
        try:
            return self.sender.send(data)
        except OSError:
            return 0

    def _attach(self, sender: RawSocket) -> bool:
        """Use the socket again, if nothing is queued in the transport."""
        if not self._open() or self._transport.is_closing() or self._transport.get_write_buffer_size():
            return False
        attach(sender, self._transport)
        return True

    def _open(self) -> bool:
        """Whether frames may follow what uvicorn wrote last. After a close frame none may."""
        return not self._protocol.disconnected and self._protocol.conn.state is State.OPEN


class _TransportProxy(asyncio.Protocol):
    """Sits between uvicorn's protocol and its transport, as the other one to each of them.

    It detaches the sender before anything else is written, and before the transport closes the descriptor: the
    descriptor belongs to the transport.
    """

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
        self._protocol.transport = self._transport  # breaks a reference cycle
        self._protocol.connection_lost(exc)

    def write(self, data: bytes) -> None:
        self._sender.detach()
        self._transport.write(data)

    def close(self) -> None:
        self._sender.detach()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        """Anything else that uvicorn asks of its transport might write."""
        self._sender.detach()
        return getattr(self._transport, name)


def direct_writer(send: Send | None) -> DirectWriter | None:
    """A writer for the open connection behind `send`, or None if `send` isn't a method of uvicorn's protocol (for
    example, because a middleware wraps it)."""
    protocol = getattr(send, "__self__", None)
    return DirectWriter(protocol) if isinstance(protocol, WebSocketsSansIOProtocol) else None
