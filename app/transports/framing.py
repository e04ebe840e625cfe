"""The frames of RFC 6455, as a server reads and writes them: bytes in, messages out. No I/O.

Those of RFC 7692, permessage-deflate, are among them, always without context takeover: a message that is compressed by
itself can be sent to many, and nothing need be kept for each connection.

A message is a `Message`; what ends the connection is a `Breach` or a close frame, and nothing is read after that. Text
is checked to be UTF-8 when its message is whole, the size of a message as soon as a header exceeds it.
"""

from __future__ import annotations

import zlib
from enum import IntEnum
from typing import NamedTuple

from websockets.speedups import apply_mask

from app.chat.closing import CloseCode


class Opcode(IntEnum):
    """What a frame is."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class Message(NamedTuple):
    """A whole message, or a control frame: TEXT carries text, CLOSE a close frame's payload, the others bytes."""

    opcode: int
    data: str | bytes


class Breach(NamedTuple):
    """What a client must not do: the code and the reason to close with."""

    code: CloseCode
    reason: str


FIN, DEFLATED, RESERVED, MASKED, CONTROL = 0x80, 0x40, 0x70, 0x80, 0x08
WHOLE_TEXT = FIN | Opcode.TEXT
_TEXT, _BINARY = int(Opcode.TEXT), int(Opcode.BINARY)  # plain numbers: they are compared for each frame
_SENDABLE = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014}
_OVER = -1
WINDOW = 12
"""The window that is compressed with, as a power of two: what is said to many is short."""
WORTH_IT = 64
"""Bytes from which on compressing gains anything."""
TAIL = b"\0\0\xff\xff"
"""What ends each compressed message, and is not sent."""


class Reader:
    """Reads what one client sends. `limit` is the most bytes that a message may have, also once it is inflated;
    `inflates` says whether a message may be compressed.

    It keeps at most one message and one frame of it, and does work in proportion to what it reads, however small the
    pieces are in which that comes.
    """

    __slots__ = ("_ahead", "_first", "_fragments", "_left", "_wanted", "inflates", "limit")

    def __init__(self, limit: int, *, inflates: bool = False) -> None:
        self.limit, self.inflates = limit, inflates
        self._ahead: bytearray | None = None
        """What has come of a frame that is not whole yet."""
        self._wanted = 0
        """How much of it must have come before it is worth another look; 0 where nothing waits, _OVER at the end."""
        self._fragments: bytearray | None = None
        """What has come of a message that is not whole yet."""
        self._first = 0
        """The first byte of that message."""
        self._left = limit
        """How many bytes the next frame of data may have."""

    @property
    def kept(self) -> int:
        """Bytes that wait for more."""
        return len(self._ahead or b"") + len(self._fragments or b"")

    def read(self, data: bytes) -> list[Message | Breach]:
        """What `data` completes. After a Breach or a CLOSE nothing is read any more."""
        if self._wanted:
            whole = self._join(data)
            if whole is None:
                return []
            data = whole
        found: list[Message | Breach] = []
        position, end, wanted = 0, len(data), 2
        while end - position >= 2:
            first, second = data[position], data[position + 1]
            size, start = second & 0x7F, position + 6
            if size > 125 or second < MASKED or (first & 0x7F) > _BINARY:
                breach = self._header(first, second)
                if breach is not None:
                    return self._end(found, breach)
                if size > 125:
                    width = 2 if size == 126 else 8
                    if end - position < 2 + width:
                        wanted = 2 + width
                        break
                    size = int.from_bytes(data[position + 2 : position + 2 + width], "big")
                    start += width
            if size > self._left and not first & CONTROL:
                return self._end(found, Breach(CloseCode.TOO_BIG, f"a message may have {self.limit} bytes"))
            stop = start + size
            if stop > end:
                wanted = stop - position
                break
            mask = data[start - 4 : start]
            payload = data[start:stop] if mask == b"\0\0\0\0" else apply_mask(data[start:stop], mask)
            position, wanted = stop, 2
            if first == WHOLE_TEXT and self._fragments is None:
                message: Message | Breach | None = _whole(_TEXT, payload)
            else:
                message = self._message(first, payload)
            if message is not None:
                if type(message) is Breach or message[0] == Opcode.CLOSE:
                    return self._end(found, message)
                found.append(message)
        if position < end:
            self._ahead, self._wanted = bytearray(data[position:]), wanted
        else:
            self._ahead, self._wanted = None, 0
        return found

    def _join(self, data: bytes) -> bytes | None:
        """What waited and `data`, once that is worth a look: a large frame in small pieces is looked at once."""
        if self._ahead is None:
            return None
        self._ahead += data
        return bytes(self._ahead) if len(self._ahead) >= self._wanted else None

    def _end(self, found: list[Message | Breach], last: Message | Breach) -> list[Message | Breach]:
        self._ahead, self._fragments, self._wanted = None, None, _OVER
        found.append(last)
        return found

    def _message(self, first: int, payload: bytes) -> Message | Breach | None:
        """What a frame with this first byte completes, if anything."""
        opcode = first & 0x0F
        if opcode >= Opcode.CLOSE:
            return _closing(payload) if opcode == Opcode.CLOSE else Message(opcode, payload)
        if opcode == Opcode.CONTINUATION:
            if self._fragments is None:
                return Breach(CloseCode.PROTOCOL_ERROR, "a continuation of nothing")
        elif self._fragments is not None:
            return Breach(CloseCode.PROTOCOL_ERROR, "a new message inside another")
        elif first & FIN:
            return self._whole(first, payload)
        else:
            self._fragments, self._first = bytearray(), first
        self._fragments += payload  # empty ones cost nothing, however many come
        if not first & FIN:
            self._left -= len(payload)
            return None
        message, self._fragments, self._left = bytes(self._fragments), None, self.limit
        return self._whole(self._first, message)

    def _header(self, first: int, second: int) -> Breach | None:
        """What is wrong with the first two bytes of a frame."""
        opcode, size = first & 0x0F, second & 0x7F
        allowed = DEFLATED if self.inflates and opcode in (_TEXT, _BINARY) else 0
        problem = ""
        if not second & MASKED:
            problem = "a frame without a mask"
        elif first & RESERVED & ~allowed:
            problem = "a reserved bit is set"
        elif opcode not in (0, 1, 2, 8, 9, 10):
            problem = f"opcode {opcode} is reserved"
        elif opcode >= Opcode.CLOSE and (size > 125 or not first & FIN):
            problem = "a control frame that is long or in fragments"
        return Breach(CloseCode.PROTOCOL_ERROR, problem) if problem else None

    def _whole(self, first: int, payload: bytes) -> Message | Breach:
        """The message that began with this first byte."""
        if first & DEFLATED:
            inflated = inflate(payload, self.limit)
            if isinstance(inflated, Breach):
                return inflated
            payload = inflated
        return _whole(first & 0x0F, payload)


