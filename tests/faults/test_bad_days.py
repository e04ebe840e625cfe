"""What happens to a server on bad days, while clients use it: nothing is lost, doubled, reordered or leaked."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

import pytest

from app.testing import test_application
from benchmarks.ports import free_port
from tests.clients import DEADLINE, ROOT
from tests.conftest import need
from tests.nats.relay import Relay
from tests.test_kill import KILLS, Chat, keeps_its_promises

HALF_OPEN = 50
"""Handshakes that begin and don't go on, each time."""
STRANGER = "127.0.0.2"
"""Where they come from: what one address may do is limited."""
CUTS = 200
"""Connections that are cut off at a random byte."""
MOST_BYTES = 20_000
"""The most bytes of a connection that go through in either direction until it is cut off."""
BACKUPS = 20
"""Backups and imports that are killed."""
FILL = 3000
"""Messages in the store that is backed up."""
FAILING = ["fdatasync:error=EIO:when=3+5", "pwrite64:error=ENOSPC:when=9+70", "pwrite64:error=EDQUOT:when=5+90"]
"""Errors of system calls: the first call that fails, and of how many others one fails. A transaction of SQLite writes
some dozens of times, and has to succeed now and then."""


class Stopped(Chat):
    """A server that is stopped for as long as many clients begin to connect, and goes on then."""

    async def disturb(self) -> None:
        self.server.started.send_signal(signal.SIGSTOP)
        for number in range(HALF_OPEN):
            with socket.socket() as half, suppress(OSError):  # the backlog of a stopped server may be full
                half.setblocking(False)
                half.bind((STRANGER, 0))
                half.connect_ex(("127.0.0.1", self.port))
                half.send(b"GET /chat HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"[: number * 2])
        self.server.started.send_signal(signal.SIGCONT)


class Signalled(Chat):
    """A server that gets signals under load, and sometimes a second one before it has ended."""

    async def disturb(self) -> None:
        if random.random() < 0.3:
            asyncio.get_running_loop().call_soon(self.server.started.send_signal, signal.SIGTERM)
        await self.restart(random.choice([signal.SIGTERM, signal.SIGINT, signal.SIGHUP]))


class Jumping(Chat):
    """A server whose clock jumps, and that is killed."""

    def command(self) -> str:
        return f"{sys.executable} -m tests.faults.jumping"


class Failing(Chat):
    """A server for which some system calls fail now and then."""

    reliable = False
    failures = ""

    async def disturb(self) -> None:
        command = [need("strace"), "-f", "-qq", "-o", "/dev/null", "-p", str(self.server.started.pid)]
        strace = await asyncio.create_subprocess_exec(*command, "-e", f"inject={self.failures}")
        try:
            await asyncio.wait_for(self.wait_for_acks(random.randint(5, 20)), DEADLINE)
        finally:
            strace.send_signal(signal.SIGINT)  # which lets the server go on without it
            await strace.wait()


class Cut(Chat):
    """A server behind a relay that cuts connections off."""

    reliable = False
    relay: Relay

    async def disturb(self) -> None:
        before = self.relay.used_up
        while self.relay.used_up < min(before + CUTS // KILLS, CUTS):
            await self.wait_for_acks(1)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        def allowed() -> int:
            return random.randint(1, MOST_BYTES) if self.relay.used_up < CUTS else sys.maxsize

        self.way_in = free_port()
        self.relay = Relay(self.way_in, [self.port], allowed)
        with self.relay:
            yield


@pytest.mark.slow("faults")
@pytest.mark.parametrize("kind", [Stopped, Signalled, Jumping])
def test_a_disturbed_server_keeps_its_promises(kind: type[Chat], tmp_path: Path) -> None:
    chat = kind(tmp_path / "chat.db")
    clients, _ = keeps_its_promises(chat)
    assert chat.acks >= 200
    assert all(client.whispers for client in clients)


@pytest.mark.slow("faults")
@pytest.mark.parametrize("failures", FAILING)
def test_a_server_whose_system_calls_fail_keeps_its_promises(failures: str, tmp_path: Path) -> None:
    chat = type("Failing", (Failing,), {"failures": failures})(tmp_path / "chat.db")
    clients, _ = keeps_its_promises(chat)
    assert chat.acks >= 200
    assert any(client.retries for client in clients), "something must have failed"


@pytest.mark.slow("faults")
def test_connections_that_are_cut_off_at_any_byte_lose_nothing(tmp_path: Path) -> None:
    chat = Cut(tmp_path / "chat.db")
    clients, _ = keeps_its_promises(chat)
    assert chat.relay.used_up >= CUTS
    assert any(client.duplicates for client in clients)


@pytest.mark.slow("faults")
def test_a_backup_or_an_import_that_is_killed_harms_nothing(tmp_path: Path) -> None:
    store, copy, export = tmp_path / "chat.db", tmp_path / "copy.db", tmp_path / "export"
    with test_application(store=store) as chat:
        ann = chat.join("ann")
        for number in range(FILL):
            ann.send(
                json.dumps({"t": "msg", "room": "lobby", "cid": f"c{number}", "text": f"text {number} " + "x" * 500})
            )
        ann.say("last")
        for _ in range(BACKUPS):
            killed("backup", store, copy)
            assert not copy.exists(), "it has its name only once it is whole"
            ann.say("goes on")
        natter("backup", store, str(copy))
    assert texts(copy) == texts(store)
    assert sum(file.name.startswith(".") for file in tmp_path.iterdir()) <= 1, "each removes what the last one left"
    export.write_bytes(natter("export", store))
    for number in range(BACKUPS):
        other = tmp_path / f"other-{number}.db"
        killed("import", other, export)
        with closing(sqlite3.connect(other)) as connection:
            tables = connection.execute("SELECT name FROM sqlite_schema WHERE name = 'events'").fetchall()
            (there,) = connection.execute("SELECT count(*) FROM events").fetchone() if tables else (0,)
        if not there:  # otherwise it was faster
            natter("import", other, str(export))
        assert texts(other) == texts(store)
        for file in tmp_path.glob("other-*"):
            file.unlink()


def natter(name: str, store: Path, *arguments: str) -> bytes:
    command = [sys.executable, "-m", "app", name, *arguments, f"-P:chat.store={store}"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=DEADLINE).stdout


def killed(name: str, store: Path, file: Path) -> None:
    """Run a subcommand, and kill it as soon as it has written something, or a little later."""
    folder, before = file.parent if name == "backup" else store.parent, None
    command = [sys.executable, "-m", "app", name, str(file), f"-P:chat.store={store}"]
    before = {path.name for path in folder.iterdir()}
    with subprocess.Popen(command, cwd=ROOT) as started:
        while {path.name for path in folder.iterdir()} <= before and started.poll() is None:
            pass
        for _ in range(random.randint(0, 2000)):
            shutil.disk_usage(folder)
        started.kill()
    if name == "backup":
        file.unlink(missing_ok=True)  # it was faster


def texts(store: Path) -> list[str]:
    with closing(sqlite3.connect(store)) as connection:
        return [text for (text,) in connection.execute("SELECT text FROM events ORDER BY pos")]
