"""The client in a pipe: each line of standard input is a message, messages go to standard output, all else to standard
error. It ends when the input has ended and all of it is acknowledged, unless it is to go on."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

from msgspec import to_builtins

from app.chat import frames, text
from app.chat.errors import Code
from app.chat.logs import WHISPERS
from app.chat.names import reserved
from app.client.address import shown
from app.client.chat import Chat, connect
from app.client.errors import Banned, ChatError, Refused, Uncertain
from app.client.events import Connected, Delayed, Disconnected, Event, Left, Line, NameRefused
from app.client.identity import Identities
from app.client.lines import lines
from app.client.safe import line

AHEAD = 256
"""Lines that are read before the first of them is acknowledged."""
QUIET = 2.0
"""Seconds without an event after which no more of the past is expected."""
_USELESS = (Code.NOT_JOINED, Code.MUTED, Code.BANNED, Code.INVITATION_ONLY, Code.UNKNOWN_NAME, Code.UNKNOWN_TYPE)
"""What is refused for one line, and will be for the next."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do: the arguments of the command."""

    url: str
    name: str = ""
    rooms: tuple[str, ...] = ()
    """Without any that in which the server wants people to begin."""
    to: tuple[str, ...] = ()
    json: bool = False
    follow: bool = False
    since: int | None = None
    once: bool = False


