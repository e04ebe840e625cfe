"""The rooms that you are in: which one is shown, and what happened in the others meanwhile."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from app.chat.events import Kind
from app.chat.frames import Changed, Joined, Message, Presence
from app.chat.presence import Person

MAX_UNSEEN = 200
"""Lines of a room that is not shown that are kept until it is."""
MAX_OWN = 20
"""Own messages that are remembered, to be edited or deleted."""


@dataclass(slots=True)
class Room:
    """A room: its topic, its people by user id, and what was not shown yet."""

    name: str
    topic: str = ""
    members: int = 0
    people: dict[int, str] = field(default_factory=dict)
    unread: int = 0
    mentioned: bool = False
    unseen: deque[str] = field(default_factory=lambda: deque(maxlen=MAX_UNSEEN))
    """The lines to show first when the room is shown."""
    deferred: list[Message | Changed] | None = None
    """Events that came while the history was loading; None once it is shown."""
    own_messages: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=MAX_OWN))
    """The positions and texts of your last messages, the newest first."""
    head: int = 0
    """The position of the last event when the room was joined, or joined again."""
    last_shown: int = 0
    """The position of the last event that was shown."""

    def own_changed(self, event: Changed) -> None:
        """Take the new text of an own message, or forget one that is deleted."""
        kept = [
            (seq, event.text if seq == event.of and isinstance(event.text, str) else text)
            for seq, text in self.own_messages
            if seq != event.of or event.t != Kind.DELETE
        ]
        self.own_messages = deque(kept, maxlen=MAX_OWN)

    def joined(self, frame: Joined) -> None:
        """Take the topic and the people from the answer to a join."""
        self.topic, self.members, self.head = frame.topic, frame.members, frame.head
        self.people = {person.id: person.name for person in frame.people}

    def changed(self, frame: Presence) -> None:
        """Take who came, who left and who changed their name."""
        self.members = frame.members
        for person in (*frame.came, *frame.changed):
            self.people[person.id] = person.name
        for person in frame.went:
            self.people.pop(person.id, None)

    def renamed(self, people: Iterable[Person]) -> None:
        """Take the names of people who changed them, which may have been told in another room."""
        for person in people:
            if person.id in self.people:
                self.people[person.id] = person.name


class Rooms:
    """All of them, in the order in which you joined them."""

    def __init__(self) -> None:
        self._by_name: dict[str, Room] = {}
        self.current = ""
        """The room that is shown; empty if you are in none."""

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[Room]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def get(self, name: str) -> Room | None:
        """The room of that name, if you are in it."""
        return self._by_name.get(name)

    def add(self, name: str) -> Room:
        """The room of that name, added if you were not in it."""
        return self._by_name.setdefault(name, Room(name))

    def remove(self, name: str) -> None:
        """Remove a room. If it was shown, the room before it is next."""
        names = list(self._by_name)
        if name not in names:
            return
        index = names.index(name)
        del self._by_name[name]
        if self.current == name:
            rest = list(self._by_name)
            self.current = rest[max(0, index - 1)] if rest else ""

    def numbered(self, number: int) -> str:
        """The name of the room with a number, from 1 on; empty if there is none."""
        names = list(self._by_name)
        return names[number - 1] if 0 < number <= len(names) else ""

    def changed(self, frame: Presence) -> None:
        """Take how the people of a room changed. A new name holds in all rooms."""
        for room in self._by_name.values():
            if room.name == frame.room:
                room.changed(frame)
            else:
                room.renamed(frame.changed)

    def show(self, name: str) -> tuple[list[str], int]:
        """Make a room the current one, and return its unseen lines, and how many messages are missing before them."""
        self.current = name
        room = self._by_name[name]
        lines = list(room.unseen)
        dropped = max(0, room.unread - len(lines)) if len(lines) == MAX_UNSEEN else 0
        room.unseen.clear()
        room.unread, room.mentioned = 0, False
        return lines, dropped

    def add_unseen(self, name: str, lines: list[str], *, counts: bool, mention: bool) -> None:
        """Keep lines of a room that is not shown. `counts`: they are an unread message; `mention`: it mentions you."""
        room = self._by_name.get(name)
        if room is None:
            return
        room.unseen.extend(lines)
        room.unread += counts
        room.mentioned |= mention

    def others(self) -> list[tuple[int, Room]]:
        """The rooms that are not shown, with their numbers."""
        return [(number, room) for number, room in enumerate(self._by_name.values(), 1) if room.name != self.current]

    def names(self) -> list[str]:
        """The names of all people in these rooms."""
        return sorted({name for room in self._by_name.values() for name in room.people.values()}, key=str.casefold)
