"""The power goes out at random moments: nothing that was acknowledged is lost, and nothing deleted comes back.

A server runs under `strace`, which records what it writes and sends. The test then builds folders as a disk could have
them if the power had gone out at some moment of the recording, and opens each as a store.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sqlite3
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from msgspec import MsgspecError
from msgspec.structs import replace

from app.backends import StoreError, Unavailable
from app.backends.embedded import Embedded
from app.chat.events import Draft, User
from tests.clients import Served
from tests.conftest import need
from tests.faults.promises import Contents, Plans, check, missing_in_search, read, traces
from tests.faults.recording import STRACE, Recording
from tests.faults.traffic import talk

RECORDINGS = 4
"""The first starts without a store, the others with what a power loss has left of the recording before."""
LOSSES = 50
"""Power losses in each recording."""
STAGES = [20, 60, 20]
"""How many of 100 power losses come while the server starts, while clients talk, and while it stops."""
SERVERS = ["tests.faults.hurried", "app"]
"""The modules that are run as servers, in turn."""
SEARCHED = 10
"""After one of so many power losses, everything is searched for as well."""
CARELESS = 10
"""Power losses that are repeated as if no `fsync` had done anything: then something must be lost."""
STORE = "chat.db"


@dataclass(slots=True)
class History:
    """What came before a recording: what clients sent, the frames they were told, and the files that are left."""

    plans: Plans = field(default_factory=Plans)
    told: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class Recorded:
    """A recording, and what came before it."""

    trace: Path
    folder: Path
    before: History
    plans: Plans

    def replay(self) -> Recording:
        return Recording(self.trace, self.folder, self.before.files)

    def told(self, recording: Recording, at: int) -> list[tuple[str, Mapping[str, Any]]]:
        """The frames that clients were told by the entry `at`."""
        names = {
            told.connection: self.plans.tokens[told.frame["token"]]
            for told in recording.told
            if told.frame["t"] == "welcome"
        }
        return [
            *self.before.told,
            *((names[told.connection], told.frame) for told in recording.told if told.at <= at),
        ]


def record(folder: Path, before: History, chance: random.Random, name: str, module: str) -> Recorded:
    """Record a server with clients, on the files that are left."""
    folder.mkdir()
    trace, plans = folder.with_suffix(".strace"), before.plans
    write(folder, before.files)
    command = f"{STRACE.replace('strace', need('strace'), 1)} {trace} {sys.executable} -m {module}"
    flags = "-P:chat.limits.rate=0"
    server = Served(flags, cwd=folder, environment={"CHAT_STORE": str(folder.resolve() / STORE)}, command=command)
    try:
        asyncio.run(talk(server.port, plans, chance, name))
        assert server.stop() == 0, server.log
    finally:
        server.kill()
    assert "Traceback" not in "\n".join(server.log), server.log
    return Recorded(trace, folder, before, plans)


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).write_bytes(content)


def examine(
    files: Mapping[str, bytes], folder: Path, recorded: Recorded, told: Sequence[Any], *, searched: bool = False
) -> list[str]:
    """Open a store in a new `folder`, and return what is wrong with it. If `searched`, search for everything in it."""
    folder.mkdir()
    write(folder, files)
    path = folder / STORE
    store, found = Embedded(str(path)), Contents()
    try:
        store.open()
        found = asyncio.run(read(store, recorded.plans))
        violations = check(recorded.plans, told, found)
        if not violations and searched:
            violations = asyncio.run(missing_in_search(store, found))
        if not violations:
            violations = asyncio.run(go_on(store, recorded.plans, told, found.users))
    except (StoreError, Unavailable, MsgspecError) as error:
        violations = [f"damaged: {error}"]
    finally:
        store.close()
    if not violations:
        violations = traces(recorded.plans, found, [file.read_bytes() for file in folder.iterdir()])
    if not violations:
        try:
            with closing(sqlite3.connect(path)) as connection:
                (state,) = connection.execute("PRAGMA integrity_check").fetchone()
        except sqlite3.DatabaseError as error:
            state = str(error)
        violations = [] if state == "ok" else [f"damaged: {state}"]
    shutil.rmtree(folder)
    return violations


async def go_on(store: Embedded, plans: Plans, told: Sequence[Any], users: Mapping[str, int]) -> list[str]:
    """Send the last acknowledged message again, and a new one after it, and return what is wrong with that."""
    acks = [(client, frame) for client, frame in told if frame["t"] == "ack"]
    if not acks:
        return []
    client, ack = acks[-1]
    message, (name,) = plans.said[ack["cid"]], [token for token, owner in plans.tokens.items() if owner == client]
    draft = Draft(message.room, User(users[name], client), message.text, "again", 1, message.cid)
    again = await store.append(draft)
    new = await store.append(replace(draft, text="new", id="new", cid="new"))
    head = max(frame["seq"] for _, frame in acks if plans.said[frame["cid"]].room == message.room)
    violations = [] if again.duplicate and again.event.seq == ack["seq"] else [f"doubled: {message.cid}, sent again"]
    return violations if new.event.seq > head else [*violations, f"reordered: {new.event.seq} after {head}"]


@pytest.fixture
def images(tmp_path: Path) -> Iterator[Path]:
    """A folder for the images: in memory if there is one, since hundreds of stores are opened and closed there."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else tmp_path) as folder:
        yield Path(folder)


@pytest.mark.slow("faults")
def test_no_power_loss_takes_what_was_acknowledged(tmp_path: Path, images: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    before = History()
    for number in range(RECORDINGS):
        chance, module = random.Random(f"{seed} {number}"), SERVERS[number % len(SERVERS)]
        recorded = record(tmp_path / str(number), before, chance, "abcdefgh"[number], module)
        recording = recorded.replay()
        found = 0
        for loss in range(LOSSES):
            chance = random.Random(f"{seed} {number} {loss}")
            at = chance.choice(chance.choices(recording.stages(), STAGES)[0])
            files, told = recording.folder.image(at, chance), recorded.told(recording, at)
            violations = examine(files, images / "image", recorded, told, searched=loss % SEARCHED == 0)
            assert not violations, (
                f"seed {seed}, power loss {loss} at entry {at} of {recorded.trace}",
                violations[:20],
            )
            if loss < CARELESS:
                careless = recording.folder.image(at, chance, ignore_syncs=True)
                found += bool(told and examine(careless, images / "careless", recorded, told))
            before = History(recorded.plans, told, files)
        assert found, "a server that writes nothing safely was not found out"
