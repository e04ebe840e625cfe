"""Commands and long answers have a part of each turn of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import anyio.lowlevel
import pytest

from app.backends.turns import OWNER
from app.clock import Clock
from app.live import turn
from app.live.shard import Shard
from app.live.turn import LoopTurns, OneEach

pytestmark = pytest.mark.anyio


async def test_many_answers_that_take_long_are_spread_over_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, clock = asyncio.get_running_loop(), [0.0]
    monkeypatch.setattr(turn, "monotonic", lambda: clock[0])
    turns, written, turn_of = LoopTurns(loop, lambda: False), list[tuple[int, int]](), [0]

    async def answer(number: int) -> None:
        await turns.wait()
        clock[0] += 2 * turn.SHARE
        written.append((number, turn_of[0]))

    def count() -> None:
        turn_of[0] += 1
        if len(written) < 9:
            loop.call_soon(count)

    count()
    tasks = [asyncio.create_task(answer(number)) for number in range(10)]
    tasks[5].cancel()
    await asyncio.wait(tasks)
    assert [number for number, _ in written] == [0, 1, 2, 3, 4, 6, 7, 8, 9]
    turns_used = [in_turn for _, in_turn in written]
    assert len(set(turns_used)) == len(turns_used)


async def test_short_answers_share_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "monotonic", lambda: 0.0)
    turns = LoopTurns(asyncio.get_running_loop(), lambda: False)
    for _ in range(10):
        waiting = turns.wait()
        with pytest.raises(StopIteration):
            waiting.send(None)


async def test_what_a_turn_still_has_to_do_counts_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "monotonic", lambda: 0.0)
    turns = LoopTurns(asyncio.get_running_loop(), lambda: False)
    assert turns.next("a") is None
    turns.charge(turn.SHARE)
    assert turns.next("a") is None
    turns.charge(turn.SHARE)
    waiting = [turns.next(owner) for owner in ("a", "b")]
    for one in waiting:
        assert one is not None
        assert not one.done()
    for one in waiting:
        assert one is not None
        await one


async def test_once_there_is_too_much_for_a_turn_each_owner_has_one_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(turn, "monotonic", lambda: clock[0])
    turns, done = LoopTurns(asyncio.get_running_loop(), lambda: False), list[str]()

    async def do(name: str) -> None:
        OWNER.set(name[0])
        await turns.wait()
        clock[0] += 2 * turn.SHARE
        done.append(name)

    await asyncio.wait([asyncio.create_task(do(name)) for name in ("a1", "a2", "a3", "a4", "b1", "b2", "c1")])
    assert done == ["a1", "a2", "b1", "c1", "a3", "b2", "a4"]


async def test_messages_that_are_not_stored_yet_come_before_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, waiting, done = [0.0], [True], list[int]()
    monkeypatch.setattr(turn, "monotonic", lambda: clock[0])
    monkeypatch.setattr(turn, "HOLD", 60.0)
    loop = asyncio.get_running_loop()
    later: list[Callable[[], None]] = []
    monkeypatch.setattr(type(loop), "call_later", lambda _, __, act, *args: later.append(lambda: act(*args)))
    turns = LoopTurns(loop, lambda: waiting[0])

    async def do(number: int) -> None:
        await turns.wait()
        clock[0] += 2 * turn.SHARE
        done.append(number)

    async def pass_turns() -> None:
        for _ in range(9):
            await anyio.lowlevel.checkpoint()

    tasks = [asyncio.create_task(do(number)) for number in range(6)]
    await pass_turns()
    assert done == [0]
    for _ in range(2):  # it is never more than a delay
        later.pop()()
        await pass_turns()
    assert done == [0, 1, 2]
    waiting[0] = False
    later.pop()()
    await asyncio.wait(tasks)
    assert done == [0, 1, 2, 3, 4, 5]
    assert not later


async def test_each_owner_does_one_thing_at_a_time() -> None:
    turns, going, began = OneEach(), asyncio.Event(), list[str]()

    async def search(owner: str, name: str) -> None:
        async with turns.turn(owner):
            began.append(name)
            await going.wait()

    tasks = {name: asyncio.create_task(search(name[0], name)) for name in ("a1", "a2", "a3", "b1", "a4")}
    await anyio.lowlevel.checkpoint()
    assert began == ["a1", "b1"]
    tasks["a2"].cancel()
    going.set()
    await asyncio.wait(tasks.values())
    assert began == ["a1", "b1", "a3", "a4"]
    assert len(turns) == 0


async def test_who_ends_when_its_turn_comes_passes_it_on() -> None:
    turns, began = OneEach(), list[int]()

    async def search(number: int) -> None:
        async with turns.turn("a"):
            began.append(number)
            if number == 0:
                tasks[1].cancel()
                await anyio.lowlevel.checkpoint()

    tasks = [asyncio.create_task(search(number)) for number in range(3)]
    await anyio.lowlevel.checkpoint()
    await asyncio.wait(tasks)
    assert began == [0, 2]
    assert len(turns) == 0


async def test_commands_wait_for_messages_only_while_nothing_comes_back_from_the_disk() -> None:
    shard = Shard(lambda _: (0, ()), 1.0, Clock())
    assert not shard._waits_for_disk()
    shard.pending_appends = 2
    assert shard._waits_for_disk()
    shard.deliver([])
    assert not shard._waits_for_disk()  # it is fast enough
    assert shard._waits_for_disk()
