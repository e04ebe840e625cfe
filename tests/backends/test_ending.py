"""An earlier state of a store that is put back is another history, and what was acknowledged is never taken along."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import anyio
import pytest

from app.backends import applying, ending
from app.backends.archive import export
from tests.backends.test_embedded import log_of, opened, path, refusal, say

__all__ = ["path"]

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def beside(path: Path) -> list[Path]:
    """The journal of the store at `path`."""
    return [file for file in (path.with_name(f"{path.name}-log{number}") for number in (0, 1)) if file.exists()]


async def run(path: Path, *texts: str) -> str:
    """Open a store, say something there, and close it. Return its epoch."""
    with opened(path) as backend:
        await say(backend, *texts)
        return backend.epoch


async def killed(path: Path, folder: Path, *texts: str) -> Path:
    """Say something, and return a copy of the store as if its server was killed then."""
    folder.mkdir()  # noqa: ASYNC240
    with opened(path) as backend:
        await say(backend, *texts)
        for file in path.parent.glob(f"{path.name}*"):
            if file.is_file():
                shutil.copy(file, folder)
    return folder / path.name


async def test_a_store_that_was_closed_keeps_its_epoch(path: Path) -> None:
    epoch = await run(path, "one")
    export(str(path), lambda chunk: None)
    assert await run(path, "two") == epoch
    moved = path.with_name("moved.db")
    shutil.copy2(path, moved)
    assert await run(moved, "three") == epoch


@pytest.mark.parametrize("said", [[], ["two"]])
async def test_a_store_whose_server_was_killed_keeps_its_epoch(path: Path, tmp_path: Path, said: list[str]) -> None:
    epoch = await run(path, "one")
    store = await killed(path, tmp_path / "killed", *said)
    with opened(store) as backend:
        assert backend.epoch == epoch
        assert [event.text for event in await log_of(backend)] == ["one", *said]


@pytest.mark.parametrize("ending", ["", "-wal"])
async def test_a_copy_of_a_running_store_is_another_history(
    path: Path, tmp_path: Path, ending: str, caplog: pytest.LogCaptureFixture
) -> None:
    copy = tmp_path / "copy.db"
    with opened(path) as backend:
        epoch = backend.epoch
        await say(backend, "one")
        for end in {"", ending}:
            shutil.copy2(f"{path}{end}", f"{copy}{end}")
        await say(backend, "two")
    shutil.copy2(copy, path)
    with opened(path) as backend:
        assert backend.epoch != epoch
    assert "an earlier state or a copy of the store" in caplog.text
    epoch = backend.epoch
    assert await run(path, "three") == epoch


@pytest.mark.parametrize("coarse", [False, True])
async def test_a_copy_of_a_closed_store_that_is_put_back_is_another_history(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, coarse: bool
) -> None:
    copy = tmp_path / "copy.db"
    now = int(time.time()) // ending.GRANULARITY * ending.GRANULARITY
    if coarse:  # all within the same of a file system's ticks
        monkeypatch.setattr(time, "time", lambda: float(now))
    epoch = await run(path, "one")
    shutil.copyfile(path, copy)
    assert await run(path, "two") == epoch
    shutil.copyfile(copy, path)
    if coarse:
        os.utime(path, (now, now))
    assert await run(path, "another two") != epoch


async def test_a_copy_with_its_time_is_another_history_if_the_index_is_further(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    epoch = await run(path, "one")
    shutil.copy2(path, copy)
    with opened(path) as backend:
        await say(backend, "two")
        while (await backend.search("room", "two", before=100, limit=1)).behind:
            pass
    assert path.with_name(f"{path.name}-search").exists()
    shutil.copy2(copy, path)
    assert await run(path, "another two") != epoch


async def test_a_copy_with_its_time_is_another_history_if_the_store_was_further(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with opened(path) as backend:
        await say(backend, "one")
        while (await backend.search("room", "one", before=100, limit=1)).behind:
            pass
    epoch = await run(path)
    shutil.copy2(path, copy)
    with opened(path) as backend:
        await backend.ignore(1, 2, on=True)
    shutil.copy2(path, tmp_path / "newer.db")
    shutil.copy2(copy, path)
    assert await run(path) != epoch
    shutil.copy2(tmp_path / "newer.db", path)
    assert await run(path) == epoch


async def test_an_earlier_state_beside_a_newer_journal_is_another_history(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    epoch = await run(path, "one")
    shutil.copy2(path, copy)
    await run(path, "two", "three")
    store = await killed(path, tmp_path / "killed", "four")
    for file in store.parent.iterdir():
        if file.name.endswith(("-wal", "-shm")):
            file.unlink()
    shutil.copy2(copy, store)
    with opened(store) as backend:
        assert backend.epoch != epoch


async def test_a_lost_journal_is_another_history(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    epoch = await run(path, "one")
    monkeypatch.setattr(applying, "DELAY", 3600.0)
    store = await killed(path, tmp_path / "killed", "two")
    for file in beside(store):
        file.unlink()
    with opened(store) as backend:
        assert backend.epoch != epoch
    assert "its journal is lost" in caplog.text


@pytest.mark.parametrize("size", [None, 0])
async def test_a_journal_without_its_store_is_refused_and_kept(path: Path, tmp_path: Path, size: int | None) -> None:
    store = await killed(path, tmp_path / "killed", "one")
    kept = store.read_bytes()
    store.unlink() if size is None else os.truncate(store, size)
    before = {file.name: file.read_bytes() for file in store.parent.iterdir()}
    problem = refusal(store)
    assert f"move {store.name}-log0" in problem
    assert ("no store" if size is None else "empty") in problem
    assert {file.name: file.read_bytes() for file in store.parent.iterdir()} == before
    store.write_bytes(kept)
    with opened(store) as backend:
        assert [event.text for event in await log_of(backend)] == ["one"]


async def test_the_journal_of_another_store_is_kept(
    path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = tmp_path / "other.db"
    await run(other, "mine")
    store = await killed(path, tmp_path / "killed", "one")
    data = beside(store)[0].read_bytes()
    for file in store.parent.iterdir():
        if file.name.endswith(("-wal", "-shm")):
            file.unlink()
    shutil.copy2(other, store)
    with opened(store) as backend:
        assert [event.text for event in await log_of(backend)] == ["mine"]
    assert store.with_name(f"{store.name}-log0.damaged").read_bytes() == data
    assert "of another history" in caplog.text


def test_nothing_is_left_of_a_store_that_can_not_be_begun(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(path):
        pass
    before = anyio.run(run, path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError(5, "Input/output error")))
        assert "the disk reports an error (EIO)" in refusal(path)
    assert anyio.run(run, path) == before
