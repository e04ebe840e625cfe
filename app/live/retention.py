"""Retention: old events are removed from the store, once a minute."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.backends import Backend, Unavailable
from app.clock import Clock

log = logging.getLogger("chat")

TRIM_PERIOD = 60.0
"""Seconds between two rounds of trimming."""
TRIM_STEP = 500
"""Most events to remove in one step, so that others need not wait long for the store."""


@asynccontextmanager
async def trimming(backend: Backend, clock: Clock, *, count: int, age: float) -> AsyncIterator[None]:
    """Keep the last `count` events of each room, and none older than `age` seconds; 0 is no limit."""
    task = asyncio.create_task(_trim_forever(backend, clock, count=count, age=age))
    yield
    task.cancel()
    await asyncio.wait({task})


async def _trim_forever(backend: Backend, clock: Clock, *, count: int, age: float) -> None:
    while True:
        try:
            for room in await backend.rooms():
                since = clock.now() - int(1000 * age) if age else 0
                trimmed = TRIM_STEP
                while trimmed == TRIM_STEP:
                    trimmed = await backend.trim(room, keep=count, since=since, limit=TRIM_STEP)
        except Unavailable as error:
            log.warning("Trimming (chat.retention) failed and is tried again in a minute: %s", error)
        except Exception:
            log.exception("Trimming (chat.retention) failed and is tried again in a minute")
        await asyncio.sleep(TRIM_PERIOD)
