"""A channel that owns its socket: RFC 6455 on a transport, after the handshake."""

from __future__ import annotations

import asyncio
from _socket import socket as RawSocket  # noqa: N812  (a tenth of the size of the socket module's class)
from asyncio.transports import Transport
from collections.abc import Iterator, MutableSet
from itertools import chain
from typing import Any, cast

from app.chat.closing import CloseCode
from app.transports import BROKEN, Ending, Receiver
from app.transports.frame_limit import NO_LIMIT, FrameLimit
from app.transports.frames import (
    FrameReader,
    Message,
    Opcode,
    ProtocolViolation,
    WholeTexts,
    encode_close,
    encode_frame,
)
from app.transports.hardened import LINGER
from app.transports.heartbeat import Heartbeat
from app.transports.outboxes import Outboxes, Share
from app.transports.reading_turns import CONNECTION, DISCARDED, LEAVING, SIZE
from app.transports.senders import NoSocket, attach, is_plain_socket
from app.transports.sockets import Peer

NO_CODE = 1005
"""Stands for a close frame without a code."""
MAX_PENDING_PONGS = 64 * 1024
"""Bytes that may be queued for a client that sends pings and reads nothing."""
SHARED = 1024
"""Bytes from which on the rest of a broadcast is shared by all for whom it is queued, rather than copied for each."""
UNBOUNDED = Outboxes(0).share("")


