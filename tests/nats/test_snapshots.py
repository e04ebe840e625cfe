"""Snapshots over a real server: made, settled, taken, and interrupted at every step."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, TypeVar

import anyio
import msgspec
import pytest

from app.backends import StoreError, changes, copying
from app.backends.changes import Change
from app.backends.nats import copies, snapshots
from app.backends.nats.errors import EngineError
from app.backends.nats.settings import NatsSettings
from app.backends.nats.snapshots import Manifest
from app.backends.search import index_path
from app.chat.events import Draft, Kind, User
from tests.nats.plain import Counted, Node, append, said
from tests.nats.servers import DEADLINE, Server, running

pytestmark = pytest.mark.anyio

ANN = User(1, "user0")


class Interrupted(Counted):
    """An engine whose calls fail from a given one on, as if its node had died."""

    calls = 0
    last = 0
    """The last call that still works; 0 if all do."""

    def count(self) -> None:
        self.calls += 1
        if self.last and self.calls > self.last:
            raise EngineError("the node is dead")


@asynccontextmanager
async def opened(settings: NatsSettings) -> AsyncIterator[Interrupted]:
    engine = Interrupted(settings)
    await engine.open()
    try:
        yield engine
    finally:
        engine.last = 0
        await engine.close()


def leave_an_index(path: str) -> None:
    for ending in ("", "-wal", "-shm"):
        Path(index_path(path) + ending).write_bytes(b"words of the former copy")


async def test_a_node_that_comes_late_goes_on_from_the_snapshot(settings: NatsSettings, tmp_path: Path) -> None:
    async with opened(settings) as engine:
        early, late = Node(tmp_path / "early", engine), Node(tmp_path / "late", engine)
        await append(engine, said(1))
        await early.catch_up()
        manifest = await early.snapshots.make(early.path)
        assert (manifest.position, manifest.epoch) == (20, engine.epoch)
        await early.snapshots.settle(manifest)
        assert await engine.bounds() == (21, 20)
        await append(engine, said(2))
        assert await late.catch_up() == await early.catch_up()
        assert late.content() == early.content()
        assert late.taken == [20]
        assert early.taken == []


async def test_a_node_that_was_away_for_long_takes_a_snapshot_in_place_of_its_copy(
    settings: NatsSettings, tmp_path: Path
) -> None:
    async with opened(settings) as engine:
        one, away = Node(tmp_path / "one", engine), Node(tmp_path / "away", engine)
        await append(engine, said(1))
        await away.catch_up()
        leave_an_index(away.path)
        await append(engine, said(2))
        await one.catch_up()
        await one.snapshots.settle(await one.snapshots.make(one.path))
        assert await away.catch_up() == await one.catch_up()
        assert away.content() == one.content()
        assert away.taken == [40]
        assert sorted(file.name for file in Path(away.path).parent.iterdir()) == ["chat.db"]


async def test_older_snapshots_go_with_the_log_and_newer_ones_stay(settings: NatsSettings, tmp_path: Path) -> None:
    async with opened(settings) as engine:
        node = Node(tmp_path / "one", engine)
        made = []
        for number in range(3):
            await append(engine, said(number))
            await node.catch_up()
            made.append(await node.snapshots.make(node.path))
        assert await node.snapshots.positions() == [20, 40, 60]
        assert [one.position for one in await node.snapshots.usable(1)] == [20, 40, 60]
        await node.snapshots.settle(made[1])
        assert await node.snapshots.positions() == [40, 60]
        await node.snapshots.discard(made[2])
        assert await node.snapshots.positions() == [40]


async def test_a_snapshot_has_no_text_that_was_deleted(settings: NatsSettings, tmp_path: Path) -> None:
    async with opened(settings) as engine:
        node = Node(tmp_path / "one", engine)
        texts = [f"a text of the past {number}, " * 50 for number in range(40)]
        written: list[Change] = [changes.CreateUser(b"a")]
        written += [Draft("lobby", ANN, text, f"id{number}", number) for number, text in enumerate(texts)]
        written += [Draft("lobby", ANN, "", f"d{seq}", 99, kind=Kind.DELETE, of=seq) for seq in range(1, 20)]
        written.append(changes.Trim("lobby", 25, 0, 100))
        await append(engine, written)
        await node.catch_up()
        manifest = await node.snapshots.make(node.path)
        chunks = [chunk for _, chunk in await engine.fetch(f"{settings.stream}-snapshot-{manifest.position}", 1)]
        whole = b"".join(chunks[:-1])
        assert len(whole) == manifest.size
        assert b"a text of the past 39" in whole
        assert not [number for number in range(19) if f"a text of the past {number}, ".encode() in whole]


async def test_a_large_store_goes_in_chunks(
    settings: NatsSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "CHUNK", 10_000)
    async with opened(settings) as engine:
        one, other = Node(tmp_path / "one", engine), Node(tmp_path / "other", engine)
        texts = [Draft("lobby", ANN, os.urandom(2000).hex(), f"id{number}", number) for number in range(500)]
        await append(engine, [changes.CreateUser(b"a"), *texts])
        await one.catch_up()
        manifest = await one.snapshots.make(one.path)
        assert manifest.chunks == -(-manifest.size // 10_000) > 200
        await one.snapshots.settle(manifest)
        assert await other.catch_up() == await one.catch_up()
        assert other.content() == one.content()


async def test_a_snapshot_that_is_interrupted_at_any_step_harms_nothing(settings: NatsSettings, tmp_path: Path) -> None:
    """The node that makes it dies after each of its questions to the servers."""
    last = 0
    while True:
        last += 1
        async with opened(settings) as engine, opened(settings) as others:
            maker, late = Node(tmp_path / "maker", engine), Node(tmp_path / f"late{last}", others)
            await append(others, said(last))
            expected = await maker.catch_up()
            engine.calls, engine.last = 0, last
            try:
                await maker.snapshots.settle(await maker.snapshots.make(maker.path))
                done = True
            except EngineError:
                done = False
            assert await late.catch_up() == expected
            assert late.content() == maker.content()
            assert copies.part_of(maker.path).exists() is False
        if done:
            break
        async with opened(settings) as engine:  # the next node makes one
            late = Node(tmp_path / f"late{last}", engine)
            if last % 2:
                await late.catch_up()
                await late.snapshots.settle(await late.snapshots.make(late.path))
                assert await late.snapshots.positions() == [expected[0]]
    assert last > 8


@pytest.mark.parametrize("turn", range(6))
async def test_two_nodes_that_make_one_at_once_leave_one_or_the_log(
    settings: NatsSettings, tmp_path: Path, turn: int
) -> None:
    async with opened(settings) as engine, opened(settings) as others:
        one, other = Node(tmp_path / "one", engine), Node(tmp_path / "other", others)
        late = Node(tmp_path / "late", engine)
        await append(engine, said(turn))
        expected = await one.catch_up()
        await other.catch_up()

        async def make(node: Node) -> bool:
            try:
                await node.snapshots.settle(await node.snapshots.make(node.path))
            except EngineError:
                return False
            return True

        await asyncio.gather(make(one), make(other))
        assert await late.catch_up() == expected
        assert await make(one)
        assert await one.snapshots.positions() == [expected[0]]


@pytest.mark.parametrize("what", ["chunk", "manifest", "cut off"])
async def test_a_snapshot_that_is_not_whole_is_not_taken(settings: NatsSettings, tmp_path: Path, what: str) -> None:
    async with opened(settings) as engine:
        one, late = Node(tmp_path / "one", engine), Node(tmp_path / "late", engine)
        await append(engine, said(1))
        await one.catch_up()
        name, subject = f"{settings.stream}-snapshot-30", f"{settings.stream}.snapshot.30"
        await engine.request(f"STREAM.CREATE.{name}", {"name": name, "subjects": [subject], "allow_direct": True})
        manifest = Manifest(30, engine.epoch, 5, "0" * 64, 1, 4, "0" * 32)
        await engine.publish(name, subject, b"wrong")
        if what == "manifest":
            await engine.publish(name, subject, b"{}")
        elif what == "chunk":
            await engine.publish(name, subject, msgspec.json.encode(manifest))
        await engine.purge(11)
        with pytest.raises(
            StoreError, match=r"begins at position 11, and (there is no whole|the snapshot at position 30)"
        ):
            await late.catch_up()
        assert late.taken == []
        await one.snapshots.make(one.path)
        assert await late.catch_up() == await one.catch_up()
        assert late.taken == [20]


async def test_a_snapshot_of_another_history_is_not_taken_and_one_of_a_newer_natter_refused(
    settings: NatsSettings, tmp_path: Path
) -> None:
    async with opened(settings) as engine:
        one = Node(tmp_path / "one", engine)
        await append(engine, said(1))
        await one.catch_up()
        manifest = await one.snapshots.make(one.path)
        assert len(await one.snapshots.usable(21)) == 1
        assert await one.snapshots.usable(22) == []
        engine.epoch = "another"
        assert await one.snapshots.usable(1) == []
        engine.epoch = manifest.epoch
        newer = msgspec.structs.replace(manifest, level=2)
        await engine.publish(f"{settings.stream}-snapshot-20", f"{settings.stream}.snapshot.20", b"x")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(one.snapshots, "_manifest", lambda name: _returns(newer))
            with pytest.raises(
                StoreError, match=r"^the snapshot at position 20 of the log natter-[0-9]+ is of a newer"
            ):
                await one.snapshots.take(one.path, 21)


async def _returns(value: Manifest) -> Manifest:
    return value


async def test_a_snapshot_that_does_not_fit_on_the_disk_is_refused_in_one_line(
    settings: NatsSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(settings) as engine:
        one, late = Node(tmp_path / "one", engine), Node(tmp_path / "late", engine)
        await append(engine, said(1))
        await one.catch_up()
        await one.snapshots.settle(await one.snapshots.make(one.path))
        monkeypatch.setattr(copies, "RESERVE", 1 << 60)
        with pytest.raises(StoreError, match=r"late/chat.db: the snapshot does not fit on the disk: free [0-9]+ MiB"):
            await late.catch_up()


@pytest.mark.slow("cluster")
async def test_snapshots_are_made_and_taken_while_servers_are_killed(tmp_path: Path) -> None:
    with running(tmp_path / "servers", 3) as servers:
        async with opened(servers.settings()) as engine, opened(servers.settings()) as others:
            maker = Node(tmp_path / "maker", engine)
            for number in range(3):
                await again(lambda number=number: append(others, said(number), size=40))  # type: ignore[misc]
                expected = await again(maker.catch_up)
                making = asyncio.create_task(again(lambda: maker.snapshots.make(maker.path)))
                await asyncio.to_thread(restart, servers[number % 3])
                manifest = await making
                assert manifest.position == expected[0]
                settling = asyncio.create_task(again(lambda manifest=manifest: maker.snapshots.settle(manifest)))  # type: ignore[misc]
                await asyncio.to_thread(restart, servers[(number + 1) % 3])
                await settling
                late = Node(tmp_path / f"late{number}", others)
                catching_up = asyncio.create_task(again(late.catch_up))
                await asyncio.to_thread(restart, servers[(number + 2) % 3])
                assert await catching_up == expected
                assert late.content() == maker.content()
                assert late.taken == [manifest.position]
                assert await again(late.snapshots.positions) == [manifest.position]


@pytest.mark.slow("cluster")
async def test_a_snapshot_is_made_while_a_server_is_gone(tmp_path: Path) -> None:
    """Otherwise the log would be full some day."""
    with running(tmp_path / "servers", 3) as servers:
        async with opened(servers.settings()) as engine:
            maker, late = Node(tmp_path / "maker", engine), Node(tmp_path / "late", engine)
            await append(engine, said(1))
            await asyncio.to_thread(servers[0].kill)
            expected = await again(maker.catch_up)
            await again(lambda: append(engine, said(2)))
            expected = await again(maker.catch_up)
            manifest = await again(lambda: maker.snapshots.make(maker.path))
            await again(lambda: maker.snapshots.settle(manifest))
            assert await again(late.catch_up) == expected
            assert late.taken == [manifest.position]


def restart(server: Server) -> None:
    server.kill()
    server.start()


T = TypeVar("T")


async def again(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask until the servers answer."""
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                return await ask()
            except EngineError:
                await anyio.sleep(0.01)


