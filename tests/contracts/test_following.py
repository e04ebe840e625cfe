"""Following a backend: each event comes once, in order, after its commit."""

from __future__ import annotations

from asyncio import ensure_future, gather

import anyio
import anyio.lowlevel
import pytest

from app.backends import Backend, NameTaken
from app.backends.user_changes import UserChange, What
from app.chat.events import Event
from tests.clients import DEADLINE
from tests.contracts.helpers import add, draft, increases, register, someone, soon, whole

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
    steps: list[str] = []
    unfollow = backend.follow(lambda events: steps.append("followed"))
    answer = ensure_future(backend.append(draft(user)))
    answer.add_done_callback(lambda _: steps.append("answered"))
    await soon(answer)
    unfollow()
    assert steps == ["followed", "answered"]


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


async def test_what_is_changed_about_users_is_told(backend: Backend) -> None:
    ann, bob = await someone(backend), await someone(backend)
    told: list[UserChange] = []
    unfollow = backend.follow_users(told.extend)
    await soon(backend.claim(ann.id, "ann", "ann"))
    await register(backend, ann, "hash", b"one", ends=b"guest's", operator=True)
    await soon(backend.sign_in(ann.id, "hash", b"two", ends=b"bob's", at=2, former=bob.id))
    await soon(backend.ignore(ann.id, bob.id, on=True))
    await soon(backend.sign_out(b"two", at=3, user=ann.id))
    await soon(backend.change_password(ann.id, "hash", "other", b"three", at=4))
    await soon(backend.claim(bob.id, "bob", "bob", evict=99))
    await soon(backend.depart(bob.id, 5, free=True))
    unfollow()
    await soon(backend.ignore(ann.id, bob.id, on=False))
    expected = [
        UserChange(What.NAME, ann.id),
        UserChange(What.NAME, ann.id),
        UserChange(What.SIGN_INS, ann.id, b"guest's"),
        UserChange(What.RANK, ann.id),
        UserChange(What.SIGN_INS, bob.id, b"bob's"),
        UserChange(What.IGNORED, ann.id),
        UserChange(What.SIGN_INS, ann.id, b"two"),
        UserChange(What.SIGN_INS, ann.id, b"", b"three"),
        UserChange(What.NAME, bob.id),
        UserChange(What.NAME, 99),
        UserChange(What.NAME, bob.id),
    ]
    assert [UserChange(one.what, one.user, one.token, one.but) for one in told] == expected
    assert all(one.own for one in told)  # each of these calls was waited for


async def test_what_changes_nothing_about_users_is_not_told(backend: Backend) -> None:
    ann, bob = await someone(backend), await someone(backend)
    await soon(backend.claim(ann.id, "ann", "ann"))
    await register(backend, ann)
    told: list[UserChange] = []
    backend.follow_users(told.extend)
    with pytest.raises(NameTaken):
        await soon(backend.claim(bob.id, "ann", "ann"))
    assert await soon(backend.sign_in(ann.id, "wrong", b"", ends=b"bob's", at=2, former=bob.id)) is None
    assert await soon(backend.change_password(ann.id, "wrong", "other", b"", at=2)) is None
    await add(backend, draft(bob))
    await soon(backend.mark_read(bob.id, "room", 1))
    assert told == []


async def test_users_are_told_of_once_they_can_be_read_and_before_the_caller_knows(backend: Backend) -> None:
    ann = await someone(backend)
    order: list[str] = []
    backend.follow_users(lambda changes: order.extend(one.what.name for one in changes))
    changing = ensure_future(backend.claim(ann.id, "ann", "ann"))
    changing.add_done_callback(lambda done: order.append("answered"))
    await soon(changing)
    assert order == ["NAME", "answered"]
    assert [user.name for user in await soon(backend.users([ann.id]))] == ["ann"]
