"""WebSocket frames as a server reads and writes them (RFC 6455): bytes in, messages out. No I/O.

Compressed messages (RFC 7692, permessage-deflate) are read and written without context takeover: a message compressed
on its own can be sent to many clients, and no compression state is kept per connection.

A complete message is a `Message`. So is a frame that completes none, since each one costs time; its opcode is
CONTINUATION. A `ProtocolViolation` or a close frame ends the connection; nothing is read after it.
A close frame needs no mask: proxies send it without one when they reload, and refusing it would make clients believe
that they were at fault.
Text is checked to be UTF-8 once its message is complete. The size limit applies as soon as a header exceeds it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from enum import IntEnum
from functools import cache
from typing import NamedTuple

from websockets.speedups import apply_mask

from app.chat.closing import CloseCode


class Opcode(IntEnum):
    """The kind of a frame."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class Message(NamedTuple):
    """A complete message or control frame. `data` is text for TEXT, and bytes for all others; for CLOSE it is the
    payload of the close frame. CONTINUATION stands for a frame of a message that isn't complete yet."""

    opcode: int
    data: str | bytes


class ProtocolViolation(NamedTuple):
    """Something that a client must not send: the code and the reason to close the connection with."""

    code: CloseCode
    reason: str


FIN, DEFLATED, RESERVED, MASKED, CONTROL = 0x80, 0x40, 0x70, 0x80, 0x08
WHOLE_TEXT = FIN | Opcode.TEXT
_CONTINUATION, _TEXT, _BINARY = 0, int(Opcode.TEXT), int(Opcode.BINARY)  # plain, since every frame is compared
_VALID_CLOSE_CODES = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014}
_ENDED = -1
SKIPPED = Message(_CONTINUATION, b"")
"""A frame whose payload nobody needs."""
WINDOW_BITS = 12
"""The compression window, as a power of two. Messages to many clients are short."""
MIN_DEFLATE_SIZE = 64
"""Frames of fewer bytes don't gain from compression."""
DEFLATE_TAIL = b"\0\0\xff\xff"
"""Ends every compressed message, and is not sent."""


class WholeTexts:
    """Reads whole texts, which is nearly all that clients send. It remembers nothing, so all connections on which a
    message may have `limit` bytes share one, and need a FrameReader only once something else arrives.
    """

    __slots__ = ("inflates", "limit")

    def __init__(self, limit: int, *, inflates: bool = False) -> None:
        self.limit, self.inflates = limit, inflates

    def read(self, data: bytes) -> str | None:
        """The text in `data`, if that is exactly one whole and uncompressed text frame. Otherwise None."""
        end = len(data)
        if end < 6 or data[0] != WHOLE_TEXT:
            return None
        size, start = data[1] - MASKED, 6
        if size == 126 and end > 8:
            size, start = int.from_bytes(data[2:4], "big"), 8
        elif not 0 <= size < 126:
            return None
        if end - start != size or size > self.limit:
            return None
        try:
            return apply_mask(data[start:], data[start - 4 : start]).decode()
        except UnicodeDecodeError:
            return None

    def reader(self) -> FrameReader:
        """Return a reader of everything, with the same limit."""
        return FrameReader(self.limit, inflates=self.inflates)


@cache
def whole_texts(limit: int, *, inflates: bool) -> WholeTexts:
    """The reader that all connections with this limit share."""
    return WholeTexts(limit, inflates=inflates)


