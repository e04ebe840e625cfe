"""What the server is told now and then: that you are typing, and up to where you have read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from app.chat import frames
from app.client.errors import ChatError
from app.client.terminal.presenter import Presenter

if TYPE_CHECKING:
    from app.client.chat import Chat

TYPING_PERIOD = 3.0
"""Seconds between two reports to the server that you are typing."""
READ_PERIOD = 2.0
"""Seconds between two updates of your read marker."""


class Hints:
    """Sends them for the room that is shown. Their errors don't matter."""

    chat: Chat | None = None

    def __init__(self, presenter: Presenter, spawn: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        """`spawn` runs something in the background."""
        self._presenter, self._spawn = presenter, spawn
        self._typing_sent_at = self._read_sent_at = 0.0

    def typing(self, text: str) -> None:
        """Tell others in the room that you are typing, unless it is a command or the answer to a question."""
        chat, room, now = self.chat, self._presenter.rooms.current, asyncio.get_running_loop().time()
        if chat is None or chat.text_only or not chat.connected or not room or self._presenter.questions.current:
            return
        if now - self._typing_sent_at >= TYPING_PERIOD and not text.lstrip().startswith("/"):
            self._typing_sent_at = now
            self._spawn(_send(chat, frames.Typing(room=room)))

    def read(self) -> None:
        """Tell the server up to where you have read."""
        chat, now = self.chat, asyncio.get_running_loop().time()
        room = self._presenter.rooms.get(self._presenter.rooms.current)
        if chat is None or room is None or not room.last_shown or not chat.connected:
            return
        if now - self._read_sent_at >= READ_PERIOD:
            self._read_sent_at = now
            self._spawn(_send(chat, frames.Read(room=room.name, seq=room.last_shown)))


async def _send(chat: Chat, hint: frames.Request) -> None:
    try:
        await chat.ask(hint)
    except ChatError:
        return
