"""What happens to a cluster."""

from __future__ import annotations

import asyncio
import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import anyio

from tests.clients import DEADLINE
from tests.cluster.scene import Cluster

DISK = "64m"
"""The size of the disks of nodes if they get full."""


class Undisturbed(Cluster):
    about = "nothing happens"

    async def disturb(self) -> None:
        await asyncio.wait_for(self.wait_for_acks(100), DEADLINE)


class NodeKilled(Cluster):
    about = "a node is killed with `kill -9`, and started again"

    async def disturb(self) -> None:
        node = self.nodes[self.done % len(self.nodes)]
        self.kills += 1
        node.kill()
        await asyncio.to_thread(node.start)


class ServerKilled(Cluster):
    about = "a server is killed with `kill -9`, and started again"
    excused = ("unavailable",)

    async def disturb(self) -> None:
        server = random.choice(self.servers)
        server.kill()
        await asyncio.to_thread(server.start)


class ServerFrozen(Cluster):
    about = "a server is frozen for 5 to 30 s"
    excused = ("unavailable",)

    async def disturb(self) -> None:
        server = self.servers[self.done % len(self.servers)]
        server.freeze()
        await anyio.sleep(self.lasting)
        server.thaw()


class NodeCutOff(Cluster):
    about = "the connections of a node to the servers are cut or frozen for 5 to 30 s"
    excused = ("unavailable",)

    async def disturb(self) -> None:
        node = self.nodes[self.done % len(self.nodes)]
        for relay in node.relays:
            if self.done // len(self.nodes) % 2:
                relay.freeze()
            else:
                relay.cut()
        await anyio.sleep(self.lasting)
        for relay in node.relays:
            relay.mend()


class DiskFull(Cluster):
    about = "the disk of a node is full until a client is told so"
    excused = ("unavailable",)

    async def disturb(self) -> None:
        ballast = self.nodes[self.done % len(self.nodes)].folder / "ballast"
        fill(ballast)
        refusals = self.refusals
        while self.refusals == refusals:
            await asyncio.wait_for(self.wait_for_acks(1), DEADLINE)
        ballast.unlink()

    @contextmanager
    def disk(self, number: int) -> Iterator[Path]:
        with super().disk(number) as folder:
            mounting = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "natter-tests", str(folder)]
            done = subprocess.run(mounting, capture_output=True, text=True, check=False)
            assert not done.returncode, f"a small disk can't be made: {done.stderr.strip()}: run this as root"
            try:
                yield folder
            finally:
                subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(file: Path) -> None:
    """Write zeros to a file until the disk is full."""
    with file.open("wb", buffering=0) as ballast, suppress(OSError):
        while ballast.write(bytes(1 << 16)):
            pass


@dataclass(frozen=True)
class Kind:
    what: type[Cluster]
    times: int
    """How often it happens in `make cluster-faults`."""


KINDS = {
    "node-killed": Kind(NodeKilled, 20),
    "server-killed": Kind(ServerKilled, 20),
    "server-frozen": Kind(ServerFrozen, 10),
    "node-cut-off": Kind(NodeCutOff, 10),
    "disk-full": Kind(DiskFull, 3),
}
"""The kinds of faults."""
