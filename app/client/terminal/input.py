"""Turns the lines that are typed into messages and requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from app.chat import commands, frames
from app.chat.errors import Code
from app.chat.errors import Refused as BadCommand
from app.client.chat import Chat
from app.client.errors import ChatError, Refused, refusal
from app.client.terminal.input_history import has_password
from app.client.terminal.presenter import Presenter

MAX_QUOTE = 60
"""Characters of a message that could not be sent that are shown with the reason."""


class InputHandler:
    """Carries out lines, each without waiting for those before it: the chat keeps their order."""

    def __init__(
        self,
        chat: Chat,
        presenter: Presenter,
        *,
        start: Callable[[Coroutine[Any, Any, Any]], None],
        enter: Callable[[str], Coroutine[Any, Any, None]],
        forget: Callable[[], None],
    ) -> None:
        """`start` carries out a request in the background, `enter` joins and shows a room, `forget` removes the token
        of this user."""
        self._chat, self._presenter = chat, presenter
        self._start, self._enter, self._forget = start, enter, forget

    def line(self, text: str) -> None:
        """Carry out a line, except for `/quit`."""
        if self._chat.text_only:
            self._post(text, lambda: self._chat.post(text, room=""))
        elif text.startswith("/") and not text.startswith("//"):
            self._command(text)
        else:
            self._say(text.removeprefix("/") if text.startswith("//") else text)

    def _say(self, text: str, *, me: bool = False) -> None:
        room = self._presenter.rooms.current
        if room:
            self._post(text, lambda: self._chat.post(text, room=room, me=me))
        else:
            self._presenter.notice("input.no_room")

    def _command(self, line: str) -> None:
        presenter = self._presenter
        if not has_password(line):
            presenter.view.show([presenter.formatter.command(line)])
        try:
            command = commands.parse(line, presenter.rooms.current)
        except BadCommand as refused:
            presenter.notice_text(refusal(refused.code, refused.values, refused.message).message)
            return
        match command:
            case frames.Say(text=text):
                self._say(text, me=True)
            case frames.Whisper(to=to, text=text):
                self._post(text, lambda: self._chat.post_whisper(text, to=to))
            case frames.Reply(text=text):
                self._reply(text)
            case frames.Join(room=name) if name in presenter.rooms:
                presenter.show_room(name)
            case frames.Join(room=name):
                self._start(self._enter(name))
            case frames.Search():
                self._start(self._search(command))
            case _:
                self._start(self._request(command))

    def _reply(self, text: str) -> None:
        """Answer the last whisper that was shown. The server only knows that of the connection, which may be new."""
        room = self._presenter.last_conversation
        if room:
            self._post(text, lambda: self._chat.post(text, room=room))
        else:
            self._presenter.notice("error.not_found.whisper")

    async def _search(self, command: frames.Search) -> None:
        """Search all rooms; on an older server, which can't do that, the current one."""
        try:
            await self._request(command)
        except Refused as refused:
            room = self._presenter.rooms.current
            if refused.code != Code.BAD_FRAME or not room:
                raise
            await self._request(frames.Search(words=command.words, room=room))

    async def _request(self, command: frames.Request) -> None:
        answer, presenter = await self._chat.ask(command), self._presenter
        if isinstance(command, frames.Logout):
            self._forget()
        match answer:
            case frames.Joined() | frames.Parted() | frames.Named():
                pass  # these come as events too
            case frames.Done() if isinstance(command, frames.Away):
                presenter.notice("done.away")
            case frames.Done() if isinstance(command, frames.Back):
                presenter.notice("done.back")
            case frames.Done() if isinstance(command, frames.Ignore):
                presenter.notice("done.ignore", name=command.name)
            case frames.Done() if isinstance(command, frames.Unignore):
                presenter.notice("done.unignore", name=command.name)
            case frames.RoomSettings(room=name, topic=topic):
                if room := presenter.rooms.get(name):
                    room.topic = topic
                presenter.answer(answer)
            case frames.RoomList(rooms=entries):
                presenter.known_rooms = [entry.room for entry in entries]
                presenter.answer(answer)
            case _:
                presenter.answer(answer)
        if isinstance(command, frames.Help) and not command.command:
            presenter.notice("help.keys")

    def _post(self, text: str, post: Callable[[], asyncio.Future[frames.Ack]]) -> None:
        """Send a message, and say so if it is not delivered."""
        try:
            post().add_done_callback(lambda future: self._settled(text, future))
        except ChatError as error:
            self._not_sent(text, error)

    def _settled(self, text: str, future: asyncio.Future[frames.Ack]) -> None:
        error = None if future.cancelled() else future.exception()
        if isinstance(error, ChatError):
            self._not_sent(text, error)
        self._presenter.view.refresh()

    def _not_sent(self, text: str, error: ChatError) -> None:
        quote = text if len(text) <= MAX_QUOTE else text[:MAX_QUOTE] + "…"
        self._presenter.notice("input.not_sent", text=quote, problem=error.message)
