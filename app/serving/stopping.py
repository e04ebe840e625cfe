"""Does something before a server stops: at SIGTERM or SIGINT, ahead of that server's own handler."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def before_stop(act: Callable[[], Awaitable[None]]) -> None:
    """Await `act()` in the running loop when a signal asks the process to stop, then let the server's handler go on.

    A server with a handler in its event loop stops at the same time, since that one can't be held up. Does nothing
    where the signals have no handler to go on with, or belong to another thread.
    """
    loop = asyncio.get_running_loop()
    for number, previous in _handlers().items():
        _precede(number, previous, loop, act)


@contextmanager
def at_stop(act: Callable[[], object]) -> Iterator[None]:
    """Call `act()` when a signal asks the process to stop during the block, then let the server's handler go on.

    For a block that holds up the event loop: the server's handler only notes that it has to stop once it can.
    """
    handlers = _handlers()

    def handle(number: int, frame: FrameType | None) -> None:
        act()
        handlers[number](number, frame)

    for number in handlers:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, previous in handlers.items():
            signal.signal(number, previous)


def _handlers() -> dict[int, Callable[[int, FrameType | None], Any]]:
    """The server's handlers that this thread can precede, by the number of the signal."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    found = {number: signal.getsignal(number) for number in SIGNALS}
    return {
        number: previous
        for number, previous in found.items()
        if callable(previous) and previous is not signal.default_int_handler
    }


def _precede(
    number: int, previous: Callable[..., Any], loop: asyncio.AbstractEventLoop, act: Callable[[], Awaitable[None]]
) -> None:
    async def acted() -> None:
        try:
            await act()
        finally:
            previous(number, None)

    def handle(_: int, frame: FrameType | None) -> None:
        signal.signal(number, previous)  # the server handles a second signal by itself
        try:
            loop.call_soon_threadsafe(lambda: tasks.add(loop.create_task(acted())))
        except RuntimeError:  # the loop is closed: there is nobody left to tell
            previous(number, frame)

    tasks: set[asyncio.Task[None]] = set()
    signal.signal(number, handle)
