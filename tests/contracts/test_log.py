"""Logs: appending, reading, bounds."""

from __future__ import annotations

from asyncio import ensure_future

import pytest

from app.backends import Backend
from app.chat.events import Appended, Bounds, Event
from tests.contracts.helpers import FAR, add, draft, increases, someone, soon, whole

pytestmark = pytest.mark.anyio


async def test_an_event_is_what_was_appended(backend: Backend) -> None:
    user = await someone(backend)
    said = draft(user, "hello", cid="c")
    [appended] = await add(backend, said)
    seq = appended.event.seq
    assert seq > 0
    assert appended == Appended(
        Event("room", seq, said.id, said.at, user.id, user.name, "hello", cid="c"), duplicate=False
    )
    assert await soon(backend.read("room", after=0, limit=10)) == [appended.event]


async def test_appends_are_stored_in_the_order_of_the_calls(backend: Backend) -> None:
    user = await someone(backend)
    drafts = [draft(user, str(number), room=f"room{number % 3}") for number in range(3000)]
    events = [appended.event for appended in await add(backend, *drafts)]
    assert [event.text for event in events] == [str(number) for number in range(3000)]
    for number in range(3):
        log = await whole(backend, f"room{number}", page=400)
        assert log == events[number::3]
        assert increases(log)


async def test_the_order_is_that_of_the_calls_and_not_of_the_awaiting(backend: Backend) -> None:
    user = await someone(backend)
    first, second = (ensure_future(backend.append(draft(user, text))) for text in ("first", "second"))
    later, earlier = await soon(second), await soon(first)
    assert await whole(backend) == [earlier.event, later.event]


async def test_later_appends_come_later(backend: Backend) -> None:
    user = await someone(backend)
    events = [(await add(backend, draft(user)))[0].event for _ in range(20)]
    assert increases(events)
    assert await whole(backend) == events


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 10, 11, 1000])
async def test_reading_forth_and_back_in_pages(backend: Backend, limit: int) -> None:
    user = await someone(backend)
    await add(backend, *[draft(user, str(number), room=("room", "other")[number % 2]) for number in range(20)])
    log = await soon(backend.read("room", after=0, limit=1000))
    assert [event.text for event in log] == [str(number) for number in range(0, 20, 2)]
    assert await whole(backend, page=limit) == log
    back: list[Event] = []
    while got := await soon(backend.read_backwards("room", before=back[0].seq if back else FAR, limit=limit)):
        assert len(got) <= limit
        back = got + back
    assert back == log


async def test_both_ends_of_a_log(backend: Backend) -> None:
    user = await someone(backend)
    await add(backend, *[draft(user, room=("other", "room")[number % 2]) for number in range(10)])
    log = await whole(backend)
    first, last = log[0].seq, log[-1].seq
    for index, event in enumerate(log):
        assert await soon(backend.read("room", after=event.seq, limit=3)) == log[index + 1 :][:3]
        assert await soon(backend.read("room", after=event.seq - 1, limit=3)) == log[index:][:3]
        assert await soon(backend.read_backwards("room", before=event.seq, limit=3)) == log[:index][-3:]
        assert await soon(backend.read_backwards("room", before=event.seq + 1, limit=3)) == log[: index + 1][-3:]
    for after in (last, last + 1, FAR):
        assert await soon(backend.read("room", after=after, limit=3)) == []
    for before in (first, 1, 0):
        assert await soon(backend.read_backwards("room", before=before, limit=3)) == []
    assert await soon(backend.read("room", after=0, limit=0)) == []
    assert await soon(backend.read_backwards("room", before=FAR, limit=0)) == []


async def test_an_empty_room(backend: Backend) -> None:
    await add(backend, draft(await someone(backend), room="other"))
    for room in ("room", "", "othe", "other ", "%"):
        assert await soon(backend.read(room, after=0, limit=10)) == []
        assert await soon(backend.read_backwards(room, before=FAR, limit=10)) == []
        assert await soon(backend.bounds(room)) == Bounds(0, 0)


async def test_rooms_are_told_apart_to_the_letter(backend: Backend) -> None:
    user = await someone(backend)
    rooms = ["a", "A", "a ", " a", "ä", "a\u0308", "Ä", "a%", "a_", "a\n", "", "😀", "ａ"]
    await add(backend, *[draft(user, room, room=room) for room in rooms])
    for room in rooms:
        assert [event.text for event in await whole(backend, room)] == [room]


async def test_bounds(backend: Backend) -> None:
    user = await someone(backend)
    for _ in range(3):
        await add(backend, draft(user), draft(user, room="other"))
        log = await whole(backend)
        bounds = await soon(backend.bounds("room"))
        assert bounds.trimmed < log[0].seq
        assert bounds.head == log[-1].seq


@pytest.mark.parametrize("text", ["", "\0", "a\0b", "\n", "😀\u200d🏳️", "e\u0301", "'\"; --", "x" * 300_000])
async def test_a_text_comes_back_as_it_was(backend: Backend, text: str) -> None:
    await add(backend, draft(await someone(backend), text))
    assert [event.text for event in await whole(backend)] == [text]


async def test_the_rooms_are_those_with_events(backend: Backend) -> None:
    user = await someone(backend)
    assert await soon(backend.rooms()) == []
    await add(backend, *[draft(user, room=room) for room in ("b", "a", "c", "a", "b")])
    assert sorted(await soon(backend.rooms())) == ["a", "b", "c"]
