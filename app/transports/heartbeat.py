"""Pings and read deadlines of many connections, on one timer."""

from __future__ import annotations

import asyncio
from typing import Protocol
from weakref import WeakValueDictionary

from app.chat.closing import CloseCode
from app.transports.reading_turns import reading_turns

SLOTS = 16
"""How many groups the connections are split into, so that they aren't all pinged at once."""


class Monitored(Protocol):
    """What a Heartbeat needs of a connection."""

    @property
    def full(self) -> bool:
        """Whether bytes are queued for the client."""

    def ping(self) -> None:
        """Send a ping, if the connection isn't full."""

    def bytes_drained(self) -> int:
        """Bytes that were queued once and have left since. It grows for as long as the client reads."""

    def disconnect(self, code: CloseCode, reason: str) -> None:
        """End the connection: its client doesn't answer or doesn't read."""


class Heartbeat:
    """One timer for all connections of an event loop: it pings them in turn, and disconnects the clients that don't
    answer or don't read.

    All lengths are in seconds. Each connection is pinged once every `period` (0: never) and has `timeout` to answer;
    a client may read nothing for `stall` while bytes are queued for it (0: forever).
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, period: float, timeout: float, stall: float) -> None:
        self._loop, self._period, self._timeout, self._stall = loop, period, timeout, stall
        self.turns = reading_turns(loop)
        self._slots: list[dict[Monitored, None]] = [{} for _ in range(SLOTS)]
        self._slot_of: dict[Monitored, int] = {}
        self._awaiting_pong: dict[Monitored, tuple[float, int]] = {}
        """The time of the ping, and the bytes drained by then. In the order of the pings."""
        self._paused: dict[Monitored, tuple[float, int]] = {}
        """Since when bytes are queued for a client, and the bytes drained by then."""
        self._next_slot = self._turn = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, one: Monitored) -> None:
        """Start monitoring a connection."""
        self._slot_of[one] = self._next_slot
        self._slots[self._next_slot][one] = None
        self._next_slot = (self._next_slot + 1) % SLOTS
        if self._timer is None:
            self._timer = self._loop.call_later(self._tick_length(), self._tick)

    def remove(self, one: Monitored) -> None:
        """Stop monitoring it."""
        del self._slots[self._slot_of.pop(one)][one]
        self._awaiting_pong.pop(one, None)
        self._paused.pop(one, None)

    def pong_received(self, one: Monitored) -> None:
        """The client answered."""
        self._awaiting_pong.pop(one, None)

    def writing_paused(self, one: Monitored) -> None:
        """Bytes are queued for the client from now on."""
        self._paused[one] = self._loop.time(), one.bytes_drained()

    def writing_resumed(self, one: Monitored) -> None:
        """Nothing is queued any more. The client reads, so it needn't answer a ping as well."""
        self._paused.pop(one, None)
        self._awaiting_pong.pop(one, None)

    def _tick_length(self) -> float:
        """Short enough to notice a missed deadline within a sixteenth of it."""
        lengths = [length / SLOTS for length in (self._period, self._timeout, self._stall) if length]
        return min([1.0, *lengths])

    def _tick(self) -> None:
        self._timer = self._loop.call_later(self._tick_length(), self._tick) if self._slot_of else None
        now = self._loop.time()
        if self._timeout:
            self._disconnect_silent(now)
        if self._stall:
            self._disconnect_stalled(now)
        if self._period:
            self._ping(now)

    def _ping(self, now: float) -> None:
        """Ping the slots that came due since the last tick."""
        turn = int(now / self._period * SLOTS)
        first = max(self._turn + 1, turn - SLOTS + 1) if self._turn else turn
        for slot in range(first, turn + 1):
            for one in self._slots[slot % SLOTS]:
                if one not in self._awaiting_pong:
                    self._awaiting_pong[one] = now, one.bytes_drained()
                    one.ping()
        self._turn = turn

    def _disconnect_silent(self, now: float) -> None:
        """A full connection got no ping, or the ping is queued: it counts as alive for as long as its client reads."""
        for one in _overdue(self._awaiting_pong, now - self._timeout):
            before = self._awaiting_pong.pop(one)[1]
            if one.full and one.bytes_drained() > before:
                self._awaiting_pong[one] = now, one.bytes_drained()
            else:
                one.disconnect(CloseCode.PING_TIMEOUT, "no answer to a ping")

    def _disconnect_stalled(self, now: float) -> None:
        stalled = [one for one, (since, _) in self._paused.items() if now - since >= self._stall]
        for one in stalled:
            before = self._paused[one][1]
            if one.bytes_drained() > before:
                self._paused[one] = now, one.bytes_drained()
            else:
                one.disconnect(CloseCode.SLOW_READER, "nothing was read for too long")


def _overdue(awaiting: dict[Monitored, tuple[float, int]], before: float) -> list[Monitored]:
    """The connections pinged at or before a time. `awaiting` is in the order of the pings."""
    found = []
    for one, (at, _) in awaiting.items():
        if at > before:
            break
        found.append(one)
    return found


def shared_heartbeat(loop: asyncio.AbstractEventLoop, period: float, timeout: float, stall: float) -> Heartbeat:
    """The heartbeat of this event loop with these deadlines. All its connections share it; it is freed with the last
    of them."""
    key = loop, period, timeout, stall
    heartbeat = _shared.get(key)
    if heartbeat is None:
        heartbeat = _shared[key] = Heartbeat(loop, period, timeout, stall)
    return heartbeat


_shared: WeakValueDictionary[tuple[asyncio.AbstractEventLoop, float, float, float], Heartbeat] = WeakValueDictionary()
