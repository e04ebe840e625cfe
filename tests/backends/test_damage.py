"""A damaged store: what can't be read is an error or says so, never a hole, and its text is in no error and no log."""

from __future__ import annotations

import os
import shutil
import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest

from app.backends import Events, Unavailable, storefile
from app.backends.damage import Damaged
from app.backends.embedded import Embedded
from app.backends.statements.rows import DAMAGED
from app.chat.events import Draft, Kind, User
from app.chat.logs import END
from app.live import following
from app.testing import test_application
from tests.backends.test_embedded import AUTHOR, by_hand, opened, soon
from tests.clients import DEADLINE

pytestmark = pytest.mark.anyio

SECRET = "vermilion"
COUNT = 4000


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed store with many messages in two rooms, so that its trees have inner pages."""
    path = tmp_path_factory.mktemp("filled") / "store.db"

    async def fill(backend: Embedded) -> None:
        await soon(backend.create_user(b"secret"))
        for first in range(0, COUNT, 500):
            for number in range(first, first + 500):
                room = "room" if number % 2 else "other"
                text = f"{SECRET} {number} " + "x" * 100
                last = backend.append(Draft(room, AUTHOR, text, f"id{number}", number + 1, cid=f"c{number}"))
            await soon(last)

    with opened(path) as backend:
        anyio.run(fill, backend)
    return path


@pytest.fixture
def path(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(storefile, "MAX_CHECKED", 0)  # as for a store that is too large to be checked at the start
    path = tmp_path / "store.db"
    shutil.copy2(filled, path)
    return path


def root_of(path: Path, name: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (name,)).fetchone()[0])


def patch(path: Path, at: int, data: bytes) -> None:
    """Change bytes of a store that is closed. Its time of last change stays, as when a disk does it."""
    status = path.stat()
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def lose_pages(path: Path, tree: str) -> None:
    """Two bytes, and an inner page has only its first cells: what was below the others is skipped without an error."""
    page = root_of(path, tree) - 1
    data = path.read_bytes()[4096 * page : 4096 * page + 12]
    assert data[0] in (2, 5)
    (cells,) = struct.unpack_from(">H", data, 3)
    assert cells > 10
    patch(path, 4096 * page + 3, struct.pack(">H", cells * 3 // 4))


def page_of(path: Path, text: bytes) -> int:
    """The start of the page that has a text."""
    return path.read_bytes().index(text) // 4096 * 4096


async def read_all(backend: Embedded, room: str = "room", *, fold: bool = False) -> list[Any]:
    """Read a log forward, a page at a time."""
    found: list[Any] = []
    more = True
    while more:
        page: Events = await soon(backend.read(room, after=found[-1].seq if found else 0, limit=100, fold=fold))
        found += page
        more = page.more
    return found


async def read_all_backwards(backend: Embedded, room: str = "room", *, fold: bool = False) -> list[Any]:
    found: list[Any] = []
    more = True
    while more:
        before = found[0].seq if found else END
        page = await soon(backend.read_backwards(room, before=before, limit=100, fold=fold))
        found[:0] = page
        more = page.more
    return found


@pytest.mark.parametrize("fold", [False, True])
@pytest.mark.parametrize("reading", [read_all, read_all_backwards])
async def test_what_a_page_of_the_index_has_lost_is_no_silent_hole(
    path: Path, reading: Callable[..., Any], fold: bool, caplog: pytest.LogCaptureFixture
) -> None:
    lose_pages(path, "events_by_room")
    with opened(path) as backend:
        for _ in range(3):
            with pytest.raises(Damaged, match="the store is damaged here"):
                await reading(backend, fold=fold)
            assert len(await reading(backend, "other", fold=fold)) == COUNT // 2
        lines = [record.getMessage() for record in caplog.records]
        assert len(lines) == 1
        assert "of room 'room' are missing: run `natter store check`" in lines[0]
        assert backend.damage
        newest = await soon(backend.read_backwards("room", before=END, limit=20))
        assert [event.seq for event in newest] == list(range(COUNT // 2 - 19, COUNT // 2 + 1))


async def test_a_read_stops_in_front_of_a_hole_and_can_go_on_behind_it(path: Path) -> None:
    lose_pages(path, "events_by_room")
    with opened(path) as backend:
        sound: list[int] = []
        try:
            while True:
                page = await soon(backend.read("room", after=sound[-1] if sound else 0, limit=100))
                assert page.more
                sound += [event.seq for event in page]
        except Damaged as damage:
            through = damage.through
        assert sound == list(range(1, sound[-1] + 1))
        assert through > sound[-1]
        rest = await soon(backend.read("room", after=through, limit=COUNT))
        assert [event.seq for event in rest] == list(range(through + 1, COUNT // 2 + 1))
        with pytest.raises(Damaged):
            await soon(backend.get("room", through))


@pytest.fixture
def whispered(tmp_path: Path) -> Path:
    """A closed store with many whispers of user 1, by turns to user 2 and user 3."""
    path = tmp_path / "whispers.db"

    async def fill() -> None:
        with opened(path) as backend:
            for number in range(COUNT):
                draft = Draft(f"@1,{2 + number % 2}", AUTHOR, f"{SECRET} {number} " + "x" * 400, f"id{number}", 1)
                last = backend.append(draft)
                if number % 500 == 499:
                    await soon(last)

    anyio.run(fill)
    return path


@pytest.mark.parametrize("fold", [False, True])
@pytest.mark.parametrize("reading", [read_all, read_all_backwards])
@pytest.mark.parametrize(("tree", "log"), [("events_by_room", "@1,3"), ("events", "~1"), ("events", "~2")])
async def test_whispers_that_are_lost_are_no_silent_hole(
    whispered: Path, reading: Callable[..., Any], tree: str, log: str, fold: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(whispered) as backend:
        assert len(await reading(backend, log, fold=fold)) == (COUNT if log == "~1" else COUNT // 2)
    lose_pages(whispered, tree)
    with opened(whispered) as backend:
        with pytest.raises(Damaged):
            await reading(backend, log, fold=fold)
        assert backend.damage
    assert "whispers of a conversation are missing" in caplog.text
    assert SECRET not in caplog.text


async def test_whispers_before_and_after_a_hole_are_read(whispered: Path) -> None:
    lose_pages(whispered, "events_by_room")
    with opened(whispered) as backend:
        sound: list[int] = []
        through, end, holes = 0, (await soon(backend.bounds("~1"))).head, 0
        while through < end:
            try:
                page = await soon(backend.read("@1,3", after=through, limit=100))
            except Damaged as damage:
                through, holes = max(damage.through, through + 1), holes + 1
            else:
                sound += [event.seq for event in page]
                through = page[-1].seq if page.more else end
        assert 100 < len(sound) < COUNT // 2
        assert 0 < holes < 20
        assert sound == sorted(set(sound))


def put_out_of_order(path: Path) -> None:
    """Change the room in the index's entry of message 1000."""
    with closing(sqlite3.connect(path)) as connection:
        plan = "SELECT pos FROM events WHERE room = 'room' AND seq = 1000"
        (pos,) = connection.execute(plan).fetchone()
    key = b"room" + struct.pack(">H", 1000) + struct.pack(">H", pos)
    at = path.read_bytes().index(key)
    patch(path, at, b"rzzm")


