"""What one sees: rooms and what happens in them, how the connection is, who types."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime

from msgspec import UnsetType

from app.chat.commands import USAGES
from app.chat.events import Kind
from app.chat.frames import Changed, Frame, Message
from app.chat.logs import WHISPERS
from app.client.safe import line
from app.client.terminal.rooms import Room, Rooms
from app.client.terminal.view import View
from app.client.terminal.words import Words, mentions

TYPES = 5.0
"""Seconds for which somebody is said to be typing."""
SPEAKERS = 50
"""People who spoke last that are completed first."""


class Scene:
    """All that is shown, and what the prompt completes. `view` is given to it before anything is shown."""

    view: View

    def __init__(self, server: str, words: Words, clock: Callable[[], datetime], *, bell: bool) -> None:
        self.server, self.words, self.clock, self.bell = server, words, clock, bell
        self.me = ""
        self.wrote: Callable[[Message | Changed], bool] = lambda _: False
        """Whether one is the author of something."""
        self.rooms = Rooms()
        self.status = ""
        """How the connection is, in words."""
        self.connected = False
        self.waiting: Callable[[], int] = int
        """How many messages are not said yet."""
        self.question = ""
        """What is asked, where the line that is typed is an answer; nothing where it is said."""
        self.reply = ""
        """The conversation of the last whisper."""
        self.usages = [(usage.command, usage.usage) for usage in USAGES]
        self.known_rooms: list[str] = []
        self._speakers: deque[str] = deque(maxlen=SPEAKERS)
        self._typing: dict[str, tuple[str, float]] = {}

    # What is shown.

    def notice(self, text: str) -> None:
        """Words of the client's own."""
        self.view.show(self.words.notice(text, self.clock()))

    def answer(self, frame: Frame) -> None:
        """What the server says to oneself."""
        self.view.show(self.words.answer(frame, self.clock()))

    def note(self, room: Room, text: str) -> None:
        """Words on a room, where it is shown or when it is."""
        lines = self.words.notice(text, self.clock())
        if room.name == self.rooms.current:
            self.view.show(lines)
        else:
            self.rooms.hold(room.name, lines, counts=False, mention=False)

    def show(self, name: str) -> None:
        """Show a room, and what happened there meanwhile."""
        several = len(list(self.rooms)) > 1
        lines = self.rooms.show(name)
        self.view.show([self.words.headline(name), *lines] if several else lines)
        self.view.changed()

    def leave(self, name: str) -> None:
        """One is in a room no longer: show the one before it."""
        shown = self.rooms.current
        self.rooms.remove(name)
        if self.rooms.current not in ("", shown):
            self.show(self.rooms.current)

    def happened(self, event: Message | Changed) -> None:
        """Something happened, in a room or a whisper."""
        if isinstance(event, Message) and not self.wrote(event):
            self._spoke(event.sender)
        room = self.rooms.get(event.room)
        if event.room.startswith(WHISPERS):
            self._whispered(event)
        elif room is not None and room.early is not None:
            room.early.append(event)
        elif room is not None:
            self.log(room, event)

    def log(self, room: Room, event: Message | Changed, *, old: bool = False) -> None:
        """Something happened in a room: show it, or hold it until the room is shown."""
        own = self.wrote(event)
        if isinstance(event, Message):
            lines = self.words.message(event, self.me, own=own)
            if own:
                room.own.appendleft((event.seq, event.text))
        else:
            lines = self.words.answer(event, self.clock())
            if event.t == Kind.TOPIC and not isinstance(event.text, UnsetType):
                room.topic = event.text
        mention = isinstance(event, Message) and not old and not own and mentions(event, self.me)
        if room.name == self.rooms.current:
            room.seen = max(room.seen, event.seq)
            self.view.show(lines, bell=mention and self.bell)
        else:
            self.rooms.hold(room.name, lines, counts=isinstance(event, Message) and not old, mention=mention)
            self.view.show((), bell=mention and self.bell)

    def types(self, room: str, name: str) -> None:
        """Somebody is typing."""
        loop = asyncio.get_running_loop()
        self._typing[name] = (room, loop.time() + TYPES)
        loop.call_later(TYPES + 0.1, self.view.changed)

    def _whispered(self, event: Message | Changed) -> None:
        """Whispers are shown at once, in whichever room one is."""
        self.reply = event.room
        if isinstance(event, Changed):
            self.answer(event)
        else:
            own = self.wrote(event)
            self.view.show(self.words.message(event, self.me, own=own), bell=self.bell and not own)

    def _spoke(self, name: str) -> None:
        self._typing.pop(name, None)
        if name in self._speakers:
            self._speakers.remove(name)
        self._speakers.appendleft(name)

    # What is drawn.

    def prompt(self) -> str:
        """What stands before the line that is typed."""
        return self.question or f"{line(self.rooms.current)}> "

    def toolbar(self) -> str:
        """Where one is, how the connection is, what else happens."""
        if self.question:
            return f"{self.server} · Enter alone for a name that the server gives"
        room = self.rooms.get(self.rooms.current)
        where, topic = (room.name, room.topic) if room else (self.server, "")
        parts = [where, self._connection(), *self._elsewhere(), self._typists(), topic]
        return " · ".join(part for part in parts if part)

    def _connection(self) -> str:
        if self.connected:
            return f"{self.status} as {self.me}" if self.me else self.status
        waiting = self.waiting()
        return f"{self.status}, {waiting} to be sent" if waiting else self.status

    def _elsewhere(self) -> Iterator[str]:
        for number, room in self.rooms.activity():
            mark = "!" if room.mentioned else ""
            yield f"{number}:{room.name}" + (f" ({room.unread}{mark})" if room.unread else "")

    def _typists(self) -> str:
        now = asyncio.get_running_loop().time()
        self._typing = {name: (room, until) for name, (room, until) in self._typing.items() if until > now}
        names = [name for name, (room, _) in self._typing.items() if room == self.rooms.current]
        return f"{', '.join(names[:3])} {'is' if len(names) == 1 else 'are'} typing" if names else ""

    # What can be completed.

    def names(self) -> list[str]:
        """Of people, those who spoke last first; not oneself."""
        spoke = list(self._speakers)
        others = (name for name in self.rooms.names() if name not in spoke)
        return [name for name in (*spoke, *others) if name != self.me]

    def room_names(self) -> list[str]:
        """The rooms that one is in, then those that are known of."""
        here = [room.name for room in self.rooms]
        return [*here, *(room for room in self.known_rooms if room not in here)]

    def own(self) -> list[tuple[int, str]]:
        """One's own last messages in the room that is shown."""
        room = self.rooms.get(self.rooms.current)
        return list(room.own) if room else []
