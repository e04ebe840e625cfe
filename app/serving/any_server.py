"""What ASGI leaves to the server, made the same under each of them, for every WebSocket route.

Our own server needs none of this. docs/servers.md has what the others do, as measured.

- The scheme and the extensions of a scope are optional. Here they are always there.
- Refusing with an HTTP response is optional. Where the server can't, the connection is closed, which gives a 403.
- Close codes go out as plain integers. Where the server accepts none from 1001 to 1015, 4001 to 4015 stand for them.
- An application that returns without a close frame means 1000.
- A server that stops may just cut its clients off. Here they are told 1012 before, if there is a chance.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.chat.closing import PRIVATE_OFFSET, CloseCode
from app.transports.asgi_channel import ASK
from app.transports.handover import HANDOVER
from config import WebSockets

DENIAL = "websocket.http.response"
"""The ASGI extension for refusing a WebSocket with an HTTP response, and the prefix of its messages."""
CLOSE_DEADLINE = 1.0
"""Seconds that a server may take to send the last close frames."""
MAX_REASON = 123
"""Bytes of a close reason."""
PINGING = frozenset({"uvicorn", "daphne"})
"""Servers that ping every client, unless they are told not to."""
PING_OPTIONS = {"hypercorn": "--websocket-ping-interval"}
"""The option of other servers that turns pings on. Its value is in seconds."""


class AnyServer:
    """ASGI middleware around the whole application. HTTP, lifespan and what our own server serves pass unchanged."""

    def __init__(self, app: ASGIApp, settings: WebSockets) -> None:
        self.app = app
        self._ask = (settings.ping_period, settings.timeout)
        self._connections: set[_Connection] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket" or HANDOVER in (scope.get("extensions") or {}):
            await self.app(scope, receive, send)
            return
        connection = _Connection(receive, send, denies=DENIAL in (scope.get("extensions") or {}))
        self._connections.add(connection)
        try:
            await self.app(self._completed(scope, send), connection.receive, connection.send)
        except asyncio.CancelledError:
            await connection.close(CloseCode.RESTARTING)
            raise
        finally:
            self._connections.discard(connection)
        await connection.close(CloseCode.BYE)

    async def close_all(self) -> None:
        """Tell every client that the server restarts."""
        closing = [asyncio.create_task(one.close(CloseCode.RESTARTING)) for one in self._connections]
        if closing:
            await asyncio.wait(closing, timeout=CLOSE_DEADLINE)

    def _completed(self, scope: Scope, send: Send) -> Scope:
        """`scope` with what is optional in it."""
        scope.setdefault("scheme", "ws")
        scope["extensions"] = {**(scope.get("extensions") or {}), DENIAL: {}}
        if self._ask[0] and "asgi" in scope and server_of(send) not in PINGING:
            scope[ASK] = self._ask
        return scope


class _Connection:
    """The `receive` and `send` of one WebSocket. `denies`: whether the server can refuse with an HTTP response."""

    __slots__ = ("_accepted", "_denies", "_over", "_receive", "_refusal", "_send")

    def __init__(self, receive: Receive, send: Send, *, denies: bool) -> None:
        self._receive, self._send, self._denies = receive, send, denies
        self._accepted = self._over = False
        self._refusal = b""
        """The text of a refusal so far."""

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self._over = True
        return message

    async def send(self, message: Message) -> None:
        if self._over:
            raise OSError("the connection is closed")
        kind = message["type"]
        if kind == "websocket.close":
            await self._close(int(message.get("code", CloseCode.BYE)), message.get("reason") or "")
            return
        if kind.startswith(DENIAL) and not self._denies:
            await self._refuse(message)
            return
        if kind == "websocket.accept":
            self._accepted = True
        elif kind == f"{DENIAL}.body" and not message.get("more_body"):
            self._over = True
        await self._send(message)

    async def close(self, code: CloseCode) -> None:
        """Close an accepted connection, unless it is over."""
        if self._accepted and not self._over:
            with suppress(Exception):  # the client has left meanwhile, or the server has
                async with asyncio.timeout(CLOSE_DEADLINE):
                    await self._close(int(code), "")

    async def _close(self, code: int, reason: str) -> None:
        self._over = True
        try:
            await self._send({"type": "websocket.close", "code": code, "reason": reason})
        except OSError:
            raise
        except Exception:
            if not (self._accepted and 1000 < code < 3000):
                raise
            await self._send({"type": "websocket.close", "code": code + PRIVATE_OFFSET, "reason": reason})

    async def _refuse(self, message: Message) -> None:
        """Collect the text of a refusal, and close with it."""
        self._refusal += message.get("body", b"")
        if message["type"] == f"{DENIAL}.body" and not message.get("more_body"):
            reason = self._refusal.strip()[:MAX_REASON].decode(errors="ignore")
            await self._close(int(CloseCode.POLICY), reason)


def server_of(function: Callable[..., Any]) -> str:
    """The package of the server that gave `function` to the application, such as `uvicorn`."""
    while isinstance(function, functools.partial):
        function = function.func
    owner = getattr(function, "__self__", None)
    module = type(owner).__module__ if owner is not None else getattr(function, "__module__", None)
    return (module or "").partition(".")[0].lower()


def ping_advice(server: str, period: float) -> str:
    """The line that tells an operator that a server sends no pings, or "" if it sends some."""
    if not period or server in PINGING:
        return ""
    option = PING_OPTIONS.get(server)
    remedy = f"Start it with {option} {max(1, round(period))}" if option else "It has no option for that"
    return (
        f"{server or 'This server'} sends no pings of its own: clients of the text dialect whose network is gone stay "
        f"in their rooms. {remedy}. Clients of chat.v1.json are asked by the chat itself"
    )