async def test_an_index_out_of_order_is_no_end_of_the_log(path: Path) -> None:
    put_out_of_order(path)
    with opened(path) as backend:
        for reading in (read_all, read_all_backwards):
            with pytest.raises(Damaged):
                await reading(backend)


@pytest.mark.parametrize("reading", [read_all, read_all_backwards])
async def test_messages_on_a_page_that_can_not_be_read_say_so(
    path: Path, reading: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    patch(path, page_of(path, f"{SECRET} 2001 ".encode()), b"\xff" * 4096)
    with opened(path) as backend:
        found = await reading(backend)
        assert [event.seq for event in found] == list(range(1, COUNT // 2 + 1))
        damaged = [event.seq for event in found if event.text == DAMAGED]
        assert 1001 in damaged
        assert len(damaged) < 30
        assert f"message {damaged[0]} of room 'room' can't be read" in caplog.text
        assert SECRET not in caplog.text
        assert len(caplog.records) <= 21


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("text", "x'c3'"),
        ("text", "CAST(x'76c3ff' AS TEXT)"),
        ("text", "7"),
        ("name", "CAST(x'ff' AS TEXT)"),
        ("name", "x'00'"),
        ("detail", "'{'"),
        ("detail", "'{\"until\":9999999999999999}'"),
        ("kind", "'mSg'"),
        ("at", "9223372036854775807"),
        ("at", "'then'"),
        ("user", "'ann'"),
        ("id", "1.5"),
        ("cid", "x'01'"),
        ("of", "'x'"),
    ],
)
async def test_a_damaged_message_says_so_and_closes_nobody(
    path: Path, column: str, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    by_hand(path, f"UPDATE events SET {column} = {value} WHERE room = 'room' AND seq = 1990")
    with test_application(store=path, overrides={"chat.limits.work": 0}) as chat:
        ann = chat.join("ann", room="room")
        page = ann.answer("history", room="room", limit=50)
        assert [event["seq"] for event in page["events"]] == list(range(1951, 2001))
        ann.send({"t": "join", "room": "room", "after": 1980, "rid": "again"})
        joined = ann.receive()
        assert joined["recovered"] is True
        assert [ann.receive()["seq"] for _ in range(20)] == list(range(1981, 2001))
        ann.say("still here")
        bob = chat.join("bob", room="room", dialect="text")
        bob.say("me too")
        ann.hears("me too")
    assert SECRET not in caplog.text
    assert "Traceback" not in caplog.text


def test_someone_who_resumes_over_a_hole_is_told_and_goes_on(path: Path) -> None:
    lose_pages(path, "events_by_room")
    with test_application("app.modules.health.module", store=path, overrides={"chat.limits.work": 0}) as chat:
        for room in ("room", "other"):
            ann = chat.connect()
            ann.send({"t": "join", "room": room, "after": 0, "rid": "r"})
            assert ann.receive()["recovered"] is True
            seqs: list[int] = []
            frames = []
            while not seqs or seqs[-1] < COUNT // 2:
                frame = ann.receive()
                if frame["t"] == "msg":
                    seqs.append(frame["seq"])
                else:
                    frames.append(frame)
                    if frame["t"] == "joined":
                        seqs.append(frame["head"])
            if frames:
                assert [frame["t"] for frame in frames] == ["error", "joined"]
                assert frames[0]["code"] == "unavailable"
                assert frames[0]["reason"] == "damaged"
                assert frames[0]["room"] == room
                assert frames[0]["retry"] is False
                assert frames[1]["recovered"] is False
            assert bool(frames) == (room == "room")
            assert frames or seqs == list(range(1, COUNT // 2 + 1))
            ann.say("still here", room=room)
        answer = chat.http.get("/readyz")
        assert answer.status_code == 503
        assert "a part of the store is damaged" in answer.text
        assert "room" not in answer.text


async def test_a_setting_that_can_not_be_read_opens_no_room(path: Path) -> None:
    with opened(path) as backend:
        await soon(backend.append(Draft("room", AUTHOR, "", "private", 1, kind=Kind.PRIVATE)))
    by_hand(path, "UPDATE events SET kind = 'privat' WHERE kind = 'private'")
    with opened(path) as backend:
        with pytest.raises(Damaged):
            await soon(backend.state("room"))
        with pytest.raises(Damaged):
            await soon(backend.states(["room"], ["access"]))


async def test_gaps_of_former_versions_and_of_imports_are_no_damage(path: Path) -> None:
    by_hand(
        path,
        "DELETE FROM events WHERE room = 'room' AND seq BETWEEN 500 AND 600",  # as if they had never been given out
        "DELETE FROM events WHERE room = 'room' AND seq = 1",
    )
    with opened(path) as backend:
        wanted = [*range(2, 500), *range(601, COUNT // 2 + 1)]
        for fold in (False, True):
            assert [event.seq for event in await read_all(backend, fold=fold)] == wanted
            assert [event.seq for event in await read_all_backwards(backend, fold=fold)] == wanted
        assert await soon(backend.get("room", 550)) is None
        assert backend.damage is None


async def test_a_read_that_goes_wrong_unexpectedly_ends_no_thread(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def broken(connection: sqlite3.Connection) -> None:
        raise MemoryError

    with opened(path) as backend:
        for _ in range(4):
            with pytest.raises(Unavailable):
                await soon(backend._read(broken))
        assert await soon(backend.users([1])) == [User(1, "user0")]


@pytest.mark.parametrize("value", ["CAST(x'ff' AS TEXT)", "7", "x'ff'", "a page", "what is forgotten"])
async def test_a_search_goes_on_around_damage(path: Path, value: str, caplog: pytest.LogCaptureFixture) -> None:
    if value == "a page":
        patch(path, page_of(path, f"{SECRET} 2001 ".encode()), b"\xff" * 4096)
    elif value == "what is forgotten":
        patch(path, 4096 * (root_of(path, "forgotten") - 1), b"\xff" * 4096)
    else:
        by_hand(path, f"UPDATE events SET text = {value} WHERE room = 'room' AND seq = 1001")
    with opened(path) as backend, anyio.fail_after(DEADLINE):
        old = [1001] if value == "what is forgotten" else []
        for words, found in ((f"{SECRET} 3999", [COUNT // 2]), (f'"{SECRET} 2001"', old)):
            while [event.seq for event in await backend.search("room", words, before=END, limit=10)] != found:
                pass  # it's still indexed, or the machine is busy with other things
    assert SECRET not in caplog.text
    assert "the index is damaged" not in caplog.text
    assert "indexing failed" not in caplog.text


def test_someone_whose_log_ends_before_its_head_is_told_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    read = Embedded.read

    def nothing(backend: Embedded, room: str, **page: Any) -> Any:
        return read(backend, room, **page | {"after": END - 1})

    monkeypatch.setattr(following, "RETRY_DELAY", 0.0)
    with test_application() as chat:
        ann = chat.join("ann")
        said = ann.say("lost")
        bob = chat.connect()
        monkeypatch.setattr(Embedded, "read", nothing)
        bob.send({"t": "join", "room": "lobby", "after": 0, "rid": "r"})
        assert bob.receive()["recovered"] is True
        error, joined = bob.receive(), bob.receive()
        assert (error["t"], error["code"], error["reason"]) == ("error", "unavailable", "damaged")
        assert (joined["t"], joined["recovered"], joined["head"]) == ("joined", False, said.seq)
        monkeypatch.setattr(Embedded, "read", read)
        ann.say("still here")
        bob.hears("still here")
