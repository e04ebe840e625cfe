"""Runs uvicorn with our settings: where it listens, and how it starts and stops."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any, Protocol, cast

import uvicorn
from starlette.routing import Router
from starlette.types import Receive, Scope, Send

from app.chat.dialects import JSON
from app.clock import Clock
from app.refusals import RefusalLog
from app.serving import descriptors
from app.serving.admission import Admission
from app.serving.binding import BACKLOG, urls
from app.serving.certificates import Certificates
from app.transports.fast_handshake import FastHandshake
from app.transports.protocol_selector import ProtocolSelector
from app.transports.socket_channel import SocketChannel
from app.transports.sockets import Sockets
from config import Settings

log = logging.getLogger("Application")

TICKS = 10
"""uvicorn's ticks in a second."""
PRELOAD_TICKS = 10
"""Tenths of seconds after the start until what few clients need is loaded."""
CERTIFICATE_TICKS = 50
"""Tenths of seconds between two looks at the files of the certificate."""
SWITCH_INTERVAL = 0.0005
"""Seconds that the event loop waits for another thread of the interpreter, such as one that reads from the store.
Python's own 5 ms are several times as long as all else that a message waits for."""
GC_THRESHOLDS = 1_000, 5, 4_000
"""The thresholds of the garbage collector's three generations. Python's own are 700, 10 and 10. Objects that survive
are looked at once more, up to 5,000 of them at a time, which takes less than a millisecond."""


class Application(Protocol):
    """What the server needs of the application, besides ASGI."""

    settings: Settings
    clock: Clock
    draining: bool
    admission: Admission
    sockets: Sockets
    refusals: RefusalLog

    @property
    def router(self) -> Router: ...

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


