"""The client in a pipe: each line of standard input is a message, messages of others go to standard output, and all
else goes to standard error. It ends when every line of the input is acknowledged, unless it is to go on."""

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
from app.chat.typed import is_blank
from app.client.address import without_password
from app.client.chat import Chat, connect
from app.client.credentials import Credentials, CredentialsError
from app.client.errors import Banned, ChatError, Refused, Uncertain, Unsupported, from_frame
from app.client.events import Connected, Delayed, Disconnected, Event, Left, Line, NameRefused
from app.client.languages.catalogue import Catalogue, translatable
from app.client.sanitize import safe_line
from app.client.stdin import read_lines

MAX_UNACKNOWLEDGED = 256
"""Lines that are read before the first of them is acknowledged."""
HISTORY_TIMEOUT = 2.0
"""Seconds without an event after which no more of the history is expected."""
_HOPELESS = (Code.NOT_JOINED, Code.MUTED, Code.BANNED, Code.INVITATION_ONLY, Code.UNKNOWN_NAME, Code.UNKNOWN_TYPE)
"""If one line is refused with one of these, so would be the next."""


@dataclass(frozen=True, slots=True)
class PipeOptions:
    """The arguments of the command."""

    url: str
    name: str = ""
    rooms: tuple[str, ...] = ()
    """Empty for the room that the server wants people to join first."""
    to: tuple[str, ...] = ()
    json: bool = False
    follow: bool = False
    since: int | None = None
    once: bool = False


