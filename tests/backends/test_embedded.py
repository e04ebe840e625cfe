"""What is specific to the embedded backend. What all backends promise is tested in tests/contracts."""

from __future__ import annotations

import errno
import gc
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from asyncio import gather
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from threading import current_thread
from typing import Any, NamedTuple, TypeVar

import anyio
import pytest
from msgspec.structs import replace

from app.backends import StoreError, Unavailable, applying, committing, embedded, machine, outage, space, stored
from app.backends.applying import Applier
from app.backends.committing import Committer
from app.backends.embedded import Embedded
from app.backends.indexing import MemoryIndex
from app.backends.journal import Journal
from app.backends.readers import Readers
from app.backends.schema import MIGRATIONS
from app.backends.sequencing import Sequencer
from app.backends.statements import logs
from app.backends.upkeep import Upkeep
from app.chat.events import Appended, Draft, Event, Kind, User
from app.clock import Clock
from tests.clients import DEADLINE, ROOT
from tests.contracts.helpers import search

T = TypeVar("T")
AUTHOR = User(1, "user0")

pytestmark = pytest.mark.anyio
numbers = count(1)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@contextmanager
def opened(path: Path | str, clock: Clock | None = None) -> Iterator[Embedded]:
    backend = Embedded(str(path), clock=clock)
    backend.open()
    try:
        yield backend
    finally:
        backend.close()


async def soon(awaitable: Awaitable[T]) -> T:
    with anyio.fail_after(DEADLINE):
        return await awaitable


def draft(text: str = "hi", *, cid: str = "") -> Draft:
    number = next(numbers)
    return Draft("room", AUTHOR, text, id=f"id{number}", at=number, cid=cid)


async def until(holds: Callable[[], bool]) -> None:
    with anyio.fail_after(DEADLINE):
        while not holds():  # noqa: ASYNC110
            await anyio.sleep(0.01)


async def say(backend: Embedded, *texts: str) -> list[Event]:
    return [each.event for each in await soon(gather(*[backend.append(draft(text)) for text in texts]))]


async def log_of(backend: Embedded) -> list[Event]:
    return await soon(backend.read("room", after=0, limit=1_000_000))


def pragma(backend: Embedded, text: str) -> object:
    """Run a PRAGMA on the connection that writes."""
    return backend._core.applier._connection.execute(f"PRAGMA {text}").fetchone()[0]


