"""The test host: it puts an application together, runs it, and lets clients in."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack, overload
from urllib.parse import urlencode

from argon2 import PasswordHasher

from app.application import Application, create_app
from app.chat.dialects import JSON_SUBPROTOCOL
from app.clock import Clock
from app.live.service import ChatService
from app.loader import Module
from app.testing.client import Client
from app.testing.clock import ManualClock
from app.testing.json_client import WHISPERS, JsonClient
from app.testing.runners import Runner, in_process, in_thread
from app.testing.sockets import Opening, Socket
from app.testing.text_client import TextClient
from config import Settings, load

if TYPE_CHECKING:
    import httpx2

CHAT = "app.modules.chat.module"
DEADLINE = 10.0
"""Seconds."""
SAFE = {"app.deployment.host": "127.0.0.1", "app.deployment.port": 0}
SAFE_STORE = {"chat.store": ":memory:"}
"""What a configuration file says here is for its server, and not for a test."""
UNLIMITED = {"chat.limits.rate": 0, "chat.limits.connections-per-address": 0, "chat.presence.period": "10ms"}
"""What a test means unless a file says otherwise: as fast and as many as it likes, and presence at once."""


class Entry(TypedDict, total=False):
    """How a client comes in. `room`: not where the server wants people to begin. `token`: as the user who has it.
    `after`: with what came after this position of the room. `headers`: of the request."""

    room: str
    token: str
    after: int
    headers: Mapping[str, str]


class Host:
    """An application under test, and its clients."""

    def __init__(self, app: Application, runner: Runner, deadline: float) -> None:
        self.app, self.deadline, self._runner = app, deadline, runner
        self.url = runner.url
        """Where the application is: with `server=True` other programs can reach it there."""
        self._clients: list[Client] = []
        self._sockets = ExitStack()

    @property
    def clock(self) -> ManualClock:
        """The clock of the application, to be advanced. TypeError if the test gave another than a ManualClock."""
        if not isinstance(self.app.clock, ManualClock):
            raise TypeError(f"the application goes by {self.app.clock!r}, which a test can't advance")
        return self.app.clock

    @property
    def http(self) -> httpx2.Client:
        """An HTTP client of the application."""
        return self._runner.http

    @overload
    def join(self, name: str = "", *, dialect: Literal["json"] = "json", **how: Unpack[Entry]) -> JsonClient: ...

    @overload
    def join(self, name: str = "", *, dialect: Literal["text"], **how: Unpack[Entry]) -> TextClient: ...

    def join(self, name: str = "", *, dialect: Literal["json", "text"] = "json", **how: Unpack[Entry]) -> Client:
        """Connect as `name` (without one: a guest) and join a room (`Entry` says how else). The client also gets what
        is whispered to it. Refusal if the name is refused or the room can't be joined; Denied if the server does not
        let the connection in."""
        if dialect == "text":
            return self.connect(name, dialect="text", **how)
        client = self.connect(name, **how)
        place = {"after": how["after"], "epoch": client.epoch} if "after" in how else {}
        with _closed_on_failure(client.socket):
            client.join(WHISPERS)
            client.join(how.get("room") or client.welcome["room"], **place)
        return client

    @overload
    def connect(self, name: str = "", *, dialect: Literal["json"] = "json", **how: Unpack[Entry]) -> JsonClient: ...

    @overload
    def connect(self, name: str = "", *, dialect: Literal["text"], **how: Unpack[Entry]) -> TextClient: ...

    def connect(self, name: str = "", *, dialect: Literal["json", "text"] = "json", **how: Unpack[Entry]) -> Client:
        """Connect and join nothing. In the text dialect, which is always in a room, this is the same as `join`."""
        query = {"name": name, **({"room": how.get("room"), "after": how.get("after")} if dialect == "text" else {})}
        asked = urlencode({key: value for key, value in query.items() if value not in ("", None)})
        subprotocols = [JSON_SUBPROTOCOL] if dialect == "json" else []
        subprotocols += [f"token.{how['token']}"] if how.get("token") else []
        path = "/chat" + (f"?{asked}" if asked else "")
        socket = self.websocket(path, subprotocols=subprotocols, headers=how.get("headers"))
        with _closed_on_failure(socket):
            client: Client
            if dialect == "json":
                client = JsonClient(socket, self.settle, name)
            else:
                client = TextClient(socket, self.settle, name, how.get("room") or self._first_room())
        self._clients.append(client)
        return client

    def rejoin(self, client: JsonClient) -> JsonClient:
        """Come back as `client` (which leaves if it has not left): with its token, in its rooms, from where it was."""
        client.leave()
        again = self.connect(token=client.token)
        for room, position in client.positions.items():
            again.join(room, after=position, epoch=client.epoch)
        again.room = client.room
        return again

    def websocket(
        self, path: str, *, subprotocols: Sequence[str] = (), headers: Mapping[str, str] | None = None
    ) -> Socket:
        """Open a WebSocket on any route, below the root path. Denied if the application does not let it in."""
        socket = self._runner.open(Opening(path, subprotocols, headers or {}), self.deadline)
        self._sockets.callback(socket.close)
        return socket

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function, plain or async, in the application's event loop: `chat.call(bot.say, "lobby", "hi")`."""
        return self._runner.call(function, *arguments)

    def settle(self) -> None:
        """Return once everything that was set going has had its effect: what clients sent is carried out, listeners
        have heard all that was said, and what they said in response is on its way to everyone."""
        for client in self._clients:
            client.settle()
        chat = getattr(self.app.state, "chat", None)
        if isinstance(chat, ChatService):
            try:
                self.call(self._listeners_idle, chat)
            except TimeoutError:
                raise AssertionError(f"listeners were still busy after {self.deadline:g} s") from None

    async def _listeners_idle(self, chat: ChatService) -> None:
        async with asyncio.timeout(self.deadline):
            await chat.listeners_idle()

    def close(self) -> None:
        """Let every client leave, the last one first."""
        self._sockets.close()

    def _first_room(self) -> str:
        return str(self.app.settings.property_or_none("chat.room") or "lobby")


