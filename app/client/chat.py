"""The chat as a program has it: what is said, what is heard, over a connection that mends itself."""

from __future__ import annotations

import asyncio
import random
import secrets
import ssl
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

from msgspec import UnsetType

from app.chat import frames
from app.chat.closing import CloseCode
from app.chat.dialects import JSON_SUBPROTOCOL
from app.chat.errors import Code
from app.chat.frames import Ack
from app.client.address import DEFAULT, normal, shown
from app.client.backoff import Backoff
from app.client.connection import TIMEOUT, dial, ending
from app.client.errors import ChatError, Ended, Interrupted, NotAChat, Refused, TlsFailure, Unreachable
from app.client.events import Connected, Disconnected, Event, Fail, Line, NameRefused, Send, Settle, Tell
from app.client.plain import PlainProtocol
from app.client.protocol import Protocol

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

MOST_UNREAD = 10_000
"""Events that wait for the reader; what comes then is asked for again when half of them are read."""


class Chat:
    """One user of a chat. Make it with `connect`.

    The connection is made again when it breaks, for as long as it takes, and joined rooms are followed from where they
    were. Messages to one room are stored in the order in which they were sent, once each. Iterate over it for what
    happens: the events of a room come in their order, once each; of those of several rooms the order is not told.
    """

    def __init__(
        self, url: str = DEFAULT, *, name: str = "", token: str = "", context: ssl.SSLContext | None = None
    ) -> None:
        self.url = normal(url)
        self._context = context
        self._protocol: Protocol | PlainProtocol = Protocol(name=name, token=token)
        self._backoff = Backoff(random.SystemRandom().random)
        self._connection: ClientConnection | None = None
        self._texts: deque[str] = deque()
        self._writable = asyncio.Event()
        self._events: deque[Event] = deque()
        self._eventful = asyncio.Event()
        self._passed_over = False
        self._futures: dict[str | int, asyncio.Future[Any]] = {}
        self._opening: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._error: ChatError | None = None
        self._fault: BaseException | None = None
        self._prefix, self._said = secrets.token_urlsafe(12), 0

    # Who one is.

    @property
    def name(self) -> str:
        """What you are called; nothing where the server speaks only text."""
        return self._protocol.name

    @property
    def id(self) -> int:
        """Who you are, for good; 0 where the server speaks only text."""
        return self._protocol.id if isinstance(self._protocol, Protocol) else 0

    @property
    def token(self) -> str:
        """The secret that makes you the same user later, as the `token` of `connect`."""
        return self._protocol.token

    @property
    def room(self) -> str:
        """The room in which the server wants people to begin; nothing where it speaks only text."""
        return self._protocol.room if isinstance(self._protocol, Protocol) else ""

    @property
    def limits(self) -> dict[str, float]:
        """What one may have at most, as `docs/protocol.md` tells it; 0 for no limit."""
        return self._protocol.limits

    @property
    def plain(self) -> bool:
        """Whether the server speaks only text: no rooms, no names, no acks."""
        return isinstance(self._protocol, PlainProtocol)

    @property
    def connected(self) -> bool:
        """Whether there is a connection at the moment."""
        return self._protocol.connected

    @property
    def unsaid(self) -> int:
        """How many messages have not come to their end."""
        return sum(isinstance(key, str) for key in self._futures)

    def wrote(self, event: frames.Message | frames.Changed) -> bool:
        """Whether you are the author of it, whatever you were called then. An older server tells no ids of authors:
        there your name of now decides."""
        return event.sender == self.name if isinstance(event.user, UnsetType) else event.user == self.id

    # What one does.

    async def join(self, room: str, *, after: int | None = None, epoch: str = "") -> frames.Joined:
        """Follow a room from now on, or from position `after` of the history `epoch`. `@` is what is whispered to you.
        Banned, or another Refused, where you may not."""
        command = frames.Join(room=room)
        if after is not None:
            command.after = after
            if epoch:
                command.epoch = epoch
        return cast(frames.Joined, await self.ask(command))

    async def part(self, room: str) -> None:
        """Follow a room no longer."""
        await self.ask(frames.Part(room=room))

    async def send(self, text: str, *, room: str, me: bool = False) -> Ack:
        """Say `text` in a room that you joined, or in a conversation; `me`: it is what you do.

        It returns when the message is stored: `seq` of what is returned is its position, 0 where the server speaks
        only text. Refused, Uncertain, or what ended the connection for good, where it is not. A call that is cancelled
        does not take the message back."""
        return await self.post(text, room=room, me=me)

    async def whisper(self, text: str, *, to: Iterable[str]) -> Ack:
        """Say `text` to these people and nobody else, as `send` does."""
        return await self._post(frames.Whisper(to=list(to), text=text))

    def post(self, text: str, *, room: str, me: bool = False) -> asyncio.Future[Ack]:
        """As `send`, without waiting: the future is done when the message is stored. Of several that are posted one
        after another the order holds."""
        return self._post(frames.Say(room=room, text=text, me=me))

    def post_whisper(self, text: str, *, to: Iterable[str]) -> asyncio.Future[Ack]:
        """As `whisper`, without waiting."""
        return self._post(frames.Whisper(to=list(to), text=text))

    async def ask(self, request: frames.Request) -> Any:
        """Any other request of the protocol: the frame that answers it. Refused where it is not done; Interrupted where
        the connection broke, and to ask again could do it twice."""
        self._check_open()
        key = self._protocol.ask(request, self._now())
        future = self._future(key)
        self._work()
        return await future

    async def close(self) -> None:
        """Leave. What is not settled yet ends with an error."""
        self._finish(Ended(CloseCode.BYE, "good-bye"))
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    # What one hears.

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        """The next event. It ends when you leave; it raises what ended the connection for good."""
        while not self._events:
            if self._fault is not None:
                raise self._fault
            if self._error is not None:
                if isinstance(self._error, Ended) and self._error.code == CloseCode.BYE:
                    raise StopAsyncIteration
                raise self._error
            self._eventful.clear()
            await self._eventful.wait()
        event = self._events.popleft()
        if self._passed_over and len(self._events) <= MOST_UNREAD // 2:
            self._passed_over = False
            self._protocol.read_on(self._now())
            self._work()
        return event

    # The connection.

    async def __aenter__(self) -> Self:
        """Connect. Unreachable, TlsFailure, NotAChat or a Refused where that can't be; NameTaken where the name can't
        be had."""
        self._opening = asyncio.get_running_loop().create_future()
        connection = await self._dial()
        if connection.subprotocol != JSON_SUBPROTOCOL:
            self._protocol = PlainProtocol(name=self._protocol.wanted)
        self._task = asyncio.create_task(self._live(connection))
        self._task.add_done_callback(self._stopped)
        try:
            async with asyncio.timeout(TIMEOUT):
                await asyncio.shield(self._opening)
        except TimeoutError:
            await self.close()
            raise NotAChat(f"{shown(self.url)} is no chat: it says nothing") from None
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _dial(self) -> ClientConnection:
        return await dial(self.url, self._protocol.wanted, self._protocol.token, self._context)

    async def _live(self, connection: ClientConnection) -> None:
        """Carry one connection after another, to the end."""
        try:
            while True:
                error = await self._carry(connection)
                if self._opening is not None and not self._opening.done():
                    raise Unreachable(f"{shown(self.url)} does not let you in: {error}")
                if isinstance(error, Ended) and error.code == CloseCode.TOO_BIG:
                    self._protocol.too_big()
                elif isinstance(error, Ended) and self.plain:
                    error = Unreachable("the server ended the connection")  # of text nobody says when it is for good
                elif not isinstance(error, Unreachable):
                    raise error
                self._protocol.lost(self._now())
                self._work()
                connection = await self._again(error)
        except ChatError as error:
            self._finish(error)

    def _stopped(self, task: asyncio.Task[None]) -> None:
        """A fault of ours ends the chat: who iterates gets it."""
        if not task.cancelled() and (fault := task.exception()) is not None:
            self._fault = fault
            self._finish(Interrupted("a fault in the client"))

    async def _again(self, error: ChatError) -> ClientConnection:
        """The next connection, after as many tries as it takes."""
        while True:
            delay = self._backoff.next()
            self._tell(Disconnected(str(error), delay))
            await asyncio.sleep(delay)
            try:
                connection = await self._dial()
            except (Unreachable, NotAChat, TlsFailure) as failure:  # it was a chat, and will be one
                error = failure
                continue
            if (connection.subprotocol != JSON_SUBPROTOCOL) is not self.plain:
                await connection.close()
                raise NotAChat(f"{shown(self.url)} speaks another dialect than before")
            return connection

    async def _carry(self, connection: ClientConnection) -> ChatError:
        """Read and write until the connection is over; why it is."""
        from websockets.exceptions import ConnectionClosed

        self._connection = connection
        self._texts.clear()
        writer = asyncio.create_task(self._write(connection))
        try:
            self._protocol.opened()
            self._protocol.ticked(self._now())
            self._work()
            while True:
                text = await connection.recv()
                if isinstance(text, str):
                    self._protocol.received(text, self._now())
                    self._work()
                    if self._error is not None:
                        return self._error
        except ConnectionClosed:
            return ending(connection)
        finally:
            self._connection = None
            writer.cancel()
            await asyncio.wait({writer})
            await connection.close()

    async def _write(self, connection: ClientConnection) -> None:
        from websockets.exceptions import ConnectionClosed

        with suppress(ConnectionClosed):  # who reads sees it too
            while True:
                self._writable.clear()
                while self._texts:
                    await connection.send(self._texts.popleft())
                await self._writable.wait()

    # What the protocol wants done.

    def _work(self) -> None:
        for action in self._protocol.take():
            match action:
                case Send(text):
                    self._texts.append(text)
                    self._writable.set()
                case Tell(event):
                    self._tell(event)
                case Settle(key, outcome):
                    self._settle(key, outcome)
                case Fail(error):
                    self._finish(NotAChat(f"{shown(self.url)}: {error}"))
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._protocol.wake is not None and self._error is None:
            self._timer = asyncio.get_running_loop().call_at(self._protocol.wake, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._protocol.ticked(self._now())
        self._work()

    def _tell(self, event: Event) -> None:
        if isinstance(event, Connected):
            self._backoff.succeeded()
        opening = self._opening
        if opening is not None and not opening.done():
            if isinstance(event, Connected):
                opening.set_result(None)
            elif isinstance(event, NameRefused):
                opening.set_exception(event.error)
        if isinstance(event, Disconnected) and self._events and isinstance(self._events[-1], Disconnected):
            self._events.pop()  # one try after another, and nobody reads
        if len(self._events) >= MOST_UNREAD:
            if isinstance(event, frames.Message | frames.Changed):
                self._protocol.fall_behind(event)
                self._passed_over = True
                return
            if isinstance(event, frames.Presence | frames.TypingNow | frames.ReadUpTo):
                return
            if isinstance(event, Line):  # it can't be asked for again: the oldest is lost
                self._events.popleft()
        self._events.append(event)
        self._eventful.set()

    def _post(self, command: frames.Say | frames.Whisper) -> asyncio.Future[Ack]:
        self._check_open()
        self._check_text(command.text)
        self._said += 1
        cid = f"{self._prefix}.{self._said:x}"
        future = self._future(cid)
        self._protocol.say(cid, command, self._now())
        self._work()
        return future

    def _check_open(self) -> None:
        if self._error is not None:
            raise self._error

    def _check_text(self, text: str) -> None:
        try:
            size = len(text.encode())
        except UnicodeEncodeError:
            raise Refused(Code.BAD_FRAME, "a text with half of a character in it can't be sent") from None
        most = self.limits.get("message", 0)
        if most and size > most:
            raise Refused(Code.TOO_LONG, f"a message of {size} bytes is too long: expected {most:g} at most")

    def _future(self, key: str | int) -> asyncio.Future[Any]:
        future = self._futures[key] = asyncio.get_running_loop().create_future()
        return future

    def _settle(self, key: str | int, outcome: Any) -> None:
        future = self._futures.pop(key, None)
        if future is None or future.done():
            return
        if isinstance(outcome, ChatError):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

    def _finish(self, error: ChatError) -> None:
        if self._error is not None:
            return
        self._error = error
        self._protocol.failed(error)
        self._work()
        if self._opening is not None and not self._opening.done():
            self._opening.set_exception(error)
        self._eventful.set()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def connect(url: str = DEFAULT, *, name: str = "", token: str = "", context: ssl.SSLContext | None = None) -> Chat:
    """A chat to be entered with `async with`: the connection is made there.

    `name` is what you would like to be called, `token` what an earlier `chat.token` was, `context` whom to trust where
    the address is wss://.
    """
    return Chat(url, name=name, token=token, context=context)
