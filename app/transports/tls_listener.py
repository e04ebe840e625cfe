"""Accepting connections over TLS: each is counted before its handshake, and has a time for it.

asyncio tells a protocol of a connection only once the handshake is over. Until then nobody would count it, and
thousands that never finish would take all file descriptors.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from ssl import SSLContext

from app.transports.hardened import REQUEST_DEADLINE
from app.transports.protocol_selector import ProtocolSelector

AT_ONCE = 32
"""Connections that are accepted in one turn of the event loop."""
PAUSE = 1.0
"""Seconds without accepting after the system could not give a descriptor or memory."""
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class TlsListener:
    """Accepts connections at a listening socket, and begins TLS on each. Those that are refused end without an answer:
    that would take a handshake. It does for uvicorn what an asyncio server does."""

    def __init__(self, listener: socket.socket, make: Callable[[], ProtocolSelector], context: SSLContext) -> None:
        self._listener, self._make, self._context = listener, make, context
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        self._handshakes: set[asyncio.Task[None]] = set()
        listener.settimeout(0)
        self._listen()

    def close(self) -> None:
        """Accept nothing more, and end what has not finished its handshake."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._listener.fileno())
        for task in self._handshakes:
            task.cancel()

    async def wait_closed(self) -> None:
        """Wait until the handshakes have ended."""
        if self._handshakes:
            await asyncio.wait(self._handshakes)

    def _listen(self) -> None:
        self._pause = None
        self._loop.add_reader(self._listener.fileno(), self._accept)

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            try:
                accepted, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in EXHAUSTED:
                    raise
                self._loop.remove_reader(self._listener.fileno())
                self._pause = self._loop.call_later(PAUSE, self._listen)
                return
            self._begin(accepted)

    def _begin(self, accepted: socket.socket) -> None:
        accepted.settimeout(0)
        selector = self._make()
        try:
            peer = accepted.getpeername()
        except OSError:  # it is gone already
            accepted.close()
            return
        if selector.enter(peer) is not None:
            accepted.close()
            return
        task = self._loop.create_task(self._shake_hands(accepted, selector))
        selector.end = task.cancel
        self._handshakes.add(task)
        task.add_done_callback(partial(self._ended, accepted, selector))

    async def _shake_hands(self, accepted: socket.socket, selector: ProtocolSelector) -> None:
        with suppress(Exception):  # a stranger may send anything instead of a handshake
            await self._loop.connect_accepted_socket(
                lambda: selector, accepted, ssl=self._context, ssl_handshake_timeout=REQUEST_DEADLINE
            )

    def _ended(self, accepted: socket.socket, selector: ProtocolSelector, task: asyncio.Task[None]) -> None:
        """Let go of a connection whose handshake failed, or was cancelled, maybe before it began."""
        self._handshakes.discard(task)
        if not selector.made:
            accepted.close()
            selector.leave()
