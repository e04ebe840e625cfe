"""What a node does before it opens its copy, and the way from one store to many nodes and back."""

from __future__ import annotations

import asyncio
import io
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from app.backends import StoreError
from app.backends.archive import ArchiveError, back_up, export, import_
from app.backends.embedded import Embedded
from app.backends.nats import copies, preparing
from app.backends.nats.engine import Engine
from app.backends.nats.errors import EngineError
from app.backends.nats.preparing import found_log, prepare
from app.backends.nats.settings import NatsSettings
from app.backends.nats.snapshots import Snapshots
from tests.backends.sample import everything, fill
from tests.nats.plain import Counted, Node, append, said

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def embedded(path: str) -> AsyncIterator[Embedded]:
    backend = Embedded(path)
    backend.open()
    try:
        yield backend
    finally:
        backend.close()


@asynccontextmanager
async def starting(settings: NatsSettings, path: str) -> AsyncIterator[Engine]:
    """The engine of a node that starts with the copy at `path`."""
    engine = Engine(settings)
    await engine.open(lambda: found_log(engine, path))
    try:
        await prepare(engine, path)
        yield engine
    finally:
        await engine.close()


def exported(path: str) -> bytes:
    out = io.BytesIO()
    export(path, out.write)
    return out.getvalue()


def contents(*paths: str) -> list[bytes]:
    return [Path(path).read_bytes() for path in paths]


async def test_a_store_that_was_embedded_becomes_the_beginning_of_the_log(
    settings: NatsSettings, tmp_path: Path
) -> None:
    path = str(tmp_path / "chat.db")
    async with embedded(path) as backend:
        await fill(backend)
        before, epoch = await everything(backend), backend.epoch
    whole = exported(path)
    async with starting(settings, path) as engine:
        assert engine.epoch == epoch
        first, last = await engine.bounds()
        assert first == last + 1 > 2
        one, other = Node(tmp_path, engine), Node(tmp_path / "other", engine)
        assert await one.catch_up() == (last, bytes(16))
        assert exported(path) == whole
        await append(engine, said(1))
        await prepare(engine, other.path)
        assert await other.catch_up() == await one.catch_up()
        assert other.content() == one.content()
    async with starting(settings, path), starting(settings, other.path):
        pass
    async with embedded(other.path) as backend:
        assert (await everything(backend)).keys() == before.keys()


async def test_an_imported_store_becomes_the_beginning_of_the_log(settings: NatsSettings, tmp_path: Path) -> None:
    path, copy = str(tmp_path / "chat.db"), tmp_path / "imported.db"
    async with embedded(path) as backend:
        await fill(backend)
    whole = io.BytesIO(exported(path))
    import_(str(copy), whole, "the export")
    async with starting(settings, str(copy)) as engine:
        assert await engine.bounds() == (2, 1)
        late = str(tmp_path / "late.db")
        await prepare(engine, late)
        assert copies.look(late) == copies.Found(engine.epoch, 1, is_copy=True, is_new=False)
        assert exported(late) == exported(str(copy))


class Died(Exception):
    """The node ended here."""


class Interrupted(Counted):
    """An engine whose questions fail from a given one on, as if its node had died."""

    left = 10**6

    def count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Died


async def test_a_beginning_that_is_interrupted_at_any_step_is_made_up_for(
    settings: NatsSettings, tmp_path: Path
) -> None:
    path = str(tmp_path / "chat.db")
    async with embedded(path) as backend:
        await backend.create_user(b"a")
    whole, last = exported(path), 0
    while True:
        engine = Interrupted(settings)
        engine.left = last
        try:
            await engine.open(lambda engine=engine: found_log(engine, path))  # type: ignore[misc]
            await prepare(engine, path)
        except Died:
            pass
        else:
            break
        finally:
            await engine.close()
        assert exported(path) == whole
        last += 1
    assert last > 6
    async with starting(settings, path) as log:
        late = Node(tmp_path / "late", log)
        await prepare(log, late.path)
        await append(log, said(1))
        assert await late.catch_up() == await Node(tmp_path, log).catch_up()


