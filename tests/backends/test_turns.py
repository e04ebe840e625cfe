"""Whose read is next, and that one who reads much holds up nobody else."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.backends.embedded import Embedded
from app.backends.readers import SHORT, THREADS, Read, _rest
from app.backends.turns import OWNER, Turns
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
        turns.done(read)
    assert order == [(None, 0), (ANN, 0), (BOB, 0), (ANN, 1), (ANN, 2)]


def test_nobody_has_two_at_once() -> None:
    turns: Turns[Asked] = Turns()
    turns.put(Asked(ANN, 0))
    turns.put(Asked(ANN, 1))
    turns.put(Asked(BOB))
    first, other = turns.get(), turns.get()
    assert first is not None
    assert [one and one.owner for one in (first, other)] == [ANN, BOB]
    turns.done(first)
    assert turns.get() == Asked(ANN, 1)


def test_what_is_left_at_the_end_is_still_read() -> None:
    turns: Turns[Asked] = Turns()
    turns.put(Asked(ANN))
    turns.close()
    assert turns.get(rest=float("inf")) == Asked(ANN)
    assert turns.get() is None


def test_who_rests_reads_for_nobody_in_particular_alone() -> None:
    turns: Turns[Asked] = Turns()
    turns.put(Asked(ANN))
    turns.put(Asked(None, 1))
    assert turns.get(rest=float("inf")) == Asked(None, 1)


@pytest.mark.parametrize(("owner", "took", "rests"), [(ANN, 20 * SHORT, True), (ANN, 0.0, False), (None, 1.0, False)])
async def test_a_thread_rests_for_as_long_as_it_read(
    owner: str | None, took: float, rests: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.backends.readers.monotonic", lambda: 100.0 + took)
    read = Read(lambda _: None, asyncio.get_running_loop().create_future(), owner=owner)
    assert _rest(read, 100.0) == (pytest.approx(100.0 + 2 * took) if rests else 0.0)


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
