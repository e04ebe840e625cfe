"""What a run does, and to what kind of server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """A run: the flags of `natter load`."""

    url: str = "ws://localhost:8080/chat"
    clients: int = 1000
    publishers: int = 1
    """How many clients send, in turn. With several rooms, at least one in each."""
    outstanding: int = 1
    """How many messages may be outstanding over all rooms: the next one is sent when one has reached everyone."""
    rate: float = 0
    """Messages per second on a fixed schedule; 0 for as many as `outstanding` allows."""
    size: int = 100
    """Bytes of a message's text."""
    seconds: float = 5
    rooms: int = 1
    idle: bool = False
    """Connect, and send nothing."""
    stopped: int = 0
    """How many clients stop reading once they are connected."""
    process: int | None = None
    """The server's process id, to measure its CPU time and memory."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a server's protocol puts around a text, in bytes of a frame's payload. Natter's text dialect needs none."""

    hello: bytes = b""
    """The payload of a frame to send right after the handshake."""
    greeting: bytes = b""
    """How the payload begins that tells a client that it has joined."""
    before: bytes = b""
    after: bytes = b""
