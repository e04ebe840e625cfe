"""Runs a protocol: carries its texts over one connection after another, and does what it asks for."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from app.chat import frames
from app.chat.closing import CloseCode
from app.client.address import without_password
from app.client.connection.backoff import Backoff
from app.client.connection.dialing import TIMEOUT, close_error, dial
from app.client.errors import ChatError, Ended, Interrupted, NotAChat, TlsFailure, Unreachable
from app.client.events import Connected, Disconnected, Event, NameRefused
from app.client.inbox import Inbox
from app.client.languages.catalogue import translatable
from app.client.protocol.actions import Deliver, Fail, Send, Settle
from app.client.protocol.json_protocol import SUBPROTOCOL, JsonProtocol
from app.client.protocol.text_protocol import TextProtocol

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection


class Driver:
    """One user's link to a server. It reconnects, for as long as it takes, until `close` or an error that lasts."""

    def __init__(self, url: str, *, name: str, token: str, context: ssl.SSLContext | None) -> None:
        self.protocol: JsonProtocol | TextProtocol = JsonProtocol(name=name, token=token)
        self.inbox = Inbox()
        self.connection: ClientConnection | None = None
        self.error: ChatError | None = None
        """Why it ended."""
        self.fault: BaseException | None = None
        """The bug in this program because of which it ended."""
        self._url, self._context = url, context
        self._backoff = Backoff(random.SystemRandom().random)
        self._outgoing: deque[str] = deque()
        self._outgoing_added = asyncio.Event()
        self._futures: dict[str | int, asyncio.Future[Any]] = {}
        self._opening: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def text_only(self) -> bool:
        """Whether the server speaks only the text dialect."""
        return isinstance(self.protocol, TextProtocol)

    @property
    def pending_messages(self) -> int:
        """How many messages are not finished."""
        return sum(isinstance(key, str) for key in self._futures)

    # What the program wants.

    async def open(self) -> None:
        """Connect, and wait until the name is settled. ChatError if either fails."""
        self._opening = asyncio.get_running_loop().create_future()
        try:
            connection = await self._dial()
        except ChatError as error:
            raise self._located(error) from None
        if connection.subprotocol != SUBPROTOCOL:
            self.protocol = TextProtocol(name=self.protocol.wanted_name)
        self._task = asyncio.create_task(self._run(connection))
        self._task.add_done_callback(self._stopped)
        try:
            async with asyncio.timeout(TIMEOUT):
                await asyncio.shield(self._opening)
        except TimeoutError:
            await self.close()
            raise self._located(NotAChat(translatable("connect.silent", seconds=TIMEOUT))) from None
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """End the connection. What is not finished ends with an error."""
        self._end(Ended(CloseCode.BYE))
        connection, self.connection = self.connection, None
        if connection is not None:
            await connection.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    def request(self, command: frames.Request) -> asyncio.Future[Any]:
        """Send a request; the future holds its answer."""
        future = self._future(self.protocol.request(command, _now()))
        self._act()
        return future

    def send(self, cid: str, command: frames.Say | frames.Whisper) -> asyncio.Future[frames.Ack]:
        """Send a message; the future holds its ack."""
        future = self._future(cid)
        self.protocol.send(cid, command, _now())
        self._act()
        return future

    def event_read(self) -> None:
        """The reader took an event: ask for skipped ones when there is room for them."""
        if self.inbox.has_room_again():
            self.protocol.resume_reading(_now())
            self._act()

    # Connections.

    async def _dial(self) -> ClientConnection:
        return await dial(self._url, self.protocol.wanted_name, self.protocol.token, self._context)

    def _located(self, error: ChatError) -> ChatError:
        """`error`, with the address of the server in its message."""
        error.locate(without_password(self._url))
        return error

    async def _run(self, connection: ClientConnection) -> None:
        """Carry one connection after another, to the end."""
        try:
            while True:
                error = await self._carry(connection)
                if self._opening is not None and not self._opening.done():
                    problem = translatable("connect.closed", reason=error.message)
                    raise self._located(Unreachable(problem))
                if isinstance(error, Ended) and error.code == CloseCode.TOO_BIG:
                    self.protocol.frame_too_big()
                elif isinstance(error, Ended) and self.text_only:
                    error = Unreachable(translatable("lost.closed"))  # close codes of other servers tell nothing
                elif not isinstance(error, Unreachable):
                    raise error
                self.protocol.connection_lost(_now())
                self._act()
                connection = await self._reconnect(error)
        except ChatError as error:
            self._end(error)

    async def _reconnect(self, error: ChatError) -> ClientConnection:
        """The next connection, after as many tries as it takes."""
        while True:
            delay = self._backoff.next()
            self._deliver(Disconnected(error.message, delay))
            await asyncio.sleep(delay)
            try:
                connection = await self._dial()
            except (Unreachable, NotAChat, TlsFailure) as failure:  # it was a chat, and will be one again
                error = failure
                continue
            if (connection.subprotocol != SUBPROTOCOL) is not self.text_only:
                await connection.close()
                raise self._located(NotAChat(translatable("connect.other_dialect")))
            return connection

    async def _carry(self, connection: ClientConnection) -> ChatError:
        """Read and write until the connection ends; why it did."""
        from websockets.exceptions import ConnectionClosed

        self.connection = connection
        self._outgoing.clear()
        writer = asyncio.create_task(self._write(connection))
        try:
            self.protocol.connection_made()
            self.protocol.tick(_now())
            self._act()
            while True:
                text = await connection.recv()
                if isinstance(text, str):
                    self.protocol.text_received(text, _now())
                    self._act()
                    if self.error is not None:
                        return self.error
        except ConnectionClosed:
            return close_error(connection)
        finally:
            self.connection = None
            writer.cancel()
            await asyncio.wait({writer})
            await connection.close()

    async def _write(self, connection: ClientConnection) -> None:
        from websockets.exceptions import ConnectionClosed

        with suppress(ConnectionClosed):  # `_carry` sees it too
            while True:
                self._outgoing_added.clear()
                while self._outgoing:
                    await connection.send(self._outgoing.popleft())
                await self._outgoing_added.wait()

    def _stopped(self, task: asyncio.Task[None]) -> None:
        """End the chat if a bug in this program ended its task: the reader gets the exception."""
        if not task.cancelled() and (fault := task.exception()) is not None:
            self.fault = fault
            self._end(Interrupted(translatable("client_fault")))

    def _end(self, error: ChatError) -> None:
        if self.error is not None:
            return
        self.error = error
        self.protocol.fail(error)
        self._act()
        if self._opening is not None and not self._opening.done():
            self._opening.set_exception(error)
        self.inbox.wake()

    # Actions of the protocol.

    def _act(self) -> None:
        for action in self.protocol.take_actions():
            match action:
                case Send(text):
                    self._outgoing.append(text)
                    self._outgoing_added.set()
                case Deliver(event):
                    self._deliver(event)
                case Settle(key, outcome):
                    self._settle(key, outcome)
                case Fail(error):
                    self._end(self._located(error))
        self._set_timer()

    def _deliver(self, event: Event) -> None:
        if isinstance(event, Connected):
            self._backoff.reset()
        if self._opening is not None and not self._opening.done():
            if isinstance(event, Connected):
                self._opening.set_result(None)
            elif isinstance(event, NameRefused):
                self._opening.set_exception(event.error)
        if not self.inbox.put(event):
            assert isinstance(event, frames.Message | frames.Changed)
            self.protocol.skip(event)

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

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.protocol.wake_at is not None and self.error is None:
            self._timer = asyncio.get_running_loop().call_at(self.protocol.wake_at, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.protocol.tick(_now())
        self._act()


def _now() -> float:
    return asyncio.get_running_loop().time()
