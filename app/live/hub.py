"""This node's connections, and who of them is in which room.

Subscribers live in shards, one per event loop (a server has one loop; TestClient gives each connection outside of
`with` its own). A shard is only touched in its loop, so it needs no lock; what all shards share is behind the Hub's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from threading import Lock

from msgspec import UNSET

from app.backends import Backend
from app.chat.events import Event, User
from app.chat.frames import ReadUpTo, TypingNow
from app.chat.logs import participants
from app.chat.presence import Here, Hint, Person, Read, Roster, Typing
from app.live.shard import Shard
from app.live.subscriber import Subscriber


class Hub:
    """The shards, and who is in each room."""

    def __init__(self, backend: Backend, *, roster: int, presence_period: float) -> None:
        self.backend = backend
        self.largest_roster = roster
        """How many people a room may have that says who they are."""
        self.presence_period = presence_period
        """Seconds between two tellings of who came and went."""
        self._shards: dict[asyncio.AbstractEventLoop, Shard] = {}
        self._roster = Roster()
        self._lock = Lock()
        backend.follow(self._committed)
        backend.watch(self._hinted)

    def enter(self, user: User) -> Shard:
        """One more connection, of `user`; the shard is that of the running loop."""
        loop = asyncio.get_running_loop()
        with self._lock:
            if loop not in self._shards:
                self._shards[loop] = Shard(self.people, self.presence_period)
            shard = self._shards[loop]
            shard.size += 1
            self._roster.enter(user.id, user.name)
        return shard

    def leave(self, user: User) -> bool:
        """One connection of `user` less in the running loop. The answer is whether it was the user's last."""
        loop = asyncio.get_running_loop()
        with self._lock:
            shard = self._shards[loop]
            shard.size -= 1
            if not shard.size:
                del self._shards[loop]
            return self._roster.leave(user.id)

    def join(self, user: User, room: str) -> None:
        """A connection of `user` is in `room` from now on."""
        with self._lock:
            self._roster.join(user.id, room)
        self._announce([room])

    def part(self, user: User, room: str) -> None:
        """A connection of `user` is no longer in `room`."""
        with self._lock:
            self._roster.part(user.id, room)
        self._announce([room])

    def rename(self, user: User) -> None:
        """`user` has another name."""
        with self._lock:
            self._roster.rename(user.id, user.name)
            rooms = self._roster.rooms_of(user.id)
        self._announce(rooms)

    def away(self, user: User, why: str | None) -> None:
        """`user` is away, and says why, or is back (None)."""
        with self._lock:
            self._roster.away(user.id, UNSET if why is None else why)
            rooms = self._roster.rooms_of(user.id)
        self._announce(rooms)

    def present(self, user: int) -> bool:
        """Whether somebody is connected as that user."""
        with self._lock:
            return self._roster.present(user)

    def members(self, room: str) -> int:
        """How many are in `room`."""
        with self._lock:
            return self._roster.members(room)

    def people(self, room: str) -> tuple[int, tuple[Person, ...]]:
        """How many are in `room`, and who they are unless it is a large one."""
        with self._lock:
            members = self._roster.members(room)
            return members, self._roster.people(room) if members <= self.largest_roster else ()

    def rooms(self) -> dict[str, int]:
        """The rooms with somebody in them, and how many."""
        with self._lock:
            return {room: self._roster.members(room) for room in self._roster.rooms()}

    def types(self, room: str, user: User) -> None:
        """`user` is typing in `room`, or in a conversation."""
        hint = Typing(room, user.id, user.name)
        self.backend.hint(hint)
        self._hinted(hint)

    def has_read(self, room: str, user: User, seq: int) -> None:
        """`user` has read `room` up to `seq`."""
        hint = Read(room, user.id, seq)
        self.backend.hint(hint)
        self._hinted(hint)

    def each(self, user: int, do: Callable[[Subscriber], None]) -> None:
        """Do something with every connection of a user, in its own loop."""

        def act(shard: Shard) -> None:
            for subscriber in shard.connections.get(user, ()):
                do(subscriber)

        self._in_shards(act)

    def _announce(self, rooms: Iterable[str]) -> None:
        for room in rooms:
            if self.backend.shared:
                with self._lock:
                    here = self._roster.here(room)
                self.backend.announce(room, here)
            self._in_shards(Shard.show, room)

    def _hinted(self, hint: Hint) -> None:
        if isinstance(hint, Here):
            with self._lock:
                self._roster.elsewhere(hint.room, hint.people)
            self._in_shards(Shard.show, hint.room)
        elif isinstance(hint, Read):
            self._in_shards(Shard.tell_user, hint.user, ReadUpTo(hint.room, hint.seq))
        else:
            typing = TypingNow(hint.room, hint.name)
            for user in participants(hint.room):
                if user != hint.user:
                    self._in_shards(Shard.tell_user, user, typing)
            self._in_shards(Shard.tell, hint.room, typing, hint.user)

    def _committed(self, events: Sequence[Event]) -> None:
        self._in_shards(Shard.deliver, events)

    def _in_shards(self, act: Callable[..., object], *arguments: object) -> None:
        """Do `act(shard, *arguments)` in the loop of each shard: at once in the running one."""
        with self._lock:
            shards = list(self._shards.items())
        running: asyncio.AbstractEventLoop | None = None
        with suppress(RuntimeError):
            running = asyncio.get_running_loop()
        for loop, shard in shards:
            if loop is running:
                act(shard, *arguments)
            else:
                with suppress(RuntimeError):  # that loop ended with its connections still in it
                    loop.call_soon_threadsafe(act, shard, *arguments)