class Died(BaseException):
    """The process ended here."""


STEPS: list[tuple[Any, str]] = [
    (Path, "rename"),
    (Path, "unlink"),
    (copying, "sync"),
]


@pytest.mark.parametrize("act", ["install", "drop"])
def test_a_copy_that_is_replaced_is_whole_after_a_crash_at_any_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    step, done = 0, False
    while not done:
        step += 1
        folder = tmp_path / str(step)
        folder.mkdir()
        path = str(folder / "chat.db")
        _write(path, "old")
        for ending in ("-wal", "-shm"):
            Path(f"{path}{ending}").write_bytes(b"of the old one")
        Path(index_path(path)).write_bytes(b"words")
        _write(f"{path}{copies.SNAPSHOT}", "new")
        if act == "drop":
            Path(f"{path}{copies.SNAPSHOT}").unlink()
        with monkeypatch.context() as patch:
            _die_at(patch, step)
            try:
                (copies.install if act == "install" else copies.drop)(path)
                done = True
            except Died:
                pass
        copies.finish(path)
        left = sorted(file.name for file in folder.iterdir())
        if act == "install":
            assert left == ["chat.db"]
            assert _read(path) == "new"
        else:
            assert left in ([], ["chat.db", "chat.db-search", "chat.db-shm", "chat.db-wal"])
    assert step > 5


def _die_at(patch: pytest.MonkeyPatch, step: int) -> None:
    """End the process at a step that changes files, before it is done."""
    count = 0

    def wrapped(act: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            nonlocal count
            count += 1
            if count == step:
                raise Died
            return act(*args, **more)

        return call

    for owner, name in STEPS:
        patch.setattr(owner, name, wrapped(getattr(owner, name)))


def _write(path: str, text: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE content (text)")
        connection.execute("INSERT INTO content VALUES (?)", (text,))


def _read(path: str) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("SELECT text FROM content").fetchone()[0])
