"""Presence of one event loop: telling connections how the people of their rooms changed.

What happened to a room within a period is told at its end. What happened to a person, a new name for example, is told
to each connection once, in one of the rooms that both are in. So what a connection gets grows with the people it sees,
not with the rooms in which it sees them. Small rooms come first, and if a period has more to tell than MAX_BYTES, the
rest waits for the next one: nobody's presence waits for that of a crowd.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator

from app.chat.dialects import Dialect
from app.chat.frames import Frame, Presence
from app.chat.presence import Person, difference, people_fit
from app.chat.room import Cursor, Room
from app.live.subscriber import Subscriber
from app.live.turn import LoopTurns
from app.transports.frames import deflate_frame, encode_text

PeopleLookup = Callable[[str], tuple[int, tuple[Person, ...]]]
"""Returns how many people are in a room, and who they are unless the room is large."""
Hold = Callable[[Subscriber, bytes], None]
"""Sends a frame to one connection at the end of this turn."""

MAX_BYTES = 16 * 1024 * 1024
"""Bytes that are told in a period, but for what a single room gets."""
AT_ONCE = 32
"""Connections to tell before others get their turn."""
WRITE = 0.00001
"""Seconds that it takes to write a hint to a connection, which is done at the end of the turn."""
NOTHING: frozenset[Person] = frozenset()


class Announcer:
    """The rooms of an event loop whose people changed, until that is told."""

    def __init__(
        self, rooms: dict[str, Room[Subscriber]], people: PeopleLookup, period: float, turns: LoopTurns, hold: Hold
    ) -> None:
        self._rooms, self._people, self._period, self._turns, self._hold = rooms, people, period, turns, hold
        self._loop = asyncio.get_running_loop()
        self._changed: dict[str, None] = {}
        self._told: dict[str, tuple[Person, ...]] = {}
        """The people of each room, as they were last told."""
        self._timer: asyncio.TimerHandle | None = None
        self._telling: Iterator[int] | None = None
        self._sent = 0

    def changed(self, room: str) -> None:
        """Tell the room that its people changed, at the end of this period."""
        if room in self._rooms:
            self._changed[room] = None
            self._start()

    def forget(self, room: str) -> None:
        """Nobody of this event loop is in the room any more."""
        self._changed.pop(room, None)
        self._told.pop(room, None)
        if not self._changed and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _start(self) -> None:
        if self._timer is None and self._telling is None:
            self._timer = self._loop.call_later(self._period, self._begin)

    def _begin(self) -> None:
        self._timer = None
        changed, self._changed = self._changed, {}
        self._sent = 0
        self._telling = self._tell_all(sorted(changed, key=lambda name: len(self._rooms.get(name, ()))))
        if not self._waits():
            self._tell_some()

    def _tell_some(self, _: object = None) -> None:
        """Tell as much as there is time for in this turn."""
        assert self._telling is not None
        for hints in self._telling:
            self._turns.charge(WRITE * hints)
            if self._waits():
                return
        self._telling = None
        if self._changed:
            self._start()

    def _waits(self) -> bool:
        """Whether telling has to wait for another turn. It goes on then."""
        turn = self._turns.next(None)
        if turn is not None:
            turn.add_done_callback(self._tell_some)
        return turn is not None

    def _tell_all(self, names: list[str]) -> Iterator[int]:
        """Tell rooms, and say after every few connections how many hints there were for them."""
        known: dict[Subscriber, frozenset[Person]] = {}
        merged: dict[tuple[frozenset[Person], frozenset[Person]], frozenset[Person]] = {}
        for number, name in enumerate(names):
            if self._sent >= MAX_BYTES:
                self._changed |= dict.fromkeys(names[number:])
                return
            if (room := self._rooms.get(name)) is not None:
                yield from self._tell(room, known, merged)
                yield 0

    def _tell(
        self,
        room: Room[Subscriber],
        known: dict[Subscriber, frozenset[Person]],
        merged: dict[tuple[frozenset[Person], frozenset[Person]], frozenset[Person]],
    ) -> Iterator[int]:
        """Tell one room. `known` has what connections were told of people in this period."""
        members, people = self._people(room.name)
        before = self._told.get(room.name, ())
        self._told[room.name] = people
        if members > len(people):
            yield from self._send(room, room.cursors(), [Presence(room.name, members)])
            return
        change = difference(before, people)
        if not change:
            return
        changed = frozenset(change.changed)
        groups: dict[frozenset[Person], list[Cursor[Subscriber]]] = {}
        for cursor in room.cursors():
            groups.setdefault(known.get(cursor.subscriber, NOTHING) if changed else NOTHING, []).append(cursor)
        yield 0
        for told, cursors in groups.items():
            news = tuple(person for person in change.changed if person not in told)
            if changed:
                both = merged.setdefault((told, changed), told | changed)
                for cursor in cursors:
                    known[cursor.subscriber] = both
            if change.came or change.went or news:
                frames = _frames(room.name, members, change.came, change.went, news)
                yield from self._send(room, cursors, frames)

    def _send(
        self, room: Room[Subscriber], cursors: Iterable[Cursor[Subscriber]], frames: list[Presence]
    ) -> Iterator[int]:
        """Send hints to those who are still in the room and whose channels are not full."""
        encoded: dict[tuple[Dialect, bool], list[bytes]] = {}
        hints = 0
        for number, cursor in enumerate(cursors, 1):
            subscriber = cursor.subscriber
            if cursor in room and not subscriber.channel.full:
                for data in encode(frames, subscriber, encoded):
                    self._hold(subscriber, data)
                    self._sent += len(data)
                    hints += 1
            if number % AT_ONCE == 0:
                yield hints
                hints = 0
        yield hints


def encode(
    frames: Iterable[Frame], subscriber: Subscriber, encoded: dict[tuple[Dialect, bool], list[bytes]]
) -> list[bytes]:
    """Return frames as a subscriber gets them. They are encoded once for all who get the same."""
    key = subscriber.dialect, subscriber.channel.deflated
    found = encoded.get(key)
    if found is None:
        payloads = [payload for frame in frames for payload in subscriber.dialect.encode_answer(frame)]
        found = encoded[key] = [deflate_frame(encode_text(one)) if key[1] else encode_text(one) for one in payloads]
    return found


def _frames(
    room: str, members: int, came: tuple[Person, ...], went: tuple[Person, ...], changed: tuple[Person, ...]
) -> list[Presence]:
    """Return the change of a room's people, in one frame if it fits."""
    if people_fit((*came, *went, *changed)):
        return [Presence(room, members, came, went, changed)]
    # Those who are there fit in a frame, and so did those who were.
    return [Presence(room, members, came, changed=changed), Presence(room, members, went=went)]
