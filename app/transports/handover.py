"""The handover: an accepted connection leaves uvicorn's protocol and becomes a SocketChannel.

Routing, middleware and sign-in are ordinary Starlette. Once the endpoint has accepted the connection, it calls the
ASGI scope's extension HANDOVER. The SocketChannel it gets takes over the transport; everything that served the
handshake is freed, and no task waits for the connection. Where the scope has no such extension, the endpoint serves the
connection itself with an AsgiChannel.

`fast_handshake` offers the handover for the usual request. HandoverProtocol offers it for all others.
"""

from __future__ import annotations

import asyncio
import socket
from asyncio.transports import Transport
from collections.abc import MutableSet
from contextlib import suppress
from typing import Any, cast

from uvicorn._types import ASGISendEvent
from uvicorn.config import Config
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.http11 import Request

from app.transports.frame_limit import NO_LIMIT, FrameCount, FrameLimit
from app.transports.frames import WINDOW_BITS, FrameReader
from app.transports.hardened import HardenedWebSocketProtocol
from app.transports.heartbeat import shared_heartbeat
from app.transports.socket_channel import SocketChannel, is_plain_socket
from app.transports.sockets import Peer

HANDOVER = "natter.handover"
"""The key of the ASGI extension `hand_over(high, stall, limit) -> SocketChannel | None`. It hands the accepted
connection over to a SocketChannel, which reads nothing before `start`; None where that isn't possible. The channel is
full once the kernel holds about `high` bytes. If the client then reads nothing for `stall` seconds, the connection is
aborted. `limit` is how many frames it may send."""


def take_over(
    transport: Transport,
    config: Config,
    connections: MutableSet[Any],
    high: int,
    stall: float,
    limit: FrameLimit,
    peer: Peer | None,
    *,
    inflates: bool,
) -> SocketChannel:
    """Replace the protocol of an accepted connection's transport with a new SocketChannel. See HANDOVER.

    `inflates` says whether the client may send compressed messages.
    """
    loop = asyncio.get_running_loop()
    heartbeat = shared_heartbeat(loop, config.ws_ping_interval or 0, config.ws_ping_timeout or 0, stall)
    reader = FrameReader(config.ws_max_size, inflates=inflates)
    channel = SocketChannel(transport, connections, reader, heartbeat, limit, peer)
    if high:  # The kernel doubles it. By default it would buffer megabytes for a client that reads nothing.
        with suppress(OSError):  # the transport is closing
            channel.sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, high // 2)
    connections.add(channel)
    transport.set_protocol(channel)
    # uvloop may still hold the answer to the handshake. This makes it tell the channel so. Over TLS it pauses at the
    # limit rather than above it: at 0, a channel with nothing queued would be full.
    transport.set_write_buffer_limits(high=0 if is_plain_socket(transport) else 1)
    transport.pause_reading()
    return channel


class HandoverProtocol(HardenedWebSocketProtocol):
    """The protocol class for uvicorn's `ws=`: it serves the handshake and offers to hand the connection over."""

    early = False
    """Whether the client sent something before the connection was accepted. Such a connection isn't handed over."""

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

    def hand_over(self, high: int, stall: float, limit: FrameLimit = NO_LIMIT) -> SocketChannel | None:
        """See HANDOVER."""
        self.frame_count = FrameCount(limit)
        received = self.early or self.queue.qsize() or self.conn.reader.buffer
        if received or not self.handshake_complete or self.disconnected or self.close_sent:
            return None
        transport, self.transport = self._closing.wrapped, cast(Transport, _DetachedTransport())
        self.stop_keepalive()
        self.connections.discard(self)
        deflate = next((one for one in self.conn.extensions if isinstance(one, PerMessageDeflate)), None)
        inflates = deflate is not None
        channel = take_over(transport, self.config, self.connections, high, stall, limit, self.peer, inflates=inflates)
        channel.deflated = deflate is not None and deflate.local_max_window_bits >= WINDOW_BITS
        return channel

    async def send(self, message: ASGISendEvent) -> None:
        if isinstance(self.transport, _DetachedTransport):
            raise RuntimeError("this connection was handed over to a SocketChannel: ASGI can't send on it any more")
        await super().send(message)


class _DetachedTransport:
    """Stands in for the transport after the handover. uvicorn closes it when the endpoint returns."""

    def close(self) -> None:
        """Do nothing: the SocketChannel has the transport."""
