"""Saying something in a room: what nearly every message goes through, without a task and without waiting."""

from __future__ import annotations

from typing import Protocol

from msgspec import UNSET

from app.chat import rules
from app.chat.dialects import TEXT
from app.chat.events import PLAIN, Detail, Draft, Kind
from app.chat.frames import Say
from app.chat.limits import Limits
from app.chat.logs import is_conversation
from app.chat.mentions import group
from app.chat.room import Room
from app.live.context import ChatContext
from app.live.errors import not_joined
from app.live.following import Following
from app.live.subscriber import Subscriber

_MSG = Kind.MSG


class Author(Subscriber, Protocol):
    """What this module needs of a connection."""

    context: ChatContext
    following: Following

    @property
    def limits(self) -> Limits:
        """What a client may have at most."""

    def rank(self, room: Room[Subscriber]) -> rules.Rank:
        """Return the user's rank in a room."""

    def draft(
        self, room: str, text: str, cid: str = "", kind: Kind = Kind.MSG, of: int = 0, detail: Detail = PLAIN
    ) -> Draft:
        """Draft an event of this user, as of now. Refused if a module's rule says so."""

    def post(self, draft: Draft) -> None:
        """Append a message without waiting for it."""


def say_in_room(author: Author, command: Say) -> bool:
    """Post a message to a room. False, and nothing is done, if it is for a conversation."""
    cursor = author.following.cursor(command.room)
    if cursor is None:
        if is_conversation(command.room):
            return False
        raise not_joined(command.room)
    room, text, cid = cursor.room, command.text, command.cid
    if author.dialect is not TEXT or command.me:  # there, an empty text is a message as any other
        rules.check_not_blank(text)
    author.limits.check_message(text)
    detail = PLAIN
    if "@" in text and (mentioned := group(text)) and rules.may_notify(room.state, author.rank(room)):
        detail = Detail(notify=mentioned)
    kind = Kind.ME if command.me else _MSG
    draft = author.draft(room.name, text, "" if cid is UNSET else cid, kind, detail=detail)
    if room.has_settings:
        speak(author, room)
    author.post(draft)
    return True


def check_mute(author: Author, room: Room[Subscriber]) -> None:
    """Refused if the user is muted in the room."""
    rules.check_mute(room.name, room.state, author.user, author.rank(room), author.context.clock.now())


def speak(author: Author, room: Room[Subscriber]) -> None:
    """Refused if the user is muted, or spoke too recently in slow mode. Otherwise count that it speaks now."""
    rank, state, clock = author.rank(room), room.state, author.context.clock
    rules.check_mute(room.name, state, author.user, rank, clock.now())
    if state.slow:
        now = clock.monotonic()
        rules.check_pace(room.name, state, rank, room.since_spoke(author.user.id, now))
        room.spoke(author.user.id, now)
