"""The opening handshake of RFC 6455 for the request that nearly every client sends, in half of uvicorn's time."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from asyncio.transports import Transport
from binascii import b2a_base64
from contextlib import suppress
from hashlib import sha1
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import unquote

from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.config import Config
from uvicorn.protocols.utils import ClientDisconnected, get_client_addr, get_path_with_query_string
from uvicorn.server import ServerState

from app.transports.frame_limit import NO_LIMIT, FrameLimit
from app.transports.handover import HANDOVER, take_over
from app.transports.senders import attached_sender, is_plain_socket
from app.transports.socket_channel import SocketChannel
from app.transports.sockets import Peer

if TYPE_CHECKING:
    from app.transports.handover_protocol import HandoverProtocol

TOKEN, TEXT = rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+", rb"[\t -~\x80-\xff]*"
REQUEST = re.compile(rb"GET (/[!-~]*) HTTP/1\.1\r\n((?:%b:%b\r\n)+)\r\n" % (TOKEN, TEXT))
HEADER = re.compile(rb"([^:]+):([^\r]*)\r\n")
MAX_SIZE, MAX_HEADERS = 8 * 1024, 100
CONNECTION_VALUES = (b"upgrade", b"keep-alive, upgrade")
KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")
TOKEN_LIST = re.compile(rb"%b(?:[\t ]*,[\t ]*%b)*" % (TOKEN, TOKEN))
HEADER_VALUE = re.compile(TEXT)
LEFT_TO_UVICORN = frozenset({b"content-length", b"transfer-encoding", b"expect"})
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
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


class UpgradeRequest(NamedTuple):
    """A valid WebSocket request of the usual form, with nothing special about it."""

    head: bytes
    target: bytes
    headers: list[tuple[bytes, bytes]]
    key: bytes
    subprotocols: bytes

    @classmethod
    def parse(cls, data: bytes, config: Config) -> UpgradeRequest | None:
        """Parse `data` as exactly one request. None for anything else: it may be invalid, incomplete, or not a
        WebSocket request."""
        if len(data) > MAX_SIZE or (match := REQUEST.fullmatch(data)) is None:
            return None
        target, block = match.groups()
        listed = [(name.lower(), value.strip(b"\t ")) for name, value in HEADER.findall(block)]
        headers = dict(listed)
        key = headers.get(b"sec-websocket-key", b"")
        usual = (
            len(headers) == len(listed) <= MAX_HEADERS
            and headers.get(b"upgrade", b"").lower() == b"websocket"
            and headers.get(b"connection", b"").lower() in CONNECTION_VALUES
            and headers.get(b"sec-websocket-version") == b"13"
            and KEY.fullmatch(key)
            and LEFT_TO_UVICORN.isdisjoint(headers)
            and TOKEN_LIST.fullmatch(headers.get(b"sec-websocket-protocol", b"none"))
            and not (config.ws_per_message_deflate and b"sec-websocket-extensions" in headers)
        )
        return cls(data, target, listed, key, headers.get(b"sec-websocket-protocol", b"")) if usual else None


class FastHandshake(asyncio.Protocol):
    """A connection from its request until the application has accepted it and a SocketChannel took it over.

    Nearly every connection takes that course. All others fall back to uvicorn: those that are refused, those that are
    served through ASGI, and those whose client sends something before it is accepted. uvicorn's protocol then takes
    this one's place, as if it had read the request from the start. Parsing each such request twice is the price.
    """

    __slots__ = (
        "__weakref__",
        "_accepted",
        "_address",
        "_connected",
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
        if self._lost:
            return {"type": "websocket.disconnect", "code": 1005 if self._accepted else 1006}
        return await self._fall_back().receive()

    async def send(self, message: ASGISendEvent) -> None:
        """The `send` of ASGI."""
        if self._fallback is None and self.channel is None:
            if self._lost or self._transport.is_closing():
                raise ClientDisconnected
            if message["type"] == "websocket.accept" and not self._accepted and (answer := self._answer(message)):
                self._accept(answer)
                return
        await self._fall_back().send(message)

    def data_received(self, data: bytes) -> None:
        self._fall_back().data_received(data)

    def eof_received(self) -> None:
        """The client closed its side. Returning None closes the transport."""

    def pause_writing(self) -> None:
        self._fall_back().pause_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        if self._fallback is not None:  # asyncio chose over TLS, a turn ago, who hears of the end
            self._fallback.connection_lost(exc)
            return
        self._server.state.connections.discard(cast(Any, self))
        if self._peer is not None:
            self._peer.leave()

    def shutdown(self) -> None:
        """Refuse the client because the server stops. uvicorn calls this."""
        self._fall_back().shutdown()

    def closed(self) -> asyncio.Future[None]:
        """A future that completes once the connection is lost. Ask for it before that."""
        return self._fall_back().closed()

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
        if self._fallback is None and (self.channel is not None or self._lost):
            if not task.cancelled() and (error := task.exception()) and not isinstance(error, ClientDisconnected):
                log.error("Exception in ASGI application\n", exc_info=error)
            del self._task  # breaks a reference cycle through the exception
        else:
            self._fall_back()
        self._scope = {}  # breaks a reference cycle

    def _answer(self, message: Any) -> bytes | None:
        """The response for an accept, or None if a header value would be more than one line: uvicorn refuses those."""
        answer = [
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ",
            b2a_base64(sha1(self._request.key + GUID, usedforsecurity=False).digest(), newline=False),
        ]
        headers = [*self._server.state.default_headers, *message.get("headers", ())]
        if subprotocol := message.get("subprotocol"):
            headers.append((b"Sec-WebSocket-Protocol", subprotocol.encode("latin-1")))
        for name, value in headers:
            if not HEADER_VALUE.fullmatch(value):
                return None
            answer += b"\r\n", name, b": ", value
        answer.append(b"\r\n\r\n")
        return b"".join(answer)

    def _accept(self, answer: bytes) -> None:
        if log.isEnabledFor(logging.INFO):
            scope = cast(Any, self._scope)
            log.info('%s - "WebSocket %s" [accepted]', get_client_addr(scope), get_path_with_query_string(scope))
        self._accepted = True
        self._write(answer)
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, self._flush_answer)  # after the frames of this turn, which leave at its end

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
            fallback.resume_handshake(connected=self._connected, accepted=self._accepted)
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
