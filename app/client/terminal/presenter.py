"""What is shown: the rooms and what happens in them, the state of the connection, who is typing."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime

from msgspec import UnsetType, structs

from app.chat.events import Kind
from app.chat.frames import MAX_PAGE, Changed, Frame, Message, Presence
from app.chat.logs import WHISPERS
from app.client.languages.catalogue import translatable
from app.client.sanitize import safe_line
from app.client.terminal.attention import Attention
from app.client.terminal.formatting import Formatter
from app.client.terminal.questions import Questions
from app.client.terminal.returned import Returned, Typed
from app.client.terminal.rooms import Room, Rooms
from app.client.terminal.view import View

TYPING_SECONDS = 5.0
"""How long someone is shown as typing."""
MAX_SPEAKERS = 50
"""People who spoke last whose names are completed first."""
MAX_TYPING = 3
"""Names of people who are typing that are shown."""


class Presenter:
    """Keeps what is to be shown, and shows it in `view`, which must be set before anything else is done."""

    view: View

    def __init__(
        self, server: str, formatter: Formatter, clock: Callable[[], datetime], attention: Attention, *, bell: bool
    ) -> None:
        self._attention = attention
        self.server, self.formatter, self.clock, self.bell = server, formatter, clock, bell
        self.me = ""
        """Your name."""
        self.wrote: Callable[[Message | Changed], bool] = lambda _: False
        """Whether you are the author of an event."""
        self.rooms = Rooms()
        self.status = ""
        """The state of the connection, as text."""
        self.connected = False
        self.problem = ""
        """Why there is no connection."""
        self.pending_lines: Callable[[], int] = int
        """How many lines wait to be sent, or for the server's answer."""
        self.questions = Questions(lambda: self.view.refresh())
        self.returned = Returned()
        self.removed_from = ""
        """The room of the last event by which you were kicked or banned."""
        self.last_conversation = ""
        """The room of the last whisper."""
        self.last_whisperers: list[str] = []
        """The other people in it."""
        self.usages: list[tuple[str, str]] = []
        """The commands of the server, with their usage."""
        self.known_rooms: list[str] = []
        self._speakers: deque[str] = deque(maxlen=MAX_SPEAKERS)
        self._typing: dict[str, tuple[str, float]] = {}

    # The scrollback.

    def notice(self, key: str, /, **values: object) -> None:
        """Show a text of the catalogue."""
        self.notice_text(translatable(key, **values))

    def named(self, name: str, user: int) -> None:
        """Take your name, and your id."""
        self.me = name
        self._attention.named(name, user)

    def notice_text(self, text: str) -> None:
        """Show a text. A Translatable is translated."""
        self.view.show(self.formatter.notice(text, self.clock()))

    def answer(self, frame: Frame) -> None:
        """Show what the server answers."""
        self.view.show(self.formatter.sentences(frame, self.clock()))

    def room_notice(self, room: Room, key: str, /, **values: object) -> None:
        """Show a text of the catalogue in a room, or when the room is shown next."""
        lines = self.formatter.notice(translatable(key, **values), self.clock())
        if room.name == self.rooms.current:
            self.view.show(lines)
        else:
            self.rooms.add_unseen(room.name, lines, counts=False, mention=False)

    def show_room(self, name: str) -> None:
        """Make a room the current one, and show what happened there meanwhile."""
        lines, dropped = self.rooms.show(name)
        if dropped:
            more = translatable("room.more", count=dropped, limit=min(MAX_PAGE, dropped + len(lines)))
            lines = [*self.formatter.notice(more, self.clock()), *lines]
        self.view.show([self.formatter.heading(name), *lines] if len(self.rooms) > 1 else lines)
        self.view.refresh()

    def leave_room(self, name: str) -> None:
        """Remove a room; if it was the current one, show the one before it."""
        before = self.rooms.current
        self.rooms.remove(name)
        if self.rooms.current not in ("", before):
            self.show_room(self.rooms.current)

    def event(self, event: Message | Changed) -> None:
        """Show an event of a room or a conversation."""
        if isinstance(event, Message) and not self.wrote(event):
            self._spoke(event.sender)
        room = self.rooms.get(event.room)
        if event.room.startswith(WHISPERS):
            self._whisper(event)
        elif room is not None and room.deferred is not None:
            room.deferred.append(event)
        elif room is not None:
            self.room_event(room, event)

    def room_event(self, room: Room, event: Message | Changed, *, old: bool = False) -> None:
        """Show an event in its room, or keep it until the room is shown. `old`: it is from the history. An edit whose
        text a later one replaced tells nothing."""
        if isinstance(event, Changed) and event.t == Kind.EDIT and not event.text:
            return
        own, mention = self.wrote(event), False
        if isinstance(event, Message):
            if old and not own:
                self._spoke(event.sender)
            live = not old and event.seq > room.head
            others = (*room.people.values(), *self._speakers)
            mention = not own and self._attention.is_mentioned(event, others, live=live)
            lines = self.formatter.message(event, self.me, own=own, mentions=mention)
            if own and not event.deleted:
                room.own_messages.appendleft((event.seq, event.text))
        else:
            lines = self.formatter.sentences(event, self.clock())
            if event.t in (Kind.EDIT, Kind.DELETE):
                room.own_changed(event)
            if event.t in (Kind.KICK, Kind.BAN) and self._attention.is_about_you(event):
                self.removed_from = room.name
            if event.t == Kind.TOPIC and not isinstance(event.text, UnsetType):
                room.topic = event.text
        mention = mention and not old
        if room.name == self.rooms.current:
            room.last_shown = max(room.last_shown, event.seq)
            self.view.show(lines, bell=mention and self.bell)
        else:
            counts = isinstance(event, Message) and not old
            self.rooms.add_unseen(room.name, lines, counts=counts, mention=mention)
            self.view.show((), bell=mention and self.bell)

    def typing(self, room: str, name: str) -> None:
        """Show for a while that someone is typing."""
        loop = asyncio.get_running_loop()
        self._typing[name] = (room, loop.time() + TYPING_SECONDS)
        loop.call_later(TYPING_SECONDS + 0.1, self.view.refresh)

    def people_changed(self, frame: Presence) -> None:
        """Take how the people of a room changed. Someone who left, or has another name now, is typing no longer."""
        room = self.rooms.get(frame.room)
        for person in (*frame.went, *frame.changed):
            before = room.people.get(person.id, person.name) if room else person.name
            if person in frame.went or before != person.name:
                self._typing.pop(before, None)
        self.rooms.changed(frame)
        self.view.refresh()

    def _whisper(self, event: Message | Changed) -> None:
        """Whispers are shown at once, whichever room is the current one."""
        own = self.wrote(event)
        if isinstance(event, Changed):
            invited = event.t == Kind.INVITE and not own
            if invited:
                self.known_rooms.append(str(event.text))
                event = structs.replace(event, whom=self._text("message.you"))
            self.view.show(self.formatter.sentences(event, self.clock()), bell=self.bell and invited)
        else:
            self.last_conversation = event.room
            to = () if isinstance(event.to, UnsetType) else event.to
            self.last_whisperers = [name for name in (event.sender, *to) if name != self.me] or [self.me]
            mention = not own and self._attention.is_mentioned(event, to, live=False)
            lines = self.formatter.message(event, self.me, own=own, mentions=mention)
            self.view.show(lines, bell=self.bell and not own)

    def _spoke(self, name: str) -> None:
        self._typing.pop(name, None)
        if name in self._speakers:
            self._speakers.remove(name)
        self._speakers.appendleft(name)

    # The field.

    def put_back(self, typed: Typed) -> None:
        """Put a line that could not be sent back into the field, or keep it until Up is pressed in the empty field."""
        here = typed.room == self.rooms.current or not (self.rooms.current or typed.room in self.rooms)
        if not (here and self.view.put_back(typed.line)):
            self.returned.add(typed)

    def recall(self) -> str:
        """What Up brings into the empty field: a line that could not be sent, or else your last message, to change
        it. Empty if there is neither, or it could not be shown as it is."""
        if line := self.returned.take(self.rooms.current, self.rooms):
            return line
        for seq, text in self.own_messages()[:1]:
            if all(safe_line(line) == line for line in text.split("\n")):
                return f"/edit {seq} {text}"
        return ""

    # The prompt and the toolbar.

    def prompt(self) -> str:
        """What stands before the line that is typed."""
        question = self.questions.current
        return f"{question.prompt} " if question else f"{safe_line(self.rooms.current)}> "

    def toolbar(self) -> str:
        """The room, the connection, what is unread elsewhere, who is typing, and the topic."""
        if question := self.questions.current:
            return f"{self.server} · {question.hint}"
        room = self.rooms.get(self.rooms.current)
        where, topic = (room.name, room.topic) if room else (self.server, "")
        parts = [where, *self._connection(), *self._other_rooms(), self._typists(), topic]
        return " · ".join(part for part in parts if part)

    def _text(self, key: str, **values: object) -> str:
        return self.formatter.catalogue.text(key, **values)

    def _connection(self) -> Iterator[str]:
        yield self.status
        if self.connected:
            return
        if pending := self.pending_lines():
            yield self._text("status.pending", count=pending)
        yield self.formatter.catalogue.translate(self.problem)

    def _other_rooms(self) -> Iterator[str]:
        for number, room in self.rooms.others():
            mark = "!" if room.mentioned else ""
            yield f"{number}:{room.name}" + (f" ({room.unread}{mark})" if room.unread else "")

    def _typists(self) -> str:
        now = asyncio.get_running_loop().time()
        self._typing = {name: (room, until) for name, (room, until) in self._typing.items() if until > now}
        names = [name for name, (room, _) in self._typing.items() if room == self.rooms.current]
        return self._text("status.typing", count=len(names), names=", ".join(names[:MAX_TYPING])) if names else ""

    # Sources of completion.

    def names(self) -> list[str]:
        """The names of other people, those who spoke last first."""
        speakers = list(self._speakers)
        others = (name for name in self.rooms.names() if name not in speakers)
        return [name for name in (*speakers, *others) if name != self.me]

    def room_names(self) -> list[str]:
        """The rooms that you are in, then others that are known."""
        joined = [room.name for room in self.rooms]
        return [*joined, *(room for room in self.known_rooms if room not in joined)]

    def own_messages(self) -> list[tuple[int, str]]:
        """Your last messages in the current room."""
        room = self.rooms.get(self.rooms.current)
        return list(room.own_messages) if room else []
