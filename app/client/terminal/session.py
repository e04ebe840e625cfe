"""One session of the client in a terminal: connects, passes events to the presenter, and input to the chat."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.chat import frames
from app.chat.closing import CloseCode
from app.chat.logs import WHISPERS
from app.chat.names import reserved
from app.chat.typed import has_password, is_blank
from app.client.credentials import Credentials, CredentialsError
from app.client.errors import ChatError, Ended, NameTaken
from app.client.events import Connected, Delayed, Disconnected, Event, Left, Line, Missed, NameRefused
from app.client.languages.times import duration
from app.client.terminal.hints import Hints
from app.client.terminal.history import read_history
from app.client.terminal.presenter import Presenter
from app.client.terminal.questions import Question
from app.client.terminal.rooms import Room

if TYPE_CHECKING:
    from app.client.chat import Chat
    from app.client.terminal.input import InputHandler

HISTORY_LIMIT = 30
"""Earlier events that are shown when a room is joined."""
EVENTS_PER_TURN = 50
"""Events that are shown in one turn of the event loop."""
TEXT_ROOM = "chat"
"""What to call the one room of a server that speaks only the text dialect."""


@dataclass(frozen=True, slots=True)
class TerminalOptions:
    """The arguments of the command, with the name and token to use."""

    url: str
    name: str
    token: str
    rooms: tuple[str, ...]
    """Empty for the room that the server wants people to join first."""


class TerminalSession:
    """One session, through as many connections as it takes."""

    def __init__(self, options: TerminalOptions, credentials: Credentials, presenter: Presenter) -> None:
        self._options, self._credentials, self._presenter = options, credentials, presenter
        self._text = presenter.formatter.catalogue.text
        self._chat: Chat | None = None
        self._input: InputHandler | None = None
        self._early_lines: list[str] = []
        """What was typed before there was a connection."""
        self._not_kept = ""
        """Why the name and token were not saved, if that was shown."""
        self._hints = Hints(presenter, self._spawn)
        self._tasks: set[asyncio.Task[None]] = set()
        self._error: ChatError | None = None
        self._fault: BaseException | None = None

    async def run(self) -> int:
        """Run until the end, and return the exit code. ChatError if that ended it."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.exit, 128 + number)
        self._spawn(self._live())
        code = await self._presenter.view.run()
        if self._chat is not None:
            await self._chat.close()  # what is not finished ends with an error, and is shown
            await asyncio.sleep(0)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._tell_what_is_lost()
        if error := self._fault or self._error:
            raise error
        return code

    def _tell_what_is_lost(self) -> None:
        """Show what was typed and never got to the chat, so that it can be copied."""
        draft = self._presenter.view.draft()
        for line in (*self._early_lines, *([draft] if draft.strip() else [])):
            if not has_password(line):
                self._presenter.notice("input.lost", text=line)

    # Callbacks of the view.

    def line_entered(self, text: str) -> None:
        """Take a line: the answer to a question, a message or a command."""
        text = text.encode("utf-8", "replace").decode()
        question = self._presenter.questions.current
        if text.strip() == "/quit" and not (question and question.hidden):
            self.exit(0)
        elif self._presenter.questions.answered(text) or is_blank(text):
            pass
        elif self._input is None:
            self._early_lines.append(text)
        else:
            self._input.line(text)
        self._presenter.view.refresh()

    def line_edited(self, text: str) -> None:
        """Tell others in the room now and then that you are typing."""
        self._hints.typing(text)

    def show_room(self, number: int) -> None:
        """Show the room with this number."""
        if name := self._presenter.rooms.numbered(number):
            self._presenter.show_room(name)
            self._hints.read()

    def exit(self, code: int) -> None:
        """End the session."""
        self._presenter.view.end(code)

    # Connecting.

    async def _live(self) -> None:
        """Connect, and show events until the chat ends."""
        await self._presenter.view.ready()  # the prompt does not wait for the modules that a connection needs
        try:
            chat = self._chat = self._hints.chat = await self._connect()
            self._presenter.wrote = chat.wrote
            self._connected(chat)
            await self._begin(chat)
            shown = 0
            async for event in chat:
                self._on_event(chat, event)
                self._presenter.view.refresh()
                shown += 1
                if shown % EVENTS_PER_TURN == 0:
                    await asyncio.sleep(0)  # let the keyboard have its turn
        except ChatError as error:
            if not (isinstance(error, Ended) and error.code == CloseCode.BYE):
                self._error = error
        self.exit(0)

    async def _connect(self) -> Chat:
        """Connect, asking for a name until one is accepted."""
        from app.client.chat import connect

        name, token = self._options.name, self._options.token
        if not name and not token:
            name = await self._ask_for_name()
        while True:
            self._presenter.status = self._text("status.connecting")
            self._presenter.view.refresh()
            wanted = "" if token and reserved(name.casefold()) else name
            try:
                return await connect(self._options.url, name=wanted, token=token).__aenter__()
            except NameTaken as error:
                self._presenter.notice_text(error.message)
                name = await self._ask_for_name()

    async def _ask_for_name(self) -> str:
        """Ask for a name; an empty one lets the server choose."""
        return await self._presenter.questions.ask(Question(self._text("prompt.name"), self._text("prompt.name.hint")))

    async def _begin(self, chat: Chat) -> None:
        """Join the rooms, and send what was typed meanwhile."""
        from app.client.terminal.input import InputHandler

        if chat.text_only:
            self._presenter.rooms.add(TEXT_ROOM)
            self._presenter.show_room(TEXT_ROOM)
        else:
            self._start(self._load_completions(chat))
            self._start(chat.join(WHISPERS))
            for room in self._options.rooms or (chat.room,):
                self._start(self._enter(chat, room, show=False))
            await asyncio.sleep(0)  # these are sent before what was typed
        input_ = self._input = InputHandler(
            chat,
            self._presenter,
            start=self._spawn,
            enter=lambda name: self._enter(chat, name, show=True),
            forget=lambda: self._forget_credentials(chat),
        )
        self._presenter.pending_lines = lambda: input_.pending
        early, self._early_lines = self._early_lines, []
        for text in early:
            input_.line(text)

    async def _load_completions(self, chat: Chat) -> None:
        """Ask which commands and rooms the server has."""
        commands = (await chat.ask(frames.Help())).commands
        self._presenter.usages = [(usage.command, usage.usage) for usage in commands]
        self._presenter.known_rooms = [entry.room for entry in (await chat.ask(frames.Rooms())).rooms]

    async def _enter(self, chat: Chat, name: str, *, show: bool) -> None:
        """Join a room and show its last events, then new ones."""
        rooms = self._presenter.rooms
        room = rooms.add(name)
        room.deferred = []
        rooms.current = rooms.current or name
        try:
            joined = await chat.join(name)
        except ChatError:
            self._presenter.leave_room(name)
            raise
        room.joined(joined)
        if show and rooms.current != name:
            self._presenter.show_room(name)
        self._presenter.room_notice(room, "room.joined", room=name, count=room.members, topic=room.topic)
        await self._show_history(chat, room, joined.head)

    async def _show_history(self, chat: Chat, room: Room, head: int) -> None:
        """Show the last events of a room up to a position, then those that came since."""
        room.deferred = room.deferred or []
        try:
            if head:
                command = frames.History(room=room.name, before=head + 1, limit=HISTORY_LIMIT)
                for event in (await read_history(chat, command, only_messages=True)).events:
                    self._presenter.room_event(room, event, old=True)
        finally:
            deferred, room.deferred = room.deferred or [], None
            for event in deferred:
                self._presenter.room_event(room, event)

    # Events.

    def _on_event(self, chat: Chat, event: Event) -> None:
        presenter = self._presenter
        match event:
            case frames.Message() | frames.Changed():
                presenter.event(event)
                self._hints.read()
            case Line(text):
                presenter.view.show(presenter.formatter.text_line(text, presenter.clock()))
            case Connected() | Disconnected() | NameRefused() | Missed() | Left() | Delayed():
                self._on_connection_event(chat, event)
            case frames.Joined():
                self._on_joined(chat, event)
            case frames.Parted(room=name, why=why):
                if why and name == presenter.removed_from:
                    presenter.notice("room.removed", room=name, why="")  # the line above says why, in any language
                else:
                    presenter.answer(event)
                presenter.leave_room(name)
            case frames.Presence():
                presenter.people_changed(event)
            case frames.TypingNow(room=name, sender=sender):
                presenter.typing(name, sender)
            case frames.Named():
                presenter.answer(event)
                self._named(chat)
            case frames.ReadUpTo():
                pass
            case _:
                presenter.answer(event)

    def _on_connection_event(
        self, chat: Chat, event: Connected | Disconnected | NameRefused | Missed | Left | Delayed
    ) -> None:
        presenter = self._presenter
        match event:
            case Connected(again=True):
                presenter.notice("connected.again")
                self._connected(chat)
            case Disconnected(reason, delay):
                if presenter.connected:
                    presenter.notice_text(reason)
                    presenter.notice("disconnected")
                presenter.connected, presenter.problem = False, reason
                presenter.status = self._text("status.reconnecting", seconds=max(1, round(delay)))
            case NameRefused(name, error):
                presenter.notice_text(error.message)
                presenter.notice("reply.named", name=name)
            case Missed(name, count):
                if name == WHISPERS:
                    presenter.notice("missed.whispers", count=count)
                else:
                    presenter.notice("missed.room", count=count, room=name)
            case Left(name, error):
                presenter.notice("room.removed", room=name, why=error.message)
                presenter.leave_room(name)
            case Delayed(message=message, delay=delay):
                presenter.notice_text(message)
                presenter.notice("delayed", wait=duration(round(delay)))

    def _on_joined(self, chat: Chat, frame: frames.Joined) -> None:
        room = self._presenter.rooms.get(frame.room)
        if room is not None:
            room.joined(frame)
            if not frame.recovered:
                self._presenter.room_notice(room, "room.gap", room=room.name)
                self._start(self._show_history(chat, room, frame.head))

    def _connected(self, chat: Chat) -> None:
        self._presenter.connected = True
        self._named(chat)

    def _named(self, chat: Chat) -> None:
        """Show and keep your name."""
        self._presenter.named(chat.name, chat.id)
        self._presenter.status = self._text("status.connected", name=chat.name)
        self._keep_credentials(chat)
        self._presenter.view.refresh()

    # Credentials.

    def _keep_credentials(self, chat: Chat) -> None:
        if chat.token:
            try:
                self._credentials.keep(chat.url, chat.name, chat.token, last=True)
            except CredentialsError as error:
                if error.message != self._not_kept:  # it is tried again on each connection
                    self._presenter.notice("credentials.not_kept", problem=error.message)
                self._not_kept = error.message

    def _forget_credentials(self, chat: Chat) -> None:
        try:
            self._credentials.forget(chat.url, chat.token)
        except CredentialsError as error:
            self._presenter.notice("credentials.not_forgotten", problem=error.message)

    # Background tasks.

    def _start(self, request: Coroutine[Any, Any, Any]) -> None:
        """Carry out a request in the background, and show its error."""
        self._spawn(self._showing_errors(request))

    async def _showing_errors(self, request: Coroutine[Any, Any, Any]) -> None:
        try:
            await request
        except ChatError as error:
            if not isinstance(error, Ended):
                self._presenter.notice_text(error.message)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        """End the program with the traceback if a task had a bug."""
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._fault = error
            self.exit(1)
