"""The log is kept short, and nodes go on without what was purged from it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from threading import Condition, Semaphore
from typing import Any

import anyio
import pytest

from app.backends import Unavailable
from app.backends.embedded import Embedded
from app.backends.nats import log, tending
from app.backends.nats.errors import EngineError
from app.backends.nats.settings import NatsSettings
from app.backends.nats.snapshots import Manifest, Snapshots
from app.chat.events import Kind
from tests.backends.sample import everything, fill
from tests.contracts.helpers import draft, search, someone, soon, whole
from tests.nats.nodes import Node, cluster
from tests.nats.plain import opened
from tests.nats.servers import DEADLINE, Servers

pytestmark = pytest.mark.anyio


Purged = Callable[[int], Awaitable[None]]
"""Waits until the log is purged up to a position."""


@pytest.fixture
def purged(monkeypatch: pytest.MonkeyPatch) -> Purged:
    """Let nodes purge the log soon after a text was deleted."""
    monkeypatch.setattr(tending, "PERIOD", 0.05)
    monkeypatch.setattr(tending, "QUIET", 0.1)
    monkeypatch.setattr(tending, "REST", 0)
    changed, settle, done = Condition(), Snapshots.settle, [0]

    async def settled(snapshots: Snapshots, manifest: Manifest) -> None:
        await settle(snapshots, manifest)
        with changed:
            done.append(manifest.position)
            changed.notify_all()

    def wait(position: int) -> None:
        with changed:
            assert changed.wait_for(lambda: done[-1] >= position, DEADLINE)

    monkeypatch.setattr(Snapshots, "settle", settled)
    return lambda position: asyncio.to_thread(wait, position)


async def test_a_deleted_text_leaves_the_log_and_a_new_node_begins_with_the_rest(
    settings: NatsSettings, servers: Servers, tmp_path: Path, purged: Purged
) -> None:
    async with cluster(tmp_path, settings) as nodes:
        user = await someone(nodes[0].backend)
        for number in range(20):
            await soon(nodes[number % 2].backend.append(draft(user, f"word{number}", room="one", cid=f"c{number}")))
        await soon(nodes[1].backend.append(draft(user, "", room="one", kind=Kind.DELETE, of=7)))
        await purged(last(nodes[1]))
        late = Node(tmp_path / "late.db", settings)
        await late.open()
        try:
            assert await whole(late.backend, "one") == await whole(nodes[0].backend, "one")
            found = await search(late.backend, "one", "word8", before=2**52, limit=9)
            assert [event.text for event in found] == ["word8"]
            again = await soon(late.backend.append(draft(user, "word3", room="one", cid="c3")))
            assert (again.event.seq, again.duplicate) == (4, True)
            await soon(nodes[1].backend.append(draft(user, "to all", room="one")))
            await soon(late.reaches(nodes[1]))
            assert late.marks.items() & nodes[0].marks.items()
            assert [event.text for event in await whole(late.backend, "one")][-1] == "to all"
        finally:
            await late.close()
        assert b"word6" not in (tmp_path / "late.db").read_bytes()
        async with asyncio.timeout(DEADLINE):
            while True:
                if not has(servers[0].folder, settings.stream, b"word6"):
                    break
                await anyio.sleep(0.01)
        assert has(servers[0].folder, settings.stream, b"word7")


def has(folder: Path, stream: str, text: bytes) -> bool:
    """Whether a text is in a file of a server that belongs to this log."""
    files = [file for file in folder.rglob("*") if f"{stream}-snapshot-" in str(file) or f"/{stream}/" in str(file)]
    assert files
    return any(text in file.read_bytes() for file in files if file.is_file())


@pytest.mark.parametrize(("rule", "value"), [("LONG", 20), ("SHARE", 10_000)])
async def test_a_log_that_has_grown_is_purged(
    settings: NatsSettings, tmp_path: Path, purged: Purged, monkeypatch: pytest.MonkeyPatch, rule: str, value: int
) -> None:
    """By the number of positions, or by its bytes."""
    async with cluster(tmp_path, settings) as nodes:
        user = await someone(nodes[0].backend)
        for number in range(30):
            await soon(nodes[number % 2].backend.append(draft(user, "x" * 400, room="one")))
        position = last(nodes[1])
        monkeypatch.setattr(tending, rule, value)
        await purged(position)
        assert len(await whole(nodes[1].backend, "one")) == 30


async def test_a_node_that_lacks_what_was_purged_stops_and_comes_back_with_a_snapshot(
    settings: NatsSettings, tmp_path: Path, purged: Purged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tending, "VALID", 0.3)
    async with cluster(tmp_path, settings) as nodes:
        one, away = nodes
        user = await someone(one.backend)
        await soon(away.reaches(one))
        with monkeypatch.context() as cut:
            cut_off(cut, away)
            await soon(one.backend.append(draft(user, "wrong", room="one", cid="c")))
            await soon(one.backend.append(draft(user, "", room="one", kind=Kind.DELETE, of=1)))
            await purged(last(one))
        await soon(away.stopped.wait())
        with pytest.raises(
            Unavailable, match=r"the log begins at position [0-9]+ now, after [0-9]+ of this node's copy"
        ):
            await soon(away.backend.append(draft(user, "refused", room="one")))
        await away.close()
        again = Node(away.path, settings)
        await again.open()
        try:
            await soon(again.reaches(one))
            assert await whole(again.backend, "one") == await whole(one.backend, "one")
        finally:
            await again.close()


async def test_a_snapshot_whose_node_died_before_the_purge_is_made_up_for(
    settings: NatsSettings, tmp_path: Path, purged: Purged
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tending, "PERIOD", 10 * DEADLINE)
        async with cluster(tmp_path, settings, 1) as [node]:
            user = await someone(node.backend)
            await soon(node.backend.append(draft(user, "wrong", room="one")))
            await soon(node.backend.append(draft(user, "", room="one", kind=Kind.DELETE, of=1)))
            await soon(node.reaches(node))
            position, log = last(node), node.backend._core.log
            made = await asyncio.to_thread(lambda: log.call(Snapshots(log.engine).make(str(node.path))))
            assert made.position == position
    async with cluster(tmp_path, settings, 1):
        await purged(position)


async def test_others_hear_of_a_node_while_it_makes_a_snapshot(
    settings: NatsSettings, tmp_path: Path, purged: Purged, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise they would take it for dead, and make one as well."""
    heard, make = Semaphore(0), Snapshots.make

    async def slow(snapshots: Snapshots, path: str) -> Manifest:
        for _ in range(10):
            assert await asyncio.to_thread(heard.acquire, timeout=DEADLINE)
        return await make(snapshots, path)

    monkeypatch.setattr(Snapshots, "make", slow)
    async with cluster(tmp_path, settings, 1) as [node], opened(settings) as engine:
        engine.listen(f"{settings.stream}.digests", lambda *_: heard.release())
        user = await someone(node.backend)
        await soon(node.backend.append(draft(user, "wrong", room="one")))
        await soon(node.backend.append(draft(user, "", room="one", kind=Kind.DELETE, of=1)))
        await purged(last(node))


