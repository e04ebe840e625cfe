"""Questions that the client asks: the line that is typed next is the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask."""

    prompt: str
    """What stands before the answer."""
    hint: str
    """What the toolbar says meanwhile."""
    hidden: bool = False
    """Whether the answer must not be seen, and Escape, Ctrl+C or an empty answer give up."""


class Questions:
    """Asks one question at a time."""

    def __init__(self, changed: Callable[[], None]) -> None:
        """`changed` is called when there is a question, and when there is none any more."""
        self.current: Question | None = None
        self._changed = changed
        self._answer: asyncio.Future[str] | None = None

    async def ask(self, question: Question) -> str:
        """Ask, and return the answer without blanks around it; empty if there is none."""
        self.current, self._answer = question, asyncio.get_running_loop().create_future()
        self._changed()
        try:
            return await self._answer
        finally:
            self.current = None
            self._changed()

    def answered(self, text: str) -> bool:
        """Take a line as the answer. False if nothing was asked."""
        if self._answer is None or self._answer.done():
            return False
        self._answer.set_result(text.strip())
        return True

    def give_up(self) -> bool:
        """Take an empty answer. False if nothing was asked that can be given up."""
        return self.current is not None and self.current.hidden and self.answered("")
