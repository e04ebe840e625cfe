"""The opening handshake of RFC 6455, for the request that nearly every client sends."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from asyncio.transports import Transport
from binascii import b2a_base64
from contextlib import suppress
from hashlib import sha1
from typing import Any, NamedTuple, cast
from urllib.parse import unquote

from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.config import Config
from uvicorn.protocols.utils import ClientDisconnected, get_client_addr, get_path_with_query_string
from uvicorn.server import ServerState

from app.transports.fast import FastProtocol
from app.transports.socket_channel import HANDOVER, SocketChannel, borrowed, handed_over, plain

TOKEN, TEXT = rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+", rb"[\t -~\x80-\xff]*"
USUAL = re.compile(rb"GET (/[!-~]*) HTTP/1\.1\r\n((?:%b:%b\r\n)+)\r\n" % (TOKEN, TEXT))
FIELD = re.compile(rb"([^:]+):([^\r]*)\r\n")
MOST_BYTES, MOST_FIELDS = 8 * 1024, 100
UPGRADES = (b"upgrade", b"keep-alive, upgrade")
KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")
TOKENS = re.compile(rb"%b(?:[\t ]*,[\t ]*%b)*" % (TOKEN, TOKEN))
VALUE = re.compile(TEXT)
NEVER = frozenset({b"content-length", b"transfer-encoding", b"expect"})
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
HELD_BACK = getattr(socket, "MSG_MORE", 0)
"""For what is sent together with what comes next, where the system can do that."""

log = logging.getLogger("uvicorn.error")


class Server(NamedTuple):
    """What uvicorn gives to each of its protocols."""

    config: Config
    state: ServerState
    app_state: dict[str, Any]


class Request(NamedTuple):
    """The usual request for a WebSocket: one that is right, and wants nothing special."""

    head: bytes
    target: bytes
    headers: list[tuple[bytes, bytes]]
    key: bytes
    subprotocols: bytes

    @classmethod
    def read(cls, data: bytes, config: Config) -> Request | None:
        """All of `data` as one, or None for any other, which may be wrong, incomplete, or no WebSocket."""
        if len(data) > MOST_BYTES or (match := USUAL.fullmatch(data)) is None:
            return None
        target, block = match.groups()
        listed = [(name.lower(), value.strip(b"\t ")) for name, value in FIELD.findall(block)]
        headers = dict(listed)
        key = headers.get(b"sec-websocket-key", b"")
        usual = (
            len(headers) == len(listed) <= MOST_FIELDS
            and headers.get(b"upgrade", b"").lower() == b"websocket"
            and headers.get(b"connection", b"").lower() in UPGRADES
            and headers.get(b"sec-websocket-version") == b"13"
            and KEY.fullmatch(key)
            and NEVER.isdisjoint(headers)
            and TOKENS.fullmatch(headers.get(b"sec-websocket-protocol", b"none"))
            and not (config.ws_per_message_deflate and b"sec-websocket-extensions" in headers)
        )
        return cls(data, target, listed, key, headers.get(b"sec-websocket-protocol", b"")) if usual else None


class Handshake(asyncio.Protocol):
    """A connection from its request until the application has accepted it and taken it over.

    That is what becomes of nearly all. Whatever else does (it is refused, or carried through ASGI; the client says more
    before it is let in) is uvicorn's: its protocol then takes this one's place, as if it had read the request. That it
    reads each request for a second time is what a handshake costs there.
    """

    __slots__ = (
        "__weakref__",
        "_accepted",
        "_connected",
        "_lost",
        "_request",
        "_scope",
        "_server",
        "_task",
        "_theirs",
        "_transport",
        "line",
    )

    def __init__(self, server: Server, transport: Transport, request: Request) -> None:
        self._server, self._transport, self._request = server, transport, request
        self._theirs: FastProtocol | None = None
        self._connected = self._accepted = self._lost = False
        self.line: SocketChannel | None = None
        self._scope = self._asgi_scope()
        server.state.connections.add(cast(Any, self))
        transport.set_protocol(self)
        self._task = asyncio.get_running_loop().create_task(self._run())
        self._task.add_done_callback(self._done)
        server.state.tasks.add(self._task)

    def hand_over(self, high: int, stall: float) -> SocketChannel | None:
        """See HANDOVER."""
        if self._theirs is not None:
            return self._theirs.hand_over(high, stall)
        if not self._accepted or self._lost:
            return None
        config, state, _ = self._server
        state.connections.discard(cast(Any, self))
        self.line = handed_over(self._transport, config, cast(Any, state.connections), high, stall, inflates=False)
        return self.line

    async def receive(self) -> ASGIReceiveEvent:
        """What ASGI promises."""
        if self._theirs is None and not self._connected:
            self._connected = True
            return {"type": "websocket.connect"}
        if self._lost:
            return {"type": "websocket.disconnect", "code": 1005 if self._accepted else 1006}
        return await self._ordinary().receive()

    async def send(self, message: ASGISendEvent) -> None:
        """What ASGI promises."""
        if self._theirs is None and self.line is None:
            if self._lost or self._transport.is_closing():
                raise ClientDisconnected
            if message["type"] == "websocket.accept" and not self._accepted and (answer := self._answer(message)):
                self._accept(answer)
                return
        await self._ordinary().send(message)

    def data_received(self, data: bytes) -> None:
        self._ordinary().data_received(data)

    def eof_received(self) -> None:
        """The client said that it says no more: the transport closes."""

    def pause_writing(self) -> None:
        self._ordinary().pause_writing()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._lost = True
        self._server.state.connections.discard(cast(Any, self))

    def shutdown(self) -> None:
        """Turn the client away, as the server stops; uvicorn's name for it."""
        self._ordinary().shutdown()

    def gone(self) -> asyncio.Future[None]:
        """A future that is done once the connection is lost; to be asked for while it is not."""
        return self._ordinary().gone()

    def _asgi_scope(self) -> dict[str, Any]:
        (config, _, app_state), request, info = self._server, self._request, self._transport.get_extra_info
        path, _, query = request.target.partition(b"?")
        return {
            "type": "websocket",
            "asgi": {"version": config.asgi_version, "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "wss" if info("sslcontext") else "ws",
            "server": _address(info("sockname")),
            "client": _address(info("peername")),
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

    def _done(self, task: asyncio.Task[Any]) -> None:
        """What an application leaves undone uvicorn sees to, and tells of."""
        self._server.state.tasks.discard(task)
        if self._theirs is None and (self.line is not None or self._lost):
            if not task.cancelled() and (error := task.exception()) and not isinstance(error, ClientDisconnected):
                log.error("Exception in ASGI application\n", exc_info=error)
            del self._task  # whose error refers to this too
        else:
            self._ordinary()
        self._scope = {}  # which refers to this, and would keep it until a collection

    def _answer(self, message: Any) -> bytes | None:
        """What an accept is answered with; None where a value would be more than one line, which uvicorn refuses."""
        answer = [
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ",
            b2a_base64(sha1(self._request.key + GUID, usedforsecurity=False).digest(), newline=False),
        ]
        headers = [*self._server.state.default_headers, *message.get("headers", ())]
        if subprotocol := message.get("subprotocol"):
            headers.append((b"Sec-WebSocket-Protocol", subprotocol.encode("latin-1")))
        for name, value in headers:
            if not VALUE.fullmatch(value):
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
        loop.call_soon(loop.call_soon, self._settle)  # after what is put in this turn, which leaves at its end

    def _write(self, answer: bytes) -> None:
        """Write what a line's first frames go out with: half of what the kernel takes for a handshake is to send."""
        transport = self._transport
        taken = 0
        if plain(transport) and not transport.get_write_buffer_size():
            sender = borrowed(transport)
            try:
                taken = sender.send(answer, HELD_BACK)
            except OSError:  # which the transport is told too
                pass
            finally:
                sender.detach()
        if taken < len(answer):
            transport.write(answer[taken:])

    def _settle(self) -> None:
        """Hold back nothing any longer: neither the endpoint nor its line need have more to say. A connection that was
        not handed over is uvicorn's, which pings it."""
        if self._transport.is_closing():
            return
        if self.line is None:
            self._ordinary()
        sender = borrowed(self._transport)
        with suppress(OSError):  # the client has gone, or it is no TCP, which holds back nothing
            sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sender.detach()

    def _ordinary(self) -> FastProtocol:
        """uvicorn's protocol, in this one's place from now on."""
        if self.line is not None:
            raise RuntimeError("the connection was handed over: expected nothing more through ASGI")
        if self._theirs is None:
            config, state, app_state = self._server
            theirs = FastProtocol(config=config, server_state=state, app_state=app_state)
            self._theirs = theirs
            theirs.app = cast(Any, self._outcome)
            state.connections.discard(cast(Any, self))
            theirs.connection_made(self._transport)
            theirs.data_received(self._request.head)
            theirs.go_on(connected=self._connected, accepted=self._accepted)
            self._transport.set_protocol(theirs)
        return self._theirs

    async def _outcome(self, *_: object) -> Any:
        """The application that uvicorn's protocol serves: the one that is at it already."""
        return await self._task


def _address(info: Any) -> tuple[str, int | None] | None:
    """ASGI's form of a socket's name: host and port, or a path and None."""
    if isinstance(info, tuple):
        return str(info[0]), int(info[1])
    return (info, None) if isinstance(info, str) and info else None
