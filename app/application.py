"""The application, and the factory that assembles it from settings and modules."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from app.clock import Clock
from app.errors import StartupError
from app.headers import STRICT
from app.loader import Module, describe, run_modules
from app.refusals import Refusal, RefusalLog
from app.serving.admission import Admission
from app.serving.any_server import AnyServer, ping_advice, server_of
from app.serving.guard import WebSocketGuard
from app.serving.hosts import ANY, HostNames
from app.serving.origins import OriginPolicy, parse_origin
from app.serving.plain_guard import PlainGuard
from app.serving.proxies import ForwardedRequests, TrustedProxies, client_address
from app.serving.stopping import before_stop
from app.serving.workers import exit_under_command, exit_worker, refuse_second_worker, refuse_workers
from app.transports.asgi_channel import SERVER_SEND
from app.transports.frame_limit import FrameLimit
from app.transports.handover import HANDOVER
from app.transports.sockets import Sockets
from config import ConfigurationError, Settings, find, load

T = TypeVar("T")
Resource = AbstractContextManager[Any] | AbstractAsyncContextManager[Any]

log = logging.getLogger("Application")

NO_UPGRADE = Refusal(
    426,
    "no_upgrade",
    "its WebSocket request came without `Upgrade: websocket`, so a proxy in between doesn't pass it on "
    "(nginx needs proxy_http_version 1.1 and the headers Upgrade and Connection)",
)


class Application(Starlette):
    """A Starlette application with settings.

    A module is a function that takes the application and registers things with it: HTTP routes (`add_route`), WebSocket
    routes (`add_websocket_route`), middleware (`add_middleware`) and resources (`during`).
    """

    def __init__(self, settings: Settings, clock: Clock | None = None, *, looked_up: bool = False) -> None:
        super().__init__(lifespan=_lifespan)
        self.router.default = _not_found
        self.settings = settings
        self.clock = clock or Clock()
        self.in_test_client = False
        """Whether Starlette's TestClient runs it and not a server, as of the last lifespan or WebSocket that began."""
        self.names = _host_names(settings)
        """The names that people open this server under."""
        self.origins = OriginPolicy(settings.app.websockets.origins, self.names)
        """The web pages that may open WebSockets."""
        self.refusals = RefusalLog(self.clock)
        """The log of the clients that aren't let in."""
        self.admissions: dict[str, Callable[[str], Refusal | None]] = {}
        """By the name of a WebSocket route, a function that says why a new client from an address would be refused
        there. `/healthz` shows it."""
        websockets, requests = settings.app.websockets, settings.app.deployment.requests_per_address
        self.admission = Admission(websockets.connections, websockets.connections_per_address, requests, self.clock)
        """How many WebSockets and requests are accepted, in all and from one address."""
        trusted = TrustedProxies(settings.app.deployment.trusted_proxies)
        self.sockets = Sockets(
            websockets.connections_per_address, requests, trusted.__contains__, self.refusals, self.clock
        )
        """The open sockets of our own server."""
        self.frame_limit = FrameLimit.of(settings.app.websockets.frames)
        """How many frames a client may send."""
        self.readiness: dict[str, Callable[[], Awaitable[str | None]]] = {}
        """By the name of a part, a function that checks whether the part can do its work, and says in one line why it
        can't. `/readyz` asks it, so it takes a few seconds at most."""
        self._looked_up = looked_up
        self.draining = False
        """Whether the server is shutting down: it accepts no new WebSocket, and `/readyz` answers 503."""
        self._any_server = AnyServer(self._serve, settings.app.websockets)
        self._server_met = False
        """Whether a server other than our own has been prepared for."""
        self._resources: list[Resource] = []
        self._failure = ""
        self.groups: dict[str, type[Any]] = {}
        """The groups of settings that modules have asked for: by path, the dataclass that says what is in them."""
        self._properties: set[str] = set()

    def add_websocket_route(self, path: str, endpoint: Callable[[WebSocket], Any], name: str | None = None) -> None:
        """Serve WebSockets at `path` with `await endpoint(websocket)`. A plain GET gets 426 and an explanation."""
        self.router.add_websocket_route(path, endpoint, name=name)
        self.add_route(path, _explain_websocket, methods=["GET"], include_in_schema=False)

    def serve_anywhere(self, path: str) -> None:
        """Serve a path under any host name, also one that isn't this server's; with a slash at the end, all below it.
        Other paths answer a browser under the server's own names only (`app.deployment.host-names`)."""
        self.names.anywhere.add(path)

    def during(self, resource: Resource) -> None:
        """Keep `resource`, a context manager (plain or async), open while the application runs.

        Resources are opened in the order they were added, before the first request, and closed in reverse order.
        """
        self._resources.append(resource)

    def group(self, name: str, type_: type[T]) -> T:
        """A module's own group of settings, at the top level of the configuration, as a frozen dataclass `type_`. See
        `Settings.group`."""
        self.groups[name] = type_
        return self.settings.group(name, type_)

    def property(self, path: str) -> Any:
        """The setting at `path`, such as `bot.greeting`. ConfigurationError if it isn't set."""
        self._properties.add(path)
        return self.settings.property(path)

    def property_or_none(self, path: str) -> Any:
        """The setting at `path`, or None if it isn't set."""
        self._properties.add(path)
        return self.settings.property_or_none(path)

    def chosen(self, path: str) -> bool:
        """Whether the caller of `create_app` set `path` itself, in `overrides` or in `settings`. A setting from a
        configuration file that `create_app` looked up is not chosen, and neither is a default."""
        if self._looked_up:
            return self.settings.overridden(path)
        return self.settings.property_or_none(path) is not None

    def build_middleware_stack(self) -> ASGIApp:
        max_frame_size = self.settings.app.websockets.max_frame_size
        stack = super().build_middleware_stack()
        plain = PlainGuard(stack, self.names, self.admission, self.refusals)
        guard = WebSocketGuard(
            stack,
            plain,
            max_frame_size,
            self.frame_limit,
            self.admission,
            self.origins,
            self.refusals,
            lambda: self.draining,
        )
        trusted = self.settings.app.deployment.trusted_proxies
        return ForwardedRequests(guard, trusted) if trusted else guard

    async def drain(self) -> None:
        """Refuse new clients, and tell those that another server than our own holds that it restarts."""
        self.draining = True
        await self._any_server.close_all()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            self.in_test_client = _is_test_client(scope)
        if scope["type"] == "lifespan":
            await self._run_lifespan(scope, receive, send)
            return
        if scope["type"] == "websocket":
            scope[SERVER_SEND] = send
            if not self._server_met:
                self._meet(scope, send)
        await self._any_server(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request or WebSocket below the root path."""
        prefix = self.settings.app.deployment.root_path
        if prefix:
            root = scope.get("root_path", "") + prefix
            if not (scope["path"] + "/").startswith(root + "/"):
                await _not_found(scope, receive, send)
                return
            scope = {**scope, "root_path": root}
        await super().__call__(scope, receive, send)

    async def _run_lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the lifespan. A failed start is reported to the server as one line, without its traceback."""

        async def report(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                self._meet(scope, send)
            elif message["type"] == "lifespan.startup.failed" and self._failure:
                if server_of(send) == "hypercorn":  # it would show its own traceback for that message
                    exit_worker(self._failure, now=True)
                message = {**message, "message": self._failure}
            await send(message)

        try:
            await super().__call__(scope, receive, report)
        except StartupError:
            if self.in_test_client:  # which raises it in the test
                raise

    def _meet(self, scope: Scope, send: Send) -> None:
        """Prepare for the server that runs the application, at the first chance it gives. Our own needs nothing."""
        self._server_met = True
        if self.in_test_client or HANDOVER in (scope.get("extensions") or {}):
            return
        server = server_of(send)
        if advice := ping_advice(server, self.settings.app.websockets.ping_period):
            log.warning("%s", advice)
        if server != "uvicorn":  # which tells its clients itself
            before_stop(self.drain)


def create_app(
    settings: Settings | None = None,
    *,
    overrides: Mapping[str, Any] | Sequence[str] = (),
    modules: Sequence[str | Module] | None = None,
    clock: Clock | None = None,
) -> Application:
    """Create an application from `settings` by running each of its modules, in order.

    By default the settings are loaded from `$APP_CONFIG`, `application.conf` in the working directory, or the shipped
    file. `overrides` override them: `key=value` texts or a mapping of paths to plain values. `modules` replaces the
    setting `app.modules`: names as there, or functions. ConfigurationError, whose text is one line, for a problem in
    the configuration or in a module; for a Ktor configuration, it is a line for each key.
    """
    try:
        looked_up = settings is None
        if settings is None:
            settings = load([find(os.environ, Path.cwd())], overrides)
        return _assemble(Application(settings, clock, looked_up=looked_up), modules)
    except ConfigurationError as error:
        exit_under_command(error)
        raise


def _assemble(app: Application, modules: Sequence[str | Module] | None) -> Application:
    refuse_workers(os.environ)
    settings = app.settings
    run_modules(app, settings, modules)
    for warning in settings.tree.warnings:
        log.warning("%s", warning)
    read = {path.partition(".")[0] for path in (*app.groups, *app._properties)}
    for group in settings.unread_groups(read):
        log.warning("%s: the group %s has no effect: no module reads it", settings.tree.origin((group,)), group)
    return app


def _host_names(settings: Settings) -> HostNames:
    """The names of the server: those that are listed as such, and those that other settings give it."""
    deployment, origins = settings.app.deployment, settings.app.websockets.origins
    pages = [page.host for origin in origins if (page := parse_origin(origin))]
    return HostNames([*deployment.host_names, *deployment.host, *pages, *([ANY] if ANY in origins else [])])


def _is_test_client(scope: Scope) -> bool:
    """Every server puts `asgi` into its scopes, as the ASGI specification demands; Starlette's TestClient doesn't. A
    server that forgets it must not pass for a test, whose messages are lost: no server imports the TestClient."""
    return "asgi" not in scope and "starlette.testclient" in sys.modules


@asynccontextmanager
async def _lifespan(app: Application) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        try:
            refuse_second_worker(sys.argv)
        except StartupError as error:
            app._failure = str(error)
            raise
        for resource in app._resources:
            try:
                if isinstance(resource, AbstractAsyncContextManager):
                    await stack.enter_async_context(resource)
                else:
                    stack.enter_context(resource)
            except StartupError as error:
                app._failure = str(error)
                raise
            except Exception as error:
                app._failure = f"can't open a resource: {describe(error)}"
                raise StartupError(app._failure) from error
        yield
        await app._any_server.close_all()
    app.refusals.close()


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http" and "app" in scope:
        raise HTTPException(404)
    await PlainTextResponse("Not Found\n", 404, STRICT)(scope, receive, send)


async def _explain_websocket(request: Request) -> PlainTextResponse:
    """Answer a plain GET of a WebSocket route. If a client meant to open a WebSocket, a proxy has dropped a part of its
    request, and the log says so."""
    url = request.url.replace(scheme="wss" if request.url.scheme == "https" else "ws", query="")
    text = f"This is a WebSocket endpoint. Connect with a WebSocket client, for example: websocat {url}\n"
    if "sec-websocket-key" in request.headers:
        request.app.refusals.add(NO_UPGRADE, client_address(request.scope) or "a client")
    return PlainTextResponse(text, 426, {"Upgrade": "websocket", "Connection": "Upgrade"})
