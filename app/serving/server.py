"""uvicorn, run on our settings: it listens where they say, and stops the way they say."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import uvicorn
from starlette.routing import Router
from starlette.types import Receive, Scope, Send
from uvicorn.supervisors.statreload import StatReload

from app.errors import StartupError
from app.transports.fast_handshake import FastHandshake
from app.transports.handover import HandoverProtocol
from app.transports.hardened import HardenedWebSocketProtocol
from app.transports.protocol_selector import ProtocolSelector
from app.transports.socket_channel import SocketChannel
from config import ConfigurationError, Deployment, Settings

log = logging.getLogger("Application")

BACKLOG = 2048
COLLECT = 2_000, 10, 1000
"""The collector's thresholds: new objects until it looks at those, how often it does until it looks at the middle
generation, and how often that until it looks at everything (Python's own are 700, 10, 10)."""


class Application(Protocol):
    """What the server needs of the application that it serves, beside ASGI."""

    settings: Settings
    draining: bool

    @property
    def router(self) -> Router: ...

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


class Server(uvicorn.Server):
    """A uvicorn server that tells where it listens, and lets everybody go before it stops listening."""

    def __init__(self, config: uvicorn.Config, application: Application, url: str) -> None:
        super().__init__(config)
        self.application = application
        self.url = url

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve for as long as the application's resources are open; what opening them raises comes out."""
        async with self.application.router.lifespan_context(self.application):
            await super().serve(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            _tune_collector()
            log.info("Responding at %s", self.url)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close every WebSocket with 1012 at once; listen until they are gone, so that `/readyz` can say no."""
        self.application.draining = True
        grace = self.application.settings.app.deployment.shutdown_grace
        deadline = asyncio.get_running_loop().time() + grace
        leaving = [
            c
            for c in self.server_state.connections
            if isinstance(c, (HardenedWebSocketProtocol, FastHandshake, SocketChannel))
        ]
        gone = [connection.closed() for connection in leaving]
        for connection in leaving:
            connection.shutdown()
        if gone:
            await asyncio.wait(gone, timeout=grace)
        left = max(0.1, deadline - asyncio.get_running_loop().time())
        self.config.timeout_graceful_shutdown = left  # type: ignore[assignment]  # uvicorn hands it to asyncio.wait_for
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        with super().capture_signals():
            yield
            self._captured_signals.clear()  # a stop that was asked for ends with exit code 0, not by the signal


def _tune_collector() -> None:
    """A full collection stops everybody, with thousands of connections for tens of milliseconds, and Python's own
    thresholds bring one about whenever a quarter more came (`python -m benchmarks.collector`). What is there at the
    start stays for good and need not be looked at again. Connections come and go, but leave no cycle behind: it is
    enough to look for some seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT)


def bind(settings: Settings) -> list[socket.socket]:
    """Sockets bound to every address of the configured host, on one port. StartupError where that is not possible."""
    deployment = settings.app.deployment
    try:
        found = socket.getaddrinfo(
            deployment.host, int(deployment.port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError):
        origin = settings.tree.origin(("app", "deployment", "host"))
        problem = "expected an address or a name of this machine"
        raise ConfigurationError(problem, origin=origin, key="app.deployment.host", value=deployment.host) from None
    sockets: list[socket.socket] = []
    port = int(deployment.port)
    for family, kind, protocol, _, address in dict.fromkeys(found):
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            listener.bind((address[0], port, *address[2:]))
            listener.listen(BACKLOG)
        except OSError as error:
            for bound in (listener, *sockets):
                bound.close()
            raise _refused(settings, port, error) from None
        listener.set_inheritable(True)
        port = listener.getsockname()[1]
        sockets.append(listener)
    return sockets


def url(deployment: Deployment, sockets: list[socket.socket]) -> str:
    """Where to point a browser: 0.0.0.0, which is no place to go to, is shown as this machine's own address."""
    host, port = sockets[0].getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  (nothing is bound here)
    host = f"[{host}]" if ":" in host else host
    scheme = "https" if deployment.tls.certificate else "http"
    return f"{scheme}://{host}:{port}{deployment.root_path}"


def run(application: Application, sockets: list[socket.socket]) -> None:
    """Serve until SIGTERM or SIGINT. StartupError where the application's resources can't be opened."""
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
        proxy_headers=bool(deployment.trusted_proxies),
        forwarded_allow_ips=list(deployment.trusted_proxies),
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
    Server(config, application, url(deployment, sockets)).run(sockets)


class Reload(StatReload):
    """uvicorn's reloader, which also watches the configuration."""

    files: tuple[Path, ...] = ()

    def iter_py_files(self) -> Iterator[Path]:
        yield from super().iter_py_files()
        yield from self.files


def _refused(settings: Settings, port: int, error: OSError) -> StartupError:
    origin = settings.tree.origin(("app", "deployment", "port"))
    where = f"{origin}: " if origin else ""
    reason = (error.strerror or str(error)).lower()
    host = settings.app.deployment.host
    return StartupError(f"{where}app.deployment.port = {port}: can't listen on {host}:{port}: {reason}")


def _bad_tls(settings: Settings, error: OSError) -> ConfigurationError:
    tls = settings.app.deployment.tls
    value = f"{tls.certificate}, {tls.key}"
    problem = f"expected a certificate and its key in PEM files: {(error.strerror or str(error)).lower()}"
    origin = settings.tree.origin(("app", "deployment", "tls"))
    return ConfigurationError(problem, origin=origin, key="app.deployment.tls", value=value)
