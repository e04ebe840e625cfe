"""What every backend promises, see app.backends: one suite for all. A new backend adds itself to BACKENDS."""

from __future__ import annotations

from asyncio import ensure_future, gather
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count, pairwise
from pathlib import Path
from threading import Barrier
from threading import Event as Flag
from typing import TypeVar

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.backends import Backend, Trimmed, Unavailable
from app.backends.embedded import Embedded
from app.chat.events import Appended, Bounds, Draft, Event, User

T = TypeVar("T")
DEADLINE = 20
FAR = 2**62
"""A position after all others."""

BACKENDS: dict[str, Callable[[Path], Backend]] = {
    "embedded in memory": lambda directory: Embedded(":memory:"),
    "embedded in a file": lambda directory: Embedded(str(directory / "store.db")),
}
"""Each makes a backend with an empty history, not open yet; the directory is its own."""

pytestmark = pytest.mark.anyio
numbers = count(1)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module", params=BACKENDS)
def fresh(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Backend]:
    return lambda: BACKENDS[request.param](tmp_path_factory.mktemp("backend"))


@pytest.fixture
def backend(fresh: Callable[[], Backend]) -> Iterator[Backend]:
    made = fresh()
    made.open()
    yield made
    made.close()


async def soon(awaitable: Awaitable[T]) -> T:
    with anyio.fail_after(DEADLINE):
        return await awaitable


async def someone(backend: Backend) -> User:
    return await soon(backend.enlist(f"secret {next(numbers)}".encode()))


def draft(user: User, text: str = "hi", *, room: str = "room", cid: str = "") -> Draft:
    number = next(numbers)
    return Draft(room, user, text, id=f"id{number}", at=1_700_000_000_000 + number, cid=cid)


async def add(backend: Backend, *drafts: Draft) -> list[Appended]:
    """Append all at once."""
    return await soon(gather(*[backend.append(each) for each in drafts]))


async def whole(backend: Backend, room: str = "room", page: int = 100) -> list[Event]:
    """The log of the room, page by page."""
    events: list[Event] = []
    while got := await soon(backend.read(room, after=events[-1].seq if events else 0, limit=page)):
        assert len(got) <= page
        events += got
    return events


def increases(events: Sequence[Event]) -> bool:
    return all(one.seq < other.seq for one, other in pairwise(events))


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
    while got := await soon(backend.read_back("room", before=back[0].seq if back else FAR, limit=limit)):
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
        assert await soon(backend.read_back("room", before=event.seq, limit=3)) == log[:index][-3:]
        assert await soon(backend.read_back("room", before=event.seq + 1, limit=3)) == log[: index + 1][-3:]
    for after in (last, last + 1, FAR):
        assert await soon(backend.read("room", after=after, limit=3)) == []
    for before in (first, 1, 0):
        assert await soon(backend.read_back("room", before=before, limit=3)) == []
    assert await soon(backend.read("room", after=0, limit=0)) == []
    assert await soon(backend.read_back("room", before=FAR, limit=0)) == []


async def test_an_empty_room(backend: Backend) -> None:
    await add(backend, draft(await someone(backend), room="other"))
    for room in ("room", "", "othe", "other ", "%"):
        assert await soon(backend.read(room, after=0, limit=10)) == []
        assert await soon(backend.read_back(room, before=FAR, limit=10)) == []
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


async def test_a_retry_gets_what_was_stored(backend: Backend) -> None:
    user = await someone(backend)
    [stored] = await add(backend, draft(user, "one", cid="c"))
    [again] = await add(backend, draft(user, "two", cid="c"))
    [elsewhere] = await add(backend, draft(user, "three", room="other", cid="c"))
    assert not stored.duplicate
    assert again == elsewhere == Appended(stored.event, duplicate=True)
    assert await whole(backend) == [stored.event]
    assert await whole(backend, "other") == []


async def test_of_several_at_once_one_is_stored(backend: Backend) -> None:
    user = await someone(backend)
    drafts = [draft(user, str(number), cid=f"c{number % 5}") for number in range(50)]
    answers = await add(backend, *drafts)
    assert [answer.duplicate for answer in answers] == [False] * 5 + [True] * 45
    assert [answer.event for answer in answers] == [answer.event for answer in answers[:5]] * 10
    assert await whole(backend) == [answer.event for answer in answers[:5]]


