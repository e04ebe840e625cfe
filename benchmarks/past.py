"""A store with a long past, written straight through the backend."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from app.backends.embedded import Embedded
from app.chat.events import Draft

BATCH = 2000
"""Messages that are appended at once."""


async def write(store: Path, count: int, message: Callable[[int], tuple[str, str]]) -> float:
    """Append `count` messages, with the rooms and texts that `message` makes of their numbers. Return how many per
    second, until the store is closed."""
    backend = Embedded(str(store))
    backend.open()
    user = await backend.create_user(b"benchmark")
    began = time.perf_counter()
    for first in range(0, count, BATCH):
        drafts = (Draft(room, user, text, f"{number:x}", 0) for number, room, text in numbered(first, count, message))
        await asyncio.gather(*map(backend.append, drafts))
        await backend.users([])  # until they are applied: the store refuses what it can't keep up with
    backend.close()
    return count / (time.perf_counter() - began)


def numbered(first: int, count: int, message: Callable[[int], tuple[str, str]]) -> list[tuple[int, str, str]]:
    """The messages of one batch, with their numbers."""
    return [(number, *message(number)) for number in range(first, min(first + BATCH, count))]
