"""uvicorn's WebSocket protocol class, hardened as `hardened` says.

Few clients need it, and it brings a whole library along, so it is loaded a second
after the start, or with the first of them.
"""

from __future__ import annotations

import asyncio
from asyncio.transports import BaseTransport, Transport
from typing import Any, cast

from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from app.chat.closing import CloseCode
from app.headers import STRICT
from app.refusals import Refusal
from app.transports.frame_limit import NO_LIMIT, FrameCount, FrameSplitter
from app.transports.hardened import LINGER, log_refusal
from app.transports.opening import Denial
from app.transports.reading_turns import MESSAGE, reading_turns
from app.transports.sockets import Peer, owner_of

TURN_FRAMES = 8
TURN_SIZE = 64 * 1024
"""What is read of one WebSocket at once, in frames and in bytes."""
OTHER_VERSION = Refusal(426, "version", "its request is for a version of the WebSocket protocol other than 13")
INVALID = Refusal(400, "invalid", "its request isn't a valid WebSocket handshake of HTTP/1.1")


class ClosingTransport:
    """A transport whose `close` can't be held up: it aborts `linger` seconds later. Everything else is passed on."""

    __slots__ = ("_linger", "_loop", "is_closing", "timer", "wrapped", "write")

    def __init__(self, transport: Transport, loop: asyncio.AbstractEventLoop, linger: float) -> None:
        self.wrapped, self._loop, self._linger = transport, loop, linger
        self.write, self.is_closing = transport.write, transport.is_closing
        self.timer: asyncio.TimerHandle | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wrapped, name)

    def close(self) -> None:
        self.wrapped.close()
        self.abort_later()

    def abort_later(self) -> None:
        """Abort `linger` seconds later."""
        if self.timer is None:
            self.timer = self._loop.call_later(self._linger, self.wrapped.abort)


class Handshakes(ServerProtocol):
    """The handshake of the `websockets` library, whose refusals have the headers of every answer."""

    def reject(self, status: Any, text: str) -> Response:
        response = super().reject(status, text)
        response.headers.update(STRICT)
        return response


