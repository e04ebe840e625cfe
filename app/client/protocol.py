"""The client's side of `chat.v1.json`, without sockets and clocks: texts in, actions out.

What is ordered: messages to one room are stored in the order in which they were given, through lost connections and
rates; events of a room are told in their order, once each. What is atomic: a message is stored once or, where it ends
with an error other than Uncertain, not at all.

`now` is in seconds by any clock that does not go back. After each call `take` has what is to be done, in order, and
`wake` is when to call `ticked`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import UNSET

from app.chat import frames
from app.chat.errors import Code
from app.chat.frames import WHISPERS
from app.chat.limits import Bucket
from app.client.decoding import decode
from app.client.errors import ChatError, Interrupted, NotAChat, Refused, Uncertain, refused
from app.client.events import Action, Connected, Delayed, Event, Fail, Left, Missed, NameRefused, Send, Settle, Tell

WINDOW = 256
"""Messages on their way at once: as many as the server reads before one is stored."""
SHORT_BURST = 8
"""With a burst below it messages go one by one: of several the server could refuse one and take the next."""
PATIENCE = 1.0
"""Seconds before what failed is tried again, where the server does not say."""
CATCHING_UP = 2.0
"""Seconds after which what was missed is counted, if the last of it is kept from us."""

_AGAIN = (
    frames.Speech | frames.Join | frames.History | frames.Search | frames.Read | frames.Typing | frames.Rooms
    | frames.Who | frames.Look | frames.Conversations | frames.Help | frames.Away | frames.Back | frames.Ignore
    | frames.Unignore
)  # fmt: skip
"""What is sent again on the next connection: it is done once, or does no harm when it is done twice."""


@dataclass(slots=True)
class Item:
    """A request or message that is not at its end."""

    number: int
    key: str | int
    command: frames.Speech | frames.Request
    sent: bool = False
    """Whether it was sent on any connection."""
    own: bool = False
    """Whether the protocol asks it for itself, so that nobody waits for the answer."""

    @property
    def lane(self) -> str:
        """What must keep its order: messages to one room, or to the same people."""
        command = self.command
        if isinstance(command, frames.Say):
            return command.room
        return "@" + ",".join(command.to) if isinstance(command, frames.Whisper) else ""

    @property
    def speech(self) -> bool:
        return isinstance(self.command, frames.Speech)


@dataclass(slots=True)
class Place:
    """A room that is followed, up to `position` of the history `epoch`."""

    room: str
    epoch: str = ""
    position: int | None = None
    behind: bool = False
    """Whether events are passed over, to be asked for again: the reader is too slow, or the join is not answered."""
    resuming: bool = False
    until: int = 0
    """Up to where what comes was missed, or 0."""
    missed: int = 0
    deadline: float = 0


class Protocol:
    """One user of one server, through as many connections as it takes."""

    def __init__(self, *, name: str = "", token: str = "", window: int = WINDOW) -> None:
        self.name, self.token = name, token
        self.id = 0
        self.epoch = ""
        self.registered = False
        self.limits: dict[str, float] = {}
        self.wanted = name
        """The name to ask for in a handshake; nothing for the one that the server gives."""
        self.connected = False
        self.wake: float | None = None
        self.places: dict[str, Place] = {}
        self._window, self._careful = window, False
        self._numbers = 0
        self._queue: deque[Item] = deque()
        self._flying: dict[str | int, Item] = {}
        self._spoken = 0
        """How many of those are messages."""
        self._held: dict[str, float] = {}
        self._pause = 0.0
        self._pace = Bucket(0, 1)
        self._naming = self._before = False
        self._actions: list[Action] = []
        self._encode = msgspec.json.Encoder().encode

    # What the program wants.

    def say(self, cid: str, command: frames.Say | frames.Whisper, now: float) -> None:
        """Say something under a `cid` of its own. It is settled with an Ack, or with the error that it ends with."""
        command.cid = cid
        self._enqueue(Item(self._number(), cid, command), now)

    def ask(self, command: frames.Request, now: float, *, own: bool = False) -> int:
        """Ask for something; the answer is settled under the number that is returned."""
        number = self._number()
        if isinstance(command, frames.Join):
            self._follow(command)
        command.rid = number
        self._enqueue(Item(number, number, command, own=own), now)
        return number

    def read_on(self, now: float) -> None:
        """The reader has caught up: ask for what was passed over meanwhile."""
        for place in self.places.values():
            if place.behind and not self._joining(place.room):
                self.ask(self._join_of(place), now, own=True)

    def fall_behind(self, event: frames.Message | frames.Changed) -> None:
        """The reader can't take this event: pass over it and what comes after it in its room, and ask for it later."""
        place = self._place(event.room)
        if place is not None and not place.behind:
            place.behind, place.position = True, event.seq - 1

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
            _RECEIVED.get(type(frame), Protocol._tell)(self, frame, now)
        self._pump(now)

    def lost(self, now: float) -> None:
        """The connection is over. What was not answered is sent again on the next one, if that can do no harm."""
        self.connected = False
        flying, self._flying, self._spoken = sorted(self._flying.values(), key=lambda item: item.number), {}, 0
        again = [item for item in flying if isinstance(item.command, _AGAIN) and not item.own]
        for item in flying:
            if not isinstance(item.command, _AGAIN):
                self._settle(item, Interrupted("the connection broke before the answer came"))
        waiting = [item for item in self._queue if not item.own]
        self._queue = deque(sorted([*again, *waiting], key=lambda item: item.number))
        for place in self.places.values():
            place.until = 0
        self._held.clear()
        self._plan(now)

    def too_big(self) -> None:
        """The server closed the connection for the size of a frame: it was the largest of those on their way."""
        if self._flying:
            largest = max(self._flying.values(), key=lambda item: len(self._encode(item.command)))
            self._land(largest.key)
            self._settle(largest, refused(Code.TOO_LONG, "the message is longer than the server reads"))

    def ticked(self, now: float) -> None:
        """It is later."""
        for place in self.places.values():
            if place.until and now >= place.deadline:
                self._caught_up(place)
        self._pump(now)

    def failed(self, error: ChatError) -> None:
        """Nothing more comes: all that waits ends with the error, or Uncertain if the server may have got it."""
        for item in [*self._flying.values(), *self._queue]:
            unsure = item.sent and item.speech
            self._settle(item, Uncertain(f"{error}; it may have been stored") if unsure else error)
        self._queue.clear()
        self._flying.clear()
        self._spoken = 0

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
        self.registered, self.limits, self.connected = frame.registered, frame.limits, True
        rate, burst = self.limits.get("rate", 0), self.limits.get("burst", 0)
        self._careful = bool(rate) and burst < SHORT_BURST
        # Half of the burst is left for frames that the way bunches up: one that is refused could be overtaken.
        self._pace = Bucket(rate, max(1, burst // 2))
        self._pause = now
        waiting = {item.command.room for item in self._queue if isinstance(item.command, frames.Join)}
        for place in reversed(self.places.values()):
            if place.room not in waiting:
                place.resuming = place.position is not None
                self._queue.appendleft(self._own(self._join_of(place)))
        if self._naming:
            # What comes next says whether it is ours, maybe in another form: something has to come.
            self._queue.appendleft(self._own(frames.Help(command="help")))
        else:
            self._called()

    def _called(self, refused: Refused | None = None) -> None:
        """It is settled what we are called."""
        self._naming = False
        if refused is not None:
            self._do(Tell(NameRefused(self.name, refused)))
        self._do(Tell(Connected(self.name, self._before)))
        self._before = True

    def _forgotten(self, frame: frames.Welcome) -> None:
        """The server does not know us any more. In the same history what was sent before may be stored, by somebody
        that we are not; in another one it is not."""
        if frame.epoch == self.epoch:
            for item in [item for item in self._queue if item.sent and item.speech]:
                self._queue.remove(item)
                self._settle(item, Uncertain("the server does not know you any more: it may have been stored or not"))
        if WHISPERS in self.places:
            self.places[WHISPERS] = Place(WHISPERS)

    def _named(self, frame: frames.Named, now: float) -> None:
        item = self._land(frame.rid)
        if item is not None and isinstance(item.command, frames.Login):
            self._become(frame)
        self.id, self.registered = frame.id, frame.registered
        self.name = self.wanted = frame.name
        self._answered(item, frame)
        self._tell(frame, now)

    def _become(self, frame: frames.Named) -> None:
        """Another user is in no room: join again."""
        if frame.id != self.id and WHISPERS in self.places:
            self.places[WHISPERS] = Place(WHISPERS)
        for place in reversed(self.places.values()):
            place.behind = True
            self._queue.appendleft(self._own(self._join_of(place)))

    def _joined(self, frame: frames.Joined, now: float) -> None:
        item, place = self._land(frame.rid), self.places.get(frame.room)
        if place is not None:
            if place.position is None or not frame.recovered:
                place.position = frame.head
            elif place.resuming and frame.head > place.position:
                place.until, place.missed, place.deadline = frame.head, 0, now + CATCHING_UP
            silent = item is not None and item.own and frame.recovered and not place.resuming
            place.epoch, place.resuming, place.behind = frame.epoch, False, False
            if not silent:
                self._tell(frame, now)
        self._answered(item, frame)

    def _parted(self, frame: frames.Parted, now: float) -> None:
        self.places.pop(frame.room, None)
        self._answered(self._land(frame.rid), frame)
        self._tell(frame, now)

    def _happened(self, frame: frames.Message | frames.Changed, now: float) -> None:
        place = self._place(frame.room)
        if place is None or place.behind or frame.seq <= (place.position or 0):
            return
        place.position = frame.seq
        self._tell(frame, now)
        if place.until:
            place.missed += isinstance(frame, frames.Message)
            if frame.seq >= place.until:
                self._caught_up(place)

    def _acked(self, frame: frames.Ack, now: float) -> None:  # noqa: ARG002
        self._answered(self._land(frame.cid), frame)

    def _answer(self, frame: Any, now: float) -> None:  # noqa: ARG002
        self._answered(self._land(frame.rid), frame)

    def _refused(self, frame: frames.Error, now: float) -> None:
        item = self._land(frame.rid if frame.cid is UNSET else frame.cid)
        if item is None:
            if self._naming:
                self._called(refused(frame.code, frame.message))
            else:
                self._tell(frame, now)
            return
        if frame.retry and (item.speech or frame.code == Code.RATE_LIMITED or item.own):
            self._later(item, frame, now)
            return
        if isinstance(item.command, frames.Join):
            self._shut_out(item, frame, now)
        self._settle(item, refused(frame.code, frame.message))

    def _later(self, item: Item, frame: frames.Error, now: float) -> None:
        """Send it again when the server takes it, before what was given later."""
        delay = PATIENCE if isinstance(frame.after, msgspec.UnsetType) else frame.after / 1000
        if frame.code == Code.RATE_LIMITED or not item.speech:
            self._pause = max(self._pause, now + delay)
        else:
            self._held[item.lane] = now + delay
            self._tell(Delayed(item.lane, frame.message, delay), now)
        self._careful = True
        place = next((index for index, other in enumerate(self._queue) if other.number > item.number), len(self._queue))
        self._queue.insert(place, item)

    def _shut_out(self, item: Item, frame: frames.Error, now: float) -> None:
        assert isinstance(item.command, frames.Join)
        place = self.places.pop(item.command.room, None)
        if item.own and place is not None:
            self._tell(Left(place.room, refused(frame.code, frame.message)), now)

    def _caught_up(self, place: Place) -> None:
        place.until = 0
        if place.missed:
            self._do(Tell(Missed(place.room, place.missed)))

    def _tell(self, event: Event, now: float) -> None:  # noqa: ARG002  (as all that handle a frame)
        self._do(Tell(event))

    # Sending.

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    def _own(self, command: frames.Request) -> Item:
        number = self._number()
        command.rid = number
        return Item(number, number, command, own=True)

    def _enqueue(self, item: Item, now: float) -> None:
        self._queue.append(item)
        self._pump(now)

    def _pump(self, now: float) -> None:
        """Send what may be sent."""
        waiting: list[Item] = []
        lanes: set[str] = set()
        while self.connected and self._queue and self._may_send(now, waiting, lanes):
            item = self._queue.popleft()
            self._flying[item.key] = item
            self._spoken += item.speech
            item.sent = True
            self._do(Send(self._encode(item.command).decode()))
            self._unanswered(item)
        self._queue.extendleft(reversed(waiting))
        self._plan(now)

    def _may_send(self, now: float, waiting: list[Item], lanes: set[str]) -> bool:
        """Whether the first in the queue may be sent; those before it that have to wait longer go to `waiting`."""
        while self._queue:
            item = self._queue[0]
            held = item.speech and (item.lane in lanes or self._held.get(item.lane, 0) > now)
            if not held:
                break
            lanes.add(item.lane)
            waiting.append(self._queue.popleft())
        if not self._queue or self._pause > now or self._barred(self._queue[0]):
            return False
        wait = self._pace.take(now)
        if wait:
            self._pause = now + wait
        return not wait

    def _barred(self, item: Item) -> bool:
        """Whether it must wait for answers: a `cid` is the user's, and a login makes us another."""
        if any(isinstance(other.command, frames.Login) for other in self._flying.values() if not other.speech):
            return True
        if isinstance(item.command, frames.Login):
            return self._spoken > 0
        return item.speech and self._spoken >= (1 if self._careful else self._window)

    def _unanswered(self, item: Item) -> None:
        """Some requests have no answer but an error, or may have none: what comes is told like all else."""
        if isinstance(item.command, frames.Typing | frames.Slash):
            self._land(item.key)
            self._settle(item, frames.Done())

    def _plan(self, now: float) -> None:
        """Say when to come back."""
        times = [place.deadline for place in self.places.values() if place.until]
        if self.connected and self._queue:
            times += [at for at in (self._pause, *self._held.values()) if at > now]
        self.wake = min(times, default=None)

    def _land(self, key: Any) -> Item | None:
        """The request or message that a frame answers, if it is one of ours."""
        if not isinstance(key, str | int):
            return None
        item = self._flying.pop(key, None)
        if item is not None:
            self._spoken -= item.speech
        return item

    def _answered(self, item: Item | None, frame: Any) -> None:
        if item is None:
            if not isinstance(frame, frames.Ack | frames.Joined | frames.Parted | frames.Named):
                self._do(Tell(frame))
        else:
            self._settle(item, frame)

    def _settle(self, item: Item, outcome: Any) -> None:
        if not item.own:
            self._do(Settle(item.key, outcome))

    # Rooms.

    def _follow(self, command: frames.Join) -> None:
        """Keep the place of a room that the program joins: a new one, or from where it says."""
        place = self.places.setdefault(command.room, Place(command.room))
        if not isinstance(command.after, msgspec.UnsetType):
            place.position = command.after
            place.epoch = "" if isinstance(command.epoch, msgspec.UnsetType) else command.epoch
            place.behind = True
        elif place.position is not None:
            resumed = self._join_of(place)
            command.after, command.epoch = resumed.after, resumed.epoch

    def _join_of(self, place: Place) -> frames.Join:
        if place.position is None:
            return frames.Join(room=place.room)
        return frames.Join(room=place.room, after=place.position, epoch=place.epoch or UNSET)

    def _place(self, room: str) -> Place | None:
        return self.places.get(WHISPERS if room.startswith(WHISPERS) else room)

    def _joining(self, room: str) -> bool:
        items = (*self._queue, *self._flying.values())
        return any(isinstance(item.command, frames.Join) and item.command.room == room for item in items)

    def _do(self, action: Action) -> None:
        self._actions.append(action)


_RECEIVED: dict[type[Any], Callable[[Any, Any, float], None]] = {
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
