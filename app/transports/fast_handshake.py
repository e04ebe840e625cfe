"""The opening handshake of RFC 6455 for the request that nearly every client sends, in half of uvicorn's time."""

from __future__ import annotations

import asyncio
import logging
import socket
from asyncio.transports import Transport
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import unquote

from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.config import Config
from uvicorn.protocols.utils import ClientDisconnected, get_client_addr, get_path_with_query_string
from uvicorn.server import ServerState

from app.transports.frame_limit import NO_LIMIT, FrameLimit
from app.transports.handover import HANDOVER, take_over
from app.transports.hardened import LINGER
from app.transports.opening import Denial, UpgradeRequest, accepting
from app.transports.senders import attached_sender, is_plain_socket
from app.transports.socket_channel import SocketChannel
from app.transports.sockets import Peer

if TYPE_CHECKING:
    from app.transports.handover_protocol import HandoverProtocol

Address = tuple[str, int | None] | None
"""A socket's address in ASGI's form."""
MSG_MORE = getattr(socket, "MSG_MORE", 0)
"""The flag for bytes that should leave together with the next ones, where the system has it."""

log = logging.getLogger("uvicorn.error")


class Server(NamedTuple):
    """What uvicorn gives to each of its protocols."""

    config: Config
    state: ServerState
    app_state: dict[str, Any]


