"""Asks the clients of a server without pings whether they are still there."""

from __future__ import annotations

import asyncio

from app.chat.closing import CloseCode
from app.chat.frames import Ping
from app.live.connection import Connection
from app.transports.asgi_channel import AsgiChannel
from app.transports.heartbeat import Heartbeat, shared_heartbeat


class Asked:
    """A connection whose client is sent a `ping` once a period, and has to answer.

    It is the Receiver of the connection's channel, and what a Heartbeat monitors. Whatever the client sends is an
    answer. A client that has never sent a `pong` may not know what a `ping` is, so its silence means nothing.
    """

    __slots__ = ("__weakref__", "_channel", "_connection", "_heartbeat")

    def __init__(self, connection: Connection, channel: AsgiChannel, period: float, timeout: float) -> None:
        self._connection, self._channel = connection, channel
        self._heartbeat: Heartbeat = shared_heartbeat(asyncio.get_running_loop(), period, timeout, stall=0)
        self._heartbeat.add(self)

    def text_received(self, text: str) -> None:
        self._heartbeat.pong_received(self)
        self._connection.text_received(text)

    def channel_closed(self) -> None:
        self._heartbeat.remove(self)
        self._connection.channel_closed()

    @property
    def full(self) -> bool:
        """Whether bytes are queued for the client."""
        return self._channel.full

    def bytes_drained(self) -> int:
        """Bytes that have left."""
        return self._channel.sent

    def ping(self) -> None:
        """Ask the client, unless it has much to read."""
        if not self.full:
            self._connection.asked = True
            self._connection.send(Ping())

    def disconnect(self, code: CloseCode, reason: str) -> None:
        """End the connection of a client that answered before and doesn't any more. What is not read can't be heard."""
        if self._connection.answers_pings and self._channel.reading:
            self._channel.close(code, reason)
