"""A client counts copies right, in whatever pieces they arrive."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any, cast

import pytest

from app.load import Envelope, listeners
from app.load.frames import frame
from app.load.listeners import Listener, Newcomer
from app.load.traffic import Traffic


class Transport:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def set_protocol(self, _: Any) -> None:
        pass


def server_frame(payload: bytes, opcode: int = 1) -> bytes:
    """A server's frame: a client's without the mask."""
    masked: bytes = frame(payload, opcode)
    return masked[:1] + bytes([masked[1] & 0x7F]) + masked[2 : len(masked) - len(payload) - 4] + payload


@pytest.mark.parametrize("size", [50, 300], ids=["short", "long"])
def test_pieces_of_any_length_are_counted_right(size: int) -> None:
    ours = server_frame(b"[user0]: " + b"x" * size + b"~%016x" % 7)
    stream = (
        ours * 3
        + server_frame(b"you", 9)
        + ours
        + server_frame(b"[user5]: what somebody else says")
        + server_frame(b"*** nothing is wrong")
        + ours * 2
    )
    for cut in range(1, len(stream)):
        traffic, transport = Traffic(Envelope()), Transport()
        traffic.size, traffic.mark = len(ours), len(ours) - 17
        listener = Listener(traffic, cast(Any, transport), 0)
        for start, end in pairwise((0, cut, min(cut + 70, len(stream)), len(stream))):
            listeners._BUFFER[: end - start] = stream[start:end]
            if end > start:
                listener.buffer_updated(end - start)
        assert traffic.received == 6, cut
        assert transport.written == [frame(b"you", 10)]


def test_a_ping_that_comes_with_the_greeting_is_answered() -> None:
    async def answers(*reads: bytes) -> list[bytes]:
        traffic, transport = Traffic(Envelope()), Transport()
        newcomer = Newcomer(traffic, 0, b"request")
        newcomer.connection_made(cast(Any, transport))
        for read in reads:
            listeners._BUFFER[: len(read)] = read
            newcomer.buffer_updated(len(read))
        assert (await newcomer.joined).transport is cast(Any, transport)
        return transport.written[1:]

    head, greeting, ping = b"HTTP/1.1 101 Switching Protocols\r\n\r\n", server_frame(b"hello"), server_frame(b"you", 9)
    pong = frame(b"you", 10)
    for reads in ((head + greeting + ping,), (head + ping + greeting,), (head, ping, greeting + ping)):
        assert asyncio.run(answers(*reads)) == [pong] * b"".join(reads).count(ping)