class Server(uvicorn.Server):
    """A uvicorn server that logs its addresses, and disconnects every client before it stops listening.

    `own_process`: whether the process does nothing else, so that the garbage collector can be tuned for the server.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        application: Application,
        urls: list[str],
        certificates: Certificates | None = None,
        *,
        own_process: bool = True,
    ) -> None:
        super().__init__(config)
        self.certificates = certificates
        self._hung_up = False
        """Whether a signal asks to read the certificate anew."""
        self.application = application
        self.urls = urls
        self.own_process = own_process

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the application's resources, serve, and close them. An error while opening them is raised."""
        with self.capture_signals():  # also while the resources are opened and closed
            async with self.application.router.lifespan_context(self.application):
                if self.own_process:
                    allow_connections(self.application, descriptors.raise_limit())
                await super().serve(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup([] if self.certificates else sockets)
        if self.started and self.certificates:
            from app.transports.tls_listener import TlsListener  # most servers have their TLS in a proxy

            make = partial(ProtocolSelector, self.config, self.server_state, self.lifespan.state)
            self.servers += [TlsListener(one, make, self.certificates.context) for one in sockets or ()]  # type: ignore[misc]
        if self.started:
            if self.own_process:
                _tune_garbage_collector()
                sys.setswitchinterval(SWITCH_INTERVAL)
            log.info("Responding at %s", " and ".join(self.urls))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close every WebSocket with 1012, and listen until they are closed, so that `/readyz` can answer 503."""
        self.application.draining = True
        grace = self.application.settings.app.deployment.shutdown_grace
        deadline = asyncio.get_running_loop().time() + grace
        leaving = [
            cast(FastHandshake | SocketChannel, connection)  # or a HandoverProtocol, if one was loaded
            for connection in self.server_state.connections
            if hasattr(connection, "closed")
        ]
        closing = [connection.closed() for connection in leaving]
        for connection in leaving:
            connection.shutdown()
        if closing:
            await asyncio.wait(closing, timeout=grace)
        left = max(0.1, deadline - asyncio.get_running_loop().time())
        self.config.timeout_graceful_shutdown = left  # type: ignore[assignment]  # uvicorn hands it to asyncio.wait_for
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        if counter == PRELOAD_TICKS:
            threading.Thread(target=_preload, name="preload", daemon=True).start()
        if counter % TICKS == 0:
            self.application.refusals.tick()
            if descriptors.are_out():
                self.application.refusals.add(descriptors.OUT_OF_FILES, "everyone")
        if self.certificates is not None and (self._hung_up or counter % CERTIFICATE_TICKS == 0):
            now, self._hung_up = self._hung_up, False
            self.certificates.check(now=now)
        return await super().on_tick(counter)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        with super().capture_signals(), self._capture_hangup():
            yield
            self._captured_signals.clear()  # a requested stop exits with code 0, not by the signal

    @contextmanager
    def _capture_hangup(self) -> Iterator[None]:
        """Have SIGHUP read the certificate anew, or stop the server if there is none, unless `nohup` ignores it."""
        before = signal.getsignal(signal.SIGHUP)
        ignored = before is signal.SIG_IGN and self.certificates is None
        if ignored or threading.current_thread() is not threading.main_thread():
            yield
            return
        signal.signal(signal.SIGHUP, self._hang_up)
        try:
            yield
        finally:
            signal.signal(signal.SIGHUP, before)

    def _hang_up(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self.certificates is None:
            self.handle_exit(signal.SIGTERM, frame)
        else:
            self._hung_up = True


def _preload() -> None:
    """Load what only some clients need, which a start must not wait for, before one of them comes: else everyone would
    wait for that."""
    import app.transports.direct_writer
    import app.transports.handover_protocol  # noqa: F401

    JSON.decode('{"t":"pong"}', "")  # the decoder is made for the first command


def _tune_garbage_collector() -> None:
    """Begin to collect garbage, and make full collections rare.

    With thousands of connections, a full collection pauses everything for tens of milliseconds, and with Python's own
    thresholds there is one whenever the number of objects has grown by a quarter (`python -m benchmarks.collector`).
    What exists after the start stays, so it is excluded; to look for what doesn't would take longer than all else
    that the server does before its first answer. Connections leave no reference cycles behind, so there is little to
    collect.
    """
    gc.freeze()
    gc.enable()
    gc.set_threshold(*GC_THRESHOLDS)


def run(application: Application, sockets: list[socket.socket]) -> None:
    """Serve until SIGTERM or SIGINT. StartupError if the application's resources can't be opened, ConfigurationError if
    the TLS files can't be used."""
    make_server(application, sockets).run(sockets)


def allow_connections(application: Application, files: int) -> None:
    """Accept as many connections as the process can have, if it may open so many files (0: not known). More would leave
    none for health checks."""
    if not files:
        return
    admission, possible = application.admission, descriptors.websockets(files)
    wanted = admission.max_connections
    if not wanted or wanted > possible:
        admission.max_connections = possible
    if not wanted:
        log.info("Accepting up to %d connections: this process may open %d files", possible, files)
    elif wanted > possible:
        log.warning(
            "app.websockets.connections is %d, but this process may open only %d files, so it accepts up to %d "
            "connections. Allow it %d: with ulimit -n, LimitNOFILE= in systemd, or --ulimit nofile= in Docker",
            wanted,
            files,
            possible,
            wanted + files - possible,
        )
    application.sockets.most = admission.max_connections + descriptors.REQUESTS


def make_server(application: Application, sockets: list[socket.socket], *, own_process: bool = True) -> Server:
    """Create the server that is to run on `sockets`. ConfigurationError if the TLS files can't be used."""
    deployment, websockets = application.settings.app.deployment, application.settings.app.websockets
    certificates = Certificates(application.settings, application.clock) if deployment.tls.certificate else None
    config = uvicorn.Config(
        application,
        loop="uvloop",
        http=ProtocolSelector,
        ws=_websocket_protocol,  # type: ignore[arg-type]  # a class is no more than called either
        ws_max_size=websockets.max_frame_size,
        ws_ping_interval=websockets.ping_period or None,
        ws_ping_timeout=websockets.timeout or None,
        ws_per_message_deflate=websockets.deflate,
        lifespan="off",
        backlog=BACKLOG,
        log_config=None,
        access_log=logging.getLogger("uvicorn.access").isEnabledFor(logging.INFO),
        proxy_headers=False,  # the application reads them itself
        server_header=False,
        workers=1,
        timeout_graceful_shutdown=deployment.shutdown_grace or None,  # type: ignore[arg-type]  # fractions work
        ssl_context_factory=(lambda *_: certificates.context) if certificates else None,
    )
    config.load()
    return Server(config, application, urls(deployment, sockets), certificates, own_process=own_process)


def _websocket_protocol(**arguments: Any) -> asyncio.Protocol:
    """A HandoverProtocol, which no start waits for."""
    from app.transports.handover_protocol import HandoverProtocol

    return HandoverProtocol(**arguments)
