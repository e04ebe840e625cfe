"""Two ways to run an application in a test: Starlette's TestClient, and our server in a thread."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Protocol

from anyio.from_thread import start_blocking_portal

from app.application import Application
from app.serving.binding import bind
from app.serving.server import Server, make_server
from app.testing.sockets import Opening, Socket, open_in_process, open_over_network

if TYPE_CHECKING:
    import httpx2

MISSING = "app.testing needs httpx2 (and so does Starlette's TestClient): pip install httpx2"
PATIENCE = 60.0
"""Seconds that a server may take to start, and to stop."""


class Runner(Protocol):
    """An application that runs."""

    url: str
    """The address of the application, with its root path."""

    @property
    def http(self) -> httpx2.Client:
        """An HTTP client whose base URL is the address."""

    def open(self, opening: Opening, deadline: float) -> Socket:
        """Open a WebSocket. Denied if the application doesn't accept it."""

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function, plain or async, in the application's event loop. Return its result, or raise its error."""


class InProcess:
    """The application in Starlette's TestClient."""

    def __init__(self, app: Application) -> None:
        try:
            from starlette.testclient import TestClient
        except (ImportError, RuntimeError):
            raise ImportError(MISSING) from None
        self.root = app.settings.app.deployment.root_path
        self.url = f"http://testserver{self.root}"
        self.http = TestClient(app, base_url=self.url)

    def open(self, opening: Opening, deadline: float) -> Socket:
        return open_in_process(self.http, opening._replace(path=self.root + opening.path), deadline)

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        if self.http.portal is not None:
            return self.http.portal.call(function, *arguments)
        with start_blocking_portal() as portal:
            return portal.call(function, *arguments)


@contextmanager
def in_process(app: Application, *, lifespan: bool) -> Iterator[InProcess]:
    """Run `app` in this process; without its lifespan, each connection has an event loop of its own."""
    runner = InProcess(app)
    if lifespan:
        with runner.http:
            yield runner
    else:
        with closing(runner.http):
            yield runner


class InThread:
    """The server that `python -m app` runs, in a thread of its own."""

    def __init__(self, server: Server, deadline: float) -> None:
        self.server, self.url, self._deadline = server, server.urls[0], deadline
        self.loop: asyncio.AbstractEventLoop | None = None
        self._http: httpx2.Client | None = None

    @property
    def http(self) -> httpx2.Client:
        if self._http is None:
            try:
                import httpx2
            except ImportError:
                raise ImportError(MISSING) from None
            self._http = httpx2.Client(base_url=self.url, timeout=self._deadline, trust_env=False)
        return self._http

    def close(self) -> None:
        """Close the HTTP client."""
        if self._http is not None:
            self._http.close()

    def open(self, opening: Opening, deadline: float) -> Socket:
        return open_over_network(self.url.replace("http", "ws", 1), opening, deadline)

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        async def run() -> Any:
            result = function(*arguments)
            return await result if inspect.isawaitable(result) else result

        assert self.loop is not None
        return asyncio.run_coroutine_threadsafe(run(), self.loop).result()


@contextmanager
def in_thread(app: Application, deadline: float) -> Iterator[InThread]:
    """Serve `app` on the host and port of its settings, with `deadline` seconds for an HTTP request. An error at the
    start is raised here."""
    sockets = bind(app.settings)
    server = make_server(app, sockets, own_process=False)
    runner, began = InThread(server, deadline), Event()
    failed: list[BaseException] = []

    @contextmanager
    def running() -> Iterator[None]:
        runner.loop = asyncio.get_running_loop()
        began.set()
        yield

    def serve() -> None:
        try:
            server.run(sockets)
        except BaseException as error:  # noqa: BLE001  (raised in the test's thread)
            failed.append(error)
        finally:
            began.set()

    app.during(running())  # it's the last resource: when it opens, all others are open
    thread = Thread(target=serve, name="test server", daemon=True)
    thread.start()
    try:
        if not began.wait(PATIENCE):
            raise AssertionError(f"the server did not start within {PATIENCE:g} s")
        if not failed:
            yield runner
    finally:
        runner.close()
        server.should_exit = True
        thread.join(PATIENCE)
        for listener in sockets:
            listener.close()
    if thread.is_alive():
        raise AssertionError(f"the server did not stop within {PATIENCE:g} s")
    if failed:
        raise failed[0]
