"""Servers that die, freeze and are cut off, while a node appends to the log: nothing of it is lost or seen twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import pytest

from app.backends.nats import engine as engine_module
from app.backends.nats.engine import Engine
from app.backends.nats.errors import EngineError
from app.backends.nats.settings import NatsSettings
from tests.clients import DEADLINE
from tests.nats.refusals import refusal
from tests.nats.servers import Server, Servers, running

pytestmark = [pytest.mark.anyio, pytest.mark.slow("cluster")]


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Servers]:
    with running(tmp_path, 3, severable=True) as servers:
        yield servers


class Writer:
    """A node that appends numbers, each of them until it knows that it is stored, and what it heard of the log."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.stored: list[tuple[int, bytes]] = []
        self.more = asyncio.Event()
        self.failed = 0
        self.heard: dict[int, bytes] = {}
        engine.listen(f"{engine.settings.stream}.live", self._hear)

    def _hear(self, payload: bytes, position: int) -> None:
        assert self.heard.setdefault(position, payload) == payload

    async def write(self, done: Callable[[], bool]) -> None:
        """Append until `done`."""
        number = 0
        while not done():
            payload = b"%d" % number
            try:
                position = await self.engine.append(payload, patience=3)
            except EngineError:
                self.failed += 1
                await anyio.sleep(0.05)
            else:
                self.stored.append((position, payload))
                self.more.set()
                number += 1

    async def goes_on(self) -> None:
        """Wait until more is stored."""
        wanted = len(self.stored) + 20
        while len(self.stored) < wanted:
            self.more.clear()
            await self.more.wait()


@asynccontextmanager
async def writing(settings: NatsSettings) -> AsyncIterator[Writer]:
    """A writer while servers fail. At the end, all that was stored has to be in the log, at its position."""
    engine = Engine(settings)
    await engine.open()
    writer, over = Writer(engine), asyncio.Event()
    task = asyncio.ensure_future(writer.write(over.is_set))
    async with asyncio.timeout(DEADLINE):
        await writer.goes_on()
        yield writer
        await writer.goes_on()
        over.set()
        await task
    log: list[tuple[int, bytes]] = []
    _, last = await engine.bounds()
    while len(log) < last:
        with suppress(EngineError):  # a server that is not up to date yet
            log += await engine.read(len(log) + 1)
    assert [position for position, _ in log] == list(range(1, len(log) + 1))
    assert set(writer.stored) <= set(log)
    assert {position: payload for position, payload in log if position in writer.heard} == writer.heard
    await engine.close()


async def leader(engine: Engine, servers: Servers) -> Server:
    """The server that leads the log."""
    info = await engine.request(f"STREAM.INFO.{engine.settings.stream}")
    return next(server for server in servers if server.name == info["cluster"]["leader"])


async def test_the_leader_of_the_log_is_killed_and_comes_back(three: Servers) -> None:
    async with writing(three.settings()) as writer:
        server = await leader(writer.engine, three)
        server.kill()
        await writer.goes_on()
        server.start()


async def test_the_leader_of_the_log_freezes_and_goes_on(three: Servers) -> None:
    async with writing(three.settings()) as writer:
        server = await leader(writer.engine, three)
        server.freeze()
        await writer.goes_on()
        server.thaw()


async def test_a_node_leaves_a_server_that_is_cut_off_from_the_others(three: Servers) -> None:
    async with writing(three.settings()) as writer:
        (server,) = [server for server in three if server.url == f"nats://{writer.engine.server}"]
        three.cut_off(server)
        await writer.goes_on()
        assert server.url != f"nats://{writer.engine.server}"
        assert writer.failed
        three.join_again(server)


async def test_a_server_freezes_that_has_much_to_read(three: Servers) -> None:
    """What it never takes keeps nobody from going on with another server."""
    async with writing(three.settings()) as writer:
        (server,) = [server for server in three if server.url == f"nats://{writer.engine.server}"]
        server.freeze()
        appends = (writer.engine.append(b"x" * 700_000, patience=DEADLINE) for _ in range(20))
        for failed in await asyncio.gather(*appends, return_exceptions=True):
            assert isinstance(failed, EngineError)
        await writer.goes_on()
        assert server.url != f"nats://{writer.engine.server}"
        server.thaw()


async def test_all_servers_are_killed_and_come_back(three: Servers) -> None:
    async with writing(three.settings()):
        for server in three:
            server.kill()
        for server in three:
            server.start()


async def test_a_new_log_needs_most_of_the_servers(three: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "START_PATIENCE", 0.0)
    for server in three[1:]:
        server.kill()
    found = await refusal(three.settings())
    assert found.startswith("chat.nats: JetStream does not work: ")
