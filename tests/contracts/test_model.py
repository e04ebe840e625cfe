"""A plain model of a backend, and whether each agrees with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from app.backends import Backend
from app.chat.events import (
    Appended,
    Event,
)
from tests.contracts.helpers import FAR, add, draft, increases, someone, soon, whole

pytestmark = pytest.mark.anyio


steps = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.lists(st.tuples(st.integers(0, 1), st.sampled_from(["", "1", "2", "3"]), st.text(max_size=5)), max_size=6),
        st.integers(0, 30),
        st.integers(0, 5),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_it_agrees_with_a_model(
    fresh: Callable[[], Backend], steps: list[tuple[str, list[tuple[int, str, str]], int, int]]
) -> None:
    async def compare(backend: Backend) -> None:
        users = [await someone(backend) for _ in range(2)]
        known: dict[tuple[int, str], Event] = {}
        logs: defaultdict[str, list[Event]] = defaultdict(list)
        followed: defaultdict[str, list[Event]] = defaultdict(list)

        def follower(events: Sequence[Event]) -> None:
            for event in events:
                followed[event.room].append(event)

        backend.follow(follower)
        for room, said, place, limit in steps:
            drafts = [draft(users[user], text, room=room, cid=cid) for user, cid, text in said]
            for each, answer in zip(drafts, await add(backend, *drafts), strict=True):
                before = known.get((each.user.id, each.cid)) if each.cid else None
                if before:
                    assert answer == Appended(before, duplicate=True)
                else:
                    expected = Event(room, 0, each.id, each.at, each.user.id, each.user.name, each.text, each.cid)
                    assert replace(answer.event, seq=0) == expected
                    assert not answer.duplicate
                    known[each.user.id, each.cid] = answer.event
                    logs[room].append(answer.event)
            log = logs[room]
            after = [event for event in log if event.seq > place][:limit]
            before_it = [event for event in log if event.seq < place]
            assert await soon(backend.read(room, after=place, limit=limit)) == after
            assert await soon(backend.read_back(room, before=place, limit=limit)) == before_it[-limit or FAR :]
            assert (await soon(backend.bounds(room))).head == (log[-1].seq if log else 0)
        for room in ("a", "b", "c"):
            assert await whole(backend, room, page=3) == logs[room] == followed[room]
            assert increases(logs[room])

    backend = fresh()
    backend.open()
    try:
        anyio.run(compare, backend)
    finally:
        backend.close()
