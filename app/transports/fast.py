"""A connection at the speed of the kernel: uvicorn's protocol class for the handshake, then a lean one.

Routing, middleware and sign-in are ordinary Starlette. Once the endpoint has accepted the connection it asks the ASGI
scope's extension HANDOVER for a SocketChannel. That takes over the transport, everything that served the handshake is
freed, and no task waits for the connection. Where the scope has no such extension the endpoint carries the connection
itself, with an AsgiChannel.

This is for the requests that are not as most are: see `opening` and `handshake`.
"""

from __future__ import annotations

from asyncio.transports import Transport
from typing import Any, cast

from uvicorn._types import ASGISendEvent
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.http11 import Request

from app.transports.framing import WINDOW
from app.transports.socket_channel import HANDOVER, SocketChannel, handed_over
from app.transports.strict import WebSocketProtocol


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

    def hand_over(self, high: int, stall: float) -> SocketChannel | None:
        """See HANDOVER."""
        said = self.early or self.queue.qsize() or self.conn.reader.buffer
        if said or not self.handshake_complete or self.disconnected or self.close_sent:
            return None
        transport, self.transport = self._closing.plain, cast(Transport, _Gone())
        self.stop_keepalive()
        self.connections.discard(self)
        deflate = next((one for one in self.conn.extensions if isinstance(one, PerMessageDeflate)), None)
        line = handed_over(transport, self.config, self.connections, high, stall, inflates=deflate is not None)
        line.deflated = deflate is not None and deflate.local_max_window_bits >= WINDOW
        return line

    async def send(self, message: ASGISendEvent) -> None:
        if isinstance(self.transport, _Gone):
            raise RuntimeError("the connection was handed over: expected nothing more through ASGI")
        await super().send(message)


class _Gone:
    """What is left of a transport after the hand-over. uvicorn closes it when the endpoint returns."""

    def close(self) -> None:
        """It is another's."""
