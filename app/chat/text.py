"""The lines of the text dialect, which is the tutorial's.

A line is a message, `[ann]: hi`, or a notice, `*** ann kicked bob`. Nobody can write a line that looks like someone
else's message or like a notice: inside a message such a line is indented, and a notice is always a single line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache, lru_cache

from msgspec import UnsetType

from app.chat.events import Kind
from app.chat.frames import (
    Changed,
    Commands,
    ConversationList,
    Found,
    IgnoredList,
    Joined,
    Message,
    ModerationEntry,
    ModerationList,
    Page,
    Parted,
    People,
    RoomList,
    RoomSettings,
)
from app.chat.logs import CONVERSATION, WHISPERS
from app.chat.mentions import ALL
from app.chat.presence import Person
from app.chat.safe_text import escaped, safe
from app.chat.timestamps import minute
from app.chat.typed import INVISIBLE

_CONTROLS = r"[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
"""Marks that change the direction of text, and half surrogate pairs."""


def greeting(users: int) -> str:
    """The first line for someone who joins; `users` includes them."""
    return f"You are connected! There are {users} users here."


def message(name: str, text: str) -> str:
    """A message to a room. Lines in it that look like another line are indented by a space."""
    return f"[{_clean_name(name)}]: {safe(text)}"


def whisper(name: str, to: Iterable[str], text: str) -> str:
    """A whisper, with its recipients `to`."""
    return f"{_speaker(name, to)}: {safe(text)}"


def action(name: str, text: str, to: Iterable[str] = ()) -> str:
    """What someone does, from `/me`."""
    return f"{_speaker(name, to)} {safe(text)}"


def notice(text: str) -> str:
    """A line from the server."""
    return f"*** {_one_line(text)}"


def notices(lines: Iterable[str]) -> str:
    """Several notices, one per line."""
    return "\n".join(map(notice, lines))


def message_frame(frame: Message) -> str:
    """A message, whisper or action."""
    if frame.deleted:
        return notice(_deleted(frame))
    text = f"{frame.text} (edited)" if frame.edited else frame.text
    to = () if isinstance(frame.to, UnsetType) else frame.to
    if frame.me:
        return action(frame.sender, text, to)
    return whisper(frame.sender, to, text) if to else message(frame.sender, text)


def changed(frame: Changed) -> str | None:
    """A change of a message or room, or None if there are no words for it."""
    sentence = _change(frame)
    return None if sentence is None else notice(sentence)


def joined(frame: Joined) -> str | None:
    """The greeting of a room. Following your whispers has none."""
    lines = [] if frame.room == WHISPERS else [greeting(frame.members)]
    if not frame.recovered:
        lines.append(notice("Some messages you missed are no longer kept"))
    return "\n".join(lines) or None


def parted(frame: Parted) -> str:
    """You left a room."""
    return notice(f"You left {_clean_name(frame.room)}" + _suffix(frame.why))


def page(frame: Page) -> str:
    """A page of history."""
    return notices(_history(frame.events) or [f"There is no history in {_clean_name(frame.room)}"])


def found(frame: Found) -> str:
    """Search results. If all rooms were searched, each names its room; a whisper names its people anyway."""
    lines = _history(frame.events, with_rooms=not frame.room)
    count = {0: "No results", 1: "1 result"}.get(len(lines), f"{len(lines)} results")
    notes = ["There may be older results. Narrow your search"] if frame.partial else []
    if frame.behind:
        notes.append(_behind(frame.behind))
    return notices([f"{count} for {frame.words}" + (", and older ones" if frame.more else ""), *lines, *notes])


def rooms(frame: RoomList) -> str:
    """The list of rooms."""
    lines = [f"{_clean_name(entry.room)}: {_users(entry.members)}{_suffix(entry.topic)}" for entry in frame.rooms]
    return notices(lines or ["There are no rooms with people in them"])


def people(frame: People) -> str:
    """The people of a room, one per line, so that nobody's reason for being away can look like another person."""
    more = ["There are more. To find someone: /who ROOM NAME"] if frame.more else []
    return notices([f"{_clean_name(frame.room)}: {_users(frame.members)}", *map(_person, frame.people), *more])


