"""The client's side of `chat.v1.json`, without sockets and clocks: texts in, actions out.

What is ordered: messages to one room are stored in the order in which they were given, through lost connections and
rates; events of a room are told in their order, once each. What is atomic: a message is stored once or, where it ends
with an error other than Uncertain, not at all.

`now` is in seconds by any clock that does not go back. After each call `take` has what is to be done, in order, and
`wake` is when to call `ticked`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import UnsetType

from app.chat import errors, frames
from app.chat.errors import Code
from app.chat.logs import DEFAULT_ROOM, room_name
from app.client.decoding import decode
from app.client.errors import ChatError, Interrupted, NotAChat, Refused, Uncertain, refused
from app.client.events import Action, Connected, Delayed, Event, Fail, Left, Missed, NameRefused, Send, Settle, Tell
from app.client.outbox import Item, Outbox
from app.client.places import Place, Places

WINDOW = 256
"""Messages on their way at once: as many as the server reads before one is stored."""
OLD_FRAME = 64 * 1024
"""Bytes of a frame that an older server reads, which does not tell; or of its longest message, if that is more."""
PATIENCE = 1.0
"""Seconds before what failed is tried again, where the server does not say."""


class Protocol:
    """One user of one server, through as many connections as it takes."""

    def __init__(self, *, name: str = "", token: str = "", window: int = WINDOW) -> None:
        self.name, self.token = name, token
        self.id = 0
        self.epoch = ""
        self.limits: dict[str, float] = {}
        self.room = DEFAULT_ROOM
        self.wanted = name
        """The name to ask for in a handshake; nothing for the one that the server gives."""
        self.connected = False
        self.wake: float | None = None
        self._outbox, self._places = Outbox(window), Places()
        self._numbers = 0
        self._naming = self._before = False
        self._actions: list[Action] = []
        self._encode = msgspec.json.Encoder().encode

    # What the program wants.

    def say(self, cid: str, command: frames.Say | frames.Whisper, now: float) -> None:
        """Say something under a `cid` of its own. It is settled with an Ack, or with the error that it ends with."""
        command.cid = cid
        self._add(Item(self._number(), cid, command), now)

    def ask(self, command: frames.Request, now: float) -> int:
        """Ask for something; the answer is settled under the number that is returned."""
        if isinstance(command, frames.Join):
            self._places.follow(command)
        item = self._request(command)
        self._add(item, now)
        return item.number

    def fall_behind(self, event: frames.Message | frames.Changed) -> None:
        """The reader can't take this event: pass over it and what comes after it in its room, and ask for it later."""
        place = self._places.get(event.room)
        if place is not None and not place.behind:
            place.behind, place.position = True, event.seq - 1

    def read_on(self, now: float) -> None:
        """The reader has caught up: ask for what was passed over meanwhile."""
        joining = self._joining()
        for place in self._places:
            if place.behind and place.room not in joining:
                self._outbox.add(self._request(place.join(), own=True))
        self._pump(now)

    # What happens.

    def opened(self) -> None:
        """There is a connection: the server speaks first."""
        self.connected = False

    def received(self, text: str, now: float) -> None:
        """A text frame came."""
        try:
            frame = decode(text)
        except (ValueError, msgspec.ValidationError) as error:
            frame = None
            if not self.connected:
                self._do(Fail(NotAChat(f"what answers there does not speak chat.v1.json: {error}")))
        if frame is not None:
            if self._naming and not isinstance(frame, frames.Welcome | frames.Error):
                self._called()
            handle: _Handler = _RECEIVED.get(type(frame), Protocol._told)
            handle(self, frame, now)
        self._pump(now)

    def lost(self, now: float) -> None:
        """The connection is over. What was not answered is sent again on the next one, if that can do no harm."""
        self.connected = False
        for item in self._outbox.lost():
            self._settle(item, Interrupted("the connection broke before the answer came"))
        for place in self._places:
            place.until = 0
        self._plan(now)

    def too_big(self) -> None:
        """The server closed the connection for the size of a frame: it was the largest of those on their way."""
        flying = self._outbox.on_its_way()
        if flying:
            largest = max(flying, key=lambda item: len(self._encode(item.command)))
            self._outbox.land(largest.key)
            self._settle(largest, refused(Code.TOO_LONG, "the message is longer than the server reads"))

    def ticked(self, now: float) -> None:
        """It is later."""
        for place in self._places:
            if place.until and now >= place.deadline:
                self._caught_up(place)
        self._pump(now)

    def failed(self, error: ChatError) -> None:
        """Nothing more comes: all that waits ends with the error, or Uncertain if the server may have got it."""
        for item in self._outbox.clear():
            unsure = item.sent and item.speech
            self._settle(item, Uncertain(f"{error}; it may have been stored") if unsure else error)

    def take(self) -> list[Action]:
        """What is to be done, in order."""
        actions, self._actions = self._actions, []
        return actions

    # The frames.

    def _welcomed(self, frame: frames.Welcome, now: float) -> None:
        if self.connected:
            return
        if self.token and frame.token != self.token:
            self._forgotten(frame)
        self._naming = bool(self.wanted) and frame.name != self.wanted
        self.id, self.name, self.token, self.epoch = frame.id, frame.name, frame.token, frame.epoch
        self.limits = {"frame": max(OLD_FRAME, frame.limits.get("message", 0)), **frame.limits}
        self.room, self.connected = _a_room(frame.room), True
        self._outbox.begin(self.limits.get("rate", 0), self.limits.get("burst", 0), now)
        joining = self._joining()
        for place in reversed([place for place in self._places if place.room not in joining]):
            place.resuming = place.position is not None
            self._outbox.put_first(self._request(place.join(), own=True))
        if self._naming:
            # What comes next says whether it is ours, maybe in another form: something has to come.
            self._outbox.put_first(self._request(frames.Help(command="help"), own=True))
        else:
            self._called()

    def _called(self, refusal: Refused | None = None) -> None:
        """It is settled what we are called."""
        self._naming = False
        if refusal is not None:
            self._tell(NameRefused(self.name, refusal))
        self._tell(Connected(self.name, self._before))
        self._before = True

    def _forgotten(self, frame: frames.Welcome) -> None:
        """The server does not know us any more. In the same history what was sent before may be stored, by somebody
        that we are not; in another one it is not."""
        if frame.epoch == self.epoch:
            for item in [item for item in self._outbox if item.sent and item.speech]:
                self._outbox.drop(item)
                self._settle(item, Uncertain("the server does not know you any more: it may have been stored or not"))
        self._places.forget_whispers()

    def _named(self, frame: frames.Named, now: float) -> None:
        item = self._outbox.land(frame.rid)
        if item is not None and isinstance(item.command, frames.Login):
            self._become(frame)
        self.id = frame.id
        self.name = self.wanted = frame.name
        self._answered(item, frame)
        self._told(frame, now)

    def _become(self, frame: frames.Named) -> None:
        """Another user is in no room: join again."""
        if frame.id != self.id:
            self._places.forget_whispers()
        for place in reversed(list(self._places)):
            place.behind = True
            self._outbox.put_first(self._request(place.join(), own=True))

    def _joined(self, frame: frames.Joined, now: float) -> None:
        item, place = self._outbox.land(frame.rid), self._places.get(frame.room)
        if place is not None:
            silent = item is not None and item.own and frame.recovered and not place.resuming
            place.joined(frame, now)
            if not silent:
                self._told(frame, now)
        self._answered(item, frame)

    def _parted(self, frame: frames.Parted, now: float) -> None:
        self._places.remove(frame.room)
        self._answered(self._outbox.land(frame.rid), frame)
        self._told(frame, now)

    def _happened(self, frame: frames.Message | frames.Changed, now: float) -> None:
        place = self._places.get(frame.room)
        if place is not None and place.takes(frame):
            self._told(frame, now)
            if place.until and frame.seq >= place.until:
                self._caught_up(place)

    def _acked(self, frame: frames.Ack, now: float) -> None:  # noqa: ARG002  (as all that handle a frame)
        self._answered(self._outbox.land(frame.cid), frame)

    def _answer(self, frame: Any, now: float) -> None:  # noqa: ARG002
        item = self._outbox.land(frame.rid)
        if item is None:
            self._tell(frame)
        self._answered(item, frame)

    def _refused(self, frame: frames.Error, now: float) -> None:
        item = self._outbox.land(frame.rid if isinstance(frame.cid, UnsetType) else frame.cid)
        error = refused(frame.code, frame.message)
        if item is None:
            if self._naming:
                self._called(error)
            else:
                self._tell(frame)
        elif frame.retry and (item.speech or frame.code == Code.RATE_LIMITED or item.own):
            self._later(item, frame, now)
        else:
            if isinstance(item.command, frames.Join):
                self._shut_out(item, item.command.room, error)
            self._settle(item, error)

    def _later(self, item: Item, frame: frames.Error, now: float) -> None:
        """Send it again when the server takes it."""
        delay = PATIENCE if isinstance(frame.after, UnsetType) else frame.after / 1000
        all_wait = frame.code == Code.RATE_LIMITED or not item.speech
        self._outbox.put_back(item, now + delay, all_wait=all_wait)
        if not all_wait:
            self._tell(Delayed(item.lane, frame.message, delay))

    def _shut_out(self, item: Item, room: str, error: Refused) -> None:
        if self._places.remove(room) is not None and item.own:
            self._tell(Left(room, error))

    def _caught_up(self, place: Place) -> None:
        place.until = 0
        if place.missed:
            self._tell(Missed(place.room, place.missed))

    def _told(self, frame: Any, now: float) -> None:  # noqa: ARG002
        self._tell(frame)

    # Actions.

    def _add(self, item: Item, now: float) -> None:
        """One more, unless the server would close the connection for its size."""
        size, most = len(self._encode(item.command)), self.limits.get("frame", 0)
        if most and size > most:
            problem = f"a frame of {size} bytes is too long: the server reads {most:g} at most"
            self._settle(item, refused(Code.TOO_LONG, problem))
        else:
            self._outbox.add(item)
            self._pump(now)

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    def _request(self, command: frames.Request, *, own: bool = False) -> Item:
        number = self._number()
        command.rid = number
        return Item(number, number, command, own=own)

    def _joining(self) -> set[str]:
        """The rooms whose join is not answered."""
        return {item.command.room for item in self._outbox if isinstance(item.command, frames.Join)}

    def _pump(self, now: float) -> None:
        """Send what may be sent."""
        if self.connected:
            for item in self._outbox.due(now):
                self._do(Send(self._encode(item.command).decode()))
                # These have no answer but an error, or may have none: what comes is told like all else.
                if isinstance(item.command, frames.Typing | frames.SlashCommand):
                    self._outbox.land(item.key)
                    self._settle(item, frames.Done())
        self._plan(now)

    def _plan(self, now: float) -> None:
        """Say when to come back."""
        times = [place.deadline for place in self._places if place.until]
        if self.connected and (at := self._outbox.wake(now)) is not None:
            times.append(at)
        self.wake = min(times, default=None)

    def _answered(self, item: Item | None, frame: Any) -> None:
        if item is not None:
            self._settle(item, frame)

    def _settle(self, item: Item, outcome: Any) -> None:
        if not item.own:
            self._do(Settle(item.key, outcome))

    def _tell(self, event: Event) -> None:
        self._do(Tell(event))

    def _do(self, action: Action) -> None:
        self._actions.append(action)


def _a_room(name: str) -> str:
    """Where a server says to begin, if that can be a room."""
    try:
        return room_name(name)
    except errors.Refused:
        return DEFAULT_ROOM


_Handler = Callable[[Any, Any, float], None]
_RECEIVED: dict[type[Any], _Handler] = {
    frames.Welcome: Protocol._welcomed,
    frames.Named: Protocol._named,
    frames.Joined: Protocol._joined,
    frames.Parted: Protocol._parted,
    frames.Message: Protocol._happened,
    frames.Changed: Protocol._happened,
    frames.Ack: Protocol._acked,
    frames.Error: Protocol._refused,
    frames.Done: Protocol._answer,
    frames.Page: Protocol._answer,
    frames.Found: Protocol._answer,
    frames.RoomList: Protocol._answer,
    frames.People: Protocol._answer,
    frames.RoomSettings: Protocol._answer,
    frames.ConversationList: Protocol._answer,
    frames.Notice: Protocol._answer,
    frames.Commands: Protocol._answer,
}
