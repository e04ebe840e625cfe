"""One connection: who it is, what it asks for, and what waits for it."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import UNSET, UnsetType

from app.backends import Unavailable
from app.chat import rules
from app.chat.closing import CloseCode
from app.chat.dialects import Dialect
from app.chat.errors import Code, Refused
from app.chat.events import CONVERSATION, PLAIN, Appended, Detail, Draft, Event, Kind, User, participants
from app.chat.frames import WHISPERS, Ack, Command, Error, Frame, Named, Parted, Request, is_conversation
from app.chat.limits import Bucket
from app.chat.room import Room
from app.following import Following
from app.hub import wire
from app.transports.stock import Outbox, Overflow

if TYPE_CHECKING:
    from app.service import ChatService

C = TypeVar("C")
Handler = Callable[["Session", C], Awaitable[None]]

MOST_UNANSWERED = 256
"""Messages of one connection that may be on their way into the store; then it is not read until one is stored."""
SERVER = User(0, "*", registered=True)
"""The author of what the server itself records. No user is called so, nor has that id."""


class Session:
    """One connection. All of it happens in the connection's event loop; commands are carried out one after another."""

    def __init__(
        self,
        service: ChatService,
        user: User,
        dialect: Dialect,
        outbox: Outbox,
        room: str,
        *,
        secret: bytes = b"",
        returns: bool = False,
        address: str = "",
    ) -> None:
        self.service, self.user, self.dialect, self.outbox = service, user, dialect, outbox
        self.hub, self.backend, self.limits = service.hub, service.backend, service.limits
        self.room = room
        """The room of a frame that names none, or nothing."""
        self.secret, self.address = secret, address
        self.returns = returns
        """Whether whoever connects holds the token, so that it can come back as the same user."""
        self.ignored: frozenset[int] = frozenset()
        """Of whom the user wants to hear nothing."""
        self.conversation = ""
        """Where the last whisper was that it sent or got."""
        self.shard = self.hub.enter(user)
        self._register()
        self.following = Following(self)
        self.typed = 0.0
        """When it told last that it types."""
        self._id = secrets.token_hex(8)
        self._messages = itertools.count()  # an id is the connection's and a number: no call into the kernel for each
        self._unanswered: set[asyncio.Future[Appended]] = set()
        self._bucket = Bucket(service.rates.rate, service.rates.burst)
        self._strikes = 0

    def leave(self) -> None:
        """Leave every room. What was said before is stored all the same. It waits for nothing: whoever carries the
        connection may be on the point of being cancelled."""
        whispers = self.following.cursor(WHISPERS)
        read = whispers.at if whispers is not None and not self.outbox.waiting else 0
        self.following.stop()
        for key in [key for key, session in self.shard.unacknowledged.items() if session is self]:
            del self.shard.unacknowledged[key]
        self._unregister()
        last = self.hub.leave(self.user)
        self.service.left(self, last=last, read=read)

    async def hear(self, said: str) -> None:
        """Carry out what the client sends. Whatever is wrong with it is answered with an error."""
        if not await self.outbox.writable():
            return
        try:
            command = self.dialect.decode(said, self.room)
        except Refused as refused:
            refused = self._limited() or refused
            self.send(_error(refused, refused.rid, refused.cid))
            return
        if refusal := self._limited():
            self.refuse(refusal, command)
        else:
            await self.carry_out(command)

    async def carry_out(self, command: Command) -> None:
        """Carry out a command, or answer why it is not."""
        try:
            await self.service.handlers[type(command)](self, command)
        except Refused as refused:
            self.refuse(refused, command)
        except Unavailable as error:
            rid, cid = _ids(command)
            self.send(Error(Code.UNAVAILABLE, str(error), retry=True, rid=rid, cid=cid))

    def refuse(self, refused: Refused, command: Command) -> None:
        """Answer why a command is not carried out."""
        self.send(_error(refused, *_ids(command)))

    def send(self, frame: Frame) -> None:
        """Put `frame` into the outbox, in the connection's dialect, where that has words for it."""
        encoded = wire(self.dialect, frame)
        if encoded is not None:
            self.outbox.put(encoded)

    def acknowledge(self, event: Event) -> None:
        """Tell the client that what it said is stored."""
        self.send(Ack.of(event))

    def overflows(self, cursor: Any) -> bool:
        """Whether the outbox is full, so that the event must wait; the policy is then applied."""
        if not self.outbox.full:
            return False
        cursor.live = False
        if self.service.overflow is Overflow.DISCONNECT:
            self.outbox.close(CloseCode.SLOW_READER)
        else:
            self.following.catch_up()
        return True

    def wants(self, event: Event) -> bool:
        """Whether the user wants to see the event, which is on its way out to it."""
        if event.user in self.ignored:
            return False
        if event.room[0] == CONVERSATION:
            self.conversation = event.room
        return True

    def log(self, room: str) -> str:
        """The log behind what the client calls `room`. Refused for one that it may not read."""
        if is_conversation(room) and self.user.id in participants(room):
            return room
        cursor = self.following.cursor(room)
        if cursor is None:
            raise Refused(
                Code.NOT_JOINED, f"you are not in {room[:80]!r}: join it first" if room else "you are in no room"
            )
        return cursor.room.name

    def rank(self, room: Room[Session]) -> rules.Rank:
        """What the user may do in a room."""
        return rules.rank(room.state, self.user, server_operator=self.service.operates(self.user))

    def enter(self, room: Room[Session]) -> None:
        """Refused if the user may not come in."""
        rules.enter(room.state, self.user, self.rank(room), now())

    def draft(
        self, room: str, text: str, *, cid: str = "", kind: Kind = Kind.MSG, of: int = 0, detail: Detail = PLAIN
    ) -> Draft:
        """An event of this user, as of now. Refused if a rule that a module added says so."""
        id_ = f"{self._id}.{next(self._messages):x}"
        draft = Draft(room, self.user, text, id_, now(), cid, kind, of, detail)
        self.service.judge(draft)
        return draft

    async def post(self, draft: Draft) -> None:
        """Append what is said. It is acknowledged once it is stored; then only is the next to be waited for."""
        if draft.cid:
            self.shard.unacknowledged[draft.id] = self
        future = asyncio.ensure_future(self.backend.append(draft))
        self._unanswered.add(future)
        future.add_done_callback(lambda future: self._appended(draft, future))
        if len(self._unanswered) >= MOST_UNANSWERED:
            await asyncio.wait(self._unanswered, return_when=asyncio.FIRST_COMPLETED)

    def _appended(self, draft: Draft, future: asyncio.Future[Appended]) -> None:
        """A fresh message is acknowledged by the shard, before it is seen; here is what became of any other."""
        self._unanswered.discard(future)
        if future.cancelled():
            return
        if error := future.exception():
            self.shard.unacknowledged.pop(draft.id, None)
            self.send(Error(Code.UNAVAILABLE, str(error), retry=True, cid=draft.cid or UNSET))
        elif draft.cid and future.result().duplicate and self.shard.unacknowledged.pop(draft.id, None) is not None:
            self.acknowledge(future.result().event)

    def expel(self, event: Event) -> None:
        """Put the connection out of the room, as the event says."""
        if event.room in self.following:
            self.following.part(event.room)
            verb = "kicked" if event.kind == Kind.KICK else "banned"
            why = f"{verb} by {event.name}" + (f": {event.text}" if event.text else "")
            self.send(Parted(event.room, why))
            if self.room == event.room:
                self.room = ""

    def become(self, user: User) -> None:
        """Be another user from now on, in no room."""
        self.following.part_all()
        self._unregister()
        self.hub.enter(user)
        self.hub.leave(self.user)
        self.user, self.conversation = user, ""
        self._register()

    def renamed(self, user: User, *, rid: int | str | UnsetType = UNSET) -> None:
        """The user has another name, or is registered: tell so."""
        self.user = user
        self.send(Named(user.id, user.name, user.registered, rid=rid))

    def finish(self, code: CloseCode) -> None:
        """End the connection once all that waits is sent."""
        self.outbox.finish(code)

    def _register(self) -> None:
        self.shard.sessions.setdefault(self.user.id, {})[self] = None

    def _unregister(self) -> None:
        sessions = self.shard.sessions[self.user.id]
        del sessions[self]
        if not sessions:
            del self.shard.sessions[self.user.id]

    def _limited(self) -> Refused | None:
        """Why this frame is one too many, if it is. Who does not stop is closed."""
        wait = self._bucket.take(time.monotonic())
        if not wait:
            self._strikes = 0
            return None
        self._strikes += 1
        if self.service.rates.strikes and self._strikes >= self.service.rates.strikes:
            self.outbox.close(CloseCode.POLICY, "too much at once")
        after = max(1, round(1000 * wait))
        problem = f"too fast: {self.service.rates.rate:g} a second is the limit, try again in {after} ms"
        return Refused(Code.RATE_LIMITED, problem, retry=True, after=after)


def now() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def _ids(command: Command) -> tuple[int | str | UnsetType, str | UnsetType]:
    """The `rid` and the `cid` of a command."""
    return (command.rid, UNSET) if isinstance(command, Request) else (UNSET, command.cid)


def _error(refused: Refused, rid: int | str | UnsetType, cid: str | UnsetType) -> Error:
    return Error(refused.code, refused.message, refused.retry, rid=rid, cid=cid, after=refused.after)
