"""The client's side of `chat.v1.json`.

Order: messages to one room are stored in the order in which they were sent, through lost connections and rate limits;
events of a room are delivered in order, once each. Atomicity: a message is stored once or, if it ends with an error
other than Uncertain, not at all.

`now` is in seconds of any clock that does not go back. After each call `take_actions` returns what is to be done, in
order, and `wake_at` is when to call `tick`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import UnsetType

from app.chat import errors, frames
from app.chat.errors import Code
from app.chat.logs import DEFAULT_ROOM, room_name
from app.client.errors import ChatError, Interrupted, NotAChat, Refused, Uncertain, from_frame, refusal
from app.client.events import Connected, Delayed, Event, Left, Missed, NameRefused
from app.client.languages.catalogue import translatable
from app.client.protocol.actions import Action, Deliver, Fail, Send, Settle
from app.client.protocol.decoding import decode
from app.client.protocol.outbox import Item, Outbox
from app.client.protocol.subscriptions import Subscription, Subscriptions

SUBPROTOCOL = "chat.v1.json"
"""What a client offers in the handshake. `app.chat.dialects` has it too, but takes long to import."""
WINDOW = 256
"""Messages in flight at once: as many as the server reads before one is stored."""
DEFAULT_MAX_FRAME = 64 * 1024
"""Bytes of a frame that an older server accepts, which does not tell; or of its longest message, if that is more."""
RETRY_DELAY = 1.0
"""Seconds before what failed is tried again if the server does not say."""


class JsonProtocol:
    """One user of one server, through as many connections as it takes."""

    def __init__(self, *, name: str = "", token: str = "", window: int = WINDOW) -> None:
        self.name, self.token = name, token
        self.id = 0
        self.epoch = ""
        self.limits: dict[str, float] = {}
        self.room = DEFAULT_ROOM
        self.wanted_name = name
        """The name to ask for in a handshake; empty for one that the server chooses."""
        self.connected = False
        self.wake_at: float | None = None
        self._outbox, self._subscriptions = Outbox(window), Subscriptions()
        self._numbers = 0
        self._typing: deque[int] = deque(maxlen=16)
        """The last `typing` requests, whose errors nobody wants to see."""
        self._name_pending = self._connected_before = False
        self._actions: list[Action] = []
        self._encode = msgspec.json.Encoder().encode

    # What the program wants.

    def send(self, cid: str, command: frames.Say | frames.Whisper, now: float) -> None:
        """Send a message under a unique `cid`. It is settled with an Ack or an error."""
        command.cid = cid
        self._add(Item(self._next_number(), cid, command), now)

    def request(self, command: frames.Request, now: float) -> int:
        """Send a request. Its answer is settled under the number that is returned."""
        if isinstance(command, frames.Join):
            self._subscriptions.add(command)
        item = self._item(command)
        self._add(item, now)
        return item.number

    def skip(self, event: frames.Message | frames.Changed) -> None:
        """Drop this event and what comes after it in its room: the reader is too slow. `resume_reading` asks for them
        again."""
        subscription = self._subscriptions.get(event.room)
        if subscription is not None and not subscription.paused:
            subscription.paused, subscription.cursor = True, event.seq - 1

    def resume_reading(self, now: float) -> None:
        """Ask for what was skipped, since the reader has caught up."""
        joining = self._joining()
        for subscription in self._subscriptions:
            if subscription.paused and subscription.room not in joining:
                self._outbox.add(self._item(subscription.join(), internal=True))
        self._pump(now)

    # What happens.

    def connection_made(self) -> None:
        """Wait for the server, which speaks first."""
        self.connected = False

    def text_received(self, text: str, now: float) -> None:
        """Take a text frame."""
        try:
            frame = decode(text)
        except (ValueError, msgspec.ValidationError) as error:
            frame = None
            if not self.connected:
                self._act(Fail(NotAChat(translatable("connect.not_chat_v1", problem=str(error)))))
        if frame is not None:
            if self._name_pending and not isinstance(frame, frames.Welcome | frames.Error):
                self._name_settled()
            handle: _Handler = _HANDLERS.get(type(frame), JsonProtocol._on_other)
            handle(self, frame, now)
        self._pump(now)

    def connection_lost(self, now: float) -> None:
        """Queue what has no answer for the next connection, if it can be repeated without harm."""
        self.connected = False
        for item in self._outbox.connection_lost():
            self._settle(item, Interrupted(translatable("interrupted")))
        for subscription in self._subscriptions:
            subscription.catch_up_to = 0
        self._schedule(now)

    def frame_too_big(self) -> None:
        """Finish the largest of the frames in flight: the server closed the connection for the size of one."""
        in_flight = self._outbox.in_flight()
        if in_flight:
            largest = max(in_flight, key=lambda item: len(self._encode(item.command)))
            self._outbox.answered(largest.key)
            self._settle(largest, Refused(Code.TOO_LONG, translatable("frame.too_long")))

    def tick(self, now: float) -> None:
        """Do what is due by now."""
        for subscription in self._subscriptions:
            if subscription.catch_up_to and now >= subscription.deadline:
                self._caught_up(subscription)
        self._pump(now)

    def fail(self, error: ChatError) -> None:
        """Finish everything, since nothing more comes: messages that the server may have got with Uncertain, the rest
        with the error."""
        for item in self._outbox.clear():
            uncertain = item.sent and item.is_message
            problem = translatable("uncertain.ended", error=error.message)
            self._settle(item, Uncertain(problem) if uncertain else error)

    def take_actions(self) -> list[Action]:
        """What is to be done, in order. They are returned once."""
        actions, self._actions = self._actions, []
        return actions

    # Frames.

    def _on_welcome(self, frame: frames.Welcome, now: float) -> None:
        if self.connected:
            return
        if self.token and frame.token != self.token:
            self._forgotten(frame)
        self._name_pending = bool(self.wanted_name) and frame.name != self.wanted_name
        self.id, self.name, self.token, self.epoch = frame.id, frame.name, frame.token, frame.epoch
        self.limits = {"frame": max(DEFAULT_MAX_FRAME, frame.limits.get("message", 0)), **frame.limits}
        self.room, self.connected = _valid_room(frame.room), True
        self._outbox.connected(self.limits.get("rate", 0), self.limits.get("burst", 0), now)
        joining = self._joining()
        for subscription in reversed([one for one in self._subscriptions if one.room not in joining]):
            subscription.resuming = subscription.cursor is not None
            self._outbox.add_first(self._item(subscription.join(), internal=True))
        if self._name_pending:
            # The name may be refused, or ours in another form. The next frame tells, so make sure that one comes.
            self._outbox.add_first(self._item(frames.Help(command="help"), internal=True))
        else:
            self._name_settled()

    def _name_settled(self, error: Refused | None = None) -> None:
        """The server has accepted the name, or refused it."""
        self._name_pending = False
        if error is not None:
            self._deliver(NameRefused(self.name, error))
        self._deliver(Connected(self.name, self._connected_before))
        self._connected_before = True

    def _forgotten(self, frame: frames.Welcome) -> None:
        """The server does not know our token any more, so we are another user. In the same history what was sent before
        may be stored, under the old user's name; in a new one it is not."""
        if frame.epoch == self.epoch:
            for item in [item for item in self._outbox if item.sent and item.is_message]:
                self._outbox.cancel(item)
                self._settle(item, Uncertain(translatable("uncertain.forgotten")))
        self._subscriptions.reset_whispers()

    def _on_named(self, frame: frames.Named, now: float) -> None:  # noqa: ARG002  (as every handler)
        item = self._outbox.answered(frame.rid)
        if item is not None and isinstance(item.command, frames.Login):
            self._logged_in(frame)
        self.id = frame.id
        self.name = self.wanted_name = frame.name
        self.token = frame.token or self.token
        self._finish(item, frame)
        self._deliver(frame)

    def _logged_in(self, frame: frames.Named) -> None:
        """Join again: the user that we are now is in no room."""
        if frame.id != self.id:
            self._subscriptions.reset_whispers()
        for subscription in reversed(list(self._subscriptions)):
            subscription.paused = True
            self._outbox.add_first(self._item(subscription.join(), internal=True))

    def _on_joined(self, frame: frames.Joined, now: float) -> None:
        item, subscription = self._outbox.answered(frame.rid), self._subscriptions.get(frame.room)
        if subscription is not None:
            silent = item is not None and item.internal and frame.recovered and not subscription.resuming
            subscription.joined(frame, now)
            if not silent:
                self._deliver(frame)
        self._finish(item, frame)

    def _on_parted(self, frame: frames.Parted, now: float) -> None:  # noqa: ARG002
        self._subscriptions.remove(frame.room)
        self._finish(self._outbox.answered(frame.rid), frame)
        self._deliver(frame)

    def _on_event(self, frame: frames.Message | frames.Changed, now: float) -> None:  # noqa: ARG002
        subscription = self._subscriptions.get(frame.room)
        if subscription is not None and subscription.advance(frame):
            self._deliver(frame)
            if subscription.catch_up_to and frame.seq >= subscription.catch_up_to:
                self._caught_up(subscription)

    def _on_ack(self, frame: frames.Ack, now: float) -> None:  # noqa: ARG002
        self._finish(self._outbox.answered(frame.cid), frame)

    def _on_answer(self, frame: Any, now: float) -> None:  # noqa: ARG002
        item = self._outbox.answered(frame.rid)
        if item is None:
            self._deliver(frame)
        elif item.follows:
            self._finish(self._outbox.answered(item.follows), frames.Done())
        self._finish(item, frame)

    def _on_error(self, frame: frames.Error, now: float) -> None:
        if frame.rid in self._typing:
            return
        item = self._outbox.answered(frame.rid if isinstance(frame.cid, UnsetType) else frame.cid)
        error = from_frame(frame)
        if item is None:
            if self._name_pending:
                self._name_settled(error)
            else:
                self._deliver(frame)
        elif frame.retry and (item.is_message or frame.code == Code.RATE_LIMITED or item.internal):
            self._retry(item, frame, error, now)
        else:
            if isinstance(item.command, frames.Join):
                self._shut_out(item, item.command.room, error)
            elif item.follows:
                self._finish(self._outbox.answered(item.follows), frames.Done())
            self._settle(item, error)

    def _on_ping(self, frame: frames.Ping, now: float) -> None:  # noqa: ARG002
        self._act(Send('{"t":"pong"}'))

    def _on_other(self, frame: Any, now: float) -> None:  # noqa: ARG002
        self._deliver(frame)

    def _retry(self, item: Item, frame: frames.Error, error: Refused, now: float) -> None:
        """Send an item again when the server accepts it."""
        delay = RETRY_DELAY if isinstance(frame.after, UnsetType) else frame.after / 1000
        all_wait = frame.code == Code.RATE_LIMITED or not item.is_message
        self._outbox.retry(item, now + delay, all_wait=all_wait)
        if not all_wait:
            self._deliver(Delayed(item.lane, error.message, delay))

    def _shut_out(self, item: Item, room: str, error: Refused) -> None:
        if self._subscriptions.remove(room) is not None and item.internal:
            self._deliver(Left(room, error))

    def _caught_up(self, subscription: Subscription) -> None:
        subscription.catch_up_to = 0
        if subscription.missed:
            self._deliver(Missed(subscription.room, subscription.missed))

    # Actions.

    def _add(self, item: Item, now: float) -> None:
        """Queue an item, unless the server would close the connection for its size."""
        size, limit = len(self._encode(item.command)), self.limits.get("frame", 0)
        if limit and size > limit:
            self._settle(item, refusal(Code.TOO_LONG, {"what": "frame", "size": size, "limit": int(limit)}))
        else:
            self._outbox.add(item)
            self._pump(now)

    def _next_number(self) -> int:
        self._numbers += 1
        return self._numbers

    def _item(self, command: frames.Request, *, internal: bool = False, follows: str | int = "") -> Item:
        number = self._next_number()
        command.rid = number
        return Item(number, number, command, internal=internal, follows=follows)

    def _joining(self) -> set[str]:
        """The rooms whose join has no answer yet."""
        return {item.command.room for item in self._outbox if isinstance(item.command, frames.Join)}

    def _pump(self, now: float) -> None:
        """Send what is due."""
        if self.connected:
            for item in self._outbox.due(now):
                self._act(Send(self._encode(item.command).decode()))
                if isinstance(item.command, frames.SlashCommand):
                    # There may be no answer. The server answers the next request when it has carried this one out.
                    self._outbox.add_first(self._item(frames.Help(command="help"), internal=True, follows=item.key))
                if isinstance(item.command, frames.Typing):
                    self._outbox.answered(item.key)
                    self._settle(item, frames.Done())
                    self._typing.append(item.number)
        self._schedule(now)

    def _schedule(self, now: float) -> None:
        """Set `wake_at`."""
        times = [subscription.deadline for subscription in self._subscriptions if subscription.catch_up_to]
        if self.connected and (at := self._outbox.wake_at(now)) is not None:
            times.append(at)
        self.wake_at = min(times, default=None)

    def _finish(self, item: Item | None, frame: Any) -> None:
        if item is not None:
            self._settle(item, frame)

    def _settle(self, item: Item, outcome: Any) -> None:
        if not item.internal:
            self._act(Settle(item.key, outcome))

    def _deliver(self, event: Event) -> None:
        self._act(Deliver(event))

    def _act(self, action: Action) -> None:
        self._actions.append(action)


