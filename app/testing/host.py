"""Assembles an application for a test, runs it, and connects clients to it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack, overload
from urllib.parse import urlencode

from app.application import Application, create_app
from app.chat.dialects import JSON_SUBPROTOCOL
from app.chat.logs import DEFAULT_ROOM, WHISPERS
from app.clock import Clock
from app.identity.hashing import Argon2id
from app.live.service import ChatService
from app.loader import Module
from app.testing.client import Client
from app.testing.clock import ManualClock
from app.testing.json_client import JsonClient
from app.testing.runners import Runner, in_process, in_thread
from app.testing.sockets import Opening, Socket
from app.testing.text_client import TextClient
from config import Settings, load

if TYPE_CHECKING:
    import httpx2

CHAT = "app.modules.chat.module"
DEADLINE = 10.0
"""Seconds, unless a test gives its own."""
SAFE = {"app.deployment.host": "127.0.0.1", "app.deployment.port": 0}
SAFE_STORE = {"chat.store": ":memory:"}
"""What a configuration file sets here is for its server, and is not used in a test."""
UNLIMITED = {"chat.limits.rate": 0, "app.websockets.connections-per-address": 0, "chat.presence.period": "10ms"}
"""Defaults for a test, unless a file sets them."""


class Entry(TypedDict, total=False):
    """How a client connects. `room`: the room to join, by default the one where the server lets people begin. `token`:
    of the user to be. `after`: the position in the room after which to begin. `headers`: for the request."""

    room: str
    token: str
    after: int
    headers: Mapping[str, str]


class Host:
    """An application under test, and its clients."""

    def __init__(self, app: Application, runner: Runner, deadline: float, *, listening: bool) -> None:
        self.app, self.deadline, self._runner, self._listening = app, deadline, runner, listening
        self.url = runner.url
        """Where the application is: with `server=True` other programs can reach it there."""
        self._clients: list[Client] = []
        self._sockets = ExitStack()

    @property
    def clock(self) -> ManualClock:
        """The application's clock. TypeError if the test passed a clock that can't be advanced."""
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
        """Connect as `name`, or as a guest, and join a room. `Entry` has the other arguments. The client also follows
        its whispers. Refusal if the server doesn't give it the name or the room; Denied if it doesn't accept the
        connection."""
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
        """Connect without joining anything. In the text dialect, which is always in a room, this is the same as
        `join`."""
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
        """Connect `client` again, with its token and name, in the same rooms, and with what it missed there. If it is
        still connected, it leaves first."""
        client.leave()
        again = self.connect(client.name, token=client.token)
        for room, position in client.positions.items():
            again.join(room, after=position, epoch=client.epoch)
        again.room = client.room
        return again

    def websocket(
        self, path: str, *, subprotocols: Sequence[str] = (), headers: Mapping[str, str] | None = None
    ) -> Socket:
        """Open a WebSocket on any route. Denied if the application doesn't accept it."""
        socket = self._runner.open(Opening(path, subprotocols, headers or {}), self.deadline)
        self._sockets.callback(socket.close)
        return socket

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function, plain or async, in the application's event loop: `chat.call(bot.say, "lobby", "hi")`."""
        return self._runner.call(function, *arguments)

    def settle(self) -> None:
        """Wait until everything that is under way is done: commands that clients sent are carried out, listeners have
        heard every message, and what they said in response is on its way to everyone."""
        for client in self._clients:
            client.settle()
        chat = getattr(self.app.state, "chat", None)
        if self._listening and isinstance(chat, ChatService):
            try:
                self.call(self._listeners_idle, chat)
            except TimeoutError:
                raise AssertionError(f"listeners were still busy after {self.deadline:g} s") from None

    async def _listeners_idle(self, chat: ChatService) -> None:
        async with asyncio.timeout(self.deadline):
            await chat.listeners_idle()

    def close(self) -> None:
        """Disconnect every client, the last one first."""
        self._sockets.close()

    def _first_room(self) -> str:
        return str(self.app.settings.property_or_none("chat.room") or DEFAULT_ROOM)


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
    deadline: float | None = None,
) -> Iterator[Host]:
    """Run an application with `modules` for the length of a block.

    modules: functions, or their names as in `app.modules`.
    base: the modules that run before them. By default that is the chat, or what a configuration file lists in
        `app.modules`. `base=()` is an application without a chat.
    config: one or more configuration files, of which the last wins. Without them, all settings have their defaults.
        Unless a file sets them, a test has no limits on the rate and on connections from one address, and presence is
        sent every 10 ms.
    overrides: settings by path, such as `{"dice.most": 6}`.
    store: the file for the store. By default it is in memory, also if a configuration file names a file.
    clock: the application's clock. By default it is a ManualClock that starts now.
    server: whether to run the server of `python -m app`, on a free port of 127.0.0.1, and not Starlette's TestClient.
    lifespan: False leaves the lifespan out: listeners hear nothing, resources stay closed, and each connection has an
        event loop of its own.
    deadline: seconds to wait for anything that is expected; 10 by default.

    ConfigurationError and StartupError are raised as `create_app` and the server raise them.
    """
    if server and not lifespan:
        raise ValueError("a server always runs the lifespan: expected lifespan=True")
    deadline = DEADLINE if deadline is None else deadline
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
            chat.passwords.hasher = Argon2id(time_cost=1, memory_cost=8, parallelism=1)
        with in_thread(app, deadline) if server else in_process(app, lifespan=lifespan) as runner:
            host = Host(app, runner, deadline, listening=lifespan)
            try:
                yield host
            finally:
                host.close()


test_application.__test__ = False  # type: ignore[attr-defined]  # pytest collects what a test file imports, by its name


def _completed(settings: Settings, overrides: Mapping[str, Any], store: str, *, chat: bool) -> dict[str, Any]:
    """Add to `overrides`, which `settings` already contain, what a test needs as well."""
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
    """Forget the modules and packages next to a configuration file after the test: another test may have some of the
    same name."""
    path, modules = list(sys.path), set(sys.modules)
    try:
        yield
    finally:
        added = set(sys.path) - set(path)
        sys.path[:] = path
        imported = set(sys.modules) - modules
        beside = {name for name in imported if "." not in name and _folder_of(sys.modules[name]) in added}
        for name in imported:
            if name.partition(".")[0] in beside:
                del sys.modules[name]


def _folder_of(module: ModuleType) -> str:
    """The folder that a module or package is in."""
    places = list(getattr(module, "__path__", [])) or [getattr(module, "__file__", None) or ""]
    return str(Path(places[0]).parent)
