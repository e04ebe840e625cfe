"""A store belongs to one process, by whatever name it is opened."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from app.backends import StoreError, applying, locking
from app.backends.archive import export
from app.backends.embedded import Embedded
from tests.backends.test_embedded import log_of, opened, path, refusal, say
from tests.clients import DEADLINE, ROOT

__all__ = ["path"]

pytestmark = pytest.mark.anyio

HOLD = "import sys; from app.backends.embedded import Embedded; store = Embedded(sys.argv[1]); store.open(); "
HOLD += "print('open', flush=True); sys.stdin.read(); store.close()"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@contextmanager
def served(path: Path) -> Iterator[None]:
    """Another process has the store open."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, path], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield
        process.communicate(timeout=DEADLINE)


def test_a_store_in_use_is_refused_by_the_name_of_a_hard_link(path: Path) -> None:
    with opened(path):
        pass
    other = path.with_name("other.db")
    other.hardlink_to(path)
    with served(path):
        assert "in use" in refusal(other)
    with served(other):
        assert "in use" in refusal(path)


def test_a_store_in_use_is_refused_though_someone_removes_what_is_beside_it(path: Path) -> None:
    with opened(path):
        pass
    with served(path):
        for file in path.parent.iterdir():
            if file != path and not file.name.endswith(("-wal", "-shm")):
                file.unlink()
        assert "in use" in refusal(path)


def test_a_refusal_takes_no_lock_from_the_store_that_is_open(path: Path) -> None:
    """SQLite's locks of a file go with any descriptor of it that the process closes."""
    script = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('PRAGMA journal_mode = DELETE')"
    with opened(path) as backend:
        anyio.run(say, backend, "one")
        assert "in use" in refusal(path)
        other = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, timeout=DEADLINE)
        assert "database is locked" in other.stderr
        anyio.run(say, backend, "two")


def test_a_program_that_is_being_started_holds_no_store_that_was_closed(path: Path) -> None:
    with opened(path):
        pass
    held = locking.lock(str(path))
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=(held,)) as program:
        locking.unlock(held)
        locking.unlock(locking.lock(str(path)))
        program.communicate(timeout=DEADLINE)


def test_a_store_that_an_older_natter_has_open_is_refused(path: Path) -> None:
    with opened(path):
        pass
    lock = path.with_name(f"{path.name}-lock")
    held = os.open(lock, os.O_RDWR | os.O_CREAT)
    fcntl.flock(held, fcntl.LOCK_EX)
    assert "in use" in refusal(path)
    os.close(held)
    with opened(path):
        assert not lock.exists()


def test_a_store_that_is_mounted_by_itself_is_refused(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(path):
        pass
    spaced = path.with_name("my store.db")
    path.rename(spaced)
    mounts = tmp_path / "mountinfo"
    place = str(spaced).replace(" ", "\\040")
    mounts.write_text(f"22 1 0:5 / / rw - ext4 /dev/vda rw\n999 22 0:5 /data {place} rw,relatime - ext4 /dev/vda rw\n")
    monkeypatch.setattr(locking, "MOUNTS", mounts)
    assert "mount its folder" in refusal(spaced)
    mounts.write_text(f"999 22 0:5 /data {spaced.parent} rw,relatime - ext4 /dev/vda rw\n")
    spaced.rename(path)
    with opened(path):
        pass


async def test_a_store_whose_journal_is_beside_its_other_name_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applying, "DELAY", 3600.0)
    folder = path.with_name("killed")
    folder.mkdir()
    with opened(path) as backend:
        said = await say(backend, "one", "two")
        for file in path.parent.glob(f"{path.name}*"):
            shutil.copy(file, folder)
    left, other = folder / path.name, folder / "other.db"
    other.hardlink_to(left)
    assert "2 names" in refusal(other)
    with opened(left) as backend:
        assert await log_of(backend) == said


def test_a_store_can_be_exported_by_another_name_while_it_is_in_use(path: Path) -> None:
    chunks: list[bytes] = []
    link = path.with_name("link.db")
    link.symlink_to(path)
    with opened(path) as backend:
        anyio.run(say, backend, "hello")
        export(str(link), chunks.append)
    assert b"hello" in b"".join(chunks)


def test_a_store_can_be_opened_again_once_it_is_closed(path: Path) -> None:
    for _ in range(2):
        backend = Embedded(str(path))
        backend.open()
        with pytest.raises(StoreError, match="in use"):
            Embedded(str(path)).open()
        backend.close()
