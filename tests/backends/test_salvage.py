"""`check` finds damage, and `salvage` saves what can still be read: of stores flipped, cut and zeroed anywhere."""

from __future__ import annotations

import random
import shutil
import sqlite3
import tracemalloc
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from app.backends import StoreError, applying, upkeep
from app.backends.archive import ArchiveError, check, salvage
from app.backends.checking import BATCH, Checker
from app.backends.embedded import Embedded
from app.backends.statements.rows import connect_read_only
from app.chat.events import Detail, Draft, Event, Kind, User
from app.chat.state import RoomState
from tests.backends.sample import everything, fill
from tests.backends.test_damage import (
    COUNT,
    SECRET,
    filled,
    lose_pages,
    page_of,
    patch,
    path,
    read_all,
    root_of,
    whispered,
)
from tests.backends.test_embedded import AUTHOR, opened, say, soon
from tests.clients import DEADLINE

__all__ = ["filled", "path", "whispered"]

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def checked(path: Path) -> tuple[bool, list[str]]:
    lines: list[str] = []
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    sound = check(str(path), lines.append)
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before
    assert not [line for line in lines if SECRET in line]
    return sound, lines


def salvaged(path: Path, copy: Path) -> list[str]:
    lines: list[str] = []
    before = path.read_bytes()
    salvage(str(path), copy, lines.append)
    assert path.read_bytes() == before
    assert not [line for line in lines if SECRET in line]
    return lines


def events_in(copy: Path) -> dict[tuple[str, int], Event]:
    async def read(backend: Embedded) -> dict[tuple[str, int], Event]:
        events = [event for room in ("room", "other") for event in await read_all(backend, room)]
        return {(event.room, event.seq): event for event in events if event.kind != Kind.PRIVATE}

    with opened(copy) as backend:
        return anyio.run(read, backend)


def test_a_sound_store_is_sound(path: Path) -> None:
    sound, lines = checked(path)
    assert sound
    assert lines == [f"looked at {COUNT:,} messages and changes: all is sound"]


def test_a_store_is_checked_while_a_server_runs(path: Path) -> None:
    with opened(path) as backend:
        anyio.run(say, backend, "one more")
        lines: list[str] = []
        assert check(str(path), lines.append)


async def test_a_server_finds_damage_before_someone_reads_it(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(upkeep, "FIRST_LOOK", 0.0)
    monkeypatch.setattr(upkeep, "LOOK_PAUSE", 0.0)
    lose_pages(path, "events_by_room")
    with opened(path) as backend, anyio.fail_after(DEADLINE):
        while backend.damage is None or "messages of room 'room' are not in the index" not in caplog.text:
            await anyio.lowlevel.checkpoint()
    assert SECRET not in caplog.text
    assert len(caplog.records) <= 2


async def test_a_look_at_a_sound_store_finds_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[bool] = []
    step = Checker.step

    def watched(checker: Checker, connection: sqlite3.Connection) -> list[str]:
        found = step(checker, connection)
        looks.append(checker.done)
        return found

    monkeypatch.setattr(Checker, "step", watched)
    monkeypatch.setattr(upkeep, "FIRST_LOOK", 0.0)
    monkeypatch.setattr(upkeep, "LOOK_PAUSE", 0.0)
    with opened(path) as backend, anyio.fail_after(DEADLINE):
        await soon(backend.trim("other", keep=100, since=0, limit=500))
        while not looks or not looks[-1]:
            await anyio.lowlevel.checkpoint()
        assert backend.damage is None
    assert len(looks) >= 2 * COUNT // BATCH - 4


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: lose_pages(path, "events_by_room"),
        lambda path: lose_pages(path, "events_by_cid"),
        lambda path: patch(path, page_of(path, f"{SECRET} 3001 ".encode()), b"\xff" * 4096),
        lambda path: patch(path, page_of(path, f"{SECRET} 3001 ".encode()), bytes(4096)),
        lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 // 4096 * 4096]),
        lambda path: patch(path, path.read_bytes().index(f"{SECRET} 3001 ".encode()), b"\xff"),
    ],
    ids=["index", "another index", "overwritten", "zeroed", "cut", "text"],
)
def test_a_check_finds_damage(path: Path, spoil: Callable[[Path], None]) -> None:
    spoil(path)
    sound, lines = checked(path)
    assert not sound
    assert lines[-1].endswith("this is damaged")


