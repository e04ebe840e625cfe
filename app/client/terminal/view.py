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
    on_cancel: Callable[[], bool]
    """Escape or Ctrl+C was pressed. True if a question was given up."""
    recall: Callable[[], str]
    """What Up brings into the empty field first, before the lines that were typed earlier; empty for nothing."""
    is_chatting: Callable[[], bool]
    """Whether lines are messages and commands, to be completed and remembered, and not the answer to a question."""
    is_hidden: Callable[[], bool]
    """Whether what is typed must not be seen."""


class View(Protocol):
    """A terminal."""

    has_field: bool
    """Whether what is typed can be changed by the program."""

    def show(self, lines: Iterable[str], *, bell: bool = False) -> None:
        """Write lines above the prompt. They must be safe already."""

    def refresh(self) -> None:
        """Draw the prompt and the toolbar again: they have changed."""

    def put_back(self, text: str) -> bool:
        """Put text into the field. False if there is something in it, or there is no field."""

    def draft(self) -> str:
        """What is in the field."""

    def end(self, code: int) -> None:
        """Let `run` return `code`."""

    async def run(self) -> int:
        """Show and read until `end`, and return the exit code."""

    async def ready(self) -> None:
        """Wait until something can be typed."""
