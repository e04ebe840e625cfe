"""The text dialect, that of the tutorial: what a person reads.

A line is a message, `[ann]: hi`, or a notice, `*** ann kicked bob`. Nobody's words make a line that reads as either: in
a message such a line is indented, and a notice is one line, whatever is in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from msgspec import UnsetType

from app.chat.events import Kind
from app.chat.frames import (
    Changed,
    Commands,
    ConversationList,
    Found,
    Joined,
    Message,
    Page,
    Parted,
    People,
    RoomList,
    RoomSettings,
)
from app.chat.logs import WHISPERS
from app.chat.presence import Person

_BROKEN = r"\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff"
"""Controls that break no line, what turns a line around, and half characters."""
_UNSEEN = (
    r"\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    r"\u202a-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""All that can stand before a bracket and not be seen there: controls, and Unicode's Default_Ignorable_Code_Point."""
_FORGERY = re.compile(rf"(?<=[\n\r\v\f\x1c-\x1e\x85\u2028\u2029])(?=[{_UNSEEN}]*(?:\[|\*\*\*[\s{_UNSEEN}]))")
_CONTROL = re.compile(f"[{_BROKEN}]")
_NOT_IN_NAMES = re.compile(rf"[\s\[\]:,→{_UNSEEN}]+")


def greeting(users: int) -> str:
    """What a joiner is told; `users` counts it."""
    return f"You are connected! There are {users} users here."


def message(name: str, text: str) -> str:
    """`text` as everyone sees it.

    A line inside it that looks like somebody's message or a notice is indented by a space, so that nobody can speak
    in another's name; all else is unchanged.
    """
    return f"[{_word(name)}]: {_unforged(text)}"


def whisper(name: str, to: Iterable[str], text: str) -> str:
    """`text` as those see it whom it is for, `to`, and who whispered it."""
    return f"{_speaker(name, to)}: {_unforged(text)}"


def me(name: str, text: str, to: Iterable[str] = ()) -> str:
    """What somebody does."""
    return f"{_speaker(name, to)} {_unforged(text)}"


def _unforged(text: str) -> str:
    """A line break is not printable, and most texts are: the search, which is slow, is for the rest."""
    return text if text.isprintable() else _FORGERY.sub(" ", text)


def notice(text: str) -> str:
    """Something for the reader alone, which nobody else can have said: on one line."""
    return f"*** {_flat(text)}"


def notices(lines: Iterable[str]) -> str:
    """Several notices, one below the other."""
    return "\n".join(map(notice, lines))


def said(frame: Message) -> str:
    """A message, a whisper, or what somebody does."""
    if frame.deleted:
        return notice(_deleted(frame))
    text = f"{frame.text} (edited)" if frame.edited else frame.text
    to = () if isinstance(frame.to, UnsetType) else frame.to
    if frame.me:
        return me(frame.sender, text, to)
    return whisper(frame.sender, to, text) if to else message(frame.sender, text)


def changed(frame: Changed) -> str | None:
    """What somebody changed, or None where there are no words for it."""
    sentence = _change(frame)
    return None if sentence is None else notice(sentence)


def joined(frame: Joined) -> str | None:
    """You are in a room. What is whispered to you comes without a word."""
    lines = [] if frame.room == WHISPERS else [greeting(frame.members)]
    if not frame.recovered:
        lines.append(notice("what you missed is no longer kept"))
    return "\n".join(lines) or None


def parted(frame: Parted) -> str:
    """You are in a room no longer."""
    return notice(f"you left {_word(frame.room)}" + _because(frame.why))


def page(frame: Page) -> str:
    """A page of history."""
    return notices(_history(frame.events) or [f"there is nothing to show of {_word(frame.room)}"])


def found(frame: Found) -> str:
    """What a search found."""
    lines = _history(frame.events)
    return notices([f"found {len(lines) or 'nothing'}: {frame.words}", *lines])


def rooms(frame: RoomList) -> str:
    """Which rooms there are."""
    lines = [f"{_word(entry.room)}: {_users(entry.members)}{_because(entry.topic)}" for entry in frame.rooms]
    return notices(lines or ["there is nobody in any room"])


def people(frame: People) -> str:
    """Who is in a room, one a line: why somebody is away can't look like another."""
    return notices([f"{_word(frame.room)}: {_users(frame.members)}", *map(_person, frame.people)])


