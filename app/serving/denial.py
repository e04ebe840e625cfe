"""How a WebSocket is refused: with an HTTP response where the server can send one."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from app.chat.closing import CloseCode
from app.refusals import Refusal


async def deny(
    scope: Scope, receive: Receive, send: Send, refusal: Refusal, headers: Mapping[str, str] | None = None
) -> None:
    """Answer a WebSocket request with the status of `refusal` and one line of text. A server without the extension for
    such responses is told to close instead, and answers 403."""
    if "websocket.http.response" in (scope.get("extensions") or {}):
        await PlainTextResponse(f"{refusal.message}\n", refusal.status, headers)(scope, receive, send)
    else:
        await send({"type": "websocket.close", "code": int(CloseCode.POLICY), "reason": refusal.message[:100]})
