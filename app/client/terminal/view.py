"""The interface of what shows a session in a terminal and reads what is typed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class InputCallbacks:
    """What a view calls when keys are pressed."""

    on_line: Callable[[str], None]
    """A line was entered."""
    on_edit: Callable[[str], None]
    """The line that is being typed has changed, to this."""
    on_room_key: Callable[[int], None]
    """The room with this number is to be shown."""
    on_exit: Callable[[int], None]
    """The program is to end, with this exit code."""
    is_chatting: Callable[[], bool]
    """Whether lines are messages and commands, to be completed and remembered, and not the answer to a question."""


class View(Protocol):
    """A terminal."""

    def show(self, lines: Iterable[str], *, bell: bool = False) -> None:
        """Write lines above the prompt. They must be safe already."""

    def refresh(self) -> None:
        """Draw the prompt and the toolbar again: they have changed."""

    def end(self, code: int) -> None:
        """Let `run` return `code`."""

    async def run(self) -> int:
        """Show and read until `end`, and return the exit code."""

    async def ready(self) -> None:
        """Wait until something can be typed."""
