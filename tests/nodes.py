"""Several nodes in one process: applications that share a store, and a bus in memory between them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, cast

import anyio.lowlevel
import pytest

from app.backends import Backend, Follower, Origin, UserFollower, Watcher
from app.backends.changes import Change
from app.backends.embedded import Embedded
from app.backends.sequencing import Entry
from app.backends.telling import has_caller, user_changes
from app.chat.events import Bounds, Draft, User
from app.clock import Clock
from app.live.nodes import Nodes
from app.live.service import ChatService, chat_of
from app.testing import Host, ManualClock, test_application


class Bus:
    """Passes on what nodes tell each other. What `loses` returns True for is lost."""

    def __init__(self) -> None:
        self.links: list[LinkedBackend] = []
        self.told = 0
        self.loses: Callable[[bytes], bool] = lambda payload: False
        self.late: list[tuple[LinkedBackend, bytes]] | None = None
        """What is to come late, while this is a list."""

    def tell(self, sender: LinkedBackend, payload: bytes) -> None:
        if sender.dead:
            return
        self.told += 1
        if self.late is not None:
            self.late.append((sender, payload))
        elif not self.loses(payload):
            self.deliver(sender, payload)

    def deliver(self, sender: LinkedBackend, payload: bytes) -> None:
        for link in self.links:
            if link is not sender and not link.dead:
                for watcher in link.watchers:
                    watcher(payload)

    def deliver_late(self) -> None:
        """Deliver what was kept back, the last first."""
        late, self.late = self.late or [], None
        for sender, payload in reversed(late):
            self.deliver(sender, payload)


class LinkedBackend:
    """One node's way to a store that several share. The store outlives it."""

    def __init__(self, store: Embedded, bus: Bus) -> None:
        self._store, self._bus = store, bus
        self._loops: set[asyncio.AbstractEventLoop] = set()
        self.watchers: list[Watcher] = []
        self.on_submit: list[Callable[[Change], object]] = []
        """Called with what the node asks for."""
        self.dead = False
        """Whether the node was killed: nothing that it does reaches anyone, and nothing reaches it."""
        self.behind = False
        """Whether the node has applied nothing of what others were asked for, until it catches up."""
        bus.links.append(self)

    shared = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def open(self) -> None:
        self._store.open()

    def close(self) -> None:
        self.dead = True

    async def catch_up(self) -> None:
        self.behind = False

    async def bounds(self, room: str) -> Bounds:
        return Bounds(0, 0) if self.behind else await self._store.bounds(room)

    async def user_by_token(self, token: bytes, *, since: int = 0) -> User | None:
        return None if self.behind else await self._store.user_by_token(token, since=since)

    def submit(self, change: Change) -> Awaitable[Any]:
        if self.dead:
            return asyncio.get_running_loop().create_future()
        self._loops.add(asyncio.get_running_loop())
        for note in self.on_submit:
            note(change)
        return self._store.submit(change)

    def post(self, draft: Draft, origin: Origin) -> None:
        if not self.dead:
            self._store.post(draft, origin)

    def follow(self, follower: Follower) -> Callable[[], None]:
        return self._store.follow(lambda events: None if self.dead else follower(events))

    def follow_users(self, follower: UserFollower) -> Callable[[], None]:
        def applied(entries: Any) -> None:
            if not self.dead and (told := user_changes(entries, self._is_own)):
                follower(told)

        return self._store._core.front.follow_applied(applied)

    def _is_own(self, entry: Entry) -> bool:
        return has_caller(entry) and entry.loop in self._loops

    def tell(self, payload: bytes) -> None:
        self._bus.tell(self, payload)

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        self.watchers.append(watcher)
        return lambda: self.watchers.remove(watcher)


for _name in ("append", "claim", "create_user", "sign_in", "sign_out", "register", "change_password", "make_operator"):
    setattr(LinkedBackend, _name, getattr(Backend, _name))
for _name in ("set_skeletons", "depart", "forget", "mark_read", "ignore", "trim", "use_token"):
    setattr(LinkedBackend, _name, getattr(Backend, _name))


class Cluster:
    """Nodes that share a store, a clock and a bus."""

    def __init__(self, patch: pytest.MonkeyPatch, stack: ExitStack, clock: Clock, how: Any) -> None:
        self.bus, self.clock, self.hosts = Bus(), clock, list[Host]()
        self.store = Embedded(":memory:", clock=clock)
        self._patch, self._stack, self._how = patch, stack, how
        stack.callback(self.store.close)
        self._own: dict[Host, ExitStack] = {}

    def start(self, *modules: Any) -> Host:
        """Start one more node, a second after the one before."""
        if isinstance(self.clock, ManualClock):
            self.clock.advance(1)
        with self._patch.context() as patch:
            link = LinkedBackend(self.store, self.bus)
            patch.setattr("app.modules.chat.Embedded", lambda *arguments, **named: cast(Backend, link))
            own = self._stack.enter_context(ExitStack())
            host = own.enter_context(test_application(*modules, clock=self.clock, **self._how))
        self.hosts.append(host)
        self._own[host] = own
        host.call(self.nodes(host)._beat)
        return host

    def nodes(self, host: Host) -> Nodes:
        """A node's own view of the nodes."""
        nodes = self.chat(host).hub.nodes
        assert nodes is not None
        return nodes

    def chat(self, host: Host) -> ChatService:
        return chat_of(host.app)

    def kill(self, host: Host) -> None:
        """Kill a node: nothing more comes of it."""
        link = self.chat(host).backend
        assert isinstance(link, LinkedBackend)
        link.dead = True
        self.hosts.remove(host)

    def stop(self, host: Host) -> None:
        """End a node, as a server does."""
        self.hosts.remove(host)
        self._own[host].close()

    def pass_time(self, seconds: int, *, but: Host | None = None) -> None:
        """Let time pass, second by second, on all nodes but one that stands still."""
        assert isinstance(self.clock, ManualClock)
        for _ in range(seconds):
            self.clock.advance(1)
            for host in self.hosts:
                if host is not but:
                    host.call(self.nodes(host).tick)

    def settle(self) -> None:
        """Wait until all nodes have told each other what has changed."""
        for _ in range(2):
            for host in self.hosts:
                host.settle()
            for host in self.hosts:
                host.call(self._told, self.nodes(host))
            for host in self.hosts:
                host.call(asyncio.sleep, 0)

    async def _told(self, nodes: Nodes) -> None:
        """Have news told, after the whole if that is being told, and what came with one taken."""
        if nodes._tasks:
            await asyncio.wait(nodes._tasks)
        if nodes._whole is not None:
            await asyncio.wait({nodes._whole})
            await anyio.lowlevel.checkpoint()
        nodes._tell_news()


@contextmanager
def cluster(*modules: Any, nodes: int = 2, clock: Clock | None = None, **how: Any) -> Iterator[Cluster]:
    """Run some nodes for the length of a block. `how`: see `test_application`."""
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setattr("app.live.nodes.TICK", 1e9)  # nothing is due but in `pass_time`
        made = Cluster(patch, stack, clock or ManualClock(), how)
        for _ in range(nodes):
            made.start(*modules)
        yield made
