"""Which messages are for you: those that mention you, and those for everyone."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import UnsetType

from app.chat.frames import Changed, Message
from app.client.mentions import fold, mentions


class Attention:
    """Knows your names. The name without an @ is a mention only if you want it to be."""

    def __init__(self, *, bare_names: bool) -> None:
        self._bare_names = bare_names
        self._user = 0
        self._names: set[str] = set()

    def named(self, name: str, user: int) -> None:
        """Take a name of yours. Earlier ones stay yours as long as you are the same user."""
        if user != self._user:
            self._user, self._names = user, set()
        self._names.add(fold(name))

    def is_about_you(self, frame: Changed) -> bool:
        """Whether a change is about you. Older servers name you without your id."""
        if isinstance(frame.about, UnsetType):
            return isinstance(frame.whom, str) and fold(frame.whom) in self._names
        return frame.about == self._user

    def is_mentioned(self, frame: Message, others: Iterable[str], *, live: bool) -> bool:
        """Whether a message mentions you. `others` are names of other people: a text in which theirs is longer than
        yours mentions them. `live`: you were there when it was said."""
        if frame.deleted:
            return False
        if frame.notify == "everyone" or (frame.notify == "here" and live):
            return True
        text = fold(frame.text)
        if not (self._bare_names or "@" in text) or not any(name in text for name in self._names):
            return False
        known = {fold(name) for name in others} | self._names
        bare = self._names.__contains__ if self._bare_names else None
        return any(name in self._names for name in mentions(text, known.__contains__, bare))
