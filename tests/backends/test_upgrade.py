"""A store of a former version opens with nothing lost, and is copied before it is upgraded."""

from __future__ import annotations

import json
import logging
import os
import re
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from argon2 import PasswordHasher

from app.backends import Unavailable, ending, machine, schema, upgrade
from app.backends.archive import export, import_
from app.backends.embedded import Embedded
from app.backends.upgrade import CLEAN_DAY, SAVE_INTERVAL
from app.chat.events import Draft, Kind, User
from app.testing import ManualClock, test_application
from tests.backends.sample import ANN, BOB, PASSWORD, SAMPLES, TOKENS, everything, fill, lost, search
from tests.backends.test_embedded import by_hand, draft, opened, refusal, soon
from tests.clients import DEADLINE

pytestmark = pytest.mark.anyio

NEWEST = len(schema.MIGRATIONS)
NEXT = NEWEST + 1
UPGRADE = "ALTER TABLE users ADD COLUMN extra TEXT NOT NULL DEFAULT 'new'; CREATE TABLE more (x); "


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def files(folder: Path) -> list[str]:
    """The names of the files there, apart from locks and search indexes."""
    return sorted(file.name for file in folder.iterdir() if not re.search("-lock$|-search", file.name))


def holding(folder: Path, text: bytes) -> list[str]:
    """The names of the files there that hold `text`."""
    return [file.name for file in folder.iterdir() if text in file.read_bytes()]


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chat.db"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A store of the newest version, and what can be read from it."""
    path = tmp_path_factory.mktemp("filled") / "chat.db"

    async def made() -> Any:
        with opened(path) as backend:
            await fill(backend)
            return await everything(backend)

    return path, anyio.run(made)


@pytest.fixture
def before(path: Path, filled: tuple[Path, Any]) -> Any:
    """What can be read from a store at `path`, of the newest version."""
    made, content = filled
    shutil.copy2(made, path)  # with its time of last change: a copy without it is another history
    return content


@pytest.fixture
def next_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """Natter has one more migration from here on."""
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, UPGRADE))


@pytest.fixture
def outdated(before: Any, next_version: None) -> Any:
    """What can be read from a store at `path` that is to be upgraded."""
    return before


# Samples


def closed(path: Path) -> None:
    """Give a copy of a store that its server closed the time of last change that the store says."""
    with closing(sqlite3.connect(path)) as connection:
        end = ending.read(connection)
    if end:
        os.utime(path, (int(end), int(end)))


def test_the_newest_version_has_a_sample() -> None:
    assert (SAMPLES / f"v{NEWEST}.db").exists(), "make it: python -m tests.backends.sample"


@pytest.mark.parametrize("sample", sorted(SAMPLES.glob("v*.db")), ids=lambda sample: str(sample.stem))
async def test_a_store_of_a_former_version_opens_with_nothing_lost(sample: Path, path: Path) -> None:
    shutil.copyfile(sample, path)
    closed(path)
    expected = json.loads(sample.with_suffix(".json").read_text())
    assert len(expected["logs"]["lobby"]["events"]) > 100
    for _ in range(2):
        with opened(path) as backend:
            found = await everything(backend)
            assert lost(expected, found) == []
            assert backend.epoch == expected["epoch"]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with opened(path) as backend:
        account = await soon(backend.account("ann"))
        assert account is not None
        assert PasswordHasher().verify(account.password, PASSWORD)
        heads = {log: found["bounds"]["head"] for log, found in expected["logs"].items()}
        for room in ("lobby", "red", "gone", "new"):
            appended = await soon(backend.append(Draft(room, ANN, "next", id=f"next in {room}", at=1)))
            assert appended.event.seq == heads.get(room, 0) + 1
        last = max(head for log, head in heads.items() if log[0] in "@~")
        for room in ("@1,2", "@2,3", "@4,5"):
            whisper = await soon(backend.append(Draft(room, BOB, "next", id=f"next in {room}", at=1)))
            assert whisper.event.seq > last
            last = whisper.event.seq
        again = await soon(backend.append(Draft("lobby", ANN, "other", id="other", at=1, cid="edited")))
        assert again.duplicate
        assert again.event.text == "crimson paint"
        assert await soon(backend.create_user(b"new")) == User(6, "user5")


