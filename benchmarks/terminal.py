"""How the client in the terminal feels: from its start to its prompt, and from a key to its echo while others talk.

    python -m benchmarks.terminal [--runs 10] [--rate 200] [--seconds 30] [--lines 10000] [--json]

Start: from the start of the process to the prompt on its pty, for who has been there before: `start` until something
can be typed, `in` until the room is there. Echo: while messages arrive at a fixed rate, letters that nobody else uses
are typed, one after another; each is timed until it comes back. Pipe: lines through `natter chat`, all acknowledged.
The server, on a port of its own, and the one that talks share the machine with the client.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import json
import os
import pty
import random
import select
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.client import Ack, connect

ROOT = Path(__file__).parent.parent
LETTERS = "αβγδεζηθικλμνξοπρστυφχψω"
PAUSES = 0.05, 0.2
"""Seconds between two keys, at least and at most."""
LIMIT = 10.0


class Client:
    """A client on a pty of 100 columns and 30 rows."""

    def __init__(self, url: str, home: str) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color", "XDG_STATE_HOME": home, "PYTHONPATH": str(ROOT)}
        self.started = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "app.client", url, "--name", "typist"],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            start_new_session=True,
        )
        os.close(slave)
        self.shown = b""

    def press(self, key: str) -> None:
        os.write(self._master, key.encode())

    def shows(self, text: str) -> float:
        """Wait until something is written that has `text` in it; when it was. What came before it is forgotten."""
        wanted, until = text.encode(), time.perf_counter() + LIMIT
        while wanted not in self.shown:
            if not select.select([self._master], [], [], max(0, until - time.perf_counter()))[0]:
                raise SystemExit(f"the client does not show {text!r} but {self.shown[-500:]!r}")
            self.shown += os.read(self._master, 65536)
        at = time.perf_counter()
        self.shown = self.shown.partition(wanted)[2]
        return at

    def passes(self, seconds: float) -> None:
        """Let time pass, and read what is written meanwhile."""
        until = time.perf_counter() + seconds
        while (left := until - time.perf_counter()) > 0:
            if select.select([self._master], [], [], left)[0]:
                os.read(self._master, 65536)

    def leave(self) -> None:
        self._process.terminate()
        self._process.wait(LIMIT)
        os.close(self._master)


@contextmanager
def server(folder: str) -> Iterator[str]:
    """The address of a server without limits."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "CHAT_STORE": f"{folder}/chat.db", "PORT": str(port), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "app", "-P:chat.limits.rate=0"]
    process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    if not any("Responding at" in line for line in process.stderr):
        raise SystemExit("the server does not start")
    threading.Thread(target=process.stderr.read, daemon=True).start()
    try:
        yield f"ws://127.0.0.1:{port}/chat"
    finally:
        process.terminate()
        process.wait(LIMIT)


def start(url: str, home: str) -> tuple[float, float]:
    """Seconds until there is a prompt, and until the room is there."""
    client = Client(url, home)
    prompt = client.shows(">") - client.started
    there = client.shows("you are in lobby") - client.started
    client.leave()
    return prompt, there


async def talk(url: str, rate: float, ended: threading.Event) -> int:
    """Say something at a fixed rate until it is over; how many messages it were."""
    async with connect(url, name="talker") as chat:
        await chat.join("lobby")
        begun = time.perf_counter()
        said: list[asyncio.Future[Ack]] = []
        while not ended.is_set():
            while len(said) < (time.perf_counter() - begun) * rate:
                said.append(chat.post(f"{len(said)}: the quick brown fox jumps over the lazy dog", room="lobby"))
            await asyncio.sleep(1 / rate)
        await asyncio.gather(*said)
        return len(said)


def echo(url: str, home: str, rate: float, seconds: float) -> tuple[list[float], float]:
    """Milliseconds from each key to its echo, and how many messages a second there really were."""
    client = Client(url, home)
    client.shows("you are in lobby")
    ended, said = threading.Event(), [0]
    talker = threading.Thread(target=lambda: said.append(asyncio.run(talk(url, rate, ended))))
    talker.start()
    client.shows("the lazy dog")
    times, begun = [], time.perf_counter()
    while time.perf_counter() - begun < seconds:
        for letter in LETTERS:
            client.passes(random.uniform(*PAUSES))
            client.shown = b""
            pressed = time.perf_counter()
            client.press(letter)
            times.append(1000 * (client.shows(letter) - pressed))
        client.press("\x15")
        client.passes(PAUSES[1])
    took = time.perf_counter() - begun
    ended.set()
    talker.join()
    client.leave()
    return times, said[-1] / took


def pipe(url: str, home: str, count: int) -> float:
    """Seconds for so many lines through a pipe."""
    lines = "".join(f"line {number}\n" for number in range(count)).encode()
    command = [sys.executable, "-m", "app", "chat", url, "--room", "pipe"]
    begun = time.perf_counter()
    environment = {**os.environ, "XDG_STATE_HOME": home, "PYTHONPATH": str(ROOT)}
    subprocess.run(command, input=lines, env=environment, check=True, capture_output=True)
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--lines", type=int, default=10_000)
    parser.add_argument("--json", action="store_true")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, server(folder) as url:
        starts = [start(url, folder) for _ in range(flags.runs + 1)][1:]  # the first one warms the file cache
        times, rate = echo(url, folder, flags.rate, flags.seconds)
        seconds = pipe(url, folder, flags.lines)
    percentiles = statistics.quantiles(times, n=100)
    figures = {
        "start_seconds": round(statistics.median(prompt for prompt, _ in starts), 3),
        "start_longest_seconds": round(max(prompt for prompt, _ in starts), 3),
        "in_seconds": round(statistics.median(there for _, there in starts), 3),
        "messages_per_second": round(rate),
        "keys": len(times),
        "echo_median_ms": round(statistics.median(times), 1),
        "echo_p99_ms": round(percentiles[98], 1),
        "echo_longest_ms": round(max(times), 1),
        "pipe_lines_per_second": round(flags.lines / seconds),
    }
    print(json.dumps(figures) if flags.json else "\n".join(f"{name:24} {value}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