async def test_a_copy_goes_on_as_a_store_of_its_own_and_back(settings: NatsSettings, tmp_path: Path) -> None:
    async with starting(settings, str(tmp_path / "chat.db")) as engine:
        node = Node(tmp_path, engine)
        await append(engine, said(1))
        await node.catch_up()
        epoch = engine.epoch
    whole = exported(node.path)
    found = copies.look(node.path)
    assert found is not None
    assert found.is_copy
    async with embedded(node.path) as backend:
        assert backend.epoch != epoch
        user = await backend.create_user(b"someone new")
    found = copies.look(node.path)
    assert found is not None
    assert not found.is_copy
    assert exported(node.path).splitlines()[1:3] == whole.splitlines()[1:3]
    async with starting(
        NatsSettings(**{**_values(settings), "stream": f"{settings.stream}-next"}), node.path
    ) as engine:
        assert engine.epoch == backend.epoch
        late = Node(tmp_path / "late", engine)
        await prepare(engine, late.path)
        await late.catch_up()
    async with embedded(late.path) as backend:
        assert await backend.user_by_token(b"someone new") == user


def _values(settings: NatsSettings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in settings.__dataclass_fields__}


async def test_a_copy_that_is_wrong_is_no_store_of_its_own(settings: NatsSettings, tmp_path: Path) -> None:
    async with starting(settings, str(tmp_path / "chat.db")) as engine:
        node = Node(tmp_path, engine)
        await append(engine, said(1))
        mark = await node.catch_up()
        copies.doom(node.path)
        with pytest.raises(StoreError, match="this node's copy is not what the log comes to on other nodes: use the"):
            Embedded(node.path).open()
        await prepare(engine, node.path)
        assert copies.look(node.path) is None
        assert await node.catch_up() == mark
        async with embedded(node.path):
            pass


async def test_what_reads_a_copy_leaves_it_one(settings: NatsSettings, tmp_path: Path) -> None:
    async with starting(settings, str(tmp_path / "chat.db")) as engine:
        node = Node(tmp_path, engine)
        await append(engine, said(1))
        mark = await node.catch_up()
        back_up(node.path, tmp_path / "backup.db")
        whole = exported(node.path)
        assert (copies.look(node.path), await node.catch_up()) == (
            copies.Found(engine.epoch, mark[0], is_copy=True, is_new=False),
            mark,
        )
    assert exported(str(tmp_path / "backup.db")).splitlines()[1:] == whole.splitlines()[1:]
    found = copies.look(str(tmp_path / "backup.db"))
    assert found is not None
    assert not found.is_copy


@pytest.mark.parametrize("room", ["", "lobby"])
async def test_an_import_into_a_copy_is_refused_and_leaves_it_one(
    settings: NatsSettings, tmp_path: Path, room: str
) -> None:
    async with starting(settings, str(tmp_path / "chat.db")) as engine:
        node = Node(tmp_path, engine)
        await append(engine, said(1))
        mark = await node.catch_up()
        out, before = io.BytesIO(), node.content()
        export(node.path, out.write, room)
        with pytest.raises(ArchiveError, match=r"^in:1: .*chat.db is a node's copy of a log, which an import can't go"):
            import_(node.path, io.BytesIO(out.getvalue()), "in")
        assert node.content() == before
        assert await node.catch_up() == mark


