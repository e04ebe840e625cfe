"""Exports, imports and backups of the embedded store."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import anyio
import pytest

from app.backends import NameTaken, StoreError, journal
from app.backends.archive import ArchiveError, back_up, export, import_, reading
from app.backends.archive.reading import open_to_read
from app.backends.changes import BindToken, SetPassword
from app.backends.embedded import Embedded
from app.backends.schema import MIGRATIONS
from app.chat.events import Appended, Detail, Draft, Event, Kind, User
from app.chat.logs import mailbox
from tests.backends.test_embedded import by_hand, contents, opened, soon
from tests.clients import DEADLINE
from tests.contracts.helpers import search

FAR = 2**62
ANN, BOB = User(1, "Ann"), User(2, "bob")
SECRETS = (b"first of ann's", b"second of ann's", b"of bob")
HASH = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


async def say(backend: Embedded, text: str, room: str = "red", user: User = ANN, **fields: Any) -> Event:
    draft = Draft(room, user, text, id=f"{room}-{text}", at=1_700_000_000_000, **fields)
    return (await soon(backend.append(draft))).event


async def fill(backend: Embedded) -> None:
    """Fill a store with something of everything, including positions that were trimmed and a user without a token."""
    for secret in (SECRETS[0], SECRETS[2], b"of nobody"):
        await soon(backend.create_user(secret))
    await soon(backend.submit(BindToken(SECRETS[1], ANN.id)))
    await soon(backend.claim(ANN.id, "Ann", "ann"))
    await soon(backend.claim(BOB.id, "bob", "bob"))
    await soon(backend.submit(SetPassword(ANN.id, HASH)))
    await soon(backend.make_operator("ann"))
    await soon(backend.depart(ANN.id, 1_700_000_000_123))
    await say(backend, "owned", kind=Kind.OWNER, detail=Detail(whom=ANN))
    await say(backend, "old news")
    await say(backend, "about paint", kind=Kind.TOPIC)
    await say(backend, "a bad one", kind=Kind.BAN, detail=Detail(whom=BOB, until=1_900_000_000_000))
    await soon(backend.trim("red", keep=1, since=0, limit=100))
    first = await say(backend, "vermilion", cid="c1")
    await say(backend, "crimson", kind=Kind.EDIT, of=first.seq)
    gone = await say(backend, "mistake", user=BOB, cid="c1")
    await say(backend, "", kind=Kind.DELETE, of=gone.seq)
    await say(backend, "forgotten whisper", room="@1,2")
    await soon(backend.trim("@1,2", keep=0, since=FAR, limit=100))
    whisper = await say(backend, "psst scarlet ☃", room="@1,2", user=BOB, cid="c2", detail=Detail(to=("Ann",)))
    await say(backend, "azure", room="blue", cid="c3", detail=Detail(notify="here"))
    await soon(backend.mark_read(ANN.id, mailbox(ANN.id), whisper.seq))
    await soon(backend.ignore(BOB.id, 3, on=True))
    await say(backend, "the last", room="green")
    await soon(backend.trim("green", keep=0, since=FAR, limit=100))
    assert await search(backend, "red", "crimson", before=FAR, limit=9)


async def everything(backend: Embedded) -> list[Any]:
    """All that can be read from a store."""
    logs = ["red", "blue", "green", "@1,2", "~1", "~2", "~3"]
    told: list[Any] = [await soon(backend.rooms())]
    for log in logs:
        bounds = await soon(backend.bounds(log))
        told += [bounds, await soon(backend.read(log, after=bounds.trimmed, limit=1000))]
        told += [await soon(backend.read_backwards(log, before=FAR, limit=1000)), await soon(backend.state(log))]
        for words in ("crimson", "vermilion", "scarlet", "azure", "news", "mistake", "forgotten"):
            told.append(await search(backend, log, words, before=FAR, limit=1000))
    told += [await soon(backend.user_by_token(secret)) for secret in SECRETS]
    told += [await soon(backend.account(name)) for name in ("ann", "bob", "user0", "user2")]
    told.append(await soon(backend.operators()))
    for user in (1, 2, 3):
        told += [await soon(backend.conversations(user)), await soon(backend.ignored(user))]
        told += [await soon(backend.mark_read(user, log, 0)) for log in logs]
    return told


@pytest.fixture
def store(path: Path) -> Path:
    with opened(path) as backend:
        anyio.run(fill, backend)
    return path


def exported(path: Path, room: str = "") -> bytes:
    made: list[bytes] = []
    export(str(path), made.append, room)
    return b"".join(made)


def imported(path: Path, text: bytes) -> None:
    import_(str(path), BytesIO(text), "it.jsonl")


def lines_of(text: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def text_of(lines: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def but_for_epoch(text: bytes) -> list[dict[str, Any]]:
    header, *rest = lines_of(text)
    return [{**header, "epoch": ""}, *rest]


async def test_what_is_imported_is_all_that_was_there(store: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    imported(other, exported(store))
    assert other.stat().st_mode & 0o777 == 0o600
    with opened(store) as old, opened(other) as new:
        assert await everything(new) == await everything(old)
        assert new.epoch != old.epoch
        (first,) = await search(old, "red", "crimson", before=FAR, limit=9)
        for backend in (old, new):
            retried = await soon(backend.append(Draft("red", ANN, "vermilion", id="another", at=1, cid="c1")))
            assert retried == Appended(first, duplicate=True)
        last = (await say(old, "next")).seq
        assert (await say(new, "next")).seq == last
        last = (await say(old, "psst", room="@2,3")).seq
        assert (await say(new, "psst", room="@2,3")).seq == last
        assert await soon(new.create_user(b"another")) == await soon(old.create_user(b"another")) == User(4, "user3")
    assert but_for_epoch(exported(other)) == but_for_epoch(exported(store))


async def test_a_name_that_was_given_up_is_still_kept_after_an_import(store: Path, tmp_path: Path) -> None:
    with opened(store) as old:
        await soon(old.claim(ANN.id, "Eve", "eve", skeleton="eve", at=6, most=9))
        await soon(old.claim(ANN.id, "Ann", "ann", skeleton="ann", at=7, most=9))
    imported(tmp_path / "other.db", exported(store))
    with opened(tmp_path / "other.db") as new:
        for name in ("eve", "eve."):
            with pytest.raises(NameTaken) as caught:
                await soon(new.claim(BOB.id, name, name, skeleton="eve", at=8, since=5, most=9))
            assert caught.value.reason == "given_up"
    assert but_for_epoch(exported(tmp_path / "other.db")) == but_for_epoch(exported(store))


def test_an_empty_store_comes_back_empty(path: Path, tmp_path: Path) -> None:
    with opened(path):
        pass
    imported(tmp_path / "other.db", exported(path))
    assert but_for_epoch(exported(tmp_path / "other.db")) == but_for_epoch(exported(path))


def test_each_import_is_a_history_of_its_own(store: Path, tmp_path: Path) -> None:
    epochs = {str(lines_of(exported(store))[0]["epoch"])}
    for name in ("one.db", "two.db"):
        imported(tmp_path / name, exported(store))
        epochs.add(str(lines_of(exported(tmp_path / name))[0]["epoch"]))
    assert len(epochs) == 3


def test_a_room_goes_out_without_secrets_and_whispers(store: Path) -> None:
    text = exported(store, "red")
    header, *lines, end = lines_of(text)
    assert header == {"t": "natter", "version": 3, "epoch": header["epoch"], "room": "red"}
    people = [line for line in lines if line["t"] == "user"]
    assert people == [{"t": "user", "id": 1, "name": "Ann"}, {"t": "user", "id": 2, "name": "bob"}]
    assert all(line["room"] == "red" for line in lines if line["t"] != "user")
    assert {line["t"] for line in lines} == {"user", "event", "state", "trim"}
    assert end == {"t": "end", "lines": len(lines) + 1}
    for secret in (*SECRETS, b"of nobody"):
        assert secret.hex().encode() not in text
    assert not any(word in text for word in (b"argon2", b"psst", b"scarlet", b"forgotten", b"@1", b"azure"))


async def test_a_room_goes_into_a_store_with_others(store: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with opened(other) as backend:
        await soon(backend.create_user(b"the same ann"))
        await soon(backend.claim(ANN.id, "ann", "ann"))
        epoch = backend.epoch
        await say(backend, "here before", room="white")
        assert await search(backend, "white", "before", before=FAR, limit=9)
    imported(other, exported(store, "red"))
    with opened(store) as old, opened(other) as new:
        for log in ("red", "white"):
            assert await soon(new.bounds(log)) == await soon(old.bounds("red")) or log == "white"
        after = (await soon(new.bounds("red"))).trimmed
        assert await soon(new.read("red", after=after, limit=99)) == await soon(old.read("red", after=after, limit=99))
        assert await soon(new.state("red")) == await soon(old.state("red"))
        for words in ("crimson", "vermilion", "news"):
            found = await search(old, "red", words, before=FAR, limit=9)
            assert await search(new, "red", words, before=FAR, limit=9) == found
        assert await search(new, "white", "before", before=FAR, limit=9)
        assert new.epoch not in (epoch, old.epoch)
        assert await soon(new.user_by_token(b"the same ann")) == User(1, "ann")
        assert await soon(new.account("bob"))
        for room in ("red", "white"):
            head = (await soon(new.bounds(room))).head
            assert (await say(new, "next", room=room)).seq == head + 1
    before = but_for_epoch(exported(other))
    imported(other, exported(store, "red"))  # the store has all of it already
    assert but_for_epoch(exported(other)) == before


async def test_those_who_stay_in_a_private_room_come_along(store: Path, tmp_path: Path) -> None:
    with opened(store) as backend:
        await say(backend, "", room="blue", kind=Kind.PRIVATE, detail=Detail(invited=(1, 3)))
    imported(tmp_path / "other.db", exported(store, "blue"))
    with opened(tmp_path / "other.db") as backend:
        assert [user.id for user in await soon(backend.users([1, 2, 3]))] == [1, 3]
        (closed,) = await soon(backend.state("blue"))
        assert closed.detail.invited == (1, 3)
    lines = [line for line in lines_of(exported(store, "blue")) if line.get("name") != "user2"]
    with pytest.raises(ArchiveError, match="names someone who is not among the users"):
        imported(tmp_path / "another.db", text_of([*lines[:-1], {**lines[-1], "lines": len(lines) - 1}]))


async def test_what_an_older_version_kept_of_edits_is_not_taken_in(store: Path, tmp_path: Path) -> None:
    with opened(store) as backend:
        said = next(event for event in await soon(backend.read("red", after=4, limit=9)) if event.text == "crimson")
        await say(backend, "azure", kind=Kind.EDIT, of=said.seq)
    lines = lines_of(exported(store, "red"))
    replaced = next(line for line in lines if line.get("kind") == "edit")
    assert replaced["text"] == ""
    replaced["text"] = "crimson"
    for other in (tmp_path / "other.db", store):
        imported(other, text_of(lines))
        with opened(other) as backend:
            texts = [event.text for event in await soon(backend.read("red", after=4, limit=99))]
        assert "crimson" not in texts
        assert texts.count("azure") == 2


async def test_a_room_of_which_all_is_forgotten_keeps_its_positions(store: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    imported(other, exported(store, "green"))
    with opened(store) as old, opened(other) as new:
        bounds = await soon(old.bounds("green"))
        assert await soon(new.bounds("green")) == bounds
        assert (await say(new, "next", room="green")).seq == bounds.head + 1


def test_an_event_goes_into_no_gap_of_a_room(store: Path, tmp_path: Path) -> None:
    other, lines = tmp_path / "other.db", lines_of(exported(store, "red"))
    (gap,) = [line for line in lines if line.get("text") == "crimson" and line["kind"] == "edit"]
    short = [line for line in lines if line is not gap]
    short[-1]["lines"] -= 1
    imported(other, text_of(short))
    before = exported(other)
    with pytest.raises(ArchiveError, match=r"position 6 is before the last in .*other\.db: expected one above 8"):
        imported(other, exported(store, "red"))
    assert exported(other) == before


async def test_a_room_goes_back_where_people_have_new_names(store: Path) -> None:
    text = exported(store, "blue")
    with opened(store) as backend:
        await soon(backend.claim(ANN.id, "Anna", "anna"))
    imported(store, text)
    with opened(store) as backend:
        assert await soon(backend.user_by_token(SECRETS[0])) == User(1, "Anna", registered=True)


Change = Callable[[list[dict[str, Any]]], object]


def at(kind: str, number: int = 0, **fields: Any) -> Change:
    """Change fields of the line `number` among the lines of one kind."""
    return lambda lines: [line for line in lines if line["t"] == kind][number].update(fields)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda lines: lines.pop(), "it.jsonl:{last}: the file ends here: expected its last line"),
        (lambda lines: lines.pop(3), "it.jsonl:{before}: lines are missing or too many: expected"),
        (lambda lines: lines.append({"t": "end", "lines": 0}), "it.jsonl:{after}: something comes after the end"),
        (lambda lines: lines.insert(1, lines.pop(4)), "it.jsonl:3: the lines are out of order: expected users, names"),
        (lambda lines: lines[1].update(t="ghost"), "it.jsonl:2: expected a line of an export: Invalid"),
        (lambda lines: lines[1].update(colour="red"), "it.jsonl:2: expected a line of an export: Object contains"),
        (lambda lines: lines[1].pop("name"), "it.jsonl:2: expected a line of an export: Object missing"),
        (lambda lines: lines[0].update(version=4), "it.jsonl:1: the export has version 4, of a newer Natter"),
        pytest.param(
            lambda lines: lines[0].update(t="other"),
            "it.jsonl:1: this is not an export: expected a first line",
            id="<lambda>-it.jsonl:1: this is no export: expected a first line",
        ),
        (at("user", 1, id=1), "it.jsonl:3: user 1 is out of order: expected each once"),
        (at("user", 1, name="ANN", canonical="ann"), "it.jsonl:3: the name 'ANN' is that of user 1 in"),
        (at("user", 1, name="user7", canonical="user7"), "it.jsonl:3: 'user7' is kept for another user"),
        (at("user", 1, tokens=["no"]), "it.jsonl:3: expected the digests of tokens in hexadecimal"),
        pytest.param(
            at("user", 1, tokens=[SECRETS[0].hex()]),
            "it.jsonl:3: a token appears twice",
            id="<lambda>-it.jsonl:3: a token is here twice",
        ),
        (at("event", 1, seq=1), "it.jsonl:6: position 1 is out of order"),
        (at("event", 1, seq=2**60), "it.jsonl:6: expected a line of an export: Expected `int` <= "),
        pytest.param(
            at("event", 1, room="~1"),
            "it.jsonl:6: '~1' is neither a room nor a conversation",
            id="<lambda>-it.jsonl:6: '~1' is no room and no conversation",
        ),
        pytest.param(
            at("event", 1, room="@2,1"),
            "it.jsonl:6: '@2,1' is neither a room nor a conversation",
            id="<lambda>-it.jsonl:6: '@2,1' is no room and no conversation",
        ),
        pytest.param(
            at("event", 1, room="@x"),
            "it.jsonl:6: '@x' is neither a room nor a conversation",
            id="<lambda>-it.jsonl:6: '@x' is no room and no conversation",
        ),
        pytest.param(
            at("event", 6, user=1, cid="c1"),
            "the cid 'c1' of user 1 is already used: expected each once",
            id="<lambda>-the cid 'c1' of user 1 is there already: expected it once",
        ),
        (at("state", 0, seq=5), "position 5 does not set 'ban:2' of 'red'"),
        (at("trim", 0, room="blue", through=2**40), "of 'blue' is kept: expected nothing up to"),
        (at("mark", 0, user=9), "expected a user who is in this export"),
        (at("user", 1, operator=["ann"]), "two users have the rank of one name: expected one"),
        (lambda lines: lines.insert(4, {"t": "given_up", "user": 9, "canonical": "x", "at": 1}), "in this export"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_and_nothing_is_taken_in(
    change: Change, problem: str, store: Path, tmp_path: Path
) -> None:
    lines = lines_of(exported(store))
    assert [line["t"] for line in lines[:5]] == ["natter", *["user"] * 3, "event"]
    problem = problem.format(last=len(lines), before=len(lines) - 1, after=len(lines) + 1)
    change(lines)
    folder = tmp_path / "new"
    folder.mkdir()
    with pytest.raises(ArchiveError) as caught:
        imported(folder / "other.db", text_of(lines))
    assert str(caught.value).startswith("it.jsonl:")
    assert problem in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert contents(folder) == {}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (at("user", 0, password=HASH), "it.jsonl:2: expected no secret of a user in the export of a room"),
        (at("user", 0, tokens=["00"]), "it.jsonl:2: expected no secret of a user in the export of a room"),
        (at("user", 0, operator=["ann"]), "it.jsonl:2: expected no rank of a user in the export of a room"),
        (at("event", 1, room="blue"), "expected nothing but 'red', which is the room of this export"),
        pytest.param(
            at("event", 1, user=3),
            "this event names someone who is not among the users",
            id="<lambda>-expected who is in this event among the users before it",
        ),
        (at("trim", 0, room="~1"), "expected nothing but 'red'"),
        (lambda lines: lines[0].update(room="@1,2"), "it.jsonl:1: '@1,2' is not the name of a room"),
        (lambda lines: lines.insert(-1, {"t": "ignore", "user": 1, "whom": 2}), "expected no such line"),
        (at("user", 0, name="Eve"), "it.jsonl:2: user 1 is 'Ann' in {store}: expected nobody there, or 'Eve'"),
        pytest.param(
            at("user", 1, id=9),
            "it.jsonl:3: the name 'bob' is that of user 2 in {store}, not of user 9",
            id="<lambda>-it.jsonl:3: the name 'bob' is that of user 2 in {store}: expected nobody's, or that of",
        ),
        (at("event", 1, text="other"), "is held by another event in {store}: expected it free"),
        (at("event", 0, seq=2), "position 2 is no longer kept in {store}: expected it free"),
        (at("trim", 0, through=10**6), "of 'red' is kept: expected nothing up to 1000000"),
    ],
)
def test_a_room_that_does_not_fit_into_the_store_leaves_it_as_it_was(change: Change, problem: str, store: Path) -> None:
    before, lines = exported(store), lines_of(exported(store, "red"))
    lines[0]["epoch"] = "another"
    change(lines)
    with pytest.raises(ArchiveError) as caught:
        imported(store, text_of(lines))
    assert problem.format(store=store) in str(caught.value)
    assert exported(store) == before


def test_everything_goes_into_a_new_store_only(store: Path) -> None:
    before = exported(store)
    with pytest.raises(
        ArchiveError,
        match=r"it\.jsonl:1: this is an export of everything, which needs a new store: .* has content already",
    ):
        imported(store, before)
    assert exported(store) == before


@pytest.mark.parametrize("cut", [0, 1, 10, 100, 1000, -1, -3])
def test_a_file_that_was_cut_off_is_refused(cut: int, store: Path, tmp_path: Path) -> None:
    text = exported(store)[:cut]
    if cut == -1:  # only the last line break
        imported(tmp_path / "other.db", text)
        return
    with pytest.raises(ArchiveError, match=r"^it\.jsonl:\d+: .*expected"):
        imported(tmp_path / "other.db", text)
    assert not (tmp_path / "other.db").exists()


@pytest.mark.parametrize("noise", [b"\n", b"\0" * 100, b"\xff\xfe\n", b'{"t":"natter"}\n', b"[]\n", b'"\\ud800"\n'])
def test_what_is_no_export_is_refused(noise: bytes, path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"^it\.jsonl:1: this is not an export"):
        imported(path, noise)
    assert not path.exists()


def test_an_import_that_is_killed_leaves_the_store_as_it_was(store: Path, tmp_path: Path) -> None:
    lines = lines_of(exported(store, "blue"))
    (event,) = [line for line in lines if line["t"] == "event"]
    more = [{**event, "seq": 1 + number, "cid": "", "text": "x" * 10_000} for number in range(1, 401)]
    file = tmp_path / "it.jsonl"
    file.write_bytes(text_of([*lines[:-1], *more, {"t": "end", "lines": len(lines) - 1 + len(more)}]))
    before = exported(store)
    script = (
        "import resource, signal, sys\n"
        "from app.backends.archive import import_\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n"  # the system ends a process that writes a file this long
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000,) * 2)\n"
        "import_(sys.argv[1], open(sys.argv[2], 'rb'), 'it.jsonl')\n"
    )
    ended = subprocess.run([sys.executable, "-c", script, store, file], env=ENVIRONMENT, timeout=DEADLINE)
    assert ended.returncode == -signal.SIGXFSZ
    assert exported(store) == before
    imported(store, file.read_bytes())
    assert len(exported(store)) > 4_000_000


def test_a_backup_removes_what_one_that_was_killed_has_left(store: Path, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from app.backends import copying\n"
        "from app.backends.archive import back_up\n"
        "def waits(*_):\n"
        "    print('copied', flush=True)\n"
        "    sys.stdin.read()\n"
        "copying.publish = waits\n"
        "back_up(sys.argv[1], Path(sys.argv[2]))\n"
    )
    command, pipe = [sys.executable, "-c", script, str(store), str(folder / "one.db")], subprocess.PIPE
    with subprocess.Popen(command, env=ENVIRONMENT, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "copied\n"
        back_up(str(store), folder / "two.db")
        assert len(list(folder.iterdir())) == 2  # it goes on, so its file stays
        process.kill()
    assert len(list(folder.iterdir())) == 2
    others = [folder / ".natter-backup-notes", folder / f".diary-{'0' * 16}"]
    for other in others:
        other.touch()
    back_up(str(store), folder / "three.db")
    assert sorted(folder.iterdir()) == sorted([*others, folder / "two.db", folder / "three.db"])


def test_an_import_needs_the_store_for_itself(store: Path) -> None:
    with opened(store), pytest.raises(StoreError, match="in use by another process"):
        imported(store, exported(store, "red"))


def test_a_store_that_is_not_there_is_not_made(path: Path) -> None:
    for refused in (lambda: exported(path), lambda: back_up(str(path), path.with_name("copy.db"))):
        with pytest.raises(StoreError, match=r"store\.db: there is no store: expected the file of a chat"):
            refused()
    assert list(path.parent.iterdir()) == []


def test_a_room_that_is_not_there_is_told(store: Path) -> None:
    with pytest.raises(StoreError, match="there is no room 'pink'"):
        exported(store, "pink")


async def test_an_export_is_of_one_moment_though_the_server_goes_on(path: Path) -> None:
    with opened(path) as backend:
        await soon(backend.create_user(b"secret"))
        for number in range(300):
            await say(backend, f"{number} {'x' * 1000}")
        made: list[bytes] = []
        went_on = threading.Event()

        def write(chunk: bytes) -> None:
            made.append(chunk)
            if not went_on.is_set():  # this is the first of several chunks
                with closing(sqlite3.connect(path, isolation_level=None)) as connection:
                    connection.execute("DELETE FROM events WHERE seq > 200")
                    connection.execute("INSERT INTO marks VALUES (1, 'red', 1)")
                went_on.set()

        export(str(path), write)
    lines = lines_of(b"".join(made))
    assert len(made) > 2
    assert [line["seq"] for line in lines if line["t"] == "event"] == list(range(1, 301))
    assert not any(line["t"] == "mark" for line in lines)


def test_neither_way_holds_more_than_a_few_lines(path: Path, tmp_path: Path) -> None:
    with opened(path):
        pass
    many = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000) "
    by_hand(
        path,
        f"INSERT INTO events {many}"
        "SELECT i, 'red', i, i, 1, 1, 'ann', printf('%.5000c', 'x'), 'c' || i, 'msg', 0, '' FROM n",
        f"INSERT INTO users (name, canonical) {many} SELECT 'n' || i, 'n' || i FROM n",
        f"INSERT INTO tokens (secret, user) {many} SELECT CAST('secret' || i AS BLOB), i FROM n",
    )
    file = tmp_path / "it.jsonl"
    with file.open("wb") as out, measured() as size:
        export(str(path), out.write)
    assert file.stat().st_size > 20_000_000
    assert size() < 2_000_000
    with file.open("rb") as source, measured() as size:
        import_(str(tmp_path / "other.db"), source, "it.jsonl")
    assert size() < 5_000_000


class measured:  # noqa: N801  (it is used like a function)
    """Measures the peak memory of Python's objects, in bytes."""

    def __enter__(self) -> Callable[[], int]:
        tracemalloc.start()
        return lambda: self.most

    def __exit__(self, *error: object) -> None:
        self.most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()