async def test_of_several_rooms_at_once_one_stores_it(backend: Backend) -> None:
    user = await someone(backend)
    answers = await add(backend, *[draft(user, room=f"room{number}", cid="c") for number in range(10)])
    [stored] = [answer.event for answer in answers if not answer.duplicate]
    assert {answer.event for answer in answers} == {stored}
    logs = [await whole(backend, f"room{number}") for number in range(10)]
    assert [event for log in logs for event in log] == [stored]


async def test_without_a_cid_nothing_is_a_duplicate(backend: Backend) -> None:
    said = draft(await someone(backend))
    answers = [*await add(backend, said, said), *await add(backend, said)]
    assert not any(answer.duplicate for answer in answers)
    assert await whole(backend) == [answer.event for answer in answers]


async def test_a_cid_is_its_users_own(backend: Backend) -> None:
    users = [await someone(backend) for _ in range(3)]
    answers = await add(backend, *[draft(user, cid="c") for user in users])
    assert not any(answer.duplicate for answer in answers)
    assert [event.user for event in await whole(backend)] == [user.id for user in users]


async def test_cids_are_told_apart_to_the_letter(backend: Backend) -> None:
    user = await someone(backend)
    cids = ["a", "A", "a ", " ", "ä", "a\u0308", "\0", "a\0", "1", "01", "1.0"]
    assert not any(answer.duplicate for answer in await add(backend, *[draft(user, cid=cid) for cid in cids]))
    assert [event.cid for event in await whole(backend)] == cids


@pytest.mark.parametrize("text", ["", "\0", "a\0b", "\n", "😀\u200d🏳️", "e\u0301", "'\"; --", "x" * 300_000])
async def test_a_text_comes_back_as_it_was(backend: Backend, text: str) -> None:
    await add(backend, draft(await someone(backend), text))
    assert [event.text for event in await whole(backend)] == [text]


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
    entered, release = Flag(), Flag()
    followed: list[Event] = []

    def follower(events: Sequence[Event]) -> None:
        # A follower must not wait; this one does, to make the moment last.
        entered.set()
        assert release.wait(DEADLINE)
        followed.extend(events)

    unfollow = backend.follow(follower)
    answer = ensure_future(backend.append(draft(user)))
    try:
        assert await soon(anyio.to_thread.run_sync(entered.wait, DEADLINE))
        for _ in range(100):
            await soon(anyio.lowlevel.checkpoint())
        assert not answer.done()
    finally:
        release.set()
    assert (await soon(answer)).event in followed
    unfollow()


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


async def test_names_count_up_and_secrets_identify(backend: Backend) -> None:
    secrets = [f"secret {number}".encode() for number in range(30)]
    users = await soon(gather(*[backend.enlist(secret) for secret in secrets[:20]]))
    users += [await soon(backend.enlist(secret)) for secret in secrets[20:]]
    assert [user.name for user in users] == [f"user{number}" for number in range(30)]
    assert len({user.id for user in users}) == 30
    assert [await soon(backend.identify(secret)) for secret in secrets] == users


async def test_an_unknown_secret_identifies_nobody(backend: Backend) -> None:
    await soon(backend.enlist(b"secret\0a"))
    for secret in (b"", b"secret", b"secret\0", b"secret\0A", b"secret\0a\0"):
        assert await soon(backend.identify(secret)) is None


def test_calls_from_two_loops(backend: Backend) -> None:
    start = Barrier(2)
    followed: list[Event] = []
    unfollow = backend.follow(followed.extend)
    author = anyio.run(someone, backend)

    async def speak(speaker: int) -> tuple[list[User], list[Appended]]:
        start.wait(DEADLINE)
        users: list[User] = []
        answers: list[Appended] = []
        for batch in range(40):
            users.append(await soon(backend.enlist(f"{speaker} {batch}".encode())))
            own = [draft(users[0], f"{batch} {number}") for number in range(5)]
            answers += await add(backend, *own, draft(author, room="other", cid=str(batch)))
            assert answers[-2].event in await whole(backend, page=1000)
        return users, answers

    with ThreadPoolExecutor(2) as pool:
        speaking = [pool.submit(anyio.run, speak, speaker) for speaker in range(2)]
        (users, answers), (others, other_answers) = (each.result(2 * DEADLINE) for each in speaking)
    unfollow()
    assert sorted(int(user.name[4:]) for user in users + others) == list(range(1, 81))
    log, other = anyio.run(whole, backend), anyio.run(whole, backend, "other")
    assert len(log) == 400
    for mine in (answers, other_answers):
        stored = [each.event for each in mine if each.event.room == "room"]
        assert [event for event in log if event.user == stored[0].user] == stored
    assert [event for event in followed if event.room == "room"] == log
    assert [event for event in followed if event.room == "other"] == other
    won = {each.event for each in answers + other_answers if each.event.room == "other" and not each.duplicate}
    assert won == set(other)
    assert sorted(int(event.cid) for event in other) == list(range(40))


