"""Runs uvicorn with our settings: where it listens, and how it starts and stops."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import uvicorn
from starlette.routing import Router
from starlette.types import Receive, Scope, Send

from app.serving.binding import urls
from app.transports.fast_handshake import FastHandshake
from app.transports.handover import HandoverProtocol
from app.transports.hardened import HardenedWebSocketProtocol
from app.transports.protocol_selector import ProtocolSelector
from app.transports.socket_channel import SocketChannel
from config import ConfigurationError, Settings
from config.errors import reason

log = logging.getLogger("Application")

GC_THRESHOLDS = 2_000, 10, 1000
"""The thresholds of the garbage collector's three generations. Python's own are 700, 10 and 10."""


class Application(Protocol):
    """What the server needs of the application, besides ASGI."""

    settings: Settings
    draining: bool

    @property
    def router(self) -> Router: ...

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


class Server(uvicorn.Server):
    """A uvicorn server that logs its addresses, and disconnects every client before it stops listening.

    `own_process`: whether the process does nothing else, so that the garbage collector can be tuned for the server.
    """

    def __init__(
        self, config: uvicorn.Config, application: Application, urls: list[str], *, own_process: bool = True
    ) -> None:
        super().__init__(config)
        self.application = application
        self.urls = urls
        self.own_process = own_process

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the application's resources, serve, and close them. An error while opening them is raised."""
        async with self.application.router.lifespan_context(self.application):
            await super().serve(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            if self.own_process:
                _tune_garbage_collector()
            log.info("Responding at %s", " and ".join(self.urls))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close every WebSocket with 1012, and listen until they are closed, so that `/readyz` can answer 503."""
        self.application.draining = True
        grace = self.application.settings.app.deployment.shutdown_grace
        deadline = asyncio.get_running_loop().time() + grace
        leaving = [
            c
            for c in self.server_state.connections
            if isinstance(c, (HardenedWebSocketProtocol, FastHandshake, SocketChannel))
        ]
        closing = [connection.closed() for connection in leaving]
        for connection in leaving:
            connection.shutdown()
        if closing:
            await asyncio.wait(closing, timeout=grace)
        left = max(0.1, deadline - asyncio.get_running_loop().time())
        self.config.timeout_graceful_shutdown = left  # type: ignore[assignment]  # uvicorn hands it to asyncio.wait_for
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        with super().capture_signals():
            yield
            self._captured_signals.clear()  # a requested stop exits with code 0, not by the signal


def _tune_garbage_collector() -> None:
    """Make full collections rare.

    With thousands of connections, a full collection pauses everything for tens of milliseconds, and with Python's own
    thresholds there is one whenever the number of objects has grown by a quarter (`python -m benchmarks.collector`).
    What exists after the start stays, so it is excluded. Connections leave no reference cycles behind, so there is
    little to collect.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def run(application: Application, sockets: list[socket.socket]) -> None:
    """Serve until SIGTERM or SIGINT. StartupError if the application's resources can't be opened, ConfigurationError if
    the TLS files can't be used."""
    make_server(application, sockets).run(sockets)


def make_server(application: Application, sockets: list[socket.socket], *, own_process: bool = True) -> Server:
    """Create the server that is to run on `sockets`. ConfigurationError if the TLS files can't be used."""
    deployment, websockets = application.settings.app.deployment, application.settings.app.websockets
    config = uvicorn.Config(
        application,
        loop="uvloop",
        http=ProtocolSelector,
        ws=HandoverProtocol,
        ws_max_size=websockets.max_frame_size,
        ws_ping_interval=websockets.ping_period or None,
        ws_ping_timeout=websockets.timeout or None,
        ws_per_message_deflate=websockets.deflate,
        lifespan="off",
        log_config=None,
        access_log=logging.getLogger("uvicorn.access").isEnabledFor(logging.INFO),
        proxy_headers=False,  # the application reads them itself
        server_header=False,
        workers=1,
        timeout_graceful_shutdown=deployment.shutdown_grace or None,  # type: ignore[arg-type]  # fractions work
        ssl_certfile=deployment.tls.certificate or None,
        ssl_keyfile=deployment.tls.key or None,
    )
    try:
        config.load()
    except OSError as error:
        raise _bad_tls(application.settings, error) from None
    return Server(config, application, urls(deployment, sockets), own_process=own_process)


def _bad_tls(settings: Settings, error: OSError) -> ConfigurationError:
    """Say which of the two files is at fault, if one of them is."""
    tls = settings.app.deployment.tls
    files = (
        ("certificate", tls.certificate, "CERTIFICATE", "a certificate in PEM format (-----BEGIN CERTIFICATE-----)"),
        ("key", tls.key, "PRIVATE KEY", "a private key in PEM format (-----BEGIN PRIVATE KEY-----)"),
    )
    for name, file, label, expected in files:
        problem = ""
        try:
            if f"{label}-----" not in Path(file).read_text(encoding="latin-1"):
                problem = f"expected {expected}"
        except OSError as unreadable:
            problem = f"can't be read: {reason(unreadable)}"
        if problem:
            origin = settings.tree.origin(("app", "deployment", "tls", name))
            return ConfigurationError(problem, origin=origin, key=f"app.deployment.tls.{name}", value=file)
    mismatch = isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH"
    problem = (
        "the key doesn't belong to the certificate"
        if mismatch
        else f"expected a certificate and its key in PEM format: {reason(error)}"
    )
    origin = settings.tree.origin(("app", "deployment", "tls"))
    return ConfigurationError(problem, origin=origin, key="app.deployment.tls", value=f"{tls.certificate}, {tls.key}")
