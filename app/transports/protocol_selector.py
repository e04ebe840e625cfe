"""Selects the protocol for a new connection by its first bytes: the class for uvicorn's `http=`."""

from __future__ import annotations

import asyncio
from asyncio.transports import BaseTransport, Transport
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.server import ServerState

from app.transports.fast_handshake import FastHandshake, Server, UpgradeRequest
from app.transports.hardened import REQUEST_DEADLINE, HardenedHttpProtocol


class ProtocolSelector(asyncio.Protocol):
    """A connection until its first bytes arrive. If they are exactly one WebSocket request of the usual form, the
    connection goes on as a FastHandshake; otherwise as a HardenedHttpProtocol, which gets those bytes."""

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
        request = UpgradeRequest.parse(data, config)
        if request is not None:
            self._deadline.cancel()
            FastHandshake(self._server, self._transport, request)
            return
        http = HardenedHttpProtocol(config=config, server_state=state, app_state=app_state)
        http.connection_made(self._transport, self._deadline)
        self._transport.set_protocol(http)
        http.data_received(data)

    def eof_received(self) -> None:
        """The client closed its side without sending anything. Returning None closes the transport."""

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._deadline.cancel()
        self._server.state.connections.discard(cast(Any, self))

    def shutdown(self) -> None:
        """Close the connection because the server stops. uvicorn calls this."""
        self._transport.close()
