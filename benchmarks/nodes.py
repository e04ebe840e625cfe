"""What the common log of many nodes costs, beside a plain nats-py client on the same servers.

    python -m benchmarks.nodes [--seconds 2] [--rounds 5] [--changes 200000] [--json] [--quick]

Three NATS servers on loopback, each of which syncs every message to its disk, and a stream with three replicas.

Acknowledgements: 100 callers of a node's Backend, each with one message under way, and 100 publishes of a plain nats-py
client under way, of as many bytes as an encoded message has; in turns, so that both meet the same machine. The ratio is
the median of the rounds. Then the same at 100 messages a second, where the time until the own answer counts, until
another node has the message, and until the plain publish is answered.

Catching up: a node that has nothing begins while the log has `--changes` messages; then another one begins with a
snapshot of them, after which the log was purged.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import nats
import uvloop

from app.backends.changes import encode
from app.backends.nats.backend import NatsBackend
from app.backends.nats.settings import NatsSettings
from app.backends.nats.snapshots import Snapshots
from app.chat.events import Draft, Event, User
from benchmarks import report
from benchmarks.report import say
from config import Size
from tests.nats.servers import PASSWORD, USER, running

CALLERS = 100
RATE = 100
TEXT = "x" * 100


def draft(user: User, number: int) -> Draft:
    return Draft("lobby", user, TEXT, id=f"{number:016x}", at=1_700_000_000_000 + number, cid=f"{number:08x}")


async def per_second(send: Callable[[], Awaitable[object]], seconds: float) -> float:
    """How many calls are answered in a second, with CALLERS of them under way."""
    end, done = time.perf_counter() + seconds, 0
    began = time.perf_counter()

    async def call() -> None:
        nonlocal done
        while time.perf_counter() < end:
            await send()
            done += 1

    await asyncio.gather(*(call() for _ in range(CALLERS)))
    return done / (time.perf_counter() - began)


async def at_rate(send: Callable[[], Awaitable[object]], seconds: float) -> list[float]:
    """How many milliseconds each of RATE calls a second takes, from when it was due."""
    took, calls = list[float](), list[asyncio.Task[None]]()
    began = time.perf_counter()

    async def call(due: float) -> None:
        await send()
        took.append((time.perf_counter() - due) * 1000)

    for number in range(int(RATE * seconds)):
        due = began + number / RATE
        await asyncio.sleep(due - time.perf_counter())
        calls.append(asyncio.create_task(call(due)))
    await asyncio.gather(*calls)
    return sorted(took)


class Measured:
    """Two nodes and a plain client on the same servers."""

    def __init__(self, one: NatsBackend, other: NatsBackend, plain: Any, user: User) -> None:
        self.one, self.other, self.plain, self.user = one, other, plain, user
        self.stream = plain.jetstream()
        self.number = 0
        self.payload = encode(draft(user, 0))
        self.waiting: dict[str, tuple[float, list[float]]] = {}
        self.loop = asyncio.get_running_loop()
        other.follow(self._follow)

    async def say(self) -> None:
        self.number += 1
        await self.one.append(draft(self.user, self.number))

    async def say_to_other(self, took: list[float]) -> None:
        self.number += 1
        one = draft(self.user, self.number)
        self.waiting[one.id] = time.perf_counter(), took
        await self.one.append(one)

    async def publish(self) -> None:
        await self.stream.publish("plain", self.payload)

    def _follow(self, events: Sequence[Event]) -> None:
        self.loop.call_soon_threadsafe(self._arrived, list(events), time.perf_counter())

    def _arrived(self, events: Sequence[Event], at: float) -> None:
        for event in events:
            if event.id in self.waiting:
                began, took = self.waiting.pop(event.id)
                took.append((at - began) * 1000)


def percentiles(name: str, took: Sequence[float]) -> dict[str, float]:
    ordered = sorted(took)
    return {f"{name}_p50_ms": ordered[len(ordered) // 2], f"{name}_p99_ms": ordered[int(len(ordered) * 0.99)]}


async def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="natter-nodes-") as name:
        folder = Path(name)
        with running(folder / "servers", 3, sync="always") as servers:
            settings = servers.settings(stream="measured", max_bytes=Size(4 << 30))
            nodes = [NatsBackend(str(folder / f"node{number}.db"), settings) for number in range(2)]
            plain = await nats.connect(list(servers.urls), user=USER, password=PASSWORD)
            try:
                for node in nodes:
                    await asyncio.to_thread(node.open)
                user = await nodes[0].create_user(b"a token")
                await plain.jetstream().add_stream(name="plain", subjects=["plain"], num_replicas=3)
                measured = Measured(nodes[0], nodes[1], plain, user)
                figures = await acknowledgements(measured, arguments)
                figures |= await catching_up(measured, settings, folder, arguments.changes)
            finally:
                await plain.close()
                for node in nodes:
                    await asyncio.to_thread(node.close)
            return figures


async def acknowledgements(measured: Measured, arguments: argparse.Namespace) -> dict[str, Any]:
    rounds = []
    for number in range(arguments.rounds):
        ours = await per_second(measured.say, arguments.seconds)
        plain = await per_second(measured.publish, arguments.seconds)
        rounds.append((ours, plain))
        say(f"round {number + 1}: {ours:,.0f} a second, plain nats-py {plain:,.0f}")
    across: list[float] = []
    own = await at_rate(lambda: measured.say_to_other(across), arguments.seconds)
    published = await at_rate(measured.publish, arguments.seconds)
    return {
        "acks_per_second": statistics.median(ours for ours, _ in rounds),
        "plain_per_second": statistics.median(plain for _, plain in rounds),
        "ratio": statistics.median(ours / plain for ours, plain in rounds),
        **percentiles("own", own),
        **percentiles("other_node", across),
        **percentiles("plain", published),
    }


async def catching_up(measured: Measured, settings: NatsSettings, folder: Path, changes: int) -> dict[str, float]:
    """How many changes a second a new node takes from the log, and after how many seconds it is ready; and the same
    with a snapshot, and how long that takes to make."""
    while measured.number < changes:
        await asyncio.gather(*(measured.say() for _ in range(5000)))
    from_log = await begin(measured, NatsBackend(str(folder / "late.db"), settings))
    node_log, began = measured.one._core.log, time.perf_counter()
    snapshots = Snapshots(node_log.engine)
    await measured.one.newest()  # what was said before is applied
    manifest = await asyncio.to_thread(node_log.call, snapshots.make(str(folder / "node0.db")))
    await asyncio.to_thread(node_log.call, snapshots.settle(manifest))
    making = time.perf_counter() - began
    return {
        "catching_up": measured.number / from_log,
        "from_log_s": from_log,
        "making_snapshot_s": making,
        "from_snapshot_s": await begin(measured, NatsBackend(str(folder / "later.db"), settings)),
    }


async def begin(measured: Measured, node: NatsBackend) -> float:
    """Open a node that has nothing. Return after how many seconds it has everything."""
    began = time.perf_counter()
    await asyncio.to_thread(node.open)
    try:
        assert (await node.bounds("lobby")).head == measured.number
        return time.perf_counter() - began
    finally:
        await asyncio.to_thread(node.close)


def main() -> None:
    parser = report.parser(__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each measurement takes (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="how often both are measured (%(default)s)")
    parser.add_argument("--changes", type=int, default=200_000, help="messages that a new node takes (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="a little of everything: the figures mean nothing then")
    flags = parser.parse_args()
    if flags.quick:
        flags.seconds, flags.rounds, flags.changes = 0.2, 1, 1000
    report.show(uvloop.run(measure(flags)), flags)


if __name__ == "__main__":
    main()
