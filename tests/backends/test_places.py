"""A store that is deleted, moved or replaced under a running server takes nothing more, and loses nothing."""

from __future__ import annotations

import shutil
import sqlite3
from asyncio import gather
from collections.abc import Callable
from pathlib import Path
from threading import Barrier

import anyio
import pytest

from app.backends import Unavailable, machine, places, readers, space
from app.backends.embedded import Embedded
from tests.backends.test_embedded import draft, log_of, opened, path, say, soon
from tests.clients import DEADLINE

__all__ = ["path"]

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def looking_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "INTERVAL", 0.0)
    monkeypatch.setattr(places, "INTERVAL", 0.01)


async def until(backend: Embedded, problem: str) -> None:
    """Wait until the store says why it takes nothing, or takes it again, though nobody writes."""
    with anyio.fail_after(DEADLINE):
        while problem not in (backend.problem or "") or bool(problem) != bool(backend.problem):
            await anyio.lowlevel.checkpoint()


async def read_in_each_thread(backend: Embedded) -> None:
    """Read something in each of the threads that read."""
    together = Barrier(readers.THREADS)

    def read(connection: sqlite3.Connection) -> None:
        machine.last_applied(connection)
        together.wait(DEADLINE)

    await soon(gather(*[backend._read(read) for _ in range(readers.THREADS)]))


def delete(path: Path) -> None:
    path.unlink()


def move(path: Path) -> None:
    path.rename(path.with_name("elsewhere.db"))


def replace(path: Path) -> None:
    copy = path.with_name("copy.db")
    shutil.copy(path, copy)
    copy.rename(path)


@pytest.mark.parametrize(
    ("spoil", "problem"), [(delete, "deleted"), (move, "moved"), (replace, "another file is in the place")]
)
async def test_nothing_is_acknowledged_once_the_store_is_gone(
    path: Path, spoil: Callable[[Path], None], problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(path) as backend:
        said = await say(backend, "one")
        assert await log_of(backend) == said
        spoil(path)
        for _ in range(3):
            with pytest.raises(Unavailable, match=problem) as refused:
                await soon(backend.append(draft("two")))
            assert str(path.parent) not in str(refused.value)  # clients get it
        assert await log_of(backend) == said
        await read_in_each_thread(backend)  # also where nothing was read before
        lines = [record.getMessage() for record in caplog.records]
        assert [problem in line and str(path) in line for line in lines] == [True]


async def test_a_store_that_is_gone_is_told_though_nobody_writes(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with opened(path) as backend:
        assert backend.problem is None
        move(path)
        await until(backend, "moved")
        assert "put store.db back" in caplog.text
        path.with_name("elsewhere.db").rename(path)
        await until(backend, "")
        assert "in its place again" in caplog.text
        said = await say(backend, "two")
    with opened(path) as backend:
        assert await log_of(backend) == said


@pytest.mark.parametrize("spoil", [delete, replace])
async def test_what_a_deleted_store_had_is_saved_when_its_server_ends(
    path: Path, spoil: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    with opened(path) as backend:
        epoch = backend.epoch
        said = await say(backend, *map(str, range(500)))
        spoil(path)
        with pytest.raises(Unavailable):
            await soon(backend.append(draft("more")))
    saved = path.with_name(f"{path.name}.saved")
    assert str(saved) in caplog.text
    assert saved.stat().st_mode & 0o777 == 0o600
    with opened(saved) as backend:
        assert await log_of(backend) == said
        assert backend.epoch != epoch


async def test_a_store_that_was_moved_has_all_that_was_acknowledged(path: Path) -> None:
    with opened(path) as backend:
        said = await say(backend, "one", "two")
        move(path)
        await until(backend, "moved")
    with opened(path.with_name("elsewhere.db")) as backend:
        assert await log_of(backend) == said


@pytest.mark.parametrize("ending", ["-log0", "-wal"])
async def test_nothing_is_acknowledged_once_a_file_beside_the_store_is_gone(
    path: Path, ending: str, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(path) as backend:
        epoch = backend.epoch
        said = await say(backend, "one", "two")
        delete(path.with_name(f"{path.name}{ending}"))
        with pytest.raises(Unavailable, match="a file beside the store was deleted"):
            await soon(backend.append(draft("three")))
        assert f"{path.name}{ending} is missing: restart the server" in caplog.text
    with opened(path) as backend:
        assert await log_of(backend) == said
        assert backend.epoch == epoch or ending == "-log0"


async def test_another_name_of_the_store_is_told(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with opened(path) as backend:
        path.with_name("snapshot.db").hardlink_to(path)
        with anyio.fail_after(DEADLINE):
            while "another name" not in caplog.text:
                await anyio.lowlevel.checkpoint()
        assert backend.problem is None
        await say(backend, "one")
