"""A client counts copies right, in whatever pieces they arrive."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, cast

import pytest

from app.load import Envelope, listeners
from app.load.frames import frame
from app.load.listeners import Listener
from app.load.traffic import Traffic


class Transport:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)


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
        listener = Listener(traffic, cast(Any, transport), 0, b"")
        for start, end in pairwise((0, cut, min(cut + 70, len(stream)), len(stream))):
            listeners._BUFFER[: end - start] = stream[start:end]
            if end > start:
                listener.buffer_updated(end - start)
        assert traffic.received == 6, cut
        assert transport.written == [frame(b"you", 10)]
