"""Helpers for the contracts: ask a backend and wait for the answer, but no longer than the deadline."""

from __future__ import annotations

from asyncio import gather
from collections.abc import Awaitable, Sequence
from itertools import count, pairwise
from typing import TypeVar

import anyio

from app.backends import Backend, Results
from app.chat.events import PLAIN, Appended, Detail, Draft, Event, Kind, User
from tests.clients import DEADLINE

T = TypeVar("T")
FAR = 2**62
"""A position after all others."""

numbers = count(1)


async def soon(awaitable: Awaitable[T]) -> T:
    with anyio.fail_after(DEADLINE):
        return await awaitable


async def someone(backend: Backend) -> User:
    return await soon(backend.create_user(f"secret {next(numbers)}".encode()))


async def register(
    backend: Backend,
    user: User,
    password: str = "hash",
    token: bytes = b"",
    *,
    ends: bytes = b"",
    at: int = 1,
    skeleton: str = "",
    operator: bool = False,
) -> User:
    registering = backend.register(user.id, password, token, ends=ends, at=at, skeleton=skeleton, operator=operator)
    registered = await soon(registering)
    assert registered is not None
    return registered


def draft(
    user: User,
    text: str = "hi",
    *,
    room: str = "room",
    cid: str = "",
    kind: str = Kind.MSG,
    of: int = 0,
    detail: Detail = PLAIN,
) -> Draft:
    number = next(numbers)
    at = 1_700_000_000_000 + number
    return Draft(room, user, text, id=f"id{number}", at=at, cid=cid, kind=kind, of=of, detail=detail)


async def add(backend: Backend, *drafts: Draft) -> list[Appended]:
    """Append all drafts at once."""
    return await soon(gather(*[backend.append(each) for each in drafts]))


async def store(backend: Backend, one: Draft) -> Event:
    """Append one draft and return its event."""
    [appended] = await add(backend, one)
    assert not appended.duplicate
    return appended.event


async def search(backend: Backend, log: str | Sequence[str], words: str, *, before: int = FAR, limit: int) -> Results:
    """Search, again until that isn't cut short by a machine that is busy with other things."""
    while (results := await soon(backend.search(log, words, before=before, limit=limit))).partial:
        pass
    return results


async def found(backend: Backend, words: str, log: str = "room", *, before: int = FAR, limit: int = 100) -> list[str]:
    """Return the texts that a search finds."""
    return [event.text for event in await search(backend, log, words, before=before, limit=limit)]


async def whole(backend: Backend, room: str = "room", page: int = 100) -> list[Event]:
    """Read a room's log page by page."""
    events: list[Event] = []
    while got := await soon(backend.read(room, after=events[-1].seq if events else 0, limit=page)):
        assert len(got) <= page
        events += got
    return events


def increases(events: Sequence[Event]) -> bool:
    return all(one.seq < other.seq for one, other in pairwise(events))