def settings(frame: RoomSettings) -> str:
    """What is set for a room."""
    lines = [
        f"{_word(frame.room)}: {_users(frame.members)}, {'private' if frame.private else 'public'}",
        f"topic: {frame.topic}" if _flat(frame.topic) else "no topic",
        f"owner: {_word(frame.owner)}" if frame.owner else "no owner",
    ]
    if frame.operators:
        lines.append(f"operators: {', '.join(map(_word, frame.operators))}")
    if frame.slow:
        lines.append(f"slow: a message every {frame.slow} s")
    return notices(lines)


def conversations(frame: ConversationList) -> str:
    """With whom you whispered."""
    lines = [f"with {', '.join(map(_word, entry.others)) or 'yourself'}" for entry in frame.conversations]
    return notices(lines or ["you have whispered with nobody"])


def usages(frame: Commands) -> str:
    """How commands are used."""
    lines = [f"{f'/{usage.command} {usage.usage}'.rstrip()}: {usage.help}" for usage in frame.commands]
    return notices(lines or ["there are no commands"])


def name(name: str) -> str:
    """What you are called."""
    return notice(f"you are {_word(name)} now")


@lru_cache(maxsize=1024)
def _word(name: str) -> str:
    """`name` without what could part it from the rest of its line: no rule for names lets that in, but a store that
    was written under another may hold it."""
    return _NOT_IN_NAMES.sub("", name) or "?"


def _flat(text: str) -> str:
    return " ".join(_CONTROL.sub("", text).split())


def _because(why: str) -> str:
    return f": {why}" if _flat(why) else ""


def _users(count: int) -> str:
    return "1 user" if count == 1 else f"{count} users"


def _speaker(name: str, to: Iterable[str]) -> str:
    """Who speaks, and to whom if not to all."""
    others = ", ".join(map(_word, to))
    return f"[{_word(name)} → {others}]" if others else f"[{_word(name)}]"


def _person(person: Person) -> str:
    if isinstance(person.away, UnsetType):
        return _word(person.name)
    return f"{_word(person.name)} is away{_because(person.away)}"


def _minute(timestamp: str) -> str:
    """RFC 3339 to the minute, and easier on the eye."""
    return timestamp[:16].replace("T", " ")


def _deleted(frame: Message) -> str:
    return f"a message of {_word(frame.sender)} was deleted"


def _history(events: Iterable[Message | Changed]) -> list[str]:
    told = ((event, _line(event)) for event in events)
    return [f"{event.seq} {_minute(event.ts)} {line}" for event, line in told if line is not None]


def _line(event: Message | Changed) -> str | None:
    if isinstance(event, Changed):
        return _change(event)
    return _deleted(event) if event.deleted else said(event)


def _change(frame: Changed) -> str | None:
    """The sentence for a change. Who deletes a message may not be who wrote it: it is theirs only where the event says
    so."""
    who = _word(frame.sender)
    whom = None if isinstance(frame.whom, UnsetType) else _word(frame.whom)
    text = "" if isinstance(frame.text, UnsetType) else frame.text
    until = "" if isinstance(frame.until, UnsetType) else f" until {_minute(frame.until)} UTC"
    match frame.t:
        case Kind.EDIT:
            return f"{who} now says: {text}"
        case Kind.DELETE:
            return f"a message of {whom} was deleted" if whom else f"{who} deleted a message"
        case Kind.TOPIC:
            return f"{who} set the topic: {text}" if _flat(text) else f"{who} cleared the topic"
        case Kind.SLOW if frame.seconds:
            return f"{who} slowed the room down: a message every {frame.seconds} s"
        case _:
            sentence = _SENTENCES.get(frame.t)
            return sentence and sentence.format(who=who, whom=whom or "somebody") + until + _because(text)


_SENTENCES: dict[str, str] = {
    Kind.OWNER: "{whom} owns the room now",
    Kind.PRIVATE: "{who} made the room private",
    Kind.PUBLIC: "{who} opened the room to everybody",
    Kind.INVITE: "{who} invited {whom}",
    Kind.UNINVITE: "{who} took back the invitation of {whom}",
    Kind.OP: "{who} made {whom} an operator",
    Kind.DEOP: "{who} made {whom} an operator no longer",
    Kind.KICK: "{who} kicked {whom}",
    Kind.BAN: "{who} banned {whom}",
    Kind.UNBAN: "{who} unbanned {whom}",
    Kind.MUTE: "{who} muted {whom}",
    Kind.UNMUTE: "{who} unmuted {whom}",
    Kind.SLOW: "{who} ended the slow mode",
}
"""What a change is told as, before until when and why."""
