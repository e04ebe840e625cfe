"""One connection: who it is, what it asks for, and what waits for it."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress

from msgspec import UNSET, UnsetType

from app.backends import Backend, Unavailable
from app.chat import rules
from app.chat.closing import CloseCode
from app.chat.dialects import TEXT, Dialect
from app.chat.errors import Code, Refused
from app.chat.events import PLAIN, Appended, Detail, Draft, Event, Kind, User
from app.chat.frames import Ack, Command, Error, Frame, Named, Parted, Request, Say, Speech
from app.chat.limits import Bucket, Limits
from app.chat.logs import CONVERSATION, WHISPERS, is_conversation, mailbox, participants
from app.chat.room import Room
from app.live.context import ChatContext
from app.live.following import Following
from app.live.hub import Hub
from app.live.subscriber import DeliveryGroup, Subscriber
from app.transports import Channel, Overflow
from app.transports import Frame as WireFrame

log = logging.getLogger("chat")

MOST_UNANSWERED = 256
"""Messages of one connection that may be on their way into the store; then it is not read until one is stored."""
MOST_UNREAD = 64
"""Commands that wait for one that takes its time; then no more are read."""
NOBODY: frozenset[int] = frozenset()
SERVER = User(0, "*", registered=True)
"""The author of what the server itself records. No user is called so, nor has that id."""


class Connection:
    """One WebSocket. Everything happens in its event loop; commands are carried out one after another.

    It is the Receiver of its Channel. Most messages are carried out at once; a command that has to wait gets a task,
    which then also handles what arrives meanwhile.
    """

    __slots__ = (
        "_bucket",
        "_id",
        "_inbox",
        "_messages",
        "_paused",
        "_strikes",
        "_unanswered",
        "_work",
        "address",
        "channel",
        "context",
        "conversation",
        "dialect",
        "following",
        "ignored",
        "known",
        "on_end",
        "over",
        "returns",
        "room",
        "secret",
        "shard",
        "typed",
        "user",
    )

    def __init__(
        self,
        context: ChatContext,
        user: User,
        dialect: Dialect,
        channel: Channel,
        room: str,
        *,
        secret: bytes = b"",
        returns: bool = False,
        address: str = "",
    ) -> None:
        self.context, self.user, self.dialect, self.channel = context, user, dialect, channel
        self.room = room
        """The room of a frame that names none, or nothing."""
        self.secret, self.address = secret, address
        self.returns = returns
        """Whether whoever connects holds the token, so that it can come back as the same user."""
        self.known = True
        """Whether the user was here before, so that the store may hold something of it."""
        self.ignored: frozenset[int] = NOBODY
        """Of whom the user wants to hear nothing."""
        self.conversation = ""
        """Where the last whisper was that it sent or got."""
        self.over = False
        self.on_end: Callable[[Connection], None] | None = None
        self.shard = context.hub.enter(user)
        self._register()
        self.following = Following()
        self.typed = 0.0
        """When it told last that it types."""
        self._id, self._messages = "", 0
        self._unanswered = 0
        self._bucket = Bucket(context.rates.rate, context.rates.burst) if context.rates.rate else None
        self._strikes = 0
        self._paused = False
        self._inbox: deque[str] | None = None
        self._work: asyncio.Task[None] | None = None

    @property
    def hub(self) -> Hub:
        """The Hub it is in."""
        return self.context.hub

    @property
    def backend(self) -> Backend:
        """Where the logs are."""
        return self.context.backend

    @property
    def limits(self) -> Limits:
        """What it may have at most."""
        return self.context.limits

    @property
    def group(self) -> DeliveryGroup:
        """With whom it gets the same: those alike, or, as it ignores somebody, only itself."""
        return DeliveryGroup(self.dialect, self.channel.deflated, id(self) if self.ignored else 0)

    def channel_closed(self) -> None:
        """Leave every room. What was said before is stored all the same. It waits for nothing."""
        if self.over:
            return
        self.over = True
        read = 0 if self.channel.full else self.following.read()
        self.following.stop(self)
        self.shard.drop(self)
        if self._unanswered:
            for key in [key for key, connection in self.shard.unacknowledged.items() if connection is self]:
                del self.shard.unacknowledged[key]
        self._unregister()
        last = self.hub.leave(self.user)
        self._record_departure(last=last, read=read)
        if self._work is not None and self._work is not asyncio.current_task():
            self._work.cancel()
        if self.on_end is not None:
            self.on_end(self)

    def text_received(self, text: str) -> None:
        """Carry out what the client sends. Whatever is wrong with it is answered with an error."""
        if self._work is not None:
            if self._inbox is None:
                self._inbox = deque()
            self._inbox.append(text)
            self._pause_or_resume()
            return
        try:
            command = refused = None
            if not self.channel.full:
                command = self._command(text)
                if command is None:
                    return
                try:
                    if isinstance(command, Say) and say_at_once(self, command):
                        return
                except Refused as error:
                    refused = error
            self._work = asyncio.get_running_loop().create_task(self._work_off(text, command, refused))
        except Exception:  # noqa: BLE001  (here a bug meets the edge: the log has its trace)
            self._fail()

    async def _work_off(self, text: str, command: Command | None, refused: Refused | None) -> None:
        """Carry out what came, and what comes meanwhile, in order. What came first may have been read already, as
        `command`, and been refused."""
        try:
            while await self.channel.writable():
                command = command or self._command(text)
                if command is not None and refused is not None:
                    await self._refuse(refused, command)
                elif command is not None:
                    await self.carry_out(command)
                if self.over or not self._inbox:
                    return
                text, command, refused = self._inbox.popleft(), None, None
                self._pause_or_resume()
        except Exception:  # noqa: BLE001
            self._fail()
        finally:
            self._work = None

    def _fail(self) -> None:
        """A fault of the server's ends the connection that met it, and no other."""
        log.exception("%s: a fault in the server", self.user.name)
        self.channel.close(CloseCode.PING_TIMEOUT, "a fault in the server")

    def _command(self, text: str) -> Command | None:
        """What the client asks for; None for what is answered with an error already."""
        try:
            command = self.dialect.decode(text, self.room)
        except Refused as refused:
            limited = self._limited()
            self.send(_error(limited or refused, refused.rid, refused.cid))
            self._close_if_it_goes_on()
            return None
        if self._bucket is not None and (limited := self._limited()):
            self.refuse(limited, command)
            self._close_if_it_goes_on()
            return None
        return command

    def _pause_or_resume(self) -> None:
        """Read no more from a client that has too much on its way."""
        much = self._unanswered >= MOST_UNANSWERED or (self._inbox is not None and len(self._inbox) >= MOST_UNREAD)
        if much and not self._paused:
            self._paused = True
            self.channel.pause_reading()
        elif self._paused and self._unanswered <= MOST_UNANSWERED // 2 and not self._inbox:
            self._paused = False
            if not self.over:
                self.channel.resume_reading()

    async def carry_out(self, command: Command) -> None:
        """Carry out a command, or answer why it is not."""
        try:
            await self.context.handlers[type(command)](self, command)
        except Refused as refused:
            await self._refuse(refused, command)
        except Unavailable as error:
            rid, cid = _ids(command)
            self.send(Error(Code.UNAVAILABLE, str(error), retry=True, rid=rid, cid=cid))

    async def _refuse(self, refused: Refused, command: Command) -> None:
        """Answer why a command is not carried out; but acknowledge what was stored when it was sent before, of which
        only the ack was lost."""
        event: Event | None = None
        if isinstance(command, Speech) and (cid := cid_of(command)):
            with suppress(Unavailable):
                event = await self.backend.find_by_cid(self.user.id, cid)
        if event is not None:
            self.acknowledge(event)
        else:
            self.refuse(refused, command)

    def refuse(self, refused: Refused, command: Command) -> None:
        """Answer why a command is not carried out."""
        self.send(_error(refused, *_ids(command)))

    def send(self, frame: Frame) -> None:
        """Send `frame`, in the connection's dialect, where that has words for it."""
        if not self.over:
            for text in self.dialect.answer(frame):
                self.shard.put(self, WireFrame(text))

    def acknowledge(self, event: Event) -> None:
        """Tell the client that what it said is stored."""
        self.send(Ack.of(event))

    def fell_behind(self) -> None:
        """More waits for the client than should: the policy for that is applied."""
        if self.context.overflow is Overflow.DISCONNECT:
            self.channel.close(CloseCode.SLOW_READER)
        else:
            self.following.catch_up(self)

    def miss_whispers(self, after: int) -> None:
        """Read the whispers after a position from the log: more waits for the client than should."""
        self.following.miss_whispers(self, after)

    def ignore(self, users: frozenset[int]) -> None:
        """Hear nothing of these users from now on."""
        self.ignored = users
        self.following.regroup(self)

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
        if room not in self.following:
            raise _not_joined(room)
        return mailbox(self.user.id) if room == WHISPERS else room

    def rank(self, room: Room[Subscriber]) -> rules.Rank:
        """What the user may do in a room."""
        return rules.rank(room.state, self.user, server_operator=self.context.operates(self.user))

    def enter(self, room: Room[Subscriber]) -> None:
        """Refused if the user may not come in."""
        rules.enter(room.name, room.state, self.user, self.rank(room), self.context.clock.now())

    def draft(
        self, room: str, text: str, *, cid: str = "", kind: Kind = Kind.MSG, of: int = 0, detail: Detail = PLAIN
    ) -> Draft:
        """An event of this user, as of now. Refused if a rule that a module added says so."""
        if not self._id:  # an id is the connection's and a number: no call into the kernel for each
            self._id = secrets.token_hex(8)
        id_ = f"{self._id}.{self._messages:x}"
        self._messages += 1
        draft = Draft(room, self.user, text, id_, self.context.clock.now(), cid, kind, of, detail)
        self.context.judge(draft)
        return draft

    def post(self, draft: Draft) -> None:
        """Append what is said. It is acknowledged once it is stored; of a client with too many on their way no more is
        read meanwhile."""
        if draft.cid:
            self.shard.unacknowledged[draft.id] = self
        self._unanswered += 1
        self.shard.appending += 1
        if self._unanswered == MOST_UNANSWERED:
            self._pause_or_resume()
        future = asyncio.ensure_future(self.backend.append(draft))
        future.add_done_callback(lambda future: self._appended(draft, future))

    def _appended(self, draft: Draft, future: asyncio.Future[Appended]) -> None:
        """A fresh message is acknowledged by the shard, before it is seen; here is what became of any other."""
        self._unanswered -= 1
        self.shard.appended()
        if self._paused:
            self._pause_or_resume()
        if future.cancelled() or self.over:
            return
        if error := future.exception():
            self.shard.unacknowledged.pop(draft.id, None)
            self.send(Error(Code.UNAVAILABLE, str(error), retry=True, cid=draft.cid or UNSET))
        elif draft.cid and future.result().duplicate and self.shard.unacknowledged.pop(draft.id, None) is not None:
            self.acknowledge(future.result().event)

    def expel(self, event: Event) -> None:
        """Put the connection out of the room, as the event says."""
        if event.room in self.following:
            self.following.part(self, event.room)
            verb = "kicked" if event.kind == Kind.KICK else "banned"
            why = f"{verb} by {event.name}" + (f": {event.text}" if event.text else "")
            self.send(Parted(event.room, why))
            if self.room == event.room:
                self.room = ""

    def become(self, user: User) -> None:
        """Be another user from now on, in no room."""
        self.following.part_all(self)
        self._unregister()
        self.hub.enter(user)
        self.hub.leave(self.user)
        self.user, self.conversation, self.known = user, "", True
        self._register()

    def renamed(self, user: User, *, rid: int | str | UnsetType = UNSET) -> None:
        """The user has another name, or is registered: tell so."""
        self.user = user
        self.send(Named(user.id, user.name, user.registered, rid=rid))

    def finish(self, code: CloseCode, reason: str = "") -> None:
        """End the connection once all that waits is sent."""
        self.shard.flush(now=True)
        self.channel.flush_and_close(code, reason)

    def _register(self) -> None:
        connections = self.shard.connections
        connections[self.user.id] = (*connections.get(self.user.id, ()), self)

    def _unregister(self) -> None:
        others = tuple(one for one in self.shard.connections.pop(self.user.id) if one is not self)
        if others:
            self.shard.connections[self.user.id] = others

    def _record_departure(self, *, last: bool, read: int) -> None:
        """Store what outlives the connection. `last`: whether it was the user's last one; `read`: the position up to
        which it had its whispers.

        A text client without a token can't come back as the same user, so its name is free at once; any other name is
        held for `chat.names.hold`.
        """
        user, backend = self.user, self.backend
        if self.dialect is TEXT and read and user.registered:
            _written(user, backend.mark_read(user.id, mailbox(user.id), read))
        if not last or user.registered or user.name == user.default_name:
            return
        if self.dialect is TEXT and not self.returns:
            _written(user, backend.claim(user.id, user.default_name, user.default_name))
        else:
            _written(user, backend.record_seen(user.id, self.context.clock.now()))

    def _close_if_it_goes_on(self) -> None:
        strikes = self.context.rates.strikes
        if strikes and self._strikes >= strikes:
            self.finish(CloseCode.POLICY, "too much at once")

    def _limited(self) -> Refused | None:
        """Why this frame is one too many, if it is."""
        wait = self._bucket.take(self.context.clock.monotonic()) if self._bucket is not None else 0
        if not wait:
            self._strikes = 0
            return None
        self._strikes += 1
        after = max(1, round(1000 * wait))
        rate = self.context.rates.rate
        problem = f"too fast: {rate:g} a second is the limit, try again in {after} ms"
        limit = int(rate) if rate == int(rate) else rate
        return Refused(Code.RATE_LIMITED, problem, retry=True, after=after, limit=limit)