class FrameReader:
    """Reads what one client sends.

    `limit` is the maximum size of a message in bytes, also once it is inflated. `inflates` says whether messages may be
    compressed. It buffers at most one message and one frame of it. Its work is proportional to the bytes it gets,
    however small the pieces are.

    Once `closing` is set, it looks for the close frame only: other frames count, and what they hold is skipped.
    """

    __slots__ = ("_buffer", "_first_byte", "_fragments", "_needed", "_remaining", "closing", "inflates", "limit")

    def __init__(self, limit: int, *, inflates: bool = False) -> None:
        self.limit, self.inflates = limit, inflates
        self.closing = False
        self._buffer: bytearray | None = None
        """The bytes of a frame that isn't complete yet."""
        self._needed = 0
        """How many of them it takes to parse further; 0 if nothing is buffered, _ENDED after the end."""
        self._fragments: bytearray | None = None
        """The payload so far of a message that isn't complete yet."""
        self._first_byte = 0
        """The first byte of that message."""
        self._remaining = limit
        """How many bytes the next data frame may have."""

    @property
    def buffered(self) -> int:
        """Bytes that wait for more."""
        return len(self._buffer or b"") + len(self._fragments or b"")

    @property
    def ended(self) -> bool:
        """Whether nothing more is read."""
        return self._needed == _ENDED

    @property
    def idle(self) -> bool:
        """Whether it is as it was at first, so that a new one could take its place."""
        return not self._needed and self._fragments is None and not self.closing

    def end(self) -> None:
        """Read nothing more."""
        self._buffer, self._fragments, self._needed = None, None, _ENDED

    def read(self, data: bytes) -> Iterator[Message | ProtocolViolation]:
        """The messages in `data`, one for each frame, read and inflated when it is asked for. Go through all of them
        before `data` that follows is read. Nothing more is read after a ProtocolViolation or a CLOSE."""
        if self._needed:
            joined = self._join(data)
            if joined is None:
                return
            data = joined
        position, end, needed = 0, len(data), 2
        while end - position >= 2:
            first, second = data[position], data[position + 1]
            size, start = second & 0x7F, position + 6
            if size > 125 or second < MASKED or (first & 0x7F) > _BINARY:
                violation = self._check_header(first, second)
                if violation is not None:
                    self.end()
                    yield violation
                    return
                if second < MASKED:
                    stop = position + 2 + size
                    if stop > end:
                        needed = stop - position
                        break
                    self.end()
                    yield _parse_close(data[position + 2 : stop])
                    return
                if size > 125:
                    width = 2 if size == 126 else 8
                    if end - position < 2 + width:
                        needed = 2 + width
                        break
                    size = int.from_bytes(data[position + 2 : position + 2 + width], "big")
                    start += width
            if size > self._remaining and not first & CONTROL:
                self.end()
                yield _too_big(self.limit)
                return
            stop = start + size
            if stop > end:
                needed = stop - position
                break
            mask = data[start - 4 : start]
            if self.closing and first & 0x0F != Opcode.CLOSE:
                message: Message | ProtocolViolation = SKIPPED
            else:
                payload = data[start:stop] if mask == b"\0\0\0\0" else apply_mask(data[start:stop], mask)
                if first == WHOLE_TEXT and self._fragments is None:
                    message = _decode(_TEXT, payload)
                else:
                    message = self._add_frame(first, payload)
                if type(message) is ProtocolViolation or message[0] == Opcode.CLOSE:
                    self.end()
                    yield message
                    return
            position, needed = stop, 2
            yield message
        if position < end:
            self._buffer, self._needed = bytearray(data[position:]), needed
        else:
            self._buffer, self._needed = None, 0

    def _join(self, data: bytes) -> bytes | None:
        """The buffered bytes and `data`, or None until there are enough to go on: a large frame that arrives in small
        pieces is parsed once."""
        if self._buffer is None:
            return None
        self._buffer += data
        if len(self._buffer) < self._needed:
            return None
        joined, self._buffer = bytes(self._buffer), None
        return joined

    def _add_frame(self, first: int, payload: bytes) -> Message | ProtocolViolation:
        """What a frame with this first byte completes."""
        opcode = first & 0x0F
        if opcode >= Opcode.CLOSE:
            return _parse_close(payload) if opcode == Opcode.CLOSE else Message(opcode, payload)
        if opcode == Opcode.CONTINUATION:
            if self._fragments is None:
                return ProtocolViolation(CloseCode.PROTOCOL_ERROR, "continuation frame without a message")
        elif self._fragments is not None:
            return ProtocolViolation(CloseCode.PROTOCOL_ERROR, "new message inside a fragmented message")
        elif first & FIN:
            return self._complete(first, payload)
        else:
            self._fragments, self._first_byte = bytearray(), first
        self._fragments += payload  # empty fragments take no memory, however many arrive
        if not first & FIN:
            self._remaining -= len(payload)
            return Message(_CONTINUATION, payload)
        message, self._fragments, self._remaining = bytes(self._fragments), None, self.limit
        return self._complete(self._first_byte, message)

    def _check_header(self, first: int, second: int) -> ProtocolViolation | None:
        """What is wrong with the first two bytes of a frame, if anything."""
        opcode, size = first & 0x0F, second & 0x7F
        allowed = DEFLATED if self.inflates and opcode in (_TEXT, _BINARY) else 0
        problem = ""
        if not second & MASKED and opcode != Opcode.CLOSE:
            problem = "frame without a mask"
        elif first & RESERVED & ~allowed:
            problem = "reserved bit is set"
        elif opcode not in (0, 1, 2, 8, 9, 10):
            problem = f"opcode {opcode} is reserved"
        elif opcode >= Opcode.CLOSE and (size > 125 or not first & FIN):
            problem = "control frame is fragmented or over 125 bytes"
        return ProtocolViolation(CloseCode.PROTOCOL_ERROR, problem) if problem else None

    def _complete(self, first: int, payload: bytes) -> Message | ProtocolViolation:
        """The complete message that began with this first byte."""
        if first & DEFLATED:
            inflated = inflate(payload, self.limit)
            if isinstance(inflated, ProtocolViolation):
                return inflated
            payload = inflated
        return _decode(first & 0x0F, payload)


