"""Frames in words, in the language of the catalogue: what changed in a room, and the answers to commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import UnsetType, structs

from app.chat import frames
from app.chat.events import Kind
from app.chat.frames import Changed, Frame, Message
from app.chat.logs import CONVERSATION
from app.chat.mentions import ALL
from app.chat.presence import Person
from app.client.errors import from_frame
from app.client.languages.catalogue import Catalogue
from app.client.languages.times import duration, local_time

Pieces = list[tuple[str, bool]]
"""A line in pieces, each with whether it is a hit of a search."""
_PLACE = "\0"
"""Stands for the text of a message in a line. The text comes after everything else that others wrote."""


class Sentences:
    """Makes the lines for a frame. They hold names and texts as they came: `app.client.sanitize` makes them safe."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._say = catalogue.text
        self._makers: dict[type[Frame], Callable[[Any], list[str]]] = {
            Changed: self._changed,
            frames.Parted: self._parted,
            frames.Named: self._named,
            frames.Page: self._page,
            frames.RoomList: self._rooms,
            frames.People: self._people,
            frames.RoomSettings: self._settings,
            frames.ModerationList: self._moderation,
            frames.ConversationList: self._conversations,
            frames.IgnoredList: self._ignored,
            frames.Commands: self._commands,
            frames.Done: lambda frame: [frame.note] if frame.note else [],
            frames.Notice: lambda frame: frame.text.split("\n"),
            frames.Error: lambda frame: [catalogue.translate(from_frame(frame).message)],
        }

    def of(self, frame: Frame) -> list[str]:
        """The lines for a frame; none for one that needs no words."""
        make = self._makers.get(type(frame))
        return make(frame) if make is not None else []

    def found(self, frame: frames.Found) -> list[Pieces]:
        """The lines for search results, in pieces. If all rooms were searched, each line names its room; a whisper
        names its people anyway."""
        count, words = len(frame.events), frame.words
        if not count:
            summary = self._say("search.none", words=words)
        else:
            summary = self._say("search.count.more" if frame.more else "search.count", count=count, words=words)
        notes = [self._say("search.partial")] if frame.partial else []
        notes += [self._say("search.behind", count=frame.behind)] if frame.behind else []
        marks = frame.marks or [[] for _ in frame.events]
        lines = [
            self._result(event, "" if frame.room else event.room, hits)
            for event, hits in zip(frame.events, marks, strict=True)
        ]
        return [[(summary, False)], *lines, *([(note, False)] for note in notes)]

    def change(self, frame: Changed) -> str:
        """What someone changed."""
        text, whom = _value(frame.text), _value(frame.whom)
        seconds = _value(frame.seconds)
        key = f"event.{frame.t}"
        if frame.t == Kind.DELETE and frame.what:
            key = "event.delete.topic" if frame.what == "topic" else "event.delete.why"
        elif frame.t == Kind.TOPIC and frame.deleted:
            key = "event.topic.deleted"
        elif frame.t == Kind.TOPIC and not text.split():
            key = "event.topic.cleared"
        elif frame.t == Kind.SLOW and not seconds:
            key = "event.slow.off"
        elif frame.t == Kind.MENTIONS and text != ALL:
            key = "event.mentions.operators"
        elif frame.t == Kind.INVITE and frame.room.startswith(CONVERSATION):
            key = "event.invite.told"
        return self._say(
            key,
            name=frame.sender or self._say("event.someone"),
            whom=whom or self._say("event.someone"),
            text=text,
            why=text,
            until=local_time(frame.until) or _value(frame.until),
            interval=duration(seconds) if seconds else "",
        )

    def _changed(self, frame: Changed) -> list[str]:
        return [self.change(frame)]

    def _parted(self, frame: frames.Parted) -> list[str]:
        return [self._say("room.removed" if frame.why else "room.left", room=frame.room, why=frame.why)]

    def _named(self, frame: frames.Named) -> list[str]:
        return [self._say("reply.registered" if frame.registered else "reply.named", name=frame.name)]

    def _page(self, frame: frames.Page) -> list[str]:
        return self._events(frame.events) or [self._say("history.none", room=frame.room)]

    def _rooms(self, frame: frames.RoomList) -> list[str]:
        rooms = [
            self._say("rooms.entry", room=entry.room, people=self._count(entry.members), topic=entry.topic)
            for entry in frame.rooms
        ]
        return rooms or [self._say("rooms.none")]

    def _people(self, frame: frames.People) -> list[str]:
        return [
            self._say("people.count", room=frame.room, count=frame.members),
            *(self._person(person) for person in frame.people),
            *([self._say("people.more")] if frame.more else []),
        ]

    def _settings(self, frame: frames.RoomSettings) -> list[str]:
        visibility = self._say("room.private" if frame.private else "room.public")
        return [
            self._say("room.settings", room=frame.room, visibility=visibility, people=self._count(frame.members)),
            self._say("room.topic", topic=frame.topic),
            self._say("room.owner", name=frame.owner),
            *([self._say("room.operators", names=", ".join(frame.operators))] if frame.operators else []),
            *([self._say("room.slow", interval=duration(frame.slow))] if frame.slow else []),
            *([self._say("room.mentions")] if frame.mentions == ALL else []),
        ]

    def _moderation(self, frame: frames.ModerationList) -> list[str]:
        lines = [
            self._say(key, person=self._moderated(entry), until=local_time(entry.until))
            for key, entries in (
                ("moderation.ban", frame.bans),
                ("moderation.mute", frame.mutes),
                ("moderation.invitation", frame.invitations),
            )
            for entry in entries
        ]
        older = [self._say("moderation.older")] if frame.next else []
        return [*lines, *older] or [self._say("moderation.none", room=frame.room)]

    def _moderated(self, entry: frames.ModerationEntry) -> str:
        time = local_time(entry.ts) or entry.ts
        return self._say(
            "moderation.person",
            id=entry.id, name=entry.name, was=entry.was, by=entry.by, time=time, why=entry.why, seq=entry.seq or "",
        )  # fmt: skip

    def _conversations(self, frame: frames.ConversationList) -> list[str]:
        conversations = [
            self._say("conversations.entry", names=", ".join(entry.others)) for entry in frame.conversations
        ]
        return conversations or [self._say("conversations.none")]

    def _ignored(self, frame: frames.IgnoredList) -> list[str]:
        people = [person.name for person in frame.people]
        return [*people, *([self._say("ignored.more")] if frame.more else [])] or [self._say("ignored.none")]

    def _commands(self, frame: frames.Commands) -> list[str]:
        commands = []
        for entry in frame.commands:
            usage = f"/{entry.command} {entry.usage}".rstrip()
            commands.append(self._say("help.entry", usage=usage, help=self._help(entry)))
        return commands or [self._say("help.none")]

    def _help(self, entry: frames.Usage) -> str:
        """What a command does: from the catalogue, or in the server's words for a command of a module."""
        from app.chat.commands import NAMES  # only when it is asked for: the prompt should not wait for it

        key = f"command.{entry.command}"
        if key not in self._catalogue:
            return entry.help
        aliases = [f"/{alias}" for alias, command in NAMES.items() if command == entry.command != alias]
        return self._say("help.aliases", help=self._say(key), names=", ".join(aliases)) if aliases else self._say(key)

    def _events(self, events: list[Message | Changed]) -> list[str]:
        return [
            self._say("history.entry", seq=event.seq, time=local_time(event.ts) or event.ts, line=self._event(event))
            for event in events
        ]

    def _result(self, event: Message | Changed, room: str, marks: list[tuple[int, int]]) -> Pieces:
        """A line of search results, cut at the hits."""
        room = "" if room.startswith(CONVERSATION) else room
        time, text = local_time(event.ts) or event.ts, ""
        if isinstance(event, Message) and not event.deleted:
            text, event = event.text, structs.replace(event, text=_PLACE)
        line = self._say("search.entry", seq=event.seq, time=time, room=room, line=self._event(event))
        head, _, tail = line.rpartition(_PLACE) if text else (line, "", "")
        pieces, done = [(head, False)], 0
        for start, end in marks:
            start = max(start, done)
            end = max(end, start)
            pieces += [(text[done:start], False), (text[start:end], True)]
            done = end
        return [*pieces, (text[done:] + tail, False)]

    def _event(self, event: Message | Changed) -> str:
        if isinstance(event, Changed):
            return self.change(event)
        if event.deleted:
            return self._say("event.delete", name="", whom=event.sender)
        text = self._say("message.edited", text=event.text) if event.edited else event.text
        who = event.sender if isinstance(event.to, UnsetType) else f"{event.sender} → {', '.join(event.to)}"
        return f"* {who} {text}" if event.me else f"<{who}> {text}"

    def _person(self, person: Person) -> str:
        if isinstance(person.away, UnsetType):
            return person.name
        return self._say("people.away", name=person.name, why=person.away)

    def _count(self, people: int) -> str:
        return self._say("room.people", count=people)


def _value(field: Any) -> Any:
    """The value of an optional field of a frame; empty if it is unset."""
    return "" if isinstance(field, UnsetType) else field