def settings(frame: RoomSettings) -> str:
    """A room's settings."""
    lines = [
        f"{_clean_name(frame.room)}: {_users(frame.members)}, {'private' if frame.private else 'public'}",
        f"Topic: {frame.topic}" if _one_line(frame.topic) else "No topic",
        f"Owner: {_clean_name(frame.owner)}" if frame.owner else "No owner",
    ]
    if frame.operators:
        more = ", and more" if frame.more else ""
        lines.append(f"Operators: {', '.join(map(_clean_name, frame.operators))}{more}")
    if frame.slow:
        lines.append(f"Slow mode: one message every {frame.slow} s")
    if frame.mentions == ALL:
        lines.append("Everyone can use @everyone and @here")
    return notices(lines)


def moderation(frame: ModerationList) -> str:
    """The people who are banned, muted or invited, each by id and name."""
    lines = [
        *(f"Banned {_end(entry.until)}: {_moderated(entry)}" for entry in frame.bans),
        *(f"Muted {_end(entry.until)}: {_moderated(entry)}" for entry in frame.mutes),
        *(f"Invited: {_moderated(entry)}" for entry in frame.invitations),
    ]
    older = ["There are older ones"] if frame.next else []
    return notices([*lines, *older] or [f"Nobody is banned, muted or invited in {_clean_name(frame.room)}"])


def conversations(frame: ConversationList) -> str:
    """The list of your conversations."""
    lines = [
        f"Conversation with {', '.join(map(_clean_name, entry.others)) or 'yourself'}" for entry in frame.conversations
    ]
    return notices(lines or ["You have no conversations yet"])


def ignored(frame: IgnoredList) -> str:
    """The list of those whom you ignore."""
    lines = [_clean_name(person.name) for person in frame.people]
    return notices([*lines, *(["There are more"] if frame.more else [])] or ["You are ignoring nobody"])


def usages(frame: Commands) -> str:
    """How to use slash commands."""
    lines = [f"{f'/{usage.command} {usage.usage}'.rstrip()}: {usage.help}" for usage in frame.commands]
    return notices(lines or ["There are no commands"])


def named(name: str) -> str:
    """Your name."""
    return notice(f"You are {_clean_name(name)} now")


def _clean_name(name: str) -> str:
    """Remove what could make a name look like the rest of a line. No rule for names allows that, but a store written
    under other rules may contain it."""
    return name if name.isascii() and name.isalnum() else _clean_unusual_name(name)


@lru_cache(maxsize=1024)
def _clean_unusual_name(name: str) -> str:
    return _not_in_names().sub("", name) or "?"


@cache
def _not_in_names() -> re.Pattern[str]:
    return re.compile(rf"[\s\[\]:,→{INVISIBLE}]+")  # it takes a millisecond, and few names need it


def _one_line(text: str) -> str:
    return " ".join(escaped(re.sub(_CONTROLS, "", " ".join(text.split()))).split())


def _suffix(text: str) -> str:
    """A topic or reason at the end of a line, if there is one."""
    return f": {text}" if _one_line(text) else ""


def _users(count: int) -> str:
    return "1 user" if count == 1 else f"{count} users"


def _speaker(name: str, to: Iterable[str]) -> str:
    """The author, and the recipients if it is a whisper."""
    others = ", ".join(map(_clean_name, to))
    return f"[{_clean_name(name)} → {others}]" if others else f"[{_clean_name(name)}]"


def _person(person: Person) -> str:
    if isinstance(person.away, UnsetType):
        return _clean_name(person.name)
    return f"{_clean_name(person.name)} is away{_suffix(person.away)}"


