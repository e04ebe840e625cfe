"""Stores of version 1, which no sample has, are upgraded with nothing lost."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from app.backends.schema import APPLICATION_ID, MIGRATIONS
from app.chat.events import PLAIN, Account, Appended, Bounds, Draft, Event, User
from app.testing import test_application
from tests.backends.sample import ANN, BOB, HASH, SAMPLES, TOKENS
from tests.backends.test_embedded import draft, log_of, opened, soon
from tests.contracts.helpers import search

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def first_version(tmp_path: Path) -> Path:
    """A store of version 1: two users and a deleted one, three messages and a deleted one, a trimmed room."""
    path = tmp_path / "store.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
        connection.executescript(f"{MIGRATIONS[0]} PRAGMA user_version = 1; PRAGMA application_id = {APPLICATION_ID};")
        connection.execute("INSERT INTO meta VALUES ('epoch', 'abcd')")
        for number in range(3):
            connection.execute("INSERT INTO users (name, secret) VALUES (?, ?)", (f"user{number}", b"s%d" % number))
        for number in range(4):
            connection.execute(
                "INSERT INTO events (room, id, at, user, name, text, cid) VALUES ('room', ?, ?, 1, 'user0', ?, ?)",
                (f"id{number}", number, f"word {number}", f"c{number}"),
            )
        connection.execute("DELETE FROM users WHERE id = 3")
        connection.execute("DELETE FROM events WHERE seq = 4")
        connection.execute("INSERT INTO trims VALUES ('other', 77)")
    return path


async def test_a_store_of_version_1_is_brought_up_whole(first_version: Path) -> None:
    users = [User(1, "user0"), User(2, "user1")]
    events = [
        Event("room", seq, f"id{seq - 1}", seq - 1, 1, "user0", f"word {seq - 1}", f"c{seq - 1}") for seq in (1, 2, 3)
    ]
    for _ in range(2):
        with opened(first_version) as backend:
            assert backend.epoch == "abcd"
            log = await log_of(backend)
            assert log == events
            assert all(event.detail is PLAIN and event.kind == "msg" for event in log)
            assert await search(backend, "room", "word", before=100, limit=10) == events
            assert await soon(backend.bounds("other")) == Bounds(77, 77)
            assert [await soon(backend.user_by_token(b"s%d" % number)) for number in range(3)] == [*users, None]
            assert [await soon(backend.create_user(b"s%d" % number)) for number in range(2)] == users
            assert await soon(backend.account("user1")) == Account(users[1], "", 0)
            assert await soon(backend.append(draft("again", cid="c1"))) == Appended(events[1], duplicate=True)
    with opened(first_version) as backend:
        assert await soon(backend.create_user(b"new")) == User(4, "user3")
        assert await soon(backend.silent_guests(0, 100)) == (4, [2, 4])
        assert (await soon(backend.append(draft("new")))).event.seq == 4
        assert (await soon(backend.append(Draft("other", users[0], "new", id="new", at=1)))).event.seq == 78
        whisper = await soon(backend.append(Draft("@1,2", users[0], "psst", id="psst", at=1)))
        assert whisper.event.seq == 5  # above all positions that version 1 gave out


def test_a_store_of_version_1_is_copied_with_all_its_rows(first_version: Path) -> None:
    def rows(path: Path) -> list[object]:
        with closing(sqlite3.connect(path)) as connection:
            tables = ("users", "events", "trims", "sqlite_sequence")
            return [connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in tables]

    before = rows(first_version)
    with opened(first_version):
        pass
    assert rows(first_version.with_name(f"store.db.before-v{len(MIGRATIONS)}")) == before


async def test_a_store_of_version_1_without_users(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(f"{MIGRATIONS[0]} PRAGMA user_version = 1; PRAGMA application_id = {APPLICATION_ID};")
    with opened(path) as backend:
        assert await soon(backend.create_user(b"new")) == User(1, "user0")
        assert await log_of(backend) == []


async def test_sign_ins_of_a_former_version_end_with_the_password(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    shutil.copyfile(SAMPLES / "v3.db", path)
    with opened(path) as backend:
        assert await soon(backend.device_of(TOKENS[0])) == ANN.id
        assert await soon(backend.device_of(TOKENS[1])) == 0  # of a guest
        await soon(backend.change_password(ANN.id, HASH, "other", b"new", at=1))
        assert [await soon(backend.user_by_token(token)) for token in (TOKENS[0], TOKENS[4], b"new")] == [
            None,
            None,
            ANN,
        ]
        assert await soon(backend.user_by_token(TOKENS[1])) == BOB


def test_registered_names_of_a_former_version_have_no_lookalikes(tmp_path: Path) -> None:
    shutil.copyfile(SAMPLES / "v3.db", tmp_path / "store.db")
    with test_application(store=tmp_path / "store.db") as chat:
        refused = chat.connect().refused("nick", name="Ann_")
    assert (refused.code, refused.frame["reason"]) == ("name_taken", "lookalike")
