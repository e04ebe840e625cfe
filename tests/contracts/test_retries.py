"""Retries: appending again with the same `cid`."""

from __future__ import annotations

import pytest

from app.backends import Backend
from app.chat.events import Appended
from tests.contracts.helpers import add, draft, someone, soon, whole

pytestmark = pytest.mark.anyio


async def test_a_retry_gets_what_was_stored(backend: Backend) -> None:
    user = await someone(backend)
    [stored] = await add(backend, draft(user, "one", cid="c"))
    [again] = await add(backend, draft(user, "two", cid="c"))
    [elsewhere] = await add(backend, draft(user, "three", room="other", cid="c"))
    assert not stored.duplicate
    assert again == elsewhere == Appended(stored.event, duplicate=True)
    assert await whole(backend) == [stored.event]
    assert await whole(backend, "other") == []


async def test_what_a_cid_stored_is_known_as_long_as_it_is_kept(backend: Backend) -> None:
    user, other = await someone(backend), await someone(backend)
    [stored] = await add(backend, draft(user, "one", cid="c"))
    await add(backend, draft(user, "no cid"))
    assert await soon(backend.find_by_cid(user.id, "c")) == stored.event
    for whose, cid in ((other.id, "c"), (user.id, "d"), (user.id, "")):
        assert await soon(backend.find_by_cid(whose, cid)) is None
    await soon(backend.trim("room", keep=1, since=0, limit=10))
    assert await soon(backend.find_by_cid(user.id, "c")) is None


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