def by_hand(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def contents(directory: Path) -> dict[str, bytes]:
    """The contents of the files in the directory."""
    return {file.name: file.read_bytes() for file in directory.iterdir()}


def refusal(path: Path) -> str:
    with pytest.raises(StoreError) as caught:
        Embedded(str(path)).open()
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert len(text.splitlines()) == 1
    return text


@pytest.fixture
def store(path: Path) -> Path:
    """A closed store with a few pages."""

    async def fill(backend: Embedded) -> None:
        await soon(backend.create_user(b"secret"))
        await say(backend, *["x" * 500] * 100)

    with opened(path) as backend:
        anyio.run(fill, backend)
    return path


async def test_what_was_stored_is_there_after_reopening(path: Path) -> None:
    with opened(path) as backend:
        epoch = backend.epoch
        user = await soon(backend.create_user(b"secret"))
        log = await say(backend, "one", "two\0", "😀")
        stored = await soon(backend.append(draft("three", cid="c")))
    with opened(path) as backend:
        assert backend.epoch == epoch
        assert await log_of(backend) == [*log, stored.event]
        assert await soon(backend.user_by_token(b"secret")) == user
        assert await soon(backend.append(draft("again", cid="c"))) == Appended(stored.event, duplicate=True)
        assert (await say(backend, "four"))[0].seq > stored.event.seq
        assert (await soon(backend.create_user(b"other"))).name == "user1"


async def test_names_of_deleted_rows_are_not_used_again(path: Path) -> None:
    with opened(path) as backend:
        for number in range(3):
            await soon(backend.create_user(bytes([number])))
    by_hand(path, "DELETE FROM users WHERE id > 1")
    with opened(path) as backend:
        assert await soon(backend.create_user(b"new")) == User(4, "user3")


async def test_stores_in_memory_share_nothing() -> None:
    with opened(":memory:") as one, opened(":memory:") as other:
        await say(one, "hi")
        assert one.epoch != other.epoch
        assert await log_of(other) == []


async def test_a_store_in_memory_closes_its_search_index() -> None:
    with opened(":memory:") as backend:
        await say(backend, "hi")
        assert len(await search(backend, "room", "hi", before=100, limit=1)) == 1
        index = backend._core.index
        assert isinstance(index, MemoryIndex)
        connection = index._engine.index.connection
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_a_store_in_memory_makes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with opened(":memory:"):
        assert list(tmp_path.iterdir()) == []


def test_sqlite_never_tears_a_transaction_and_syncs_when_it_checkpoints(path: Path) -> None:
    normal = 1
    for _ in range(2):
        with opened(path) as backend:
            assert pragma(backend, "journal_mode") == "wal"
            assert pragma(backend, "synchronous") == normal


async def test_a_closed_store_is_one_file(path: Path) -> None:
    with opened(path) as backend:
        await say(backend, "hi")
        assert {file.name for file in path.parent.iterdir()} >= {path.name, f"{path.name}-wal", f"{path.name}-log0"}
    assert set(contents(path.parent)) == {path.name}


def test_an_empty_file_becomes_a_store(path: Path) -> None:
    path.touch()
    with opened(path) as backend:
        assert backend.epoch


async def test_a_store_in_use_is_refused(path: Path) -> None:
    with opened(path) as backend:
        assert "in use" in refusal(path)
        await say(backend, "still works")
    with opened(path) as backend:
        assert [event.text for event in await log_of(backend)] == ["still works"]


def test_a_store_in_use_by_another_process_is_refused(store: Path) -> None:
    before = set(contents(store.parent))
    script = "import sys; from app.backends.embedded import Embedded; store = Embedded(sys.argv[1]); store.open(); "
    script += "print('open', flush=True); sys.stdin.read(); store.close()"
    with subprocess.Popen(
        [sys.executable, "-c", script, store], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        assert "in use" in refusal(store)
        process.communicate(timeout=DEADLINE)
    assert process.returncode == 0
    assert set(contents(store.parent)) == before
    with opened(store) as backend:
        assert backend.epoch


def test_a_store_that_another_program_writes_to_is_refused(store: Path) -> None:
    with closing(sqlite3.connect(store, isolation_level=None)) as connection:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("UPDATE meta SET value = value")
        assert "in use" in refusal(store)
    with opened(store) as backend:
        assert backend.epoch


async def test_a_store_in_use_is_refused_by_another_name(path: Path) -> None:
    link = path.with_name("link.db")
    link.symlink_to(path)
    with opened(path):
        assert "in use" in refusal(link)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Drop root's right to write everywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


@pytest.mark.parametrize(("file_mode", "directory_mode"), [(0o444, 0o777), (0o666, 0o555), (0o444, 0o555)])
def test_a_store_that_cannot_be_written_is_refused(store: Path, file_mode: int, directory_mode: int) -> None:
    # The user nobody can't look into pytest's own directories.
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        copy = directory / "store.db"
        copy.write_bytes(store.read_bytes())
        copy.chmod(file_mode)
        directory.chmod(directory_mode)
        before = contents(directory)
        with as_nobody():
            refusal(copy)
        assert contents(directory) == before
        directory.chmod(0o755)


def not_a_database(path: Path) -> None:
    path.write_bytes(b"Dear diary,\n" * 1000)


def a_few_bytes(path: Path) -> None:
    path.write_bytes(b"hi")


def zeros(path: Path) -> None:
    path.write_bytes(bytes(8192))


def overwritten_in_the_middle(path: Path) -> None:
    data = bytearray(path.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 8192] = b"\xff" * 8192
    path.write_bytes(data)


def overwritten_at_the_start(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[100:4096] = b"\xff" * 3996
    path.write_bytes(data)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def without_a_table(path: Path) -> None:
    by_hand(path, "DROP TABLE meta")


def of_another_program(path: Path) -> None:
    path.unlink()
    by_hand(path, "CREATE TABLE notes (text)", "INSERT INTO notes VALUES ('mine')")


def of_another_program_with_an_id(path: Path) -> None:
    by_hand(path, "PRAGMA application_id = 7")


def of_a_newer_version(path: Path) -> None:
    by_hand(path, f"PRAGMA user_version = {len(MIGRATIONS) + 1}")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (not_a_database, "damaged, or not a store"),
        (a_few_bytes, "damaged, or not a store"),
        (zeros, "damaged, or not a store"),
        (overwritten_in_the_middle, "damaged"),
        (overwritten_at_the_start, "damaged"),
        (cut_off, "damaged"),
        (without_a_table, "meta"),
        (of_another_program, "another program's"),
        (of_another_program_with_an_id, "another program's"),
        (of_a_newer_version, f"version {len(MIGRATIONS) + 1}"),
    ],
)
def test_what_is_not_a_store_is_refused_and_left_as_it_was(
    store: Path, spoil: Callable[[Path], None], words: str
) -> None:
    spoil(store)
    before = contents(store.parent)
    for _ in range(2):
        assert words in refusal(store)
    assert contents(store.parent) == before


def test_a_newer_store_in_another_mode_is_left_as_it_was(store: Path) -> None:
    by_hand(store, f"PRAGMA user_version = {len(MIGRATIONS) + 1}", "PRAGMA journal_mode = DELETE")
    before = contents(store.parent)
    assert "version" in refusal(store)
    assert contents(store.parent) == before


def left_in_a_hurry(path: Path) -> None:
    script = "import os, sqlite3, sys; connection = sqlite3.connect(sys.argv[1], isolation_level=None); "
    script += "connection.execute('PRAGMA journal_mode = WAL'); connection.execute('CREATE TABLE notes (text)'); "
    script += "os._exit(0)"
    subprocess.run([sys.executable, "-c", script, path], check=True, timeout=DEADLINE)


def test_a_database_that_another_program_left_in_a_hurry_is_left_as_it_was(path: Path) -> None:
    left_in_a_hurry(path)
    before = contents(path.parent)
    assert f"{path.name}-wal" in before
    assert "another program's" in refusal(path)
    after = contents(path.parent)
    for name in (path.name, f"{path.name}-wal"):
        assert after[name] == before[name]


def test_a_link_to_a_database_of_another_program_is_refused(path: Path) -> None:
    left_in_a_hurry(path)
    link = path.with_name("link.db")
    link.symlink_to(path)
    before = path.read_bytes()
    assert "another program's" in refusal(link)
    assert path.read_bytes() == before


def test_an_empty_database_of_another_program_is_refused(path: Path) -> None:
    by_hand(path, "PRAGMA application_id = 7")
    before = contents(path.parent)
    assert "another program's" in refusal(path)
    assert contents(path.parent) == before


def test_a_missing_directory_is_refused_and_not_made(tmp_path: Path) -> None:
    assert "no such file or directory" in refusal(tmp_path / "missing" / "store.db")
    assert list(tmp_path.iterdir()) == []


def test_a_directory_is_refused(path: Path) -> None:
    path.mkdir()
    (path / "file").write_text("mine")
    refusal(path)
    assert contents(path) == {"file": b"mine"}


def test_a_refused_store_can_be_opened_once_it_is_repaired(path: Path) -> None:
    path.write_bytes(b"hi")
    backend = Embedded(str(path))
    for _ in range(2):
        with pytest.raises(StoreError):
            backend.open()
    path.unlink()
    backend.open()
    assert backend.epoch
    backend.close()


async def refuses_to_write(backend: Embedded, text: str) -> None:
    """Check that appends fail, one alone and several at once, that nobody sees them, and that reads still work."""
    log = await log_of(backend)
    followed: list[Event] = []
    unfollow = backend.follow(followed.extend)
    for size in (1, 3):
        appends = [backend.append(draft(text, cid=f"c{number}")) for number in range(size)]
        for answer in await soon(gather(*appends, return_exceptions=True)):
            assert isinstance(answer, Unavailable)
            assert len(str(answer).splitlines()) == 1
        assert await log_of(backend) == log
        assert await soon(backend.user_by_token(b"secret")) == AUTHOR
    unfollow()
    assert followed == []


async def writes_again(backend: Embedded, text: str) -> list[Event]:
    """Check that a retry stores what failed, and that a second retry is a duplicate."""
    log = await log_of(backend)
    followed: list[Event] = []
    unfollow = backend.follow(followed.extend)
    for duplicate in (False, True):
        answers = await soon(gather(*[backend.append(draft(text, cid=f"c{number}")) for number in range(3)]))
        assert [answer.duplicate for answer in answers] == [duplicate] * 3
        assert [answer.event for answer in answers] == followed
    unfollow()
    assert await log_of(backend) == log + followed
    seqs = [event.seq for event in log + followed]
    assert seqs == list(range(1, len(seqs) + 1))
    return log + followed


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file grow, as on a full disk: none is large enough to be written to inside."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_failing_disk_is_unavailable_to_writers_until_it_works(path: Path) -> None:
    text = "x" * 50_000
    with opened(path) as backend:
        await soon(backend.create_user(b"secret"))
        await say(backend, *[text] * 5)
        assert len(await log_of(backend)) == 5
        with full_disk():
            await refuses_to_write(backend, text)
        log = await writes_again(backend, text)
    with opened(path) as backend:
        assert await log_of(backend) == log


async def test_what_is_acknowledged_is_kept_though_sqlite_has_no_room(path: Path) -> None:
    """The journal has it. Nothing more is accepted meanwhile, and reads see what there was before."""
    text = "x" * 50_000
    with opened(path) as backend:
        await soon(backend.create_user(b"secret"))
        before = await say(backend, "one", "two")
        assert await log_of(backend) == before
        pragma(backend, "max_page_count = 1")
        acknowledged = await say(backend, *[text] * 3)
        assert await log_of(backend) == before
        await refuses_to_write(backend, text)
        pragma(backend, f"max_page_count = {1 << 30}")
        [after] = await say(backend, "after")
        log = [*before, *acknowledged, after]
        assert await log_of(backend) == log
    with opened(path) as backend:
        assert await log_of(backend) == log


async def test_what_sqlite_has_no_room_for_is_there_after_a_restart(path: Path) -> None:
    with opened(path) as backend:
        before = await say(backend, "one")
        assert await log_of(backend) == before
        pragma(backend, "max_page_count = 1")
        after = await say(backend, *["x" * 50_000] * 3)
    with opened(path) as backend:
        assert await log_of(backend) == before + after
        assert [event.seq for event in await say(backend, "next")] == [5]


async def test_those_who_wait_for_a_store_without_room_are_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applying, "RETRY_DELAY", 3600.0)
    with opened(path) as backend:
        user = await soon(backend.create_user(b"secret"))
        [said] = await say(backend, "one")
        assert await log_of(backend) == [said]
        pragma(backend, "max_page_count = 1")
        edit = Draft("room", user, "x" * 50_000, "edit", 0, kind=Kind.EDIT, of=said.seq)
        waiting = [backend.append(edit), backend.claim(user.id, "Ann", "ann"), backend.append(draft("x" * 50_000))]
        for answer in await soon(gather(*waiting, return_exceptions=True)):
            assert isinstance(answer, Unavailable)
        pragma(backend, f"max_page_count = {1 << 30}")
        followed: list[Event] = []
        backend.follow(followed.extend)
        [next_one] = await say(backend, "next")
        log = await log_of(backend)
        assert [event.text[:4] for event in log] == ["xxxx", "xxxx", "xxxx", "next"]
        assert followed == [*log[1:3], next_one]
        assert await soon(backend.users([user.id])) == [User(user.id, "Ann")]


