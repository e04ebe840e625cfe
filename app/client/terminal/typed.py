"""What is typed in a conversation becomes messages and requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from app.chat import commands, frames
from app.chat.errors import Refused as BadCommand
from app.client.chat import Chat
from app.client.errors import ChatError
from app.client.terminal.history import secret
from app.client.terminal.scene import Scene

SHORT = 60
"""Characters of a message that is not said that are shown with the reason."""
KEYS = (
    "here: Alt+1 to Alt+9 or /join go to a room, Tab completes, Up and Ctrl-R find what you typed, Alt+Enter makes a "
    "new line, Ctrl-C drops what is typed, Ctrl-D leaves"
)


class Typed:
    """Carries out lines, each without waiting for the ones before; the chat keeps their order."""

    def __init__(
        self,
        chat: Chat,
        scene: Scene,
        *,
        do: Callable[[Coroutine[Any, Any, Any]], None],
        enter: Callable[[str], Coroutine[Any, Any, None]],
        forget: Callable[[], None],
    ) -> None:
        self._chat, self._scene = chat, scene
        self._do, self._enter, self._forget = do, enter, forget

    def line(self, text: str) -> None:
        """Carry out a line: `/quit` is not one of these."""
        if self._chat.plain:
            self._post(text, lambda: self._chat.post(text, room=""))
        elif text.startswith("/") and not text.startswith("//"):
            self._command(text)
        else:
            self._say(text.removeprefix("/") if text.startswith("//") else text)

    def _say(self, text: str, *, me: bool = False) -> None:
        room = self._scene.rooms.current
        if room:
            self._post(text, lambda: self._chat.post(text, room=room, me=me))
        else:
            self._scene.notice("you are in no room: /join one")

    def _command(self, line: str) -> None:
        scene = self._scene
        if not secret(line):
            scene.view.show([scene.words.typed(line)])
        try:
            command = commands.parse(line, scene.rooms.current)
        except BadCommand as refused:
            scene.notice(refused.message)
            return
        match command:
            case frames.Say(text=text):
                self._say(text, me=True)
            case frames.Whisper(to=to, text=text):
                self._post(text, lambda: self._chat.post_whisper(text, to=to))
            case frames.Reply(text=text):
                self._reply(text)
            case frames.Join(room=name) if name in scene.rooms:
                scene.show(name)
            case frames.Join(room=name):
                self._do(self._enter(name))
            case _:
                self._do(self._request(command))

    def _reply(self, text: str) -> None:
        """The server knows the last whisper of a connection, which may be another one by now."""
        room = self._scene.reply
        if room:
            self._post(text, lambda: self._chat.post(text, room=room))
        else:
            self._scene.notice("there is no whisper to reply to")

    async def _request(self, command: frames.Request) -> None:
        answer, scene = await self._chat.ask(command), self._scene
        if isinstance(command, frames.Logout):
            self._forget()
        if isinstance(answer, frames.RoomSettings) and (room := scene.rooms.get(answer.room)):
            room.topic = answer.topic
        if isinstance(answer, frames.RoomList):
            scene.known_rooms = [entry.room for entry in answer.rooms]
        if not isinstance(answer, frames.Joined | frames.Parted | frames.Named):  # these come as events too
            scene.answer(answer)
        if isinstance(command, frames.Help) and not command.command:
            scene.notice(KEYS)

    def _post(self, text: str, post: Callable[[], asyncio.Future[frames.Ack]]) -> None:
        """Say something, and see what becomes of it."""
        try:
            post().add_done_callback(lambda future: self._settled(text, future))
        except ChatError as error:
            self._refused(text, error)

    def _settled(self, text: str, future: asyncio.Future[frames.Ack]) -> None:
        error = None if future.cancelled() else future.exception()
        if isinstance(error, ChatError):
            self._refused(text, error)
        self._scene.view.changed()

    def _refused(self, text: str, error: ChatError) -> None:
        short = text if len(text) <= SHORT else text[:SHORT] + "…"
        self._scene.notice(f"not said: {error}: {short}")
