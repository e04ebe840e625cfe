"""One attack on a fresh server, off and on in turn, with a bystander beside it."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from benchmarks.attacks.attack import Attack
from benchmarks.readers import Bystander, figures
from benchmarks.servers import ROOT, Server

PAUSE = 0.5
"""Seconds after a slice for what is left of the attack."""
SAMPLE = 0.1
"""Seconds between two looks at the server's memory."""
READY = 120.0
MOST_RATIO = 1.5
"""How much longer a bystander's acknowledgement may take, at the 99th percentile."""
MOST_MIB = 1024
"""MiB that the server may take in all."""
MOST_LINES = 21
"""Lines that the log may have in a minute, of one kind and about one address."""
NOT_LOCAL = re.compile(r"(?<![\d.])\d+(?:\.\d+)?(?![\d.])")
STAMP = re.compile(r"^\d{4}-\d\d-\d\d (\d\d:\d\d):\d\d[.,]\d+ ")


@dataclass
class Figures:
    """What an attack did: to the bystander, in milliseconds until an acknowledgement, to the server, to itself."""

    alone: dict[str, float]
    beside: dict[str, float]
    most_alone: float
    most_beside: float
    mib_before: float
    mib: float
    lines: int
    """In the log, in all."""
    most_lines: int
    """In the log in one minute, of one kind and about one address."""
    outcomes: Counter[str] = field(default_factory=Counter)
    problem: str = ""
    """What happened to the bystander that shouldn't."""

    @property
    def ratio(self) -> float:
        return self.beside["p99_ms"] / self.alone["p99_ms"]

    @property
    def verdict(self) -> str:
        """`holds`, or what doesn't."""
        short = [
            self.problem,
            f"p99 × {self.ratio:.1f}" if self.ratio > MOST_RATIO else "",
            f"{self.mib:,.0f} MiB" if self.mib > MOST_MIB else "",
            f"{self.most_lines} lines a minute" if self.most_lines > MOST_LINES else "",
        ]
        return ", ".join(filter(None, short)) or "holds"


async def measure(attack: Attack, server: Server, *, slices: int, seconds: float) -> Figures:
    """Measure an attack on a server that has just started. ConnectionError if the bystander is refused or closed."""
    bystander = Bystander()
    await bystander.connect(server.ws)
    async with attacking(attack, server) as attacker:
        before, most = server.process.resident_kib(), 0
        slots: dict[bool, list[list[float]]] = {False: [], True: []}
        outcomes: Counter[str] = Counter()
        talking = asyncio.create_task(bystander.talk())
        for number in range(2 * slices + 1):
            busy = number % 2 == 1
            bystander.delays = []
            slots[busy].append(bystander.delays)
            if busy:
                attacker.tell("on")
            most = max(most, await _watch(server, seconds))
            bystander.delays = []  # of a pause that doesn't count
            if busy:
                outcomes.update(await attacker.off())
                await asyncio.sleep(PAUSE)
        problem = "" if not talking.done() else "the bystander's connection ended"
        talking.cancel()
        await asyncio.gather(talking, return_exceptions=True)
        try:
            await bystander.leave()
        except (TimeoutError, ConnectionError):
            problem = "a message of the bystander was not acknowledged"
    alone, beside = ([delay for slot in slots[busy] for delay in slot] for busy in (False, True))
    if not beside or not alone:
        problem, beside = "the bystander's messages were not acknowledged", beside or [1000 * seconds]
    lines = server.log.read_text(errors="replace").splitlines()
    return Figures(
        figures(alone or [1000 * seconds]),
        figures(beside),
        max(alone, default=0.0),
        max(beside),
        before / 1024,
        most / 1024,
        len(lines),
        most_lines(lines),
        outcomes,
        problem,
    )


async def _watch(server: Server, seconds: float) -> int:
    """Wait for a slice to end, and return the most KiB that the server took meanwhile."""
    most, end = 0, asyncio.get_running_loop().time() + seconds
    while (left := end - asyncio.get_running_loop().time()) > 0:
        await asyncio.sleep(min(SAMPLE, left))
        most = max(most, server.process.resident_kib())
    return most


def most_lines(lines: list[str]) -> int:
    """Return how many lines of one kind one minute has: the same text but for numbers, with the same address."""
    kinds: Counter[tuple[str, str]] = Counter()
    for line in lines:
        stamp = STAMP.match(line)
        kinds[stamp[1] if stamp else "", NOT_LOCAL.sub("N", line[stamp.end() if stamp else 0 :])] += 1
    return max(kinds.values(), default=0)


class Attacker:
    """The process of an attacker."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin
        assert process.stdout
        self._stdin, self._stdout = process.stdin, process.stdout

    async def ready(self) -> None:
        """Wait until it is prepared. ConnectionError if it has ended."""
        await asyncio.wait_for(self._line(), READY)

    def tell(self, word: str) -> None:
        self._stdin.write(f"{word}\n".encode())

    async def off(self) -> Counter[str]:
        """End the attack; return what happened to the attacker."""
        self.tell("off")
        return Counter(json.loads(await asyncio.wait_for(self._line(), READY)))

    async def _line(self) -> bytes:
        if line := await self._stdout.readline():
            return line
        raise ConnectionError("the attacker's process has ended: see above")


@asynccontextmanager
async def attacking(attack: Attack, server: Server) -> AsyncIterator[Attacker]:
    """Run an attacker's process for the length of a block, and wait until it is prepared."""
    parts = urlsplit(server.ws)
    command = (sys.executable, "-m", "benchmarks.attacks.attacker", attack.name, str(parts.hostname), str(parts.port))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, cwd=ROOT)
    try:
        attacker = Attacker(process)
        await attacker.ready()
        yield attacker
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
