"""A channel over plain ASGI: writing fills a queue without blocking, and one task per connection empties it.

Under plain uvicorn, frames that find the queue empty skip it and go to the socket directly: whole frames, encoded once
for everyone who gets them. Waking a task and encoding a frame per client takes longer than the kernel needs to send it.
Over any other ASGI server everything goes through the queue.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from starlette.types import Send
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from app.chat.closing import CloseCode
from app.transports import BROKEN, Ending, Receiver, Sender
from app.transports.frames import decode_text, split_frames
from app.transports.outboxes import Outboxes, Share

if TYPE_CHECKING:
    from app.transports.direct_writer import DirectWriter

SERVER_SEND = "natter.send"
"""The key in a WebSocket's scope of the `send` that the server gave to the application."""
ASK = "natter.ask"
"""The key in the scope of a WebSocket on a server without pings: how often to ask the client whether it's still there,
and how long it may take to answer, in seconds."""
SERVER_CODES = (
    CloseCode.PROTOCOL_ERROR,
    CloseCode.NOT_UTF8,
    CloseCode.TOO_BIG,
    CloseCode.PING_TIMEOUT,
    CloseCode.RESTARTING,
)
"""The codes with which the server itself closes a connection, as ASGI doesn't say who did."""
CLOSE_DEADLINE = 1.0
"""Seconds that the server may take to accept a close frame for a client that doesn't read."""
UNBOUNDED = Outboxes(0).share("")
LINGER = 3.0
"""Seconds that queued frames may take to leave after `flush_and_close`."""


