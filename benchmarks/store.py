"""What the chat does with its store: acknowledged messages per second, the time until one, and a room with a long past.

    python -m benchmarks.store [--messages 1000000] [--json]

Acknowledgements: 100 clients of `chat.v1.json`, each in a room of its own, over a file with an fsync at every commit;
the server on the first core, the clients on the second. First at a fixed rate of 1,000 messages per second in all, with
delays that count from when a message was due; then each client keeps 16 messages outstanding. The room: `--messages`
messages are written into a new store. The server starts on it, and a client joins, loads the last 50, searches for a
word in most messages, for one in a few and for one in none, and resumes after 10,000 missed messages.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import uvloop

from app.backends.embedded import Embedded
from app.chat.events import Draft
from benchmarks import report
from benchmarks.clients import PADDING, Client, Sender, connect
from benchmarks.servers import natter, serve

CLIENTS = 100
OUTSTANDING = 16
SECONDS = 5.0
RATE = 1000
MISSED = 10_000


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


async def acks(url: str, cpu_seconds: Callable[[], float]) -> dict[str, float]:
    senders = [Sender(number) for number in range(CLIENTS)]
    for sender in senders:
        await sender.connect(url)
    start, count = time.perf_counter() + 0.5, int(SECONDS * RATE / CLIENTS)
    clocks = [Clock(sender) for sender in senders]
    await asyncio.gather(*(clock.send(start + number / RATE, count) for number, clock in enumerate(clocks)))
    delays = sorted(delay for clock in clocks for delay in clock.delays)
    before = sum(sender.acked for sender in senders)
    cpu, began = cpu_seconds(), time.perf_counter()
    for sender in senders:
        sender.start(OUTSTANDING)
    await asyncio.sleep(SECONDS)
    counted = sum(sender.acked for sender in senders) - before
    cpu, elapsed = cpu_seconds() - cpu, time.perf_counter() - began
    for sender in senders:
        sender.client.transport.abort()
    return {
        "acks_per_second": counted / elapsed,
        "acks_per_cpu_second": counted / cpu,
        "ack_p50_ms": 1000 * statistics.median(delays),
        "ack_p99_ms": 1000 * delays[int(len(delays) * 0.99)],
    }


async def write(store: Path, count: int) -> float:
    """Append `count` messages to a room straight through the backend. Return how many per second."""
    backend = Embedded(str(store))
    backend.open()
    user = await backend.create_user(b"benchmark")
    began = time.perf_counter()
    for first in range(0, count, 1000):
        texts = [f"{'seldom' if first % 100_000 == n else 'often'} {PADDING[8:]}" for n in range(1000)]
        await asyncio.gather(
            *(backend.append(Draft("lobby", user, text, f"{first + n:x}", 0)) for n, text in enumerate(texts))
        )
    seconds = time.perf_counter() - began
    backend.close()
    return count / seconds


async def past(url: str) -> dict[str, float]:
    client = await connect(url)
    answer = await client.ask("join", room="lobby")
    figures = {"join_with_50_ms": await milliseconds(20, partial(join_with_50, client))}
    for figure, words in (("search_common_ms", "often"), ("search_rare_ms", "seldom"), ("search_none_ms", "never")):
        figures[figure] = await milliseconds(11, partial(client.ask, "search", room="lobby", words=words))
    began = time.perf_counter()
    await client.ask("join", room="lobby", after=answer["head"] - MISSED)
    for _ in range(MISSED):
        await client.next()
    figures["resume_10000_seconds"] = time.perf_counter() - began
    await client.close()
    return figures


async def join_with_50(client: Client) -> None:
    await client.ask("join", room="lobby")
    answer = await client.ask("history", room="lobby", limit=50)
    assert len(answer["events"]) == 50


async def milliseconds(times: int, action: Callable[[], Awaitable[object]]) -> float:
    """How long an action takes, the median of some times."""
    measured = []
    for _ in range(times):
        began = time.perf_counter()
        await action()
        measured.append(1000 * (time.perf_counter() - began))
    return statistics.median(measured)


def main() -> None:
    parser = report.parser(__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "past.db"
        with serve(natter()) as server:
            figures = uvloop.run(acks(server.ws, server.process.cpu_seconds))
        figures["appends_per_second"] = uvloop.run(write(store, flags.messages))
        with serve(natter(store=store)) as server:
            figures |= {"start_seconds": server.seconds_to_start, **uvloop.run(past(server.ws))}
    report.show({figure: round(value, 3) for figure, value in figures.items()}, flags)


if __name__ == "__main__":
    main()
