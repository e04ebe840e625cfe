"""Deleted, overwritten and trimmed texts leave the files to the last byte, and the index keeps up by itself."""

from __future__ import annotations

import random
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from threading import Event as Flag

import anyio
import pytest

from app.backends import applying, outage, storefile, upkeep
from app.backends.embedded import Embedded
from app.backends.schema import APPLICATION_ID, MIGRATIONS
from app.backends.statements import purging
from app.backends.storefile import StoreFile
from app.chat.events import Detail, Draft, Event, Kind
from tests.backends.test_embedded import AUTHOR, draft, opened, soon, until
from tests.clients import DEADLINE
from tests.contracts.helpers import search

FAR = 2**62
pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def soon_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "IDLE_DELAY", 0.1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def word(number: int) -> str:
    return sha256(str(number).encode()).hexdigest()[:14]


def remain(directory: Path, *words: str) -> list[str]:
    """Return those of `words` that are in a file. The first letters don't count: the index leaves out what a word
    shares with the one before it."""
    files = [file.read_bytes() for file in directory.iterdir()]
    return [word for word in words if any(word[4:].encode() in data for data in files)]


async def say(backend: Embedded, text: str) -> Event:
    return (await soon(backend.append(draft(text)))).event


async def change(backend: Embedded, kind: str, of: int, text: str = "") -> Event:
    drafted = Draft("room", AUTHOR, text, id=f"{kind} {of}", at=0, kind=kind, of=of)
    return (await soon(backend.append(drafted))).event


async def indexed(backend: Embedded, text: str) -> bool:
    return bool(await search(backend, "room", text, before=FAR, limit=1))


async def cleared(backend: Embedded) -> None:
    """Wait until the store has purged what was deleted. Its search process gives way to everything else."""
    with anyio.fail_after(5 * DEADLINE):
        while await backend._read(purging.pending):  # noqa: ASYNC110
            await anyio.sleep(0.01)


async def said_and_changed(backend: Embedded) -> None:
    """Edit and delete messages, some of them indexed and some not, and trim one."""
    first = await say(backend, word(1))
    said = [await say(backend, word(number)) for number in (2, 3)]
    assert await indexed(backend, word(1))
    said += [await say(backend, word(number)) for number in (4, 5)]
    for event in said[::2]:
        await change(backend, Kind.EDIT, event.seq, "kept")
    for event in said[1::2]:
        await change(backend, Kind.DELETE, event.seq)
    assert await soon(backend.trim("room", keep=8, since=0, limit=10)) == 1
    assert (await soon(backend.bounds("room"))).trimmed == first.seq


WORDS = [word(number) for number in range(1, 6)]


async def test_an_idle_store_clears_its_files(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "PURGE_INTERVAL", 0.0)  # it may purge in between, when it is idle for a moment
    with opened(path) as backend:
        await said_and_changed(backend)
        await cleared(backend)
        assert remain(path.parent, *WORDS, "----kept") == ["----kept"]


async def test_a_store_that_is_closed_has_cleared_its_files(path: Path) -> None:
    with opened(path) as backend:
        await said_and_changed(backend)
    assert remain(path.parent, *WORDS, "----kept") == ["----kept"]


async def test_what_was_replaced_or_belonged_to_what_is_gone_is_cleared(path: Path) -> None:
    with opened(path) as backend:
        first, second = [await say(backend, word(number)) for number in (1, 2)]
        for number in (3, 4, 5):
            await change(backend, Kind.EDIT, second.seq, word(number))
        await change(backend, Kind.EDIT, first.seq, word(6))
        topic = await soon(backend.append(Draft("room", AUTHOR, word(7), id="topic", at=0, kind=Kind.TOPIC)))
        ban = Draft("room", AUTHOR, word(8), id="ban", at=0, kind=Kind.BAN, detail=Detail(whom=AUTHOR))
        banned = await soon(backend.append(ban))
        for event, what in ((topic.event, "topic"), (banned.event, "why")):
            deletion = Draft("room", AUTHOR, "", what, 0, kind=Kind.DELETE, of=event.seq, detail=Detail(what=what))
            await soon(backend.append(deletion))
        await soon(backend.trim("room", keep=9, since=0, limit=1))
    assert remain(path.parent, *(word(number) for number in range(1, 9))) == [word(5)]


