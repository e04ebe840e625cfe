"""The rooms that are followed, and up to where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from msgspec import UNSET, UnsetType

from app.chat.frames import Changed, Join, Joined, Message
from app.chat.logs import WHISPERS

CATCHING_UP = 2.0
"""Seconds after which what was missed is counted, if the last of it is kept from us."""


@dataclass(slots=True)
class Place:
    """A room that is followed, up to `position` of the history `epoch`."""

    room: str
    epoch: str = ""
    position: int | None = None
    behind: bool = False
    """Whether events are passed over, to be asked for again: the reader is too slow, or the join is not answered."""
    resuming: bool = False
    """Whether what the next join brings was missed."""
    until: int = 0
    """Up to where what comes was missed, or 0."""
    missed: int = 0
    deadline: float = 0

    def join(self) -> Join:
        """The request to follow it from there on."""
        if self.position is None:
            return Join(room=self.room)
        return Join(room=self.room, after=self.position, epoch=self.epoch or UNSET)

    def joined(self, frame: Joined, now: float) -> None:
        """It is followed: from where was asked for or, where that can't be had, from its head."""
        if self.position is None or not frame.recovered:
            self.position = frame.head
        elif self.resuming and frame.head > self.position:
            self.until, self.missed, self.deadline = frame.head, 0, now + CATCHING_UP
        self.epoch, self.resuming, self.behind = frame.epoch, False, False

    def takes(self, event: Message | Changed) -> bool:
        """Whether an event is new, and the next; it counts as told."""
        if self.behind or event.seq <= (self.position or 0):
            return False
        self.position = event.seq
        if self.until:
            self.missed += isinstance(event, Message)
        return True


class Places:
    """All of them; what is whispered, in whichever conversation, is one."""

    def __init__(self) -> None:
        self._places: dict[str, Place] = {}

    def __iter__(self) -> Iterator[Place]:
        return iter(self._places.values())

    def get(self, room: str) -> Place | None:
        """The place in which what happens in `room` is followed."""
        return self._places.get(WHISPERS if room.startswith(WHISPERS) else room)

    def remove(self, room: str) -> Place | None:
        """Follow it no longer."""
        return self._places.pop(room, None)

    def follow(self, command: Join) -> None:
        """Follow what `command` joins: from where it says or, if it does not say, from where the place is."""
        place = self._places.setdefault(command.room, Place(command.room))
        if not isinstance(command.after, UnsetType):
            place.position, place.behind = command.after, True
            place.epoch = "" if isinstance(command.epoch, UnsetType) else command.epoch
        else:
            resumed = place.join()
            command.after, command.epoch = resumed.after, resumed.epoch

    def forget_whispers(self) -> None:
        """We are somebody else: what is whispered to it has positions of its own."""
        if WHISPERS in self._places:
            self._places[WHISPERS] = Place(WHISPERS)
