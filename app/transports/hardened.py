"""uvicorn's protocol classes, hardened against what a stranger can do to them (measured on uvicorn 0.54).

- uvicorn's `transport.close()` waits for a client that never reads. Here every close has a deadline, after which the
  connection is aborted.
- uvicorn loses what arrives together with the handshake, or takes the connection for open. Here it waits until the
  connection is accepted.
- uvicorn keeps a request that never ends open forever. Here it has a deadline and a maximum size.
- The same goes for a request with a body that never ends, and for requests that are sent ahead, however many.
- The same goes for a WebSocket request with a body or with very many headers. Here it is refused.
- In uvicorn, junk such as text that isn't UTF-8 leaves a traceback in the log. Here it gets an answer or a close code.
- uvicorn reads all frames at once that arrived together, however many they are. Here they are counted, and read in
  turns with other connections.
- uvicorn answers another WebSocket version with 400. Here it is 426 with the supported version, as RFC 6455 requires.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from asyncio.transports import BaseTransport, Transport
from typing import Any, cast

from httptools import HttpParserError, HttpParserUpgrade
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.headers import HEAD
from app.refusals import Refusal, RefusalLog
from app.transports.reading_turns import REQUEST, SIZE, reading_turns
from app.transports.sockets import Peer, owner_of

log = logging.getLogger("Application")

REQUEST_DEADLINE = 5.0
"""Seconds in which a new connection must have sent a complete request head."""
MAX_HEAD = 16 * 1024
"""Maximum size of a request head in bytes."""
BODY_SECONDS = 10.0
MIN_BODY = 10 * 1024
"""Bytes of a request's body that must arrive within BODY_SECONDS, as long as it isn't complete."""
MAX_PIPELINED = 16
"""Requests of one connection that may wait for the answer to another one. No browser sends any ahead."""
LINGER = 3.0
"""Seconds that a closing connection may take to send what is queued, where uvicorn has no graceful timeout."""
NO_REQUEST = Refusal(400, "garbage", "what it sends isn't an HTTP request")
SLOW_BODY = Refusal(408, "slow", "the body of its request comes too slowly")


def log_refusal(config: Config, refusal: Refusal, client: tuple[str, int] | None) -> None:
    """Log a refusal if our application is served."""
    refusals: RefusalLog | None = getattr(config.app, "refusals", None)
    if refusals is not None:
        refusals.add(refusal, client[0] if client else "a client", level=logging.INFO)


class HardenedHttpProtocol(HttpToolsProtocol):
    """The HTTP side: a request head must arrive within REQUEST_DEADLINE seconds and have at most MAX_HEAD bytes."""

    def connection_made(
        self, transport: BaseTransport, deadline: asyncio.TimerHandle | None = None, peer: Peer | None = None
    ) -> None:
        """Take over a connection. `deadline` is the running timer of a connection that was made earlier, and `peer` is
        told when it ends."""
        super().connection_made(cast(Transport, transport))
        self._peer = peer
        self._turns = reading_turns(self.loop)
        self._unread = b""
        """What waits for its turn."""
        self._head_size = self._body_size = 0
        self._body_timer: asyncio.TimerHandle | None = None
        self._receives_body = False
        self._deadline: asyncio.TimerHandle | None = deadline or self.loop.call_later(
            REQUEST_DEADLINE, self.transport.abort
        )

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_deadline()
        self._cancel_body_timer()
        self._unread = b""
        super().connection_lost(exc)
        if self._peer is not None:
            self._peer.leave()

    def data_received(self, data: bytes) -> None:
        if not self._unread and self._turns.take(owner_of(self._peer), REQUEST + (len(data) >> SIZE)):
            self.read(data)
        else:
            self._unread += data
            self.transport.pause_reading()
            self._turns.wait(self, owner_of(self._peer))

    def take_turn(self) -> None:
        """Read what waited. See `Reader`."""
        data, self._unread = self._unread, b""
        if data:
            self._turns.left -= REQUEST + (len(data) >> SIZE)
            if not self.flow.read_paused:
                self.transport.resume_reading()
            self.read(data)

    def read(self, data: bytes) -> None:
        """Read what the client sent, whose turn it is."""
        if self._deadline is not None:
            end = data.find(b"\r\n\r\n")
            self._head_size += len(data) if end < 0 else end
            if self._head_size > MAX_HEAD:
                self.send_400_response("The request head is too long.")
                return
        self._unset_keepalive_if_required()
        self._data = data
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade:
            if self._should_upgrade():
                self.handle_websocket_upgrade()
                return
        except HttpParserError:
            log_refusal(self.config, NO_REQUEST, self.client)
            self.send_400_response("Invalid HTTP request received.")
        except Exception as error:  # noqa: BLE001
            # Junk from a stranger isn't an error of the server. httptools and uvicorn raise UnicodeDecodeError and
            # others for bytes that aren't a request.
            log.debug("closing a connection: its request can't be parsed: %r", error)
            log_refusal(self.config, NO_REQUEST, self.client)
            self.transport.abort()
        finally:
            self._data = b""
        if self._receives_body and self._body_timer is None:
            self._body_timer = self.loop.call_later(BODY_SECONDS, self._check_body)

    def send_400_response(self, msg: str) -> None:
        answer = (
            f"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(msg)}\r\n"
        )
        self.transport.write(answer.encode() + HEAD + b"Connection: close\r\n\r\n" + msg.encode())
        self.transport.close()

    def handle_websocket_upgrade(self) -> None:
        """uvicorn calls this while it handles the exception that says where in the data the request ended."""
        upgrade = sys.exc_info()[1]
        rest = self._data[upgrade.args[0] :] if isinstance(upgrade, HttpParserUpgrade) else b""
        super().handle_websocket_upgrade()
        protocol = cast(Any, self.transport.get_protocol())  # a HardenedWebSocketProtocol
        protocol.peer, self._peer = self._peer, None
        if rest:
            protocol.data_received(rest)
        self.parser = cast(Any, None)  # breaks a reference cycle

    def on_headers_complete(self) -> None:
        self._cancel_deadline()
        self._receives_body = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._body_size += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._receives_body = False
        self._cancel_body_timer()
        super().on_message_complete()

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= MAX_PIPELINED:
            raise ValueError("too many requests at once")
        super().on_message_begin()
        if self._deadline is None:
            self._head_size = 0
            self._deadline = self.loop.call_later(REQUEST_DEADLINE, self.transport.abort)

    def _check_body(self) -> None:
        """Go on waiting for a request's body if enough of it arrived, or if it is the application that doesn't read."""
        self._body_timer = None
        if self._body_size < MIN_BODY and not self.flow.read_paused:
            log_refusal(self.config, SLOW_BODY, self.client)
            self.transport.abort()
            return
        self._body_size = 0
        self._body_timer = self.loop.call_later(BODY_SECONDS, self._check_body)

    def _cancel_body_timer(self) -> None:
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None
        self._body_size = 0

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
