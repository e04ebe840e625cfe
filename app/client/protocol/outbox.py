"""What waits to be sent and what waits for its answer: in order, within a window, at the rate the server accepts.

Messages to one room keep their order: one that has to wait holds up later ones to the same room, and nothing else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from msgspec import UnsetType

from app.chat import frames
from app.chat.limits import Bucket

REPEATABLE = (
    frames.Speech | frames.Edit | frames.Join | frames.History | frames.Search | frames.Read | frames.Typing
    | frames.Rooms | frames.Who | frames.DescribeRoom | frames.ListModeration | frames.Conversations | frames.Help
    | frames.Away | frames.Back | frames.Ignore | frames.Unignore | frames.ListIgnored
)  # fmt: skip
"""What is sent again on the next connection: it is idempotent, or stored once by its `cid`."""


@dataclass(slots=True, eq=False)
class Item:
    """A request or message that is not finished."""

    number: int
    """Its place in the order in which they were given."""
    key: str | int
    """Its `cid` or `rid`."""
    command: frames.Speech | frames.Request
    internal: bool = False
    """Whether the protocol itself sends it, so that nobody waits for the answer."""
    follows: str | int = ""
    """The key of the request before it, which may have no answer of its own: when this one is answered, that one is
    carried out."""
    sent: bool = False
    """Whether it was sent, on any connection."""

    @property
    def is_message(self) -> bool:
        """Whether it is a message, which is stored once."""
        return isinstance(self.command, frames.Speech)

    @property
    def changes_last(self) -> bool:
        """Whether it changes your last message, whichever that is when it arrives."""
        return isinstance(self.command, frames.Edit | frames.Delete) and isinstance(self.command.seq, UnsetType)

    @property
    def lane(self) -> str:
        """Items of the same lane keep their order: messages to one room, or to the same people, and what changes the
        last of them."""
        if isinstance(self.command, frames.Say | frames.Edit | frames.Delete):
            return self.command.room
        return "@" + ",".join(self.command.to) if isinstance(self.command, frames.Whisper) else ""


class Outbox:
    """Sends nothing itself: `due` says what to send now, and `wake_at` when to ask again."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._one_by_one = False
        self._queue: deque[Item] = deque()
        self._in_flight: dict[str | int, Item] = {}
        self._messages_in_flight = 0
        self._lane_pauses: dict[str, float] = {}
        """Until when a lane has to wait."""
        self._pause = 0.0
        """Until when everything has to wait."""
        self._pace = Bucket(0, 1)

    def __iter__(self) -> Iterator[Item]:
        """All that is not finished."""
        return iter((*self._in_flight.values(), *self._queue))

    def connected(self, rate: float, burst: float, now: float) -> None:
        """Start on a new connection, with the rate limit of its server. Where there is one, messages go one by one: of
        several, one that is refused could be overtaken by one that is not."""
        self._one_by_one = bool(rate)
        # Half of the burst is left for requests that the network bunches up.
        self._pace = Bucket(rate, max(1, burst // 2))
        self._pause = now
        self._lane_pauses.clear()

    def add(self, item: Item) -> None:
        """Queue an item behind all others."""
        self._queue.append(item)

    def add_first(self, item: Item) -> None:
        """Queue an item before all others."""
        self._queue.appendleft(item)

    def retry(self, item: Item, at: float, *, all_wait: bool) -> None:
        """Queue an item again, in its old place, not to be sent before `at`. What is in its lane waits too, or
        everything. From now on messages go one by one: of several, one that is accepted could overtake one that is
        not."""
        if all_wait:
            self._pause = max(self._pause, at)
        else:
            self._lane_pauses[item.lane] = at
        self._one_by_one = True
        later = (index for index, other in enumerate(self._queue) if other.number > item.number)
        self._queue.insert(next(later, len(self._queue)), item)

    def cancel(self, item: Item) -> None:
        """Remove an item from the queue."""
        self._queue.remove(item)

    def due(self, now: float) -> Iterator[Item]:
        """What may be sent now, in order; each item then counts as sent."""
        waiting: list[Item] = []
        while self._skip_paused(now, waiting) and self._may_send(self._queue[0], now):
            item = self._queue.popleft()
            self._in_flight[item.key] = item
            self._messages_in_flight += item.is_message
            item.sent = True
            yield item
        self._queue.extendleft(reversed(waiting))

    def wake_at(self, now: float) -> float | None:
        """When something that waits now may be due; None if nothing waits for the time."""
        if not self._queue:
            return None
        return min((at for at in (self._pause, *self._lane_pauses.values()) if at > now), default=None)

    def answered(self, key: object) -> Item | None:
        """Remove the item that was answered, and return it; None if `key` is of no item in flight."""
        item = self._in_flight.pop(key, None) if isinstance(key, str | int) else None
        if item is not None:
            self._messages_in_flight -= item.is_message
        return item

    def connection_lost(self) -> list[Item]:
        """Queue again what may be repeated, and return the rest of what was in flight."""
        in_flight, self._in_flight, self._messages_in_flight = list(self._in_flight.values()), {}, 0
        repeated = [item for item in (*in_flight, *self._queue) if not item.internal and _is_repeatable(item)]
        waiting = [item for item in self._queue if not item.internal and not _is_repeatable(item)]
        self._queue = deque(sorted((*repeated, *waiting), key=lambda item: item.number))
        return [item for item in in_flight if not _is_repeatable(item)]

    def clear(self) -> list[Item]:
        """Remove everything, and return what was not finished."""
        items = list(self)
        self._queue.clear()
        self._in_flight.clear()
        self._messages_in_flight = 0
        return items

    def in_flight(self) -> list[Item]:
        """What was sent and has no answer yet."""
        return list(self._in_flight.values())

    def _skip_paused(self, now: float, waiting: list[Item]) -> bool:
        """Move items at the head of the queue whose lane is paused to `waiting`; False if no others are left."""
        lanes = {item.lane for item in waiting}
        while self._queue:
            item = self._queue[0]
            keeps_order = item.is_message or item.changes_last
            if not keeps_order or (item.lane not in lanes and self._lane_pauses.get(item.lane, 0) <= now):
                return True
            lanes.add(item.lane)
            waiting.append(self._queue.popleft())
        return False

    def _may_send(self, item: Item, now: float) -> bool:
        if self._pause > now or self._needs_answers_first(item):
            return False
        wait = self._pace.take(now)
        if wait:
            self._pause = now + wait
        return not wait

    def _needs_answers_first(self, item: Item) -> bool:
        """Whether the window is full, or it matters what was stored before: a `cid` belongs to a user, whom a login
        changes, and a message that is refused is not the last one."""
        if any(isinstance(other.command, frames.Login) for other in self._in_flight.values()):
            return True
        if isinstance(item.command, frames.Login) or item.changes_last:
            return self._messages_in_flight > 0
        return item.is_message and self._messages_in_flight >= (1 if self._one_by_one else self._window)


def _is_repeatable(item: Item) -> bool:
    if item.changes_last:
        return False  # it would change another message, if there is a newer one meanwhile
    return isinstance(item.command, REPEATABLE)
