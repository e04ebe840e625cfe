"""Opening, closing, and callers that come and go."""

from __future__ import annotations

from asyncio import ensure_future, gather
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import anyio
import anyio.lowlevel
import pytest

from app.backends import Backend, Unavailable
from app.chat.events import Appended, Event, User
from tests.clients import DEADLINE
from tests.contracts.helpers import FAR, add, draft, register, someone, soon, whole

pytestmark = pytest.mark.anyio


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
            users.append(await soon(backend.create_user(f"{speaker} {batch}".encode())))
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


CALLS: dict[str, Callable[[Backend], Awaitable[object]]] = {
    "append": lambda backend: backend.append(draft(User(1, "user0"))),
    "read": lambda backend: backend.read("room", after=0, limit=1),
    "read_back": lambda backend: backend.read_backwards("room", before=FAR, limit=1),
    "get": lambda backend: backend.get("room", 1),
    "search": lambda backend: backend.search("room", "word", before=FAR, limit=1),
    "state": lambda backend: backend.state("room"),
    "bounds": lambda backend: backend.bounds("room"),
    "trim": lambda backend: backend.trim("room", keep=1, since=0, limit=1),
    "rooms": lambda backend: backend.rooms(),
    "conversations": lambda backend: backend.conversations(1),
    "enlist": lambda backend: backend.create_user(b"secret"),
    "identify": lambda backend: backend.user_by_token(b"secret"),
    "sign in": lambda backend: backend.sign_in(1, "hash", b"secret", ends=b"", at=1),
    "use token": lambda backend: backend.use_token(b"secret", at=1),
    "sign out": lambda backend: backend.sign_out(b"secret", at=1),
    "device": lambda backend: backend.device_of(b"secret"),
    "account": lambda backend: backend.account("user0"),
    "account of": lambda backend: backend.account_of(1),
    "users": lambda backend: backend.users([1]),
    "claim": lambda backend: backend.claim(1, "Ann", "ann"),
    "register": lambda backend: register(backend, User(1, "user0")),
    "change password": lambda backend: backend.change_password(1, "hash", "other", b"", at=1),
    "make operator": lambda backend: backend.make_operator("ann"),
    "operators": lambda backend: backend.operators(),
    "without skeleton": lambda backend: backend.names_without_skeleton(1),
    "set skeletons": lambda backend: backend.set_skeletons([("ann", "ann")]),
    "departed": lambda backend: backend.depart(1, 1),
    "mark": lambda backend: backend.mark_read(1, "room", 1),
    "ignore": lambda backend: backend.ignore(1, 2, on=True),
    "ignored": lambda backend: backend.ignored(1),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_calls_after_closing(backend: Backend, call: Callable[[Backend], Awaitable[object]]) -> None:
    backend.close()
    backend.close()
    with pytest.raises(Unavailable) as caught:
        await soon(call(backend))
    assert len(str(caught.value).splitlines()) == 1


async def test_a_node_alone_may_tell_the_others(backend: Backend) -> None:
    told: list[bytes] = []
    unwatch = backend.watch(told.append)
    backend.tell(b"someone is typing")
    await add(backend, draft(await someone(backend)))
    unwatch()
    unwatch()
    assert told == []  # no other node has said anything