class FastHandshake(asyncio.Protocol):
    """A connection from its request until the application has accepted it and a SocketChannel took it over.

    Nearly every connection takes that course, or is refused with a response. All others fall back to uvicorn: those
    that are served through ASGI, and those whose client sends something before it is answered. uvicorn's protocol then
    takes this one's place, as if it had read the request from the start. Parsing each such request twice is the price.
    """

    __slots__ = (
        "__weakref__",
        "_accepted",
        "_address",
        "_closed",
        "_closing",
        "_connected",
        "_denial",
        "_fallback",
        "_lost",
        "_peer",
        "_request",
        "_scope",
        "_server",
        "_task",
        "_transport",
        "channel",
    )

    def __init__(
        self, server: Server, transport: Transport, request: UpgradeRequest, address: Address, peer: Peer | None
    ) -> None:
        self._address, self._peer = address, peer
        self._server, self._transport, self._request = server, transport, request
        self._fallback: HandoverProtocol | None = None
        self._connected = self._accepted = self._lost = False
        self._denial: Denial | None = None
        """How the response begins that refuses the client."""
        self._closing: asyncio.TimerHandle | None = None
        """Set once that response is on its way: the connection ends with it, or a little later in any case."""
        self._closed: asyncio.Future[None] | None = None
        self.channel: SocketChannel | None = None
        self._scope = self._asgi_scope()
        server.state.connections.add(cast(Any, self))
        transport.set_protocol(self)
        self._task = asyncio.get_running_loop().create_task(self._run())
        self._task.add_done_callback(self._application_returned)
        server.state.tasks.add(self._task)

    def hand_over(self, high: int, stall: float, limit: FrameLimit = NO_LIMIT) -> SocketChannel | None:
        """See HANDOVER."""
        if self._fallback is not None:
            return self._fallback.hand_over(high, stall, limit)
        if not self._accepted or self._lost:
            return None
        config, state, _ = self._server
        state.connections.discard(cast(Any, self))
        connections = cast(Any, state.connections)
        self.channel = take_over(self._transport, config, connections, high, stall, limit, self._peer, inflates=False)
        return self.channel

    async def receive(self) -> ASGIReceiveEvent:
        """The `receive` of ASGI."""
        if self._fallback is None and not self._connected:
            self._connected = True
            return {"type": "websocket.connect"}
        if self._lost or self._closing:
            return {"type": "websocket.disconnect", "code": 1005 if self._accepted else 1006}
        return await self._fall_back().receive()

    async def send(self, message: ASGISendEvent) -> None:
        """The `send` of ASGI."""
        if self._fallback is None and self.channel is None:
            if self._lost or self._transport.is_closing():
                raise ClientDisconnected
            if not self._accepted and (self._accepts(message) or self._refuses(message)):
                return
        await self._fall_back().send(message)

    def data_received(self, data: bytes) -> None:
        if self._closing is None:
            self._fall_back().data_received(data)

    def eof_received(self) -> None:
        """The client closed its side. Returning None closes the transport."""

    def pause_writing(self) -> None:
        if self._closing is None:
            self._fall_back().pause_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        if self._fallback is not None:  # asyncio chose over TLS, a turn ago, who hears of the end
            self._fallback.connection_lost(exc)
            return
        self._server.state.connections.discard(cast(Any, self))
        if self._peer is not None:
            self._peer.leave()
        if self._closing is not None:
            self._closing.cancel()
        if self._closed is not None:
            self._closed.set_result(None)

    def shutdown(self) -> None:
        """Refuse the client because the server stops. uvicorn calls this."""
        if self._closing is None:
            self._fall_back().shutdown()

    def closed(self) -> asyncio.Future[None]:
        """A future that completes once the connection is lost. Ask for it before that."""
        if self._closing is None:
            return self._fall_back().closed()
        if self._closed is None:
            self._closed = asyncio.get_running_loop().create_future()
        return self._closed

    def _asgi_scope(self) -> dict[str, Any]:
        (config, _, app_state), request, info = self._server, self._request, self._transport.get_extra_info
        path, _, query = request.target.partition(b"?")
        return {
            "type": "websocket",
            "asgi": {"version": config.asgi_version, "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "wss" if info("sslcontext") else "ws",
            "server": address_of(info("sockname")),
            "client": self._address,
            "root_path": config.root_path,
            "path": config.root_path + unquote(path.decode("ascii")),
            "raw_path": config.root_path.encode("ascii") + path,
            "query_string": query,
            "headers": request.headers,
            "subprotocols": [one.strip() for one in request.subprotocols.decode("ascii").split(",") if one],
            "state": app_state.copy(),
            "extensions": {"websocket.http.response": {}, HANDOVER: self.hand_over},
        }

    async def _run(self) -> Any:
        return await self._server.config.loaded_app(
            cast(Any, self._scope), cast(Any, self.receive), cast(Any, self.send)
        )

    def _application_returned(self, task: asyncio.Task[Any]) -> None:
        """Leave it to uvicorn to finish and log what the application left undone."""
        self._server.state.tasks.discard(task)
        if self._fallback is None and (self.channel is not None or self._lost or self._closing):
            if not task.cancelled() and (error := task.exception()) and not isinstance(error, ClientDisconnected):
                log.error("Exception in ASGI application\n", exc_info=error)
            del self._task  # breaks a reference cycle through the exception
        else:
            self._fall_back()
        self._scope = {}  # breaks a reference cycle

    def _accepts(self, message: Any) -> bool:
        """Open the WebSocket, if that is what the application wants."""
        if message["type"] != "websocket.accept" or self._denial is not None:
            return False
        headers = [*self._server.state.default_headers, *message.get("headers", ())]
        answer = accepting(self._request.key, headers, message.get("subprotocol"))
        if answer is None:
            return False
        self._log("[accepted]")
        self._accepted = True
        self._write(answer)
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, self._flush_answer)  # after the frames of this turn, which leave at its end
        return True

    def _refuses(self, message: Any) -> bool:
        """Refuse the client, if that is what the application wants, and its response comes in one piece."""
        if self._denial is None:
            self._denial = Denial.of(message)
            if self._denial is not None:
                self._log(str(self._denial.status))
            return self._denial is not None
        if message["type"] != "websocket.http.response.body" or message.get("more_body"):
            return False
        self._transport.write(self._denial.answer(message["body"]))
        self._transport.close()
        linger = self._server.config.timeout_graceful_shutdown or LINGER
        self._closing = asyncio.get_running_loop().call_later(linger, self._transport.abort)
        return True

    def _log(self, outcome: str) -> None:
        if log.isEnabledFor(logging.INFO):
            scope = cast(Any, self._scope)
            log.info('%s - "WebSocket %s" %s', get_client_addr(scope), get_path_with_query_string(scope), outcome)

    def _write(self, answer: bytes) -> None:
        """Write the answer so that the channel's first frames leave with it: the system call is half of what the kernel
        does for a handshake."""
        transport = self._transport
        sent = 0
        if is_plain_socket(transport) and not transport.get_write_buffer_size():
            sender = attached_sender(transport)
            try:
                sent = sender.send(answer, MSG_MORE)
            except OSError:  # the transport gets it too
                pass
            finally:
                sender.detach()
        if sent < len(answer):
            transport.write(answer[sent:])

    def _flush_answer(self) -> None:
        """Send the answer now if no frames came along. A connection that wasn't handed over becomes uvicorn's, which
        pings it."""
        if self._transport.is_closing():
            return
        if self.channel is None:
            self._fall_back()
        sender = attached_sender(self._transport)
        with suppress(OSError):  # the client has left, or this isn't TCP, which holds nothing back
            sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sender.detach()

    def _fall_back(self) -> HandoverProtocol:
        """Put uvicorn's protocol in this one's place, and return it."""
        if self.channel is not None:
            raise RuntimeError("this connection was handed over to a SocketChannel: ASGI can't send on it any more")
        if self._fallback is None:
            from app.transports.handover_protocol import HandoverProtocol  # few clients need it

            config, state, app_state = self._server
            fallback = HandoverProtocol(config=config, server_state=state, app_state=app_state)
            self._fallback = fallback
            fallback.app, fallback.peer = cast(Any, self._application_result), self._peer
            state.connections.discard(cast(Any, self))
            fallback.connection_made(self._transport)
            fallback.data_received(self._request.head)
            fallback.resume_handshake(connected=self._connected, accepted=self._accepted, denial=self._denial)
            self._transport.set_protocol(fallback)
        return self._fallback

    async def _application_result(self, *_: object) -> Any:
        """The application for uvicorn's protocol: the one that is running already."""
        return await self._task


def address_of(info: Any) -> Address:
    """A socket's address in ASGI's form: host and port, or a path and None."""
    if isinstance(info, tuple):
        return str(info[0]), int(info[1])
    return (info, None) if isinstance(info, str) and info else None
