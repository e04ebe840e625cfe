"""How bytes get to a client and back: the `Channel` interface and everything below it.

A `Channel` is the way out to one client. Two classes implement it:

`socket_channel`
    SocketChannel owns an accepted connection: it reads frames and writes to the socket itself. This is what serves
    nearly every client of our own server.
`asgi_channel`
    AsgiChannel works over any ASGI server, TestClient included. Under plain uvicorn it writes past uvicorn's protocol
    where it can (`direct_writer`).

A connection to our own server becomes a SocketChannel in these steps:

`sockets`
    Counts it, from accept on, and refuses one too many.
`tls_listener`
    Over TLS, accepts it, and waits for its handshake.
`protocol_selector`
    Looks at the first bytes and picks one of the next two.
`fast_handshake`, `opening`
    Answers the WebSocket request that nearly every client sends, or refuses it, without uvicorn's parsers.
`hardened`, `hardened_websocket`
    uvicorn's own protocol classes for everything else, without the faults a stranger could exploit.
`handover`, `handover_protocol`
    Hands the accepted connection from either of them to a SocketChannel, when the endpoint asks for it.

Both channels build on `frames` (RFC 6455 and RFC 7692 without I/O); SocketChannel also on `heartbeat` (pings and
deadlines of all connections on one timer), and on `outboxes`, which bounds what is queued for all clients together.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple, Protocol

from app.chat.closing import CloseCode
from app.transports.outboxes import Share


class Overflow(Enum):
    """What happens to a client whose channel is full."""

    PULL = "pull"
    """Nothing more is pushed to it. It reads the log from its position, as fast as it can, and loses nothing."""
    DISCONNECT = "disconnect"
    """Its connection is closed with 4000. It may reconnect."""


class Ending(NamedTuple):
    """Why a connection ended."""

    code: int
    reason: str
    """The words of the server. Those of a client aren't kept."""
    by_client: bool


BROKEN = Ending(1006, "", by_client=True)
"""It ended without a close frame."""


class Receiver(Protocol):
    """Gets what happens on a connection. Every call comes from the connection's event loop."""

    def text_received(self, text: str) -> None:
        """Handle a message from the client. Messages arrive in order. Must not block."""

    def channel_closed(self) -> None:
        """Handle the end of the connection. Called exactly once, whichever side ended it."""


class Sender(Protocol):
    """Something that accepts bytes at once or not at all, such as a non-blocking socket."""

    def send(self, data: bytes, /) -> int:
        """Send as much of `data`, whole frames, as possible now and return how many bytes that was. OSError for none,
        whatever the reason."""


class Channel(Protocol):
    """The way out to one client. It belongs to one event loop.

    What is written are whole WebSocket frames, one or more, so that those who get the same share the same bytes.
    """

    @property
    def sender(self) -> Sender:
        """The fast path for a broadcast: send to it directly, without another call on the channel.

        It is the same object for the channel's lifetime and belongs to this channel alone. It accepts nothing while
        the channel is full. Pass what it doesn't accept to `write_rest`.
        """

    share: Share
    """Where what is queued for this client counts together with that of others."""

    @property
    def deflated(self) -> bool:
        """Whether texts for this client should be compressed."""

    @property
    def ending(self) -> Ending:
        """Why the connection ended, once the receiver has heard that it did."""

    @property
    def full(self) -> bool:
        """Whether writers should wait. What is written anyway is queued and sent."""

    def write(self, data: bytes, /) -> None:
        """Send frames, in the order of the calls. Never blocks."""

    def write_rest(self, data: bytes, sent: int, /) -> None:
        """Queue the rest of frames of which `sender` accepted the first `sent` bytes.

        Call it before anything else is written. A full channel takes no rest: it has accepted nothing.
        """

    async def writable(self) -> bool:
        """Wait until the channel isn't full. False if the connection ended instead, as it does for a client that reads
        nothing for too long."""

    def pause_reading(self) -> None:
        """Stop reading for now. What has been read already is still delivered."""

    def resume_reading(self) -> None:
        """Read on after `pause_reading`."""

    def close(self, code: CloseCode, reason: str = "") -> None:
        """End the connection with `code` now. Frames that are still queued may be lost.

        `reason` has at most 123 bytes. After `close` or `flush_and_close` nothing more is received, and nothing that
        is written is sent.
        """

    def flush_and_close(self, code: CloseCode, reason: str = "") -> None:
        """End the connection with `code` once everything queued is sent, or after a deadline."""
