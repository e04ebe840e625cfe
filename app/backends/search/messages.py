"""What the server and the search process say to each other: frames of msgpack, each after its length."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct, msgpack

from app.backends.search import Found, Query

_LENGTH = 4


class Ask(Struct, array_like=True, tag="ask"):
    """To the process: search. The answer, Answer or Failure, has the same id."""

    id: int
    query: Query


class Wake(Struct, array_like=True, tag="wake"):
    """To the process: the store has applied everything up to position `pos`, and there may be something to forget."""

    pos: int


class Answer(Struct, array_like=True, tag="answer"):
    """From the process: what a search found."""

    id: int
    found: Found


class Failure(Struct, array_like=True, tag="failure"):
    """From the process: why a search failed, in one line. `wrong` if the query is to blame."""

    id: int
    text: str
    wrong: bool = False


class Dropped(Struct, array_like=True, tag="dropped"):
    """From the process: what the rows of `forgotten` up to this id say has left the index and its files for good."""

    forgotten: int


class Note(Struct, array_like=True, tag="note"):
    """From the process: a line for the log, with its level."""

    level: int
    text: str


Request = Ask | Wake
Report = Answer | Failure | Dropped | Note

_encoder = msgpack.Encoder()


def frame(message: Request | Report) -> bytes:
    """A message as it is sent."""
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
