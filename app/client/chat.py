"""The chat as a program sees it: messages to send and events to read, through lost connections."""

from __future__ import annotations

import asyncio
import secrets
import ssl
from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import Any, Self, cast

from msgspec import UnsetType

from app.chat import frames
from app.chat.closing import CloseCode
from app.chat.errors import Code
from app.chat.frames import Ack
from app.chat.typed import has_password
from app.client.address import DEFAULT, normalize
from app.client.connection.driver import Driver
from app.client.errors import Ended, Refused, refusal
from app.client.events import Event
from app.client.languages.catalogue import translatable
from app.client.protocol.json_protocol import JsonProtocol


class Chat:
    """One user of a chat. Make it with `connect`.

    A lost connection is made again, for as long as it takes, and joined rooms are followed from where they were.
    Messages to one room are stored in the order in which they were sent, once each. Iterate over the chat for its
    events: those of a room come in order, once each; the order between rooms is not defined.
    """

    def __init__(
        self, url: str = DEFAULT, *, name: str = "", token: str = "", context: ssl.SSLContext | None = None
    ) -> None:
        self.url = normalize(url)
        self._driver = Driver(self.url, name=name, token=token, context=context)
        self._cid_prefix, self._cids = secrets.token_urlsafe(12), 0

    # Who you are, and where.

    @property
    def name(self) -> str:
        """Your name; empty if the server speaks only the text dialect."""
        return self._driver.protocol.name

    @property
    def id(self) -> int:
        """Your user id, which never changes; 0 if the server speaks only the text dialect."""
        return self._driver.protocol.id if isinstance(self._driver.protocol, JsonProtocol) else 0

    @property
    def token(self) -> str:
        """The secret that makes you the same user later, as the `token` of `connect`."""
        return self._driver.protocol.token

    @property
    def room(self) -> str:
        """The room that the server wants people to join first; empty if it speaks only the text dialect."""
        return self._driver.protocol.room if isinstance(self._driver.protocol, JsonProtocol) else ""

    @property
    def limits(self) -> dict[str, float]:
        """The limits of the server by name, as in docs/protocol.md; 0 is no limit."""
        return self._driver.protocol.limits

    @property
    def text_only(self) -> bool:
        """Whether the server speaks only the text dialect, without rooms, names and acks."""
        return self._driver.text_only

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._driver.protocol.connected

    @property
    def pending_messages(self) -> int:
        """How many messages are neither acknowledged nor refused."""
        return self._driver.pending_messages

    def wrote(self, event: frames.Message | frames.Changed) -> bool:
        """Whether you are the author of an event, whatever your name was then. Older servers send no ids of authors:
        there your current name decides."""
        return event.sender == self.name if isinstance(event.user, UnsetType) else event.user == self.id

    # What you can do.

    async def join(self, room: str, *, after: int | None = None, epoch: str = "") -> frames.Joined:
        """Follow a room from now on, or from position `after` of the history `epoch`. `@` is the room of your whispers.
        Refused if you may not enter it, as Banned if you are banned or not invited."""
        command = frames.Join(room=room)
        if after is not None:
            command.after = after
            if epoch:
                command.epoch = epoch
        return cast(frames.Joined, await self.ask(command))

    async def part(self, room: str) -> None:
        """Stop following a room."""
        await self.ask(frames.Part(room=room))

    async def send(self, text: str, *, room: str, me: bool = False) -> Ack:
        """Send a message to a room that you joined, or to a conversation. `me`: it says what you do, as `/me` does.

        It returns when the message is stored. `seq` of the result is its position, or 0 if the server speaks only the
        text dialect. Raises Refused, Uncertain, or the error that ended the chat. Cancelling the call does not take the
        message back."""
        return await self.post(text, room=room, me=me)

    async def whisper(self, text: str, *, to: Iterable[str]) -> Ack:
        """Send a message to these people only. Otherwise as `send`."""
        return await self._post(frames.Whisper(to=list(to), text=text))

    def post(self, text: str, *, room: str, me: bool = False) -> asyncio.Future[Ack]:
        """As `send`, without waiting: the future is done when the message is stored. Messages keep the order in which
        they are posted."""
        return self._post(frames.Say(room=room, text=text, me=me))

    def post_whisper(self, text: str, *, to: Iterable[str]) -> asyncio.Future[Ack]:
        """As `whisper`, without waiting."""
        return self._post(frames.Whisper(to=list(to), text=text))

    async def ask(self, request: frames.Request) -> Any:
        """Send any other request of the protocol, and return the frame that answers it. Refused if the server refuses
        it; Interrupted if the connection was lost, and repeating the request could carry it out twice."""
        self._check_open()
        if isinstance(request, frames.Edit):
            self._check_text(request.text)
        return await self._driver.request(request)

    async def close(self) -> None:
        """Leave the chat. Messages and requests that are not finished end with an error."""
        await self._driver.close()

    # What you read.

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        """The next event. It stops after `close`, and raises the error that ended the chat."""
        driver = self._driver
        while not driver.inbox:
            if driver.fault is not None:
                raise driver.fault
            if driver.error is not None:
                if isinstance(driver.error, Ended) and driver.error.code == CloseCode.BYE:
                    raise StopAsyncIteration
                raise driver.error
            await driver.inbox.wait()
        event = driver.inbox.pop()
        driver.event_read()
        return event

    async def __aenter__(self) -> Self:
        """Connect. Raises Unreachable, TlsFailure, NotAChat or Refused if that fails, as NameTaken if you can't have
        the name."""
        await self._driver.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _post(self, command: frames.Say | frames.Whisper) -> asyncio.Future[Ack]:
        self._check_open()
        self._check_text(command.text)
        self._cids += 1
        return self._driver.send(f"{self._cid_prefix}.{self._cids:x}", command)

    def _check_open(self) -> None:
        if self._driver.error is not None:
            raise self._driver.error

    def _check_text(self, text: str) -> None:
        try:
            size = len(text.encode())
        except UnicodeEncodeError:
            raise Refused(Code.BAD_FRAME, translatable("text.not_unicode")) from None
        if has_password(text):
            raise refusal(Code.REFUSED, {"reason": "password"})
        limit = self.limits.get("message", 0)
        if limit and size > limit:
            raise refusal(Code.TOO_LONG, {"what": "message", "size": size, "limit": int(limit)})


def connect(url: str = DEFAULT, *, name: str = "", token: str = "", context: ssl.SSLContext | None = None) -> Chat:
    """A chat to enter with `async with`, which makes the connection.

    `name` is the name to ask for, `token` an earlier `chat.token`, and `context` says which certificates to trust for
    wss:// addresses.
    """
    return Chat(url, name=name, token=token, context=context)