@contextmanager
def test_application(
    *modules: str | Module,
    base: Sequence[str | Module] | None = None,
    config: str | Path | Sequence[str | Path] = (),
    overrides: Mapping[str, Any] | None = None,
    store: str | Path = "",
    clock: Clock | None = None,
    server: bool = False,
    lifespan: bool = True,
    deadline: float = DEADLINE,
) -> Iterator[Host]:
    """Run an application with `modules` for the length of a block.

    modules: functions, or their names as in `app.modules`. They run after those of `base`, which is the chat alone, or
        the `app.modules` of the configuration file if there is one. `base=()` is an application without the chat.
    config: configuration files, the right one wins; without any the application has the default settings. A test has
        no limits on rate and on connections from one address, and gets presence at once, unless a file says otherwise.
    overrides: settings by path, such as `{"dice.most": 6}`.
    store: a file for the store, which is else in memory, whatever the configuration file says.
    clock: the application's clock, else a ManualClock.
    server: serve on a free port of 127.0.0.1, as `python -m app` does, and not through Starlette's TestClient.
    lifespan: False runs it without: listeners hear nothing, and each connection has an event loop of its own.
    deadline: seconds that every receive waits.

    ConfigurationError and StartupError come out as they do from `create_app` and a server.
    """
    if server and not lifespan:
        raise ValueError("a server runs the lifespan: expected lifespan=True")
    files = [Path(file) for file in ([config] if isinstance(config, (str, Path)) else config)]
    with _imports_undone():
        settings = load(files, overrides or {})
        if base is None:
            base = (CHAT,) if settings.property_or_none("app.modules") is None else settings.app.modules
        listed = [*base, *modules]
        settings = load(files, _completed(settings, overrides or {}, str(store), chat=any(map(_is_chat, listed))))
        app = create_app(settings, modules=listed, clock=clock or ManualClock())
        chat = getattr(app.state, "chat", None)
        if isinstance(chat, ChatService):
            chat.passwords.hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        with in_thread(app) if server else in_process(app, lifespan=lifespan) as runner:
            host = Host(app, runner, deadline)
            try:
                yield host
            finally:
                host.close()


test_application.__test__ = False  # type: ignore[attr-defined]  # pytest collects what a test file imports, by its name


def _completed(settings: Settings, overrides: Mapping[str, Any], store: str, *, chat: bool) -> dict[str, Any]:
    """`overrides`, which are part of `settings` already, with what a test needs beside them."""
    safe = {
        path: value for path, value in (SAFE | SAFE_STORE if chat else SAFE).items() if not settings.overridden(path)
    }
    free = {path: value for path, value in UNLIMITED.items() if chat and settings.property_or_none(path) is None}
    return {**safe, **free, **overrides, **({"chat.store": store} if store else {})}


@contextmanager
def _closed_on_failure(socket: Socket) -> Iterator[None]:
    try:
        yield
    except BaseException:
        socket.close()
        raise


def _is_chat(module: str | Module) -> bool:
    return module == CHAT or f"{getattr(module, '__module__', '')}.{getattr(module, '__name__', '')}" == CHAT


@contextmanager
def _imports_undone() -> Iterator[None]:
    """Modules beside a configuration file are found while the application runs, and forgotten afterwards: another
    test may have another file of that name."""
    path, modules = list(sys.path), set(sys.modules)
    try:
        yield
    finally:
        added = set(sys.path) - set(path)
        sys.path[:] = path
        for name in set(sys.modules) - modules:
            file = getattr(sys.modules[name], "__file__", None) or ""
            if str(Path(file).parent) in added:
                del sys.modules[name]
