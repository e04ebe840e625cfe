"""Trimming the oldest events."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from app.backends import Backend, Trimmed
from app.chat.events import Bounds
from tests.contracts.helpers import FAR, add, draft, someone, soon

pytestmark = pytest.mark.anyio


async def test_trimming_by_count_keeps_the_last_and_says_where_the_log_begins(backend: Backend) -> None:
    user = await someone(backend)
    events = [each.event for each in await add(backend, *[draft(user, str(number)) for number in range(10)])]
    other = await add(backend, draft(user, room="other"))
    assert await soon(backend.trim("room", keep=4, since=0, limit=100)) == 6
    assert await soon(backend.bounds("room")) == Bounds(events[5].seq, events[9].seq)
    assert await soon(backend.read("room", after=events[5].seq, limit=100)) == events[6:]
    assert await soon(backend.read_backwards("room", before=FAR, limit=100)) == events[6:]
    for after in (0, events[4].seq):
        with pytest.raises(Trimmed) as caught:
            await soon(backend.read("room", after=after, limit=100))
        assert caught.value.through == events[5].seq
    assert await soon(backend.trim("room", keep=4, since=0, limit=100)) == 0
    assert await soon(backend.read("other", after=0, limit=100)) == [other[0].event]


async def test_trimming_by_age_takes_only_a_run_of_old_ones_from_the_start(backend: Backend) -> None:
    user = await someone(backend)
    ages = [10, 20, 90, 30, 95]
    events = [each.event for each in await add(backend, *[replace(draft(user), at=at) for at in ages])]
    assert await soon(backend.trim("room", keep=0, since=50, limit=100)) == 2
    assert await soon(backend.read("room", after=events[1].seq, limit=100)) == events[2:]


async def test_trimming_goes_in_steps_and_to_nothing(backend: Backend) -> None:
    user = await someone(backend)
    events = [each.event for each in await add(backend, *[draft(user, cid=str(number)) for number in range(10)])]
    assert [await soon(backend.trim("room", keep=0, since=FAR, limit=4)) for _ in range(4)] == [4, 4, 2, 0]
    assert await soon(backend.bounds("room")) == Bounds(events[9].seq, events[9].seq)
    assert await soon(backend.rooms()) == []
    [again] = await add(backend, draft(user, cid="3"))
    assert not again.duplicate
    assert again.event.seq > events[9].seq
    assert await soon(backend.read("room", after=events[9].seq, limit=100)) == [again.event]