async def test_an_upgrade_clears_what_an_older_version_kept_of_edits(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript("".join(MIGRATIONS[:3]) + "PRAGMA user_version = 3;")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("INSERT INTO meta VALUES ('epoch', 'abcd')")
        rows = [
            (1, word(3), "msg", 0, '{"edited":true}'),
            (2, word(2), "edit", 1, ""),
            (3, word(3), "edit", 1, ""),
            (4, word(4), "edit", 77, ""),
        ]
        for seq, text, kind, of, detail in rows:
            row = (seq, "room", seq, f"id{seq}", 0, 1, "user0", text, "", kind, of, detail)
            connection.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    with opened(path) as backend:
        events = await soon(backend.read("room", after=0, limit=9))
        assert [event.text for event in events] == [word(3), "", word(3), ""]
    path.with_name(f"{path.name}.before-v{len(MIGRATIONS)}").unlink()
    assert remain(path.parent, *(word(number) for number in (2, 3, 4))) == [word(3)]


async def test_a_state_that_was_kept_alone_is_cleared_when_it_is_replaced(path: Path) -> None:
    with opened(path) as backend:
        for text in (word(1), "----kept"):
            await soon(backend.append(Draft("room", AUTHOR, text, id=text, at=0, kind=Kind.TOPIC)))
            await soon(backend.trim("room", keep=0, since=FAR, limit=10))
            assert remain(path.parent, text) == [text]
        assert [event.text for event in await soon(backend.state("room"))] == ["----kept"]
    assert remain(path.parent, word(1), "----kept") == ["----kept"]


async def test_a_crash_does_not_forget_what_is_to_be_cleared(
    path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashed = tmp_path_factory.mktemp("crashed")
    with opened(path) as backend:
        said = await say(backend, word(1))
        assert await indexed(backend, word(1))
        monkeypatch.setattr(applying, "DELAY", 3600.0)  # the deletion is in the journal, and nothing moves any more
        await soon(backend.append(Draft("room", AUTHOR, "", id="id", at=0, kind=Kind.DELETE, of=said.seq)))
        for file in path.parent.iterdir():
            shutil.copy(file, crashed)
    assert remain(crashed, word(1)) == [word(1)]
    with opened(crashed / path.name) as backend:
        await cleared(backend)
    assert remain(crashed, word(1)) == []


async def test_purges_are_rare_in_a_busy_store(path: Path) -> None:
    with opened(path) as backend:
        for number in range(2):
            said = await say(backend, word(number))
            await change(backend, Kind.DELETE, said.seq)
            if number == 0:
                await cleared(backend)
        assert remain(path.parent, word(0), word(1)) == [word(1)]
        assert await soon(backend._read(purging.pending))
    assert remain(path.parent, word(0), word(1)) == []


async def test_a_file_is_cleared_in_small_steps(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is deleted while one of them is under way is cleared as well."""
    steps: list[int | None] = []
    clear = StoreFile.scrub

    def watched(file: StoreFile, connection: sqlite3.Connection, first: int) -> int | None:
        steps.append(clear(file, connection, first))
        return steps[-1]

    monkeypatch.setattr(StoreFile, "scrub", watched)
    monkeypatch.setattr(storefile, "SCRUBBED", 2)
    monkeypatch.setattr(upkeep, "PURGE_INTERVAL", 0.0)
    with opened(path) as backend:
        said = [await say(backend, word(number) + " " + "x" * 2000) for number in range(20)]
        await change(backend, Kind.DELETE, said[0].seq)
        with anyio.fail_after(DEADLINE):
            while not steps:
                await anyio.lowlevel.checkpoint()
        await change(backend, Kind.DELETE, said[1].seq)
        await cleared(backend)
        assert remain(path.parent, word(0), word(1), word(2)) == [word(2)]
    assert max(step or 0 for step in steps) > 2
    assert all(step is None or step % 2 == 0 for step in steps)


async def test_while_another_program_reads_the_clearing_is_put_off(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried, outcomes, clear = Flag(), [], StoreFile.scrub

    def watched(file: StoreFile, connection: sqlite3.Connection, first: int) -> int | None:
        outcomes.append(clear(file, connection, first))
        tried.set()
        return outcomes[-1]

    monkeypatch.setattr(StoreFile, "scrub", watched)
    with opened(path) as backend:
        said = await say(backend, word(1))
        assert await soon(backend.get("room", said.seq)) == said  # SQLite has it
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM events").fetchall()
            await change(backend, Kind.DELETE, said.seq)
            assert await soon(anyio.to_thread.run_sync(tried.wait, DEADLINE))
            assert reader.execute("SELECT text FROM events").fetchall() == [(word(1),)]
            assert await say(backend, "on it goes")
        assert outcomes == [None]
        assert await soon(backend._read(purging.pending))
    assert outcomes == [None, 0]
    assert remain(path.parent, word(1)) == []


@pytest.mark.parametrize("seed", range(4))
async def test_nothing_remains_of_many_that_come_and_go(path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "PURGE_INTERVAL", 0.0)
    chance = random.Random(seed)
    numbers = iter(range(100_000))
    used: list[str] = []

    def text() -> str:
        used.append(word(next(numbers)))
        return " ".join([used[-1]] * chance.choice([1, 5, 60]))

    with opened(path) as backend:
        log = [await say(backend, text())]
        for step in range(600):
            of = chance.choice(log).seq
            match chance.choice(["say", "say", "say", "edit", "delete", "search", "trim" if step % 5 == 0 else "say"]):
                case "say":
                    log.append(await say(backend, text()))
                case "edit":
                    await change(backend, Kind.EDIT, of, text())
                case "delete":
                    await change(backend, Kind.DELETE, of)
                case "search":
                    await indexed(backend, used[-1])
                case "trim":
                    await soon(backend.trim("room", keep=200, since=0, limit=1000))
            log = log[-150:]
            if step % 200 == 199:
                await cleared(backend)
        kept = await soon(backend.read_backwards("room", before=FAR, limit=1000))
        alive = {word for event in kept for word in event.text.split()}
        await cleared(backend)
        assert remain(path.parent, *(word for word in used if word not in alive)) == []
        said = [event for event in kept if event.kind == "msg" and event.text]
        for event in said:
            assert event in await search(backend, "room", event.text.split()[0], before=FAR, limit=10)
    assert remain(path.parent, *(word for word in used if word not in alive)) == []
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


READER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN")
print(*connection.execute("SELECT count(*) FROM events").fetchone(), flush=True)
sys.stdin.read()
"""


async def test_another_program_that_reads_for_long_is_told_by_name(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(upkeep, "PURGE_INTERVAL", 0.1)
    monkeypatch.setattr(upkeep, "LONG_READ", 0.2)
    monkeypatch.setattr(applying, "RETRY_DELAY", 0.1)
    monkeypatch.setattr(outage, "CALM", 0.0)
    command = [sys.executable, "-c", READER, str(path)]
    with opened(path) as backend:
        said = await say(backend, word(1))
        await soon(backend.get("room", said.seq))
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as reader:  # noqa: ASYNC220
            assert reader.stdout is not None
            assert reader.stdout.readline() == b"1\n"
            await change(backend, Kind.DELETE, said.seq)
            await until(lambda: "deleted texts stay" in caplog.text)
            assert (
                f"(process {reader.pid}) reads it, and deleted texts stay in its files until that ends" in caplog.text
            )
            reader.communicate()
        await cleared(backend)
        await until(lambda: "the store can be cleaned up again" in caplog.text)
