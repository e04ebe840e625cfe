"""What the guard does to a pair of builds: a scene measures some rows, one round at a time.

A round starts both builds anew, on one core, where the one that isn't measured idles. It takes turns between them in
short slices: old, new, new, old, and so on. What changes slowly in the machine changes both figures, and what disturbs
a few slices changes neither, since a figure is the median of its slices.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import uvloop

from app.load import Crowd, LoadError
from benchmarks.clients import Sender, connect, fill, wait_for_index
from benchmarks.guard.rows import Pair
from benchmarks.servers import Build, Program, Server, bare, natter, serve
from benchmarks.talk import LEVELS, talk

TURNS = 0, 1, 1, 0
"""The old build, the new one, and again in the other order: two slices for each."""
OUTSTANDING = 16
"""Messages that each sender keeps outstanding."""
WORDS = "often", "seldom", "never"
"""What is searched for: a word in most messages, one in every SELDOM-th, and one in none."""
SELDOM = 10_000
PROCESSES = 6
"""How many times as long it takes until a server has started all of its processes, whose memory counts."""
DEADLINE = 20.0
LEAST_CPU = 0.001
"""Seconds of a slice in which the server waited for the disk."""


@dataclass(frozen=True)
class Scale:
    """How much a round does."""

    starts: int = 3
    """How many TURNS of starts."""
    settle: float = 0.5
    turns: int = 4
    """How many TURNS of slices."""
    warm: float = 0.2
    seconds: float = 0.5
    """Of a slice."""
    first: int = 100
    """Clients that connect before handshakes are counted: the first ones load what is loaded on demand."""
    idle: int = 6000
    clients: int = 1000
    rooms: int = 1000
    members: int = 5
    senders: int = 100
    messages: int = 200_000


QUICK = Scale(
    starts=1, settle=0, turns=1, warm=0.1, seconds=0.2, first=5, idle=20, clients=20, rooms=4, senders=5, messages=1000
)


@dataclass(frozen=True)
class Round:
    """What a scene needs to know."""

    number: int
    builds: tuple[Build, Build]
    rows: frozenset[str]
    """The names of the rows that are wanted."""
    scale: Scale
    folder: Path
    """For what lasts until the last round."""

    def program(self, index: int, store: Path | str = "chat.db") -> Program:
        """The old build (0) or the new one (1). Within a round both order their sets alike: one order costs some
        percent more than another."""
        return natter(store=store, build=self.builds[index], seed=str(self.number))

    @contextmanager
    def both(self, stores: Sequence[Path | str] = ("chat.db", "chat.db")) -> Iterator[tuple[Server, Server]]:
        """Both builds, running, each on a store of its own. Rounds take turns in which of them starts first."""
        with ExitStack() as stack:
            order = (0, 1) if self.number % 2 == 0 else (1, 0)
            servers = {index: stack.enter_context(serve(self.program(index, stores[index]))) for index in order}
            yield servers[0], servers[1]


async def in_turn(turns: int, measure: Callable[[int], Awaitable[float]]) -> Pair:
    """Measure slices of the old build (0) and of the new one (1) in turn."""
    figures: tuple[list[float], list[float]] = ([], [])
    for index in TURNS * turns:
        figures[index].append(await measure(index))
    return Pair(*map(statistics.median, figures))


def start(round_: Round) -> dict[str, Pair]:
    """Start each build some times, and after each start of the new one a bare Starlette."""
    seconds: tuple[list[float], list[float]] = ([], [])
    mib: tuple[list[float], list[float]] = ([], [])
    bare_seconds: list[float] = []
    for index in TURNS * round_.scale.starts:
        with serve(round_.program(index)) as server:
            time.sleep(round_.scale.settle)
            seconds[index].append(server.seconds_to_start)
            mib[index].append(server.process.resident_kib() / 1024)
        if index:
            with serve(bare(round_.builds[index])) as server:
                bare_seconds.append(server.seconds_to_start)
    old, new, least = map(statistics.median, (*seconds, bare_seconds))
    return {"start": Pair(old, new), "bare": Pair(least, new), "rss": Pair(*map(statistics.median, mib))}


def idle(round_: Round) -> dict[str, Pair]:
    """Connect many clients that say nothing."""
    with round_.both() as servers:
        return uvloop.run(connect_many(round_.scale, servers))


async def connect_many(scale: Scale, servers: Sequence[Server]) -> dict[str, Pair]:
    crowds = [Crowd(server.ws) for server in servers]
    for crowd in crowds:
        await crowd.grow(scale.first)
    await asyncio.sleep(PROCESSES * scale.settle)
    before = [server.process.resident_kib() for server in servers]
    step = scale.idle // (2 * scale.turns)

    async def handshakes(index: int) -> float:
        process, crowd = servers[index].process, crowds[index]
        cpu = process.cpu_seconds()
        await crowd.grow(len(crowd.listeners) + step)
        return step / max(process.cpu_seconds() - cpu, LEAST_CPU)

    pair = await in_turn(scale.turns, handshakes)
    await asyncio.sleep(scale.settle)
    grown = [server.process.resident_kib() - kib for server, kib in zip(servers, before, strict=True)]
    for crowd in crowds:
        await crowd.leave()
    connection = Pair(*(max(kib, 1) / (2 * scale.turns * step) for kib in grown))
    return {"handshakes": pair, "connection": connection}


def room(round_: Round) -> dict[str, Pair]:
    """Talk in one room."""
    with round_.both() as servers:
        return uvloop.run(talk_in_turn(round_, servers, "room", round_.scale.clients, 1))


def rooms(round_: Round) -> dict[str, Pair]:
    """Talk in many small rooms, each in turn."""
    count = round_.scale.rooms
    with round_.both() as servers:
        return uvloop.run(talk_in_turn(round_, servers, "rooms", count * round_.scale.members, count))


async def talk_in_turn(
    round_: Round, servers: Sequence[Server], name: str, clients: int, rooms: int
) -> dict[str, Pair]:
    scale = round_.scale
    crowds = [Crowd(server.ws, rooms=rooms, process=server.process.pid) for server in servers]
    for crowd in crowds:
        await crowd.grow(clients, measure=False)

    async def deliveries(outstanding: int, index: int) -> float:
        # In one room the server sends what it has in one write. How much that is depends on how its turns and those of
        # the load happen to meet, by a factor of two, unless the messages come together.
        together = rooms == 1
        figures = await talk(crowds[index], outstanding, together=together, seconds=scale.seconds, warm=scale.warm)
        return figures.deliveries_per_cpu_second or 0

    pairs = {}
    for level in LEVELS[name]:
        if f"{name}-{level}" in round_.rows:
            pairs[f"{name}-{level}"] = await in_turn(scale.turns, partial(deliveries, level))
    for crowd in crowds:
        await crowd.leave()
    return pairs


def acks(round_: Round) -> dict[str, Pair]:
    """Send from many clients, each alone in its room."""
    with round_.both() as servers:
        return {"acks": uvloop.run(send(round_.scale, servers))}


async def send(scale: Scale, servers: Sequence[Server]) -> Pair:
    senders: tuple[list[Sender], ...] = tuple([Sender(number) for number in range(scale.senders)] for _ in servers)
    for server, some in zip(servers, senders, strict=True):
        for sender in some:
            await sender.connect(server.ws)

    async def acked(index: int) -> float:
        process, some = servers[index].process, senders[index]
        for sender in some:
            sender.start(OUTSTANDING)
        await asyncio.sleep(scale.warm)
        count, cpu = sum(sender.acked for sender in some), process.cpu_seconds()
        await asyncio.sleep(scale.seconds)
        count, cpu = sum(sender.acked for sender in some) - count, process.cpu_seconds() - cpu
        await asyncio.wait_for(asyncio.gather(*(sender.finish() for sender in some)), DEADLINE)
        return count / max(cpu, LEAST_CPU)

    pair = await in_turn(scale.turns, acked)
    for sender in itertools.chain(*senders):
        sender.client.transport.abort()
    return pair


def past(round_: Round) -> dict[str, Pair]:
    """Read a room with a long past."""
    stores = [round_.folder / name for name in ("old.db", "new.db")]
    for index, store in enumerate(stores):
        if not store.exists():
            with serve(round_.program(index, store)) as server:
                uvloop.run(fill(server.ws, round_.scale.messages, text_of))
    with round_.both(stores) as servers:
        return uvloop.run(read(round_, servers))


def text_of(number: int) -> str:
    """The text of a message of the past."""
    return f"message {number} has a word that comes {WORDS[number % SELDOM == 0]}"


async def read(round_: Round, servers: Sequence[Server]) -> dict[str, Pair]:
    scale = round_.scale
    pages = [{"t": "history", "room": "lobby", "before": scale.messages - 997 * n % scale.messages} for n in range(64)]
    searches = [{"t": "search", "room": "lobby", "words": word} for word in WORDS]
    clients = [await connect(server.ws) for server in servers]
    for client in clients:
        await client.ask("join", room="lobby")
        await wait_for_index(client, "lobby")

    async def answers(requests: Sequence[bytes], kind: bytes, index: int) -> float:
        client, process = clients[index], servers[index].process
        count, cpu, end = 0, process.cpu_seconds(), time.perf_counter() + scale.seconds
        for request in itertools.cycle(requests):
            client.send(request)
            while not (frame := await client.next()).startswith(kind):
                if frame.startswith(b'{"t":"error"'):
                    raise LoadError(frame.decode())
            count += 1
            if time.perf_counter() > end:
                break
        return count / max(process.cpu_seconds() - cpu, LEAST_CPU)

    pairs = {}
    for name, frames, kind in (("history", pages, b'{"t":"history"'), ("search", searches, b'{"t":"found"')):
        requests = [json.dumps(frame).encode() for frame in frames]
        if name in round_.rows:
            pairs[name] = await in_turn(scale.turns, partial(answers, requests, kind))
    for client in clients:
        client.transport.abort()
    return pairs


def page(round_: Round) -> dict[str, Pair]:
    """Open the page in Chromium, with nothing cached."""
    from benchmarks.page import chromium, first_load_bytes  # the other rows need no browser

    with round_.both() as servers, chromium() as browser:
        return {"page": Pair(*(first_load_bytes(browser, server.http) / 1024 for server in servers))}


SCENES: dict[Callable[[Round], dict[str, Pair]], tuple[str, ...]] = {
    start: ("start", "bare", "rss"),
    idle: ("handshakes", "connection"),
    acks: ("acks",),
    room: ("room-1", "room-8", "room-64"),
    rooms: ("rooms-1", "rooms-64", "rooms-1000"),
    past: ("history", "search"),
    page: ("page",),
}
"""The rows that each scene measures."""
