"""What a client that wants a WebSocket says and is answered, as bytes. No I/O."""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Iterable
from email.utils import formatdate
from hashlib import sha1
from http import HTTPStatus
from typing import Any, NamedTuple

from uvicorn.config import Config

TOKEN, TEXT = rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+", rb"[\t -~\x80-\xff]*"
REQUEST = re.compile(rb"GET (/[!-~]*) HTTP/1\.1\r\n((?:%b:%b\r\n)+)\r\n" % (TOKEN, TEXT))
HEADER = re.compile(rb"([^:]+):([^\r]*)\r\n")
MAX_SIZE, MAX_HEADERS = 8 * 1024, 100
CONNECTION_VALUES = (b"upgrade", b"keep-alive, upgrade")
KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")
TOKEN_LIST = re.compile(rb"%b(?:[\t ]*,[\t ]*%b)*" % (TOKEN, TOKEN))
NAME, HEADER_VALUE = re.compile(TOKEN), re.compile(TEXT)
LEFT_TO_UVICORN = frozenset({b"content-length", b"transfer-encoding", b"expect"})
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
STATUSES = {status.value: status.phrase for status in HTTPStatus if status >= HTTPStatus.OK}
Header = tuple[bytes, bytes]


class UpgradeRequest(NamedTuple):
    """A valid WebSocket request of the usual form, with nothing special about it."""

    head: bytes
    target: bytes
    headers: list[tuple[bytes, bytes]]
    key: bytes
    subprotocols: bytes

    @classmethod
    def parse(cls, data: bytes, config: Config) -> UpgradeRequest | None:
        """Parse `data` as exactly one request. None for anything else: it may be invalid, incomplete, or not a
        WebSocket request."""
        if len(data) > MAX_SIZE or (match := REQUEST.fullmatch(data)) is None:
            return None
        target, block = match.groups()
        listed = [(name.lower(), value.strip(b"\t ")) for name, value in HEADER.findall(block)]
        headers = dict(listed)
        key = headers.get(b"sec-websocket-key", b"")
        usual = (
            len(headers) == len(listed) <= MAX_HEADERS
            and headers.get(b"upgrade", b"").lower() == b"websocket"
            and headers.get(b"connection", b"").lower() in CONNECTION_VALUES
            and headers.get(b"sec-websocket-version") == b"13"
            and KEY.fullmatch(key)
            and LEFT_TO_UVICORN.isdisjoint(headers)
            and TOKEN_LIST.fullmatch(headers.get(b"sec-websocket-protocol", b"none"))
            and not (config.ws_per_message_deflate and b"sec-websocket-extensions" in headers)
        )
        return cls(data, target, listed, key, headers.get(b"sec-websocket-protocol", b"")) if usual else None


def accepting(key: bytes, headers: Iterable[Header], subprotocol: str | None) -> bytes | None:
    """The response that opens the WebSocket. None if a header value would be more than one line: uvicorn refuses
    those."""
    answer = [
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ",
        b2a_base64(sha1(key + GUID, usedforsecurity=False).digest(), newline=False),
    ]
    listed = [*headers, (b"Sec-WebSocket-Protocol", subprotocol.encode("latin-1"))] if subprotocol else headers
    for name, value in listed:
        if not HEADER_VALUE.fullmatch(value):
            return None
        answer += b"\r\n", name, b": ", value
    answer.append(b"\r\n\r\n")
    return b"".join(answer)


class Denial(NamedTuple):
    """A response that refuses the WebSocket, without its body."""

    status: int
    headers: list[Header]

    @classmethod
    def of(cls, message: Any) -> Denial | None:
        """Return what ASGI's `websocket.http.response.start` begins. None for anything else, and for what isn't
        HTTP."""
        if message["type"] != "websocket.http.response.start" or message["status"] not in STATUSES:
            return None
        headers = [(bytes(name), bytes(value)) for name, value in message.get("headers", ())]
        usual = all(NAME.fullmatch(name) and HEADER_VALUE.fullmatch(value) for name, value in headers)
        return cls(message["status"], headers) if usual else None

    def answer(self, body: bytes) -> bytes:
        """The whole response. It has the headers that uvicorn adds."""
        lines = [b"HTTP/1.1 %d %b" % (self.status, STATUSES[self.status].encode())]
        lines += [name + b": " + value for name, value in self.headers]
        known = {name.lower() for name, _ in self.headers}
        added = {
            b"Date": formatdate(usegmt=True).encode(),
            b"Connection": b"close",
            b"Content-Length": str(len(body)).encode(),
            b"Content-Type": b"text/plain; charset=utf-8",
        }
        lines += [name + b": " + value for name, value in added.items() if name.lower() not in known]
        return b"\r\n".join([*lines, b"", body])