async def test_a_node_far_behind_takes_a_snapshot(
    settings: NatsSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with starting(settings, str(tmp_path / "chat.db")) as engine:
        one, away = Node(tmp_path, engine), Node(tmp_path / "away", engine)
        await append(engine, said(1))
        await away.catch_up()
        await append(engine, said(2))
        await one.catch_up()
        await one.snapshots.make(one.path)
        for far, taken in ((21, 20), (20, 40)):
            monkeypatch.setattr(preparing, "FAR", far)
            await prepare(engine, away.path)
            found = copies.look(away.path)
            assert found is not None
            assert found.applied == taken


async def test_a_store_that_nobody_has_used_makes_room_for_a_copy(settings: NatsSettings, tmp_path: Path) -> None:
    path = str(tmp_path / "new.db")
    async with embedded(path):
        pass
    async with starting(settings, str(tmp_path / "chat.db")) as engine:
        await append(engine, said(1))
        await prepare(engine, path)
        assert copies.look(path) is None


async def test_a_node_without_a_store_waits_for_the_one_that_begins_the_log(
    settings: NatsSettings, tmp_path: Path
) -> None:
    path = str(tmp_path / "chat.db")
    async with embedded(path) as backend:
        await backend.create_user(b"a")
    stored, waits = asyncio.Event(), asyncio.Event()

    async def first() -> str:
        engine = Engine(settings)

        async def slowly() -> tuple[str, int]:
            begun = await found_log(engine, path)
            stored.set()
            await waits.wait()
            return begun

        await engine.open(slowly)
        await engine.close()
        return engine.epoch

    async def second() -> str:
        await stored.wait()
        with pytest.MonkeyPatch.context() as patch:
            bounds = Engine.bounds

            async def looked(engine: Engine) -> tuple[int, int]:
                waits.set()
                return await bounds(engine)

            patch.setattr(Engine, "bounds", looked)
            async with starting(settings, str(tmp_path / "second.db")) as engine:
                return engine.epoch

    one, other = await asyncio.gather(first(), second())
    assert one == other
    found = copies.look(str(tmp_path / "second.db"))
    assert found is not None
    assert found.is_copy


async def test_nothing_is_begun_or_joined_with_what_belongs_elsewhere(
    settings: NatsSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "PATIENCE", 0.1)
    own, copy, nothing = (str(tmp_path / f"{name}.db") for name in ("own", "copy", "nothing"))
    async with embedded(own) as backend:
        await backend.create_user(b"a")
    async with starting(settings, str(tmp_path / "chat.db")) as engine:
        node = Node(tmp_path, engine)
        await append(engine, said(1))
        await node.catch_up()
        shutil.move(node.path, copy)
    before = contents(own, copy)

    async def refused(path: str, stream: str = settings.stream) -> str:
        with pytest.raises(StoreError) as raised:
            async with starting(NatsSettings(**{**_values(settings), "stream": stream}), path):
                pass
        assert "\n" not in str(raised.value)
        return str(raised.value)

    assert "this store has messages of its own, and the servers have the log" in await refused(own)
    other = f"{settings.stream}-other"
    assert f"a node's copy of a log, but the servers have no stream {other}: restore" in await refused(copy, other)
    async with starting(NatsSettings(**{**_values(settings), "stream": other}), nothing):
        pass
    assert "this is a copy of another log than" in await refused(copy, other)
    third = f"{settings.stream}-third"
    engine = Engine(settings)
    await engine.open()
    name, subject = f"{third}-snapshot-7", f"{third}.snapshot.7"
    await engine.request(f"STREAM.CREATE.{name}", {"name": name, "subjects": [subject]})
    await engine.close()
    assert f"the snapshot {name}, but no stream {third}: start the node first that has the store" in await refused(
        nothing.replace("nothing", "nothing at all"), third
    )
    assert f"the snapshot {name} of another history: choose another name" in await refused(own, third)
    assert contents(own, copy) == before


async def test_a_store_that_was_used_on_its_own_meanwhile_does_not_pass_for_the_beginning(
    settings: NatsSettings, tmp_path: Path
) -> None:
    path = str(tmp_path / "chat.db")
    async with embedded(path) as backend:
        await backend.create_user(b"a")
    engine = Engine(settings)
    await engine.open(lambda: found_log(engine, path))
    await engine.close()
    async with embedded(path) as backend:
        await backend.create_user(b"b")
    with pytest.raises(StoreError, match="this store has messages of its own, and the servers have the log"):
        async with starting(settings, path):
            pass


async def test_servers_that_fail_meanwhile_are_one_line(settings: NatsSettings, tmp_path: Path) -> None:
    path = str(tmp_path / "chat.db")
    async with embedded(path) as backend:
        await backend.create_user(b"a")
    engine = Engine(settings)
    with pytest.MonkeyPatch.context() as patch:

        async def fails(*_: Any) -> None:
            raise EngineError("the servers have not answered for 5 s")

        patch.setattr(Snapshots, "store", fails)
        with pytest.raises(StoreError, match=r"^chat.nats: the servers have not answered for 5 s$"):
            await engine.open(lambda: found_log(engine, path))
