"""What the chat does with its store on: acknowledged messages a second, the time until an ack, a room with a past.

    python -m benchmarks.store [--messages 1000000] [--json]

Acks: 100 clients of `chat.v1.json`, each in a room of its own, over a file with an fsync at every commit; the server on
one core, the clients on another where there are two. First at a fixed rate: 1,000 messages a second over all, an ack's
delay counted from when its message was due. Then in a closed loop: each client has 16 messages outstanding. The room:
that many messages are written into a new store; then the start of the server on it, a join with the last 50, searches
for a word that most messages have, one that few have and one that none has, and a resume of 10,000.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import Any

import uvloop
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_websocket
from websockets.typing import Subprotocol

from app.backends.embedded import Embedded
from app.chat.events import Draft
from benchmarks.client import Client, connect

ROOT = Path(__file__).parent.parent
CLIENTS = 100
OUTSTANDING = 16
SECONDS = 5.0
RATE = 1000
TEXT = "x" * 100
JSON = Subprotocol("chat.v1.json")


class Server:
    """A server process on `store`, on the first core where there are two."""

    def __init__(self, store: Path) -> None:
        environment = {**os.environ, "PORT": "0", "CHAT_STORE": str(store), "PYTHONPATH": str(ROOT)}
        started = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "app", "-P:chat.limits.rate=0"],
            cwd=store.parent,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr
        line = next((line for line in self.process.stderr if "Responding at" in line), None)
        if line is None:
            raise SystemExit("the server did not start")
        self.seconds_to_start = time.perf_counter() - started
        self.url = "ws" + line.split("http")[1].strip() + "/chat"
        if len(cores := sorted(os.sched_getaffinity(0))) > 1:
            os.sched_setaffinity(self.process.pid, cores[:1])
            os.sched_setaffinity(0, cores[1:])
        self.reading = asyncio.get_running_loop().run_in_executor(None, self.process.stderr.read)

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def stop(self) -> None:
        self.process.terminate()
        await self.reading
        self.process.wait()


async def joined(url: str, room: str, **fields: Any) -> tuple[ClientConnection, Any]:
    """A connection that is in `room`, and the answer to its join."""
    client = await connect_websocket(url, subprotocols=[JSON], compression=None, max_size=None, max_queue=None)
    await client.recv()
    await client.send(json.dumps({"t": "join", "room": room, **fields}))
    return client, json.loads(await client.recv())


def message(room: str, cid: str) -> bytes:
    return f'{{"t":"msg","room":"{room}","cid":"{cid}","text":"{TEXT}"}}'.encode()


class Speaker:
    """A client alone in its room, which counts its acks."""

    def __init__(self, number: int) -> None:
        self.room = f"room{number}"
        self.client: Client
        self.sent = self.acked = 0
        self.keeps = 0
        """Messages to keep outstanding; 0 for none."""
        self.due: deque[float] = deque()
        self.answered = asyncio.Event()
        self.delays: list[float] = []

    async def connect(self, url: str) -> None:
        self.client = await connect(url, self.heard, "chat.v1.json")
        self.client.send(json.dumps({"t": "join", "room": self.room}).encode())

    def say(self, count: int) -> None:
        self.client.send(*(message(self.room, f"c{self.sent + number}") for number in range(count)))
        self.sent += count

    def heard(self, data: bytes) -> None:
        """Acks come in the order of the messages; one that two reads cut in two is not counted, so it is looked for
        from its end: the mark is shorter than any frame, and a cut through it is one in thousands."""
        acks = data.count(b'{"t":"ack"')
        self.acked += acks
        if self.due:
            now = time.perf_counter()
            self.delays += [now - self.due.popleft() for _ in range(min(acks, len(self.due)))]
            self.answered.set()
        elif self.keeps and acks:
            self.say(acks)

    async def at_a_rate(self, start: float, count: int) -> None:
        """Say one message every CLIENTS / RATE seconds from `start`, and note how late each ack is."""
        for number in range(count):
            moment = start + number * CLIENTS / RATE
            await asyncio.sleep(moment - time.perf_counter())
            self.due.append(moment)
            self.say(1)


async def acks(folder: Path) -> dict[str, float]:
    server = Server(folder / "acks.db")
    speakers = [Speaker(number) for number in range(CLIENTS)]
    for speaker in speakers:
        await speaker.connect(server.url)
    start = time.perf_counter() + 0.5
    count = int(SECONDS * RATE / CLIENTS)
    await asyncio.gather(*(one.at_a_rate(start + number / RATE, count) for number, one in enumerate(speakers)))
    for speaker in speakers:
        while speaker.due:
            speaker.answered.clear()
            await speaker.answered.wait()
    delays = sorted(delay for speaker in speakers for delay in speaker.delays)
    before = sum(speaker.acked for speaker in speakers)
    cpu, began = server.cpu_seconds(), time.perf_counter()
    for speaker in speakers:
        speaker.keeps = OUTSTANDING
        speaker.say(OUTSTANDING)
    await asyncio.sleep(SECONDS)
    counted = sum(speaker.acked for speaker in speakers) - before
    cpu, elapsed = server.cpu_seconds() - cpu, time.perf_counter() - began
    for speaker in speakers:
        speaker.client.transport.abort()
    await server.stop()
    return {
        "acks_per_second": counted / elapsed,
        "acks_per_cpu_second": counted / cpu,
        "ack_p50_ms": 1000 * statistics.median(delays),
        "ack_p99_ms": 1000 * delays[int(len(delays) * 0.99)],
    }


async def write(store: Path, count: int) -> float:
    """Append `count` messages to a room straight through the backend; the answer is how many a second."""
    backend = Embedded(str(store))
    backend.open()
    user = await backend.create_user(b"benchmark")
    began = time.perf_counter()
    for first in range(0, count, 1000):
        texts = [f"{'seldom' if first % 100_000 == n else 'often'} {TEXT[8:]}" for n in range(1000)]
        await asyncio.gather(
            *(backend.append(Draft("lobby", user, text, f"{first + n:x}", 0)) for n, text in enumerate(texts))
        )
    seconds = time.perf_counter() - began
    backend.close()
    return count / seconds


async def search(client: ClientConnection, words: str) -> float:
    """Milliseconds until the first page of a search, the median of some."""
    times = []
    for _ in range(11):
        began = time.perf_counter()
        await client.send(json.dumps({"t": "search", "room": "lobby", "words": words}))
        await client.recv()
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times)


async def past(folder: Path, count: int) -> dict[str, float]:
    store = folder / "past.db"
    result = {"appends_per_second": await write(store, count)}
    server = Server(store)
    result["start_seconds"] = server.seconds_to_start
    client, answer = await joined(server.url, "lobby")
    joins = []
    for _ in range(20):
        began = time.perf_counter()
        await client.send(json.dumps({"t": "join", "room": "lobby"}))
        await client.send(json.dumps({"t": "history", "room": "lobby", "limit": 50}))
        await client.recv()
        assert len(json.loads(await client.recv())["events"]) == 50
        joins.append(1000 * (time.perf_counter() - began))
    result["join_with_50_ms"] = statistics.median(joins)
    for figure, words in (("search_common_ms", "often"), ("search_rare_ms", "seldom"), ("search_none_ms", "never")):
        result[figure] = await search(client, words)
    began = time.perf_counter()
    await client.send(json.dumps({"t": "join", "room": "lobby", "after": answer["head"] - 10_000}))
    await client.recv()
    for _ in range(10_000):
        await client.recv()
    result["resume_10000_seconds"] = time.perf_counter() - began
    await client.close()
    await server.stop()
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures = {**uvloop.run(acks(folder)), **uvloop.run(past(folder, flags.messages))}
    rounded = {figure: round(value, 3) for figure, value in figures.items()}
    if flags.json:
        print(json.dumps(rounded))
        return
    for figure, value in rounded.items():
        print(f"{figure.replace('_', ' '):24} {value:,}")


if __name__ == "__main__":
    main()
