"""How responsive the terminal client is: from its start to its prompt, and from a key to its echo while others talk.

    python -m benchmarks.terminal [--runs 10] [--rate 200] [--seconds 30] [--lines 10000] [--json]

Start: from the start of the process, on a pty and for a returning user, to the prompt (`start`) and to the room (`in`).
Echo: while messages arrive at a fixed rate, letters that nobody else uses are typed, one after another, and each is
timed until it is shown. Pipe: lines through `natter chat`, all acknowledged. The server and the client that talks share
the machine with the measured one.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import random
import select
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time

from app.client import Ack, connect
from benchmarks import report
from benchmarks.servers import ROOT, natter, serve

LETTERS = "αβγδεζηθικλμνξοπρστυφχψω"
PAUSES = 0.05, 0.2
"""Seconds between two keys, at least and at most."""
LIMIT = 10.0
JOINED = "You're in lobby"
"""What the client shows once it has joined."""


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
        """Wait until the client shows `text`, and forget what it showed before. Return the time."""
        wanted, until = text.encode(), time.perf_counter() + LIMIT
        while wanted not in self.shown:
            if not select.select([self._master], [], [], max(0, until - time.perf_counter()))[0]:
                raise SystemExit(f"the client does not show {text!r}; it shows {self.shown[-500:]!r}")
            self.shown += os.read(self._master, 65536)
        at = time.perf_counter()
        self.shown = self.shown.partition(wanted)[2]
        return at

    def wait(self, seconds: float) -> None:
        """Let time pass, and discard what the client shows meanwhile."""
        until = time.perf_counter() + seconds
        while (left := until - time.perf_counter()) > 0:
            if select.select([self._master], [], [], left)[0]:
                os.read(self._master, 65536)

    def end(self) -> None:
        self._process.terminate()
        self._process.wait(LIMIT)
        os.close(self._master)


def start(url: str, home: str) -> tuple[float, float]:
    """Seconds until the client shows its prompt, and until it is in the room."""
    client = Client(url, home)
    prompt = client.shows(">") - client.started
    joined = client.shows(JOINED) - client.started
    client.end()
    return prompt, joined


async def talk(url: str, rate: float, ended: threading.Event) -> int:
    """Send messages at a fixed rate until `ended`. Return how many."""
    async with connect(url, name="talker") as chat:
        await chat.join("lobby")
        began = time.perf_counter()
        sent: list[asyncio.Future[Ack]] = []
        while not ended.is_set():
            while len(sent) < (time.perf_counter() - began) * rate:
                sent.append(chat.post(f"{len(sent)}: the quick brown fox jumps over the lazy dog", room="lobby"))
            await asyncio.sleep(1 / rate)
        await asyncio.gather(*sent)
        return len(sent)


def echo(url: str, home: str, rate: float, seconds: float) -> tuple[list[float], float]:
    """Milliseconds from each key to its echo, and the messages per second that were really sent."""
    client = Client(url, home)
    client.shows(JOINED)
    ended, sent = threading.Event(), [0]
    talker = threading.Thread(target=lambda: sent.append(asyncio.run(talk(url, rate, ended))))
    talker.start()
    client.shows("the lazy dog")
    times, began = [], time.perf_counter()
    while time.perf_counter() - began < seconds:
        for letter in LETTERS:
            client.wait(random.uniform(*PAUSES))
            client.shown = b""
            pressed = time.perf_counter()
            client.press(letter)
            times.append(1000 * (client.shows(letter) - pressed))
        client.press("\x15")
        client.wait(PAUSES[1])
    took = time.perf_counter() - began
    ended.set()
    talker.join()
    client.end()
    return times, sent[-1] / took


def pipe(url: str, home: str, count: int) -> float:
    """Seconds that `count` lines take through a pipe."""
    lines = "".join(f"line {number}\n" for number in range(count)).encode()
    command = [sys.executable, "-m", "app", "chat", url, "--room", "pipe"]
    began = time.perf_counter()
    environment = {**os.environ, "XDG_STATE_HOME": home, "PYTHONPATH": str(ROOT)}
    subprocess.run(command, input=lines, env=environment, check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    parser = report.parser(__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--lines", type=int, default=10_000)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, serve(natter(), pinned=False) as server:
        starts = [start(server.ws, folder) for _ in range(flags.runs + 1)][1:]  # the first one warms the file cache
        times, rate = echo(server.ws, folder, flags.rate, flags.seconds)
        seconds = pipe(server.ws, folder, flags.lines)
    percentiles = statistics.quantiles(times, n=100)
    figures = {
        "start_seconds": round(statistics.median(prompt for prompt, _ in starts), 3),
        "start_longest_seconds": round(max(prompt for prompt, _ in starts), 3),
        "in_seconds": round(statistics.median(joined for _, joined in starts), 3),
        "messages_per_second": round(rate),
        "keys": len(times),
        "echo_median_ms": round(statistics.median(times), 1),
        "echo_p99_ms": round(percentiles[98], 1),
        "echo_longest_ms": round(max(times), 1),
        "pipe_lines_per_second": round(flags.lines / seconds),
    }
    report.show(figures, flags)


if __name__ == "__main__":
    main()
