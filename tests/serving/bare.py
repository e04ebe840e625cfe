"""An ASGI server with nothing but what ASGI requires of one, for tests of what others leave out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self

import anyio

from app import Application
from app.chat.dialects import JSON_SUBPROTOCOL
from tests.clients import DEADLINE


class BareWebSocket:
    """One WebSocket of such a server. `refuses` are close codes that it doesn't send, and `denies` is whether it can
    refuse with an HTTP response."""

    def __init__(
        self,
        app: Application,
        path: str = "/chat",
        *,
        json: bool = False,
        headers: Mapping[str, str] | None = None,
        refuses: Iterable[int] = (),
        denies: bool = False,
    ) -> None:
        self.scope: dict[str, Any] = {
            "type": "websocket",
            "asgi": {"version": "3.0"},
            "path": path.partition("?")[0],
            "query_string": path.partition("?")[2].encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
            "subprotocols": [JSON_SUBPROTOCOL] if json else [],
            **({"extensions": {"websocket.http.response": {}}} if denies else {}),
        }
        self._app, self._refused = app, frozenset(refuses)
        self._sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        self._received.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if kind is not None:
            self.task.cancel()
            return
        self.leaves()
        with anyio.fail_after(DEADLINE):
            await asyncio.wait({self.task})
        if not self.task.cancelled():
            self.task.result()

    async def _run(self) -> None:
        await self._app(self.scope, self._received.get, self.send)

    async def send(self, message: Any) -> None:
        """The `send` of ASGI."""
        if message["type"] == "websocket.close" and message["code"] in self._refused:
            raise ValueError("invalid close code")
        self._sent.put_nowait(message)

    async def message(self) -> dict[str, Any]:
        """The next message from the application."""
        with anyio.fail_after(DEADLINE):
            return await self._sent.get()

    async def opened(self) -> Self:
        """Wait until it is accepted."""
        assert (await self.message())["type"] == "websocket.accept"
        return self

    async def text(self) -> str:
        """The next text."""
        message = await self.message()
        assert message["type"] == "websocket.send", message
        return str(message["text"])

    async def frame(self, t: str) -> dict[str, Any]:
        """The next JSON frame of a type."""
        while (frame := json.loads(await self.text()))["t"] != t:
            pass
        return dict(frame)

    async def close(self) -> dict[str, Any]:
        """The close message, whatever comes before it."""
        while (message := await self.message())["type"] != "websocket.close":
            pass
        return message

    def says(self, message: str | Mapping[str, Any]) -> None:
        """Let the client send a text, or an object as JSON."""
        text = message if isinstance(message, str) else json.dumps(message)
        self._received.put_nowait({"type": "websocket.receive", "text": text})

    def leaves(self) -> None:
        """Let the connection end."""
        self._received.put_nowait({"type": "websocket.disconnect", "code": 1006})