def test_a_loop_that_ends_without_its_answers_harms_nobody(backend: Backend) -> None:
    user = anyio.run(someone, backend)

    async def leave() -> None:
        for _ in range(10):
            backend.append(draft(user))

    for _ in range(10):
        anyio.run(leave)
    assert anyio.run(add, backend, draft(user, "still there"))[0].event.text == "still there"


async def test_an_answer_nobody_waits_for_harms_nobody(backend: Backend) -> None:
    user = await someone(backend)
    answers = [ensure_future(backend.append(draft(user, str(number)))) for number in range(10)]
    for answer in answers[::2]:
        answer.cancel()
    assert [(await soon(answer)).event.text for answer in answers[1::2]] == ["1", "3", "5", "7", "9"]
    log = await whole(backend)
    assert [event.text for event in log if int(event.text) % 2] == ["1", "3", "5", "7", "9"]


async def test_an_epoch_names_one_history(backend: Backend, fresh: Callable[[], Backend]) -> None:
    epoch = backend.epoch
    assert epoch
    await add(backend, draft(await someone(backend)))
    assert backend.epoch == epoch
    other = fresh()
    other.open()
    assert other.epoch not in ("", epoch)
    other.close()


async def test_opening_again_does_nothing(backend: Backend) -> None:
    epoch, user = backend.epoch, await someone(backend)
    [before] = await add(backend, draft(user))
    backend.open()
    await soon(anyio.to_thread.run_sync(backend.open))
    [after] = await add(backend, draft(user))
    assert backend.epoch == epoch
    assert await whole(backend) == [before.event, after.event]


async def test_closing_finishes_what_was_asked_for(backend: Backend) -> None:
    user = await someone(backend)
    followed: list[Event] = []
    backend.follow(followed.extend)
    answers = gather(*[backend.append(draft(user, str(number))) for number in range(2500)])
    reading = ensure_future(backend.bounds("room"))
    await soon(anyio.to_thread.run_sync(backend.close))
    assert [answer.event for answer in await soon(answers)] == followed
    assert [event.text for event in followed] == [str(number) for number in range(2500)]
    await soon(reading)


@pytest.mark.parametrize(
    "call",
    [
        lambda backend: backend.append(draft(User(1, "user0"))),
        lambda backend: backend.read("room", after=0, limit=1),
        lambda backend: backend.read_back("room", before=FAR, limit=1),
        lambda backend: backend.bounds("room"),
        lambda backend: backend.enlist(b"secret"),
        lambda backend: backend.identify(b"secret"),
    ],
    ids=["append", "read", "read_back", "bounds", "enlist", "identify"],
)
async def test_calls_after_closing(backend: Backend, call: Callable[[Backend], Awaitable[object]]) -> None:
    backend.close()
    backend.close()
    with pytest.raises(Unavailable) as caught:
        await soon(call(backend))
    assert len(str(caught.value).splitlines()) == 1


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


async def test_trimming_by_count_keeps_the_last_and_says_where_the_log_begins(backend: Backend) -> None:
    user = await someone(backend)
    events = [each.event for each in await add(backend, *[draft(user, str(number)) for number in range(10)])]
    other = await add(backend, draft(user, room="other"))
    assert await soon(backend.trim("room", keep=4, since=0, limit=100)) == 6
    assert await soon(backend.bounds("room")) == Bounds(events[5].seq, events[9].seq)
    assert await soon(backend.read("room", after=events[5].seq, limit=100)) == events[6:]
    assert await soon(backend.read_back("room", before=FAR, limit=100)) == events[6:]
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


async def test_the_rooms_are_those_with_events(backend: Backend) -> None:
    user = await someone(backend)
    assert await soon(backend.rooms()) == []
    await add(backend, *[draft(user, room=room) for room in ("b", "a", "c", "a", "b")])
    assert sorted(await soon(backend.rooms())) == ["a", "b", "c"]
