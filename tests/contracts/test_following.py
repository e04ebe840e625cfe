"""Following a backend: each event comes once, in order, after its commit."""

from __future__ import annotations

from asyncio import ensure_future, gather

import anyio
import anyio.lowlevel
import pytest

from app.backends import Backend
from app.chat.events import Event
from tests.clients import DEADLINE
from tests.contracts.helpers import add, draft, increases, someone, soon, whole

pytestmark = pytest.mark.anyio


async def test_a_follower_gets_each_event_once_and_in_order_and_no_duplicate(backend: Backend) -> None:
    user = await someone(backend)
    await add(backend, draft(user, "before", cid="c"))
    followed: list[Event] = []
    unfollow = backend.follow(followed.extend)
    stored: list[Event] = []
    for batch in range(20):
        drafts = [draft(user, room=f"room{number % 2}", cid=f"{batch} {number % 8}") for number in range(16)]
        answers = await add(backend, *drafts, draft(user, "retry", cid="c"))
        stored += [answer.event for answer in answers if not answer.duplicate]
    unfollow()
    assert len(stored) == len(followed) == 160
    for room in ("room0", "room1"):
        log = await whole(backend, room)
        assert increases(log)
        assert [event for event in followed if event.room == room] == log
        assert [event for event in stored if event.room == room] == log


async def test_unfollowing_stops_one_follower_alone(backend: Backend) -> None:
    user = await someone(backend)
    one: list[Event] = []
    other: list[Event] = []
    unfollow, unfollow_other = backend.follow(one.extend), backend.follow(other.extend)
    await add(backend, draft(user, "first"))
    unfollow()
    await add(backend, draft(user, "second"))
    unfollow()
    await add(backend, draft(user, "third"))
    unfollow_other()
    await add(backend, draft(user, "fourth"))
    assert [event.text for event in one] == ["first"]
    assert [event.text for event in other] == ["first", "second", "third"]


async def test_who_follows_twice_is_called_twice_until_each_is_undone(backend: Backend) -> None:
    user = await someone(backend)
    followed: list[Event] = []
    follower = followed.extend
    unfollows = [backend.follow(follower), backend.follow(follower)]
    counts = []
    for unfollow in unfollows:
        await add(backend, draft(user))
        counts.append(len(followed))
        unfollow()
    await add(backend, draft(user))
    assert [*counts, len(followed)] == [2, 3, 3]


async def test_followers_know_before_the_append_is_answered(backend: Backend) -> None:
    user = await someone(backend)
    answered: list[bool] = []
    unfollow = backend.follow(lambda events: answered.append(answer.done()))
    answer = ensure_future(backend.append(draft(user)))
    await soon(answer)
    unfollow()
    assert answered == [False]


async def test_a_follower_knows_all_that_can_be_read(backend: Backend) -> None:
    user = await someone(backend)
    followed: list[Event] = []
    unfollow = backend.follow(followed.extend)
    for _ in range(50):
        answers = gather(*[backend.append(draft(user)) for _ in range(5)])
        log = await soon(backend.read("room", after=0, limit=1000))
        assert followed[: len(log)] == log
        await soon(answers)
    unfollow()


async def test_who_follows_and_then_reads_misses_nothing(backend: Backend) -> None:
    user = await someone(backend)
    histories: list[list[Event]] = []
    followed: list[list[Event]] = []

    async def write() -> None:
        for _ in range(60):
            await add(backend, *[draft(user) for _ in range(5)])

    async def join(place: int) -> None:
        while not (await soon(backend.bounds("room"))).head >= place * 10:
            await soon(anyio.lowlevel.checkpoint())
        live: list[Event] = []
        backend.follow(live.extend)
        history = await whole(backend, page=7)
        histories.append(history)
        followed.append(live)

    with anyio.fail_after(DEADLINE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write)
            for place in range(20):
                tasks.start_soon(join, place)
    log = await whole(backend)
    assert len(log) == 300
    assert len(histories) == 20
    for history, live in zip(histories, followed, strict=True):
        position = history[-1].seq if history else 0
        assert history + [event for event in live if event.seq > position] == log
