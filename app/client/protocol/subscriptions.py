"""The rooms that a client follows, with its cursor in each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from msgspec import UNSET, UnsetType

from app.chat.frames import Changed, Join, Joined, Message
from app.chat.logs import WHISPERS

CATCH_UP_TIMEOUT = 2.0
"""Seconds after which missed messages are counted even if the last of them did not come. The server holds some back:
those of people whom you ignore."""


@dataclass(slots=True)
class Subscription:
    """A room that is followed."""

    room: str
    epoch: str = ""
    """The history to which the cursor belongs."""
    cursor: int | None = None
    """The position of the last event that was delivered; None before the first join."""
    paused: bool = False
    """Whether events are skipped, to be requested again: the reader is too slow, or the join has no answer yet."""
    resuming: bool = False
    """Whether the next join comes after a lost connection, so that what it brings was missed."""
    catch_up_to: int = 0
    """The position up to which events were missed, or 0."""
    missed: int = 0
    """How many of these were messages, so far."""
    deadline: float = 0
    """When to stop waiting for the rest of them."""

    def join(self) -> Join:
        """The request to follow the room from the cursor on."""
        if self.cursor is None:
            return Join(room=self.room)
        return Join(room=self.room, after=self.cursor, epoch=self.epoch or UNSET)

    def joined(self, frame: Joined, now: float) -> None:
        """Start from the position that was asked for, or from the newest if the server no longer has it."""
        if self.cursor is None or not frame.recovered:
            self.cursor = frame.head
        elif self.resuming and frame.head > self.cursor:
            self.catch_up_to, self.missed, self.deadline = frame.head, 0, now + CATCH_UP_TIMEOUT
        self.epoch, self.resuming, self.paused = frame.epoch, False, False

    def advance(self, event: Message | Changed) -> bool:
        """Move the cursor to an event. False for one to be skipped: it was delivered before, or will be requested."""
        if self.paused or event.seq <= (self.cursor or 0):
            return False
        self.cursor = event.seq
        if self.catch_up_to:
            self.missed += isinstance(event, Message)
        return True


class Subscriptions:
    """All of them. The whispers of all conversations are one."""

    def __init__(self) -> None:
        self._by_room: dict[str, Subscription] = {}

    def __iter__(self) -> Iterator[Subscription]:
        return iter(self._by_room.values())

    def get(self, room: str) -> Subscription | None:
        """The subscription to which events of `room` belong."""
        return self._by_room.get(WHISPERS if room.startswith(WHISPERS) else room)

    def remove(self, room: str) -> Subscription | None:
        """Stop following a room."""
        return self._by_room.pop(room, None)

    def add(self, command: Join) -> None:
        """Follow the room that `command` joins: from the position in it, or else from the cursor, which is put in."""
        subscription = self._by_room.setdefault(command.room, Subscription(command.room))
        if not isinstance(command.after, UnsetType):
            subscription.cursor, subscription.paused = command.after, True
            subscription.epoch = "" if isinstance(command.epoch, UnsetType) else command.epoch
        else:
            resumed = subscription.join()
            command.after, command.epoch = resumed.after, resumed.epoch

    def reset_whispers(self) -> None:
        """Forget the cursor in the whispers: another user's have positions of their own."""
        if WHISPERS in self._by_room:
            self._by_room[WHISPERS] = Subscription(WHISPERS)
