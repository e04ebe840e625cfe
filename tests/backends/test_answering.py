"""Many changes are applied together, and answered little by little."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio.lowlevel
import pytest

from app.backends.answering import ANSWERS, answer_in_turns, settle
from app.backends.changes import CreateUser
from app.backends.sequencing import Entry

pytestmark = pytest.mark.anyio


def entries(first: int, count: int) -> list[Entry]:
    """So many changes that are waited for, which are answered with numbers from `first` on."""
    loop = asyncio.get_running_loop()
    return [Entry(CreateUser(user=1), loop.create_future(), loop, answer=first + number) for number in range(count)]


async def answered(waiting: list[Entry], answers: list[int]) -> None:
    """Note the answers in the order in which they are heard."""

    async def hear(waiter: Any) -> None:
        answers.append(await waiter)

    await asyncio.gather(*(hear(entry.waiter) for entry in waiting), return_exceptions=True)


async def test_a_turn_has_so_many_answers() -> None:
    early, late, answers = entries(0, 50), entries(50, 50), list[int]()
    hearing = asyncio.create_task(answered(early + late, answers))
    for _ in range(2):
        await anyio.lowlevel.checkpoint()  # everyone waits
    early[7].waiter.cancel()
    settle(early[:7] + early[8:], answer_in_turns)
    turn = 0
    while len(answers) < 99:
        before = len(answers)
        await anyio.lowlevel.checkpoint()
        assert len(answers) - before <= ANSWERS
        if (turn := turn + 1) == 3:
            settle(late, answer_in_turns)
            assert len(answers) < 49, "others come between"
    assert answers == [number for number in range(100) if number != 7]
    await hearing


async def test_an_answer_that_nobody_can_take_holds_up_no_other() -> None:
    some, answers = entries(0, 3 * ANSWERS), list[int]()
    some[2].waiter = object()
    hearing = asyncio.create_task(answered(some[ANSWERS:], answers))
    await anyio.lowlevel.checkpoint()
    settle(some, answer_in_turns)
    await hearing
    assert answers == [*range(ANSWERS, 3 * ANSWERS)]