def last(node: Node) -> int:
    """The last position of the log that a node has."""
    return node.backend._core.log.next - 1


def cut_off(patch: pytest.MonkeyPatch, node: Node) -> None:
    """Let a node read nothing of the log, and be heard by none. No node hears what is published."""
    engine = node.backend._core.log.engine

    async def fails(*_: Any, **__: Any) -> Any:
        raise EngineError("there is no connection to the servers")

    patch.setattr(log, "HEARD", -1)
    patch.setattr(engine, "read", fails)
    patch.setattr(engine, "tell", lambda *_: None)


async def test_an_embedded_store_goes_to_many_nodes_and_back(settings: NatsSettings, tmp_path: Path) -> None:
    path = tmp_path / "node0.db"
    embedded = Embedded(str(path))
    embedded.open()
    await fill(embedded)
    before, epoch = await everything(embedded), embedded.epoch
    embedded.close()
    async with cluster(tmp_path, settings) as nodes:
        for node in nodes:
            assert node.backend.epoch == epoch
            assert await everything(node.backend) == before
        user = await someone(nodes[1].backend)
        await soon(nodes[1].backend.append(draft(user, "from the other node", room="one")))
    back = Embedded(str(path))
    back.open()
    try:
        assert back.epoch != epoch
        assert [event.text for event in await whole(back, "one")] == ["from the other node"]
    finally:
        back.close()