class Pipe:
    """One run."""

    def __init__(self, plan: Plan, identities: Identities, program: str) -> None:
        self._plan, self._identities, self._program = plan, identities, program
        self._rooms = plan.rooms
        self._failed = 0
        self._heads: dict[str, int] = {}
        """Up to where there is something of the past to print, in each room."""
        self._heard, self._past = asyncio.Event(), asyncio.Event()
        self._useless: ChatError | None = None
        self._talking: asyncio.Task[None] | None = None
        self._entering: set[str] = set()
        self._leaving = False
        """Whether what is not acknowledged yet is told of already."""

    async def run(self) -> int:
        """Do it; the answer is the exit code. ChatError where nothing can be done."""
        name, token = _remembered(self._identities, self._plan, self._warn)
        async with connect(self._plan.url, name=name, token=token) as chat:
            self._keep(chat)
            await self._enter(chat)
            listening = asyncio.create_task(self._listen(chat))
            talking = self._talking = asyncio.create_task(self._talk(chat))
            try:
                await self._until_done(listening, talking)
            finally:
                for task in (listening, talking):
                    task.cancel()
                await asyncio.wait({listening, talking})
                self._leaving = True
                if chat.unsaid:
                    self._warn(f"{chat.unsaid} lines are not acknowledged")
        if self._useless is not None:
            raise self._useless
        return 1 if self._failed else 0

    async def _until_done(self, listening: asyncio.Task[None], talking: asyncio.Task[None]) -> None:
        await asyncio.wait({listening, talking}, return_when=asyncio.FIRST_COMPLETED)
        if talking.done() and self._useless is None:
            talking.result()
        if self._useless is None and not listening.done():
            await self._go_on(listening)
        if listening.done():
            listening.result()

    async def _go_on(self, listening: asyncio.Task[None]) -> None:
        """All is said: wait for what else is wanted."""
        if self._plan.once or (self._plan.since is not None and not self._plan.follow):
            waiting = asyncio.create_task((self._heard if self._plan.once else self._past).wait())
            await asyncio.wait({listening, waiting}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
        elif self._plan.follow:
            await asyncio.wait({listening})

    async def _enter(self, chat: Chat) -> None:
        """Join what is to be heard."""
        self._rooms = self._rooms or (chat.room,)
        if chat.plain:
            self._past.set()
            if self._plan.to:
                raise Refused(Code.UNKNOWN_TYPE, f"{shown(self._plan.url)} speaks only text: it has no whispers")
            return
        for room in (WHISPERS,) if self._plan.to else self._rooms:
            joined = await chat.join(room, after=self._plan.since)
            self._entering.add(room)
            if not joined.recovered:
                self._warn(f"what came after {self._plan.since} in {room} is no longer kept")
            elif self._plan.since is not None and joined.head > self._plan.since:
                self._heads[room] = joined.head
        if not self._heads:
            self._past.set()

    # Talking.

    async def _talk(self, chat: Chat) -> None:
        """Say each line, and see that each is acknowledged."""
        if sys.stdin is None or not _may_read(sys.stdin.fileno()):
            return
        free = asyncio.Semaphore(AHEAD)
        number = 0
        async for said in lines(sys.stdin.fileno()):
            number += 1
            await free.acquire()
            try:
                future = self._say(chat, said.decode())
            except UnicodeDecodeError:
                self._refuse(number, "it is not UTF-8")
                free.release()
            except Refused as refused:
                self._refuse(number, str(refused))
                free.release()
            else:
                future.add_done_callback(self._settled(number, free))
            if number % AHEAD == 0:
                await asyncio.sleep(0)
        for _ in range(AHEAD):
            await free.acquire()

    def _say(self, chat: Chat, said: str) -> asyncio.Future[frames.Ack]:
        if self._plan.to:
            return chat.post_whisper(said, to=self._plan.to)
        return chat.post(said, room=self._rooms[0])

    def _settled(self, number: int, free: asyncio.Semaphore) -> Callable[[asyncio.Future[frames.Ack]], None]:
        def settled(future: asyncio.Future[frames.Ack]) -> None:
            free.release()
            error = None if future.cancelled() else future.exception()
            if self._leaving:
                return
            if isinstance(error, Refused) and error.code in _USELESS:
                self._stop(error)
            elif isinstance(error, Refused | Uncertain):
                self._refuse(number, str(error))

        return settled

    def _stop(self, error: ChatError) -> None:
        """No line will be said any more."""
        self._useless = self._useless or error
        if self._talking is not None:
            self._talking.cancel()

    def _refuse(self, number: int, problem: str) -> None:
        self._failed += 1
        self._warn(f"line {number}: {problem}")

    # Listening.

    async def _listen(self, chat: Chat) -> None:
        """Print what is said, until that is over."""
        while True:
            try:
                async with asyncio.timeout(None if self._past.is_set() else QUIET):
                    event = await anext(chat, None)
            except TimeoutError:
                self._past.set()
                continue
            if event is None:
                return
            self._hear(chat, event)
            if self._plan.once and self._heard.is_set() and sys.stdin is not None and sys.stdin.isatty():
                return

    def _hear(self, chat: Chat, event: Event) -> None:
        match event:
            case frames.Message() | frames.Changed():
                self._print(chat, event)
            case Line(said, own):
                self._line(said, own=own)
            case Disconnected(reason, delay):
                self._warn(f"{reason}; trying again in {delay:.1f} s")
            case Connected(again=True):
                self._warn("connected again")
                self._keep(chat)
            case frames.Named():
                self._keep(chat)
            case NameRefused(called, error):
                self._warn(f"{error}; you are {called} now")
            case Delayed(message=message):
                self._warn(message)
            case frames.Joined(room=room) if room in self._entering:
                self._entering.remove(room)  # the answer said it
            case frames.Joined(recovered=False, room=room):
                self._warn(f"what was said in {room} meanwhile is no longer kept")
            case Left(room, error):
                self._useless = Banned(Code.BANNED, f"you are no longer in {room}: {error}")
                raise self._useless
            case frames.Parted(room=room, why=why) if why:
                self._useless = Banned(Code.BANNED, f"you are no longer in {room}: {why}")
                raise self._useless
            case frames.Error(message=message):
                self._warn(message)
            case _:
                pass

    def _print(self, chat: Chat, event: frames.Message | frames.Changed) -> None:
        own = chat.wrote(event)
        whole = self._plan.follow or self._plan.since is not None
        log = WHISPERS if event.room.startswith(WHISPERS) else event.room
        done = self._plan.once and self._heard.is_set()
        if (whole or not own) and not done:
            if self._plan.json:
                _out(json.dumps(to_builtins(event)))
            elif isinstance(event, frames.Message) and not event.deleted:
                where = f"{event.room} " if len(self._rooms) > 1 else ""
                _out(where + line(text.said(event)))
        if isinstance(event, frames.Message) and not own:
            self._heard.set()
        if event.seq >= self._heads.get(log, event.seq + 1):
            del self._heads[log]
        if not self._heads:
            self._past.set()

    def _line(self, said: str, *, own: bool) -> None:
        """From a server of text: its own words are no message."""
        if said.startswith(("*** ", "You are connected!")):
            self._warn(said)
            return
        if not own or self._plan.follow:
            _out(json.dumps({"t": "line", "text": said}) if self._plan.json else line(said))
        if not own:
            self._heard.set()

    def _keep(self, chat: Chat) -> None:
        """Remember who one is."""
        if chat.token:
            try:
                self._identities.keep(chat.url, chat.name, chat.token, last=False)
            except OSError as error:
                self._warn(f"your name and token are not kept: {error}")

    def _warn(self, problem: str) -> None:
        sys.stderr.write(f"{self._program}: {line(problem)}\n")
        sys.stderr.flush()


def _remembered(identities: Identities, plan: Plan, warn: Callable[[str], None]) -> tuple[str, str]:
    """The name to ask for, and the token to be known by."""
    try:
        name, token = identities.find(plan.url, plan.name)
    except OSError as error:
        warn(str(error))
        return plan.name, ""
    return ("" if reserved(name) else name), token


def _may_read(descriptor: int) -> bool:
    """Whether reading a terminal would not stop this program, as one that runs in the background."""
    if not os.isatty(descriptor):
        return True
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:
        return False


def _out(said: str) -> None:
    sys.stdout.buffer.write(said.encode() + b"\n")
    sys.stdout.buffer.flush()
