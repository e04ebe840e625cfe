"""`@everyone` and `@here`: mentions that notify more than one person.

Like any mention, such a word has no name in front of its `@`, and ends where a name in Latin letters would end. The
full stop of a sentence may follow. In code and in web addresses it is only a text.
"""

from __future__ import annotations

import re
from functools import cache

EVERYONE, HERE = "everyone", "here"
GROUPS = (EVERYONE, HERE)
"""Whom a message can notify beside those it mentions: everyone in the room, or those of them who are there."""
ALL, OPERATORS = "all", "operators"
"""Who may do that in a room: everyone, or its operators only."""

_NAME = r"A-Za-z0-9_\u00aa\u00b5\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0300-\u036f\u1e00-\u1eff-"
"""Characters that go on with an ASCII word: those of ASCII names, and other Latin letters and accents."""


def group(text: str) -> str:
    """Return whom `text` mentions: `everyone`, or `here`, or nothing. One that mentions both is for everyone."""
    if "@" not in text or not _group().search(text):
        return ""
    found = {word.lower() for word in _group().findall(_verbatim().sub("` `", text))}
    return next((word for word in GROUPS if word in found), "")


# Compiled when they are needed: a server should start fast.


@cache
def _group() -> re.Pattern[str]:
    """Finds a mention of a group."""
    return re.compile(rf"(?<![A-Za-z0-9_.@-])@(everyone|here)(?!\.*[{_NAME}])", re.IGNORECASE)


@cache
def _verbatim() -> re.Pattern[str]:
    """Finds code and addresses."""
    return re.compile(r"```.+?```|`[^`\n]+`|(?:https?://|www\.)[^\s`]+", re.DOTALL | re.IGNORECASE)
