"""A conversation: what is typed becomes requests, and what happens becomes lines."""

from __future__ import annotations

import asyncio
import signal
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec import UnsetType

from app.chat import commands, frames
from app.chat.closing import CloseCode
from app.chat.commands import USAGES
from app.chat.errors import Refused as BadCommand
from app.chat.frames import WHISPERS
from app.chat.names import reserved
from app.client import safe
from app.client.address import shown
from app.client.chat import Chat, connect
from app.client.errors import ChatError, Ended, NameTaken, Refused
from app.client.events import Connected, Delayed, Disconnected, Event, Left, Line, Missed, NameRefused
from app.client.identity import Identities
from app.client.terminal.history import secret
from app.client.terminal.rooms import Room, Rooms
from app.client.terminal.screen import View
from app.client.terminal.words import Words, mentions

BACKLOG = 30
"""Messages of the past that are shown on entering a room."""
TYPING_PERIOD = 3.0
"""Seconds between two words to the server that one is typing."""
TYPES = 5.0
"""Seconds for which somebody is said to be typing."""
READ_PERIOD = 2.0
"""Seconds between two words to the server on up to where one has read."""
KEYS = (
    "here: Alt+1 to Alt+9 or /join go to a room, Tab completes, Up and Ctrl-R find what you typed, Alt+Enter makes a "
    "new line, Ctrl-C drops what is typed, Ctrl-D leaves"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where to chat, and as whom."""

    url: str
    name: str
    token: str
    rooms: tuple[str, ...]
    bell: bool = False


class Talk:
    """One conversation, over one chat. `view` is given to it before it runs."""

    view: View

    def __init__(self, place: Place, identities: Identities, words: Words, clock: Callable[[], datetime]) -> None:
        self._place, self._identities, self._words, self._clock = place, identities, words, clock
        self._chat: Chat | None = None
        self._rooms = Rooms()
        self._state = ""
        """How the connection is, in words."""
        self._asking = False
        """Whether the line that is typed is a name."""
        self._name: asyncio.Future[str] | None = None
        self._early: list[str] = []
        """What was typed before there was a connection."""
        self._known_rooms: list[str] = []
        self._reply = ""
        """The conversation of the last whisper."""
        self._speakers: deque[str] = deque(maxlen=50)
        self._usages: list[tuple[str, str]] = [(usage.command, usage.usage) for usage in USAGES]
        self._typing: dict[str, tuple[str, float]] = {}
        self._typed = self._marked = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._error: ChatError | None = None
        self._fault: BaseException | None = None

    async def run(self) -> int:
        """Talk until the end; the answer is the exit code. ChatError where that is why."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.view.end, 128 + number)
        self._spawn(self._live())
        code = await self.view.run()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._chat is not None:
            await self._chat.close()
        if error := self._fault or self._error:
            raise error
        return code

    # Coming in.

    async def _live(self) -> None:
        await self.view.there()  # what a connection takes is loaded only then
        try:
            chat = self._chat = await self._connected()
            self._state = "connected"
            self.view.changed()
            self._keep(last=True)
            if chat.plain:
                self._rooms.add("chat")
                self._rooms.show("chat")
            else:
                self._spawn(self._learn(chat))
                await chat.join(WHISPERS)
                for room in self._place.rooms:
                    self._spawn(self._enter(room, show=room == self._place.rooms[0]))
                await asyncio.sleep(0)  # these are on their way before what was typed
            early, self._early = self._early, []
            for text in early:
                self.said(text)
            async for event in chat:
                self._hear(event)
        except ChatError as error:
            if not (isinstance(error, Ended) and error.code == CloseCode.BYE):
                self._error = error
        self.view.end(0)

    async def _connected(self) -> Chat:
        """The chat, under a name that could be had."""
        name, token = self._place.name, self._place.token
        if not name and not token:
            name = await self._ask()
        while True:
            self._state = "connecting"
            self.view.changed()
            try:
                return await connect(
                    self._place.url, name="" if reserved(name.casefold()) and token else name, token=token
                ).__aenter__()
            except NameTaken as error:
                self._notice(str(error))
                name = await self._ask()

    async def _ask(self) -> str:
        """What somebody at the keyboard wants to be called; nothing for what the server says."""
        self._asking, self._name = True, asyncio.get_running_loop().create_future()
        self.view.changed()
        try:
            return await self._name
        finally:
            self._asking = False

    async def _learn(self, chat: Chat) -> None:
        """Which commands the server has."""
        answer = await chat.ask(frames.Help())
        self._usages = [(usage.command, usage.usage) for usage in answer.commands]
        self._known_rooms = [entry.room for entry in (await chat.ask(frames.Rooms())).rooms]

    async def _enter(self, name: str, *, show: bool) -> None:
        """Be in a room: what was said there before comes first, then what happens."""
        chat = self._chat
        assert chat is not None
        room = self._rooms.add(name)
        room.early = []
        self._rooms.current = self._rooms.current or name
        try:
            joined = await chat.join(name)
        except ChatError:
            self._rooms.remove(name)
            raise
        room.joined(joined)
        if show and self._rooms.current != name:
            self._show(name)
        self._note(room, f"you are in {name}: {_users(room.members)}" + (f": {room.topic}" if room.topic else ""))
        await self._past(chat, room, joined.head)

    async def _past(self, chat: Chat, room: Room, head: int) -> None:
        """Show the last that was said in a room up to a position, then what happened since."""
        if room.early is None:
            room.early = []
        try:
            page = await chat.ask(frames.History(room=room.name, before=head + 1, limit=BACKLOG)) if head else None
            for event in page.events if page else ():
                if isinstance(event, frames.Message):
                    self._log(room, event, old=True)
        finally:
            early, room.early = room.early or [], None
            for event in early:
                self._log(room, event)

    # What is typed.

    def said(self, text: str) -> None:
        """A line was typed."""
        text = text.encode("utf-8", "replace").decode()
        if self._asking:
            self._named(text.strip())
        elif text.strip() == "/quit" or text.strip() == "":
            if text.strip():
                self.leave(0)
        elif self._chat is None:
            self._early.append(text)
        elif self._chat.plain:
            self._post(self._chat.post(text, room=""), text)
        elif text.startswith("/") and not text.startswith("//"):
            self._command(self._chat, text)
        else:
            self._say(self._chat, text.removeprefix("/") if text.startswith("//") else text)
        self.view.changed()

    def typing(self, text: str) -> None:
        """A line is being typed: others in the room are told, now and then."""
        chat, now = self._chat, asyncio.get_running_loop().time()
        if self._asking or chat is None or chat.plain or not chat.connected or text.startswith("/"):
            return
        if self._rooms.current and now - self._typed >= TYPING_PERIOD:
            self._typed = now
            self._do(chat.ask(frames.Typing(room=self._rooms.current)), quiet=True)

    def go(self, number: int) -> None:
        """Show the room with this number."""
        if name := self._rooms.number(number):
            self._show(name)

    def talks(self) -> bool:
        """Whether what is typed is said, and not an answer."""
        return not self._asking

    def leave(self, code: int) -> None:
        """The end."""
        self.view.end(code)

    def _named(self, name: str) -> None:
        if self._name is not None and not self._name.done():
            self._name.set_result(name)

    def _say(self, chat: Chat, text: str, *, me: bool = False) -> None:
        if not self._rooms.current:
            self._notice("you are in no room: /join one")
            return
        self._post(chat.post(text, room=self._rooms.current, me=me), text)

    def _command(self, chat: Chat, line: str) -> None:
        room = self._rooms.current
        if not secret(line):
            self.view.show([self._words.typed(line)])
        try:
            command = commands.parse(line, room)
            match command:
                case frames.Say(text=text):
                    self._say(chat, text, me=True)
                case frames.Whisper(to=to, text=text):
                    self._post(chat.post_whisper(text, to=to), text)
                case frames.Reply(text=text) if self._reply:
                    self._post(chat.post(text, room=self._reply), text)
                case frames.Reply():
                    self._notice("there is no whisper to reply to")
                case frames.Join(room=name) if name in self._rooms:
                    self._show(name)
                case frames.Join(room=name):
                    self._do(self._enter(name, show=True))
                case frames.Quit():
                    self.leave(0)
                case frames.Request():
                    self._do(self._request(chat, command))
        except BadCommand as refused:
            self._notice(refused.message)
        except Refused as error:
            self._notice(str(error))

    async def _request(self, chat: Chat, command: frames.Request) -> None:
        answer = await chat.ask(command)
        if isinstance(command, frames.Logout):
            self._forget(chat)
        if isinstance(command, frames.Look | frames.Topic) and isinstance(answer, frames.RoomSettings):
            self._topic(answer.room, answer.topic)
        if isinstance(answer, frames.RoomList):
            self._known_rooms = [entry.room for entry in answer.rooms]
        if not isinstance(answer, frames.Joined | frames.Parted | frames.Named):  # these come as events too
            self.view.show(self._words.answer(answer, self._clock()))
        if isinstance(command, frames.Help) and not command.command:
            self._notice(KEYS)

    def _post(self, future: asyncio.Future[frames.Ack], text: str) -> None:
        """See what becomes of what was said."""

        def settled(future: asyncio.Future[frames.Ack]) -> None:
            if not future.cancelled() and (error := future.exception()) is not None:
                short = text if len(text) <= 60 else text[:60] + "…"
                self._notice(f"not said: {error}: {short}")
            self.view.changed()

        future.add_done_callback(settled)

    def _do(self, request: Coroutine[Any, Any, Any], *, quiet: bool = False) -> None:
        """Carry out a request beside all else."""
        self._spawn(self._told(request, quiet=quiet))

    async def _told(self, request: Awaitable[Any], *, quiet: bool) -> None:
        try:
            await request
        except ChatError as error:
            if not quiet and not isinstance(error, Ended):
                self._notice(str(error))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        """A fault of ours ends the program, with its trace."""
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, ChatError):
            if not isinstance(error, Ended):
                self._notice(str(error))
        elif error is not None:
            self._fault = error
            self.view.end(1)

    # What happens.

    def _hear(self, event: Event) -> None:
        match event:
            case frames.Message() | frames.Changed():
                self._happened(event)
            case Line(text):
                self.view.show(self._words.plain(text, self._clock()))
            case Connected() | Disconnected() | NameRefused() | Missed() | Left() | Delayed():
                self._connection(event)
            case frames.Joined():
                self._joined(event)
            case frames.Parted(room=room):
                self._rooms.remove(room)
                self.view.show(self._words.answer(event, self._clock()))
                if self._rooms.current:
                    self._show(self._rooms.current)
            case frames.Presence():
                if place := self._rooms.get(event.room):
                    place.changed(event)
            case frames.TypingNow(room=name, sender=sender):
                self._types(name, sender)
            case frames.Named():
                self.view.show(self._words.answer(event, self._clock()))
                self._keep(last=True)
            case frames.ReadUpTo():
                pass
            case _:
                self.view.show(self._words.answer(event, self._clock()))
        self.view.changed()

    def _connection(self, event: Connected | Disconnected | NameRefused | Missed | Left | Delayed) -> None:
        match event:
            case Connected(again=again):
                self._state = "connected"
                if again:
                    self._notice("connected again")
                    self._keep(last=False)
            case Disconnected(reason, delay):
                if self._state == "connected":
                    self._notice(f"{reason}; what you say meanwhile is sent when the connection is there again")
                self._state = f"{reason.rpartition(': ')[2]}, trying again in {max(1, round(delay))} s"
            case NameRefused(name, error):
                self._notice(f"{error}; you are {name} now")
            case Missed(room, count):
                self._notice(f"missed {count} {'message' if count == 1 else 'messages'} in {_where(room)}")
            case Left(room, error):
                self._rooms.remove(room)
                self._notice(f"you are no longer in {_where(room)}: {error}")
                if self._rooms.current:
                    self._show(self._rooms.current)
            case Delayed(room, message, delay):
                self._notice(f"{message}; it is sent again in {max(1, round(delay))} s")

    def _joined(self, frame: frames.Joined) -> None:
        room = self._rooms.get(frame.room)
        if room is None or self._chat is None:
            return
        room.joined(frame)
        if not frame.recovered:
            self._note(room, f"what was said in {room.name} meanwhile is no longer kept")
            self._do(self._past(self._chat, room, frame.head))

    def _happened(self, event: frames.Message | frames.Changed) -> None:
        if isinstance(event, frames.Message):
            self._typing.pop(event.sender, None)
            if event.sender in self._speakers:
                self._speakers.remove(event.sender)
            self._speakers.appendleft(event.sender)
        if event.room.startswith(WHISPERS):
            self._whisper(event)
            return
        room = self._rooms.get(event.room)
        if room is None:
            return
        if room.early is not None:
            room.early.append(event)
        else:
            self._log(room, event)

    def _whisper(self, event: frames.Message | frames.Changed) -> None:
        """Whispers are shown at once, in whichever room one is."""
        self._reply = event.room
        if isinstance(event, frames.Changed):
            self.view.show(self._words.answer(event, self._clock()))
            return
        others = event.sender != self._me
        self.view.show(self._words.message(event, self._me), bell=self._place.bell and others)

    def _log(self, room: Room, event: frames.Message | frames.Changed, *, old: bool = False) -> None:
        """Something happened in a room: show it, or hold it until the room is shown."""
        mention = isinstance(event, frames.Message) and mentions(event, self._me) and not old
        if isinstance(event, frames.Message):
            lines = self._words.message(event, self._me)
            if event.sender == self._me:
                room.own.appendleft((event.seq, event.text))
        else:
            lines = self._words.answer(event, self._clock())
            if event.t == "topic" and not isinstance(event.text, UnsetType):
                room.topic = event.text
        bell = mention and self._place.bell
        if room.name == self._rooms.current:
            room.seen = max(room.seen, event.seq)
            self.view.show(lines, bell=bell)
            self._read(room)
        else:
            counts = isinstance(event, frames.Message) and not old
            self._rooms.hold(room.name, lines, counts=counts, mention=mention)
            if bell:
                self.view.show([], bell=True)

    def _show(self, name: str) -> None:
        several = len(list(self._rooms)) > 1
        lines = self._rooms.show(name)
        self.view.show([self._words.headline(name), *lines] if several else lines)
        if room := self._rooms.get(name):
            self._read(room)
        self.view.changed()

    def _read(self, room: Room) -> None:
        """Tell the server up to where one has read, now and then."""
        chat, now = self._chat, asyncio.get_running_loop().time()
        if chat is not None and chat.connected and room.seen and now - self._marked >= READ_PERIOD:
            self._marked = now
            self._do(chat.ask(frames.Read(room=room.name, seq=room.seen)), quiet=True)

    def _note(self, room: Room, text: str) -> None:
        """Words on a room, where it is shown or when it is."""
        lines = self._words.notice(text, self._clock())
        if room.name == self._rooms.current:
            self.view.show(lines)
        else:
            self._rooms.hold(room.name, lines, counts=False, mention=False)

    def _notice(self, text: str) -> None:
        self.view.show(self._words.notice(text, self._clock()))

    def _types(self, room: str, name: str) -> None:
        loop = asyncio.get_running_loop()
        self._typing[name] = (room, loop.time() + TYPES)
        loop.call_later(TYPES + 0.1, self.view.changed)

    def _topic(self, name: str, topic: str) -> None:
        if room := self._rooms.get(name):
            room.topic = topic

    def _keep(self, *, last: bool) -> None:
        """Remember who one is."""
        chat = self._chat
        if chat is not None and chat.token:
            try:
                self._identities.keep(chat.url, chat.name, chat.token, last=last)
            except OSError as error:
                self._notice(f"your name and token can't be kept: {error}")

    def _forget(self, chat: Chat) -> None:
        try:
            self._identities.forget(chat.url, chat.token)
        except OSError as error:
            self._notice(f"your token can't be forgotten: {error}")

    # What is drawn.

    @property
    def _me(self) -> str:
        return self._chat.name if self._chat is not None else ""

    def prompt(self) -> str:
        """What stands before the line that is typed."""
        if self._asking:
            return "your name: "
        return f"{safe.line(self._rooms.current)}> "

    def toolbar(self) -> str:
        """Where one is, how the connection is, what else happens."""
        if self._asking:
            return f"{shown(self._place.url)} · Enter alone for a name that the server gives"
        room = self._rooms.get(self._rooms.current)
        where, topic = (room.name, room.topic) if room else (shown(self._place.url), "")
        parts = [where, self._connected_words(), *self._elsewhere(), self._typists(), topic]
        return " · ".join(part for part in parts if part)

    def _connected_words(self) -> str:
        waiting = self._chat.unsaid if self._chat is not None else 0
        who = f" as {self._me}" if self._state == "connected" and self._me else ""
        return f"{self._state}{who}" + (f", {waiting} to be sent" if waiting and self._state != "connected" else "")

    def _elsewhere(self) -> Iterable[str]:
        for number, room in self._rooms.activity():
            mark = "!" if room.mentioned else ""
            yield f"{number}:{room.name}" + (f" ({room.unread}{mark})" if room.unread else "")

    def _typists(self) -> str:
        now = asyncio.get_running_loop().time()
        self._typing = {name: (room, until) for name, (room, until) in self._typing.items() if until > now}
        names = [name for name, (room, _) in self._typing.items() if room == self._rooms.current]
        return f"{', '.join(names[:3])} {'is' if len(names) == 1 else 'are'} typing" if names else ""

    # What can be completed.

    def names(self) -> list[str]:
        """Of people, those who spoke last first; not oneself."""
        spoke = list(self._speakers)
        return [
            name for name in (*spoke, *(name for name in self._rooms.names() if name not in spoke)) if name != self._me
        ]

    def rooms(self) -> list[str]:
        """The rooms that one is in, then those that are known of."""
        here = [room.name for room in self._rooms]
        return [*here, *(room for room in self._known_rooms if room not in here)]

    def usages(self) -> list[tuple[str, str]]:
        """The commands of the server, with what they take."""
        return self._usages

    def own(self) -> list[tuple[int, str]]:
        """One's own last messages in the room that is shown."""
        room = self._rooms.get(self._rooms.current)
        return list(room.own) if room else []


def _users(count: int) -> str:
    return "1 user" if count == 1 else f"{count} users"


def _where(room: str) -> str:
    return "your whispers" if room == WHISPERS else room