@pytest.mark.parametrize("sample", sorted(SAMPLES.glob("v*.db")), ids=lambda sample: str(sample.stem))
async def test_a_store_of_a_former_version_goes_through_an_export(sample: Path, path: Path) -> None:
    shutil.copyfile(sample, path)
    file, other = path.with_name("it.jsonl"), path.with_name("other.db")
    with file.open("wb") as out:
        export(str(path), out.write)
    with file.open("rb") as source:
        import_(str(other), source, "it.jsonl")
    expected = json.loads(sample.with_suffix(".json").read_text())
    with opened(other) as backend:
        assert lost({**expected, "epoch": backend.epoch}, await everything(backend)) == []


@pytest.mark.parametrize("sample", sorted(SAMPLES.glob("v*.jsonl")), ids=lambda sample: str(sample.stem))
async def test_an_export_of_a_former_version_is_imported(sample: Path, path: Path) -> None:
    with sample.open("rb") as source:
        import_(str(path), source, sample.name)
    expected = json.loads(sample.with_suffix(".json").read_text())
    last = max(found["bounds"]["head"] for log, found in expected["logs"].items() if log[0] in "@~")
    with opened(path) as backend:
        assert lost({**expected, "epoch": backend.epoch}, await everything(backend)) == []
        whisper = await soon(backend.append(Draft("@4,5", BOB, "next", id="next", at=1)))
        assert whisper.event.seq > last
        assert await soon(backend.create_user(b"new")) == User(6, "user5")


def test_what_is_lost_is_found() -> None:
    held = {"a": [1, {"b": "x"}], "c": None}
    assert lost(held, {**held, "new": 1}) == []
    assert lost(held, {"a": [1, {"b": "y", "new": 1}], "c": None}) == ["/a/1/b: 'x' became 'y'"]
    assert lost(held, {"a": [1], "c": 0}) == ["/a: [1, {'b': 'x'}] became [1]", "/c: None became 0"]
    searched = {"found": {"word": [1, 2], "gone": []}}
    assert lost(searched, {"found": {"word": [1, 2, 3], "gone": []}}) == []
    assert lost(searched, {"found": {"word": [2, 3], "gone": [3]}}) == [
        "/found/word: 1 is not found",
        "/found/gone: [] became [3]",
    ]


# The copy


