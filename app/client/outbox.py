"""What waits to be sent, and what is on its way: in order, within a window, and no faster than the server takes it.

Messages to one room keep their order, come what may: one that has to wait holds up those that were given after it to
the same room, and nothing else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from app.chat import frames
from app.chat.limits import Bucket

SHORT_BURST = 8
"""With a burst below it messages go one by one: of several the server could refuse one and take the next."""

AGAIN = (
    frames.Speech | frames.Join | frames.History | frames.Search | frames.Read | frames.Typing | frames.Rooms
    | frames.Who | frames.DescribeRoom | frames.Conversations | frames.Help | frames.Away | frames.Back | frames.Ignore
    | frames.Unignore
)  # fmt: skip
"""What is sent again on the next connection: it is done once, or does no harm when it is done twice."""


@dataclass(slots=True, eq=False)
class Item:
    """A request or message that is not at its end."""

    number: int
    key: str | int
    command: frames.Speech | frames.Request
    own: bool = False
    """Whether the protocol asks it for itself, so that nobody waits for the answer."""
    sent: bool = False
    """Whether it was sent on any connection."""

    @property
    def speech(self) -> bool:
        """Whether it is a message, which is stored once."""
        return isinstance(self.command, frames.Speech)

    @property
    def lane(self) -> str:
        """What must keep its order: messages to one room, or to the same people."""
        if isinstance(self.command, frames.Say):
            return self.command.room
        return "@" + ",".join(self.command.to) if isinstance(self.command, frames.Whisper) else ""


class Outbox:
    """Sends nothing itself: `due` says what to send now, `wake` when to ask again."""

    def __init__(self, window: int) -> None:
        self._window, self._careful = window, False
        self._queue: deque[Item] = deque()
        self._flying: dict[str | int, Item] = {}
        self._spoken = 0
        """How many of those are messages."""
        self._held: dict[str, float] = {}
        """Until when a lane has to wait."""
        self._pause = 0.0
        """Until when everything has."""
        self._pace = Bucket(0, 1)

    def __iter__(self) -> Iterator[Item]:
        """All that is not at its end."""
        return iter((*self._flying.values(), *self._queue))

    def begin(self, rate: float, burst: float, now: float) -> None:
        """There is a new connection, with a rate of its own."""
        self._careful = bool(rate) and burst < SHORT_BURST
        # Half of the burst is left for frames that the way bunches up: one that is refused could be overtaken.
        self._pace = Bucket(rate, max(1, burst // 2))
        self._pause = now
        self._held.clear()

    def add(self, item: Item) -> None:
        """One more, to be sent after the others."""
        self._queue.append(item)

    def put_first(self, item: Item) -> None:
        """One more, to be sent before the others."""
        self._queue.appendleft(item)

    def put_back(self, item: Item, until: float, *, all_wait: bool) -> None:
        """Send it again, in its place, but not before `until`: what is in its lane waits for it, or everything. From
        now on messages go one by one: of several, one that is taken could overtake one that is not."""
        if all_wait:
            self._pause = max(self._pause, until)
        else:
            self._held[item.lane] = until
        self._careful = True
        later = (index for index, other in enumerate(self._queue) if other.number > item.number)
        self._queue.insert(next(later, len(self._queue)), item)

    def drop(self, item: Item) -> None:
        """It is not to be sent again."""
        self._queue.remove(item)

    def due(self, now: float) -> Iterator[Item]:
        """What may be sent now, in order; each counts as sent."""
        waiting: list[Item] = []
        while self._pass_over(now, waiting) and self._may_send(self._queue[0], now):
            item = self._queue.popleft()
            self._flying[item.key] = item
            self._spoken += item.speech
            item.sent = True
            yield item
        self._queue.extendleft(reversed(waiting))

    def wake(self, now: float) -> float | None:
        """When something may be due that waits now."""
        if not self._queue:
            return None
        return min((at for at in (self._pause, *self._held.values()) if at > now), default=None)

    def land(self, key: object) -> Item | None:
        """What is answered, if it is one of these."""
        item = self._flying.pop(key, None) if isinstance(key, str | int) else None
        if item is not None:
            self._spoken -= item.speech
        return item

    def lost(self) -> list[Item]:
        """The connection is over: what may be sent again waits anew, the rest of what was on its way is the answer."""
        flying, self._flying, self._spoken = list(self._flying.values()), {}, 0
        again = [item for item in (*flying, *self._queue) if not item.own and isinstance(item.command, AGAIN)]
        waiting = [item for item in self._queue if not item.own and not isinstance(item.command, AGAIN)]
        self._queue = deque(sorted((*again, *waiting), key=lambda item: item.number))
        return [item for item in flying if not isinstance(item.command, AGAIN)]

    def clear(self) -> list[Item]:
        """Nothing is sent any more; all that was not at its end."""
        items = list(self)
        self._queue.clear()
        self._flying.clear()
        self._spoken = 0
        return items

    def on_its_way(self) -> list[Item]:
        """What was sent and not answered."""
        return list(self._flying.values())

    def _pass_over(self, now: float, waiting: list[Item]) -> bool:
        """Move what has to wait longer than the rest to `waiting`; whether there is a rest."""
        lanes = {item.lane for item in waiting}
        while self._queue:
            item = self._queue[0]
            if not item.speech or (item.lane not in lanes and self._held.get(item.lane, 0) <= now):
                return True
            lanes.add(item.lane)
            waiting.append(self._queue.popleft())
        return False

    def _may_send(self, item: Item, now: float) -> bool:
        if self._pause > now or self._barred(item):
            return False
        wait = self._pace.take(now)
        if wait:
            self._pause = now + wait
        return not wait

    def _barred(self, item: Item) -> bool:
        """Whether it must wait for answers: a `cid` is the user's, and a login makes us another."""
        if any(isinstance(other.command, frames.Login) for other in self._flying.values()):
            return True
        if isinstance(item.command, frames.Login):
            return self._spoken > 0
        return item.speech and self._spoken >= (1 if self._careful else self._window)
