"""What the chat does with its store on: acknowledged messages a second, the time until an ack, a room with a past.

    python -m benchmarks.store [--messages 1000000] [--json]

Acks: 100 clients of `chat.v1.json`, each in a room of its own, over a file with an fsync at every commit; the server on
one core, the clients on another where there are two. First at a fixed rate: 1,000 messages a second over all, an ack's
delay counted from when its message was due. Then in a closed loop: each client has 16 messages outstanding. The room:
that many messages are written into a new store; then the start of the server on it, a join with the last 50, and a
resume of 10,000.
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
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from app.backends.embedded import Embedded
from app.chat.events import Draft

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
            [sys.executable, "-m", "app"], cwd=store.parent, env=environment, stderr=subprocess.PIPE, text=True
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
    client = await connect(url, subprotocols=[JSON], compression=None, max_size=None, max_queue=None)
    await client.recv()
    await client.send(json.dumps({"t": "join", "room": room, **fields}))
    return client, json.loads(await client.recv())


def message(room: str, cid: str) -> str:
    return json.dumps({"t": "msg", "room": room, "cid": cid, "text": TEXT})


async def closed_loop(client: ClientConnection, room: str, end: float) -> int:
    """Keep OUTSTANDING messages on their way until `end`; the answer is how many were acknowledged by then."""
    sent = acked = 0
    while sent < OUTSTANDING:
        await client.send(message(room, f"l{sent}"))
        sent += 1
    async for frame in client:
        if str(frame).startswith('{"t":"ack"'):
            if time.perf_counter() > end:
                break
            acked += 1
            await client.send(message(room, f"l{sent}"))
            sent += 1
    return acked


async def fixed_rate(client: ClientConnection, room: str, start: float, count: int, delays: list[float]) -> None:
    """Send `count` messages, one every CLIENTS / RATE seconds from `start`, and note how late each ack is."""
    due = {f"r{number}": start + number * CLIENTS / RATE for number in range(count)}

    async def send() -> None:
        for cid, moment in due.items():
            await asyncio.sleep(moment - time.perf_counter())
            await client.send(message(room, cid))

    sending = asyncio.create_task(send())
    left = count
    while left:
        frame = str(await client.recv())
        if frame.startswith('{"t":"ack"') and (cid := json.loads(frame)["cid"]) in due:
            delays.append(time.perf_counter() - due[cid])
            left -= 1
    await sending


async def acks(folder: Path) -> dict[str, float]:
    server = Server(folder / "acks.db")
    clients = [(await joined(server.url, f"room{number}"))[0] for number in range(CLIENTS)]
    delays: list[float] = []
    start = time.perf_counter() + 0.5
    per_client = int(SECONDS * RATE / CLIENTS)
    async with asyncio.TaskGroup() as group:
        for number, client in enumerate(clients):
            offset = number / RATE
            group.create_task(fixed_rate(client, f"room{number}", start + offset, per_client, delays))
    cpu, began = server.cpu_seconds(), time.perf_counter()
    counted = await asyncio.gather(
        *(closed_loop(client, f"room{number}", began + SECONDS) for number, client in enumerate(clients))
    )
    cpu, elapsed = server.cpu_seconds() - cpu, time.perf_counter() - began
    await server.stop()
    delays.sort()
    return {
        "acks_per_second": sum(counted) / elapsed,
        "acks_per_cpu_second": sum(counted) / cpu,
        "ack_p50_ms": 1000 * statistics.median(delays),
        "ack_p99_ms": 1000 * delays[int(len(delays) * 0.99)],
    }


async def write(store: Path, count: int) -> float:
    """Append `count` messages to a room straight through the backend; the answer is how many a second."""
    backend = Embedded(str(store))
    backend.open()
    user = await backend.enlist(b"benchmark")
    began = time.perf_counter()
    for first in range(0, count, 1000):
        await asyncio.gather(*(backend.append(Draft("lobby", user, TEXT, f"{first + n:x}", 0)) for n in range(1000)))
    seconds = time.perf_counter() - began
    backend.close()
    return count / seconds


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
        figures = {**asyncio.run(acks(folder)), **asyncio.run(past(folder, flags.messages))}
    rounded = {figure: round(value, 3) for figure, value in figures.items()}
    if flags.json:
        print(json.dumps(rounded))
        return
    for figure, value in rounded.items():
        print(f"{figure.replace('_', ' '):24} {value:,}")


if __name__ == "__main__":
    main()
