"""Nodes over NATS servers that are disturbed, and clients that move between the nodes all the time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import anyio

from app.backends.nats.settings import NatsSettings
from benchmarks.ports import free_port
from tests.checker import WHISPERS
from tests.clients import DEADLINE, Served
from tests.nats.relay import Relay
from tests.nats.servers import Servers, flags, running
from tests.test_kill import ROOMS, Chat, Client

NODES = 2
SERVERS = 3
LASTING = 5.0, 30.0
"""The shortest and the longest time in seconds for which something is frozen or cut off."""
MOST_ACKS = 20
"""The most acks that each node gives between two faults; there is at least one."""
PACE = 0.1
"""Seconds between two messages of a client."""
COMPLAINTS = "Traceback", "is not what the log comes to", "can't be placed"
"""What a node that does everything right never logs."""


class Node:
    """A node as a process, and its own ways to the servers."""

    def __init__(self, folder: Path, settings: NatsSettings, relays: Sequence[Relay] = (), command: str = "") -> None:
        self.folder, self.relays, self._command = folder, relays, command
        self.acks = 0
        self.up = False
        self.logs: list[str] = []
        self._flags = [*flags(settings), "-P:chat.limits.rate=0", "-P:app.websockets.connections-per-address=0"]
        self._port = 0

    @property
    def port(self) -> int:
        return self.server.port

    def start(self) -> None:
        """Start it, on the port that it had."""
        flags = [*self._flags, *([f"-port={self._port}"] if self._port else [])]
        self.server = Served(*flags, cwd=self.folder, environment={"CHAT_STORE": "chat.db"}, command=self._command)
        self._port, self.up = self.server.port, True

    def kill(self) -> None:
        """End it as a crash does, if it is up."""
        if self.up:
            self.up = False
            self.server.kill()
            self.logs += self.server.log

    def stop(self) -> None:
        """End it as an operator does."""
        self.up = False
        code = self.server.stop()
        self.logs += self.server.log
        assert code == 0, f"a node ended with {code}: {self.logs[-20:]}"


class Cluster(Chat):
    """What is disturbed. The subclasses say how."""

    about = ""
    within = 3600.0
    excused: Collection[str] = ()
    """The codes of errors that clients may get. They come back later, or to another node."""

    def __init__(self, folder: Path, times: int, *, commands: Sequence[str] = ("",) * NODES) -> None:
        self.folder, self.times, self.commands = folder, times, commands
        self.reliable = not self.excused
        self.done = 0
        """How many faults there were."""
        self.refusals = self.moves = 0
        self.pause = self._acked_at = 0.0
        """The longest time in seconds in which nobody got an ack, and when somebody got one last."""
        self.nodes: list[Node] = []
        self.servers: Servers
        self._begin()

    async def disturb(self) -> None:
        raise NotImplementedError

    @property
    def lasting(self) -> float:
        """For how many seconds the fault that is due lasts: the first one for the shortest time, the last one for the
        longest."""
        first, last = LASTING
        return first + (last - first) * self.done / max(1, self.times - 1)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        with ExitStack() as stack:
            self.servers = stack.enter_context(running(self.folder / "servers", SERVERS))
            for number, command in enumerate(self.commands):
                relays = [stack.enter_context(Relay(free_port(), [server.port])) for server in self.servers]
                settings = self.servers.settings(servers=tuple(f"nats://127.0.0.1:{relay.port}" for relay in relays))
                node = Node(stack.enter_context(self.disk(number)), settings, relays, command)
                self.nodes.append(node)
                stack.callback(node.kill)
            await asyncio.gather(*(asyncio.to_thread(node.start) for node in self.nodes))
            yield
            for node in self.nodes:
                await asyncio.to_thread(node.stop)

    @contextmanager
    def disk(self, number: int) -> Iterator[Path]:
        """The folder of a node, made."""
        folder = self.folder / f"node{number}"
        folder.mkdir()
        yield folder

    def clients(self) -> Sequence[Client]:
        return [Mover(self, rooms, wanders=number % 3 == 0) for number, rooms in enumerate(ROOMS)]

    def readers(self) -> Sequence[Client]:
        return [Reader(self, set().union(*ROOMS), node) for node in self.nodes]

    def choose(self, but: Node | None) -> Node:
        """A node for a client to connect to: another one than it was at, if there is one."""
        up = [node for node in self.nodes if node.up]
        return random.choice([node for node in up if node is not but] or up)

    @property
    def way_in(self) -> int:  # type: ignore[override]
        return self.choose(None).port

    def count_ack(self, client: Client) -> None:
        if isinstance(client, Mover):
            assert client.node is not None
            client.node.acks += 1
        now = monotonic()
        self.pause, self._acked_at = max(self.pause, now - (self._acked_at or now)), now
        super().count_ack(client)

    async def disturb_again_and_again(self) -> None:
        self.up.set()
        while self.done < self.times:
            await self._all_acknowledge(random.randint(1, MOST_ACKS))
            await self.disturb()
            self.done += 1
        await self._all_acknowledge(MOST_ACKS)

    async def _all_acknowledge(self, acks: int) -> None:
        """Wait until each node has acknowledged so many more messages."""
        until = [node.acks + acks for node in self.nodes]
        async with asyncio.timeout(2 * DEADLINE):
            while any(node.acks < least for node, least in zip(self.nodes, until, strict=True)):
                await self.wait_for_acks(1)

    def end(self) -> None:
        logs = {node.folder.name: [*node.logs] for node in self.nodes}
        wrong = [f"{name}: {line}" for name, lines in logs.items() for line in lines if _complains(line)]
        assert not wrong, "\n".join(wrong[:20])

    def destroy(self) -> None:
        pass  # all has ended with `running`


def _complains(line: str) -> bool:
    return any(complaint in line for complaint in COMPLAINTS)


class Mover(Client):
    """Leaves after some messages, acknowledged or not, and comes back to another node: at once, or if it `wanders`,
    after a while."""

    chat: Cluster

    def __init__(self, chat: Cluster, rooms: set[str], *, wanders: bool = False) -> None:
        super().__init__(chat, rooms, wanders=True)
        self.node: Node | None = None
        self._stays_away = wanders

    def _way_in(self) -> int:
        self.node = self.chat.choose(self.node)
        self.chat.moves += 1
        return self.node.port

    async def _stay_away(self) -> None:
        if self._stays_away:
            await super()._stay_away()
        else:
            self._left()

    async def _say(self, connection: Any, text: str = "") -> None:
        await anyio.sleep(PACE)
        await super()._say(connection, text)

    async def _receive(self, connection: Any) -> dict[str, Any]:
        try:
            return await super()._receive(connection)
        except ConnectionResetError as error:  # told with an error
            if str(error) not in self.chat.excused:
                raise AssertionError(f"{self.name} was told {error}") from None
            self.chat.refusals += 1
            raise


class Reader(Mover):
    """Reads what one node has of the rooms, from their beginning until LAST has come."""

    def __init__(self, chat: Cluster, rooms: set[str], node: Node) -> None:
        super().__init__(chat, rooms)
        self.rooms.remove(WHISPERS)
        self.speaking, self._own_node = False, node

    def _way_in(self) -> int:
        self.node = self._own_node
        return self.node.port

    def _introduce(self) -> None:
        self._positions = self._positions or dict.fromkeys(self.rooms, 0)
