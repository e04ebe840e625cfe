"""A connection over plain ASGI: an outbox that whoever speaks fills without waiting, and one task that empties it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from app.chat.closing import CloseCode

CLOSE_DEADLINE = 1.0
"""Seconds that a close frame may take to be accepted for a client that does not read."""


class Overflow(Enum):
    """What happens to a client when its outbox is full."""

    PULL = "pull"
    """It is pushed nothing more, and reads the log from where it is as fast as it can. It loses nothing."""
    DISCONNECT = "disconnect"
    """It is closed with 4000, and may come back."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A text to send, made once for all who get it; `size` is in bytes of UTF-8."""

    text: str
    size: int

    @classmethod
    def of(cls, text: str) -> Frame:
        return cls(text, len(text.encode("utf-8", "surrogatepass")))


class Outbox:
    """What waits to be sent to one connection: whole frames, in the order they were put.

    It is `full` from `high` bytes on. It takes what is put all the same, since an answer belongs where it is asked
    for: whoever fills it looks whether it is full, and waits with `writable` for it to be half empty. It belongs to one
    event loop.
    """

    __slots__ = ("_closing", "_drained", "_finish", "_frames", "_wake", "high", "sent", "stall", "waiting")

    def __init__(self, high: int, stall: float) -> None:
        self.high, self.stall = high, stall
        self.waiting = 0
        """Bytes that wait."""
        self.sent = 0
        """Bytes that left."""
        self._frames: deque[Frame] = deque()
        self._closing: asyncio.Future[tuple[CloseCode, str]] = asyncio.get_running_loop().create_future()
        self._finish: CloseCode | None = None
        self._wake = asyncio.Event()
        self._drained = asyncio.Event()

    @property
    def full(self) -> bool:
        """Whether what waits has reached the bound."""
        return self.waiting >= self.high

    def put(self, frame: Frame) -> None:
        """Append `frame`; never waits."""
        self._frames.append(frame)
        self.waiting += frame.size
        self._wake.set()

    def close(self, code: CloseCode, reason: str = "") -> None:
        """End the connection with `code`, without sending what waits. A reason has up to 123 bytes."""
        if not self._closing.done():
            self._closing.set_result((code, reason))

    def finish(self, code: CloseCode) -> None:
        """End the connection with `code` once what waits is sent."""
        self._finish = code
        self._wake.set()

    async def writable(self) -> bool:
        """Wait until it is not full. False, and it is closed with 4000, if nothing leaves in `stall` seconds."""
        while self.full:
            sent = self.sent
            self._drained.clear()
            try:
                async with asyncio.timeout(self.stall or None):
                    await self._drained.wait()
            except TimeoutError:
                if self.sent == sent:
                    self.close(CloseCode.SLOW_READER)
                    return False
        return True

    async def carry(self, websocket: WebSocket, hear: Callable[[str], Awaitable[None]]) -> None:
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
            await _close(websocket, *self._closing.result())
        for task in (reader, writer):
            if not task.cancelled() and (error := task.exception()) and not isinstance(error, WebSocketDisconnect):
                raise error

    async def _pump(self, websocket: WebSocket) -> None:
        while True:
            while self._frames:
                frame = self._frames.popleft()
                await websocket.send_text(frame.text)
                self.waiting -= frame.size
                self.sent += frame.size
                if 2 * self.waiting <= self.high:
                    self._drained.set()
            if self._finish is not None:
                self.close(self._finish)
            self._wake.clear()
            await self._wake.wait()


async def _read(websocket: WebSocket, hear: Callable[[str], Awaitable[None]]) -> None:
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        text = message.get("text")
        if text is not None:
            await hear(text)
            # A burst arrives in one piece: give the writers a turn in between, or every outbox fills up meanwhile.
            await asyncio.sleep(0)


async def _close(websocket: WebSocket, code: CloseCode, reason: str) -> None:
    try:
        async with asyncio.timeout(CLOSE_DEADLINE):
            await websocket.close(code, reason)
    except (TimeoutError, WebSocketDisconnect, RuntimeError):
        pass
