"""The rooms that one is in: which one is shown, and what happened in the others meanwhile."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from app.chat.frames import Changed, Joined, Message, Presence

HELD = 200
"""Lines of a room that is not shown that are kept until it is."""
RECENT = 20
"""Own messages that are remembered, to be changed."""


@dataclass(slots=True)
class Room:
    """A room: its topic, its people by id, and what was not shown yet."""

    name: str
    topic: str = ""
    members: int = 0
    people: dict[int, str] = field(default_factory=dict)
    unread: int = 0
    mentioned: bool = False
    held: deque[str] = field(default_factory=lambda: deque(maxlen=HELD))
    early: list[Message | Changed] | None = None
    """What happens while the past is not there yet, or None once it is."""
    own: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=RECENT))
    """The positions and texts of one's last messages."""
    seen: int = 0
    """The last position that was shown."""

    def joined(self, frame: Joined) -> None:
        """Who is there, and what it is about."""
        self.topic, self.members = frame.topic, frame.members
        self.people = {person.id: person.name for person in frame.people}

    def changed(self, frame: Presence) -> None:
        """People came, went, or are called otherwise."""
        self.members = frame.members
        for person in (*frame.came, *frame.changed):
            self.people[person.id] = person.name
        for person in frame.went:
            self.people.pop(person.id, None)


class Rooms:
    """All of them, in the order in which they were entered."""

    def __init__(self) -> None:
        self._rooms: dict[str, Room] = {}
        self.current = ""

    def __contains__(self, name: str) -> bool:
        return name in self._rooms

    def __iter__(self) -> Iterator[Room]:
        return iter(self._rooms.values())

    def get(self, name: str) -> Room | None:
        """The room of that name, if one is in it."""
        return self._rooms.get(name)

    def add(self, name: str) -> Room:
        """One enters a room."""
        return self._rooms.setdefault(name, Room(name))

    def remove(self, name: str) -> None:
        """One leaves a room; if it was shown, the one before it is next."""
        names = list(self._rooms)
        if name not in names:
            return
        place = names.index(name)
        del self._rooms[name]
        if self.current == name:
            left = list(self._rooms)
            self.current = left[max(0, place - 1)] if left else ""

    def number(self, number: int) -> str:
        """The name of the room with a number, from 1 on; nothing where there is none."""
        names = list(self._rooms)
        return names[number - 1] if 0 < number <= len(names) else ""

    def show(self, name: str) -> list[str]:
        """Show a room; what was held back is the answer."""
        self.current = name
        room = self._rooms[name]
        lost = room.unread - len(room.held)
        lines = [f"({lost} more: /history {min(200, room.unread)})"] if lost > 0 and len(room.held) == HELD else []
        lines += room.held
        room.held.clear()
        room.unread, room.mentioned = 0, False
        return lines

    def hold(self, name: str, lines: list[str], *, counts: bool, mention: bool) -> None:
        """Keep what happens in a room that is not shown; of one that was left nothing."""
        room = self._rooms.get(name)
        if room is None:
            return
        room.held.extend(lines)
        room.unread += counts
        room.mentioned |= mention

    def activity(self) -> list[tuple[int, Room]]:
        """The rooms beside the one that is shown, with their numbers."""
        return [(number, room) for number, room in enumerate(self._rooms.values(), 1) if room.name != self.current]

    def names(self) -> list[str]:
        """The names of all people that one shares a room with."""
        return sorted({name for room in self._rooms.values() for name in room.people.values()}, key=str.casefold)