class Pipe:
    """One run of the client in a pipe."""

    def __init__(self, options: PipeOptions, credentials: Credentials, catalogue: Catalogue, program: str) -> None:
        self._options, self._credentials, self._program = options, credentials, program
        self._catalogue = catalogue
        self._rooms = options.rooms
        self._failed_lines = 0
        self._history_ends: dict[str, int] = {}
        """By room, the last position of the history that is still being printed."""
        self._history_done = asyncio.Event()
        self._message_received = asyncio.Event()
        """Whether there was a message of someone else."""
        self._fatal: ChatError | None = None
        """Why no more lines can be sent."""
        self._sending: asyncio.Task[None] | None = None
        self._joining: set[str] = set()
        """Rooms whose join was answered, but whose Joined event has not come yet."""
        self._closing = False
        """Whether unacknowledged lines have been reported, and need no report of their own."""

    async def run(self) -> int:
        """Run until the end, and return the exit code. ChatError if nothing can be done."""
        name, token = self._find_credentials()
        async with connect(self._options.url, name=name, token=token) as chat:
            self._keep_credentials(chat)
            await self._join(chat)
            printing = asyncio.create_task(self._print_events(chat))
            sending = self._sending = asyncio.create_task(self._send_lines(chat))
            try:
                await self._until_done(printing, sending)
            finally:
                for task in (printing, sending):
                    task.cancel()
                await asyncio.wait({printing, sending})
                self._closing = True
                if chat.pending_messages:
                    self._warn("pipe.unacknowledged", count=chat.pending_messages)
        if self._fatal is not None:
            raise self._fatal
        return 1 if self._failed_lines else 0

    async def _until_done(self, printing: asyncio.Task[None], sending: asyncio.Task[None]) -> None:
        await asyncio.wait({printing, sending}, return_when=asyncio.FIRST_COMPLETED)
        if sending.done() and self._fatal is None:
            sending.result()
        if self._fatal is None and not printing.done():
            await self._wait_for_more(printing)
        if printing.done():
            printing.result()

    async def _wait_for_more(self, printing: asyncio.Task[None]) -> None:
        """Wait for what is wanted beyond the end of the input."""
        if self._options.once or (self._options.since is not None and not self._options.follow):
            waiting = asyncio.create_task((self._message_received if self._options.once else self._history_done).wait())
            await asyncio.wait({printing, waiting}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
        elif self._options.follow:
            await asyncio.wait({printing})

    async def _join(self, chat: Chat) -> None:
        """Join the rooms to print."""
        self._rooms = self._rooms or (chat.room,)
        if chat.text_only:
            self._history_done.set()
            if self._options.to:
                raise Unsupported(translatable("pipe.no_whispers", url=without_password(chat.url)))
            return
        for room in (WHISPERS,) if self._options.to else self._rooms:
            joined = await chat.join(room, after=self._options.since)
            self._joining.add(room)
            if not joined.recovered:
                self._warn("pipe.history_trimmed", room=room, seq=self._options.since)
            elif self._options.since is not None and joined.head > self._options.since:
                self._history_ends[room] = joined.head
        if not self._history_ends:
            self._history_done.set()

    # Standard input.

    async def _send_lines(self, chat: Chat) -> None:
        """Send each line of the input, and wait until all are acknowledged."""
        if sys.stdin is None or not _may_read(sys.stdin.fileno()):
            return
        free = asyncio.Semaphore(MAX_UNACKNOWLEDGED)
        number = 0
        async for line in read_lines(sys.stdin.fileno()):
            number += 1
            if is_blank(line.decode(errors="replace")):
                continue
            await free.acquire()
            try:
                future = self._send(chat, line.decode())
            except UnicodeDecodeError:
                self._report(number, translatable("pipe.not_utf8"))
                free.release()
            except Refused as error:
                self._report(number, error.message)
                free.release()
            else:
                future.add_done_callback(self._line_settled(number, free))
            if number % MAX_UNACKNOWLEDGED == 0:
                await asyncio.sleep(0)
        for _ in range(MAX_UNACKNOWLEDGED):
            await free.acquire()

    def _send(self, chat: Chat, line: str) -> asyncio.Future[frames.Ack]:
        if self._options.to:
            return chat.post_whisper(line, to=self._options.to)
        return chat.post(line, room=self._rooms[0])

    def _line_settled(self, number: int, free: asyncio.Semaphore) -> Callable[[asyncio.Future[frames.Ack]], None]:
        def settled(future: asyncio.Future[frames.Ack]) -> None:
            free.release()
            error = None if future.cancelled() else future.exception()
            if self._closing:
                return
            if isinstance(error, Refused) and error.code in _HOPELESS:
                self._stop_sending(error)
            elif isinstance(error, Refused | Uncertain):
                self._report(number, error.message)

        return settled

    def _stop_sending(self, error: ChatError) -> None:
        self._fatal = self._fatal or error
        if self._sending is not None:
            self._sending.cancel()

    def _report(self, number: int, problem: str) -> None:
        """Say what is wrong with a line."""
        self._failed_lines += 1
        self._warn("pipe.line", number=number, problem=problem)

    # Standard output.

    async def _print_events(self, chat: Chat) -> None:
        """Print what happens, until the chat ends."""
        while True:
            try:
                async with asyncio.timeout(None if self._history_done.is_set() else HISTORY_TIMEOUT):
                    event = await anext(chat, None)
            except TimeoutError:
                self._history_done.set()
                continue
            if event is None:
                return
            self._on_event(chat, event)
            interactive = sys.stdin is not None and sys.stdin.isatty()
            if self._options.once and self._message_received.is_set() and interactive:
                return

    def _on_event(self, chat: Chat, event: Event) -> None:
        match event:
            case frames.Message() | frames.Changed():
                self._print(chat, event)
            case Line(said, own):
                self._print_line(said, own=own)
            case Disconnected(reason, delay):
                self._warn("pipe.reconnecting", reason=reason, seconds=f"{delay:.1f}")
            case Connected(again=True):
                self._warn("connected.again")
                self._keep_credentials(chat)
            case frames.Named():
                self._keep_credentials(chat)
            case NameRefused(name, error):
                self._warn_about(error.message)
                self._warn("reply.named", name=name)
            case Delayed(message=message):
                self._warn_about(message)
            case frames.Joined(room=room) if room in self._joining:
                self._joining.remove(room)  # `_join` has dealt with it
            case frames.Joined(recovered=False, room=room):
                self._warn("room.gap", room=room)
            case Left(room, error):
                self._removed(room, error.message)
            case frames.Parted(room=room, why=why) if why:
                self._removed(room, why)
            case frames.Error():
                self._warn_about(from_frame(event).message)
            case _:
                pass

    def _removed(self, room: str, why: str) -> None:
        self._fatal = Banned(Code.BANNED, translatable("room.removed", room=room, why=why))
        raise self._fatal

    def _print(self, chat: Chat, event: frames.Message | frames.Changed) -> None:
        own = chat.wrote(event)
        print_own = self._options.follow or self._options.since is not None
        log = WHISPERS if event.room.startswith(WHISPERS) else event.room
        done = self._options.once and self._message_received.is_set()
        if (print_own or not own) and not done:
            if self._options.json:
                _write(json.dumps(to_builtins(event)))
            elif isinstance(event, frames.Message) and not event.deleted:
                prefix = f"{event.room} " if len(self._rooms) > 1 else ""
                _write(prefix + safe_line(text.message_frame(event)))
        if isinstance(event, frames.Message) and not own:
            self._message_received.set()
        if event.seq >= self._history_ends.get(log, event.seq + 1):
            del self._history_ends[log]
        if not self._history_ends:
            self._history_done.set()

    def _print_line(self, said: str, *, own: bool) -> None:
        """Print a text from a text-only server. What it says itself is no message."""
        if said.startswith(("*** ", "You are connected!")):
            self._warn_about(said)
            return
        if not own or self._options.follow:
            _write(json.dumps({"t": "line", "text": said}) if self._options.json else safe_line(said))
        if not own:
            self._message_received.set()

    # Names and tokens.

    def _find_credentials(self) -> tuple[str, str]:
        """The name to ask for, and the token."""
        try:
            name, token = self._credentials.find(self._options.url, self._options.name)
        except CredentialsError as error:
            self._warn_about(error.message)
            return self._options.name, ""
        return ("" if reserved(name) else name), token

    def _keep_credentials(self, chat: Chat) -> None:
        if chat.token:
            try:
                self._credentials.keep(chat.url, chat.name, chat.token, last=False)
            except CredentialsError as error:
                self._warn("credentials.not_kept", problem=error.message)

    # Standard error.

    def _warn(self, key: str, **values: object) -> None:
        self._warn_about(translatable(key, **values))

    def _warn_about(self, problem: str) -> None:
        sys.stderr.write(f"{self._program}: {safe_line(self._catalogue.translate(problem))}\n")
        sys.stderr.flush()


def _may_read(descriptor: int) -> bool:
    """Whether the program may read standard input: reading a terminal would stop one that runs in the background."""
    if not os.isatty(descriptor):
        return True
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:
        return False


def _write(line: str) -> None:
    sys.stdout.buffer.write(line.encode() + b"\n")
    sys.stdout.buffer.flush()
