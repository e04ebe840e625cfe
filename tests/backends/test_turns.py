"""Whose read is next, and that one who reads much holds up nobody else."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from app.backends.embedded import Embedded
from app.backends.readers import THREADS
from app.backends.turns import AHEAD, LONGEST, OWNER, Turns
from tests.clients import DEADLINE

pytestmark = pytest.mark.anyio
ANN, BOB = "192.0.2.1", "192.0.2.2"


@dataclass
class Asked:
    owner: str | None
    number: int = 0


def test_each_owner_has_one_in_turn() -> None:
    turns: Turns[Asked] = Turns()
    for number in range(3):
        turns.put(Asked(ANN, number))
    turns.put(Asked(BOB))
    turns.put(Asked(None))
    order: list[tuple[str | None, int]] = []
    while len(order) < 5:
        read = turns.get()
        assert read is not None
        order.append((read.owner, read.number))
        turns.done(read, 0.0)
    assert order == [(None, 0), (ANN, 0), (BOB, 0), (ANN, 1), (ANN, 2)]


def test_nobody_has_two_at_once() -> None:
    turns: Turns[Asked] = Turns()
    turns.put(Asked(ANN, 0))
    turns.put(Asked(ANN, 1))
    turns.put(Asked(BOB))
    first, other = turns.get(), turns.get()
    assert first is not None
    assert [one and one.owner for one in (first, other)] == [ANN, BOB]
    turns.done(first, 0.0)
    assert turns.get() == Asked(ANN, 1)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What time it is."""
    now = [100.0]
    monkeypatch.setattr("app.backends.turns.monotonic", lambda: now[0])
    return now


def test_what_is_left_at_the_end_is_still_read(time: list[float]) -> None:
    turns: Turns[Asked] = Turns()
    turns.put(Asked(ANN))
    read = turns.get()
    assert read is not None
    turns.done(read, 60.0)
    turns.put(Asked(BOB))
    turns.close()
    assert turns.get() == Asked(BOB)
    assert turns.get() is None


def took(turns: Turns[Asked], owner: str | None, seconds: float, time: list[float]) -> None:
    """Read once, for as long."""
    turns.put(Asked(owner))
    read = turns.get()
    assert read is not None
    time[0] += seconds
    turns.done(read, seconds)


def test_reading_leaves_half_of_the_time_to_others(time: list[float]) -> None:
    turns: Turns[Asked] = Turns()
    took(turns, ANN, LONGEST, time)
    turns.put(Asked(BOB))
    got: list[Asked | None] = []
    thread = threading.Thread(target=lambda: got.append(turns.get()))
    thread.start()
    turns.put(Asked(None))  # nobody in particular waits for no rest
    thread.join(DEADLINE)
    assert got == [Asked(None)]
    turns.done(Asked(None), LONGEST)  # and causes none
    time[0] += LONGEST
    assert turns.get() == Asked(BOB)


def test_a_long_read_holds_up_its_owner_alone(time: list[float]) -> None:
    turns: Turns[Asked] = Turns()
    took(turns, ANN, 1.0, time)
    turns.put(Asked(ANN))
    turns.put(Asked(BOB))
    time[0] += LONGEST
    assert turns.get() == Asked(BOB)
    turns.done(Asked(BOB), 0.0)
    read, left = turns._next()
    assert read is None
    assert left == pytest.approx(1.0 - LONGEST)
    time[0] += 1.0
    assert turns.get() == Asked(ANN)


def test_the_end_of_a_long_rest_is_not_what_others_wait_for() -> None:
    turns: Turns[Asked] = Turns()
    turns.put(Asked(ANN))
    read = turns.get()
    assert read is not None
    turns.done(read, 60 * DEADLINE)
    turns.put(Asked(ANN, 1))
    got: list[Asked | None] = []
    thread = threading.Thread(target=lambda: got.append(turns.get()))
    thread.start()
    for _ in range(9):
        turns.put(Asked(BOB))
        thread.join(DEADLINE)
        assert got == [Asked(BOB)]
        turns.done(Asked(BOB), LONGEST)
        thread = threading.Thread(target=lambda: got.append(turns.get()))
        got.clear()
        thread.start()
    turns.close()
    thread.join(DEADLINE)
    assert got == [Asked(ANN, 1)]


def test_rests_that_are_over_are_forgotten(time: list[float]) -> None:
    turns: Turns[Asked] = Turns()
    for number in range(100):
        took(turns, f"192.0.2.{number}", 1.0, time)
        time[0] += 1.0
    assert len(turns._rests) <= 1


def test_a_few_short_reads_need_no_rest(time: list[float]) -> None:
    turns: Turns[Asked] = Turns()
    began = time[0]
    for _ in range(3):
        took(turns, ANN, AHEAD / 4, time)
    assert time[0] - began < AHEAD


def test_a_read_wakes_one_thread_and_no_other() -> None:
    turns: Turns[Asked] = Turns()
    got: list[Asked | None] = []
    threads = [threading.Thread(target=lambda: got.append(turns.get())) for _ in range(2)]
    for thread in threads:
        thread.start()
    until = monotonic() + DEADLINE
    while len(turns._idle) < 2:
        assert monotonic() < until
    seats = list(turns._idle)
    turns.put(Asked(ANN))
    assert len(turns._idle) == 1
    assert sum(not seat.lock.locked() for seat in seats) <= 1
    turns.close()
    for thread in threads:
        thread.join(DEADLINE)
    assert Asked(ANN) in got
    assert None in got


def test_nothing_is_read_during_a_pause() -> None:
    turns: Turns[Asked] = Turns()
    turns.put(Asked(ANN))
    read = turns.get()
    assert read is not None
    paused, over = threading.Event(), threading.Event()

    def pause() -> None:
        with turns.paused():
            paused.set()
            over.wait(DEADLINE)

    thread = threading.Thread(target=pause)
    thread.start()
    assert not paused.is_set()
    turns.done(read, 0.0)
    assert paused.wait(DEADLINE)
    got: list[Asked | None] = []
    reader = threading.Thread(target=lambda: got.append(turns.get()))
    reader.start()
    turns.put(Asked(None))
    assert not got
    over.set()
    for one in (thread, reader):
        one.join(DEADLINE)
    assert got == [Asked(None)]


async def test_the_reads_of_one_address_leave_threads_to_others(tmp_path: Path) -> None:
    store = Embedded(str(tmp_path / "chat.db"))
    store.open()
    going, blocked = threading.Event(), threading.Event()

    def slow(_: Any) -> None:
        blocked.set()
        going.wait(DEADLINE)

    async def read_slowly() -> None:
        OWNER.set(ANN)
        await store._read(slow)

    async def read() -> None:
        OWNER.set(BOB)
        await store.bounds("lobby")

    much = [asyncio.create_task(read_slowly()) for _ in range(3 * THREADS)]
    try:
        await asyncio.to_thread(blocked.wait, DEADLINE)
        for _ in range(5):
            await asyncio.wait_for(asyncio.create_task(read()), DEADLINE)
        assert not any(task.done() for task in much)
    finally:
        going.set()
        await asyncio.gather(*much)
        store.close()
