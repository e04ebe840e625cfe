"""Guests that no log knows: their names are free when they leave, and they can be forgotten."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.backends import Backend
from app.chat.events import Detail, Kind, User
from tests.contracts.helpers import draft, register, soon

pytestmark = pytest.mark.anyio

TOKEN = b"digest"


async def guest(backend: Backend) -> User:
    """A guest called Ann who has been quiet so far."""
    user = await soon(backend.create_user(TOKEN))
    return await soon(backend.claim(user.id, "Ann", "ann", skeleton="ann"))


async def says(backend: Backend, ann: User) -> None:
    await soon(backend.append(draft(ann)))


async def says_to_oneself(backend: Backend, ann: User) -> None:
    await soon(backend.append(draft(ann, room=f"@{ann.id}")))


async def is_whispered_to(backend: Backend, ann: User) -> None:
    other = await soon(backend.create_user(b"other"))
    await soon(backend.append(draft(other, room=f"@{ann.id},{other.id}")))


async def is_banned(backend: Backend, ann: User) -> None:
    other = await soon(backend.create_user(b"other"))
    await soon(backend.append(draft(other, kind=Kind.BAN, detail=Detail(whom=ann))))


async def is_invited_with_others(backend: Backend, ann: User) -> None:
    other = await soon(backend.create_user(b"other"))
    await soon(backend.append(draft(other, kind=Kind.PRIVATE, detail=Detail(invited=(ann.id,)))))


async def registers(backend: Backend, ann: User) -> None:
    await register(backend, ann)


KNOWN = [says, says_to_oneself, is_whispered_to, is_banned, is_invited_with_others, registers]


@pytest.mark.parametrize("becomes_known", KNOWN)
async def test_who_is_known_keeps_name_and_token(backend: Backend, becomes_known: Callable[..., object]) -> None:
    ann = await guest(backend)
    await becomes_known(backend, ann)  # type: ignore[misc]
    assert await soon(backend.depart(ann.id, 7)) == User(ann.id, "Ann", registered=becomes_known is registers)
    account = await soon(backend.account("ann"))
    assert account is not None
    assert (account.user.id, account.seen) == (ann.id, 7)
    assert ann.id not in (await soon(backend.silent_guests(0, 100)))[1]
    assert ann.id not in [user for _, user in (await soon(backend.tokens_of_silent_guests(b"", 100)))[1]]
    await soon(backend.forget([ann.id], [TOKEN]))
    found = await soon(backend.user_by_token(TOKEN))
    assert found is not None
    assert found.id == ann.id


async def test_the_name_of_a_silent_guest_is_free(backend: Backend) -> None:
    ann = await guest(backend)
    assert await soon(backend.depart(ann.id, 7)) == User(ann.id, ann.default_name)
    assert await soon(backend.account("ann")) is None
    assert await soon(backend.user_by_token(TOKEN)) == User(ann.id, ann.default_name)


async def test_the_name_of_a_guest_is_free_if_it_is_to_be(backend: Backend) -> None:
    ann = await guest(backend)
    await says(backend, ann)
    assert await soon(backend.depart(ann.id, 7, free=True)) == User(ann.id, ann.default_name)
    assert await soon(backend.account("ann")) is None


async def test_the_name_of_a_registered_user_is_never_free(backend: Backend) -> None:
    ann = await guest(backend)
    await register(backend, ann)
    await soon(backend.depart(ann.id, 7, free=True))
    account = await soon(backend.account("ann"))
    assert account is not None
    assert account.user.id == ann.id


async def test_a_silent_guest_is_forgotten_with_its_token(backend: Backend) -> None:
    ann = await guest(backend)
    await soon(backend.mark_read(ann.id, "room", 5))
    await soon(backend.ignore(ann.id, 9, on=True))
    assert await soon(backend.silent_guests(0, 100)) == (ann.id, [ann.id])
    assert await soon(backend.tokens_of_silent_guests(b"", 100)) == (TOKEN, [(TOKEN, ann.id)])
    await soon(backend.forget(tokens=[TOKEN]))
    assert await soon(backend.user_by_token(TOKEN)) is None
    assert await soon(backend.users([ann.id])) == [ann]
    await soon(backend.forget([ann.id]))
    assert await soon(backend.users([ann.id])) == []
    assert await soon(backend.read_marker(ann.id, "room")) == 0
    assert await soon(backend.ignored(ann.id)) == frozenset()
    assert await soon(backend.silent_guests(0, 100)) == (0, [])
    assert (await soon(backend.create_user(b"new"))).id == ann.id + 1, "ids are never used again"


async def test_silent_guests_are_found_in_pages(backend: Backend) -> None:
    people = [await soon(backend.create_user(b"%d" % number)) for number in range(5)]
    await says(backend, people[1])
    assert await soon(backend.silent_guests(0, 3)) == (3, [1, 3])
    assert await soon(backend.silent_guests(3, 3)) == (5, [4, 5])
    assert await soon(backend.tokens_of_silent_guests(b"", 3)) == (b"2", [(b"0", 1), (b"2", 3)])
    assert await soon(backend.tokens_of_silent_guests(b"2", 3)) == (b"4", [(b"3", 4), (b"4", 5)])
    assert await soon(backend.tokens_of_silent_guests(b"4", 3)) == (b"", [])
