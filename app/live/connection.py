"""One connection: its user, its commands, and what is sent to it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress

from msgspec import UNSET, UnsetType

from app.backends import Backend, Unavailable
from app.backends.turns import OWNER
from app.chat import rules
from app.chat.closing import CloseCode
from app.chat.dialects import TEXT, Dialect
from app.chat.errors import Refused
from app.chat.events import PLAIN, Detail, Draft, Event, Kind, User
from app.chat.frames import Ack, Command, Frame, Named, Parted, Pong, Say, Speech, cid_of
from app.chat.limits import Limits, RateLimit
from app.chat.logs import CONVERSATION
from app.live.command_queue import CommandQueue
from app.live.context import ChatContext
from app.live.departure import record_departure
from app.live.errors import error_frame, ids, unavailable_frame
from app.live.following import Following
from app.live.hub import Hub
from app.live.ids import new_id
from app.live.rights import Rights
from app.live.saying import say_in_room
from app.live.subscriber import DeliveryGroup
from app.live.work import owner
from app.transports import Channel, Overflow

log = logging.getLogger("chat")

MAX_PENDING = 256
"""Messages of one connection that are not stored yet. With more, nothing is read from it until some are."""
NOBODY: frozenset[int] = frozenset()


class Connection(Rights):
    """One WebSocket. Everything happens in its event loop, and its commands are carried out one after another.

    It is the Receiver of its Channel, and the Origin of what it posts. Most messages are on their way into the log as
    soon as they arrive. A command that has to wait starts a CommandQueue, which then takes everything that arrives
    until it is empty.
    """

    __slots__ = (
        "_paused",
        "_pending",
        "address",
        "answers_pings",
        "asked",
        "began",
        "channel",
        "closed",
        "context",
        "dialect",
        "following",
        "has_token",
        "ignored",
        "last_conversation",
        "last_typing",
        "on_close",
        "queue",
        "rate_limit",
        "returning",
        "room",
        "shard",
        "token_hash",
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
        token_hash: bytes = b"",
        has_token: bool = False,
        address: str = "",
    ) -> None:
        self.context, self.user, self.dialect, self.channel = context, user, dialect, channel
        self.room = room
        """The room of commands that name none; empty if there is none."""
        self.token_hash, self.address = token_hash, address
        self.has_token = has_token
        """Whether the client has a token, so that it can come back as the same user."""
        self.returning = True
        """Whether the user has been here before, so that the store may hold something of it."""
        self.ignored: frozenset[int] = NOBODY
        """The users whose messages are hidden."""
        self.answers_pings = False
        """Whether the client has ever answered a `ping`. Older ones don't know it."""
        self.asked = False
        """Whether a `ping` waits for its answer, which counts against no limit."""
        self.last_conversation = ""
        """The conversation of the last whisper that it sent or received."""
        self.began, self.closed = context.clock.monotonic(), False
        self.on_close: Callable[[Connection], None] | None = None
        self.shard = context.hub.connect(user)
        self.shard.register(self)
        self.following = Following()
        self.last_typing = 0.0
        """When it last told others that the user is typing, in seconds of the monotonic clock."""
        self._pending, self._paused = 0, False
        rates = context.rates
        self.rate_limit = RateLimit(rates.rate, rates.burst, rates.strikes) if rates.rate else None
        self.queue: CommandQueue | None = None

    @property
    def hub(self) -> Hub:
        """Who is in which room."""
        return self.context.hub

    @property
    def backend(self) -> Backend:
        """The store."""
        return self.context.backend

    @property
    def limits(self) -> Limits:
        """What a client may have at most."""
        return self.context.limits

    @property
    def group(self) -> DeliveryGroup:
        """Connections of one group get the same bytes."""
        return DeliveryGroup(self.dialect, self.channel.deflated, self.ignored)

    def channel_closed(self) -> None:
        """Leave every room. Messages that are on their way into the log are stored all the same."""
        if self.closed:
            return
        self.closed = True
        received = 0 if self.channel.full else self.following.whispers_received()
        self.following.stop(self)
        self.shard.discard(self)
        self.shard.unregister(self)
        last = self.hub.disconnect(self.user)
        record_departure(
            self.context,
            self.user,
            self.dialect,
            has_token=self.has_token,
            token=self.token_hash,
            address=self.address,
            last=last,
            whispers_received=received,
        )
        if self.queue is not None:
            self.queue.cancel()
        if self.on_close is not None:
            self.on_close(self)

    def text_received(self, text: str) -> None:
        """Carry out what the client sent, or queue it behind a command that takes its time."""
        if self.queue is not None:
            self.queue.put(text)
            self.pause_or_resume()
            return
        try:
            command = None
            if not self.channel.full:
                command = self._decode(text)
                if command is None:
                    return
                try:
                    if isinstance(command, Say) and say_in_room(self, command):
                        return
                except Refused as refused:  # kept in no other variable, since it would form a cycle with this frame
                    self.queue = CommandQueue(self, text, command, refused)
                    return
            self.queue = CommandQueue(self, text, command, None)
        except Exception:  # noqa: BLE001  (a bug ends at the edge, with its trace in the log)
            self.internal_error()

    async def turn(self) -> None:
        """Wait until the event loop has time for a command."""
        OWNER.set(owner(self.address, self.user.id))
        await self.shard.turns.wait()

    async def handle(self, text: str, command: Command | None = None, refused: Refused | None = None) -> None:
        """Carry out what the client sent and answer it. It may have been decoded already, as `command`, and refused."""
        command = command or self._decode(text)
        if command is not None and refused is not None:
            await self._refuse_or_acknowledge(refused, command)
        elif command is not None:
            await self.execute(command)

    def internal_error(self) -> None:
        """End the connection, and no other, after an unexpected exception."""
        log.exception("Internal error on a connection of %s", self.user.name)
        self.channel.close(CloseCode.PING_TIMEOUT, "Internal error")

    def _decode(self, text: str) -> Command | None:
        """Decode a command. None if nothing is left to do: it was refused, or answers a `ping`."""
        try:
            command = self.dialect.decode(text, self.room, self.context.command_names)
        except Refused as refused:  # kept in no other variable, since it would form a cycle with this frame
            self._answer_refused(self.context.count(self, self.rate_limit) or refused, refused.rid, refused.cid)
            return None
        answers = type(command) is Pong
        if answers:
            self.answers_pings = True
            if self.asked:
                self.asked = False
                return None
        if (limited := self.context.count(self, self.rate_limit)) is not None:
            self._answer_refused(limited, *ids(command))
            return None
        return None if answers else command

    def _answer_refused(self, refused: Refused, rid: int | str | UnsetType, cid: str | UnsetType) -> None:
        """Answer with an error, and close the connection if the client goes on in spite of it."""
        self.send(error_frame(refused, rid, cid))
        if self.rate_limit is not None and self.rate_limit.exhausted:
            self.flush_and_close(CloseCode.POLICY, "Too many requests")

    def pause_or_resume(self) -> None:
        """Stop reading from the client if it has too much under way, or read on."""
        queue = self.queue
        if not self._paused and (self._pending >= MAX_PENDING or (queue is not None and queue.full)):
            self._paused = True
            self.channel.pause_reading()
        elif self._paused and self._pending <= MAX_PENDING // 2 and not queue:
            self._paused = False
            if not self.closed:
                self.channel.resume_reading()

    async def execute(self, command: Command) -> None:
        """Carry out a command, or answer with an error."""
        try:
            await self.context.handle(self, command)
        except Refused as refused:
            await self._refuse_or_acknowledge(refused, command)
        except Unavailable as error:
            self.send(unavailable_frame(error, *ids(command)))

    def charge(self, milliseconds: float) -> None:
        """Charge the user and the address for work that a command caused."""
        self.context.work.charge(milliseconds, self.user.id, self.address)

    async def _refuse_or_acknowledge(self, refused: Refused, command: Command) -> None:
        """Answer with an error, unless this is a retry of a message that is stored: that is acknowledged again."""
        event: Event | None = None
        if isinstance(command, Speech) and (cid := cid_of(command)):
            with suppress(Unavailable):
                event = await self.backend.find_by_cid(self.user.id, cid)
        if event is not None:
            self.send(Ack.of(event))
        else:
            self.refuse(refused, command)

    def refuse(self, refused: Refused, command: Command) -> None:
        """Answer a command with an error."""
        self.send(error_frame(refused, *ids(command)))

    def send(self, frame: Frame) -> None:
        """Send `frame` at the end of this turn of the loop, if the dialect has words for it."""
        if not self.closed:
            for payload in self.dialect.encode_answer(frame):
                self.shard.send(self, payload)

    def acknowledge(self, event: Event) -> None:
        """Tell the client that its message, which is being delivered, is stored."""
        if not self.closed and (payload := self.dialect.encode_ack(event)) is not None:
            self.shard.hold(self, payload)

    def fell_behind(self) -> None:
        """Handle a full channel: read the log from now on, or close, as `chat.outbox.overflow` says."""
        if self.context.overflow is Overflow.DISCONNECT:
            self.channel.close(CloseCode.SLOW_READER)
        else:
            self.following.catch_up(self)

    def whispers_fell_behind(self, after: int) -> None:
        """Read whispers after a position from the log, because the channel is full."""
        self.following.whispers_fell_behind(self, after)

    def ignore(self, users: frozenset[int]) -> None:
        """Hide what these users say from now on."""
        self.ignored = users
        self.following.regroup(self)

    def accepts(self, event: Event) -> bool:
        """Decide whether to send an event that is due. A whisper that is sent becomes the one that `reply` answers.

        In the text dialect, an invitation reads as told to the person who is invited. Its author saw it in the room.
        """
        if self.ignored and rules.hides(self.ignored, event):
            return False
        if event.room[0] == CONVERSATION:
            if event.kind == Kind.INVITE and self.dialect is TEXT and event.user == self.user.id:
                return False
            self.last_conversation = event.room
        return True

    def draft(
        self, room: str, text: str, cid: str = "", kind: Kind = Kind.MSG, of: int = 0, detail: Detail = PLAIN
    ) -> Draft:
        """Draft an event of this user, as of now. Refused if its text would show a password, or a module's rule says
        so."""
        if "/" in text or "／" in text:
            rules.check_no_password(text)
        context = self.context
        context.count_text(self, text)
        draft = Draft(room, self.user, text, new_id(), context.clock.now(), cid, kind, of, detail)
        context.check_rules(draft)
        return draft

    def post(self, draft: Draft) -> None:
        """Append a message without waiting for it. It is acknowledged once it is stored, before anyone sees it."""
        self._pending += 1
        self.shard.pending_appends += 1
        if self._pending == MAX_PENDING:
            self.pause_or_resume()
        self.context.backend.post(draft, self)

    def stored(self, event: Event, *, duplicate: bool) -> None:
        """Acknowledge a message that has a `cid`. Unless it is a duplicate, it is delivered next, to its sender too."""
        if duplicate:
            self._settled()
            self.send(Ack.of(event))
            return
        self._pending -= 1
        self.shard.pending_appends -= 1
        if self._paused:
            self.pause_or_resume()
        if event.cid and not self.closed:
            self.shard.acknowledge(event, self)

    def failed(self, error: Exception, draft: Draft) -> None:
        """Tell the client that its message may not be stored."""
        self._settled()
        self.send(unavailable_frame(error, cid=draft.cid or UNSET))

    def _settled(self) -> None:
        """Count one pending message less."""
        self._pending -= 1
        self.shard.append_done()
        if self._paused:
            self.pause_or_resume()

    def expel(self, event: Event) -> None:
        """Leave the room because of an event that takes away the right to be there."""
        if event.room in self.following:
            self.following.part(self, event.room)
            self.send(Parted.expelled(event))
            if self.room == event.room:
                self.room = ""

    def switch_user(self, user: User) -> None:
        """Be another user from now on, in no room."""
        self.following.part_all(self)
        self.shard.unregister(self)
        self.hub.connect(user)
        self.hub.disconnect(self.user)
        self.user, self.last_conversation, self.returning = user, "", True
        self.shard.register(self)

    def user_changed(self, user: User) -> None:
        """Tell the client that its user has a new name or is registered now."""
        self.user = user
        self.tell_name()

    def leave_as_muted(self) -> None:
        """Leave the rooms in which the user is muted under another name than the one it has now."""
        for name in self.following.rooms():
            cursor, now = self.following.cursor(name), self.context.clock.now()
            mute = cursor.room.state.mute(self.user.id, now) if cursor and cursor.room.has_settings else None
            if cursor and mute and not self.is_admitted(cursor.room):
                self.expel(mute)

    def tell_name(self, *, token: str = "", rid: int | str | UnsetType = UNSET) -> None:
        """Tell the client who it is now, and its new token if it has one."""
        user = self.user
        self.send(Named(user.id, user.name, user.registered, token, rid=rid))

    def end_sign_in(self, token: bytes, but: bytes = b"") -> None:
        """End the connection if it came with this token, given by its digest; if that is empty, unless it came with the
        token `but`."""
        if token == self.token_hash if token else not but or but != self.token_hash:
            self.flush_and_close(CloseCode.SIGNED_OUT, "Signed out")

    def flush_and_close(self, code: CloseCode, reason: str = "") -> None:
        """End the connection once everything that is due is sent."""
        self.shard.flush(now=True)
        self.channel.flush_and_close(code, reason)
