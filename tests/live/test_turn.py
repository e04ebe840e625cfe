"""Long answers are written a few in each turn of the event loop."""

from __future__ import annotations

import asyncio

import pytest

from app.live import turn
from app.live.turn import AnswerTurns

pytestmark = pytest.mark.anyio


async def test_many_answers_that_take_long_are_spread_over_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, clock = asyncio.get_running_loop(), [0.0]
    monkeypatch.setattr(turn, "monotonic", lambda: clock[0])
    turns, written, turn_of = AnswerTurns(loop), list[tuple[int, int]](), [0]

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


async def test_short_answers_share_a_turn() -> None:
    turns = AnswerTurns(asyncio.get_running_loop())
    for _ in range(10):
        waiting = turns.wait()
        with pytest.raises(StopIteration):
            waiting.send(None)
