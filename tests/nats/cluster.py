"""A cluster for trying out, in one command: three NATS servers, and two nodes behind a balancer, on loopback.

    python -m tests.nats.cluster

The balancer listens on port 8080, or on $PORT. A node that ends is started again. Ctrl+C ends everything, and nothing
is kept.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

from app.backends.nats.settings import NatsSettings
from tests.clients import ROOT
from tests.nats.relay import Relay
from tests.nats.servers import flags, free_ports, running

NODES = 2


class Node:
    """A node that is started again when it ends."""

    def __init__(self, number: int, port: int, settings: NatsSettings, folder: Path) -> None:
        self.name, self.port, self.folder = f"node {number}", port, folder
        self._flags = [*flags(settings), f"-port={port}", "-host=127.0.0.1", "-P:chat.store=chat.db"]
        self._process: subprocess.Popen[str] | None = None
        self._ready, self._stopping = Event(), False
        self._thread = Thread(target=self._run, name=self.name, daemon=True)

    def start(self) -> None:
        """Start it, and wait until it takes connections. SystemExit if it doesn't start."""
        self.folder.mkdir()
        self._thread.start()
        self._ready.wait()
        if not self._thread.is_alive():
            raise SystemExit(f"{self.name} did not start")

    def stop(self) -> None:
        """End it as an operator does."""
        self._stopping = True
        if self._process:
            self._process.terminate()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping:
            started = False
            self._process = subprocess.Popen(
                [sys.executable, "-m", "app", *self._flags],
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,  # Ctrl+C is for this program, which ends everything in order
            )
            assert self._process.stderr
            with self._process.stderr as lines:
                for line in lines:
                    say(f"{self.name}: {line.rstrip()}")
                    if not started and "Responding at" in line:
                        started = True
                        say(f"{self.name} is at http://127.0.0.1:{self.port}, as process {self._process.pid}")
                        self._ready.set()
            code = self._process.wait()
            say(f"{self.name} has ended with code {code}")
            if not started:
                break
        self._ready.set()


def say(line: str) -> None:
    """Print a line at once, whole."""
    sys.stderr.write(f"{line}\n")


def main() -> None:
    port, over = int(os.environ.get("PORT") or 8080), Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="natter-cluster-")))
        say("Starting three NATS servers and two nodes; this takes some seconds")
        servers = stack.enter_context(running(folder / "servers", 3))
        settings = servers.settings()
        nodes = [Node(i + 1, at, settings, folder / f"node{i + 1}") for i, at in enumerate(free_ports(NODES))]
        for node in nodes:
            stack.callback(node.stop)
            node.start()
        try:
            stack.enter_context(Relay(port, [node.port for node in nodes]))
        except OSError:
            raise SystemExit(f"port {port}: it is taken: choose another one (PORT=9090 make cluster)") from None
        say(f"Open http://127.0.0.1:{port} in several windows: each may be on another node. Ctrl+C ends everything")
        over.wait()
        say("Ending")


if __name__ == "__main__":
    main()
