"""Lines that could not be sent, until they are back in the field in which they were typed."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Typed:
    """A line as it was typed."""

    line: str
    room: str
    """The room that was shown. In another one, the line would reach other people."""


class Returned:
    """The lines that are not back yet, since something else was in the field, or another room was shown."""

    def __init__(self) -> None:
        self._lines: list[Typed] = []

    def add(self, typed: Typed) -> None:
        """Keep a line."""
        self._lines.append(typed)

    def take(self, room: str, rooms: Container[str]) -> str:
        """Remove the first line that may be typed in `room`, and return it; empty if there is none. One that was typed
        in a room that is not among `rooms` any more never may, except where nobody would hear it."""
        for typed in self._lines:
            if typed.room == room or (not room and typed.room not in rooms):
                self._lines.remove(typed)
                return typed.line
        return ""