def say_at_once(connection: Connection, command: Say) -> bool:
    """Append what is said in a room. False, and nothing is done, for what is said in a conversation."""
    if is_conversation(command.room):
        return False
    cursor = connection.following.cursor(command.room)
    if cursor is None:
        raise _not_joined(command.room)
    connection.limits.check_message(command.text)
    room = cursor.room
    draft = connection.draft(command.room, command.text, cid=cid_of(command), kind=Kind.ME if command.me else Kind.MSG)
    if room.ruled:
        state, user = room.state, connection.user
        rules.speak(room.name, state, user, connection.rank(room), draft.at, room.spoke.get(user.id, 0))
        if state.slow:
            room.spoke[user.id] = draft.at
    connection.post(draft)
    return True


def cid_of(speech: Speech) -> str:
    """The client's own id for what it says, or nothing."""
    return "" if isinstance(speech.cid, UnsetType) else speech.cid


def _not_joined(room: str) -> Refused:
    if not room:
        return Refused(Code.NOT_JOINED, "you are in no room: /join one")
    shown = room[:80]
    return Refused(Code.NOT_JOINED, f"you are not in {shown!r}: join it first", room=shown)


def _ids(command: Command) -> tuple[int | str | UnsetType, str | UnsetType]:
    """The `rid` and the `cid` of a command."""
    return (command.rid, UNSET) if isinstance(command, Request) else (UNSET, command.cid)


def _error(refused: Refused, rid: int | str | UnsetType, cid: str | UnsetType) -> Error:
    return Error(refused.code, refused.message, refused.retry, rid=rid, cid=cid, after=refused.after, **refused.values)


def _written(user: User, writing: Awaitable[object]) -> None:
    """Nobody waits for what is written about who left: if it can't be, the log says so."""

    def tell(future: asyncio.Future[object]) -> None:
        if not future.cancelled() and (error := future.exception()):
            log.warning("%s: what is kept of who left could not be written: %s", user.name, error)

    asyncio.ensure_future(writing).add_done_callback(tell)