@pytest.mark.parametrize(
    ("tree", "told"),
    [
        ("events", "whispers of a conversation are missing"),
        ("events_by_room", "messages of a conversation are not in the index"),
        ("mail", "whispers are not in a mailbox"),
    ],
)
def test_steps_of_a_check_find_whispers_that_are_lost(whispered: Path, tree: str, told: str) -> None:
    def found() -> set[str]:
        checker, lines = Checker(), set[str]()
        with closing(connect_read_only(str(whispered))) as connection:
            while not checker.done:
                lines |= set(checker.step(connection))
        return lines

    assert found() == set()
    lose_pages(whispered, tree)
    assert told in found()


async def test_all_of_a_sound_store_is_salvaged(tmp_path: Path) -> None:
    store, copy = tmp_path / "chat.db", tmp_path / "copy.db"
    with opened(store) as backend:
        await fill(backend)
        expected = await everything(backend)
    salvaged(store, copy)
    with opened(copy) as backend:
        found = await everything(backend)
    assert found.pop("epoch") != expected.pop("epoch")
    for log in [*found["logs"].values(), *expected["logs"].values()]:
        del log["found"]  # by the search, whose index may be behind
    assert found == expected


def test_messages_that_no_page_leads_to_are_salvaged(path: Path, tmp_path: Path) -> None:
    before = events_in(path)
    lose_pages(path, "events")
    assert salvaged(path, tmp_path / "copy.db") == [f"saved {COUNT:,} messages and changes, and 1 users"]
    assert events_in(tmp_path / "copy.db") == before


def flipped(data: bytearray, chance: random.Random) -> None:
    for _ in range(6):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(8192, len(data)) :]


def zeroed(data: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(data))
    end = min(len(data), start + chance.randrange(1, 20_000))
    data[start:end] = bytes(end - start)


def beheaded(data: bytearray, chance: random.Random) -> None:
    data[: chance.randrange(1, 9000)] = b""


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("spoil", [flipped, cut, zeroed])
def test_what_can_be_read_is_saved_wherever_a_store_is_damaged(
    spoil: Callable[[bytearray, random.Random], None], seed: int, path: Path, tmp_path: Path
) -> None:
    whole = path.read_bytes()
    data = bytearray(whole)
    spoil(data, random.Random(seed))
    path.write_bytes(data)
    salvaged(path, tmp_path / "copy.db")
    saved = events_in(tmp_path / "copy.db")
    if spoil is not flipped:  # a flipped letter is one like any other
        assert all(event.text.startswith(f"{SECRET} ") for event in saved.values())
    pages = range(0, len(whole), 4096)
    intact = b"".join(whole[at : at + 4096] for at in pages if data[at : at + 4096] == whole[at : at + 4096])
    texts = {event.text for event in saved.values()}
    lost = [number for number in range(COUNT) if f"{SECRET} {number} ".encode() in intact]
    assert not [number for number in lost if f"{SECRET} {number} " + "x" * 100 not in texts]


def test_messages_are_saved_though_the_file_has_lost_its_beginning(path: Path, tmp_path: Path) -> None:
    patch(path, 0, bytes(4096))
    assert not checked(path)[0]
    salvaged(path, tmp_path / "copy.db")
    saved = events_in(tmp_path / "copy.db")
    assert len(saved) == COUNT

    async def user(backend: Embedded) -> User | None:
        return await soon(backend.user_by_token(b"secret"))

    with opened(tmp_path / "copy.db") as backend:
        assert anyio.run(user, backend) in (None, AUTHOR)