class SocketChannel(asyncio.Protocol):
    """An accepted connection: it reads frames, and writes what it is given with one system call.

    The transport queues what the socket doesn't accept at once; the channel is `full` for as long as anything is
    queued. It belongs to one event loop.

    What arrives in one piece may be thousands of frames. They are read one at a time, and what is left when a turn of
    the event loop is used up waits for another one (see `reading_turns`). Nothing more is read from the socket until
    then.
    """

    __slots__ = (
        "_bytes_queued",
        "_closed",
        "_connections",
        "_drained",
        "_ended",
        "_frames",
        "_heartbeat",
        "_held",
        "_left",
        "_limit",
        "_linger_timer",
        "_peer",
        "_reader",
        "_receiver",
        "_refilled",
        "_texts",
        "_transport",
        "deflated",
        "ending",
        "full",
        "sender",
        "share",
    )

    def __init__(
        self,
        transport: Transport,
        connections: MutableSet[Any],
        texts: WholeTexts,
        heartbeat: Heartbeat,
        limit: FrameLimit = NO_LIMIT,
        peer: Peer | None = None,
    ) -> None:
        self._peer = peer
        self._transport, self._connections, self._heartbeat = transport, connections, heartbeat
        self._receiver: Receiver | None = None
        self._ended = False
        self.full = self.deflated = False
        self.ending = BROKEN
        self.share: Share = UNBOUNDED
        """Where what is queued for this client alone counts."""
        self._bytes_queued = 0
        """Bytes that the transport was given so far."""
        self._texts = texts
        self._reader: FrameReader | None = None
        """Reads everything else, while there is something to remember."""
        self._limit = limit
        self._left = limit.burst
        """How many frames the client may send until the limit is looked at again."""
        self._refilled = 0.0
        """When that was last done, in seconds of the event loop's clock. 0.0 for never."""
        self._frames: Iterator[Message | ProtocolViolation] | None = None
        """What was received and waits for its turn."""
        self._held = False
        """Whether the receiver asked to read nothing for now."""
        self._linger_timer: asyncio.TimerHandle | None = None
        self._drained: asyncio.Future[bool] | None = None
        self._closed: asyncio.Future[None] | None = None
        self.sender = RawSocket.__new__(RawSocket) if is_plain_socket(transport) else NoSocket(transport)
        self._attach()
        heartbeat.add(self)

    def start(self, receiver: Receiver) -> None:
        """Start reading and pass what arrives to `receiver`. If the connection has ended already, the receiver hears
        that at once."""
        if self._ended:
            receiver.channel_closed()
        else:
            self._receiver = receiver
            self._transport.resume_reading()

    def write(self, data: bytes, /) -> None:
        """Write whole frames: to the socket if nothing is queued before them, which is what keeps `full` exact."""
        try:
            sent = self.sender.send(data)
        except OSError:
            sent = 0
        if sent < len(data):
            self._queue(data[sent:])
            if not self._ended and (self.full or isinstance(self.sender, RawSocket)):
                self.share.queued(self, len(data) - sent)

    def write_rest(self, data: bytes, sent: int, /) -> None:
        self._queue(data[sent:] if len(data) - sent < SHARED else memoryview(data)[sent:])
        if self.full and not isinstance(self.sender, RawSocket):  # over TLS, what is queued is encrypted for each
            self.share.queued(self, len(data) - sent)

    async def writable(self) -> bool:
        while self.full and not self._ended:
            if self._drained is None:
                self._drained = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._drained)
        return not self._ended

    def pause_reading(self) -> None:
        self._held = True
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._held = False
        if self._frames is None:
            self._transport.resume_reading()
        else:
            self._heartbeat.turns.wait(self, self.share.owner)

    def close(self, code: CloseCode, reason: str = "") -> None:
        if self._linger_timer is not None:
            return
        if self.full and code == CloseCode.SLOW_READER:
            self._abort(code, reason)
            return
        self.flush_and_close(code, reason)

    def flush_and_close(self, code: CloseCode, reason: str = "") -> None:
        if self._linger_timer is None and not self._ended:
            self.write(encode_close(code, reason))
            self._linger(Ending(code, reason, by_client=False))

    def shutdown(self) -> None:
        """Tell the client that the server restarts. uvicorn calls this."""
        self.close(CloseCode.RESTARTING)

    def closed(self) -> asyncio.Future[None]:
        """A future that completes once the connection is lost. Ask for it before that."""
        if self._closed is None:
            self._closed = asyncio.get_running_loop().create_future()
        return self._closed

    def data_received(self, data: bytes) -> None:
        if self._frames is None:
            turns = self._heartbeat.turns
            owner = self.share.owner
            if owner != turns.last:
                turns.met(owner)
            turns.left -= 1 + (len(data) >> SIZE)
            if turns.left < 0 and not turns.admits(owner):
                self._frames = self._own_reader().read(data)
                self._wait()
                return
            text = self._texts.read(data) if self._reader is None else None
            if text is not None:
                self._left -= 1
                if self._left < 0 and self._floods():
                    return
                if self._receiver is not None:
                    self._receiver.text_received(text)
                return
            self._frames = (reader := self._own_reader()).read(data)
            if reader.ended:  # the transport would read on at once, megabytes at a time
                self._wait()
            else:
                self._read_frames(self._frames)
        else:
            self._frames = chain(self._frames, self._own_reader().read(data))

    def take_turn(self) -> None:
        """Handle more of what was received before, if it is still to be handled. See `Reader`."""
        if self._ended and self._receiver is not None:
            self._heartbeat.turns.left -= LEAVING
            self._leave()
        elif self._frames is not None and not self._held:
            turns = self._heartbeat.turns
            left = turns.left
            self._read_frames(self._frames)
            if turns.left == left:
                turns.left -= DISCARDED
            if self._frames is None and not (self._held or self._transport.is_closing()):
                self._transport.resume_reading()

    def _read_frames(self, frames: Iterator[Message | ProtocolViolation]) -> None:
        """Handle frames until there are no more, or the turn is used up."""
        turns, most = self._heartbeat.turns, CONNECTION
        for message in frames:
            self._left -= 1
            if self._left < 0 and self._floods():
                return
            if type(message) is ProtocolViolation:
                self._break_off(message.code, message.reason)
                return
            opcode, payload = message
            if opcode == Opcode.TEXT:
                if self._receiver is not None and not self._ended:
                    self._receiver.text_received(cast(str, payload))
            elif opcode == Opcode.PONG:
                self._heartbeat.pong_received(self)
            elif opcode == Opcode.PING:
                self._pong(cast(bytes, payload))
            elif opcode == Opcode.CLOSE:
                self._close_received(cast(bytes, payload))
                return
            if self._held or self._frames is None:
                return
            units = 1 + (len(payload) >> SIZE)
            turns.left -= units
            most -= units
            if most <= 0 or (turns.left <= 0 and turns.shared):
                self._wait()
                return
        self._frames = None
        if self._reader is not None and self._reader.idle:
            self._reader = None

    def _own_reader(self) -> FrameReader:
        if self._reader is None:
            self._reader = self._texts.reader()
        return self._reader

    def _wait(self) -> None:
        self._transport.pause_reading()
        self._heartbeat.turns.wait(self, self.share.owner)

    def _floods(self) -> bool:
        """Refill what the client may send. If nothing is there yet, end the connection."""
        now = asyncio.get_running_loop().time()
        self._left = self._limit.refill(now - self._refilled if self._refilled else 1.0) - 1
        self._refilled = now
        if self._left >= 0:
            return False
        self._break_off(CloseCode.POLICY, self._limit.reason)
        return True

    def _break_off(self, code: CloseCode, reason: str) -> None:
        """Close the connection and read nothing more: the client's answer needn't be waited for."""
        self.close(code, reason)
        self._frames = None
        self._own_reader().end()
        if self._transport.can_write_eof() and not self._transport.is_closing():
            self._transport.write_eof()

    def _close_received(self, payload: bytes) -> None:
        self._frames = None
        if self._linger_timer is None:
            code = payload[:2]
            self.write(encode_frame(Opcode.CLOSE, code))
            self._linger(Ending(int.from_bytes(code) or NO_CODE, "", by_client=True))
        self._transport.close()

    def eof_received(self) -> None:
        """The client closed its side. Returning None closes the transport."""

    def pause_writing(self) -> None:
        self.full = True
        self.sender.detach()
        self._heartbeat.writing_paused(self)

    def resume_writing(self) -> None:
        self.full = False
        self._attach()
        self._heartbeat.writing_resumed(self)
        self.share.drained(self)
        self._wake_writers()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._end()
        self._frames = None
        self._heartbeat.remove(self)
        self.share.drained(self)
        if self._peer is not None:
            self._peer.leave()
        if self._linger_timer is not None:
            self._linger_timer.cancel()
        if self._receiver is None or self._heartbeat.turns.take(self.share.owner, LEAVING):
            self._leave()
        else:
            self._heartbeat.turns.wait(self, self.share.owner)

    def _leave(self) -> None:
        """Tell everyone who has to know that the connection is lost."""
        self._connections.discard(self)
        self._tell_receiver()
        if self._closed is not None:
            self._closed.set_result(None)

    def ping(self) -> None:
        """Send a ping, unless the channel is full."""
        if not self.full:
            self.write(encode_frame(Opcode.PING, b""))

    def pending(self) -> int:
        """Bytes that are queued."""
        return self._transport.get_write_buffer_size()

    def bytes_drained(self) -> int:
        """Bytes that were queued once and have left since. It grows for as long as the client reads, whatever is
        written meanwhile."""
        return self._bytes_queued - self.pending()

    def disconnect(self, code: CloseCode, reason: str) -> None:
        """Close with `code`, or abort the connection if the client can't be told."""
        if self.full or self.pending():
            self._abort(code, reason)
        else:
            self.flush_and_close(code, reason)

    def _attach(self) -> None:
        """Send through the transport's socket, since nothing is queued. The descriptor stays the transport's, which
        closes it: the sender is detached before that."""
        if isinstance(self.sender, RawSocket) and not self._ended and not self._transport.is_closing():
            attach(self.sender, self._transport)

    def _queue(self, data: bytes | memoryview) -> None:
        """Leave `data` to the transport. Does nothing after the end, where uvloop's transport would raise an error."""
        if not self._ended and not self._transport.is_closing():
            self._bytes_queued += len(data)
            self._transport.write(data)

    def _pong(self, payload: bytes) -> None:
        if self.full and self.pending() > MAX_PENDING_PONGS:
            self._abort(CloseCode.SLOW_READER, "pings were sent, and nothing was read")
        else:
            self.write(encode_frame(Opcode.PONG, payload))

    def _linger(self, ending: Ending) -> None:
        """Give the client a moment to end the connection, then end it, whatever is still queued."""
        self.ending = ending
        self._linger_timer = asyncio.get_running_loop().call_later(LINGER, self._cut)
        self._own_reader().closing = True
        self.resume_reading()
        self._end()
        self._tell_receiver()

    def _abort(self, code: CloseCode, reason: str) -> None:
        """End the connection without a word, which the client wouldn't read."""
        if not self._ended:
            self.ending = Ending(code, reason, by_client=False)
        self._cut()

    def _cut(self) -> None:
        self._frames = None
        self._own_reader().closing = True
        self.sender.detach()
        self._transport.abort()

    def _end(self) -> None:
        """Send nothing more, and let nobody wait for that."""
        self._ended = True
        self.sender.detach()
        self._wake_writers()

    def _tell_receiver(self) -> None:
        """Tell the receiver once that the connection is over."""
        receiver, self._receiver = self._receiver, None  # breaks a reference cycle
        if receiver is not None:
            receiver.channel_closed()

    def _wake_writers(self) -> None:
        if self._drained is not None:
            self._drained.set_result(True)
            self._drained = None
