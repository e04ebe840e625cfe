"""The engine over a real server: what it appends, reads, purges and hears."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app.backends.nats.calls import Messages
from app.backends.nats.engine import Engine
from app.backends.nats.errors import EngineError, Purged, Rejected
from app.backends.nats.settings import NatsSettings
from tests.clients import DEADLINE
from tests.nats.plain import opened
from tests.nats.servers import Servers, running

pytestmark = pytest.mark.anyio


async def test_what_is_appended_is_read_in_order(settings: NatsSettings) -> None:
    async with opened(settings) as engine:
        assert await engine.bounds() == (1, 0)
        assert await engine.read(1) == []
        assert [await engine.append(b"%d" % i, patience=DEADLINE) for i in range(1, 4)] == [1, 2, 3]
        assert await engine.bounds() == (1, 3)
        assert await engine.read(2) == [(2, b"2"), (3, b"3")]
        assert await engine.read(4) == []


async def test_a_long_log_is_read_in_pieces_without_a_gap(settings: NatsSettings) -> None:
    async with opened(settings) as engine:
        await asyncio.gather(*(engine.append(b"x" * 300_000, patience=DEADLINE) for _ in range(30)))
        position, reads = 1, 0
        while found := await engine.read(position, size=1_000_000):
            assert [number for number, _ in found] == list(range(position, position + len(found)))
            position, reads = position + len(found), reads + 1
        assert position == 31
        assert reads > 5


async def test_a_message_larger_than_the_size_that_is_asked_for_is_read(settings: NatsSettings) -> None:
    async with opened(settings) as engine:
        await engine.append(b"x" * 700_000, patience=DEADLINE)
        assert [position for position, _ in await engine.read(1, size=1000)] == [1]


async def test_who_reads_what_is_purged_learns_what_is_left(settings: NatsSettings) -> None:
    async with opened(settings) as engine:
        for _ in range(4):
            await engine.append(b"x", patience=DEADLINE)
        await engine.purge(3)
        assert await engine.bounds() == (3, 4)
        with pytest.raises(Purged) as caught:
            await engine.read(1)
        assert caught.value.first == 3
        assert [position for position, _ in await engine.read(3)] == [3, 4]


async def test_a_purge_beyond_the_end_does_not_move_it(settings: NatsSettings) -> None:
    async with opened(settings) as engine:
        await engine.append(b"x", patience=DEADLINE)
        await engine.purge(1000)
        assert await engine.bounds() == (2, 1)
        with pytest.raises(Purged) as caught:
            await engine.read(1)
        assert caught.value.first == 2
        assert await engine.append(b"y", patience=DEADLINE) == 2


async def test_a_message_that_is_missing_is_not_skipped(settings: NatsSettings) -> None:
    async with opened(settings) as engine:
        for _ in range(4):
            await engine.append(b"x", patience=DEADLINE)
        await engine.request(f"STREAM.MSG.DELETE.{settings.stream}", {"seq": 3})
        assert [position for position, _ in await engine.read(1)] == [1, 2]
        with pytest.raises(Exception, match=r"^position 3 of the stream natter-\d+ is missing$"):
            await engine.read(3)


async def test_a_server_that_lags_behind_the_leader_is_no_end_of_the_log(
    settings: NatsSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(settings) as engine:
        await engine.append(b"x", patience=DEADLINE)
        monkeypatch.setattr(Messages, "reply", lambda call, _, __: call.done.set())
        with pytest.raises(EngineError, match=r"has no position 1 of the stream natter-\d+ yet$"):
            await engine.read(1)
        assert await engine.read(2) == []


async def test_listeners_hear_the_log_with_its_positions_and_hints_without(settings: NatsSettings) -> None:
    heard: asyncio.Queue[tuple[bytes, int]] = asyncio.Queue()
    async with opened(settings) as engine, opened(settings) as other:
        engine.listen(f"{settings.stream}.live", lambda payload, position: heard.put_nowait((payload, position)))
        engine.listen(f"{settings.stream}.hints", lambda payload, position: heard.put_nowait((payload, position)))
        await engine.flushed()
        await other.append(b"batch", patience=DEADLINE)
        assert await heard.get() == (b"batch", 1)
        other.tell(f"{settings.stream}.hints", b"typing")
        assert await heard.get() == (b"typing", 0)


async def test_two_nodes_make_one_log(settings: NatsSettings) -> None:
    engines = [Engine(settings) for _ in range(4)]
    await asyncio.gather(*(engine.open() for engine in engines))
    assert len({engine.epoch for engine in engines}) == 1
    assert [await engine.append(b"x", patience=DEADLINE) for engine in engines] == [1, 2, 3, 4]
    await asyncio.gather(*(engine.close() for engine in engines))


async def test_a_log_that_is_full_takes_nothing_and_goes_on_after_a_purge(servers: Servers) -> None:
    settings = servers.settings(stream="natter-full", max_bytes=8 * 1024 * 1024)
    async with opened(settings) as engine:
        appends = [engine.append(b"x" * 700_000, patience=DEADLINE) for _ in range(20)]
        with pytest.raises(Rejected, match=r"^the stream natter-full is full: run `nats stream edit ") as caught:
            await asyncio.gather(*appends)
        assert caught.value.code == 10077
        _, last = await engine.bounds()
        await engine.purge(last + 1)
        assert await engine.append(b"x", patience=DEADLINE) == last + 1


async def test_a_server_that_dies_fails_what_waits_at_once_and_is_found_again(tmp_path: Path) -> None:
    with running(tmp_path) as servers:
        (server,) = servers
        async with opened(servers.settings()) as engine:
            back = asyncio.Event()
            engine.reconnected = back.set
            heard: asyncio.Queue[int] = asyncio.Queue()
            engine.listen("natter.live", lambda _, position: heard.put_nowait(position))
            assert await engine.append(b"x", patience=DEADLINE) == 1
            server.freeze()
            waiting = [asyncio.ensure_future(ask) for ask in (engine.append(b"y", patience=DEADLINE), engine.read(1))]
            await asyncio.wait(waiting, timeout=0)
            server.kill()
            for task in waiting:
                with pytest.raises(EngineError, match=r"before there was an answer$"):
                    await task
            assert engine.problem
            assert engine.problem.startswith("the store can't be reached: 127.0.0.1:")
            with pytest.raises(Rejected):
                await engine.append(b"y", patience=DEADLINE)
            server.start()
            await back.wait()
            assert engine.problem is None
            _, last = await engine.bounds()
            assert await engine.append(b"z", patience=DEADLINE) == last + 1
            while await heard.get() != last + 1:
                pass
