"""What the contracts are written in: ask a backend, and wait no longer than the deadline."""

from __future__ import annotations

from asyncio import gather
from collections.abc import Awaitable, Sequence
from itertools import count, pairwise
from typing import TypeVar

import anyio
import anyio.lowlevel

from app.backends import Backend
from app.chat.events import (
    Appended,
    Draft,
    Event,
    User,
)

T = TypeVar("T")
DEADLINE = 20
FAR = 2**62
"""A position after all others."""

numbers = count(1)


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
