"""A connection over plain ASGI: a queue that whoever speaks fills without waiting, and one task that empties it.

Under uvicorn as it is, what finds the queue empty is written beside it: whole frames, made once for all who get them,
to the socket. A task that wakes up for each client, and a frame that is made anew for each, take longer than the kernel
does. Over any other server everything goes through the queue.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from starlette.types import Send
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from app.chat.closing import CloseCode
from app.transports import Batch, Frame, Receiver, Sender
from app.transports.beside import beside

SEND = "natter.send"
"""The key in a WebSocket's scope of the `send` that the server gave to the application."""
CLOSE_DEADLINE = 1.0
"""Seconds that a close frame may take to be accepted for a client that does not read."""
LINGER = 3.0
"""Seconds that what waits may take to leave once the connection is to end after it."""


class AsgiChannel:
    """What waits to be sent to one connection: whole frames, in the order they were put.

    It is `full` from `high` bytes on, until it is half empty. It takes what is put all the same, since an answer
    belongs where it is asked for. It belongs to one event loop.

    `send` is the one that the server gave to the application, where that is known: made for an accepted connection, it
    writes what it can beside it.
    """

    __slots__ = (
        "_beside",
        "_closing",
        "_drained",
        "_finish",
        "_frames",
        "_lingering",
        "_over",
        "_reading",
        "_wake",
        "_watching",
        "full",
        "high",
        "sent",
        "stall",
        "waiting",
    )

    def __init__(self, high: int, stall: float, send: Send | None = None) -> None:
        self.high, self.stall = high, stall
        self.full = False
        self.waiting = 0
        """Bytes that wait."""
        self._frames: deque[Frame] = deque()
        """What waits; the first may be on its way."""
        self._beside = beside(send)
        self._closing: asyncio.Future[tuple[CloseCode, str]] = asyncio.get_running_loop().create_future()
        self._finish: tuple[CloseCode, str] | None = None
        self._over = False
        """Whether it has ended or is to end: what comes now is too late."""
        self.sent = 0
        """Bytes that left."""
        self._drained: asyncio.Future[None] | None = None
        self._watching: asyncio.TimerHandle | None = None
        self._lingering: asyncio.TimerHandle | None = None
        self._wake, self._reading = asyncio.Event(), asyncio.Event()
        self._reading.set()

    deflated = False
    """The server compresses, or does not."""

    @property
    def sender(self) -> Sender:
        return self if self._beside is None or self._beside.sender is None else self._beside.sender

    def send(self, batch: Batch, /) -> int:
        """Put it, if there is room."""
        if self.full:
            return 0
        self.put(batch)
        return len(batch)

    def put(self, batch: Batch) -> None:
        self.keep(batch, 0)

    def keep(self, batch: Batch, taken: int) -> None:
        if self._over:
            return
        if self._beside is not None and not self._frames and self._beside.write(batch, taken):
            self.sent += len(batch)
            return
        for frame in batch.frames:
            self._frames.append(frame)
            self.waiting += len(frame.wire)
        if self.waiting >= self.high and not self.full:
            self.full = True
            if self.stall and self._watching is None:
                self._watch_from(self.sent)
        self._wake.set()

    async def writable(self) -> bool:
        while self.full and not self._closing.done():
            if self._drained is None:
                self._drained = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._drained)
        return not self._over

    def pause(self) -> None:
        self._reading.clear()

    def resume(self) -> None:
        self._reading.set()

    def close(self, code: CloseCode, reason: str = "") -> None:
        if not self._closing.done():
            self._end()
            self._closing.set_result((code, reason))
            self._let_writers_go()

    def finish(self, code: CloseCode, reason: str = "") -> None:
        if not self._over:
            self._end()
            self._finish = code, reason
            self._wake.set()
            self._lingering = asyncio.get_running_loop().call_later(LINGER, self.close, code, reason)

    async def carry(self, websocket: WebSocket, receiver: Receiver) -> None:
        """Carry an accepted `websocket` until it ends: tell `receiver` what it says, in order, and send what is put.

        Binary messages are ignored. Returns once the connection is over, whoever ended it.
        """
        reader = asyncio.create_task(self._read(websocket, receiver))
        writer = asyncio.create_task(self._pump(websocket))
        try:
            ends: set[asyncio.Future[Any]] = {reader, writer, self._closing}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            reader.cancel()
            writer.cancel()
            self._end()
            self._closing.cancel()
            self._let_writers_go()
            receiver.channel_closed()
            for timer in (self._watching, self._lingering):
                if timer is not None:
                    timer.cancel()
            await asyncio.wait({reader, writer})
        if not self._closing.cancelled() and websocket.application_state is WebSocketState.CONNECTED:
            await _close(websocket, *self._closing.result())
        for task in (reader, writer):
            if not task.cancelled() and (error := task.exception()) and not isinstance(error, WebSocketDisconnect):
                raise error

    async def _read(self, websocket: WebSocket, receiver: Receiver) -> None:
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            if text is not None and not self._over:
                receiver.text_received(text)
                await self._reading.wait()
                # A burst arrives in one piece: give the writers a turn in between, or every outbox fills up meanwhile.
                await asyncio.sleep(0)

    async def _pump(self, websocket: WebSocket) -> None:
        while True:
            while self._frames:
                frame = self._frames[0]
                await websocket.send_text(frame.text)
                self._frames.popleft()
                self.waiting -= len(frame.wire)
                self.sent += len(frame.wire)
                if self.full and 2 * self.waiting <= self.high:
                    self.full = False
                    self._let_writers_go()
            if self._finish is not None:
                self.close(*self._finish)
            self._wake.clear()
            await self._wake.wait()

    def _watch_from(self, sent: int) -> None:
        self._watching = asyncio.get_running_loop().call_later(self.stall, self._watch, sent)

    def _watch(self, sent: int) -> None:
        """Close a client for which nothing left for `stall` seconds while it is full."""
        self._watching = None
        if self.full and self.sent == sent:
            self.close(CloseCode.SLOW_READER)
        elif self.full and not self._closing.done():
            self._watch_from(self.sent)

    def _end(self) -> None:
        self._over = True
        if self._beside is not None:
            self._beside.let_go()

    def _let_writers_go(self) -> None:
        if self._drained is not None:
            self._drained.set_result(None)
            self._drained = None


async def _close(websocket: WebSocket, code: CloseCode, reason: str) -> None:
    try:
        async with asyncio.timeout(CLOSE_DEADLINE):
            await websocket.close(code, reason)
    except (TimeoutError, WebSocketDisconnect, RuntimeError):
        pass
