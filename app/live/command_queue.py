"""Commands that have to wait for another one of the same connection."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from app.chat.errors import Refused
from app.chat.frames import Command
from app.transports import Channel

MAX_QUEUED = 64
MAX_QUEUED_SIZE = 64 * 1024
"""Commands in a queue, and the bytes of memory that they take. With more, nothing is read from the client until they
are carried out."""


class CommandRunner(Protocol):
    """What a queue needs of its connection."""

    channel: Channel
    closed: bool
    queue: CommandQueue | None

    async def turn(self) -> None:
        """Wait until the event loop has time for a command."""

    async def handle(self, text: str, command: Command | None = None, refused: Refused | None = None) -> None:
        """Carry out what the client sent and answer it."""

    def pause_or_resume(self) -> None:
        """Stop reading from the client if too much is queued, or read on."""

    def internal_error(self) -> None:
        """End the connection after an unexpected exception."""


class CommandQueue:
    """Carries out the commands of one connection one after another, in a task.

    A connection has a queue only while a command takes its time; the task ends, and the queue with it, when nothing is
    left to do. Most messages need none: they are on their way into the log as soon as they arrive. The commands of many
    connections are spread over turns of the event loop.
    """

    __slots__ = ("_runner", "_size", "_task", "_texts")

    def __init__(self, runner: CommandRunner, text: str, command: Command | None, refused: Refused | None) -> None:
        self._runner = runner
        self._texts: deque[str] = deque()
        self._size = 0
        self._task: asyncio.Task[None] | None
        self._task = asyncio.get_running_loop().create_task(self._run(text, command, refused))

    def __len__(self) -> int:
        return len(self._texts)

    @property
    def full(self) -> bool:
        """Whether nothing more should be read from the client."""
        return len(self._texts) >= MAX_QUEUED or self._size >= MAX_QUEUED_SIZE

    def put(self, text: str) -> None:
        """Add what the client sent."""
        self._texts.append(text)
        self._size += text.__sizeof__()

    def cancel(self) -> None:
        """Stop, unless it is a command in this queue that asks for it."""
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()

    async def _run(self, text: str, command: Command | None, refused: Refused | None) -> None:
        runner = self._runner
        try:
            while await runner.channel.writable():
                await runner.turn()
                await runner.handle(text, command, refused)
                if runner.closed or not self._texts:
                    return
                text, command, refused = self._texts.popleft(), None, None
                self._size -= text.__sizeof__()
                runner.pause_or_resume()
        except Exception:  # noqa: BLE001
            runner.internal_error()
        finally:
            runner.queue = None
            self._task = None  # a task that is cancelled keeps its frames, and so this queue
