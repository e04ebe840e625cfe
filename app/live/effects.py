"""What a change does to connections happens even if the one that asked for it ends before it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def with_effect(change: Awaitable[T], effect: Callable[[T], None]) -> T:
    """Wait for a change and return its answer. Call `effect` with that first, also if this is cancelled meanwhile: the
    change can't be taken back."""

    def done(answered: asyncio.Future[T]) -> None:
        if not answered.cancelled() and answered.exception() is None:
            effect(answered.result())

    future = asyncio.ensure_future(change)
    future.add_done_callback(done)
    try:
        return await asyncio.shield(future)
    finally:
        del future  # with the exception that it may have, it would form a cycle with this frame
