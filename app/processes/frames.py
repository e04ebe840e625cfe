"""What the server and its processes say to each other: frames of msgpack, each after its length."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct, msgpack

READ = 1 << 16
"""How many bytes are read at once."""
_LENGTH = 4

_encoder = msgpack.Encoder()


def frame(message: Struct) -> bytes:
    """A message as it is sent. UnicodeEncodeError if a text in it isn't Unicode."""
    encoded = _encoder.encode(message)
    return len(encoded).to_bytes(_LENGTH, "big") + encoded


class Frames:
    """Takes bytes as they come, and gives the messages in them."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the messages that are complete."""
        self._buffer += data
        while len(self._buffer) >= _LENGTH:
            end = _LENGTH + int.from_bytes(self._buffer[:_LENGTH], "big")
            if len(self._buffer) < end:
                return
            message = bytes(self._buffer[_LENGTH:end])
            del self._buffer[:end]
            yield message
