"""What holds for every WebSocket, whichever module serves it and whichever server carries it.

Before it is accepted: the page that opens it must be of an allowed origin (403), and the server must be staying (503).
After: a message longer than the limit ends the connection with 1009.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from app.chat.closing import CloseCode
from config import WebSockets

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class WebSocketGuard:
    """ASGI middleware around the whole application; HTTP and lifespan pass untouched."""

    def __init__(self, app: ASGIApp, settings: WebSockets, draining: Callable[[], bool]) -> None:
        self.app, self.draining = app, draining
        self.max_frame_size = settings.max_frame_size
        self.any_origin = "*" in settings.origins
        self.origins = frozenset(_endpoint(origin) for origin in settings.origins if origin != "*")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await self.app(scope, receive, send)
        elif self.draining():
            await PlainTextResponse("The server is going away.\n", 503, {"Retry-After": "1"})(scope, receive, send)
        elif not self._allowed(scope):
            text = "This page's origin may not connect here: see app.websockets.origins.\n"
            await PlainTextResponse(text, 403)(scope, receive, send)
        else:
            bounded = _Bounded(receive, send, self.max_frame_size)
            with suppress(WebSocketDisconnect):  # an endpoint that speaks to a client that just left did nothing wrong
                await self.app(scope, bounded.receive, bounded.send)

    def _allowed(self, scope: Scope) -> bool:
        headers = Headers(scope=scope)
        origins = headers.getlist("origin")
        if not origins or self.any_origin:
            return True
        if len(origins) != 1:
            return False
        origin = _endpoint(origins[0])
        scheme = {"ws": "http", "wss": "https"}[scope["scheme"]]
        return origin is not None and (
            origin == _endpoint(f"{scheme}://{headers.get('host', '')}") or origin in self.origins
        )


class _Bounded:
    """One connection's receive and send, with a limit on what is received."""

    __slots__ = ("_closed", "_limit", "_receive", "_send")

    def __init__(self, receive: Receive, send: Send, limit: int) -> None:
        self._receive, self._send, self._limit = receive, send, limit
        self._closed = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "websocket.receive" and _size(message, self._limit) > self._limit:
            self._closed = True
            reason = f"a message may have {self._limit} bytes"
            await self._send({"type": "websocket.close", "code": CloseCode.TOO_BIG, "reason": reason})
            return {"type": "websocket.disconnect", "code": int(CloseCode.TOO_BIG), "reason": reason}
        return message

    async def send(self, message: Message) -> None:
        if self._closed:
            raise OSError("the connection is closed")
        await self._send(message)


def _size(message: Message, limit: int) -> int:
    text = message.get("text")
    if text is None:
        return len(message.get("bytes") or b"")
    return len(text) if 4 * len(text) <= limit else len(text.encode("utf-8", "surrogatepass"))


def _endpoint(origin: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an origin, or None for what is not one, such as `null`."""
    try:
        parts = urlsplit(origin)
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
    except (ValueError, KeyError):
        return None
    if not parts.hostname or parts.username is not None or parts.path or parts.query or parts.fragment:
        return None
    return parts.scheme, parts.hostname, port
