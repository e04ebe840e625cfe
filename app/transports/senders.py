"""Senders: how a channel sends through a transport's socket, without the transport."""

from __future__ import annotations

import socket
from _socket import socket as RawSocket  # noqa: N812  (a tenth of the size of the socket module's class)
from asyncio.transports import Transport


class NoSocket:
    """The sender where only the transport can send, as over TLS: it accepts nothing."""

    __slots__ = ("_transport",)

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def send(self, data: bytes, /) -> int:  # noqa: ARG002
        return 0

    def setsockopt(self, level: int, option: int, value: int, /) -> None:
        self._transport.get_extra_info("socket").setsockopt(level, option, value)

    def detach(self) -> int:
        return -1


def is_plain_socket(transport: Transport) -> bool:
    """Whether frames may be sent through the transport's socket directly: not over TLS."""
    return transport.get_extra_info("socket") is not None and transport.get_extra_info("sslcontext") is None


def attached_sender(transport: Transport) -> RawSocket:
    """A socket on the descriptor of a transport that isn't closing. Detach it before the transport closes."""
    sender = RawSocket.__new__(RawSocket)
    attach(sender, transport)
    return sender


def attach(sender: RawSocket, transport: Transport) -> None:
    """Put `sender` on the descriptor of a transport that isn't closing. Detach it before the transport closes.

    The address family doesn't matter for sending, and looking it up would take as long as a send does.
    """
    RawSocket.__init__(sender, socket.AF_INET, socket.SOCK_STREAM, 0, transport.get_extra_info("socket").fileno())
