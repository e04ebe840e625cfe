"""What shows a conversation, and who is told what is typed."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from app.client.lines import lines


@dataclass(frozen=True, slots=True)
class Keyboard:
    """Who is told what is typed."""

    said: Callable[[str], None]
    """A line was typed."""
    typing: Callable[[str], None]
    """A line is being typed."""
    room: Callable[[int], None]
    """The room with this number is to be shown."""
    leave: Callable[[int], None]
    """The program is to end, with this exit code."""
    talks: Callable[[], bool]
    """Whether what is typed belongs to the conversation: it is completed, and remembered."""


class View(Protocol):
    """What shows a conversation and hears what is typed."""

    def show(self, lines: Iterable[str], *, bell: bool = False) -> None:
        """Write lines, above the prompt. They are safe already."""

    def changed(self) -> None:
        """What the prompt or the toolbar says is another now."""

    def end(self, code: int) -> None:
        """End `run`."""

    async def run(self) -> int:
        """Be there until `end`; the answer is its exit code."""

    async def there(self) -> None:
        """Wait until something can be typed."""


class DumbView:
    """A View of a terminal that only writes lines: what is typed is a line when it is complete."""

    def __init__(self, keyboard: Keyboard) -> None:
        self._keyboard = keyboard
        self._ended: asyncio.Future[int] | None = None

    def show(self, lines: Iterable[str], *, bell: bool = False) -> None:
        """Write lines."""
        sys.stdout.write("".join(f"{one}\n" for one in lines) + ("\a" if bell else ""))
        sys.stdout.flush()

    def changed(self) -> None:
        """There is nothing that could be drawn anew."""

    def end(self, code: int) -> None:
        """End `run`."""
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(code)

    async def there(self) -> None:
        """There is nothing to wait for."""

    async def run(self) -> int:
        """Be there until `end`."""
        self._ended = asyncio.get_running_loop().create_future()
        reading = asyncio.create_task(self._read())
        try:
            return await self._ended
        finally:
            reading.cancel()

    async def _read(self) -> None:
        async for said in lines(sys.stdin.fileno()):
            self._keyboard.said(said.decode(errors="replace"))
        self._keyboard.leave(0)
