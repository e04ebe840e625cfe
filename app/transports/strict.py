"""uvicorn's protocol classes without the faults that a stranger can use (measured on uvicorn 0.54).

- `transport.close()` waits for a peer that never reads. Here every close has a deadline, then the connection is cut.
- What comes together with the handshake is lost, or takes the connection for open. Here it waits until that is so.
- A request that never ends is kept open for ever. Here it has a deadline and a size.
- So is one for a WebSocket with a body, or with very many headers. Here it is refused.
- Text that is not UTF-8, and other junk, leaves a traceback in the log. Here it is an answer or a close code.
- Another WebSocket version is answered with 400. Here with 426 and the version that is spoken, as RFC 6455 wants it.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from asyncio.transports import BaseTransport, Transport
from typing import Any, cast

from httptools import HttpParserUpgrade
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from app.chat.closing import CloseCode

log = logging.getLogger("Application")

REQUEST_DEADLINE = 5.0
"""Seconds in which a new connection must have sent a whole request head."""
MAX_HEAD = 16 * 1024
"""Bytes that a request head may have."""
LINGER = 3.0
"""Seconds that a closed connection is kept for what it still has to send, where uvicorn has no graceful timeout."""


class ClosingTransport:
    """A transport whose `close` can't be held up: `linger` seconds later it aborts. All else is the transport's own."""

    __slots__ = ("_linger", "_loop", "is_closing", "plain", "timer", "write")

    def __init__(self, transport: Transport, loop: asyncio.AbstractEventLoop, linger: float) -> None:
        self.plain, self._loop, self._linger = transport, loop, linger
        self.write, self.is_closing = transport.write, transport.is_closing
        self.timer: asyncio.TimerHandle | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.plain, name)

    def close(self) -> None:
        self.plain.close()
        if self.timer is None:
            self.timer = self._loop.call_later(self._linger, self.plain.abort)


class HttpProtocol(HttpToolsProtocol):
    """The HTTP side: one request head has REQUEST_DEADLINE seconds and MAX_HEAD bytes."""

    def connection_made(self, transport: BaseTransport, deadline: asyncio.TimerHandle | None = None) -> None:
        """uvicorn's. A `deadline` is for the first request, where the connection is not made just now."""
        super().connection_made(cast(Transport, transport))
        self._head = 0
        self._deadline: asyncio.TimerHandle | None = deadline or self.loop.call_later(
            REQUEST_DEADLINE, self.transport.abort
        )

    def connection_lost(self, exc: Exception | None) -> None:
        self._met()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deadline is not None:
            end = data.find(b"\r\n\r\n")
            self._head += len(data) if end < 0 else end
            if self._head > MAX_HEAD:
                self.send_400_response("The request's head is too long.")
                return
        self._data = data
        try:
            super().data_received(data)
        except Exception as error:  # noqa: BLE001
            # What a stranger sends is no fault of the server's. httptools and uvicorn let out UnicodeDecodeError and
            # others for bytes that are no request.
            log.debug("a request that can't be read: %r", error)
            self.transport.abort()
        finally:
            self._data = b""

    def handle_websocket_upgrade(self) -> None:
        """uvicorn calls this while it handles the exception that says where in the data the request ended."""
        upgrade = sys.exc_info()[1]
        rest = self._data[upgrade.args[0] :] if isinstance(upgrade, HttpParserUpgrade) else b""
        super().handle_websocket_upgrade()
        if rest:
            cast(WebSocketProtocol, self.transport.get_protocol()).data_received(rest)
        self.parser = cast(Any, None)  # which refers to this, and would keep it until a collection

    def on_headers_complete(self) -> None:
        self._met()
        super().on_headers_complete()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._deadline is None:
            self._head = 0
            self._deadline = self.loop.call_later(REQUEST_DEADLINE, self.transport.abort)

    def _met(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """The WebSocket side, for uvicorn's `ws=`."""

    def connection_made(self, transport: BaseTransport) -> None:
        linger = self.config.timeout_graceful_shutdown or LINGER
        self._closing = ClosingTransport(cast(Transport, transport), self.loop, linger)
        self._gone: asyncio.Future[None] | None = None
        self._early = b""
        super().connection_made(cast(Transport, self._closing))

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._closing.timer is not None:
            self._closing.timer.cancel()
        if self._gone is not None:
            self._gone.set_result(None)

    def data_received(self, data: bytes) -> None:
        if self.handshake_initiated and not self.handshake_complete:
            self._early += data
            self.transport.pause_reading()
            return
        super().data_received(data)
        if self.conn.handshake_exc is not None and not (self.handshake_initiated or self.close_sent):
            self._refuse()

    def go_on(self, *, connected: bool, accepted: bool) -> None:
        """Having read the request, go on where its handshake is: the application was told of it, or accepted it, and
        its answer is on the way."""
        if connected:
            self.queue.get_nowait()
        if accepted:
            self.conn.send_response(self.response)
            self.conn.data_to_send()
            self.handshake_complete = True
            self.start_keepalive()

    def gone(self) -> asyncio.Future[None]:
        """A future that is done once the connection is lost; to be asked for while it is not."""
        if self._gone is None:
            self._gone = self.loop.create_future()
        return self._gone

    def handle_connect(self, event: Request) -> None:
        versions = event.headers.get_all("Sec-WebSocket-Version")
        if versions and versions != ["13"]:
            self.handshake_complete = self.close_sent = True
            response = self.conn.reject(426, "This server speaks version 13 of the WebSocket protocol.\n")
            response.headers["Sec-WebSocket-Version"] = "13"
            response.headers["Upgrade"] = "websocket"
            self.conn.send_response(response)
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()
            return
        super().handle_connect(event)

    def _refuse(self) -> None:
        """Answer what is no request for a WebSocket to the library, though it was one to the HTTP side."""
        self.handshake_complete = self.close_sent = True
        answer = b"".join(self.conn.data_to_send())
        self.transport.write(answer or self.conn.reject(400, "The request can't be read.\n").serialize())
        self.transport.close()

    def send_receive_event_to_app(self) -> None:
        data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        self.frames = []
        if self.close_sent:
            return
        if self.curr_msg_data_type == "bytes":
            self.queue.put_nowait({"type": "websocket.receive", "bytes": data})
        else:
            try:
                self.queue.put_nowait({"type": "websocket.receive", "text": data.decode()})
            except UnicodeDecodeError:
                self.conn.fail(CloseCode.NOT_UTF8, "the text is not UTF-8")
                self.handle_parser_exception()
                return
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()

    async def send(self, message: ASGISendEvent) -> None:
        if message["type"] == "websocket.close":
            self.writable.set()  # a close does not wait for a client that does not read
        await super().send(message)
        if self._early and self.handshake_complete:
            early, self._early = self._early, b""
            super().data_received(early)
            if not self.read_paused:
                self.transport.resume_reading()
        if self.close_sent:
            self.handshake_complete = True  # which uvicorn forgets of one that was answered with a response
