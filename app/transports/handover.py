"""The handover: an accepted connection leaves uvicorn's protocol and becomes a SocketChannel.

Routing, middleware and sign-in are ordinary Starlette. Once the endpoint has accepted the connection, it calls the
ASGI scope's extension HANDOVER. The SocketChannel it gets takes over the transport; everything that served the
handshake is freed, and no task waits for the connection. Where the scope has no such extension, the endpoint serves the
connection itself with an AsgiChannel.

`fast_handshake` offers the handover for the usual request. `handover_protocol` offers it for all others.
"""

from __future__ import annotations

import asyncio
import socket
from asyncio.transports import Transport
from collections.abc import MutableSet
from contextlib import suppress
from typing import Any

from uvicorn.config import Config

from app.transports.frame_limit import FrameLimit
from app.transports.frames import whole_texts
from app.transports.heartbeat import shared_heartbeat
from app.transports.senders import is_plain_socket
from app.transports.socket_channel import SocketChannel
from app.transports.sockets import Peer

HANDOVER = "natter.handover"
"""The key of the ASGI extension `hand_over(high, stall, limit) -> SocketChannel | None`. It hands the accepted
connection over to a SocketChannel, which reads nothing before `start`; None where that isn't possible. The channel is
full once the kernel holds about `high` bytes. If the client then reads nothing for `stall` seconds, the connection is
aborted. `limit` is how many frames it may send."""


def take_over(
    transport: Transport,
    config: Config,
    connections: MutableSet[Any],
    high: int,
    stall: float,
    limit: FrameLimit,
    peer: Peer | None,
    *,
    inflates: bool,
) -> SocketChannel:
    """Replace the protocol of an accepted connection's transport with a new SocketChannel. See HANDOVER.

    `inflates` says whether the client may send compressed messages.
    """
    loop = asyncio.get_running_loop()
    heartbeat = shared_heartbeat(loop, config.ws_ping_interval or 0, config.ws_ping_timeout or 0, stall)
    texts = whole_texts(config.ws_max_size, inflates=inflates)
    channel = SocketChannel(transport, connections, texts, heartbeat, limit, peer)
    if high:  # The kernel doubles it. By default it would buffer megabytes for a client that reads nothing.
        with suppress(OSError):  # the transport is closing
            channel.sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, high // 2)
    connections.add(channel)
    transport.set_protocol(channel)
    # uvloop may still hold the answer to the handshake. This makes it tell the channel so. Over TLS it pauses at the
    # limit rather than above it: at 0, a channel with nothing queued would be full.
    transport.set_write_buffer_limits(high=0 if is_plain_socket(transport) else 1)
    transport.pause_reading()
    return channel
