"""Acknowledgements: how many per second and per CPU second, and how late; of one build, or of two that take turns."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import uvloop

from benchmarks.clients import Sender
from benchmarks.guard import scenes
from benchmarks.guard.builds import of_commit, of_working_tree
from benchmarks.guard.rows import Pair, Row, Verdict
from benchmarks.guard.scenes import DEADLINE, LEAST_CPU, OUTSTANDING, Round, in_turn
from benchmarks.report import say
from benchmarks.servers import Server

CLIENTS = 100
RATE = 1000
"""Messages per second, of all clients."""
PAUSE = 0.02
"""Seconds between two messages of a client that is alone on the server."""
GOALS = (
    Row("acks", "acknowledged messages per CPU second, 100 clients", least=1.5),
    Row("ack-idle", "ms to the acknowledgement when idle, median", cost=True, most=0.8),
)
"""What is compared with an older build, and how much better it should be."""


class Clock:
    """Lets a client send on time, and notes how late each acknowledgement is."""

    def __init__(self, sender: Sender) -> None:
        self.delays: list[float] = []
        self._sender, self._due = sender, deque[float]()

    async def send(self, start: float, count: int) -> None:
        """Send a message every CLIENTS / RATE seconds from `start`."""
        self._sender.on_acks = self._note
        for number in range(count):
            moment = start + number * CLIENTS / RATE
            await asyncio.sleep(moment - time.perf_counter())
            self._due.append(moment)
            self._sender.send(1)
        await self._sender.finish()
        self._sender.on_acks = self._sender.refill

    def _note(self, acks: int) -> None:
        now = time.perf_counter()
        self.delays += [now - self._due.popleft() for _ in range(acks)]


async def acks(url: str, cpu_seconds: Callable[[], float], seconds: float) -> dict[str, float]:
    """The figures of one server: of one client alone, at a fixed rate, and with many messages outstanding."""
    senders = [Sender(number) for number in range(CLIENTS)]
    for sender in senders:
        await sender.connect(url)
    when_idle = await one_at_a_time(senders[0], seconds)
    start, count = time.perf_counter() + 0.5, int(seconds * RATE / CLIENTS)
    clocks = [Clock(sender) for sender in senders]
    await asyncio.gather(*(clock.send(start + number / RATE, count) for number, clock in enumerate(clocks)))
    delays = sorted(delay for clock in clocks for delay in clock.delays)
    before = sum(sender.acked for sender in senders)
    cpu, began = cpu_seconds(), time.perf_counter()
    for sender in senders:
        sender.start(OUTSTANDING)
    await asyncio.sleep(seconds)
    counted = sum(sender.acked for sender in senders) - before
    cpu, elapsed = cpu_seconds() - cpu, time.perf_counter() - began
    for sender in senders:
        sender.client.transport.abort()
    return {
        "acks_per_second": counted / elapsed,
        "acks_per_cpu_second": counted / max(cpu, LEAST_CPU),
        "ack_p50_ms": 1000 * statistics.median(delays),
        "ack_p99_ms": 1000 * delays[int(len(delays) * 0.99)],
        "idle_ack_p50_ms": statistics.median(when_idle),
    }


async def one_at_a_time(sender: Sender, seconds: float) -> list[float]:
    """Send a message, wait for its acknowledgement, pause, and so on. Return the milliseconds until each."""
    loop, delays, end = asyncio.get_running_loop(), list[float](), time.perf_counter() + seconds
    acked: asyncio.Future[float]
    sender.on_acks = lambda _: acked.set_result(time.perf_counter())
    while not delays or time.perf_counter() < end:
        acked, began = loop.create_future(), time.perf_counter()
        sender.send(1)
        delays.append(1000 * (await asyncio.wait_for(acked, DEADLINE) - began))
        await asyncio.sleep(PAUSE)
    sender.on_acks = sender.refill
    return delays


def compare(commit: str, rounds: int, scale: scenes.Scale, cache: Path) -> list[Verdict]:
    """Compare the working tree with an older build, which take turns. BuildError, StartError or LoadError if that isn't
    possible."""
    pairs: dict[str, list[Pair]] = {row.name: [] for row in GOALS}
    with tempfile.TemporaryDirectory() as folder, of_working_tree(cache) as new:
        builds = of_commit(commit, cache), new
        for number in range(rounds):
            round_ = Round(number, builds, frozenset(pairs), scale, Path(folder))
            for name, pair in (scenes.acks(round_) | idle(round_)).items():
                pairs[name].append(pair)
            say(
                f"round {number + 1} of {rounds}: "
                + ", ".join(f"{name} {some[-1].ratio:.3f}" for name, some in pairs.items())
            )
    return [Verdict(row, pairs[row.name]) for row in GOALS]


def idle(round_: Round) -> dict[str, Pair]:
    """Send from one client, which waits for each acknowledgement."""
    with round_.both() as servers:
        return {"ack-idle": uvloop.run(send_alone(round_.scale, servers))}


async def send_alone(scale: scenes.Scale, servers: Sequence[Server]) -> Pair:
    senders = [Sender(number) for number, _ in enumerate(servers)]
    for sender, server in zip(senders, servers, strict=True):
        await sender.connect(server.ws)

    async def delay(index: int) -> float:
        await one_at_a_time(senders[index], scale.warm)
        return statistics.median(await one_at_a_time(senders[index], 2 * scale.seconds))

    pair = await in_turn(scale.turns, delay)
    for sender in senders:
        sender.client.transport.abort()
    return pair
