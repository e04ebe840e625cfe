"""The client's side of WebSocket, as cheap as it can be: masks are zero, and what the server sends is not checked."""

from __future__ import annotations

from collections.abc import Sequence

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
OFFER = "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: bmF0dGVyIG1ha2VzIGxvYQ=="
"""All clients share one key, since nobody checks the server's answer to it."""


def handshake(host: str, target: str, *headers: str, offer: Sequence[str] = OFFER) -> bytes:
    """The request that opens a WebSocket. `host` and `target` are as in HTTP: `127.0.0.1:8080` and `/chat?room=red`."""
    lines = (f"GET {target} HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade", *offer, *headers)
    return "\r\n".join((*lines, "", "")).encode("latin-1")


def frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """A client's frame. A mask of zeros leaves the payload as it is."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, 0x80 | size, 0, 0, 0, 0)) + payload
    length = b"\xfe" + size.to_bytes(2, "big") if size < 65536 else b"\xff" + size.to_bytes(8, "big")
    return bytes((0x80 | opcode,)) + length + b"\0\0\0\0" + payload


def frame_size(payload: int) -> int:
    """The size of a server's frame, for a payload of this size."""
    return payload + (2 if payload < 126 else 4 if payload < 65536 else 10)


def frame_at(data: bytes, at: int) -> tuple[int, int, int] | None:
    """The server's frame that begins at `at`: its opcode, and where its payload begins and ends. None while it is
    incomplete."""
    if len(data) - at < 2:
        return None
    size, start = data[at + 1] & 0x7F, at + 2
    if size > 125:
        start += 2 if size == 126 else 8
        if len(data) < start:
            return None
        size = int.from_bytes(data[at + 2 : start], "big")
    return (data[at] & 15, start, start + size) if start + size <= len(data) else None


def close_reason(payload: bytes) -> str:
    """The code and the reason of a close frame, as in `1012 restarting`."""
    code = int.from_bytes(payload[:2], "big") if payload else 1005
    return f"{code} {payload[2:].decode('utf-8', 'replace')}".rstrip()
