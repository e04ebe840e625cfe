"""The names of logs. Each room and each conversation has a log; a mailbox is a view of all conversations of one user.

===============  ============  =====================================================================
room             `lobby`       one event after another, for everyone in the room
conversation     `@3,5,9`      the whispers between these users; the set of people is the conversation
mailbox          `~3`          all conversations of one user, each event at its position there
===============  ============  =====================================================================

Clients call their own mailbox `@`, the room of all their whispers.
"""

from __future__ import annotations

import re
from functools import cache

from app.chat.errors import Code, Refused

DEFAULT_ROOM = "lobby"
"""The room in which people start, unless the server is configured with another."""
CONVERSATION = "@"
MAILBOX = "~"
WHISPERS = CONVERSATION
"""The room in which a client follows all its whispers."""
END = 2**62
"""A position after all others."""
ROOM_RULE = "1 to 64 characters of a-z, 0-9 and . _ -, with a letter or digit first"
_ROOM = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
MAX_PEOPLE = 1000
"""Most people in a conversation, whatever the limit of recipients: a longer list of ids takes too long to look at."""
_SHOWN = 80
"""Characters of a wrong name that an error repeats."""


def room_name(name: str) -> str:
    """Return `name` if it can be the name of a room. Refused if it can't."""
    if not _ROOM.fullmatch(name):
        shown = name[:_SHOWN]
        raise Refused(Code.BAD_ROOM, f"{shown!r} can't be a room: use {ROOM_RULE}", room=shown)
    return name


def is_conversation(name: str) -> bool:
    """Whether `name` has the form of a conversation's name."""
    return name.startswith(CONVERSATION) and bool(_conversation().fullmatch(name))


@cache
def _conversation() -> re.Pattern[str]:
    return re.compile(rf"@[1-9][0-9]{{0,17}}(,[1-9][0-9]{{0,17}}){{0,{MAX_PEOPLE - 1}}}")


def conversation(users: set[int]) -> str:
    """Return the log of the whispers between exactly these users."""
    return CONVERSATION + ",".join(map(str, sorted(users)))


def participants(room: str) -> tuple[int, ...]:
    """Return the user ids of a conversation; none for a room."""
    return tuple(map(int, room[1:].split(","))) if room.startswith(CONVERSATION) else ()


def mailbox(user: int) -> str:
    """Return the name of a user's mailbox."""
    return f"{MAILBOX}{user}"
