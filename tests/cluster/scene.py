"""Nodes over NATS servers that are disturbed, and clients that move between the nodes all the time."""

from __future__ import annotations

import asyncio
import json
import random
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import anyio
from websockets.asyncio.client import ClientConnection

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
VAULT = "vault"
"""A private room."""
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


class Cluster(Chat, ABC):
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
        self.refusals = self.moves = self.turned_away = 0
        self.closed = False
        """Whether nobody but one may get into the VAULT, on any node."""
        self.pause = self._acked_at = 0.0
        """The longest time in seconds in which nobody got an ack, and when somebody got one last; 0 while nothing is
        disturbed."""
        self.nodes: list[Node] = []
        self.servers: Servers
        self._begin()

    @abstractmethod
    async def disturb(self) -> None:
        """Do what disturbs it, once."""

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
        movers = [
            Mover(self, rooms, wanders=number % 3 == 0, wants=f"mover-{number}" if number % 2 else "")
            for number, rooms in enumerate(ROOMS)
        ]
        return [*movers, Insider(self, "insider")]

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
        if self._acked_at:
            self.pause, self._acked_at = max(self.pause, now - self._acked_at), now
        super().count_ack(client)

    async def disturb_again_and_again(self) -> None:
        self.up.set()
        while not self.closed or len(self.people) < len(self.everybody):
            await asyncio.wait_for(self.wait_for_acks(1), DEADLINE)
        self._acked_at = monotonic()
        while self.done < self.times:
            await self._all_acknowledge(random.randint(1, MOST_ACKS))
            await self.disturb()
            self.done += 1
        await self._all_acknowledge(MOST_ACKS)
        self._acked_at = 0.0

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
    after a while. It takes a name if it wants one, and keeps trying to get into the VAULT."""

    chat: Cluster

    def __init__(self, chat: Cluster, rooms: set[str], *, wanders: bool = False, wants: str = "") -> None:
        super().__init__(chat, rooms, wanders=True)
        self.node: Node | None = None
        self._stays_away, self._wants = wanders, wants

    def _way_in(self) -> int:
        self.node = self.chat.choose(self.node)
        self.chat.moves += 1
        return self.node.port

    async def _stay_away(self) -> None:
        if self._stays_away:
            await super()._stay_away()
        else:
            self._left()

    async def _say(self, connection: ClientConnection, text: str = "") -> None:
        await anyio.sleep(PACE)
        await super()._say(connection, text)

    def _introduce(self) -> None:
        if self.name == (self._wants or self.name):
            super()._introduce()

    async def _join(self, connection: ClientConnection) -> None:
        if self.speaking and self.id not in self.chat.people:
            await self._begin(connection)
            super()._introduce()
        await super()._join(connection)
        if self.chat.closed and VAULT not in self.rooms:
            await connection.send(json.dumps({"t": "join", "rid": VAULT, "room": VAULT}))

    async def _begin(self, connection: ClientConnection) -> None:
        if self._wants:
            told = await self._ask(connection, {"t": "nick", "name": self._wants})
            self.name = told["name"]

    async def _ask(self, connection: ClientConnection, frame: dict[str, Any]) -> dict[str, Any]:
        """Ask for something, and return the answer."""
        await connection.send(json.dumps({**frame, "rid": "asked"}))
        while (told := await self._receive(connection)).get("rid") != "asked":
            self._note(told)
        return told

    async def _receive(self, connection: ClientConnection) -> dict[str, Any]:
        told = await super()._receive(connection)
        assert told["t"] == "error" or told.get("rid") != VAULT, f"leaked: {self.name} was let into {VAULT}"
        return told

    def _refused(self, told: dict[str, Any]) -> None:
        if told["code"] in self.chat.excused:
            self.chat.refusals += 1
            raise ConnectionResetError(told["code"])
        assert (told.get("rid"), told["code"]) == (VAULT, "invitation_only"), f"{self.name} was told {told}"
        self.chat.turned_away += 1

    def _note(self, told: dict[str, Any]) -> None:
        if told["t"] == "named":  # some change of the user made no difference
            assert told["name"] == self.name, told
        elif told["t"] != "error":
            super()._note(told)


class Insider(Mover):
    """The only one who may be in the VAULT: whose owner it is."""

    def __init__(self, chat: Cluster, wants: str) -> None:
        super().__init__(chat, {VAULT}, wants=wants)
        self._ended.add(VAULT)  # nobody else can say there that this is the end

    async def _begin(self, connection: ClientConnection) -> None:
        await super()._begin(connection)
        told = await self._ask(connection, {"t": "register", "password": "correct horse"})
        self.token = told["token"]
        await self._ask(connection, {"t": "join", "room": VAULT})
        await self._ask(connection, {"t": "private", "room": VAULT})

    async def _join(self, connection: ClientConnection) -> None:
        known = self.id in self.chat.people
        await super()._join(connection)
        self.chat.closed = self.chat.closed or known  # the second node knows it as well

    def _note(self, told: dict[str, Any]) -> None:
        if told["t"] in ("owner", "private"):
            self._positions[told["room"]] = told["seq"]
        else:
            super()._note(told)


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
