"""uvicorn's WebSocket protocol class, which offers the handover. See `handover`."""

from __future__ import annotations

from asyncio.transports import Transport
from typing import Any, cast

from uvicorn._types import ASGISendEvent
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.http11 import Request

from app.transports.frame_limit import NO_LIMIT, FrameCount, FrameLimit
from app.transports.frames import WINDOW_BITS
from app.transports.handover import HANDOVER, take_over
from app.transports.hardened_websocket import HardenedWebSocketProtocol
from app.transports.socket_channel import SocketChannel


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
