"""Turns the lines that are typed into messages and requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from app.chat import commands, frames
from app.chat.errors import Code
from app.chat.errors import Refused as BadCommand
from app.chat.typed import command_line, has_password
from app.client.chat import Chat
from app.client.errors import ChatError, Ended, Interrupted, Refused, Uncertain, refusal
from app.client.terminal.history import read_history
from app.client.terminal.passwords import ask_password, lacks_password, without_password
from app.client.terminal.presenter import Presenter
from app.client.terminal.returned import Typed

MAX_QUOTE = 60
"""Characters of a line that could not be sent that are shown with the reason."""


class InputHandler:
    """Carries out lines, each without waiting for those before it: the chat keeps their order. A line that can't be
    sent, or is refused, comes back into the field."""

    def __init__(
        self,
        chat: Chat,
        presenter: Presenter,
        *,
        start: Callable[[Coroutine[Any, Any, None]], None],
        enter: Callable[[str], Coroutine[Any, Any, None]],
        forget: Callable[[], None],
    ) -> None:
        """`start` runs something in the background, `enter` joins and shows a room, `forget` removes the token of this
        user."""
        self._chat, self._presenter = chat, presenter
        self._start, self._enter, self._forget = start, enter, forget
        self.pending = 0
        """Lines that wait to be sent, or for the server's answer."""

    def line(self, text: str) -> None:
        """Carry out a line, except for `/quit`."""
        typed = Typed(text, self._presenter.rooms.current)
        if self._chat.text_only:
            self._post(typed, text, lambda: self._chat.post(text, room=""))
        elif line := command_line(text, self._known_commands()):
            self._command(typed, line)
        else:
            self._say(typed, text.removeprefix("/") if text.startswith("//") else text)

    def _known_commands(self) -> set[str]:
        return {*commands.NAMES, *(name for name, _ in self._presenter.usages)}

    def _say(self, typed: Typed, text: str, *, me: bool = False) -> None:
        room = self._presenter.rooms.current
        if room:
            self._post(typed, text, lambda: self._chat.post(text, room=room, me=me))
        else:
            self._presenter.notice("input.no_room")
            self._presenter.put_back(typed)

    def _command(self, typed: Typed, line: str) -> None:
        presenter = self._presenter
        if has_password(line):
            typed = Typed(without_password(line), typed.room)
        else:
            presenter.view.show([presenter.formatter.command(line)])
        if lacks_password(line):
            self._start(self._with_password(typed))
            return
        try:
            command = commands.parse(line, presenter.rooms.current)
        except BadCommand as refused:
            self._not_sent(typed, refusal(refused.code, refused.values, refused.message))
            if refused.values.get("command") in ("edit", "delete"):
                presenter.notice("input.ids")
            return
        match command:
            case frames.Say(text=text):
                self._say(typed, text, me=True)
            case frames.Whisper(to=to, text=text):
                self._post(typed, text, lambda: self._chat.post_whisper(text, to=to))
            case frames.Reply(text=text):
                self._reply(typed, text)
            case frames.Join(room=name) if name in presenter.rooms:
                presenter.show_room(name)
            case frames.Join(room=name):
                self._start(self._carry_out(typed, self._enter(name)))
            case frames.Search():
                self._start(self._carry_out(typed, self._search(command)))
            case frames.Edit(seq=seq, text=text) if (seq, text) in presenter.own_messages():
                pass  # nothing has changed
            case frames.History():
                self._start(self._carry_out(typed, self._history(command)))
            case _:
                self._start(self._carry_out(typed, self._request(command)))

    def _reply(self, typed: Typed, text: str) -> None:
        """Answer the last whisper that was shown. The server only knows that of the connection, which may be new. If it
        can't be sent, it comes back with the names: the last whisper may be another by then."""
        presenter = self._presenter
        if room := presenter.last_conversation:
            typed = Typed(f"/whisper {','.join(presenter.last_whisperers)} {text}", typed.room)
            self._post(typed, text, lambda: self._chat.post(text, room=room))
        else:
            presenter.notice("error.not_found.whisper")
            presenter.put_back(typed)

    async def _with_password(self, typed: Typed) -> None:
        """Ask for the password that a command needs, and carry it out."""
        if password := await ask_password(typed.line, self._presenter):
            try:
                command = commands.parse(f"{without_password(typed.line)} {password}", typed.room)
            except BadCommand as refused:
                self._not_sent(typed, refusal(refused.code, refused.values, refused.message))
            else:
                assert isinstance(command, frames.Request)
                await self._carry_out(typed, self._request(command))

    async def _search(self, command: frames.Search) -> None:
        """Search all rooms; on an older server, which can't do that, the current one."""
        try:
            await self._request(command)
        except Refused as refused:
            room = self._presenter.rooms.current
            if refused.code != Code.BAD_FRAME or not room:
                raise
            await self._request(frames.Search(words=command.words, room=room))

    async def _history(self, command: frames.History) -> None:
        self._presenter.answer(await read_history(self._chat, command))

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

    # What can't be sent.

    async def _carry_out(self, typed: Typed, request: Coroutine[Any, Any, None]) -> None:
        """Carry out a command, and take the line back if that fails."""
        self.pending += 1
        try:
            await request
        except ChatError as error:
            self._not_sent(typed, error)
        finally:
            self.pending -= 1
            self._presenter.view.refresh()

    def _post(self, typed: Typed, text: str, post: Callable[[], asyncio.Future[frames.Ack]]) -> None:
        """Send a message, and take the line back if it is not delivered."""
        try:
            future = post()
        except ChatError as error:
            self._not_sent(typed, error, text)
            return
        self.pending += 1
        future.add_done_callback(lambda done: self._settled(typed, text, done))

    def _settled(self, typed: Typed, text: str, future: asyncio.Future[frames.Ack]) -> None:
        self.pending -= 1
        error = None if future.cancelled() else future.exception()
        if isinstance(error, ChatError):
            self._not_sent(typed, error, text)
        self._presenter.view.refresh()

    def _not_sent(self, typed: Typed, error: ChatError, text: str = "") -> None:
        """Say what is wrong with a line, and put it back. `text` is the message in it. The line is shown whole if there
        is no field to put it into."""
        presenter = self._presenter
        lost = isinstance(error, Ended) or not presenter.view.has_field
        quote = typed.line if lost else text or typed.line
        quote = quote if lost or len(quote) <= MAX_QUOTE else quote[:MAX_QUOTE] + "…"
        if has_password(quote):
            presenter.notice_text(error.message)
        elif isinstance(error, Uncertain | Interrupted):
            presenter.notice("input.uncertain", text=quote, problem=error.message)
        elif lost or text:
            presenter.notice("input.not_sent", text=quote, problem=error.message)
        else:
            presenter.notice_text(error.message)
        presenter.put_back(typed)
