"""Selects the protocol for a new connection by its first bytes: the class for uvicorn's `http=`."""

from __future__ import annotations

import asyncio
from asyncio.transports import BaseTransport, Transport
from collections.abc import Callable
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.server import ServerState

from app.refusals import Refusal
from app.transports.fast_handshake import FastHandshake, Server, address_of
from app.transports.hardened import REQUEST_DEADLINE, HardenedHttpProtocol
from app.transports.opening import UpgradeRequest
from app.transports.reading_turns import REQUEST, reading_turns
from app.transports.sockets import Peer, Sockets, answer, owner_of


class ProtocolSelector(asyncio.Protocol):
    """A connection until its first bytes arrive. If they are exactly one WebSocket request of the usual form, the
    connection goes on as a FastHandshake; otherwise as a HardenedHttpProtocol, which gets those bytes.

    If the application has `sockets`, the connection is counted there first, and may be refused."""

    __slots__ = ("_address", "_data", "_deadline", "_entered", "_peer", "_server", "_transport", "end")

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._server = Server(config, server_state, app_state)
        self._deadline: asyncio.TimerHandle | None = None
        self._peer: Peer | None = None
        self._data = b""
        """What waits for its turn."""
        self._entered = False
        self.end: Callable[[], object]
        """Ends the connection at once."""

    def connection_made(self, transport: BaseTransport) -> None:
        self._transport = made = cast(Transport, transport)
        if not self._entered and (refusal := self.enter(made.get_extra_info("peername"))) is not None:
            made.write(answer(refusal))
            made.close()
            return
        self.end = made.abort
        self._server.state.connections.add(cast(Any, self))
        self._deadline = asyncio.get_running_loop().call_later(REQUEST_DEADLINE, made.abort)

    def enter(self, peername: Any) -> Refusal | None:
        """Count a new connection, or return why it is refused. Over TLS, this is before its handshake."""
        self._entered = True
        self._address = address_of(peername)
        if (sockets := self._sockets) is not None:
            peer = sockets.enter(self._address[0] if self._address and self._address[1] is not None else "")
            if isinstance(peer, Refusal):
                return peer
            self._peer = peer
            if self._address and peer.key == self._address[0]:
                self._address = peer.key, self._address[1]  # all connections from an address share its text
            sockets.waiting[self] = None
        return None

    @property
    def made(self) -> bool:
        """Whether the transport has told of the connection, and will tell of its end."""
        return self._deadline is not None

    def leave(self) -> None:
        """Count a connection no longer, since it has ended."""
        self._waits_no_longer()
        if self._peer is not None:
            self._peer.leave()

    def data_received(self, data: bytes) -> None:
        if self._deadline is None:
            return
        self._data += data
        turns = reading_turns(asyncio.get_running_loop())
        if turns.take(owner_of(self._peer), REQUEST):
            self._select()
        else:
            self._transport.pause_reading()
            turns.wait(self, owner_of(self._peer))

    def take_turn(self) -> None:
        """Look at what waited. See `Reader`."""
        if self._data:
            reading_turns(asyncio.get_running_loop()).left -= REQUEST
            self._transport.resume_reading()
            self._select()

    def _select(self) -> None:
        """Go on as the protocol that the first bytes ask for."""
        data, self._data = self._data, b""
        assert self._deadline is not None
        self._waits_no_longer()
        config, state, app_state = self._server
        request = UpgradeRequest.parse(data, config)
        if request is not None:
            self._deadline.cancel()
            FastHandshake(self._server, self._transport, request, self._address, self._peer)
            return
        http = HardenedHttpProtocol(config=config, server_state=state, app_state=app_state)
        http.connection_made(self._transport, self._deadline, self._peer)
        self._transport.set_protocol(http)
        http.read(data)

    def eof_received(self) -> None:
        """The client closed its side without sending anything. Returning None closes the transport."""

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if self._deadline is None:
            return
        self._deadline.cancel()
        self._data = b""
        self.leave()

    def shutdown(self) -> None:
        """Close the connection because the server stops. uvicorn calls this."""
        self._transport.close()

    def make_room(self) -> None:
        """End the connection at once. `Sockets` calls this."""
        self.end()

    @property
    def _sockets(self) -> Sockets | None:
        sockets: Sockets | None = getattr(self._server.config.app, "sockets", None)
        return sockets

    def _waits_no_longer(self) -> None:
        self._server.state.connections.discard(cast(Any, self))
        if self._peer is not None:
            cast(Sockets, self._sockets).waiting.pop(self, None)
