"""What waits behind a command that takes its time."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio.lowlevel
import pytest

from app.live import turn
from app.live.command_queue import MAX_QUEUED, MAX_QUEUED_SIZE, CommandQueue
from app.live.turn import LoopTurns
from app.testing import test_application
from app.testing.host import Host
from tests.clients import Raw, frame
from tests.transports.harness import until

SIZE = 40_000


class Runner:
    """A connection whose commands wait until they are `allowed`."""

    closed = False
    queue: CommandQueue | None = None

    def __init__(self) -> None:
        self.channel: Any = self
        self.allowed = asyncio.Semaphore(0)
        self.handled: list[str] = []

    async def writable(self) -> bool:
        return True

    async def turn(self) -> None: ...

    async def handle(self, text: str, command: object = None, refused: object = None) -> None:
        await self.allowed.acquire()
        self.handled.append(text)

    def pause_or_resume(self) -> None: ...

    def internal_error(self) -> None:
        raise AssertionError


class Busy(Runner):
    """A connection each of whose commands takes all of its share of a turn."""

    def __init__(self, turns: LoopTurns, clock: list[float]) -> None:
        super().__init__()
        self.turn = turns.wait  # type: ignore[method-assign]
        self.clock = clock

    async def handle(self, text: str, command: object = None, refused: object = None) -> None:
        self.clock[0] += 2 * turn.SHARE
        self.handled.append(text)


@pytest.mark.anyio
async def test_commands_of_many_connections_are_spread_over_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, clock, most = asyncio.get_running_loop(), [0.0], [0, 0]
    monkeypatch.setattr(turn, "monotonic", lambda: clock[0])
    turns = LoopTurns(loop, lambda: False)
    runners = [Busy(turns, clock) for _ in range(5)]
    for runner in runners:
        runner.queue = CommandQueue(runner, "0", None, None)
        for number in range(1, 10):
            runner.queue.put(str(number))

    def count() -> None:
        handled = sum(len(runner.handled) for runner in runners)
        most[:] = handled, max(most[1], handled - most[0])
        if handled < 50:
            loop.call_soon(count)

    count()
    await until(lambda: all(runner.queue is None for runner in runners))
    assert all(runner.handled == list("0123456789") for runner in runners)
    assert most[1] == 1


@pytest.mark.anyio
@pytest.mark.parametrize("text", ["x" * SIZE, "🙂" * (SIZE // 4), ""])
async def test_a_queue_is_full_once_its_commands_take_too_much_memory_or_are_too_many(text: str) -> None:
    runner = Runner()
    queue = CommandQueue(runner, "first", None, None)
    count = 2 if text else MAX_QUEUED
    assert count * SIZE > MAX_QUEUED_SIZE
    for _ in range(count):
        assert not queue.full
        queue.put(text)
    assert queue.full
    for _ in range(3):
        runner.allowed.release()
        await anyio.lowlevel.checkpoint()
    await until(lambda: not queue.full)
    for _ in range(count):
        runner.allowed.release()
    await until(lambda: len(runner.handled) > count)
    assert runner.handled == ["first", *[text] * count]
    assert queue._size == 0


def test_a_client_that_sends_on_behind_a_slow_request_is_not_read() -> None:
    released: list[asyncio.Event] = []

    async def wait(_: object) -> str:
        released.append(asyncio.Event())
        await released[0].wait()
        return "done"

    def module(app: Any) -> None:
        app.state.chat.command("wait", wait, help="takes its time")

    with test_application(module, server=True) as host:
        port = int(host.url.rpartition(":")[2])
        with Raw(port) as ann:
            ann.socket.sendall(frame(1, b"/wait") + frame(1, b"x" * 60_000) * 3)
            while not host.call(paused, host):
                pass
            assert host.call(queued, host) <= MAX_QUEUED_SIZE + 60_100
            host.call(lambda: released[0].set())
            while host.call(paused, host):
                pass


def connection(host: Host) -> Any:
    [one] = [one for shard in host.app.state.chat.hub._shards.values() for one in shard.connections[1]]
    return one


def paused(host: Host) -> bool:
    return bool(connection(host)._paused)


def queued(host: Host) -> int:
    queue = connection(host).queue
    return sum(text.__sizeof__() for text in queue._texts) if queue is not None else 0