@pytest.fixture
def held(store: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has the store open, with a message that is in the WAL and not yet in the file."""
    with server(store, "await store.rooms()") as process:  # by then, what is in the journal is applied
        yield process


@pytest.fixture
def behind(store: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has the store open, with a message that is in the journal and not applied for an hour."""
    with server(store, "pass", "from app.backends import applying; applying.DELAY = 3600") as process:
        yield process


@contextmanager
def server(store: Path, after: str, before: str = "") -> Iterator[subprocess.Popen[str]]:
    """A process that has the store open and has appended a message. It runs code before and after that."""
    script = (
        f"{before}\n"
        "import asyncio, sys\n"
        "from app.backends.embedded import Embedded\n"
        "from app.chat.events import Draft, User\n"
        "store = Embedded(sys.argv[1])\n"
        "store.open()\n"
        "async def say():\n"
        "    await store.append(Draft('red', User(1, 'Ann'), 'from the log', id='id', at=1))\n"
        f"    {after}\n"
        "asyncio.run(say())\n"
        "print('open', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, store],
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "open\n"
        yield process
        process.kill()


def on_disk(store: Path) -> list[bytes]:
    return [Path(f"{store}{ending}").read_bytes() for ending in ("", "-wal")]


def test_reading_beside_a_server_never_checkpoints(held: subprocess.Popen[str], store: Path, tmp_path: Path) -> None:
    held.send_signal(signal.SIGSTOP)  # from here on, only this process can change anything
    before = on_disk(store)
    assert b"from the log" not in before[0]
    assert b"from the log" in exported(store)
    back_up(str(store), tmp_path / "copy.db")
    assert on_disk(store) == before
    with open_to_read(str(store)) as connection:
        for forbidden in ("PRAGMA wal_checkpoint(TRUNCATE)", "DELETE FROM events"):
            with pytest.raises(sqlite3.OperationalError):
                connection.execute(forbidden).fetchone()
        # Even as the last connection to close, this one doesn't write the WAL into the file.
        held.kill()
        held.wait()
        assert on_disk(store) == before
    assert on_disk(store) == before
    assert b"from the log" in exported(tmp_path / "copy.db")


@pytest.fixture
def served(store: Path) -> Iterator[None]:
    """The store is held by what looks like a server."""
    handle = os.open(store, os.O_RDWR)
    fcntl.flock(handle, fcntl.LOCK_EX)
    yield
    os.close(handle)


def acknowledge_one_more(store: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Have the server's journal be one change ahead of the store, and return the number of that change."""
    with closing(sqlite3.connect(store)) as connection:
        (applied,) = connection.execute("SELECT value FROM counters WHERE name = 'applied'").fetchone()
    monkeypatch.setattr(journal, "last_number", lambda path, epoch: applied + 1)
    return int(applied) + 1


@pytest.mark.usefixtures("served")
def test_what_a_server_acknowledged_is_waited_for(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted, polls = acknowledge_one_more(store, monkeypatch), []

    def server(interval: float) -> None:
        polls.append(interval)
        if len(polls) == 3:
            by_hand(
                store,
                f"UPDATE counters SET value = {wanted} WHERE name = 'applied'",
                "INSERT INTO trims VALUES ('late', 7)",
            )

    monkeypatch.setattr(reading, "sleep", server)
    back_up(str(store), tmp_path / "copy.db")
    assert len(polls) == 3
    text = exported(store)
    assert {"t": "trim", "room": "late", "through": 7} in lines_of(text)
    assert len(polls) == 3
    assert but_for_epoch(exported(tmp_path / "copy.db")) == but_for_epoch(text)


@pytest.mark.usefixtures("served")
def test_a_server_that_writes_nothing_is_told(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    acknowledge_one_more(store, monkeypatch)
    monkeypatch.setattr(reading, "APPLY_TIMEOUT", 0)
    for refused in (lambda: exported(store), lambda: back_up(str(store), tmp_path / "copy.db")):
        with pytest.raises(StoreError, match=r"the server has not written its latest changes to the store yet: try"):
            refused()
    assert not (tmp_path / "copy.db").exists()


def test_a_copy_has_no_deleted_texts(store: Path, tmp_path: Path) -> None:
    texts = ["a word that was taken back", *(f"{number} that was taken back {'x' * 5000}" for number in range(50))]
    with closing(sqlite3.connect(store, isolation_level=None)) as connection:
        rows = [(number, "red", text) for number, text in enumerate(texts)]
        connection.executemany("INSERT INTO forgotten (pos, room, text) VALUES (?, ?, ?)", rows)
    back_up(str(store), tmp_path / "copy.db")
    assert b"taken back" not in (tmp_path / "copy.db").read_bytes()
    with closing(sqlite3.connect(tmp_path / "copy.db")) as connection:
        assert connection.execute("SELECT count(*) FROM forgotten").fetchone() == (0,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_log_that_a_crash_left_is_in_the_copy(held: subprocess.Popen[str], store: Path, tmp_path: Path) -> None:
    held.kill()
    held.wait()
    back_up(str(store), tmp_path / "copy.db")
    assert b"from the log" in exported(tmp_path / "copy.db")
    assert not Path(f"{store}-wal").exists()
    with opened(store):
        pass


def test_what_a_killed_server_has_not_applied_is_in_the_copy(
    behind: subprocess.Popen[str], store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = [Path(f"{store}-log{number}") for number in (0, 1)]
    with monkeypatch.context() as patch:
        patch.setattr(reading, "APPLY_TIMEOUT", 0)
        with pytest.raises(StoreError, match="the server has not written its latest changes"):
            exported(store)
    behind.kill()
    behind.wait()
    assert not any(b"from the log" in content for content in on_disk(store))
    assert any(b"from the log" in file.read_bytes() for file in logs if file.exists())
    back_up(str(store), tmp_path / "copy.db")
    assert b"from the log" in exported(tmp_path / "copy.db")
    assert b"from the log" in exported(store)
    assert not any(file.exists() for file in logs)


@pytest.mark.parametrize("in_use", [True, False])
async def test_a_copy_is_a_store_with_the_same_content(in_use: bool, store: Path, tmp_path: Path) -> None:
    copy, again = tmp_path / "copy.db", tmp_path / "again.db"
    with opened(store) as old:
        if in_use:
            back_up(str(store), copy)
        expected, epoch = await everything(old), old.epoch
    if not in_use:
        back_up(str(store), copy)
    assert copy.stat().st_mode & 0o777 == 0o600
    assert sorted(name for name in contents(tmp_path) if "-search" not in name) == ["copy.db", "store.db"]
    again.write_bytes(copy.read_bytes())
    with opened(copy) as one, opened(again) as other:
        assert await everything(one) == await everything(other) == expected
        assert len({one.epoch, other.epoch, epoch}) == 3
        assert await soon(one.create_user(b"another")) == User(4, "user3")


@pytest.mark.parametrize("ending", ["", "-wal", "-journal", "-log0", "-log1"])
def test_a_copy_replaces_nothing(ending: str, store: Path, tmp_path: Path) -> None:
    there = tmp_path / f"copy.db{ending}"
    there.symlink_to("nowhere")
    with pytest.raises(ArchiveError, match=r": this file exists already: choose the name of a new file"):
        back_up(str(store), tmp_path / "copy.db")
    assert there.is_symlink()


def test_a_copy_that_fails_leaves_nothing_behind(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "copies"
    folder.mkdir()
    with pytest.raises(
        ArchiveError,
        match=r"copy\.db: no such file or directory \(ENOENT\): choose a new file in a folder",
    ):
        back_up(str(store), tmp_path / "none" / "copy.db")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            back_up(str(store), folder / "copy.db")
    assert list(folder.iterdir()) == []
    with store.open("r+b") as file:
        file.seek(5 * 4096)
        file.write(b"\xff" * 4096)
    with pytest.raises((StoreError, ArchiveError), match="damaged"):
        back_up(str(store), folder / "copy.db")
    assert list(folder.iterdir()) == []


def test_a_store_of_an_older_version_is_brought_up_to_date_or_refused(path: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
        connection.executescript(MIGRATIONS[0] + f"PRAGMA user_version = 1; PRAGMA application_id = {0x4E617474};")
        connection.execute("INSERT INTO meta VALUES ('epoch', 'old')")
        held = os.open(f"{path}-lock", os.O_RDWR | os.O_CREAT)  # what an older Natter locks
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            with pytest.raises(StoreError, match="an older Natter has the store open: expected version"):
                exported(path)
            back_up(str(path), tmp_path / "copy.db")
        finally:
            os.close(held)
    assert lines_of(exported(path))[0]["epoch"] == "old"
    assert lines_of(exported(tmp_path / "copy.db"))[0]["epoch"] != "old"
