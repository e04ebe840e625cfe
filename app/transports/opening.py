"""How a connection begins: uvicorn's protocol class for `http=`, which tells the usual WebSocket from all else."""

from __future__ import annotations

import asyncio
from asyncio.transports import BaseTransport, Transport
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.server import ServerState

from app.transports.handshake import Handshake, Request, Server
from app.transports.strict import REQUEST_DEADLINE, HttpProtocol


class Opening(asyncio.Protocol):
    """A connection until its first bytes. If they are one request as nearly every WebSocket client sends it, it goes on
    as a Handshake; whatever else they are, as an HttpProtocol, which is given them."""

    __slots__ = ("_deadline", "_server", "_transport")

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._server = Server(config, server_state, app_state)

    def connection_made(self, transport: BaseTransport) -> None:
        self._transport = cast(Transport, transport)
        self._server.state.connections.add(cast(Any, self))
        self._deadline = asyncio.get_running_loop().call_later(REQUEST_DEADLINE, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        config, state, app_state = self._server
        state.connections.discard(cast(Any, self))
        request = Request.read(data, config)
        if request is not None:
            self._deadline.cancel()
            Handshake(self._server, self._transport, request)
            return
        http = HttpProtocol(config=config, server_state=state, app_state=app_state)
        http.connection_made(self._transport, self._deadline)
        self._transport.set_protocol(http)
        http.data_received(data)

    def eof_received(self) -> None:
        """The client said nothing and says no more: the transport closes."""

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._deadline.cancel()
        self._server.state.connections.discard(cast(Any, self))

    def shutdown(self) -> None:
        """Close it, as the server stops; uvicorn's name for it."""
        self._transport.close()
