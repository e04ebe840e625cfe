"""How a WebSocket is refused: with an HTTP response. `any_server` closes it where the server can't send one."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from app.headers import STRICT
from app.refusals import Refusal


async def deny(
    scope: Scope, receive: Receive, send: Send, refusal: Refusal, headers: Mapping[str, str] | None = None
) -> None:
    """Answer a request with the status of `refusal` and one line of text."""
    await PlainTextResponse(f"{refusal.message}\n", refusal.status, {**STRICT, **(headers or {})})(scope, receive, send)
