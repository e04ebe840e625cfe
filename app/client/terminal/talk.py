"""A conversation: one chat and the scene that shows it, from the question for a name to the end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from app.chat import frames
from app.chat.closing import CloseCode
from app.chat.logs import WHISPERS
from app.chat.names import reserved
from app.client.chat import Chat, connect
from app.client.errors import ChatError, Ended, NameTaken
from app.client.events import Connected, Delayed, Disconnected, Event, Left, Line, Missed, NameRefused
from app.client.identity import Identities
from app.client.terminal.rooms import Room
from app.client.terminal.scene import Scene
from app.client.terminal.typed import Typed

BACKLOG = 30
"""Messages of the past that are shown on entering a room."""
TYPING_PERIOD = 3.0
"""Seconds between two words to the server that one is typing."""
READ_PERIOD = 2.0
"""Seconds between two words to the server on up to where one has read."""
TURN = 50
"""Events that are shown in one turn of the loop."""
PLAIN_ROOM = "chat"
"""What the one room of a server is called that has no rooms."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where to chat, and as whom."""

    url: str
    name: str
    token: str
    rooms: tuple[str, ...]
    """Without any that in which the server wants people to begin."""


class Talk:
    """One conversation, through as many connections as it takes."""

    def __init__(self, place: Place, identities: Identities, scene: Scene) -> None:
        self._place, self._identities, self._scene = place, identities, scene
        self._chat: Chat | None = None
        self._typed: Typed | None = None
        self._early: list[str] = []
        """What was typed before there was a connection."""
        self._name: asyncio.Future[str] | None = None
        self._told_typing = self._told_read = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._error: ChatError | None = None
        self._fault: BaseException | None = None

    async def run(self) -> int:
        """Talk until the end; the answer is the exit code. ChatError where that is why."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.leave, 128 + number)
        self._spawn(self._live())
        code = await self._scene.view.run()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._chat is not None:
            await self._chat.close()
        if error := self._fault or self._error:
            raise error
        return code

    # The keyboard.

    def said(self, text: str) -> None:
        """A line was typed."""
        text = text.encode("utf-8", "replace").decode()
        if text.strip() == "/quit":
            self.leave(0)
        elif self._name is not None and not self._name.done():
            self._name.set_result(text.strip())
        elif not text.strip():
            pass
        elif self._typed is None:
            self._early.append(text)
        else:
            self._typed.line(text)
        self._scene.view.changed()

    def typing(self, text: str) -> None:
        """A line is being typed: others in the room are told, now and then."""
        chat, room, now = self._chat, self._scene.rooms.current, asyncio.get_running_loop().time()
        if chat is None or chat.plain or not chat.connected or not room or text.startswith("/"):
            return
        if now - self._told_typing >= TYPING_PERIOD:
            self._told_typing = now
            self._spawn(self._hint(chat.ask(frames.Typing(room=room))))

    def go(self, number: int) -> None:
        """Show the room with this number."""
        if name := self._scene.rooms.number(number):
            self._scene.show(name)
            self._tell_read()

    def leave(self, code: int) -> None:
        """The end."""
        self._scene.view.end(code)

    def talks(self) -> bool:
        """Whether what is typed is said, and not an answer."""
        return not self._scene.question

    # Coming in.

    async def _live(self) -> None:
        """Be in the chat until the end of it."""
        await self._scene.view.there()  # what a connection takes is loaded only then
        try:
            chat = self._chat = await self._connect()
            self._scene.waiting, self._scene.wrote = lambda: chat.unsaid, chat.wrote
            self._connected(chat)
            await self._begin(chat)
            heard = 0
            async for event in chat:
                self._hear(chat, event)
                self._scene.view.changed()
                heard += 1
                if heard % TURN == 0:  # of much that comes at once, so that the keyboard has its turn
                    await asyncio.sleep(0)
        except ChatError as error:
            if not (isinstance(error, Ended) and error.code == CloseCode.BYE):
                self._error = error
        self.leave(0)

    async def _connect(self) -> Chat:
        """The chat, under a name that could be had."""
        name, token = self._place.name, self._place.token
        if not name and not token:
            name = await self._ask_name()
        while True:
            self._scene.status = "connecting"
            self._scene.view.changed()
            wanted = "" if token and reserved(name.casefold()) else name
            try:
                return await connect(self._place.url, name=wanted, token=token).__aenter__()
            except NameTaken as error:
                self._scene.notice(str(error))
                name = await self._ask_name()

    async def _ask_name(self) -> str:
        """What somebody at the keyboard wants to be called; nothing for what the server says."""
        self._scene.question, self._name = "your name: ", asyncio.get_running_loop().create_future()
        self._scene.view.changed()
        try:
            return await self._name
        finally:
            self._scene.question = ""

    async def _begin(self, chat: Chat) -> None:
        """Enter the rooms, and say what was typed meanwhile."""
        if chat.plain:
            self._scene.rooms.add(PLAIN_ROOM)
            self._scene.show(PLAIN_ROOM)
        else:
            self._do(self._learn(chat))
            self._do(chat.join(WHISPERS))
            for room in self._place.rooms or (chat.room,):
                self._do(self._enter(chat, room, show=False))
            await asyncio.sleep(0)  # these are on their way before what was typed
        self._typed = Typed(
            chat,
            self._scene,
            do=self._do,
            enter=lambda name: self._enter(chat, name, show=True),
            forget=lambda: self._forget(chat),
        )
        for text in self._early:
            self._typed.line(text)

    async def _learn(self, chat: Chat) -> None:
        """Which commands the server has, and which rooms."""
        self._scene.usages = [(usage.command, usage.usage) for usage in (await chat.ask(frames.Help())).commands]
        self._scene.known_rooms = [entry.room for entry in (await chat.ask(frames.Rooms())).rooms]

    async def _enter(self, chat: Chat, name: str, *, show: bool) -> None:
        """Be in a room: what was said there before comes first, then what happens."""
        rooms = self._scene.rooms
        room = rooms.add(name)
        room.early = []
        rooms.current = rooms.current or name
        try:
            joined = await chat.join(name)
        except ChatError:
            self._scene.leave(name)
            raise
        room.joined(joined)
        if show and rooms.current != name:
            self._scene.show(name)
        about = f": {room.topic}" if room.topic else ""
        users = "1 user" if room.members == 1 else f"{room.members} users"
        self._scene.note(room, f"you are in {name}: {users}{about}")
        await self._show_past(chat, room, joined.head)

    async def _show_past(self, chat: Chat, room: Room, head: int) -> None:
        """Show the last that was said in a room up to a position, then what happened since."""
        room.early = room.early or []
        try:
            page = await chat.ask(frames.History(room=room.name, before=head + 1, limit=BACKLOG)) if head else None
            for event in page.events if page else ():
                if isinstance(event, frames.Message):
                    self._scene.log(room, event, old=True)
        finally:
            early, room.early = room.early or [], None
            for event in early:
                self._scene.log(room, event)

    # What happens.

    def _hear(self, chat: Chat, event: Event) -> None:
        scene = self._scene
        match event:
            case frames.Message() | frames.Changed():
                scene.happened(event)
                self._tell_read()
            case Line(text):
                scene.view.show(scene.words.plain(text, scene.clock()))
            case Connected() | Disconnected() | NameRefused() | Missed() | Left() | Delayed():
                self._hear_connection(chat, event)
            case frames.Joined():
                self._hear_joined(chat, event)
            case frames.Parted(room=name):
                scene.answer(event)
                scene.leave(name)
            case frames.Presence():
                if room := scene.rooms.get(event.room):
                    room.changed(event)
            case frames.TypingNow(room=name, sender=sender):
                scene.types(name, sender)
            case frames.Named():
                scene.answer(event)
                self._keep(chat, last=True)
            case frames.ReadUpTo():
                pass
            case _:
                scene.answer(event)

    def _hear_connection(
        self, chat: Chat, event: Connected | Disconnected | NameRefused | Missed | Left | Delayed
    ) -> None:
        scene = self._scene
        match event:
            case Connected(again=True):
                scene.notice("connected again")
                self._connected(chat)
            case Disconnected(reason, delay):
                if scene.connected:
                    scene.notice(f"{reason}; what you say meanwhile is sent when the connection is there again")
                scene.connected = False
                scene.status = f"{reason.rpartition(': ')[2]}, trying again in {max(1, round(delay))} s"
            case NameRefused(name, error):
                scene.notice(f"{error}; you are {name} now")
            case Missed(name, count):
                where = "your whispers" if name == WHISPERS else name
                scene.notice(f"missed {count} {'message' if count == 1 else 'messages'} in {where}")
            case Left(name, error):
                scene.notice(f"you are no longer in {name}: {error}")
                scene.leave(name)
            case Delayed(message=message, delay=delay):
                scene.notice(f"{message}; it is sent again in {max(1, round(delay))} s")

    def _hear_joined(self, chat: Chat, frame: frames.Joined) -> None:
        room = self._scene.rooms.get(frame.room)
        if room is not None:
            room.joined(frame)
            if not frame.recovered:
                self._scene.note(room, f"what was said in {room.name} meanwhile is no longer kept")
                self._do(self._show_past(chat, room, frame.head))

    def _connected(self, chat: Chat) -> None:
        self._scene.connected, self._scene.status = True, "connected"
        self._keep(chat, last=True)
        self._scene.view.changed()

    def _tell_read(self) -> None:
        """Tell the server up to where one has read, now and then."""
        chat, now = self._chat, asyncio.get_running_loop().time()
        room = self._scene.rooms.get(self._scene.rooms.current)
        if chat is None or room is None or not room.seen or not chat.connected:
            return
        if now - self._told_read >= READ_PERIOD:
            self._told_read = now
            self._spawn(self._hint(chat.ask(frames.Read(room=room.name, seq=room.seen))))

    # Who one is.

    def _keep(self, chat: Chat, *, last: bool) -> None:
        """Remember who one is."""
        self._scene.me = chat.name
        if chat.token:
            try:
                self._identities.keep(chat.url, chat.name, chat.token, last=last)
            except OSError as error:
                self._scene.notice(f"your name and token are not kept: {error}")

    def _forget(self, chat: Chat) -> None:
        try:
            self._identities.forget(chat.url, chat.token)
        except OSError as error:
            self._scene.notice(f"your token is not forgotten: {error}")

    # Work beside all else.

    def _do(self, request: Coroutine[Any, Any, Any]) -> None:
        """Carry out a request; where it is refused that is told."""
        self._spawn(self._told(request))

    async def _told(self, request: Coroutine[Any, Any, Any]) -> None:
        try:
            await request
        except ChatError as error:
            if not isinstance(error, Ended):
                self._scene.notice(str(error))

    async def _hint(self, request: Coroutine[Any, Any, Any]) -> None:
        """Carry out a request that nobody misses."""
        try:
            await request
        except ChatError:
            return

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        """A fault of ours ends the program, with its trace."""
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._fault = error
            self.leave(1)
