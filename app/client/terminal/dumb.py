"""A terminal that can't move its cursor: it writes lines and reads lines."""

from __future__ import annotations

import asyncio
import sys
import termios
from collections.abc import Callable, Iterable
from contextlib import suppress

from app.client.stdin import read_lines
from app.client.terminal.questions import Question
from app.client.terminal.view import InputCallbacks


class DumbTerminal:
    """A View without a prompt. A question is written as a line."""

    has_field = False

    def __init__(self, callbacks: InputCallbacks, question: Callable[[], Question | None]) -> None:
        """`question` returns the question whose answer is expected, or None."""
        self._callbacks, self._question = callbacks, question
        self._asked: Question | None = None
        self._ended: asyncio.Future[int] | None = None

    def show(self, lines: Iterable[str], *, bell: bool = False) -> None:
        """Write lines."""
        sys.stdout.write("".join(f"{line}\n" for line in lines) + ("\a" if bell else ""))
        sys.stdout.flush()

    def refresh(self) -> None:
        """Write the question, if it is a new one."""
        asked, self._asked = self._asked, self._question()
        if self._asked is asked:
            return
        _echo(on=self._asked is None or not self._asked.hidden)  # before anyone answers
        if self._asked is not None:
            self.show([self._asked.prompt])

    def put_back(self, text: str) -> bool:  # noqa: ARG002
        """Return False: there is no field."""
        return False

    def draft(self) -> str:
        """Return nothing: the terminal has it."""
        return ""

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
            _echo(on=True)

    async def _read(self) -> None:
        async for line in read_lines(sys.stdin.fileno()):
            self._callbacks.on_line(line.decode(errors="replace"))
        self._callbacks.on_exit(0)


def _echo(*, on: bool) -> None:
    """Let the terminal show what is typed, or not."""
    with suppress(termios.error, ValueError):
        mode = termios.tcgetattr(sys.stdin)
        mode[3] = mode[3] | termios.ECHO if on else mode[3] & ~termios.ECHO
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, mode)