def _valid_room(name: str) -> str:
    """The room that a server names as the first one, or our own default if that can't be a room."""
    try:
        return room_name(name)
    except errors.Refused:
        return DEFAULT_ROOM


_Handler = Callable[[Any, Any, float], None]
_HANDLERS: dict[type[Any], _Handler] = {
    frames.Welcome: JsonProtocol._on_welcome,
    frames.Named: JsonProtocol._on_named,
    frames.Ping: JsonProtocol._on_ping,
    frames.Joined: JsonProtocol._on_joined,
    frames.Parted: JsonProtocol._on_parted,
    frames.Message: JsonProtocol._on_event,
    frames.Changed: JsonProtocol._on_event,
    frames.Ack: JsonProtocol._on_ack,
    frames.Error: JsonProtocol._on_error,
    frames.Done: JsonProtocol._on_answer,
    frames.Page: JsonProtocol._on_answer,
    frames.Found: JsonProtocol._on_answer,
    frames.RoomList: JsonProtocol._on_answer,
    frames.People: JsonProtocol._on_answer,
    frames.RoomSettings: JsonProtocol._on_answer,
    frames.ModerationList: JsonProtocol._on_answer,
    frames.ConversationList: JsonProtocol._on_answer,
    frames.IgnoredList: JsonProtocol._on_answer,
    frames.Notice: JsonProtocol._on_answer,
    frames.Commands: JsonProtocol._on_answer,
}
