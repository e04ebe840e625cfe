"""A word filter: messages, edits, whispers and topics that contain certain words are refused.

Put this file next to your configuration file and list it there:

    app.modules = [app.modules.chat.module, app.modules.web.module, wordfilter.module]
    wordfilter { words = [darn, "good grief"], reason = "mind your language" }
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from app import Application, Draft, chat_of


def _words(words: tuple[str, ...]) -> str | None:
    return None if words and all(word.strip() for word in words) else "one or more words"


@dataclass(frozen=True, slots=True)
class FilterSettings:
    """The words, in upper or lower case, and the reason that the sender gets."""

    words: tuple[str, ...] = field(metadata={"check": _words})
    reason: str = "that word is not used here"


def module(app: Application) -> None:
    """Add the rule."""
    settings = app.group("wordfilter", FilterSettings)
    words = "|".join(r"\s+".join(map(re.escape, word.split())) for word in settings.words)
    forbidden = re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE)

    def rule(draft: Draft) -> str | None:
        return settings.reason if forbidden.search(draft.text) else None

    chat_of(app).refuse(rule)
