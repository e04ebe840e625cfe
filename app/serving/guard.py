"""The checks that every WebSocket passes, whichever module serves it and whichever server runs it.

Before it is accepted: the request states one Host (400), a web page must come from an allowed origin (403), the server
must not be stopping (503) or full (503), and the address must not have too many connections (429).
Afterwards: a message over the size limit closes the connection with 1009, and more frames than a client may send close
it with 1008. Our own server counts frames itself, other servers only pass on messages.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from app.chat.closing import CloseCode
from app.headers import completed
from app.refusals import Refusal, RefusalLog
from app.serving import hosts
from app.serving.admission import Admission
from app.serving.denial import deny
from app.serving.hosts import has_one_host, stated
from app.serving.origins import OriginPolicy
from app.serving.plain_guard import BAD_HOST
from app.serving.proxies import client_address, proxy_hint
from app.transports.frame_limit import FrameCount, FrameLimit
from app.transports.handover import HANDOVER

GUARDED = "natter.guarded"
"""The key in the scope of a WebSocket of its Guarded."""
DRAINING = Refusal(503, "draining", "The server is shutting down. Try again in a moment")
HINT = "; if the page is yours, add its Origin, or let the proxy in between pass on the Host that the browser sends"


class WebSocketGuard:
    """ASGI middleware around the whole application. The rest goes to `plain`. `max_frame_size` is in bytes."""

    def __init__(
        self,
        app: ASGIApp,
        plain: ASGIApp,
        max_frame_size: int,
        frame_limit: FrameLimit,
        admission: Admission,
        origins: OriginPolicy,
        refusals: RefusalLog,
        draining: Callable[[], bool],
    ) -> None:
        self.app, self.plain, self.admission, self.draining = app, plain, admission, draining
        self.max_frame_size, self.frame_limit = max_frame_size, frame_limit
        self.origins, self.refusals = origins, refusals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await self.plain(scope, receive, send)
            return
        origins, asked = stated(scope)
        address = client_address(scope)
        if not has_one_host(asked):
            self.refusals.add(BAD_HOST, address or "a client", level=logging.INFO)
            await deny(scope, receive, send, BAD_HOST)
        elif self.draining():
            self.refusals.add(DRAINING, address or "a client", level=logging.INFO)
            await deny(scope, receive, send, DRAINING, {"Retry-After": "1"})
        elif origins and (refusal := self._foreign(scope, origins, asked)):
            await deny(scope, receive, send, refusal)
        elif refusal := self.admission.refusal(address):
            self.refusals.add(refusal, address or "a client", hint=proxy_hint(refusal, scope))
            await self.admission.delay(address)
            await deny(scope, receive, send, refusal)
        else:
            self.admission.enter(address)
            scope[GUARDED] = guarded = Guarded(scope, receive, send, self.max_frame_size)
            if HANDOVER not in (scope.get("extensions") or {}):
                guarded.frames = FrameCount(self.frame_limit)
            try:
                with suppress(WebSocketDisconnect):  # sending to a client that has just left is no error
                    await self.app(scope, guarded.receive, guarded.send)
            finally:
                del scope[GUARDED]  # breaks a reference cycle
                if not guarded.stays:
                    self.admission.leave(address)

    def _foreign(self, scope: Scope, origins: Sequence[str], asked: Sequence[str]) -> Refusal | None:
        """Why the page that asks may not connect, if it may not."""
        refusal = self.origins.refusal(origins, asked, secure=scope.get("scheme") == "wss")
        if refusal is not None:
            hint = "" if refusal.setting == hosts.SETTING else HINT
            self.refusals.add(refusal, f"a page of {', '.join(origins)}", address=client_address(scope), hint=hint)
        return refusal


class Guarded:
    """The `receive` and `send` of one connection, with a limit on the size of messages, and on their number where
    `frames` is set."""

    __slots__ = ("_closed", "_limit", "_receive", "_scope", "_send", "frames", "stays")

    def __init__(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        self._scope, self._receive, self._send, self._limit = scope, receive, send, limit
        self._closed = False
        self.frames: FrameCount | None = None
        self.stays = False
        """Whether the endpoint tells the Admission itself when the connection has ended, later than it returns."""

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "websocket.receive":
            if _size(message, self._limit) > self._limit:
                return await self._close(CloseCode.TOO_BIG, f"message too long: the limit is {self._limit} bytes")
            if self.frames is not None and not self.frames.take(1, time.monotonic()):
                return await self._close(CloseCode.POLICY, self.frames.limit.reason)
        return message

    async def _close(self, code: CloseCode, reason: str) -> Message:
        self._closed = True
        await self._send({"type": "websocket.close", "code": int(code), "reason": reason})
        return {"type": "websocket.disconnect", "code": int(code), "reason": reason}

    async def send(self, message: Message) -> None:
        if self._closed:
            raise OSError("the connection is closed")
        if message["type"] == "websocket.http.response.start":
            message = completed(message, self._scope)
        await self._send(message)


def _size(message: Message, limit: int) -> int:
    text = message.get("text")
    if text is None:
        return len(message.get("bytes") or b"")
    return len(text) if 4 * len(text) <= limit else len(text.encode("utf-8", "surrogatepass"))