class HardenedWebSocketProtocol(WebSocketsSansIOProtocol):
    """The WebSocket side, for uvicorn's `ws=`."""

    peer: Peer | None = None
    """The address whose socket this is, which is told when it closes."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.conn.__class__ = Handshakes

    def connection_made(self, transport: BaseTransport) -> None:
        linger = self.config.timeout_graceful_shutdown or LINGER
        self._closing = ClosingTransport(cast(Transport, transport), self.loop, linger)
        self._closed: asyncio.Future[None] | None = None
        self._early_data = self._unread = b""
        """What arrived before the connection was accepted, and what waits for its turn."""
        self._discards = False
        self._turns = reading_turns(self.loop)
        self._splitter = FrameSplitter()
        self.frame_count = FrameCount(getattr(self.config.app, "frame_limit", NO_LIMIT))
        super().connection_made(cast(Transport, self._closing))

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._closing.timer is not None:
            self._closing.timer.cancel()
        if self._closed is not None:
            self._closed.set_result(None)
        if self.peer is not None:
            self.peer.leave()

    def data_received(self, data: bytes) -> None:
        if self.handshake_initiated and not self.handshake_complete:
            self._early_data += data
            self.transport.pause_reading()
            return
        if self.handshake_complete:
            if self._discards:
                self._wait()
                return
            self._unread += data
            if self._turns.take(owner_of(self.peer), MESSAGE):
                self._read()
            else:
                self._wait()
            return
        super().data_received(data)
        if self.conn.handshake_exc is not None and not (self.handshake_initiated or self.close_sent):
            self._refuse()

    def _wait(self) -> None:
        self.transport.pause_reading()
        self._turns.wait(self, owner_of(self.peer))

    def take_turn(self) -> None:
        """Read some of what has arrived. See `Reader`."""
        self._turns.left -= MESSAGE
        if self._discards:
            self.transport.resume_reading()
        else:
            self._read()

    def _read(self) -> None:
        """Read frames that have arrived, until the application has to take a message or these are enough at once."""
        if self.read_paused or not self._unread or self.disconnected:
            return
        size, frames = self._splitter.split(self._unread, TURN_FRAMES, TURN_SIZE)
        turn, self._unread = self._unread[:size], self._unread[size:]
        if not self.frame_count.take(frames, self.loop.time()):
            self._break_off(self.frame_count.limit.reason)
            return
        super().data_received(turn)
        self._read_on()

    def _break_off(self, reason: str) -> None:
        """Close the connection, and read nothing more. What still arrives is discarded for a moment: if the transport
        were closed, the client would be told nothing."""
        self._unread, self._discards = b"", True
        self.conn.fail(CloseCode.POLICY, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.queue.put_nowait({"type": "websocket.disconnect", "code": int(CloseCode.POLICY), "reason": reason})
        self.close_sent = True
        if self.transport.can_write_eof() and not self.transport.is_closing():
            self.transport.write_eof()
        self._closing.abort_later()
        self.transport.resume_reading()

    def _read_on(self) -> None:
        """Read on, first what has arrived already, unless the application has to take a message first."""
        if self.read_paused or self.transport.is_closing():
            return
        if self._unread:
            self._wait()
        else:
            self.transport.resume_reading()

    async def receive(self) -> ASGIReceiveEvent:
        message = await super().receive()
        if self._unread:
            self._read_on()
        return message

    def resume_handshake(self, *, connected: bool, accepted: bool, denial: Denial | None) -> None:
        """Continue a handshake that `fast_handshake` began, after reading its request.

        `connected`: the application has received `websocket.connect`. `accepted`: it has accepted, and the answer is on
        its way to the client. `denial`: it has begun to refuse the client.
        """
        if connected:
            self.queue.get_nowait()
        if accepted:
            self.conn.send_response(self.response)
            self.conn.data_to_send()
            self.handshake_complete = True
            self.start_keepalive()
        if denial is not None:
            headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in denial.headers]
            self.initial_response = denial.status, headers, b""

    def closed(self) -> asyncio.Future[None]:
        """A future that completes once the connection is lost. Ask for it before that."""
        if self._closed is None:
            self._closed = self.loop.create_future()
        return self._closed

    def handle_connect(self, event: Request) -> None:
        versions = event.headers.get_all("Sec-WebSocket-Version")
        if versions and versions != ["13"]:
            self.handshake_complete = self.close_sent = True
            log_refusal(self.config, OTHER_VERSION, self.client)
            response = self.conn.reject(426, "This server speaks version 13 of the WebSocket protocol.\n")
            response.headers["Sec-WebSocket-Version"] = "13"
            response.headers["Upgrade"] = "websocket"
            self.conn.send_response(response)
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()
            return
        super().handle_connect(event)

    def _refuse(self) -> None:
        """Answer a request that the HTTP parser accepted and the `websockets` library didn't."""
        self.handshake_complete = self.close_sent = True
        log_refusal(self.config, INVALID, self.client)
        answer = b"".join(self.conn.data_to_send())
        self.transport.write(answer or self.conn.reject(400, "The request can't be parsed.\n").serialize())
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
                self.conn.fail(CloseCode.NOT_UTF8, "text is not UTF-8")
                self.handle_parser_exception()
                return
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()

    async def send(self, message: ASGISendEvent) -> None:
        if message["type"] == "websocket.close":
            self.writable.set()  # a close doesn't wait for a client that doesn't read
        await super().send(message)
        if self._early_data and self.handshake_complete:
            early, self._early_data = self._early_data, b""
            self.data_received(early)
        if self.close_sent:
            self.handshake_complete = True  # uvicorn doesn't set it after a denial response