async def test_nothing_is_stored_of_what_failed_together(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    followed: list[Event] = []
    with opened(path) as backend:
        backend.follow(followed.extend)
        with monkeypatch.context() as patch:
            patch.setattr(Journal, "write", no_space)
            appends = [backend.append(draft(text)) for text in ("fits", "too", "fits")]
            answers = await soon(gather(*appends, return_exceptions=True))
        assert [str(answer) for answer in answers] == ["the store can't be written: the disk is full (ENOSPC)"] * 3
        assert await log_of(backend) == followed == []
        assert [event.seq for event in await say(backend, "again")] == [1]
    with opened(path) as backend:
        assert [event.text for event in await log_of(backend)] == ["again"]


def no_space(journal: Journal, payload: bytes) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


async def test_a_nearly_full_disk_is_left_to_what_is_acknowledged(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "INTERVAL", 0.0)
    with opened(path) as backend:
        [said] = await say(backend, "fits")
        with monkeypatch.context() as patch:
            patch.setattr(space, "RESERVE", 1 << 62)
            patch.setattr(os, "statvfs", lambda path: Disk(f_bavail=9, f_blocks=1000))
            with pytest.raises(Unavailable, match="the disk is full"):
                await soon(backend.append(draft("x")))
            assert await log_of(backend) == [said]
        assert [event.seq for event in await say(backend, "fits again")] == [2]


async def test_a_folder_that_is_gone_makes_the_store_unavailable_until_it_is_back(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(path: str) -> None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

    monkeypatch.setattr(space, "INTERVAL", 0.0)
    with opened(path) as backend:
        with monkeypatch.context() as patch:
            patch.setattr(os, "statvfs", gone)
            for _ in range(2):
                with pytest.raises(Unavailable, match="no such file or directory"):
                    await soon(backend.append(draft("x")))
        assert [event.seq for event in await say(backend, "back")] == [1]


async def test_a_commit_that_fails_unexpectedly_is_answered_and_logged(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(journal: Journal, payload: bytes) -> None:
        raise RuntimeError("a bug")

    with opened(path) as backend:
        with monkeypatch.context() as patch:
            patch.setattr(Journal, "write", broken)
            with pytest.raises(Unavailable, match="log has the details"):
                await soon(backend.append(draft("x")))
        assert "RuntimeError: a bug" in caplog.text
        assert [event.seq for event in await say(backend, "works again")] == [1]


async def test_a_disk_that_stays_full_is_logged_once(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(path) as backend:
        with monkeypatch.context() as patch:
            patch.setattr(Journal, "write", no_space)
            for _ in range(3):
                with pytest.raises(Unavailable):
                    await soon(backend.append(draft("x")))
            assert backend.problem == "the store can't be written: the disk is full (ENOSPC)"
        assert [record.message for record in caplog.records] == [f"{path}: {backend.problem}"]
        await say(backend, "works again")
        assert backend.problem is None


async def test_a_store_finds_out_by_itself_that_it_can_be_written_again(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(applying, "RETRY_DELAY", 0.01)
    monkeypatch.setattr(outage, "CALM", 0.0)
    with opened(path) as backend:
        with monkeypatch.context() as patch:
            patch.setattr(Journal, "write", no_space)
            with pytest.raises(Unavailable):
                await soon(backend.append(draft("x")))
        await until(lambda: len(caplog.records) > 1)
        assert backend.problem is None
        assert "the store can be written again, after 0 s" in caplog.records[1].message
        assert [event.seq for event in await say(backend, "one")] == [1]


async def test_reads_go_on_while_a_guest_waits_for_room_on_the_disk(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applying, "RETRY_DELAY", 3600.0)
    with opened(path) as backend:
        said = await say(backend, "one")
        with monkeypatch.context() as patch:
            patch.setattr(Journal, "write", no_space)
            await soon(backend.create_guest())
            with pytest.raises(Unavailable):
                await soon(backend.append(draft("x")))
            assert await log_of(backend) == said


def test_a_disk_that_stays_full_has_a_line_at_the_beginning_one_a_minute_and_one_at_the_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = [1000.0]
    monkeypatch.setattr(outage, "monotonic", lambda: now[0])
    writing = outage.Outage("chat.db", "written")
    for second in range(150):
        now[0] = 1000.0 + second
        for _ in range(10):
            writing.fail(outage.Source.JOURNAL, "the disk is full (ENOSPC)")
            writing.count(1)
        writing.tick()
    writing.recover(outage.Source.JOURNAL)
    assert writing.problem is None
    writing.tick()
    assert writing.lasts, "it may come back at once"
    now[0] += outage.CALM
    writing.tick()
    assert not writing.lasts
    problem = "chat.db: the store can't be written: the disk is full (ENOSPC)"
    assert [record.message for record in caplog.records] == [
        problem,
        f"{problem}: for 60 s now (610 calls failed since the last line)",
        f"{problem}: for 2 min now (600 calls failed since the last line)",
        "chat.db: the store can be written again, after 3 min (1500 calls failed)",
    ]


async def test_the_threads_of_a_store_outlive_any_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who wait are told, and the next call works."""
    monkeypatch.setattr(applying, "STUMBLE_DELAY", 0.0)
    monkeypatch.setattr(applying, "RETRY_DELAY", 0.01)

    def out_of_memory(*arguments: object) -> Any:
        patch.undo()
        raise MemoryError

    for target, name in (
        (machine, "apply"),
        (Applier, "_release_reads"),
        (Committer, "finish"),
        (Sequencer, "place"),
        (logs, "read"),
    ):
        with opened(path) as backend:
            user = await soon(backend.create_user(b"secret"))
            with monkeypatch.context() as patch:
                patch.setattr(target, name, out_of_memory)
                calls = [backend.claim(user.id, "Ann", "ann"), backend.read("room", after=0, limit=1)]
                answers = await soon(gather(*calls, return_exceptions=True))
                failed = [answer for answer in answers if isinstance(answer, Exception)]
                assert all(isinstance(one, Unavailable) and "out of memory" in str(one) for one in failed), failed
            await until(lambda: backend.problem is None)
            await say(backend, name)
            assert [event.text for event in await log_of(backend)][-1] == name


async def test_a_store_whose_thread_fails_at_the_end_is_closed_and_loses_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_memory(*arguments: object) -> None:
        raise MemoryError

    monkeypatch.setattr(applying, "STUMBLE_DELAY", 0.0)
    monkeypatch.setattr(applying, "DELAY", 3600.0)
    for target, name in ((machine, "apply"), (Applier, "_release_reads"), (Upkeep, "finish")):
        with opened(path) as backend:
            said = await say(backend, name)
            readers = backend._core.applier._readers
            assert readers is not None
            monkeypatch.setattr(target, name, out_of_memory)
        monkeypatch.undo()
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            readers.lookups.execute("SELECT 1")
        del backend
        gc.collect()
        with opened(path) as again:
            assert (await log_of(again))[-1:] == said


async def test_a_store_without_room_for_its_thread_is_refused_and_closed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Readers] = []

    def noted(*arguments: Any) -> Readers:
        made.append(Readers(*arguments))
        return made[-1]

    def no_room(*arguments: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(embedded, "Readers", noted)
    with monkeypatch.context() as patch:
        patch.setattr("app.backends.applying.Thread.start", no_room)
        assert "can't start new thread: raise the limit of threads (ulimit -u)" in refusal(path)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        made[0].lookups.execute("SELECT 1")
    with opened(path) as backend:
        assert await say(backend, "hi") == await log_of(backend)


async def test_a_follower_that_fails_keeps_nothing_from_others(path: Path) -> None:
    def broken(events: object) -> None:
        raise RuntimeError("a bug")

    followed: list[Event] = []
    with opened(path) as backend:
        backend.follow(broken)
        backend.follow(followed.extend)
        assert await say(backend, "one", "two") == followed


async def test_a_check_takes_the_way_of_a_change(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(path) as backend:
        await soon(backend.check())
        worked_at = backend._core.applier.worked_at
        await soon(backend.check())
        assert backend._core.applier.worked_at == worked_at, "once in a while is enough"
        monkeypatch.setattr(stored, "FRESH", -1.0)
        with monkeypatch.context() as patch:
            patch.setattr(Journal, "write", no_space)
            with pytest.raises(Unavailable, match="ENOSPC"):
                await soon(backend.check())
        await soon(backend.check())
    with opened(path) as backend:
        assert await log_of(backend) == []


async def test_a_search_without_a_descriptor_to_spare_is_unavailable(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left() -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with opened(path) as backend:
        [said] = await say(backend, "here")
        with monkeypatch.context() as patch:
            patch.setattr(os, "pipe", none_left)
            with pytest.raises(Unavailable, match="too many open files"):
                await soon(backend.search("room", "here", before=100, limit=1))
        assert await search(backend, "room", "here", before=100, limit=1) == [said]


async def killed(path: Path, crashed: Path, monkeypatch: pytest.MonkeyPatch, *texts: str) -> tuple[str, list[Event]]:
    """Say something, each in a commit of its own, and copy the files as if the server was killed then."""
    monkeypatch.setattr(applying, "DELAY", 3600.0)
    with opened(path) as backend:
        said = [event for text in texts for event in await say(backend, text)]
        for file in path.parent.iterdir():
            shutil.copy(file, crashed)
        return backend.epoch, said


async def test_a_damaged_journal_is_told_and_kept_and_begins_another_history(
    path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    crashed = tmp_path_factory.mktemp("crashed")
    epoch, said = await killed(path, crashed, monkeypatch, "one", "two", "three", "four")
    journal = crashed / f"{path.name}-log0"
    data = bytearray(journal.read_bytes())
    data[data.index(b"three")] ^= 1
    journal.write_bytes(data)
    with opened(crashed / path.name) as backend:
        assert await log_of(backend) == said[:2]
        assert backend.epoch != epoch
        assert "the journal is damaged after record 2" in caplog.text
        assert (crashed / f"{path.name}-log0.damaged").read_bytes() == data
    caplog.clear()
    with opened(crashed / path.name) as backend:
        assert await log_of(backend) == said[:2]
    assert caplog.text == ""


async def test_a_torn_last_record_is_no_damage(
    path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashed = tmp_path_factory.mktemp("crashed")
    epoch, said = await killed(path, crashed, monkeypatch, "one", "two", "three")
    journal = crashed / f"{path.name}-log0"
    data = journal.read_bytes()
    journal.write_bytes(data[: data.index(b"three") + 2])
    with opened(crashed / path.name) as backend:
        assert (await log_of(backend), backend.epoch) == (said[:2], epoch)


class Disk(NamedTuple):
    f_bavail: int
    f_blocks: int
    f_frsize: int = 4096
    f_flag: int = 0


async def test_a_slow_disk_does_not_hold_up_the_event_loop(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once commits are slow, they are made in another thread, in the same order; once they are fast, in the loop."""
    write, threads = Journal.write, []

    def watched(journal: Journal, payload: bytes) -> None:
        threads.append(current_thread())
        write(journal, payload)

    monkeypatch.setattr(Journal, "write", watched)
    with opened(path) as backend:
        for limit, in_loop in ((-1.0, False), (1e9, True), (-1.0, False)):
            monkeypatch.setattr(committing, "SLOW", limit)
            monkeypatch.setattr(committing, "FAST", limit)
            await say(backend, "the one that shows how fast it is")
            threads.clear()
            await say(backend, "one", "two")
            assert [thread is current_thread() for thread in threads] == [in_loop]
        log = await log_of(backend)
        assert [event.seq for event in log] == list(range(1, len(log) + 1))


@pytest.mark.parametrize(
    "impossible",
    [
        lambda backend: backend.append(draft("\ud800")),
        lambda backend: backend.append(draft(cid="\ud800")),
        lambda backend: backend.append(replace(draft(), room="\ud800")),
        lambda backend: backend.append(replace(draft(), room="~1")),
        lambda backend: backend.append(replace(draft(), at=1 << 63)),
        lambda backend: backend.append(replace(draft(), of=1 << 70)),
        lambda backend: backend.claim(1, "\ud800", "ann"),
        lambda backend: backend.read("\ud800", after=0, limit=1),
        lambda backend: backend.read("room", after=1 << 63, limit=1),
        lambda backend: backend.read_backwards("room", before=1 << 63, limit=1),
        lambda backend: backend.create_user(b"secret"),
    ],
    ids=["text", "cid", "log", "mailbox", "at", "of", "name", "room", "after", "before", "secret"],
)
@pytest.mark.parametrize("where", [":memory:", "store.db"])
async def test_what_cannot_be_done_harms_no_other_call(
    impossible: Callable[[Embedded], Awaitable[object]], where: str, tmp_path: Path
) -> None:
    with opened(where if where == ":memory:" else tmp_path / where) as backend:
        await soon(backend.create_user(b"secret"))
        # Calls that are made in one turn of the event loop share one commit.
        calls = [backend.append(draft("before")), impossible(backend), backend.append(draft("after"))]
        with anyio.fail_after(DEADLINE):
            before, _, after = await gather(*calls, return_exceptions=True)
        assert isinstance(before, Appended)
        assert isinstance(after, Appended)
        assert await log_of(backend) == [before.event, after.event]


def test_a_store_that_is_forgotten_is_closed(path: Path) -> None:
    backend = Embedded(str(path))
    backend.open()
    del backend
    gc.collect()
    with opened(path) as again:
        assert again.epoch


def test_a_store_that_is_forgotten_after_use_is_closed(path: Path) -> None:
    backend = Embedded(str(path))
    backend.open()
    anyio.run(say, backend, "hi")
    thread = backend._core.applier.thread
    assert thread is not None
    del backend
    gc.collect()
    thread.join(DEADLINE)
    assert not thread.is_alive()


WRITER = """
import asyncio, sys
from app.backends.embedded import Embedded
from app.backends.journal import Journal
from app.chat.events import Draft, User

async def speak(store, speaker):
    number = 0
    while True:
        number += 1
        text = f"{speaker} {number}"
        appended = await store.append(Draft("room", User(1, "user0"), text, text, number, cid=text))
        print(appended.event.seq, text, flush=True)

async def main():
    store = Embedded(sys.argv[1])
    store.open()
    await asyncio.gather(*[speak(store, speaker) for speaker in range(8)])

asyncio.run(main())
"""


@pytest.mark.parametrize("lines", [1, 100, 3000])
def test_what_was_acknowledged_survives_a_kill(path: Path, lines: int) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, path], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(lines)]
        process.kill()
        said += process.stdout.read().splitlines(keepends=True)
    acknowledged = {line for line in said if line.endswith("\n")}
    assert len(acknowledged) >= lines

    async def check(backend: Embedded) -> None:
        log = await log_of(backend)
        assert acknowledged <= {f"{event.seq} {event.text}\n" for event in log}
        assert (await say(backend, "next"))[0].seq > log[-1].seq

    with opened(path) as backend:
        anyio.run(check, backend)


def test_what_was_trimmed_is_gone_from_the_file(path: Path) -> None:
    async def said_and_trimmed(backend: Embedded) -> None:
        user = await soon(backend.create_user(b"secret"))
        for number in range(200):
            await soon(backend.append(Draft("room", user, f"betrayal{number} " * 20, str(number), number)))
        assert await soon(backend.trim("room", keep=1, since=0, limit=1000)) == 199

    with opened(path) as backend:
        anyio.run(said_and_trimmed, backend)
    kept = path.read_bytes()
    assert b"betrayal199 " in kept
    assert not [number for number in range(199) if f"betrayal{number} ".encode() in kept]


def test_a_new_store_is_its_owner_s_alone(path: Path) -> None:
    with opened(path):
        assert {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {
            path.name: 0o600,
            f"{path.name}-log0": 0o600,
            f"{path.name}-shm": 0o600,
            f"{path.name}-wal": 0o600,
        }


async def test_who_was_admitted_is_stored_soon_though_nobody_asks(path: Path) -> None:
    with opened(path) as backend:
        users = [await soon(backend.create_guest()) for _ in range(5)]
        with anyio.fail_after(DEADLINE), closing(sqlite3.connect(path)) as reader:
            while reader.execute("SELECT count(*) FROM users").fetchone() != (5,):
                await anyio.lowlevel.checkpoint()
    with opened(path) as backend:
        assert await soon(backend.users([user.id for user in users])) == users
        assert (await soon(backend.create_guest())).id == 6


async def test_who_was_admitted_while_the_store_could_not_be_written_is_stored_later(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(path) as backend:
        with monkeypatch.context() as patch:
            patch.setattr(Journal, "write", no_space)
            user = await soon(backend.create_guest())
            with pytest.raises(Unavailable, match="disk is full"):
                await soon(backend.append(draft("x")))
        await say(backend, "y")
        assert await soon(backend.users([user.id])) == [user]
