"""Events that wait for the reader, a bounded number of them."""

from __future__ import annotations

import asyncio
from collections import deque

from app.chat import frames
from app.client.events import Disconnected, Event, Line

MAX_UNREAD = 10_000
"""Events that wait at most."""


class Inbox:
    """A queue with a policy for what does not fit: messages and changes are skipped, to be requested again later; hints
    such as presence are dropped; of a text-only server's texts, which can't be requested again, the oldest is dropped.
    """

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._changed = asyncio.Event()
        self._skipping = False

    def __len__(self) -> int:
        return len(self._events)

    def put(self, event: Event) -> bool:
        """Add an event. False if it has to be requested again, with what comes after it in its room."""
        if isinstance(event, Disconnected) and self._events and isinstance(self._events[-1], Disconnected):
            self._events.pop()  # only the last of several failed tries matters
        if len(self._events) >= MAX_UNREAD:
            if isinstance(event, frames.Message | frames.Changed):
                self._skipping = True
                return False
            if isinstance(event, frames.Presence | frames.TypingNow | frames.ReadUpTo):
                return True
            if isinstance(event, Line):
                self._events.popleft()
        self._events.append(event)
        self._changed.set()
        return True

    def pop(self) -> Event:
        """The oldest event. IndexError if there is none."""
        return self._events.popleft()

    def has_room_again(self) -> bool:
        """Whether events were skipped and half of the queue is free again. True once for each time."""
        if self._skipping and len(self._events) <= MAX_UNREAD // 2:
            self._skipping = False
            return True
        return False

    async def wait(self) -> None:
        """Wait for an event, or for `wake`."""
        self._changed.clear()
        await self._changed.wait()

    def wake(self) -> None:
        """Let the reader look whether the chat has ended."""
        self._changed.set()
