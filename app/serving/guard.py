"""The checks that every WebSocket passes, whichever module serves it and whichever server runs it.

Before it is accepted: a web page must come from an allowed origin (403), and the server must not be stopping (503).
Afterwards: a message over the size limit closes the connection with 1009.
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
    """ASGI middleware around the whole application. HTTP and lifespan pass unchanged."""

    def __init__(self, app: ASGIApp, settings: WebSockets, draining: Callable[[], bool]) -> None:
        self.app, self.draining = app, draining
        self.max_frame_size = settings.max_frame_size
        self.any_origin = "*" in settings.origins
        self.origins = frozenset(_parse_origin(origin) for origin in settings.origins if origin != "*")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await self.app(scope, receive, send)
        elif self.draining():
            text = "The server is shutting down. Try again in a moment.\n"
            await PlainTextResponse(text, 503, {"Retry-After": "1"})(scope, receive, send)
        elif not self._origin_allowed(scope):
            text = "Web pages of this origin can't connect. The server's app.websockets.origins lists those that can.\n"
            await PlainTextResponse(text, 403)(scope, receive, send)
        else:
            limited = _SizeLimit(receive, send, self.max_frame_size)
            with suppress(WebSocketDisconnect):  # sending to a client that has just left is no error
                await self.app(scope, limited.receive, limited.send)

    def _origin_allowed(self, scope: Scope) -> bool:
        headers = Headers(scope=scope)
        origins = headers.getlist("origin")
        if not origins or self.any_origin:
            return True
        if len(origins) != 1:
            return False
        origin = _parse_origin(origins[0])
        scheme = {"ws": "http", "wss": "https"}[scope["scheme"]]
        return origin is not None and (
            origin == _parse_origin(f"{scheme}://{headers.get('host', '')}") or origin in self.origins
        )


class _SizeLimit:
    """The `receive` and `send` of one connection, with a limit on the size of messages."""

    __slots__ = ("_closed", "_limit", "_receive", "_send")

    def __init__(self, receive: Receive, send: Send, limit: int) -> None:
        self._receive, self._send, self._limit = receive, send, limit
        self._closed = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "websocket.receive" and _size(message, self._limit) > self._limit:
            self._closed = True
            reason = f"message too long: the limit is {self._limit} bytes"
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


def _parse_origin(origin: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an origin, or None for anything else, such as `null`."""
    try:
        parts = urlsplit(origin)
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
    except (ValueError, KeyError):
        return None
    if not parts.hostname or parts.username is not None or parts.path or parts.query or parts.fragment:
        return None
    return parts.scheme, parts.hostname, port
