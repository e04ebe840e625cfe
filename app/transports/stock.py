"""A connection over plain ASGI: an outbox that whoever speaks fills without waiting, and one task that empties it."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from app.chat.closing import CloseCode

CLOSE_DEADLINE = 1.0
"""Seconds that a close frame may take to be accepted for a client that does not read."""


class Overflow(Enum):
    """What happens when more waits for a client than its outbox may hold."""

    DISCONNECT = "disconnect"
    """The client is closed with 4000; it may come back. Nobody else notices."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A text to send, made once for all who get it; `size` is in bytes of UTF-8."""

    text: str
    size: int

    @classmethod
    def of(cls, text: str) -> Frame:
        return cls(text, len(text.encode("utf-8", "surrogatepass")))


class Outbox:
    """What waits to be sent to one connection: whole frames, in order, at most `limit` bytes of them.

    It belongs to the event loop that made it. `put` and `close` never wait and may be called from any thread, but by
    one at a time (the Hub sees to that); frames leave in the order of the calls.
    """

    __slots__ = ("_closing", "_frames", "_loop", "_queued", "_sent", "_thread", "_wake", "limit", "overflow")

    def __init__(self, limit: int, overflow: Overflow = Overflow.DISCONNECT) -> None:
        self.limit, self.overflow = limit, overflow
        self._frames: deque[Frame] = deque()
        self._queued = 0  # written by `put` alone, as `_sent` is by `_pump` alone: no lock is needed between threads
        self._sent = 0
        self._closing: asyncio.Future[CloseCode] = asyncio.get_running_loop().create_future()
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()

    @property
    def waiting(self) -> int:
        """Bytes that wait."""
        return self._queued - self._sent

    def put(self, frame: Frame) -> None:
        """Append `frame`; where it does not fit, apply the overflow policy. One larger than the limit fits alone."""
        waiting = self.waiting
        if waiting and waiting + frame.size > self.limit:
            self.close(CloseCode.SLOW_READER)
            return
        self._frames.append(frame)
        self._queued += frame.size
        self._call(self._wake.set)

    def close(self, code: CloseCode) -> None:
        """End the connection with `code`, without sending what waits."""
        self._call(self._settle, code)

    async def carry(self, websocket: WebSocket, hear: Callable[[str], None]) -> None:
        """Carry an accepted `websocket` until it ends: call `hear` with each text it says, in order, send what is put.

        Binary messages are ignored. Returns once the connection is over, whoever ended it.
        """
        reader = asyncio.create_task(_read(websocket, hear))
        writer = asyncio.create_task(self._pump(websocket))
        try:
            ends: set[asyncio.Future[Any]] = {reader, writer, self._closing}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            reader.cancel()
            writer.cancel()
            await asyncio.wait({reader, writer})
        if self._closing.done() and websocket.application_state is WebSocketState.CONNECTED:
            await _close(websocket, self._closing.result())
        for task in (reader, writer):
            if not task.cancelled() and (error := task.exception()) and not isinstance(error, WebSocketDisconnect):
                raise error

    async def _pump(self, websocket: WebSocket) -> None:
        while True:
            while self._frames:
                frame = self._frames.popleft()
                await websocket.send_text(frame.text)
                self._sent += frame.size
            self._wake.clear()
            if not self._frames:
                await self._wake.wait()

    def _settle(self, code: CloseCode) -> None:
        if not self._closing.done():
            self._closing.set_result(code)

    def _call(self, callback: Callable[..., None], *arguments: object) -> None:
        """Run `callback` in the outbox's own loop: at once where that is the caller's."""
        if threading.get_ident() == self._thread:
            callback(*arguments)
        else:
            with suppress(RuntimeError):  # that loop has ended, and its connection with it
                self._loop.call_soon_threadsafe(callback, *arguments)


async def _read(websocket: WebSocket, hear: Callable[[str], None]) -> None:
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        text = message.get("text")
        if text is not None:
            hear(text)
            # A burst arrives in one piece: give the writers a turn in between, or every outbox fills up meanwhile.
            await asyncio.sleep(0)


async def _close(websocket: WebSocket, code: CloseCode) -> None:
    try:
        async with asyncio.timeout(CLOSE_DEADLINE):
            await websocket.close(code)
    except (TimeoutError, WebSocketDisconnect, RuntimeError):
        pass
