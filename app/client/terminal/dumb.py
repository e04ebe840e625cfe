"""A terminal that can't move its cursor: it writes lines and reads lines."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable

from app.client.stdin import read_lines
from app.client.terminal.view import InputCallbacks


class DumbTerminal:
    """A View without a prompt. A question is written as a line."""

    def __init__(self, callbacks: InputCallbacks, question: Callable[[], str]) -> None:
        """`question` returns the question whose answer is expected, or an empty string."""
        self._callbacks, self._question = callbacks, question
        self._asked = ""
        self._ended: asyncio.Future[int] | None = None

    def show(self, lines: Iterable[str], *, bell: bool = False) -> None:
        """Write lines."""
        sys.stdout.write("".join(f"{line}\n" for line in lines) + ("\a" if bell else ""))
        sys.stdout.flush()

    def refresh(self) -> None:
        """Write the question, if it is a new one."""
        asked, self._asked = self._asked, self._question()
        if self._asked and self._asked != asked:
            self.show([self._asked])

    def end(self, code: int) -> None:
        """Let `run` return `code`."""
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(code)

    async def ready(self) -> None:
        """Return at once."""

    async def run(self) -> int:
        """Read lines until `end`, and return the exit code."""
        self._ended = asyncio.get_running_loop().create_future()
        reading = asyncio.create_task(self._read())
        try:
            return await self._ended
        finally:
            reading.cancel()

    async def _read(self) -> None:
        async for line in read_lines(sys.stdin.fileno()):
            self._callbacks.on_line(line.decode(errors="replace"))
        self._callbacks.on_exit(0)
