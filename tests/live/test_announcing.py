"""How the people of a room changed is told to a crowd little by little, in turn with everything else."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import anyio.lowlevel
import pytest

from app.chat.dialects import JSON
from app.chat.presence import Person
from app.chat.room import Room
from app.live import turn
from app.live.announcing import AT_ONCE, WRITE, Announcer
from app.live.subscriber import Subscriber
from app.live.turn import LoopTurns

pytestmark = pytest.mark.anyio
CROWD = 1000
AT_MOST = round(turn.SHARE / WRITE) + AT_ONCE
"""Hints in one turn of the event loop."""


class Someone:
    """Someone in every room, with a channel that is never full."""

    dialect = JSON
    channel = SimpleNamespace(full=False, deflated=False)


class Crowd:
    """Rooms in which everyone is, and what they were told."""

    def __init__(self, *rooms: str) -> None:
        self.everyone: list[Any] = [Someone() for _ in range(CROWD)]
        self.told: list[Subscriber] = []
        self.people: tuple[Person, ...] = ()
        self.turns = LoopTurns(asyncio.get_running_loop(), lambda: False)
        self.rooms = {name: Room[Subscriber](name) for name in rooms}
        self.announcer = Announcer(self.rooms, lambda _: (len(self.people), self.people), 0.0, self.turns, self.hold)
        for room in self.rooms.values():
            for one in self.everyone:
                room.attach(one, 0)

    def hold(self, subscriber: Subscriber, data: bytes) -> None:
        assert b'"presence"' in data
        self.told.append(subscriber)

    def rename(self, name: str) -> None:
        self.people = (Person(1, name),)
        for room in self.rooms:
            self.announcer.changed(room)

    async def turns_until(self, hints: int) -> list[int]:
        """How many hints there were in each turn of the event loop, until there were so many in all."""
        counts, before = list[int](), len(self.told)
        while len(self.told) < hints:
            await anyio.lowlevel.checkpoint()
            counts.append(len(self.told) - before)
            before = len(self.told)
        return counts


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let everything but writing take no time."""
    monkeypatch.setattr(turn, "monotonic", lambda: 0.0)


async def test_a_turn_has_so_many_hints() -> None:
    crowd = Crowd("lobby")
    crowd.rename("ann")
    counts = await crowd.turns_until(CROWD)
    assert max(counts) <= AT_MOST
    assert crowd.told == crowd.everyone


async def test_rooms_share_a_turn() -> None:
    """Each person is told once, in one of the rooms; the others have to be looked through all the same."""
    crowd = Crowd(*(f"room{number}" for number in range(10)))
    crowd.rename("ann")  # she comes to each room
    assert max(await crowd.turns_until(10 * CROWD)) <= AT_MOST
    crowd.rename("amy")
    assert max(await crowd.turns_until(11 * CROWD)) <= AT_MOST
    assert crowd.told == 11 * crowd.everyone


async def test_commands_come_between_hints() -> None:
    crowd, seen = Crowd("lobby"), list[int]()

    async def ask() -> None:
        for _ in range(5):
            await crowd.turns.wait()
            crowd.turns.charge(2 * turn.SHARE)
            seen.append(len(crowd.told))

    crowd.rename("ann")
    asking = asyncio.create_task(ask())
    await crowd.turns_until(CROWD)
    await asking
    assert max(later - before for before, later in pairwise(seen)) <= 2 * AT_MOST
    assert seen[-1] < CROWD