async def test_a_store_is_copied_before_it_is_upgraded(
    path: Path, before: Any, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    old = schema.MIGRATIONS
    request.getfixturevalue("next_version")
    copy = path.with_name(f"chat.db.before-v{NEXT}")
    with caplog.at_level(logging.INFO, "store"), opened(path) as backend:
        assert await everything(backend) == before
    copying, upgrading, upgraded = caplog.messages
    assert copying == f"{path}: copying the store to {copy} before the upgrade"
    assert upgrading == (
        f"{path}: upgrading from version {NEWEST} to {NEXT}, which rewrites 1 MiB; {copy} has the store as it was, "
        "until it has run for a day without an error"
    )
    assert upgraded.startswith(f"{path}: upgraded to version {NEXT} in ")
    assert files(path.parent) == ["chat.db", copy.name]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert (version(path), version(copy)) == (NEXT, NEWEST)
    made = copy.stat()
    with opened(path) as backend:
        assert await everything(backend) == before
    assert copy.stat() == made  # nothing to upgrade, nothing to copy
    request.getfixturevalue("monkeypatch").setattr(schema, "MIGRATIONS", old)
    with opened(copy) as backend:
        assert backend.epoch != before["epoch"]  # what came after the upgrade has positions that it gives out again
        assert lost({**before, "epoch": backend.epoch}, await everything(backend)) == []


@pytest.mark.usefixtures("next_version")
def test_a_new_store_has_no_copy(path: Path) -> None:
    for exists in (False, True):
        if exists:
            path.touch()
        with opened(path):
            pass
        assert files(path.parent) == ["chat.db"]
        assert version(path) == NEXT
        path.unlink()


@pytest.mark.usefixtures("outdated")
def test_the_copy_is_on_the_disk_before_the_upgrade_begins(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy, synced, fsync = path.with_name(f"chat.db.before-v{NEXT}"), [], os.fsync

    def watched(handle: int) -> None:
        fsync(handle)
        synced.append((str(Path(f"/proc/self/fd/{handle}").readlink()), copy.exists(), version(path)))

    monkeypatch.setattr(os, "fsync", watched)
    with opened(path):
        pass
    assert synced[:2] == [(f"{copy}-part", False, NEWEST), (str(path.parent), True, NEWEST)]


@pytest.mark.usefixtures("before")
async def test_what_a_crash_left_in_the_journal_is_in_the_copy(
    path: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> None:
    crashed = tmp_path_factory.mktemp("crashed")
    with opened(path) as backend:
        await soon(backend.append(draft("the last word before the crash")))
        await soon(backend.rooms())  # what was said is in the store, which has a journal of its own
        for file in path.parent.iterdir():
            shutil.copy(file, crashed)
    assert b"before the crash" not in (crashed / "chat.db").read_bytes()
    request.getfixturevalue("next_version")
    with opened(crashed / "chat.db"):
        pass
    assert b"before the crash" in (crashed / f"chat.db.before-v{NEXT}").read_bytes()


@pytest.mark.usefixtures("before")
async def test_what_a_crash_left_to_apply_is_applied_after_the_upgrade(
    path: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> None:
    crashed = tmp_path_factory.mktemp("crashed")
    with opened(path) as backend:
        for file in path.parent.iterdir():
            shutil.copy(file, crashed)
        said = (await soon(backend.append(draft("the last word before the crash")))).event
        for log in path.parent.glob("chat.db-log*"):
            shutil.copy(log, crashed)
    request.getfixturevalue("next_version")
    with opened(crashed / "chat.db") as backend:
        assert await soon(backend.get("room", said.seq)) == said


@pytest.mark.usefixtures("outdated")
def test_a_copy_of_an_upgrade_that_was_cut_off_is_replaced(path: Path) -> None:
    copy = path.with_name(f"chat.db.before-v{NEXT}")
    copy.write_text("an older copy")
    Path(f"{copy}-part").write_text("half a copy")
    with opened(path):
        pass
    assert files(path.parent) == ["chat.db", copy.name]
    assert version(copy) == NEWEST


@pytest.mark.usefixtures("outdated")
def test_a_store_behind_a_link_is_copied_where_it_is(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    real = path.rename(folder / "real.db")
    path.symlink_to(real)
    with opened(path):
        pass
    assert files(folder) == ["real.db", f"real.db.before-v{NEXT}"]


def test_a_store_goes_through_several_migrations_at_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_hand(path, f"PRAGMA application_id = {schema.APPLICATION_ID}", "PRAGMA user_version = 1")
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(schema.MIGRATIONS[0])
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, UPGRADE))
    with opened(path):
        pass
    copy = path.with_name(f"chat.db.before-v{NEXT}")
    assert files(path.parent) == ["chat.db", copy.name]
    assert (version(path), version(copy)) == (NEXT, 1)


async def left_alone(path: Path, before: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is of the version that it had, with all its content, and no copy is left."""
    assert files(path.parent) == ["chat.db"]
    assert version(path) == NEWEST
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:NEWEST])
        with opened(path) as backend:
            assert await everything(backend) == before


async def test_without_room_for_a_copy_there_is_no_upgrade(
    path: Path, outdated: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = SimpleNamespace(f_bavail=10, f_frsize=4096)
    with monkeypatch.context() as patch:
        patch.setattr(os, "statvfs", lambda folder: room)
        assert refusal(path) == (
            f"{path}: not upgraded from version {NEWEST} to {NEXT}, because that takes 3 times its size: "
            f"free 1 MiB in {path.parent}"
        )
    await left_alone(path, outdated, monkeypatch)
    with opened(path) as backend:
        assert await everything(backend) == outdated


async def test_a_copy_that_fails_prevents_the_upgrade(
    path: Path, outdated: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))
    try:
        problem = refusal(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    copy = path.with_name(f"chat.db.before-v{NEXT}")
    assert f"not upgraded from version {NEWEST} to {NEXT}, because it can't be copied to {copy}: " in problem
    await left_alone(path, outdated, monkeypatch)


async def test_a_migration_that_fails_leaves_the_store_as_it_was(
    path: Path, before: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = f"{UPGRADE} DELETE FROM events; INSERT INTO nowhere VALUES (1);"
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, broken))
    problem = refusal(path)
    assert f"not upgraded from version {NEWEST} to {NEXT}, because it isn't as Natter leaves a store of" in problem
    assert problem.endswith("restore a backup; it is as it was before")
    await left_alone(path, before, monkeypatch)


@pytest.mark.parametrize("size", [4_096, 40_000, 100_000])
def test_an_upgrade_that_is_killed_is_done_when_the_store_is_opened_again(size: int, path: Path) -> None:
    sample = SAMPLES / "v2.db"
    shutil.copyfile(sample, path)
    script = (
        "import resource, signal, sys\n"
        "from app.backends import copying\n"
        "from app.backends.embedded import Embedded\n"
        "publish = copying.publish\n"
        "def published(part, target):\n"  # the copy is there, and from here on the system ends a process ...
        "    publish(part, target)\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)\n"  # ... that makes a file this long
        "copying.publish = published\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n"
        "Embedded(sys.argv[1]).open()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, path, str(size)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        timeout=DEADLINE,
    )
    assert ended.returncode == -signal.SIGXFSZ
    assert version(path) == 2
    with opened(path) as backend:
        found = anyio.run(everything, backend)
    assert lost(json.loads(sample.with_suffix(".json").read_text()), found) == []
    assert files(path.parent) == ["chat.db", f"chat.db.before-v{NEWEST}"]


# A newer store


@pytest.mark.usefixtures("before")
def test_a_newer_store_is_refused_by_name(path: Path) -> None:
    by_hand(path, f"PRAGMA user_version = {NEXT + 1}")
    assert refusal(path) == (
        f"{path}: the store has version {NEXT + 1}, of a newer Natter; this one reads versions up to {NEWEST}: "
        "install that Natter again, or restore a backup"
    )


@pytest.mark.usefixtures("before")
async def test_a_newer_store_can_be_replaced_by_its_copy(path: Path, request: pytest.FixtureRequest) -> None:
    old = schema.MIGRATIONS
    request.getfixturevalue("next_version")
    with opened(path) as backend:
        await soon(backend.append(draft("after the upgrade")))
    request.getfixturevalue("monkeypatch").setattr(schema, "MIGRATIONS", old)
    copy = path.with_name(f"chat.db.before-v{NEXT}")
    shutil.copy(copy, f"{copy}-part")  # of another upgrade, which was cut off
    assert f"install that Natter again, or go back to {copy} from before the upgrade" in refusal(path)
    copy.rename(path)
    with opened(path) as backend:
        assert await soon(backend.user_by_token(TOKENS[0])) == ANN
        assert await soon(search(backend, "room", "upgrade")) == []


# How long the copy stays


@pytest.fixture
def upgraded(path: Path, outdated: Any) -> Path:
    """The copy of a store that was upgraded just now."""
    with opened(path, ManualClock()):
        pass
    copy = path.with_name(f"chat.db.before-v{NEXT}")
    assert copy.exists()
    return copy


async def count_is(backend: Embedded, expected: float | None) -> None:
    """Wait until the count of seconds is saved as that, or gone. Each change makes the store look at the clock."""

    def saved(connection: sqlite3.Connection) -> float | None:
        row = connection.execute("SELECT value FROM meta WHERE key = 'clean_seconds'").fetchone()
        return float(row[0]) if row else None

    with anyio.fail_after(DEADLINE):
        while await backend._read(saved) != expected:
            await backend.depart(ANN.id, 0)


async def test_the_copy_is_removed_after_a_day_without_an_error(
    path: Path, upgraded: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = ManualClock()
    with caplog.at_level(logging.INFO, "store"), opened(path, clock) as backend:
        clock.advance(CLEAN_DAY - 1)
        await count_is(backend, CLEAN_DAY - 1)
        assert upgrade.copies(str(path)) == [upgraded]
        clock.advance(1)
        await count_is(backend, None)
        assert not [name for name in files(path.parent) if "before" in name]
        assert caplog.messages == [
            f"{path}: removed chat.db.before-v{NEXT}, since the upgraded store has run for a day without an error"
        ]


async def test_a_text_that_is_deleted_after_the_upgrade_leaves_with_the_copy(path: Path, upgraded: Path) -> None:
    clock = ManualClock()
    with opened(path, clock) as backend:
        *_, said = await soon(search(backend, "lobby", "crimson paint"))
        await soon(backend.append(Draft("lobby", ANN, "", id="gone", at=1, kind=Kind.DELETE, of=said.seq)))
    assert holding(path.parent, b"crimson paint") == [upgraded.name]
    with opened(path, clock) as backend:
        clock.advance(CLEAN_DAY)
        await count_is(backend, None)
    assert holding(path.parent, b"crimson paint") == []


async def test_the_day_may_be_spread_over_several_runs(path: Path, upgraded: Path) -> None:
    for _ in range(3):
        clock = ManualClock()
        with opened(path, clock):
            clock.advance(CLEAN_DAY / 3 - 1)
        assert upgrade.copies(str(path)) == [upgraded]
        clock.advance(10 * CLEAN_DAY)  # while it is closed no time counts
    clock = ManualClock()
    with opened(path, clock) as backend:
        clock.advance(2)
        await soon(backend.depart(ANN.id, 0))
        assert upgrade.copies(str(path)) == [upgraded]
        clock.advance(1)
        await count_is(backend, None)
        assert upgrade.copies(str(path)) == []


async def test_a_process_that_is_killed_loses_little_of_the_day(path: Path, upgraded: Path) -> None:
    clock = ManualClock()
    with opened(path, clock) as backend:
        clock.advance(SAVE_INTERVAL - 1)
        await soon(backend.depart(ANN.id, 0))
        clock.advance(1)
        await count_is(backend, SAVE_INTERVAL)


async def test_an_error_begins_the_day_again(path: Path, upgraded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    clock = ManualClock()
    with opened(path, clock) as backend:
        clock.advance(CLEAN_DAY - 1)
        with monkeypatch.context() as patch:
            patch.setattr(machine, "apply", full)
            with pytest.raises(Unavailable):
                await soon(backend.depart(ANN.id, 0))
        await count_is(backend, 0)
        clock.advance(CLEAN_DAY - 1)
        await count_is(backend, CLEAN_DAY - 1)
        assert upgrade.copies(str(path)) == [upgraded]
        clock.advance(1)
        await count_is(backend, None)


async def test_only_copies_are_removed(path: Path, upgraded: Path) -> None:
    others = [
        "other.db.before-v3",
        "chat.db.before-version3",
        "chat.db.before-v3.txt",
        "chat.db.bak",
        "xchat.db.before-v3",
    ]
    for name in others:
        path.with_name(name).touch()
    older = path.with_name("chat.db.before-v2")
    older.touch()
    clock = ManualClock()
    with opened(path, clock) as backend:
        clock.advance(CLEAN_DAY)
        await count_is(backend, None)
    assert files(path.parent) == sorted(["chat.db", *others])


async def test_a_copy_that_can_not_be_removed_is_tried_again(
    path: Path, upgraded: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(*_: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    clock = ManualClock()
    with opened(path, clock) as backend, monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refused)
        clock.advance(CLEAN_DAY)
        with anyio.fail_after(DEADLINE):
            while not caplog.messages:
                await soon(backend.depart(ANN.id, 0))
        patch.undo()
        assert upgrade.copies(str(path)) == [upgraded]
        clock.advance(SAVE_INTERVAL)
        await count_is(backend, None)
        assert upgrade.copies(str(path)) == []
    assert caplog.messages[0].startswith(f"{path}: can't remove the copies from before the upgrade: [Errno 13]")


def test_the_day_is_one_of_the_application_s_clock(path: Path, upgraded: Path) -> None:
    with test_application(store=path) as chat:
        ann = chat.join(room="blue")
        assert upgrade.copies(str(path)) == [upgraded]
        chat.clock.advance(CLEAN_DAY)
        while upgrade.copies(str(path)):
            chat.clock.advance(1)
            ann.say("after this the store looks at the clock")
    assert files(path.parent) == ["chat.db"]
