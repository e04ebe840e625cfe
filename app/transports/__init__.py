"""How bytes leave: one interface, Channel, and two that offer it.

`stock` works over any ASGI server, TestClient included; `fast` takes a connection over from uvicorn and writes to its
socket. `strict` is uvicorn's protocol without its faults, which `fast` builds on; `framing` is RFC 6455 without I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Protocol, Self

from app.chat.closing import CloseCode
from app.transports.framing import DEFLATED, WORTH_IT, Opcode, deflate, encoded


class Overflow(Enum):
    """What happens to a client that is full."""

    PULL = "pull"
    """It is pushed nothing more, and reads the log from where it is as fast as it can. It loses nothing."""
    DISCONNECT = "disconnect"
    """It is closed with 4000, and may come back."""


class Frame:
    """A text to send, made once for all who get it; `wire` is the frame as it goes over the wire."""

    __slots__ = ("_deflated", "text", "wire")

    def __init__(self, text: str) -> None:
        self.text = text
        self.wire = encoded(Opcode.TEXT, text.encode("utf-8", "surrogatepass"))
        self._deflated: bytes | None = None

    @property
    def deflated(self) -> bytes:
        """The frame as it goes to who takes compressed ones, compressed if that makes it shorter."""
        if self._deflated is None:
            self._deflated = self.wire
            if len(self.wire) >= WORTH_IT:
                small = encoded(Opcode.TEXT | DEFLATED, deflate(self.text.encode("utf-8", "surrogatepass")))
                self._deflated = min(small, self.wire, key=len)
        return self._deflated


class Batch(bytes):
    """Frames that leave together, for one client or for many: as they go over the wire."""

    frames: Sequence[Frame]

    def __new__(cls, frames: Sequence[Frame], *, deflated: bool = False) -> Self:
        parts = [frame.deflated for frame in frames] if deflated else [frame.wire for frame in frames]
        batch = super().__new__(cls, b"".join(parts))
        batch.frames = frames
        return batch


class Receiver(Protocol):
    """Who is told what happens on a connection. All in the connection's event loop."""

    def text_received(self, text: str) -> None:
        """The client said something. Messages come in order; it must not wait."""

    def channel_closed(self) -> None:
        """The connection is over; it is told once, whoever ended it."""


class Sender(Protocol):
    """What takes bytes at once or not at all: a socket, for one."""

    def send(self, batch: Batch, /) -> int:
        """How many bytes of `batch` it took. OSError for none, for whatever reason."""


class Channel(Protocol):
    """The way out to one client. It belongs to one event loop."""

    @property
    def sender(self) -> Sender:
        """Always the same, and this way's alone: who sends to many does so without asking each for more. It takes
        nothing while the way is full. What it does not take has to be kept: see `keep`."""

    @property
    def deflated(self) -> bool:
        """Whether its batches should be compressed."""

    @property
    def full(self) -> bool:
        """Whether more should wait. What is put all the same is kept and sent."""

    def put(self, batch: Batch) -> None:
        """Send frames, in the order of the calls; never waits."""

    def keep(self, batch: Batch, taken: int) -> None:
        """See to what the sender did not take of a batch, of which it took the first bytes. Nothing may be put in
        between, nor anything be kept by a way that is full."""

    async def writable(self) -> bool:
        """Wait until it is not full. False if the connection ended instead: one that takes nothing for long is."""

    def pause(self) -> None:
        """Read no more for now. What was read already is still told."""

    def resume(self) -> None:
        """Read on."""

    def close(self, code: CloseCode, reason: str = "") -> None:
        """End the connection with `code` now: what waits may be lost. A reason has up to 123 bytes."""

    def finish(self, code: CloseCode, reason: str = "") -> None:
        """End the connection with `code` once what waits is sent, or when that takes too long.

        From `close` or `finish` on nothing is heard any more, and nothing that is put is sent.
        """
