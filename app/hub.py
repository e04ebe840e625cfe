"""This node's connections: what is committed becomes one frame per dialect, put into the outbox of all who follow.

Connections live in shards, one per event loop (a server has one loop; TestClient gives each session outside of `with`
its own). A shard is only touched in its loop, so it needs no lock.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING

from app.backends import Backend
from app.chat.dialects import Dialect
from app.chat.events import Event
from app.chat.frames import Message
from app.chat.room import Cursor, Room
from app.transports.stock import Frame

if TYPE_CHECKING:
    from app.session import Session


class Shard:
    """The connections of one event loop, by room."""

    def __init__(self) -> None:
        self.rooms: dict[str, Room[Session]] = {}
        self.unacknowledged: dict[tuple[int, str], Session] = {}
        """Who waits for the ack of which user's `cid`."""

    def attach(self, session: Session, room: str, at: int) -> Cursor[Session]:
        """Follow `room` after `at`: not live yet (see `Room`)."""
        if room not in self.rooms:
            self.rooms[room] = Room(room)
        return self.rooms[room].attach(session, at)

    def detach(self, cursor: Cursor[Session]) -> None:
        """Follow no longer."""
        room = cursor.room
        room.detach(cursor)
        if not room and self.rooms.get(room.name) is room:
            del self.rooms[room.name]

    def deliver(self, events: Sequence[Event]) -> None:
        """Hand out committed events, in order: to its sender first the ack, then to everybody the event."""
        for event in events:
            if event.cid and (sender := self.unacknowledged.pop((event.user, event.cid), None)):
                sender.acknowledge(event)
            room = self.rooms.get(event.room)
            if room is None:
                continue
            frames: dict[Dialect, Frame] = {}
            for cursor in room.commit(event.seq):
                session = cursor.follower
                if session.overflows(cursor):
                    continue
                frame = frames.get(session.dialect)
                if frame is None:
                    frame = Frame.of(session.dialect.encode(Message.of(event)) or "")
                    frames[session.dialect] = frame
                session.outbox.put(frame)
                cursor.at = event.seq


class Hub:
    """The shards, and how many are in each room."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._shards: dict[asyncio.AbstractEventLoop, tuple[Shard, int]] = {}
        self._members: Counter[str] = Counter()
        self._lock = Lock()
        backend.follow(self._committed)

    def enter(self) -> Shard:
        """The shard of the running loop, for one more connection."""
        loop = asyncio.get_running_loop()
        with self._lock:
            shard, connections = self._shards.get(loop, (Shard(), 0))
            self._shards[loop] = shard, connections + 1
        return shard

    def leave(self) -> None:
        """One connection less in the running loop."""
        loop = asyncio.get_running_loop()
        with self._lock:
            shard, connections = self._shards.pop(loop)
            if connections > 1:
                self._shards[loop] = shard, connections - 1

    def count(self, room: str, change: int) -> int:
        """Add `change` to the members of `room`; the answer is how many there are now."""
        with self._lock:
            self._members[room] += change
            members = self._members[room]
            if not members:
                del self._members[room]
        return members

    def _committed(self, events: Sequence[Event]) -> None:
        with self._lock:
            shards = [(loop, shard) for loop, (shard, _) in self._shards.items()]
        for loop, shard in shards:
            with suppress(RuntimeError):  # that loop ended with its connections still in it
                loop.call_soon_threadsafe(shard.deliver, events)