class AsgiChannel:
    """The frames queued for one connection, in the order they were written.

    It is `full` from `high` bytes on, until it is half empty. A full channel still accepts what is written, so that an
    answer arrives in its place. A client that reads nothing for `stall` seconds while the channel is full is
    disconnected; 0 means never. It belongs to one event loop.

    `send` is the one that the server gave to the application, if known. Create the channel after the connection is
    accepted: it then writes to uvicorn's socket directly where possible.
    """

    __slots__ = (
        "_closing",
        "_direct",
        "_drained",
        "_ended",
        "_final",
        "_frames",
        "_linger_timer",
        "_pending",
        "_reading",
        "_stall_timer",
        "_wake",
        "ending",
        "full",
        "high",
        "sent",
        "share",
        "stall",
    )

    def __init__(self, high: int, stall: float, send: Send | None = None) -> None:
        self.high, self.stall = high, stall
        self.full = False
        self.ending = BROKEN
        self._pending = 0
        """Bytes that are queued."""
        self.share: Share = UNBOUNDED
        """Where what is queued for this client alone counts."""
        self._frames: deque[tuple[bytes, bool]] = deque()
        """What is queued, each with whether it counts. The first frame may be on its way already."""
        self._direct = _direct_writer(send)
        self._closing: asyncio.Future[tuple[CloseCode, str]] = asyncio.get_running_loop().create_future()
        """The code and reason to close with, now."""
        self._final: tuple[CloseCode, str] | None = None
        """The code and reason to close with once the queue is empty."""
        self._ended = False
        """Whether the connection has ended or is about to: nothing more is accepted."""
        self.sent = 0
        """Bytes that left."""
        self._drained: asyncio.Future[None] | None = None
        self._stall_timer: asyncio.TimerHandle | None = None
        self._linger_timer: asyncio.TimerHandle | None = None
        self._wake, self._reading = asyncio.Event(), asyncio.Event()
        self._reading.set()

    deflated = False
    """Compression is up to the server."""

    @property
    def sender(self) -> Sender:
        return self if self._direct is None or self._direct.sender is None else self._direct.sender

    def send(self, data: bytes, /) -> int:
        """Queue everything unless the channel is full."""
        if self.full:
            return 0
        self.write_rest(data, 0)
        return len(data)

    def write(self, data: bytes, /) -> None:
        if self._sends_at_once(data, 0):
            return
        self._frames.extend((frame, True) for frame in split_frames(data))
        self._queued(len(data))
        self.share.queued(self, len(data))

    def write_rest(self, data: bytes, sent: int, /) -> None:
        if self._sends_at_once(data, sent):
            return
        self._frames.extend((frame, False) for frame in _split_for_all(data))
        self._queued(len(data))

    def _sends_at_once(self, data: bytes, sent: int) -> bool:
        """Send data now, if nothing is queued and that is possible, or never, after the end. Whether that was done."""
        if self._ended:
            return True
        if self._direct is not None and not self._frames and self._direct.write(data, sent):
            self.sent += len(data)
            return True
        return False

    def _queued(self, size: int) -> None:
        """Count what was queued, and have it sent."""
        self._pending += size
        if not self.full and self._pending >= self.high:
            self.full = True
            if self.stall and self._stall_timer is None:
                self._start_stall_timer()
        self._wake.set()

    async def writable(self) -> bool:
        while self.full and not self._closing.done():
            if self._drained is None:
                self._drained = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._drained)
        return not self._ended

    def pause_reading(self) -> None:
        self._reading.clear()

    def resume_reading(self) -> None:
        self._reading.set()

    @property
    def reading(self) -> bool:
        """Whether what the client sends is read."""
        return self._reading.is_set()

    def pending(self) -> int:
        """Bytes that are queued."""
        return self._pending

    def disconnect(self, code: CloseCode, reason: str) -> None:
        """End the connection now: its client doesn't read."""
        self.close(code, reason)

    def close(self, code: CloseCode, reason: str = "") -> None:
        if not self._closing.done():
            self._end(Ending(code, reason, by_client=False))
            self._closing.set_result((code, reason))
            self._wake_writers()

    def flush_and_close(self, code: CloseCode, reason: str = "") -> None:
        if not self._ended:
            self._end(Ending(code, reason, by_client=False))
            self._final = code, reason
            self._wake.set()
            self._linger_timer = asyncio.get_running_loop().call_later(LINGER, self.close, code, reason)

    async def serve(self, websocket: WebSocket, receiver: Receiver) -> None:
        """Serve an accepted `websocket` until it ends: pass its messages to `receiver`, in order, and send what is
        written.

        Binary messages are ignored. Returns once the connection is over, whichever side ended it.
        """
        reader = asyncio.create_task(self._read(websocket, receiver))
        writer = asyncio.create_task(self._write_queue(websocket))
        try:
            ends: set[asyncio.Future[Any]] = {reader, writer, self._closing}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            reader.cancel()
            writer.cancel()
            self._end()
            self.share.drained(self)
            self._closing.cancel()
            self._wake_writers()
            receiver.channel_closed()
            for timer in (self._stall_timer, self._linger_timer):
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
                code = int(message.get("code") or BROKEN.code)
                reason = message.get("reason") or "" if code in SERVER_CODES else ""
                self._end(Ending(code, reason, by_client=code not in SERVER_CODES))
                return
            text = message.get("text")
            if text is not None and not self._ended:
                receiver.text_received(text)
                await self._reading.wait()
                # A burst arrives in one piece. Let the writers run in between, or every queue fills up meanwhile.
                await asyncio.sleep(0)

    async def _write_queue(self, websocket: WebSocket) -> None:
        while True:
            while self._frames:
                frame, counts = self._frames[0]
                if not counts:
                    self.share.queued(self, len(frame))  # the server gets a copy of what all share
                await websocket.send_text(decode_text(frame))
                self._frames.popleft()
                self.share.sent(self, len(frame))
                self._pending -= len(frame)
                self.sent += len(frame)
                if self.full and 2 * self._pending <= self.high:
                    self.full = False
                    self._wake_writers()
            if self._final is not None:
                self.close(*self._final)
            self._wake.clear()
            await self._wake.wait()

    def _start_stall_timer(self) -> None:
        self._stall_timer = asyncio.get_running_loop().call_later(self.stall, self._check_stall, self.sent)

    def _check_stall(self, sent: int) -> None:
        """Disconnect a client that is full and got nothing more since `sent` bytes had left."""
        self._stall_timer = None
        if self.full and self.sent == sent:
            self.close(CloseCode.SLOW_READER)
        elif self.full and not self._closing.done():
            self._start_stall_timer()

    def _end(self, ending: Ending = BROKEN) -> None:
        if not self._ended:
            self.ending = ending
        self._ended = True
        if self._direct is not None:
            self._direct.detach()

    def _wake_writers(self) -> None:
        if self._drained is not None:
            self._drained.set_result(None)
            self._drained = None


_last: tuple[bytes, list[bytes]] = b"", []


def _split_for_all(data: bytes) -> list[bytes]:
    """Return the frames in data that many get, one channel after the other. They share the frames."""
    global _last
    if data is not _last[0]:
        _last = data, split_frames(data)
    return _last[1]


async def _close(websocket: WebSocket, code: CloseCode, reason: str) -> None:
    try:
        async with asyncio.timeout(CLOSE_DEADLINE):
            await websocket.close(int(code), reason)
    except (TimeoutError, WebSocketDisconnect, RuntimeError):
        pass


def _direct_writer(send: Send | None) -> DirectWriter | None:
    """See `direct_writer`. It needs uvicorn's protocol, which no start waits for."""
    from app.transports.direct_writer import direct_writer

    return direct_writer(send)