def _moderated(entry: ModerationEntry) -> str:
    was = f" (was {_clean_name(entry.was)})" if entry.was else ""
    by = f", by {_clean_name(entry.by)} on {minute(entry.ts)} UTC"
    why = _suffix(entry.why)
    return f"#{entry.id} {_clean_name(entry.name)}{was}{by}{f', ID {entry.seq}' if why and entry.seq else ''}{why}"


def _end(until: str | UnsetType) -> str:
    """How long a ban or mute lasts."""
    return "permanently" if isinstance(until, UnsetType) else f"until {minute(until)} UTC"


def _deleted(frame: Message) -> str:
    return f"A message from {_clean_name(frame.sender)} was deleted"


def _behind(count: int) -> str:
    return "1 recent message isn't searched yet" if count == 1 else f"{count} recent messages aren't searched yet"


def _history(events: Iterable[Message | Changed], *, with_rooms: bool = False) -> list[str]:
    lines = ((event, _line(event)) for event in events)
    return [
        f"{event.seq} {minute(event.ts)} {_room(event) if with_rooms else ''}{line}"
        for event, line in lines
        if line is not None
    ]


def _room(event: Message | Changed) -> str:
    return "" if event.room.startswith(CONVERSATION) else f"#{_clean_name(event.room)} "


def _line(event: Message | Changed) -> str | None:
    if isinstance(event, Changed):
        return _change(event)
    return _deleted(event) if event.deleted else message_frame(event)


def _change(frame: Changed) -> str | None:
    """The sentence for a change. The person who deletes a message need not be its author, who is named only if the
    event does."""
    who = _clean_name(frame.sender)
    whom = None if isinstance(frame.whom, UnsetType) else _clean_name(frame.whom)
    text = "" if isinstance(frame.text, UnsetType) else frame.text
    match frame.t:
        case Kind.EDIT if not text:
            return None  # a later edit replaced its text, or the message was deleted
        case Kind.EDIT:
            return f"{who} edited a message: {text}"
        case Kind.DELETE if frame.what:
            return f"{who} deleted a topic" if frame.what == "topic" else f"{who} deleted a reason"
        case Kind.DELETE:
            return f"A message from {whom} was deleted" if whom else f"{who} deleted a message"
        case Kind.TOPIC if frame.deleted:
            return f"{who} set a topic that was deleted"
        case Kind.TOPIC:
            return f"{who} set the topic: {text}" if _one_line(text) else f"{who} cleared the topic"
        case Kind.SLOW if frame.seconds:
            return f"{who} turned on slow mode: one message every {frame.seconds} s"
        case Kind.MENTIONS if text == ALL:
            return f"{who} allowed everyone to use @everyone and @here"
        case Kind.MENTIONS:
            return f"{who} restricted @everyone and @here to operators"
        case Kind.INVITE if frame.room.startswith(CONVERSATION):
            return f"{who} invited you to {_clean_name(text)}. /join {_clean_name(text)}"
        case _:
            sentence = _SENTENCES.get(frame.t)
            lasts = f" {_end(frame.until)}" if frame.t in (Kind.BAN, Kind.MUTE) else ""
            return sentence and sentence.format(who=who, whom=whom or "someone") + lasts + _suffix(text)


_SENTENCES: dict[str, str] = {
    Kind.OWNER: "{whom} owns the room now",
    Kind.PRIVATE: "{who} made the room private. If it becomes public again, everyone can read what was said in it",
    Kind.PUBLIC: "{who} made the room public. Everyone can read what was said in it",
    Kind.INVITE: "{who} invited {whom}",
    Kind.UNINVITE: "{who} withdrew the invitation of {whom}",
    Kind.OP: "{who} made {whom} an operator",
    Kind.DEOP: "{who} removed {whom} as an operator",
    Kind.KICK: "{who} kicked {whom}",
    Kind.BAN: "{who} banned {whom}",
    Kind.UNBAN: "{who} unbanned {whom}",
    Kind.MUTE: "{who} muted {whom}",
    Kind.UNMUTE: "{who} unmuted {whom}",
    Kind.SLOW: "{who} turned off slow mode",
}
"""The sentence for each kind of change, without its end and reason."""