def _whole(opcode: int, payload: bytes) -> Message | Breach:
    if opcode != _TEXT:
        return Message(opcode, payload)
    try:
        return Message(opcode, payload.decode())
    except UnicodeDecodeError:
        return Breach(CloseCode.NOT_UTF8, "the text is not UTF-8")


def _closing(payload: bytes) -> Message | Breach:
    if len(payload) == 1:
        return Breach(CloseCode.PROTOCOL_ERROR, "a close frame with half a code")
    if payload:
        code = int.from_bytes(payload[:2], "big")
        if code not in _SENDABLE and not 3000 <= code < 5000:
            return Breach(CloseCode.PROTOCOL_ERROR, f"close code {code} is reserved")
        try:
            payload[2:].decode()
        except UnicodeDecodeError:
            return Breach(CloseCode.NOT_UTF8, "the reason is not UTF-8")
    return Message(Opcode.CLOSE, payload)


def inflate(payload: bytes, limit: int) -> bytes | Breach:
    """A message that was compressed. It is never made longer than `limit`, however much the payload would become."""
    try:
        data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(payload + TAIL, limit + 1)
    except zlib.error:
        return Breach(CloseCode.PROTOCOL_ERROR, "what is compressed can't be inflated")
    return data if len(data) <= limit else Breach(CloseCode.TOO_BIG, f"a message may have {limit} bytes")


def deflate(payload: bytes) -> bytes:
    """The same compressed, by itself."""
    compressing = zlib.compressobj(wbits=-WINDOW, memLevel=5)
    return (compressing.compress(payload) + compressing.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)


def encoded(opcode: int, payload: bytes) -> bytes:
    """A whole frame as a server sends it. `opcode` may have DEFLATED set."""
    size = len(payload)
    if size < 126:
        return bytes((FIN | opcode, size)) + payload
    if size < 1 << 16:
        return bytes((FIN | opcode, 126)) + size.to_bytes(2, "big") + payload
    return bytes((FIN | opcode, 127)) + size.to_bytes(8, "big") + payload


def closing(code: int, reason: str = "") -> bytes:
    """A close frame; a reason that is too long for one is cut."""
    return encoded(Opcode.CLOSE, code.to_bytes(2, "big") + reason.encode()[:123].decode(errors="ignore").encode())