def _decode(opcode: int, payload: bytes) -> Message | ProtocolViolation:
    if opcode != _TEXT:
        return Message(opcode, payload)
    try:
        return Message(opcode, payload.decode())
    except UnicodeDecodeError:
        return ProtocolViolation(CloseCode.NOT_UTF8, "text is not UTF-8")


def _parse_close(payload: bytes) -> Message | ProtocolViolation:
    if len(payload) == 1:
        return ProtocolViolation(CloseCode.PROTOCOL_ERROR, "close frame with half a code")
    if payload:
        code = int.from_bytes(payload[:2], "big")
        if code not in _VALID_CLOSE_CODES and not 3000 <= code < 5000:
            return ProtocolViolation(CloseCode.PROTOCOL_ERROR, f"close code {code} is reserved")
        try:
            payload[2:].decode()
        except UnicodeDecodeError:
            return ProtocolViolation(CloseCode.NOT_UTF8, "close reason is not UTF-8")
    return Message(Opcode.CLOSE, payload)


def _too_big(limit: int) -> ProtocolViolation:
    return ProtocolViolation(CloseCode.TOO_BIG, f"message too long: the limit is {limit} bytes")


def inflate(payload: bytes, limit: int) -> bytes | ProtocolViolation:
    """Decompress a message. Never produces more than `limit` bytes, whatever the payload would expand to."""
    try:
        data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(payload + DEFLATE_TAIL, limit + 1)
    except zlib.error:
        return ProtocolViolation(CloseCode.PROTOCOL_ERROR, "compressed message can't be inflated")
    return data if len(data) <= limit else _too_big(limit)


def deflate(payload: bytes) -> bytes:
    """Compress a message on its own."""
    compressor = zlib.compressobj(wbits=-WINDOW_BITS, memLevel=5)
    return (compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)).removesuffix(DEFLATE_TAIL)


def encode_frame(opcode: int, payload: bytes) -> bytes:
    """A whole frame as a server sends it. `opcode` may have DEFLATED set."""
    size = len(payload)
    if size < 126:
        return bytes((FIN | opcode, size)) + payload
    if size < 1 << 16:
        return bytes((FIN | opcode, 126)) + size.to_bytes(2, "big") + payload
    return bytes((FIN | opcode, 127)) + size.to_bytes(8, "big") + payload


_TEXT_HEADERS = [encode_frame(Opcode.TEXT, bytes(size))[: -size or None] for size in range(512)]
"""The headers of texts that are not long, by size."""


def encode_text(payload: bytes) -> bytes:
    """A text as a server sends it, as a whole frame."""
    size = len(payload)
    return _TEXT_HEADERS[size] + payload if size < len(_TEXT_HEADERS) else encode_frame(Opcode.TEXT, payload)


def deflate_frame(frame: bytes) -> bytes:
    """The frame to send instead of an uncompressed one to clients that accept compression: compressed if that makes it
    shorter."""
    if len(frame) < MIN_DEFLATE_SIZE:
        return frame
    small = encode_frame(frame[0] & 0x0F | DEFLATED, deflate(_payload(frame)))
    return min(small, frame, key=len)


def split_frames(data: bytes) -> list[bytes]:
    """Split what a server sends into its frames."""
    frames, position = [], 0
    while position < len(data):
        start, size = _payload_place(data, position)
        frames.append(data[position : start + size])
        position = start + size
    return frames


def decode_text(frame: bytes) -> str:
    """Return the text in an uncompressed frame as a server sends it."""
    return _payload(frame).decode("utf-8", "surrogatepass")


def _payload(frame: bytes) -> bytes:
    return frame[_payload_place(frame, 0)[0] :]


def _payload_place(data: bytes, position: int) -> tuple[int, int]:
    """Return where the payload of an unmasked frame starts, and its size."""
    size, start = data[position + 1], position + 2
    if size < 126:
        return start, size
    width = 2 if size == 126 else 8
    return start + width, int.from_bytes(data[start : start + width], "big")


def encode_close(code: int, reason: str = "") -> bytes:
    """A close frame. A reason of more than 123 bytes is cut."""
    return encode_frame(Opcode.CLOSE, code.to_bytes(2, "big") + reason.encode()[:123].decode(errors="ignore").encode())