async def test_what_is_only_in_the_journal_or_the_wal_is_saved(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "killed"
    folder.mkdir()
    with opened(path) as backend:
        await say(backend, "in the WAL")
        assert await soon(backend.get("room", COUNT // 2 + 1))
        monkeypatch.setattr(applying, "DELAY", 3600.0)
        await say(backend, "in the journal")
        for file in path.parent.glob("store.db*"):
            if file.is_file():
                shutil.copy(file, folder)
    store = folder / path.name
    patch(store, page_of(store, f"{SECRET} 1001 ".encode()), bytes(4096))
    assert "applied 1 records of the journal" in salvaged(store, tmp_path / "copy.db")
    with opened(tmp_path / "copy.db") as backend:
        found = [(await soon(backend.get("room", COUNT // 2 + number))) for number in (1, 2)]
    assert [event.text for event in found if event] == ["in the WAL", "in the journal"]


async def test_what_was_deleted_is_not_saved(path: Path, tmp_path: Path) -> None:
    with opened(path) as backend:
        [said] = await say(backend, "betrayal " * 3)
        await soon(backend.append(Draft("room", AUTHOR, "", "gone", 1, kind=Kind.DELETE, of=said.seq)))
    lose_pages(path, "events")
    salvaged(path, tmp_path / "copy.db")
    assert b"betrayal" not in (tmp_path / "copy.db").read_bytes()


async def test_a_room_that_may_have_been_private_is_private(tmp_path: Path) -> None:
    store, copy = tmp_path / "chat.db", tmp_path / "copy.db"

    async def change(kind: Kind, room: str, number: int) -> None:
        for place in range(8):  # so that what closes the room has a page for itself
            await soon(backend.append(Draft(room, AUTHOR, "x" * 1000, f"{room}-{number}-{place}", 1)))
        await soon(backend.append(Draft(room, AUTHOR, "", f"{kind}-{room}", 1, kind=kind, detail=Detail(invited=(1,)))))
        for place in range(8):
            await soon(backend.append(Draft(room, AUTHOR, "x" * 1000, f"{room}-{number}-after-{place}", 1)))

    with opened(store) as backend:
        for room in ("closed", "open", "never"):
            await change(Kind.PRIVATE if room != "never" else Kind.TOPIC, room, 1)
        await change(Kind.PUBLIC, "open", 2)
    for lost in (b"private-closed", b"private-open", b"topic-never"):
        patch(store, page_of(store, lost), bytes(4096))
    lines = salvaged(store, copy)
    told = "may have been private, so it is private now: its owner or an operator opens it with /public"
    assert [line for line in lines if "private" in line] == [f"room 'closed' {told}"]
    with opened(copy) as backend:
        states = {room: RoomState(await soon(backend.state(room))) for room in ("closed", "open", "never")}
        assert [room for room, state in states.items() if state.private] == ["closed"]
        [*_, last] = await read_all(backend, "closed")
        assert (last.kind, last.name) == (Kind.PRIVATE, "*")


async def test_a_room_whose_settings_are_lost_is_private(tmp_path: Path) -> None:
    store, copy = tmp_path / "chat.db", tmp_path / "copy.db"
    with opened(store) as backend:
        for room in ("one", "two"):
            await soon(backend.append(Draft(room, AUTHOR, "", f"topic-{room}", 1, kind=Kind.TOPIC)))
        await soon(backend.append(Draft("two", AUTHOR, "", "public", 1, kind=Kind.PUBLIC)))
    patch(store, 4096 * (root_of(store, "state") - 1), bytes(4096))
    salvaged(store, copy)
    with opened(copy) as backend:
        assert RoomState(await soon(backend.state("one"))).private


def test_a_salvage_keeps_little_in_memory(path: Path, tmp_path: Path) -> None:
    with opened(path) as backend:
        for number in range(3):
            anyio.run(say, backend, *(f"{number} {place} " + "x" * 10_000 for place in range(500)))
    assert path.stat().st_size > 10_000_000
    tracemalloc.start()
    try:
        salvage(str(path), tmp_path / "copy.db", lambda line: None)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 2_000_000


def test_what_can_not_be_salvaged_is_refused(path: Path, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="exists already"):
        salvage(str(path), path, lambda line: None)
    other = tmp_path / "diary.txt"
    other.write_bytes(b"Dear diary,\n" * 1000)
    with pytest.raises(ArchiveError, match="nothing that can be read"):
        salvage(str(other), tmp_path / "copy.db", lambda line: None)
    with opened(path), pytest.raises(StoreError, match="in use"):
        salvage(str(path), tmp_path / "copy.db", lambda line: None)
    assert not (tmp_path / "copy.db").exists()
